#!/bin/sh
# fake_peer.sh - a peer that computes nothing (harness/measure/peer.h).
#
# It says that each case has $2 parameters, gives $3 bytes of zeros for its
# output (called $5, or output) $4 seconds after it was asked (0 if there is no
# $4), and writes what it is asked to the file $1.
while read -r command id rest; do
    echo "$command $id" >>"$1"
    case $command in
    name) echo "ok fake 1.0" ;;
    case)
        file=${rest%% *}
        [ -z "$4" ] || sleep "$4"
        header=$(printf '{"%s":{"dtype":"F32","shape":[%d],%s:[0,%d]}}%64s' \
            "${5:-output}" $(($3 / 4)) '"data_offsets"' "$3" '' | head -c 96)
        { printf '\140\0\0\0\0\0\0\0%s' "$header"
          head -c "$3" /dev/zero; } >"$file"
        echo "ok $2"
        ;;
    run) echo "ok 1000.5" ;;
    drop) echo "ok" ;;
    *) echo "no such command" ;;
    esac
done

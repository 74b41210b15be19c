#!/bin/sh
# fake_peer.sh - a peer that computes nothing (harness/peer.h).
#
# It says that each case has $2 parameters, gives $3 bytes of zeros for its
# output $4 seconds after it was asked (0 if there is no $4), and writes what it
# is asked to the file $1.
while read -r command id rest; do
    echo "$command $id" >>"$1"
    case $command in
    name) echo "ok fake 1.0" ;;
    case)
        file=${rest%% *}
        [ -z "$4" ] || sleep "$4"
        head -c "$3" /dev/zero >"$file"
        echo "ok $2"
        ;;
    run) echo "ok 1000.5" ;;
    drop) echo "ok" ;;
    *) echo "no such command" ;;
    esac
done

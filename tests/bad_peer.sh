#!/bin/sh
# bad_peer.sh MODE [FILE] - a peer (harness/measure/peer.h) that misbehaves.
#
# silent   never replies              deaf     reads its first command alone, and
#                                              outlives its input
# dies     ends when it has a case    killed   ends itself by a signal
# fifo     leaves a pipe for a file   link     leaves a link to /dev/zero
# garbage  replies with bytes         endless  replies with a line without end
# early    replies before it is asked twice    infinite  takes inf ns
# child    starts a process that stays; its number goes to FILE
# pairs    takes a time, and says of it what FILE holds
mode=$1 said=$2
case $mode in
deaf)
    trap '' TERM
    echo $$ >"$2"
    read -r command
    echo "ok fake 1.0"
    while :; do sleep 1; done
    ;;
child)
    sleep 300 &
    echo $! >"$2"
    ;;
esac
while read -r command id rest; do
    file=${rest%% *}
    case $command in
    name)
        [ "$mode" = silent ] && sleep 300
        echo "ok fake 1.0"
        ;;
    case)
        case $mode in
        dies) exit 3 ;;
        killed) kill -KILL $$ ;;
        fifo) rm -f "$file"; mkfifo "$file" ;;
        link) rm -f "$file"; ln -s /dev/zero "$file" ;;
        garbage) printf 'o\033[31m\001\377\n'; continue ;;
        endless) head -c 100000 /dev/zero | tr '\0' x; continue ;;
        early) echo "ok 1"; echo "ok 2"; continue ;;
        esac
        echo "ok 1"
        ;;
    run)
        case $mode in
        infinite) echo "ok inf" ;;
        pairs) echo "ok 1000.5$(cat "$said")" ;;
        *) echo "ok 1000.5" ;;
        esac
        ;;
    drop) echo "ok" ;;
    esac
done

#!/bin/sh
# gpu_check.sh - all that needs a GPU: its results and its speed, in two
# commands of 150 and 330 seconds.
#
#   sh tests/gpu_check.sh A [FOLDER]   is it right, and how fast is SCSA
#   sh tests/gpu_check.sh B [FOLDER]   the rest, by value; A's files are added to
#   sh tests/gpu_check.sh [FOLDER]     A, then B
#   sh tests/gpu_check.sh --pack       makes build/gpu_kit.tar.gz: the programs,
#                                      and the libraries that a bare machine has
#                                      not, to be unpacked there
#
# FOLDER, else $OUT, else build/gpu_check, then holds summary.txt (what each step
# has proved), numbers.txt, and results.tar.gz with all else; they are written
# after every step.  tests/gpu_check/A.plan and B.plan say what is done for how
# long, steps.sh how.  It fetches nothing and needs no root.  A kit that does not
# start here, and a tree without one, is built from source first.
#
# Exit 1 if a step failed.  Where there is no GPU it says so, and exits 0.
#
# In the environment: LIMIT, seconds for a command; PLANS, a folder of other
# plans; BACKEND, to try the check with another than cuda; BENCH, a program in
# place of build/gpu/attnbench; WORK, the folder of the database and logs;
# BUILD_LIMIT, seconds to build; COMMIT, of a tree that has no .git.
set -u
cd "$(dirname "$0")/.." || exit 1
self=tests/gpu_check.sh
plans=${PLANS:-tests/gpu_check}
backend=${BACKEND:-cuda}
kit=build/gpu_kit.tar.gz
b=build/gpu
bench=${BENCH:-$b/attnbench}
pin=
modules="scsa se eca ca cbam ema ela fca sa afgca cpca se_conv"
pairs="scsa,se eca,ca cbam,ema ela,fca sa,afgca cpca,se_conv"
. tests/gpu_check/steps.sh

say() { echo "$*" | tee -a "$summary"; }

# ---- a step ------------------------------------------------------------

# step SECONDS NUMBER.NAME COMMAND...: do_COMMAND for at most so long, or as long
# as there is until $deadline.  Its output goes to a file, what became of it to
# another.  SIGINT comes first: attnbench then keeps what it has measured.
step() {
    seconds=$1 file=$steps/$2
    shift 2
    have=$((deadline - $(date +%s)))
    [ $have -lt "$seconds" ] && seconds=$have
    : >"$file.log"
    if [ "$seconds" -lt 4 ]; then
        echo "left out: no time left" >"$file.outcome"
        return
    fi
    from=$(date +%s)
    export seconds
    # shellcheck disable=SC2086 # $pin is a command
    proof=$file.proof $pin timeout -s INT -k 1 $((seconds - 1)) \
        sh $self --step "$@" >"$file.log" 2>&1 </dev/null
    code=$?
    case $code in
    0) word=ok ;;
    77) word=skipped ;;
    124 | 137) word="stopped at its limit" ;;
    *) word="FAILED ($code)" ;;
    esac
    echo "$word, $(($(date +%s) - from)) s" >"$file.outcome"
}

# Says what became of the steps that are not told yet: what they proved; of what
# did not go well, the last line.
tell() {
    for file in "$steps"/*.outcome; do
        [ -e "$file" ] || continue
        file=${file%.outcome}
        outcome=$(cat "$file.outcome") shown='' ended=''
        mv "$file.outcome" "$file.told"
        [ -s "$file.proof" ] && shown=": $(head -n 1 "$file.proof")"
        case $outcome in
        ok* | left*) ;;
        *) [ -n "$shown" ] || ended=$(grep -v '^ *$' "$file.log" | tail -n 1 | cut -c 1-160) ;;
        esac
        told=${file##*/}
        say "$(printf '%-24s %s' "${told#*.}" \
            "$outcome$shown${ended:+ | $ended}")"
    done
}

# ---- what is packed ----------------------------------------------------

# The database as it is now, in one file, without what it no longer uses.
copy_db() {
    rm -f "$packed/gpu.db"
    [ -e "$db" ] || return 0
    python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=20).execute("VACUUM INTO ?", sys.argv[2:])
' "$db" "$packed/gpu.db" 2>/dev/null || cp "$db"* "$packed"/
}

# All logs in one, cut where they are long.
join_logs() {
    for file in "$steps"/*.log; do
        [ -e "$file" ] || continue
        echo "==== ${file##*/}"
        head -c 300000 "$file"
    done >"$packed/log.txt"
}

# Writes what there is so far into $out: a command that is killed loses the step
# that it was at.
pack() {
    copy_db
    join_logs
    for part in constants.csv copy.csv scsa.ncu-rep tables.txt runs.csv; do
        [ -e "$work/$part" ] && cp "$work/$part" "$packed"/
    done
    [ -e "$packed/gpu.db" ] && has python3 &&
        python3 tests/gpu_check/summary.py "$packed/gpu.db" \
            "$work/copy.csv" "$work/constants.csv" >"$work/numbers.new" 2>&1 &&
        mv "$work/numbers.new" "$out/numbers.txt"
    cp "$summary" "$out/numbers.txt" "$packed"/ 2>/dev/null
    cmp -s "$summary" "$out/summary.txt" || cp "$summary" "$out/summary.txt"
    tar -C "$work" -cf - "${packed##*/}" | gzip -3 >"$work/results.new" &&
        mv "$work/results.new" "$out/results.tar.gz"
    rm -f "$out"/results.tar.gz.*
    if [ "$(wc -c <"$out/results.tar.gz")" -gt 15000000 ]; then
        # no file of more than 16 MiB comes back from some machines
        split -b 15000000 "$out/results.tar.gz" "$out/results.tar.gz."
        rm "$out/results.tar.gz"
    fi
}

done_with() {
    tell
    pack
}

# ---- a plan ------------------------------------------------------------

begin_group() {
    group=$1 group_seconds=$2
    : >"$work/together"
}

# A quarter of the processors for the SLOTth of four: threads of two processes on
# one processor wait for each other.
pin_to() {
    quarter=$(($(nproc) / 4))
    [ $quarter -gt 0 ] || return
    cpus=$(($1 * quarter))-$(($1 * quarter + quarter - 1))
    taskset -c $cpus true 2>/dev/null && pin="taskset -c $cpus"
}

# Four at once: what is not timed.
end_group() {
    [ -n "$group" ] || return
    whole=$deadline ends=$(($(date +%s) + group_seconds))
    [ $ends -lt "$deadline" ] && deadline=$ends
    slots=--process-slot-var=SLOT
    xargs $slots true </dev/null 2>/dev/null || slots=
    xargs -P 4 $slots -I LINE sh $self --line "$group_seconds" LINE \
        <"$work/together"
    deadline=$whole group=
    done_with
}

# A step for each of $todo, in a process of its own: a fault of the GPU ends what
# is left of that alone.
each_of() { # SECONDS NAME COMMAND ARGUMENTS
    shared=$1 each=$2 each_do=$3 each_from=$(date +%s)
    shift 3
    left=$(echo "$todo" | wc -w)
    for those in $todo; do
        have=$((shared - ($(date +%s) - each_from)))
        share=$((have / left))
        # the first have time enough rather than none of them
        [ $share -lt 5 ] && [ $have -ge 5 ] && share=5
        number=$((number + 1))
        step $share "$number.${each}_$those" "$each_do" "$those" "$@"
        left=$((left - 1))
        done_with
    done
}

# A has measured SCSA and SE as stages_f16 and stages_f32 do.
without_done() {
    case $1 in
    stages_f16 | stages_f32) [ -e "$work/A.done" ] && todo=${todo#$2} ;;
    esac
}

run_plan() {
    group=
    while read -r seconds name rest; do
        case $seconds in
        '' | '#'*) continue ;;
        +)
            number=$((number + 1))
            echo "$number.$name $rest" >>"$work/together"
            continue
            ;;
        esac
        end_group
        number=$((number + 1))
        case $name in
        together) begin_group "$rest" "$seconds" ;;
        each)
            todo=$modules
            without_done "${rest%% *}" "scsa se "
            eval "each_of $seconds $rest"
            ;;
        pairs)
            todo=$pairs
            without_done "${rest%% *}" "scsa,se "
            eval "each_of $seconds $rest"
            ;;
        *)
            eval "step $seconds $number.$name $rest"
            done_with
            ;;
        esac
    done <"$1"
    end_group
}

# ---- programs ----------------------------------------------------------

missing_packages() {
    while read -r header package; do
        printf '#include <%s>\n' "$header" |
            ${CC:-cc} -E -x c - >/dev/null 2>&1 || printf ' %s' "$package"
    done <<END
sqlite3.h libsqlite3-dev
cjson/cJSON.h libcjson-dev
dnnl.h libdnnl-dev
jpeglib.h libjpeg-dev
png.h libpng-dev
END
}

# The program and its plugin first: they are worth having without the tests.
# gpu_tests is made without cuDNN's tests that need no GPU.
do_build() {
    set -- B=$b ${COMMIT:+"GIT_COMMIT=$COMMIT"} ${COMMIT:+GIT_DIRTY=0}
    if [ -n "$(missing_packages)" ] && [ -d $b/include ]; then
        set -- "$@" CFLAGS="-I$PWD/$b/include" LDFLAGS="-L$PWD/$b/lib \
            -Wl,--disable-new-dtags,-rpath,'\$\$ORIGIN/lib'"
    fi
    make -j"$(nproc)" "$@" all &&
        make -j"$(nproc)" -k "$@" $b/gpu_probe $b/gpu_copy
    make -j"$(nproc)" "$@" CUDA_CUDNN_MINOR=0 $b/gpu_tests
    $bench --version >/dev/null
}

starts() { $bench --version >"$work/version" 2>&1; }

# A kit's plugin needs libraries that may be of another version here.
kit_works() {
    [ -e $b/kit ] && starts || return
    $bench list backends | grep 'does not load' >"$work/version" || return 0
    return 1
}

# Programs of a kit if there is one and it starts, else of this tree.  The time
# that building takes is no command's.
find_programs() {
    [ -x "$bench" ] || [ ! -e $kit ] ||
        tar -xzf $kit --strip-components=1 gpu_kit/build
    [ -n "${BENCH:-}" ] && starts && return
    kit_works && starts && return
    [ -e $b/kit ] &&
        say "the kit does not start here: $(tail -n 1 "$work/version")"
    rm -f $b/kit
    lack=$(missing_packages)
    [ -n "$lack" ] && [ ! -d $b/include ] &&
        say "missing:$lack.  Install them, or bring $kit, which has them"
    deadline=$(($(date +%s) + ${BUILD_LIMIT:-240}))
    step "${BUILD_LIMIT:-240}" 1.build build
    tell
    starts || {
        pack
        exit 1
    }
}

# pip's and the toolkit's libraries, which a kit does not carry.
find_libraries() {
    pip=$(python3 -c '
import glob, sys
print(*[d for p in sys.path for d in sorted(glob.glob(p + "/nvidia/*/lib"))],
      sep=":")' 2>/dev/null)
    for dir in $pip /usr/local/cuda/lib64 /usr/local/cuda/lib; do
        LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$dir
    done
    export LD_LIBRARY_PATH
}

no_gpu() {
    [ "$backend" = cuda ] || return 1
    here=$($bench list backends | grep -A 1 '^cuda' | tail -n 1)
    case $here in
    *' not available: '*)
        say "no GPU can be used here, so there is nothing more to check:"
        say " ${here#*not available:}"
        return 0
        ;;
    esac
    return 1
}

# ---- commands ----------------------------------------------------------

# The numbers that matter first, and all of it in what a reader who sees only the
# end of a long output will see.
finish() {
    echo
    [ -s "$out/numbers.txt" ] && head -c 5800 "$out/numbers.txt"
    echo
    tail -c 5500 "$summary"
    echo
    for word in ok skipped 'stopped at its limit' FAILED 'left out'; do
        printf '%s %s, ' "$(grep -c "^[^ ]*  *$word" "$summary")" "$word"
    done
    echo "all of it: $out ($(du -sh "$out" | cut -f 1)," \
        "$(($(date +%s) - began)) s)"
}

command_is() { # A | B
    began=$(date +%s)
    find_libraries
    find_programs
    deadline=$(($(date +%s) + limit))
    case $1 in A) number=100 ;; *) number=200 ;; esac
    say "$1: $(head -n 1 "$work/version"), at most $limit s"
    no_gpu && {
        pack
        finish
        return
    }
    run_plan "$plans/$1.plan"
    : >"$work/$1.done"
    $bench export --db="$db" "$work/runs.csv" >/dev/null 2>&1
    for table in module_stages gpu_networks torch_eager torch_compiled; do
        $bench table $table --db="$db" && echo
    done >"$work/tables.txt" 2>&1
    pack
    finish
}

main() {
    wanted="A B"
    case ${1:-} in A | B) wanted=$1 && shift ;; esac
    out=${1:-${OUT:-build/gpu_check}}
    work=${WORK:-build/gpu_work}
    steps=$work/steps packed=$work/results summary=$work/summary.txt
    db=$work/gpu.db deadline=0 group=
    case $wanted in A*) rm -rf "$work" ;; esac
    mkdir -p "$out" "$steps" "$packed" || exit 1
    export out work steps db backend deadline
    for which in $wanted; do
        case $which in A) limit=${LIMIT:-150} ;; *) limit=${LIMIT:-330} ;; esac
        command_is "$which"
    done
    grep -q FAILED "$summary" && exit 1
    exit 0
}

case ${1:-} in
--pack) exec sh tests/gpu_check/pack.sh ;;
--step)
    trap : INT # what it runs ends by it, and is waited for
    shift
    do=do_$1
    shift
    command -v "$do" >/dev/null || {
        echo "gpu_check.sh: there is no step '${do#do_}' in steps.sh"
        exit 2
    }
    $do "$@"
    ;;
--line) # SECONDS "NUMBER.NAME COMMAND ..."
    [ -z "${SLOT:-}" ] || pin_to "$SLOT"
    eval "step $2 $3"
    ;;
-*)
    echo "gpu_check.sh: unknown option '$1'; see the head of $self"
    exit 2
    ;;
*) main "$@" ;;
esac

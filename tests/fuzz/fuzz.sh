#!/bin/sh
# fuzz.sh - builds run_fuzz and runs each target for some seconds, as many at
# once as there are cores: one line per target, and an exit status other than 0
# if one crashed.
#
#   sh tests/fuzz/fuzz.sh BUILD SECONDS [TARGET...]        (make fuzz)
#
# In BUILD/fuzz stay: <target>/, inputs that reach something new, where the next
# run continues; <target>.log; crashes/<target>-*, what crashed, hung, leaked or
# took too much memory.
build=$1
seconds=$2
shift 2
folder=$build/fuzz
clang=${CLANG:-clang}
make=${MAKE:-make}

mkdir -p "$folder/crashes"
if ! command -v "${clang##* }" >/dev/null 2>&1; then
    echo "fuzz: skipped: there is no clang (Debian: clang)"
    exit 0
fi
if ! echo '#include <omp.h>
int LLVMFuzzerTestOneInput(void) { return omp_get_num_threads(); }' |
    $clang -fsanitize=fuzzer,address,undefined -fopenmp -w -x c - \
        -o "$folder/probe" >"$folder/probe.log" 2>&1; then
    echo "fuzz: skipped: clang has no libFuzzer or no OpenMP; see" \
        "$folder/probe.log (Debian: libclang-rt-dev, libomp-dev)"
    exit 0
fi
$make --no-print-directory "$folder/run_fuzz" || exit 1
if [ $# = 0 ]; then
    set -- $("$folder/run_fuzz" 2>&1 | sed -n 's/^  \([a-z]*\) .*/\1/p')
fi

# One target.  A hang is what takes two minutes: the first run of some targets
# makes their databases.
one='
folder=$0 seconds=$1 target=$2
log=$folder/$target.log
mkdir -p "$folder/$target"
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
export TMPDIR
"$folder/run_fuzz" "$target" "$folder/$target" "tests/fuzz/corpus/$target" \
    -max_total_time="$seconds" -timeout=120 -rss_limit_mb=3000 -max_len=20000 \
    -artifact_prefix="$folder/crashes/$target-" -print_final_stats=1 \
    >"$log" 2>&1
status=$?
rm -rf "$TMPDIR"
n=$(sed -n "s/^stat::number_of_executed_units: *//p" "$log")
if [ $status = 0 ]; then
    printf "%-12s %9s executions  0 crashes\n" "$target" "$n"
    exit 0
fi
printf "%-12s %9s executions  1 crash: see %s\n" "$target" "${n:-0}" "$log"
sed -n "/slow-unit/d; s,.*Test unit written to \(.*\),    repeat: $folder/run_fuzz $target \1,p" \
    "$log"
exit 1
'
printf '%s\n' "$@" |
    xargs -P "$(nproc)" -n 1 sh -c "$one" "$folder" "$seconds" || {
    echo "fuzz: a target crashed"
    exit 1
}

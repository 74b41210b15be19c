#!/bin/sh
# gpu_check.sh - all that needs a GPU, in nine minutes: builds, tests the
# kernels on the device, and measures.
#
#   sh tests/gpu_check.sh [FOLDER]   FOLDER, else $OUT, else build/gpu_check
#   sh tests/gpu_check.sh --pack     makes build/gpu_packages.tar.gz: the
#                                    libraries of tests/deps.sh, for a machine
#                                    that has none and may install none
#
# It fetches nothing and needs no root.  Every step has its own time limit and
# is reported, and whatever becomes of it, the next one follows.  The folder
# then holds gpu.db; summary, numbers, tables, log (.txt); runs and copy (.csv).
# Exit 1 if a step failed.  Where there is no GPU it says so, and exits 0.
#
# In the environment: LIMIT, seconds for all of it (530); PACKAGES, the packed
# libraries; COMMIT, of a tree that has no .git.
set -u
cd "$(dirname "$0")/.." || exit 1
self=tests/gpu_check.sh
pack=${PACKAGES:-build/gpu_packages.tar.gz}
b=build/gpu
bench=$b/attnbench

# ---- libraries to take along ------------------------------------------

# What every machine with a compiler has, in a version of its own.
common='linux-vdso|ld-linux|libc\.so|libm\.so|libdl|libpthread|librt|libgomp'
common="$common|libstdc\\+\\+|libgcc_s"

# The folder in which the compiler finds <HEADER>.
include_of() {
    printf '#include <%s>\n' "$1" | ${CC:-cc} -H -E -x c - 2>&1 >/dev/null |
        sed -n "s,^\\. \\(.*\\)/$1\$,\\1,p" | head -n 1
}

make_pack() {
    where=$(mktemp -d) || return 1
    mkdir -p "$where/include" "$where/lib" "$(dirname "$pack")"
    for header in sqlite3.h cjson/cJSON.h dnnl.h oneapi/dnnl/dnnl.h \
                  jpeglib.h jerror.h jmorecfg.h jconfig.h png.h; do
        dir=$(include_of $header)
        [ -n "$dir" ] || [ $header = oneapi/dnnl/dnnl.h ] ||
            { echo "$header is not here: make deps"; return 1; }
        mkdir -p "$where/include/$(dirname $header)"
        cp "$dir/${header%.h}"*.h "$where/include/$(dirname $header)/"
    done
    for name in sqlite3 cjson dnnl jpeg png16; do
        file=$(${CC:-cc} -print-file-name="lib$name.so")
        # under the name by which the program will ask for it, and -lNAME's
        soname=$(ldd build/attnbench |
                 sed -n "s,.*\(lib$name\.so[^ ]*\) =>.*,\1,p")
        [ -n "$soname" ] || { echo "build/attnbench is not here: make"; return 1; }
        cp -L "$file" "$where/lib/$soname"
        ln -s "$soname" "$where/lib/lib$name.so"
        ldd "$file" | grep -vE "$common" | awk '$3 ~ "^/" { print $3 }' |
            while read -r needed; do cp -L "$needed" "$where/lib/"; done
    done
    tar -C "$where" -czf "$pack" include lib
    rm -rf "$where"
    ls -l "$pack"
}

# ---- what the steps do ------------------------------------------------

do_machine() {
    date -u +%Y-%m-%dT%H:%M:%SZ
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    echo "$(nproc) processors"
    for tool in cc g++ make nvcc gnuplot compute-sanitizer python3; do
        echo "$tool: $(command -v $tool || echo 'not here')"
    done
    nvidia-smi --format=csv \
        --query-gpu=name,driver_version,memory.total,clocks.max.sm
    python3 -c 'import torch
print("torch", torch.__version__, torch.version.cuda,
      torch.cuda.is_available())'
    true
}

# The program and its plugin first: they are worth having without the tests.
do_build() {
    set -- B=$b CFLAGS="$CHECK_CFLAGS" LDFLAGS="$CHECK_LDFLAGS" \
        ${COMMIT:+"GIT_COMMIT=$COMMIT"} ${COMMIT:+GIT_DIRTY=0}
    make -j"$(nproc)" "$@" all && make -j"$(nproc)" "$@" $b/run_tests
}

do_doctor() { $bench doctor --db="$db"; }
do_kernels() { $bench list kernels; }
do_copy() {
    nvcc=$(sed -n 's/^CUDA_NVCC := //p' $b/toolkit.mk)
    "$nvcc" -O2 -std=c++17 -arch=native -o $b/copy tests/gpu_check/copy.cu &&
        $b/copy >"$out/copy.csv" && cat "$out/copy.csv"
}

# A test that was skipped has tested nothing.
do_suite() {
    $b/run_tests "$1" | tee "$steps/said.$$"
    tail -n 1 "$steps/said.$$" | grep -q '[1-9][0-9]* passed, 0 failed, 0 sk'
}

# verify DTYPE IMPL GRAPH FILE...: where none passed, none was checked.
do_verify() {
    said=$steps/said.$$ dtype=$1 impl=$2 graph=$3
    shift 3
    $bench verify --backend=cuda --dtype="$dtype" --impl="$impl" \
        --graph="$graph" --verbose "$@" >"$said"
    code=$?
    cat "$said"
    grep -q '^0 passed, 0 failed' "$said" && return 77
    return $code
}

do_verify_backward() {
    said=$steps/said.$$
    $bench verify --backend=cuda --pass=backward --verbose "$@" >"$said"
    code=$?
    cat "$said"
    grep -q '^0 passed, 0 failed' "$said" && return 77
    return $code
}

do_sanitizer() {
    command -v compute-sanitizer >/dev/null || return 77
    compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 \
        $b/run_tests "$2"
}

do_run() { $bench run "$@" --backend=cuda --db="$db" --max_samples=200; }
do_gradients() {
    do_run --backbone=resnet50 --module=none,scsa --batch=32 --state=hot,graph \
        --pass=forward,input_grad,backward,train --limit=2
}
do_erf() {
    $bench erf --backbone=resnet50 --module=none,scsa --draws=10 \
        --backend=cuda --db="$db" --out="$out/erf"
}
do_roofs() { $bench roofs --backend=cuda --db="$db"; }
do_why() {
    for shape in 64,56 128,28 256,14 512,7; do
        $bench why --backend=cuda --db="$db" --batch=32 --seconds=1 --top=3 \
            --module=se,scsa --channels=${shape%,*} \
            --height=${shape#*,} --width=${shape#*,} || return
    done
}
do_profile() {
    $bench profile module_stages --backend=cuda --db="$db" --module=se,scsa \
        --batch=32 --state=hot --dtype="$1" --seconds=1 --top=5
}
# One case before and after CUPTI has traced and counted in the process.
do_profile_twice() {
    $bench profile --backend=cuda --db="$db" --module=scsa --batch=32 \
        --channels=64 --height=56 --width=56 --copy=0,1 --seconds=2 --top=0
}
# Counters against known work, and a cold run against a hot one.
do_checks() {
    $bench profile --backend=cuda --db="$db" --module=scsa --batch=32 \
        --channels=64 --height=56 --width=56 --state=cold,hot \
        --seconds=1 --top=0 >"$steps/said.$$"
    code=$?
    cat "$steps/said.$$"
    grep -E '^attnbench|^calibration|^cold|^disagreements|^  step|^  cal|^not c' \
        "$steps/said.$$" >>"$out/summary.txt"
    return $code
}
do_peer() { # FLAGS EXPERIMENT...
    python3 -c 'import sys, torch
sys.exit(not torch.cuda.is_available())' || return 77
    flags=$1
    shift
    do_run "$@" \
        --peer="python3 harness/peers/torch_peer.py --serve --device=cuda $flags"
}

do_export() {
    $bench export --db="$db" "$out/runs.csv"
    python3 tests/gpu_check/summary.py "$db" "$out/copy.csv" \
        >"$out/numbers.txt"
    for name in module_stages gpu_networks torch_eager torch_compiled; do
        $bench table $name --db="$db" && echo
    done >"$out/tables.txt" 2>&1
    cat "$out/numbers.txt"
}

# ---- steps ------------------------------------------------------------

say() { echo "$*" | tee -a "$out/summary.txt"; }

# step NAME SECONDS COMMAND...: do_COMMAND for at most that long, or as long as
# there is.  Its output goes to a file, what became of it to another.  A SIGINT
# comes first: attnbench then keeps what it has measured.
step() {
    name=$1 seconds=$2
    shift 2
    number=$((number + 1))
    file=$steps/$number.$name
    have=$((limit - ($(date +%s) - began)))
    [ $have -lt "$seconds" ] && seconds=$have
    if [ "$seconds" -lt 5 ]; then
        echo "left out: no time left" >"$file.outcome"
        : >"$file.log"
        return
    fi
    from=$(date +%s)
    timeout -s "$signal" -k 10 "$seconds" sh $self --step "$@" \
        >"$file.log" 2>&1 </dev/null
    code=$?
    case $code in
    0) word=ok ;;
    77) word=skipped ;;
    124 | 137) word="stopped at its limit" ;;
    *) word="FAILED ($code)" ;;
    esac
    echo "$word, $(($(date +%s) - from)) s" >"$file.outcome"
}

# Says what became of the steps that are not told yet: of tests, and of what did
# not go well, with their last line.
tell() {
    wait
    signal=INT
    for file in "$steps"/*.outcome; do
        [ -e "$file" ] || continue
        file=${file%.outcome}
        outcome=$(cat "$file.outcome") last=
        mv "$file.outcome" "$file.told"
        case $outcome in
        ok*) last=$(tail -n 1 "$file.log" | grep ' passed, ') ;;
        left*) ;;
        *) last=$(grep -v '^ *$' "$file.log" | tail -n 1 | cut -c 1-200) ;;
        esac
        name=${file##*/}
        say "$(printf '%-22s %s%s' "${name#*.}" "$outcome" "${last:+: $last}")"
    done
}
now() { step "$@"; tell; }

# What is not timed may run beside others.  (A shell's background jobs do not
# hear SIGINT.)
beside() {
    number=$((number + 1))
    signal=TERM
    step "$@" &
}

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

find_packages() {
    CHECK_CFLAGS='' CHECK_LDFLAGS='' lack=$(missing_packages)
    if [ -n "$lack" ] && [ -e "$pack" ]; then
        mkdir -p $b/packages && tar -C $b/packages -xzf "$pack"
        CHECK_CFLAGS="-I$PWD/$b/packages/include"
        at=$PWD/$b/packages/lib
        # old tags: what the libraries themselves need is looked for there, too
        CHECK_LDFLAGS="-L$at -Wl,--disable-new-dtags,-rpath,$at"
        say "packages               those of $pack, in place of$lack"
    elif [ -n "$lack" ]; then
        say "packages               missing:$lack.  Install them, or bring" \
            "$pack: sh $self --pack makes it on a machine that has them."
    fi
    export CHECK_CFLAGS CHECK_LDFLAGS
}

check_kernels() {
    for dtype in f32 tf32 f16 bf16; do
        beside kernels_$dtype 90 \
            suite cuda_kernels.agree_with_definitions_in_$dtype
    done
    for what in modules_in_f32 modules_in_f16 modules_in_bf16 resnet50_in_f32 \
                resnet50_in_tf32 resnet50_in_f16 scsa_of_32_images; do
        beside real_$what 90 suite real_shapes.$what
    done
    tell
    now device 40 suite gpu. # its times want the device to themselves
}

check_files() {
    all=$(echo tests/cases/*.safetensors)
    modules=$(ls tests/cases/*.safetensors |
              grep -v -E '/(resnet|mobilenet|acnet|repv|swin)')
    nets='tests/cases/resnet50_scsa.safetensors
          tests/cases/resnet18_none.safetensors'
    scsa=$(echo tests/cases/*scsa*.safetensors)
    # shellcheck disable=SC2086 # names without blanks
    {
        beside verify_f32 60 verify f32 composed as_written $all
        beside verify_f32_folded 60 verify f32 composed folded \
            tests/cases/resnet*.safetensors
        beside verify_f32_fused 60 verify f32 fused folded $scsa
        for dtype in tf32 f16 bf16; do
            beside verify_$dtype 60 verify $dtype composed as_written \
                $modules $nets
            beside verify_${dtype}_fused 60 verify $dtype fused folded $scsa
        done
        # shellcheck disable=SC2086
        beside verify_backward 60 verify_backward $modules
    }
    tell
}

measure() {
    now copy 30 copy
    now roofs 40 roofs
    now stages 165 run module_stages --dtype=f32,f16 --state=hot,cold,graph \
        --budget=140
    now why 40 why
    now checks 40 checks
    now profile_f32 40 profile f32
    now profile_f16 40 profile f16
    now profile_twice 20 profile_twice
    now networks 50 run tests/gpu_check/networks.json --budget=30
    now gradients 40 gradients
    now erf 20 erf
    now torch_eager 50 peer '' tests/gpu_check/torch_eager.json --budget=30
    now torch_gradients 60 peer '' gradients_vs_torch --budget=40
    now torch_compiled 100 peer --compile tests/gpu_check/torch_compiled.json \
        --budget=90 --block=2
}

main() {
    out=${1:-${OUT:-build/gpu_check}}
    steps=build/gpu_steps db=$out/gpu.db
    began=$(date +%s) limit=${LIMIT:-530} number=10 signal=INT
    export out db steps
    rm -rf "$steps"
    mkdir -p "$out" "$steps" || exit 1
    for kind in summary.txt log.txt tables.txt numbers.txt runs.csv copy.csv; do
        : >"$out/$kind"
    done
    rm -f "$db"*

    now machine 30 machine
    find_packages
    now build 150 build
    [ -x $bench ] || { finish; exit 1; }
    now doctor 30 doctor
    gpu=$($bench list backends | grep -A 1 '^cuda' | tail -n 1)
    case $gpu in
    *' not here: '*)
        say "no GPU can be used here, so there is nothing more to check:"
        say " ${gpu#*not here:}"
        finish
        exit 0
        ;;
    esac
    now list_kernels 20 kernels
    check_kernels
    check_files
    measure
    kernels=cuda_kernels.agree_with_definitions_in_f16
    beside memcheck 60 sanitizer memcheck $kernels
    beside racecheck 60 sanitizer racecheck $kernels
    tell
    limit=$((limit + 15)) # what was measured is always told
    now export 30 export
    finish
    grep -q FAILED "$out/summary.txt" && exit 1
    exit 0
}

# All logs in one, cut where they are long; what is shown last is short.
finish() {
    for file in "$steps"/*.log; do
        echo "==== ${file##*/}"
        head -c 300000 "$file"
    done >"$out/log.txt"
    echo
    cat "$out/summary.txt"
    [ -s "$out/numbers.txt" ] && cat "$out/numbers.txt"
    echo "all of it: $out ($(du -sh "$out" | cut -f 1), $(($(date +%s) - began)) s)"
}

case ${1:-} in
--pack) make_pack ;;
--step)
    shift
    do=do_$1
    shift
    $do "$@"
    ;;
*) main "$@" ;;
esac

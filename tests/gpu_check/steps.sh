# steps.sh - what the steps of a GPU check do: do_NAME for a step NAME.
#
# Read by tests/gpu_check.sh, which says what the variables are.  A step leaves
# what it has proved, in counts, in $proof.  77: there is nothing here to do it
# with.

proved() { echo "$*" >"$proof"; }

# Runs it; its output, also if a pipe would hide that it failed, is in $said.
hear() {
    said=$proof.said
    "$@" >"$said" 2>&1
    code=$?
    cat "$said"
    return $code
}

has() { command -v "$1" >/dev/null; }

do_machine() {
    date -u +%Y-%m-%dT%H:%M:%SZ
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    for tool in cc g++ make nvcc ncu gnuplot compute-sanitizer python3; do
        echo "$tool: $(command -v $tool || echo 'not here')"
    done
    gpu=$(nvidia-smi --format=csv,noheader --query-gpu=name,driver_version)
    nvidia-smi --format=csv \
        --query-gpu=memory.total,clocks.max.sm,temperature.gpu,power.limit
    proved "$gpu; $(nproc) processors; $($bench --version | head -n 1)"
}

do_doctor() {
    hear $bench doctor --db="$db"
    code=$?
    proved "$($bench list kernels | grep -c '^cuda') kernels of ops"
    return $code
}

# ---- the GPU itself ----------------------------------------------------

do_probe() {
    has $b/gpu_probe || return 77
    $b/gpu_probe >"$work/constants.csv"
    code=$?
    cat "$work/constants.csv"
    proved "$(grep -c '^[a-z].*,[0-9]' "$work/constants.csv") constants"
    return $code
}

do_copy() {
    has $b/gpu_copy || return 77
    $b/gpu_copy >"$work/copy.csv"
    code=$?
    cat "$work/copy.csv"
    proved "$(grep -c '^[0-9]' "$work/copy.csv") sizes and states"
    return $code
}

# ---- is it right? ------------------------------------------------------

# A test that was skipped has tested nothing.
do_suite() {
    has $b/gpu_tests || return 77
    hear $b/gpu_tests "$1"
    last=$(tail -n 1 "$said")
    proved "$last$(sed -n 's/^ *compared: /; /p' "$said" | tr -d '\n')"
    case $last in
    '0 passed, 0 failed, '*) return 77 ;;
    *' passed, 0 failed, 0 skipped'*) ;;
    *) return 1 ;;
    esac
}

# The case files that a word stands for.
files() {
    case $1 in
    modules)
        ls tests/cases/*.safetensors |
            grep -v -E '/(resnet|mobilenet|acnet|repv|swin)'
        ;;
    networks)
        ls tests/cases/*.safetensors |
            grep -E '/(resnet|mobilenet|acnet|repv|swin)'
        ;;
    *) ls tests/cases/*"$1"*.safetensors ;;
    esac
}

# Where none passed, none was checked.
hear_verify() {
    hear $bench verify --backend="$backend" --verbose "$@"
    code=$?
    last=$(grep ' passed, ' "$said" | tail -n 1)
    proved "$last"
    case $last in '0 passed, 0 failed'*) return 77 ;; esac
    return $code
}

do_verify() { # DTYPE IMPL GRAPH FILES
    # shellcheck disable=SC2046 # names without blanks
    hear_verify --dtype="$1" --impl="$2" --graph="$3" $(files "$4")
}

do_verify_backward() {
    # shellcheck disable=SC2046
    hear_verify --pass=backward $(files "$1")
}

do_sanitizer() {
    has compute-sanitizer || return 77
    hear compute-sanitizer --tool "$1" --target-processes all \
        --error-exitcode 9 $bench verify --backend=cuda --dtype=f16 \
        --impl=fused --graph=folded tests/cases/scsa_settings1.safetensors
    code=$?
    proved "$(grep 'ERROR SUMMARY' "$said" | tail -n 1)"
    return $code
}

# ---- how fast is it? ---------------------------------------------------

# Measures for a second or two less than the step may take.
do_run() {
    budget=$((seconds - 3))
    [ $budget -gt 0 ] || budget=1
    hear $bench run "$@" --backend="$backend" --db="$db" --max_samples=200 \
        --budget=$budget
    code=$?
    bad=$(grep -m 1 -E '  (failed|wrong|out_of_memory): ' "$said")
    proved "$(sed -n 's/^\([0-9]* ok[^;]*\);.*/\1/p' "$said" | tail -n 1)" \
        "$(echo "$bad" | cut -c 1-200)"
    return $code
}

do_stages() { # MODULES DTYPE BATCH STATES
    do_run module_stages --module="$1" --dtype="$2" --batch="$3" --state="$4"
}

do_networks() { do_run tests/gpu_check/networks.json; }

do_gradients() {
    do_run --backbone=resnet50 --module=none,scsa --batch=32 \
        --state=hot,graph --pass=forward,input_grad,backward,train --limit=2
}

do_torch() { # FLAGS EXPERIMENT
    python3 -c 'import importlib.util, sys
sys.exit(importlib.util.find_spec("torch") is None)' || return 77
    do_run tests/gpu_check/"$2".json --block=4 \
        --peer="python3 harness/peers/torch_peer.py --serve --device=cuda $1"
}

do_kernel_times() { # MODULES DTYPE
    hear $bench profile module_stages --module="$1" --impl=composed \
        --backend="$backend" --db="$db" --batch=32 --state=hot \
        --dtype="$2" --seconds=0 --top=5
    code=$?
    proved "$(grep -c 'launches' "$said") lines on launches"
    return $code
}

# Counters against known work, and a cold run against a hot one.
do_checks() {
    hear $bench profile --backend="$backend" --db="$db" --module=scsa \
        --batch=32 --channels=64 --height=56 --width=56 --state=cold,hot \
        --seconds=1 --top=0
    code=$?
    proved "$(grep -E '^calibration|^cold|^disagreements|^not c' "$said" |
              tr '\n' ' ' | cut -c 1-400)"
    return $code
}

do_ncu() {
    has ncu || return 77
    hear ncu --set full --clock-control none -k regex:scsa -c 1 -f \
        -o "$work/scsa" $bench run --module=scsa --impl=fused --batch=32 \
        --channels=64 --height=56 --width=56 --dtype=f16 --backend=cuda \
        --db="$proof.db" --max_samples=6 --budget=2
    code=$?
    [ -s "$work/scsa.ncu-rep" ] && proved "a report of a kernel of SCSA"
    return $code
}

do_roofs() {
    hear $bench roofs --backend="$backend" --db="$db"
    code=$?
    proved "$(grep -c '/s' "$said") lines on roofs"
    return $code
}

do_why() {
    hear $bench why --backend="$backend" --db="$db" --batch=32 --seconds=1 \
        --top=3 --module=scsa --channels=64 --height=56 --width=56
    code=$?
    proved "$(grep -m 1 '^scsa' "$said" | cut -c 1-200)"
    return $code
}

do_erf() {
    hear $bench erf --backbone=resnet50 --module=none,scsa --draws=5 \
        --backend="$backend" --db="$db" --out="$work/erf"
    code=$?
    proved "$(ls "$work/erf" 2>/dev/null | wc -l) files of maps"
    return $code
}

# Ends as it is told: for tests of the check itself.
do_end() { proved "ended with $1"; return "$1"; }
do_wait() { sleep "$1"; }

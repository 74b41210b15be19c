#!/bin/sh
# clang_check.sh - clang reads every C file and warns of nothing.
#
#   CFLAGS=... sh tests/clang_check.sh BUILD CLANG         (make clang_check)
#
# It makes no code: what it would warn of while it makes some, it does not say.
build=$1
clang=$2
if ! command -v "${clang##* }" >/dev/null 2>&1; then
    echo "clang_check: skipped: there is no clang (Debian: clang)"
    exit 0
fi
if ! echo '#include <omp.h>' |
    $clang -fopenmp -fsyntax-only -x c - >/dev/null 2>&1; then
    echo "clang_check: skipped: clang has no OpenMP (Debian: libomp-dev)"
    exit 0
fi

# Of kernels/cuda, what a machine without CUDA can read.
in_cuda='backend|calibrate|card|clock|conv_engine|conv_graph|cublas|cudnn|descriptors|facts|library|list|product|roofs|tune|weather'
git ls-files '*.c' |
    grep -vE "^kernels/cuda/($in_cuda)\.c|^tests/fake/" >"$build/clang.list"
one='
    case $3 in
    kernels/cpu/simd/*) how="-DISA=generic" ;;
    tests/gradient_trial.c) how="-include tests/in_double.h" ;;
    *) how= ;;
    esac
    $1 $2 $how -Werror -fsyntax-only "$3"
'
xargs -P "$(nproc)" -I{} sh -c "$one" sh "$clang" "$CFLAGS" {} \
    <"$build/clang.list" || {
    echo "clang_check: the above"
    exit 1
}
echo "clang_check: $(wc -l <"$build/clang.list") files, no warnings"

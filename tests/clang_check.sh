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

# One file.  What includes a header of CUDA's that is not here is passed over:
# clang's list of what it includes has that header without a folder.
one='
    case $3 in
    kernels/cpu/simd/*) how="-DISA=generic" ;;
    tests/fake/*) how="-Itests/fake" ;;
    tests/gradient_trial.c) how="-include tests/in_double.h" ;;
    *) how= ;;
    esac
    said=$($1 $2 $how -Werror -fsyntax-only "$3" 2>&1) && exit
    lacks=$($1 $2 $how -M -MG "$3" 2>/dev/null | tr -s " \\\\" "\n\n" |
            grep -m1 -xE "(cu|nv)[a-zA-Z0-9_]*\.h")
    if [ "$lacks" ]; then
        echo "$3: $lacks" >>"$4"
    else
        printf "%s\n" "$said" >&2
        exit 1
    fi
'
git ls-files '*.c' >"$build/clang.list"
: >"$build/clang.lacks"
xargs -P "$(nproc)" -I{} sh -c "$one" sh "$clang" "$CFLAGS" {} \
    "$build/clang.lacks" <"$build/clang.list" || {
    echo "clang_check: the above"
    exit 1
}
all=$(wc -l <"$build/clang.list")
lacks=$(wc -l <"$build/clang.lacks")
echo "clang_check: $((all - lacks)) files, no warnings"
if [ "$lacks" -gt 0 ]; then
    echo "clang_check: $lacks not read, for CUDA's headers that are not here:"
    sort "$build/clang.lacks" | sed 's/^/    /'
fi

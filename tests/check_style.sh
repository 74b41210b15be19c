#!/bin/sh
# check_style.sh - headers that compile alone, formatting, and what must not
# be in the tree: unfinished marks, paths of one machine, names of others'
# tools, words that are not plain English.  Says what it could not check.
status=0
bad() { echo "$1"; status=1; }

# A header with templates, or made of such ones, is for C++.
cpp='^template|^#include "kernels/(simt/(simt|on_host|prims|state)|cuda/kernels/(kernel|scsa|scsa_attend))\.h"'
for header in $(git ls-files '*.h'); do
    if grep -qE "$cpp" "$header"; then
        ${CXX:-c++} -std=c++20 -I. -fsyntax-only -Wall -Wextra -Werror \
            -Wno-missing-field-initializers -Wno-unknown-pragmas \
            -Wno-unused-function -x c++ "$header"
    else
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -fopenmp -I. -Ibuild -DISA=generic \
            -fsyntax-only -Wall -Wextra -Werror -x c "$header"
    fi || bad "$header does not compile alone"
done

# No two headers of the program give one name to two things.
git ls-files 'kernels/*.h' 'attention_zoo/*.h' 'results/*.h' 'analysis/*.h' \
    'plots/*.h' 'harness/*.h' |
    grep -vE '^kernels/(cpu/simd|cuda/kernels|simt)/' |
    sed 's/.*/#include "&"/' |
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -fopenmp -I. -Ibuild -fsyntax-only -x c - ||
    bad "two headers do not compile together"

format=
for known in clang-format-14 clang-format; do
    command -v $known >/dev/null 2>&1 &&
        $known --version | grep -q 'version 14' && format=$known && break
done
if [ -n "$format" ]; then
    for file in $(git ls-files '*.c' '*.h' '*.cpp' '*.cu'); do
        $format --dry-run -Werror "$file" 2>/dev/null ||
            bad "$file is not as clang-format 14 writes it"
    done
else
    echo "(format not checked: no clang-format 14)"
fi

for file in $(git ls-files '*.c' '*.h' '*.cpp' '*.cu'); do
    head -n 3 "$file" | grep -q "^ \* $(basename "$file") - " ||
        bad "$file does not open with '$(basename "$file") - one line'"
done

git grep -nE '^.{81,}$' -- '*.c' '*.h' '*.cpp' '*.cu' ':!tests' &&
    bad "lines of more than 80 characters"
marks='TO''DO|FIX''ME|\bXX''X\b|#if 0'
git grep -nE "$marks" -- '*.c' '*.h' '*.cpp' '*.cu' '*.py' '*.mk' Makefile &&
    bad "unfinished marks"

# A comment opens with a noun or a verb.
git grep -nE '(/\*|\* |// )(What|Of|Whether) ' -- '*.c' '*.h' '*.cpp' '*.cu' &&
    bad "comments that open with What, Of or Whether"
odd='anew|turn by turn|but for|so many|beside|goes on|heeds?|a row a'
git grep -IniE "\b($odd)\b" -- . ':!tests/check_style.sh' &&
    bad "say again, interleaved, except, that many, next to, continues, responds"
phrases='of the input a layer heeds|no smaller difference means anything'
phrases="$phrases|its floor is [^ ]* times faster"
phrases="$phrases|take its interval for what it is|what a score rests on"
phrases="$phrases|and the fix for what it cannot|there is no module '"
phrases="$phrases|name the file by a link|goes on where this stopped"
phrases="$phrases|times the images/s of the same|what is run: forward alone"
git grep -nE "$phrases" -- . ':!tests/check_style.sh' &&
    bad "phrases that plain English has others for"

git grep -nE '(^|[^a-zA-Z0-9_.])/(work|root|home/[a-z]+)/' -- . \
    ':!*.safetensors' && bad "paths of one machine"
exit $status

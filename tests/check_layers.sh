#!/bin/sh
# check_layers.sh - fails if a file includes from a layer above its own.
#
# Each rule: a folder, and the folders its files may include from.  A file's
# folder is the longest one listed; one without a rule may include nothing.
# core/err.h, moment.h, param.h and visible.h are the border that results,
# analysis and plots may not cross into the tensors.
status=0
rules='
kernels/core      kernels/core
kernels/ops       kernels/core kernels/ops
kernels/cpu       kernels/core kernels/ops/ops.h kernels/cpu
kernels/cpu/simd  kernels/core kernels/ops/ops.h kernels/cpu
kernels/cuda/kernels kernels/core kernels/ops/ops.h kernels/cuda/backend kernels/cuda/kernels kernels/simt
kernels/cuda/library kernels/core kernels/ops/ops.h kernels/cuda
kernels/cuda/backend kernels/core kernels/ops/ops.h kernels/cuda kernels/cupti
kernels/cupti     kernels/core kernels/cuda/backend/known_work.h kernels/cupti
kernels/simt      kernels/core kernels/cuda kernels/simt
attention_zoo     kernels/core kernels/ops/ops.h kernels/ops/fused.h attention_zoo
results           kernels/core/err.h kernels/core/moment.h kernels/core/param.h kernels/core/visible.h results
analysis          kernels/core/err.h kernels/core/moment.h kernels/core/param.h kernels/core/visible.h results analysis
plots             kernels/core/err.h kernels/core/moment.h kernels/core/param.h kernels/core/visible.h results analysis plots
harness/files     kernels/core/err.h kernels/core/visible.h results/folder.h results/outfile.h harness/files
harness/devices   kernels results harness/files/hash.h harness/devices
harness/backbones kernels/core kernels/ops/ops.h attention_zoo harness/backbones
harness/network   results/record.h kernels/core kernels/ops attention_zoo harness/backbones harness/devices harness/files harness/network
harness/experiments kernels/core/err.h kernels/core/param.h results/folder.h harness/devices harness/files harness/network harness/experiments
harness/check     kernels/core results/folder.h harness/backbones harness/devices harness/files harness/network harness/check
harness/measure   kernels/core kernels/cpu results analysis harness/devices harness/files harness/network harness/experiments harness/check harness/measure
harness/explain   kernels/core kernels/ops kernels/cupti kernels/simt/model.h results analysis harness/devices harness/files harness/network harness/measure harness/report/table.h harness/explain
harness/attribution kernels/core kernels/ops results analysis plots harness/backbones harness/devices harness/files harness/network harness/check harness/attribution
harness/report    kernels/core/err.h kernels/core/moment.h kernels/core/param.h kernels/core/visible.h attention_zoo results analysis harness/backbones harness/devices harness/files harness/network harness/experiments harness/report
harness/cli       kernels attention_zoo results analysis plots harness
'

# The rule of the longest folder that holds the file.
allowed_for() {
    echo "$rules" | awk -v file="$1" '
        NF && index(file, $1 "/") == 1 && length($1) > n {
            n = length($1); $1 = ""; found = $0 }
        END { print found }'
}

for file in $(find kernels attention_zoo results analysis plots harness \
                   -name '*.[ch]' -o -name '*.cu' -o -name '*.cpp' | sort); do
    allowed=$(allowed_for "$file")
    for seen in $(sed -n 's/^#include "\(.*\)"/\1/p' "$file"); do
        ok=
        case $seen in
        *.inc | build_info.h | cuda_build.h) ok=1 ;; # made by the Makefile
        esac
        for a in $allowed; do
            case $seen in
            "$a" | "$a"/*) ok=1 ;;
            esac
        done
        [ -n "$ok" ] || { echo "$file must not include $seen"; status=1; }
    done
done
exit $status

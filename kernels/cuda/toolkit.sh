#!/bin/sh
# toolkit.sh - what the plugin is built with, as variables for the Makefile.
#
#   sh kernels/cuda/toolkit.sh "90 100"   the architectures; "": this machine's
#                                         GPU's, or 90 where there is none
#
# CUDA_MISSING is empty, or says in one line why there can be no plugin.  The
# toolkit is nvcc's own; cuDNN and cuBLASLt may also be the system's or those
# of pip's wheels.  Nothing here needs a GPU or a driver.
set -u
archs=${1:-}
least=12.4
system="/usr/include /usr/include/$(uname -m)-linux-gnu"
syslib="/usr/lib/$(uname -m)-linux-gnu /usr/lib64 /usr/lib"

missing() {
    echo "CUDA_MISSING := $1"
    exit 0
}

# pip's packages: site-packages/nvidia/cu13, .../nvidia/cudnn and so on.
pip=$(python3 -c '
import glob, os, sys
print(*[d for p in sys.path for d in sorted(glob.glob(p + "/nvidia/*"))
        if os.path.isdir(d) and " " not in d])' 2>/dev/null)

# The first of the folders that holds the file.
first_with() {
    file=$1
    shift
    for dir in "$@"; do
        [ -e "$dir/$file" ] && echo "$dir" && return
    done
}

sub() { # each of pip's folders, with what is below it
    for dir in $pip; do printf '%s/%s ' "$dir" "$1"; done
}

nvcc=${NVCC:-$(command -v nvcc)}
[ -n "$nvcc" ] || nvcc=$(first_with nvcc /usr/local/cuda/bin $(sub bin))
[ -n "$nvcc" ] && [ -d "$nvcc" ] && nvcc=$nvcc/nvcc
[ -n "$nvcc" ] || missing "nvcc was not found"
version=$("$nvcc" --version 2>/dev/null |
          sed -n 's/.*release \([0-9]*\.[0-9]*\).*/\1/p')
[ -n "$version" ] || missing "$nvcc does not run"
[ "$(printf '%s\n%s\n' "$least" "$version" | sort -V | head -n 1)" = "$least" ] ||
    missing "nvcc $version is older than $least"

root=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
[ -d /usr/local/cuda ] && [ "$(readlink -f /usr/local/cuda)" = "$root" ] &&
    root=/usr/local/cuda
includes="$root/include $(sub include) $system"
libs="$root/lib64 $root/lib $(sub lib) $syslib"

cudart=$(first_with libcudart_static.a $libs)
[ -n "$cudart" ] || missing "libcudart_static.a is not in $root"
lt=$(first_with cublasLt.h $includes)
[ -n "$lt" ] || missing "cublasLt.h is not in $root; install libcublas-dev"
major=${version%%.*}
ltlib=$(first_with "libcublasLt.so.$major" $libs)
[ -n "$ltlib" ] || missing "libcublasLt.so.$major is not in $root"

# cuobjdump is only for make sass.
objdump=${CUOBJDUMP:-$(command -v cuobjdump)}
if [ -z "$objdump" ]; then
    objdump=$(first_with cuobjdump "$(dirname "$nvcc")" $(sub bin))
    objdump=${objdump:+$objdump/cuobjdump}
fi

# cuDNN is optional: without it convolutions are our own kernels'.
dnn=$(first_with cudnn_version.h $includes)
dnnlib=$(first_with libcudnn.so.9 $libs)
grep -qs 'define CUDNN_MAJOR 9' "$dnn/cudnn_version.h" || dnn=
[ -n "$dnnlib" ] || dnn=
minor=$(sed -n 's/.*define CUDNN_MINOR //p' "$dnn/cudnn_version.h" 2>/dev/null)

if [ -z "$archs" ]; then
    archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader \
            2>/dev/null | head -n 1 | tr -cd '0-9')
    archs=${archs:-90}
fi
code= count=0 last=
for a in $archs; do
    [ -n "$last" ] &&
        code="$code -gencode arch=compute_$last,code=sm_$last"
    last=$a count=$((count + 1))
done
# The last also as PTX, which newer GPUs compile for themselves.
code="$code -gencode arch=compute_$last,code=[sm_$last,compute_$last]"
[ $count -gt 1 ] && code="$code -t 2"

version_part() { # of cuDNN, as built with
    sed -n "s/^#define CUDNN_$1 \([0-9]*\)$/\1/p" "$dnn/cudnn_version.h"
}
record="CUDA $version"
[ -n "$dnn" ] && record="$record, cuDNN $(version_part MAJOR).$(
    version_part MINOR).$(version_part PATCHLEVEL)"
for a in $archs; do record="$record, sm_$a"; done

flags= seen=" $system "
for dir in $root/include $lt $dnn; do
    case $seen in
    *" $dir "*) ;;
    *) flags="$flags -isystem $dir" seen="$seen$dir " ;;
    esac
done
rpath='$$ORIGIN' seen=" $syslib "
for dir in $ltlib ${dnn:+$dnnlib}; do
    case $seen in
    *" $dir "*) ;;
    *) rpath="$rpath:$dir" seen="$seen$dir " ;;
    esac
done

cat <<END
CUDA_MISSING :=
CUDA_NVCC := $nvcc
CUDA_VERSION := $version
CUDA_CUOBJDUMP := $objdump
CUDA_ARCH_LIST := $archs
CUDA_CODE := $code
CUDA_INCLUDES := $flags
CUDA_RECORD := $record
CUDA_CUDNN_MINOR := ${minor:-0}
CUDA_CUDNN := ${dnn:+$dnnlib/libcudnn.so.9}
CUDA_LINK := $cudart/libcudart_static.a -Wl,-z,lazy '-Wl,-rpath,$rpath'
END

#!/bin/sh
# foreign_root.sh - a GPU check's kit in another distribution: does it start?
#
#   sh tests/gpu_check/foreign_root.sh ROOT [SUITE]
#
# ROOT is a folder with a system's files; where it is missing, debootstrap makes
# it of Debian's SUITE (trixie).  The kit is unpacked there and run in it: with
# no package installed, as root of a mount namespace that nothing outlives.  The
# toolkit's cuDNN and cuBLASLt are lent to it, as a machine with a GPU has them.
# Exit 0 if all went well.
set -eu
root=${1:?usage: foreign_root.sh ROOT [SUITE]}
suite=${2:-trixie}
kit=build/gpu_kit.tar.gz
cuda=${CUDA_LIBS:-/usr/local/cuda/lib64}
cd "$(dirname "$0")/../.."
[ -e $kit ] || { echo "$kit is not here: sh tests/gpu_check.sh --pack"; exit 1; }
[ -e "$root/bin/sh" ] ||
    debootstrap --variant=minbase "$suite" "$root" http://deb.debian.org/debian

cat >"$root/try_kit.sh" <<'TRY'
# In the foreign root: each line says what it shows, or ends it.
cd /try/gpu_kit
b=build/gpu
fail() { echo "FAILED: $*"; exit 1; }
. /etc/os-release
echo "$PRETTY_NAME, $(ldd --version | head -n 1)"
for tool in cc make python3; do
    command -v $tool >/dev/null && echo "(there is a $tool)"
done
$b/attnbench --version || fail "attnbench does not start"
for file in attnbench gpu_tests gpu_probe gpu_copy attnbench_cuda.so; do
    LD_LIBRARY_PATH=/cuda ldd $b/$file | grep 'not found' && fail "$file"
done
ldd $b/attnbench | awk '$3 ~ "build/gpu/lib" { n++ }
    END { print n " libraries are the kit'"'"'s" }'
$b/attnbench doctor >doctor.txt 2>&1 || true
grep -c . doctor.txt | sed 's/$/ lines of doctor/'
LD_LIBRARY_PATH=/cuda $b/attnbench list backends | grep -A 1 '^cuda'
LD_LIBRARY_PATH=/cuda $b/attnbench list backends |
    grep -q 'no NVIDIA driver\|no GPU' || fail "the plugin does not load"
LD_LIBRARY_PATH=/cuda $b/gpu_tests gpu. cuda_kernels. real_shapes. |
    tail -n 1
$b/attnbench verify tests/cases/scsa_c64_14x14.safetensors || fail verify
$b/gpu_probe; [ $? = 1 ] || fail "probe"
LD_LIBRARY_PATH=/cuda sh tests/gpu_check.sh A out || fail "gpu_check.sh A"
ls -l out
[ -s out/results.tar.gz ] && [ -s out/summary.txt ] ||
    fail "nothing was packed"
grep -q 'no GPU can be used' out/summary.txt || fail "it found a GPU"
echo "the kit starts here"
TRY

export root cuda
unshare -m sh -c '
    set -e
    mount -t tmpfs none "$root/tmp"
    mount -t proc proc "$root/proc"
    mkdir -p "$root/cuda" "$root/try"
    mount -t tmpfs none "$root/try"
    [ ! -d "$cuda" ] || mount --bind "$cuda" "$root/cuda"
    tar -C "$root/try" -xzf '"$kit"'
    env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin chroot "$root" sh /try_kit.sh'

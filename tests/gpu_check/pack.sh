#!/bin/sh
# pack.sh - build/gpu_kit.tar.gz: all that a GPU check needs on a machine that
# has a driver, cuDNN, cuBLASLt and no more.
#
#   sh tests/gpu_check.sh --pack
#
# Holds gpu_kit/: this tree without what only pages and other tests need, and in
# build/gpu the programs, stripped, with the libraries that they were linked
# with.  cuDNN, cuBLASLt and CUPTI are the machine's own.  gzip, which every
# machine has.
#
# In the environment: CUDA_ARCHS (90; of "80 90" the last is there as PTX, too, and
# the lines of source, which ncu shows, are left out); MOST, the bytes that the
# archive may have.
set -eu
archs=${CUDA_ARCHS:-90}
most=${MOST:-40000000}
b=build/gpu
pack=build/gpu_kit.tar.gz

# Not carried: what every machine with a compiler's run-time libraries has in a
# version of its own.
common='linux-vdso|ld-linux|libc\.so|libm\.so|libdl|libpthread|librt|libstdc'
common="$common|libgcc_s"

# Not carried: only for pages, and for tests that need no GPU.
left='^plots/readme/|^results/measured/|^tests/(fuzz/corpus|digits|bad|gpus)/'

# Old tags: what the libraries themselves need is looked for there, too.
case $archs in *' '*) set -- LINEINFO= ;; esac
make -j"$(nproc)" B=$b CUDA_ARCHS="$archs" CUDA_CUDNN_MINOR=0 "$@" \
    LDFLAGS="-Wl,--disable-new-dtags,-rpath,'\$\$ORIGIN/lib'" \
    all $b/gpu_tests $b/gpu_probe $b/gpu_copy
[ -e $b/attnbench_cuda.so ] || { echo "no plugin: nvcc is needed"; exit 1; }

where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
to=$where/gpu_kit/$b
mkdir -p "$to/lib" "$to/include"

git ls-files | grep -vE "$left" | tar -cf - -T - | tar -C "$where/gpu_kit" -xf -
for file in attnbench attnbench_cuda.so gpu_tests gpu_probe gpu_copy; do
    cp $b/$file "$to/"
    strip -s "$to/$file"
done
$b/attnbench --version >"$to/kit"

# Under the names by which the programs ask for them.
ldd $b/attnbench $b/gpu_tests | awk '$2 == "=>" { print $1, $3 }' | sort -u |
    grep -vE "$common" | while read -r name file; do
    cp -L "$file" "$to/lib/$name"
done

# Headers, and the names that -lNAME asks for: to build there after all.
folder_of() {
    printf '#include <%s>\n' "$1" | ${CC:-cc} -H -E -x c - 2>&1 >/dev/null |
        sed -n "s,^\\. \\(.*\\)/$1\$,\\1,p" | head -n 1
}
for header in sqlite3.h cjson/cJSON.h dnnl.h oneapi/dnnl/dnnl.h jpeglib.h \
              jerror.h jmorecfg.h jconfig.h png.h pngconf.h pnglibconf.h; do
    dir=$(folder_of $header)
    [ -n "$dir" ] || continue
    mkdir -p "$to/include/$(dirname $header)"
    cp "$dir/${header%.h}"*.h "$to/include/$(dirname $header)/"
done
for name in sqlite3 cjson dnnl jpeg png16; do
    (cd "$to/lib" && ln -s lib$name.so.* lib$name.so)
done

tar -C "$where" --sort=name --owner=0 --group=0 -cf - gpu_kit | gzip -9 >$pack

# It must start from where it is unpacked, with its own libraries.
mkdir "$where/try"
tar -C "$where/try" -xzf $pack
"$where/try/gpu_kit/$b/attnbench" --version
ldd "$where/try/gpu_kit/$b/attnbench" | grep -E 'dnnl|gomp|cjson|sqlite3' |
    grep -v "$where/try" && { echo "libraries of this machine are used"; exit 1; }
size=$(wc -c <$pack)
echo "$pack: $size bytes of $most, gzip; unpacked $(du -sh "$where/try" | cut -f 1)"
[ "$size" -le "$most" ] || { echo "that is too large"; exit 1; }

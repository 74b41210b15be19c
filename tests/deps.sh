#!/bin/sh
# deps.sh - installs the packages that are missing, or names them and stops.
#
# Each line: a file that shows that the package is there (or a program, with
# "cmd:"), and the Debian and Ubuntu package that brings it.
set -u
missing=
have() {
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
    *) printf '#include <%s>\n' "$1" | ${CC:-cc} -E -x c - >/dev/null 2>&1 ;;
    esac
}
while read -r sign package; do
    have "$sign" || missing="$missing $package"
done <<'LIST'
cmd:cc gcc
cmd:c++ g++
cmd:git git
cmd:gnuplot gnuplot-nox
sqlite3.h libsqlite3-dev
cjson/cJSON.h libcjson-dev
dnnl.h libdnnl-dev
jpeglib.h libjpeg-dev
png.h libpng-dev
LIST
[ -z "$missing" ] && exit 0

apt=
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        apt=apt-get
    elif sudo -n true 2>/dev/null; then
        apt="sudo apt-get"
    fi
fi
if [ -z "$apt" ]; then
    echo "These packages are missing:$missing"
    echo "Install them, for example: sudo apt-get install$missing"
    exit 1
fi
echo "installing$missing"
log=build/deps.log
mkdir -p build
export DEBIAN_FRONTEND=noninteractive
{ $apt update -qq && $apt install -y -qq --no-install-recommends $missing; } \
    >$log 2>&1 || { cat $log; exit 1; }

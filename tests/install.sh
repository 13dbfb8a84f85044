#!/usr/bin/env bash
# Installs the Debian packages that are missing: install.sh build|test|long. Does nothing when all are there.
set -euo pipefail

build="g++ cmake ninja-build ccache llvm-19-dev libfmt-dev libcli11-dev nlohmann-json3-dev zlib1g-dev"
test="$build catch2 clang-format-19 locales pkg-config valgrind"
long="$test clang-19 libclang-rt-19-dev util-linux"
case "${1:-test}" in
  build) wanted=$build ;;
  test) wanted=$test ;;
  long) wanted=$long ;;
  *) echo "usage: install.sh build|test|long" >&2; exit 2 ;;
esac

missing=()
for package in $wanted; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} (named as on Debian 12); install them by hand" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing: run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null

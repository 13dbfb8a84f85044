#!/usr/bin/env bash
# Installs the Debian packages that are missing: install.sh build|test|long. Does nothing when all are there. Those
# that are optional (pictures) are tried; the build and the tests go without them.
set -euo pipefail

build="g++ cmake ninja-build ccache llvm-19-dev libfmt-dev libcli11-dev nlohmann-json3-dev zlib1g-dev"
test="$build catch2 clang-format-19 locales pkg-config valgrind"
long="$test clang-19 libclang-rt-19-dev util-linux"
optional="libpng-dev libjpeg62-turbo-dev"
case "${1:-test}" in
  build) wanted=$build ;;
  test) wanted=$test ;;
  long) wanted=$long ;;
  *) echo "usage: install.sh build|test|long" >&2; exit 2 ;;
esac

absent() {
  for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || echo "$package"
  done
}
# shellcheck disable=SC2086 # lists of names
mapfile -t missing < <(absent $wanted)
# shellcheck disable=SC2086 # as above
mapfile -t extras < <(absent $optional)
[ $((${#missing[@]} + ${#extras[@]})) -eq 0 ] && exit 0

as_root=()
why=
if ! command -v apt-get >/dev/null; then
  why="install them by hand (named as on Debian 12)"
elif [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
  command -v sudo >/dev/null || why="run as root: apt-get install ${missing[*]} ${extras[*]}"
fi
if [ -n "$why" ]; then
  [ ${#extras[@]} -eq 0 ] || echo "missing, and optional: ${extras[*]}" >&2
  [ ${#missing[@]} -eq 0 ] && exit 0
  echo "missing: ${missing[*]}; $why" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install() {
  echo "installing: $*"
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@" </dev/null
}
if [ ${#missing[@]} -gt 0 ]; then
  "${as_root[@]}" apt-get update -q
  install "${missing[@]}"
fi
if [ ${#extras[@]} -gt 0 ]; then
  { [ ${#missing[@]} -gt 0 ] || "${as_root[@]}" apt-get update -q; } && install "${extras[@]}" ||
    echo "not installed, and optional: ${extras[*]}" >&2
fi

#!/usr/bin/env bash
# From a fresh Debian 12 to a trained network in one command: installs what is missing, builds the release
# preset and does the main job. quickstart.sh [--data DIR]: DIR holds MNIST as IDX files (else digits are drawn).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=digits:rows=5000,seed=1
while [ $# -gt 0 ]; do
  case "$1" in
    --data) [ $# -ge 2 ] || { echo "--data needs a folder" >&2; exit 2; }
            data=$(cd "$2" && pwd); shift 2 ;;
    -h | --help) sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "unknown option: $1" >&2; exit 2 ;;
  esac
done
bin=$here/build/release/bin
out=$here/build/quickstart

install_and_build() {
  cd "$here"
  tests/install.sh build
  cmake --preset release -DTENON_TESTS=OFF
  cmake --build --preset release -j "$(nproc)"
}

# The main job: fit a line, train the digits network, compile it to an object, call that object from C.
main_job() {
  mkdir -p "$out"
  cd "$out"
  if [ ! -x "$bin/tenon" ]; then
    echo "the tenon command is not part of this build" >&2
    return 1
  fi
  "$bin/tenon" doctor
  if [ -x "$bin/linear_regression" ]; then
    "$bin/linear_regression"
  fi
  "$bin/tenon" new mlp >mlp.tenon
  "$bin/tenon" check mlp.tenon
  "$bin/tenon" train mlp.tenon --data "$data" --epochs 5 --batch 64 -o w.safetensors
  "$bin/tenon" eval mlp.tenon --params w.safetensors --data "$data"
  "$bin/tenon" compile mlp.tenon --fn train,logits --prefix mlp -o mlp
  cc -std=c99 -pedantic -Wall -Werror mlp_example.c mlp.o -o mlp_example
  ./mlp_example
}

install_and_build
main_job

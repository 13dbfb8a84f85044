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
  "$bin/tenon" doctor
  echo "== a line, fitted from C++; the same model as an object, trained from C"
  "$bin/linear_regression" --export linear
  cc -std=c99 -pedantic -Wall -Wextra -Werror -I. "$here/examples/linear_regression/caller.c" linear.o -o caller
  ./caller
  echo "== digits: trained, evaluated, compiled to an object that C calls"
  "$bin/tenon" check "$here/examples/digits_mlp/mlp.tenon"
  "$bin/tenon" train "$here/examples/digits_mlp/mlp.tenon" --data "$data" --epochs 5 --batch 64 -o w.safetensors
  "$bin/tenon" eval "$here/examples/digits_mlp/mlp.tenon" --params w.safetensors --data "$data"
  "$bin/tenon" compile "$here/examples/digits_mlp/mlp.tenon" --fn train,train.epochs,predict --prefix mlp -o mlp
  cc -std=c99 -pedantic -Wall -Wextra -Werror mlp_example.c mlp.o -o mlp_example
  ./mlp_example
}

install_and_build
main_job

#!/usr/bin/env bash
# The tables of docs/benchmarks.md, each beside its peers in one run:
#   4    chunks each of two workers takes in a training step
#   6    a loop of a million trips over a small state, beside C
#   7    matrix products, beside OpenBLAS and oneDNN
#   8    widths 1 to 17 of products and reductions, beside JAX
#   11   tiny models, beside C, JAX and Keras
#   12   a training step, beside PyTorch and JAX
#   13   single convolutions and their gradients, beside oneDNN
#   14   training steps of convolutional networks, beside PyTorch and JAX
#   15   inference of convolutional networks, beside OpenVINO, ONNX Runtime, PyTorch and JAX
# and, where it is asked for, the optimizers and schedules beside PyTorch's: their values, not their speed.
#
#   run.sh [--only 4|6|7|8|11|12|13|14|15|optimizers]... [--quick]
#
# Peers are pinned and live in build/benchmarks, the libraries of C come from Debian. One that cannot be
# installed is skipped by its name. TENON_BUILD names a build folder to take Tenon from instead of building.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=tests/benchmarks
work=build/benchmarks
bin=$work/bin

only=() quick=()
while [ $# -gt 0 ]; do
  case "$1" in
    --only) case "${2:-}" in 4|6|7|8|11|12|13|14|15|optimizers) only+=("$2"); shift 2 ;; *) echo "--only takes 4, 6, 7, 8, 11, 12, 13, 14, 15 or optimizers" >&2; exit 2 ;; esac ;;
    --quick) quick=(--quick); shift ;;
    *) sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done
wanted() {
  [ ${#only[@]} -eq 0 ] && return 0
  local o
  for o in "${only[@]}"; do [ "$o" = "$1" ] && return 0; done
  return 1
}
skip() { echo "skipped: $*"; }
title() { printf '\n== %s\n' "$*"; }

# A Debian package, or word that it is missing.
debian() {
  local state as_root=()
  state=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)
  [ "$state" = installed ] && return 0
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
  fi
  echo "installing: $1"
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "$1" </dev/null >/dev/null 2>&1
}

# A Python package at a version, in the benchmarks' own environment.
python=$work/venv/bin/python
peer() {
  if [ ! -x "$python" ]; then
    python3 -m venv $work/venv 2>/dev/null || return 1
  fi
  "$python" - "$1" "$2" <<'EOF' 2>/dev/null && return 0
import importlib.metadata, sys
sys.exit(importlib.metadata.version(sys.argv[1]) != sys.argv[2])
EOF
  echo "installing: $1 $2"
  "$python" -m pip install -q "$1==$2" 2>/dev/null
}
peers() {  # NAME VERSION ...
  while [ $# -gt 0 ]; do
    peer "$1" "$2" || skip "$1 $2 cannot be installed"
    shift 2
  done
}

mkdir -p $bin
if [ -z "${TENON_BUILD:-}" ]; then
  tests/install.sh build
  cmake --preset release >/dev/null
  cmake --build --preset release --target tenon_shared tenon
  TENON_BUILD=$PWD/build/release
fi
library=$TENON_BUILD/bin/libtenon.so
cxx() {  # NAME LIBRARIES...
  local name=$1
  shift
  g++ -std=c++20 -O2 -march=native -Iinclude -I"$TENON_BUILD/generated/include" $here/$name.cpp -o $bin/$name \
    -L"$TENON_BUILD/bin" -Wl,-rpath,"$TENON_BUILD/bin" -ltenon "$@"
}
g++ -std=c++20 -O2 -march=native -shared -fPIC $here/probe.cpp -o $bin/libprobe.so -pthread

# tiny_c.c under each compiler, with and without -ffast-math.
baselines=()
c_baselines() {
  [ ${#baselines[@]} -gt 0 ] && return 0
  debian gcc-12 || true
  debian clang-19 || true
  local compiler
  for compiler in gcc-12 clang-19; do
    if ! command -v $compiler >/dev/null; then
      skip "$compiler is not here"
      continue
    fi
    $compiler -O3 -march=native -shared -fPIC $here/tiny_c.c -o $bin/libtiny-$compiler.so -lm
    $compiler -O3 -march=native -ffast-math -shared -fPIC $here/tiny_c.c -o $bin/libtiny-$compiler-fast.so -lm
    baselines+=("${compiler%-*}=$bin/libtiny-$compiler.so" "${compiler%-*}-fast=$bin/libtiny-$compiler-fast.so")
  done
}

# Which kernels OpenBLAS has for a machine with AVX-512: it takes Haswell's where it does not know the model.
if grep -q -w avx512f /proc/cpuinfo; then export OPENBLAS_CORETYPE=SkylakeX; fi
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

if wanted 4; then
  title "4: chunks per worker, training step of the digits network, batch 64, two workers"
  "$TENON_BUILD/bin/tenon" bench examples/digits_mlp/mlp.tenon train --batch 64 --threads 2 | tee $work/chunks.txt
  # "chunks  N (P%), N (P%) by worker"
  sed -n 's/^chunks .*(\([0-9]*\)%).*(\([0-9]*\)%) by worker$/\1 \2/p' $work/chunks.txt | while read -r first second; do
    if [ "$first" -gt 25 ] && [ "$second" -gt 25 ]; then answer=met; else answer=MISSED; fi
    echo "  worker 0 $first%, worker 1 $second% of the chunks, asked more than 25% each: $answer"
  done
fi
if wanted 6; then
  title "6: loops"
  c_baselines
  cxx loops -ldl
  $bin/loops ${baselines[@]+"${baselines[@]}"}
fi
if wanted 7; then
  title "7: matrix products"
  if debian libopenblas-dev && debian libdnnl-dev; then
    cxx matmul -lopenblas -ldnnl
    $bin/matmul ${quick[@]+"${quick[@]}"}
  else
    skip "matrix products: libopenblas-dev or libdnnl-dev cannot be installed"
  fi
fi
if wanted 8; then
  title "8: widths"
  peers numpy 2.4.6 jax 0.10.2
  if "$python" -c 'import jax' 2>/dev/null; then
    "$python" -W ignore $here/widths.py --library "$library" --probe $bin/libprobe.so
  else
    skip "widths: no JAX"
  fi
fi
if wanted 11; then
  title "11: tiny models"
  c_baselines
  cxx tiny -ldl
  $bin/tiny ${baselines[@]+"${baselines[@]}"}
  peers numpy 2.4.6 jax 0.10.2 keras 3.15.1
  if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -W ignore $here/fit.py --library "$library" --probe $bin/libprobe.so
  else
    skip "JAX and Keras: no numpy"
  fi
fi
beside_python() {  # SCRIPT PEER VERSION ...: on one thread, and on two
  peers numpy 2.4.6 jax 0.10.2 torch 2.15.0 "${@:2}"
  if ! "$python" -c 'import numpy' 2>/dev/null; then
    skip "PyTorch and JAX: no numpy"
    return 0
  fi
  local threads
  for threads in 1 2; do
    if [ "$threads" -gt "$(nproc --all)" ]; then
      skip "$threads threads: there are $(nproc --all) processors"
      continue
    fi
    "$python" -W ignore $here/$1 --threads $threads --library "$library" --probe $bin/libprobe.so
  done
}
if wanted 12; then
  title "12: a training step"
  beside_python train.py
fi
if wanted 13; then
  title "13: convolutions"
  if debian libdnnl-dev; then
    cxx convolution -ldnnl
    $bin/convolution ${quick[@]+"${quick[@]}"}
  else
    skip "convolutions: libdnnl-dev cannot be installed"
  fi
fi
if wanted 14; then
  title "14: training steps of convolutional networks"
  beside_python steps.py
fi
if wanted 15; then
  title "15: inference of convolutional networks"
  beside_python inference.py onnx 1.23.2 onnxruntime 1.32.0 openvino 2026.4.1
fi
if [ ${#only[@]} -gt 0 ] && wanted optimizers; then
  title "optimizers and schedules"
  peers numpy 2.4.6 torch 2.15.0
  if "$python" -c 'import torch' 2>/dev/null; then
    "$python" -W ignore $here/optimizers.py --library "$library"
  else
    skip "optimizers: no PyTorch"
  fi
fi

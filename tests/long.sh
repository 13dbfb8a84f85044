#!/usr/bin/env bash
# What does not fit the everyday check: the cases tagged [long], the other compiler, and the sanitizers.
# Arguments pick parts: long clang asan tsan (all where none is given). Goes on after a failure and names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(long clang asan tsan)

tests/install.sh long

part_long() {
  cmake --preset release -DTENON_TESTS=ON && cmake --build --preset release -j "$jobs" &&
    ctest --test-dir build/release -L long --output-on-failure -j "$jobs"
}
part_clang() {
  cmake --preset release -DTENON_TESTS=ON -B build/clang -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 &&
    cmake --build build/clang -j "$jobs" &&
    ctest --test-dir build/clang -LE long --output-on-failure -j "$jobs"
}
part_asan() {
  cmake --preset asan && cmake --build --preset asan -j "$jobs" && ctest --preset asan -j "$jobs"
}
part_tsan() {
  # The thread sanitizer's shadow lies at fixed addresses, which a kernel that randomizes many bits may occupy.
  local fixed=()
  setarch -R true 2>/dev/null && fixed=(setarch -R)
  cmake --preset tsan && cmake --build --preset tsan -j "$jobs" && "${fixed[@]}" ctest --preset tsan -j "$jobs"
}

failed=()
for part in "${parts[@]}"; do
  case "$part" in
    long | clang | asan | tsan) ;;
    *) echo "unknown part: $part (long clang asan tsan)" >&2; exit 2 ;;
  esac
  echo "== $part"
  "part_$part" || failed+=("$part")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
echo "passed: ${parts[*]}"

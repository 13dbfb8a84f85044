#!/usr/bin/env bash
# Every C and C++ source is as clang-format 19 leaves it; format.sh --fix makes it so. Exit status 77: skipped, the
# tool is not there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v clang-format-19 >/dev/null; then
  echo "skipped: clang-format-19 is not installed"
  exit 77
fi
mode=(--dry-run -Werror --ferror-limit=1)
[ "${1:-}" = --fix ] && mode=(-i)
folders=()
for folder in compiler runtime include tests examples; do
  [ -d "$folder" ] && folders+=("$folder")
done
find "${folders[@]}" -type f \( -name '*.h' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.c' \) -print0 |
  sort -z | xargs -0 clang-format-19 "${mode[@]}"

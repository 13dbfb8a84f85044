#!/usr/bin/env bash
# The everyday check: installs what is missing, builds the release preset and runs every test that is not
# labelled `long`. TENON_DATA names a folder with real data sets; without it their tests are skipped by name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)

tests/install.sh test
cmake --preset release -DTENON_TESTS=ON
cmake --build --preset release -j "$jobs"
ctest --preset release -j "$jobs"

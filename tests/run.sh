#!/usr/bin/env bash
# Sets up, builds and runs the tests: bash tests/run.sh [PRESET] [ctest arguments]
# PRESET is release (default), debug, asan, ubsan or tsan. Without arguments for ctest the long suites are left out
# (they are those of -L slow). Works in a fresh clone from any directory.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
preset=release
case "${1:-}" in release | debug | asan | ubsan | tsan) preset=$1; shift ;; esac
if [ $# -eq 0 ]; then
    set -- -LE slow
    case $preset in asan | ubsan | tsan) set -- -LE 'slow|release-only' ;; esac
fi

bash cluster/launch/setup.sh
bash tests/launch/linters.sh
# Warnings are errors where WEIR_WERROR=ON is in the environment (CI): without it what the quickstart built
# is not built again.
cmake --preset "$preset" -DWEIR_WERROR="${WEIR_WERROR:-OFF}" -DWEIR_TESTS=ON >/dev/null
cmake --build --preset "$preset"
if [ "$preset" = tsan ]; then
    export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp print_suppressions=0 ${TSAN_OPTIONS:-}"
fi
# The longest tests begin first: a fresh clone cannot know them from the run before (ctest's own form: name, runs, seconds).
costs="build/$preset/Testing/Temporary/CTestCostData.txt"
if [ ! -e "$costs" ]; then
    mkdir -p "$(dirname "$costs")"
    cp tests/costs.txt "$costs"
fi
ctest --test-dir "build/$preset" --output-on-failure "$@"

#!/usr/bin/env bash
# Weir in one command: sets up, builds, runs the flights job at a watchable pace, kills it half-way
# with kill -9, resumes it, and shows the table. Works in a fresh clone from any directory.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

bash cluster/launch/setup.sh
say "Building Weir (a few minutes the first time)"
cmake --preset release >/dev/null
cmake --build --preset release --target weir

weir=build/release/weir
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-quickstart-XXXXXX")
job=jobs/examples/flights/carriers.yaml
# January's 27,004 flights at 4,500 a second: six seconds to watch.
run=("$weir" run "$job" --data-dir "$work/data" --snapshot-interval 200ms
     --set "OUT=$work/out" --set RATE=4500)

say "1. Delays per carrier, from every flight that left New York in January 2013"
echo "\$ ${run[*]}"
"${run[@]}" &
pid=$!
sleep 3
say "2. kill -9, half-way"
if kill -9 "$pid" 2>/dev/null; then echo "killed process $pid"; fi
wait "$pid" 2>/dev/null || true

say "3. The same command again continues from the last snapshot"
"${run[@]}"

say "4. The result: every flight counted exactly once"
{
    echo "carrier,flights,cancelled,delayed,avg_dep_delay,max_dep_delay,miles"
    cat "$work"/out/carriers/*.csv | LC_ALL=C sort
} | column -s, -t
if cmp -s <(cat "$work"/out/carriers/*.csv | LC_ALL=C sort) tests/golden/flights/carriers.csv; then
    echo "identical to tests/golden/flights/carriers.csv, which was computed without Weir"
else
    echo "this differs from tests/golden/flights/carriers.csv: please report it" >&2
    exit 1
fi

say "How to go on"
cat <<TEXT
  the job:            $job
  its plan:           $weir plan $job
  its snapshots:      $weir snapshot ls $work/data
  another job:        $weir run jobs/examples/flights/wordcount.yaml --set OUT=$work/out
  job files:          docs/sql.md, docs/yaml.md
  your own operator:  docs/custom-operators.md
TEXT

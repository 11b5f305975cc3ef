#!/bin/bash
# Runs the tests on a busy machine: the whole suite twice beside four busy loops, then each file twenty times that failed
# once or asserts a time. Prints a table, and exits 1 if any run failed.
#
# Usage: scripts/under-load.sh
#   FILES="test/errors test/run"  only these; as `vitest run` takes them
#   LOOPS=4 SUITES=2 REPEATS=20   how many
set -u
cd "$(dirname "$0")/.." || exit 2

files=${FILES:-}
loops=${LOOPS:-4}
suites=${SUITES:-2}
repeats=${REPEATS:-20}
for number in "$loops" "$suites" "$repeats"; do
  [[ $number =~ ^[0-9]+$ ]] || { echo "under-load: '$number' is not a number" >&2; exit 2; }
done

reports=$(mktemp -d)
loop_pids=()
test_group=

end_all() {
  trap - EXIT
  # After a SIGTERM the tests end their processes; the script kills the rest.
  if [[ -n $test_group ]] && kill -TERM -- "-$test_group" 2>/dev/null; then
    for ((i = 0; i < 100; i++)); do
      kill -0 -- "-$test_group" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$test_group" 2>/dev/null
  fi
  for pid in "${loop_pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$reports"
}
trap end_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A loop looks now and then whether this script is still there: not even its kill -9 leaves one behind.
for ((i = 0; i < loops; i++)); do
  (
    trap - EXIT INT TERM HUP
    while kill -0 $$ 2>/dev/null; do for ((n = 0; n < 200000; n++)); do :; done; done
  ) &
  loop_pids+=($!)
done
echo "under-load: $loops busy loops run beside the tests (processes ${loop_pids[*]})" >&2

# Each run writes a report; it may fail, which is what the table is about.
run() {
  local report=$reports/$1.json
  shift
  # In the background, so that a signal ends this script at once and not after the run; in a group that ends as a whole.
  setsid node node_modules/vitest/vitest.mjs run --reporter=json --outputFile="$report" "$@" >"$reports/output" 2>&1 &
  test_group=$!
  wait "$test_group"
  local status=$?
  test_group=
  [[ -s $report ]] || { cat "$reports/output" >&2; echo "under-load: vitest wrote no report" >&2; exit 1; }
  return "$status"
}

for ((i = 1; i <= suites; i++)); do
  echo "under-load: suite, run $i of $suites" >&2
  # shellcheck disable=SC2086 # FILES are words
  run "suite-$i" $files
done

# The reports know by now which files there are.
mapfile -t doubtful < <(node scripts/under-load-table.mjs --again "$reports"/suite-*.json)
for file in "${doubtful[@]}"; do
  for ((i = 1; i <= repeats; i++)); do
    echo "under-load: $file, run $i of $repeats" >&2
    run "again-${file//\//-}-$i" "$file"
  done
done

node scripts/under-load-table.mjs "$reports"/*.json

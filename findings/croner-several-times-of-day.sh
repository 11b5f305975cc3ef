#!/bin/sh
# croner 11.0.1: an entry with several times of day is treated as an interval on the days on which the clocks change, an entry
# with one time of day is not.
#
# Input, in Europe/Berlin: "30 2 * * *" and "30 2,14 * * *" on 29 March 2026, which has no 2:30; "0 2 * * *" and "0,20 2 * * *"
# on 25 October 2026, on which 2:00 and 2:20 come twice.
# Expected, as Vixie cron has it: one run for each time of day that is written, at the end of the gap if it does not exist.
# Seen: the entry with one time runs at 3:00 in March and once in October. With two times, the run of 2:30 is left out in March,
# and each time runs twice in October. The option fixedTimeRule: "no-wildcard" gives what is expected.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1
cat >run.mjs <<'EOF'
import { Cron } from "croner";
function runsOn(day, pattern, options = {}) {
  const job = new Cron(pattern, { timezone: "Europe/Berlin", paused: true, ...options });
  const runs = job.nextRuns(8, new Date(`${day}T00:00:00+00:00`)).concat(job.nextRuns(8, new Date(Date.parse(day) - 7.2e6)));
  const times = new Set(runs.map((run) => run.toISOString()).filter((run) => run.startsWith(day)));
  return [...times].sort().map((run) => run.slice(11, 16)).join(" ");
}
for (const options of [{}, { fixedTimeRule: "no-wildcard" }])
  for (const [day, ...patterns] of [
    ["2026-03-29", "30 2 * * *", "30 2,14 * * *"],
    ["2026-10-25", "0 2 * * *", "0,20 2 * * *"],
  ])
    for (const pattern of patterns) console.log(`${day} ${pattern}: ${runsOn(day, pattern, options)}`);
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "2026-03-29 30 2 * * *: 01:00
2026-03-29 30 2,14 * * *: 12:30
2026-10-25 0 2 * * *: 00:00
2026-10-25 0,20 2 * * *: 00:00 00:20 01:00 01:20
2026-03-29 30 2 * * *: 01:00
2026-03-29 30 2,14 * * *: 01:00 12:30
2026-10-25 0 2 * * *: 00:00
2026-10-25 0,20 2 * * *: 00:00 00:20"

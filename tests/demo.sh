#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job, end to end: a trading process starts, is recorded while it lives its compressed market day, and is
# reported on. `make demo` runs it; SECONDS_OF_DAY scales the day.
set -eu
bin=${O:-build}/mpsample
db=${O:-build}/demo.db
sudo=${SUDO:-}

"${O:-build}"/tests/targets/matching_engine --seconds "${SECONDS_OF_DAY:-20}" &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT

echo "\$ mpsample record -p $pid -o demo.db"
$sudo "$bin" record -p $pid -o "$db" --force
wait $pid
for report in summary jitter outliers; do
	printf '\n$ mpsample report %s demo.db%s\n' $report "$([ $report != outliers ] || echo ' --limit 10')"
	"$bin" report $report "$db" $([ $report != outliers ] || echo --limit 10)
done
printf '\nThe recording is %s; ask it anything:\n$ mpsample query %s "SELECT site, calls, p99_ns FROM v_site ORDER BY p99_ns DESC LIMIT 10"\n' "$db" "$db"

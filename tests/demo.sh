#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job, end to end: a trading process starts, is recorded while it lives its compressed market day, and is
# reported on. `make demo` runs it; SECONDS_OF_DAY scales the day.
set -eu
bin=${O:-build}/mpsample
db=${O:-build}/demo.db
sudo=${SUDO:-}

engine="matching_engine --seconds ${SECONDS_OF_DAY:-20}"
echo "\$ LD_PRELOAD=libmpsample.so ./$engine &"
LD_PRELOAD=$(realpath "${O:-build}"/libmpsample.so) "${O:-build}"/tests/targets/$engine &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT

echo "\$ mpsample record -p $pid -o demo.db --spans on_packet"
$sudo "$bin" record -p $pid -o "$db" --force --spans on_packet
wait $pid
for command in "report summary" "report session --limit 10" "report jitter" "explain --top 10" "report advice" "report impact" "report sites --limit 10"; do
	# shellcheck disable=SC2086 # a command and its options
	set -- $command
	printf '\n$ mpsample %s demo.db\n' "$command"
	"$bin" "$@" "$db"
done
printf '\nThe recording is %s; ask it anything:\n$ mpsample query %s "SELECT site, calls, p99_ns FROM v_site ORDER BY p99_ns DESC LIMIT 10"\n' "$db" "$db"

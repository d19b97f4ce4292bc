#!/bin/bash
# SPDX-License-Identifier: MIT
# What pipeline and store can take, and what a session of limited size costs. Nothing here passes or fails; run by itself.
#
#   rings     records of libmpsample.so's rings read by one thread: calls; calls with each malloc and free paired (a call
#             is two records then); histograms read each time. In M records a second, and what was lost
#   rows      M rows of `call` a second by store/append.h, by one bare prepared insert of the same columns in turn, the
#             ratio of the two, and bytes a row
#   a day     24 h of seconds as fast as they go (tests/tools/day.c), without and with --max-size: seconds, the most that
#             file and log took, memory after 6 and after 24 h, the longest step of thinning
#   reports   on what the limited day left: seconds and MiB, the best of ROUNDS
#
# ROUNDS (default 9), DAY_SECONDS (default 86400), O.
set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$root/$O
rounds=${ROUNDS:-9}
seconds=${DAY_SECONDS:-86400}
dir=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"

"$O/tests/tools/store_rate" preload "$rounds" | awk '
	{printf "rings %-8s  %5.1f M records/s  %5.1f M calls/s  lost %d  not counted %d\n", $1, $3 / 1e6, $5 / 1e6, $11, $9}'
"$O/tests/tools/store_rate" rows "$rounds" "$dir" | awk '
	{printf "rows            %5.2f M rows/s  bare insert %5.2f M rows/s  ratio %.2f  %.1f bytes a row\n", $3 / 1e6, $5 / 1e6, $7, $9}'
for limit in 0 64 32; do
	"$O/tests/tools/day" "day$limit.db" $((limit << 20)) "$seconds" | awk -v limit="$limit" '
		$1 == "rss_kib" {first = $2; last = $4} $1 == "bytes" {most = $2; file = $3} $1 == "step_us" {step = $2}
		$1 == "seconds" {printf "a day in %-8s %5.1f s  most %5.1f MiB  file %5.1f MiB  memory %.1f and %.1f MiB  step %.1f ms\n",
			limit ? limit " MiB" : "any", $2, most / 1048576, file / 1048576, first / 1024, last / 1024, step / 1000}'
done
for report in summary jitter sites outliers loss advice impact; do
	for _ in $(seq "$rounds"); do
		"$O/tests/bench/cost" "$O/mpsample" report "$report" day32.db
	done | sort -n | awk -v what="$report" 'NR == 1 {s = $1} $2 > m {m = $2}
		END {printf "report %-10s %6.2f s  %5.0f MiB\n", what, s, m / 1024}'
done

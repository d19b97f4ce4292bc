#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh SECONDS [NAME...]: runs each fuzz target (or only these) for so long. What it finds on the way is kept in
# $O/fuzz/found/NAME, and begun with the next time; an input that crashes, hangs or takes too much memory is kept as
# $O/fuzz/NAME-*. Exits with 1 if there was one.
set -euo pipefail

cd "${BASH_SOURCE[0]%/*}/../.."
O=${O:-build}
seconds=$1
shift
status=0
(($#)) || set -- $(ls tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')
for name; do
	found=$O/fuzz/found/$name
	mkdir -p "$found"
	inputs=("$found")
	for dir in "tests/fuzz/corpus/$name" "$O/fuzz/seeds/$name"; do
		[[ ! -d $dir ]] || inputs+=("$dir")
	done
	echo "---- $name, $seconds s"
	"$O/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$O/fuzz/$name-" "${inputs[@]}" 2>"$O/fuzz/$name.log" || {
		status=1
		echo "$name: FAILED"
	}
	grep -E '^SUMMARY|^stat::(number_of_executed|new_units|peak_rss|slowest)|Test unit written|^Done' "$O/fuzz/$name.log" || true
done
exit $status

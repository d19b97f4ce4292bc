#!/bin/bash
# SPDX-License-Identifier: MIT
# How well the next pause is foreseen: loads on collectors, recorded for SECONDS_EACH (default 60). For each pause the
# prediction is judged that was made nearest to half-way since the one before: how wrong it was, of the time that was
# left, by the median; and how often the pause came within the interval, which is to hold it 90 times of 100.
# Pauses that follow each other within a quarter of a second are not predicted (sampler/gc/watch.c): in fast bursts only
# those count of which more time was foreseen.
# Nothing here passes or fails.
set -euo pipefail
O=${O:-build}
bin=${MPSAMPLE:-$O/mpsample}
here=${BASH_SOURCE[0]%/*}
seconds=${SECONDS_EACH:-60}
dir=$(mktemp -d)
target=
stop_all() {
	[[ ! $target ]] || kill "$target" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

measure() { # NAME COMMAND...
	"${@:2}" >"$dir/load.out" 2>"$dir/load.err" &
	target=$!
	until grep -q '^ready' "$dir/load.out"; do
		kill -0 "$target" 2>/dev/null || { cat "$dir/load.err" >&2; exit 1; }
		sleep 0.1
	done
	sleep 3
	"$bin" record -p "$target" --heap off -d "$seconds" -o "$dir/s.db" --force 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }
	kill "$target"
	wait "$target" 2>/dev/null || true
	target=
	printf '%-22s  ' "$1"
	"$bin" report gc "$dir/s.db" --table predictions --format csv | tr -d '\r' | awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		NR == 2 { printf "%7d  %10.1f %%  %8.1f %%  %8.0f %%\n", $at["pauses"], 100 * $at["error_p50_share"],
			100 * $at["covered_share"], 100 * $at["nominal_share"] }
		END { if (NR < 2) print "      -           -           -           -" }'
}

[[ $(id -u) == 0 ]] || { echo "gc_predict: needs root"; exit 0; }
echo "the next pause, foreseen half-way: $seconds s of each load"
printf '%-22s  %7s  %12s  %10s  %10s\n' load pauses 'error, median' 'covered' 'nominal'
java=("${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xms256m -Xmx256m -cp "$O/tests/targets/gc")
if [[ -f $O/tests/targets/gc/GcLoad.class ]]; then
	measure "G1, steady" "${java[@]}" -XX:+UseG1GC GcLoad --rate 150
	measure "Parallel, steady" "${java[@]}" -XX:+UseParallelGC GcLoad --rate 100
	measure "G1, bursty" "${java[@]}" -XX:+UseG1GC -Xmn64m GcLoad --mode bursty --rate 120
fi
if [[ -x $O/tests/targets/gc/gc_load ]]; then
	measure "Go, steady" "$O/tests/targets/gc/gc_load" - --rate 30 --live 24
	measure "Go, bursty" "$O/tests/targets/gc/gc_load" - --mode bursty --rate 25 --live 24
	measure "Go, fast bursts" "$O/tests/targets/gc/gc_load" - --mode bursty --rate 50 --live 24
fi

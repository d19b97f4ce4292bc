#!/bin/bash
# SPDX-License-Identifier: MIT
# What it costs a runtime that its collections are recorded: orders a second of a load that goes as fast as it can, with all
# points of its collector recorded (--gc auto) and without (--gc off, which leaves the probes of malloc), against the same
# process alone. In one process, in windows in the order plain auto off off auto plain; the ratio is that of a round, and
# the median that of ROUNDS (default 9). WINDOW_S (default 2). The same by orders a second of CPU time, which what else
# runs on the machine does not touch as much. The loads do arithmetic beside: about as many collections a second as in
# programs that work. Nothing here passes or fails.
set -euo pipefail
O=${O:-build}
bin=${MPSAMPLE:-$O/mpsample}
here=${BASH_SOURCE[0]%/*}
rounds=${ROUNDS:-9}
window=${WINDOW_S:-2}
dir=$(mktemp -d)
target= recorder=
stop_all() {
	[[ ! $recorder ]] || kill -INT "$recorder" 2>/dev/null || true
	[[ ! $target ]] || kill "$target" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

# The load's last line `at NS units N`; the one that it is writing may not be whole.
progress() { grep -E '^at [0-9]+ units [0-9]+$' "$dir/load.out" | tail -n 1; }

# CPU time of the load's threads, in ns.
cpu_ns() { cat "/proc/$target"/task/*/schedstat 2>/dev/null | awk '{s += $1} END {printf "%.0f\n", s}'; }

# Orders a second in a window as the load counts them, and a second of CPU time.
throughput() {
	local before after cpu
	before=$(progress) cpu=$(cpu_ns)
	sleep "$window"
	after=$(progress) cpu=$(($(cpu_ns) - cpu))
	awk -v b="$before" -v a="$after" -v cpu="$cpu" -v window="$window" 'BEGIN {
		split(b, x, " "); split(a, y, " ")
		rate = (y[4] - x[4]) / (y[2] - x[2]) * 1e9
		printf "%.0f %.0f\n", rate, rate * window / cpu * 1e9}'
}

record() { # auto|off
	: >"$dir/log"
	"$bin" record -p "$target" --plane uprobe --gc "$1" --causes off --stack off --heap off -o "$dir/s.db" --force 2>"$dir/log" &
	recorder=$!
	until grep -q '^mpsample: recording' "$dir/log"; do
		kill -0 "$recorder" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
		sleep 0.05
	done
}

run() { # plain|auto|off
	if [[ $1 == plain ]]; then
		sleep 0.2 # what was attached before is gone
		throughput >>"$dir/plain"
		return
	fi
	record "$1"
	throughput >>"$dir/$1"
	kill -INT "$recorder"
	wait "$recorder"
	recorder=
	[[ $1 == off ]] || sqlite3 "$dir/s.db" "SELECT count(*) / (SELECT value / 1e9 FROM v_session WHERE key = 'duration_ns') FROM v_gc WHERE is_pause" >>"$dir/pauses"
}

# ratio COLUMN MODE AGAINST: the median over the rounds, each of which has two lines of either.
ratio() {
	paste -d' ' "$dir/$2" "$dir/$3" | awk -v i="$1" '{a += $i; b += $(i + 2)} NR % 2 == 0 {print a / b; a = b = 0}' | median | xargs printf '%.4f'
}

measure() { # NAME COMMAND...
	"${@:2}" >"$dir/load.out" 2>"$dir/load.err" &
	target=$!
	until [[ -s $dir/load.out && $(grep -c '^at ' "$dir/load.out") -ge 30 ]]; do # 3 s: it is compiled by then
		kill -0 "$target" 2>/dev/null || { cat "$dir/load.err" >&2; exit 1; }
		sleep 0.1
	done
	rm -f "$dir"/{plain,auto,off,pauses}
	for ((r = 0; r < rounds; r++)); do
		for mode in plain auto off off auto plain; do run "$mode"; done
	done
	kill "$target"
	wait "$target"
	target=
	printf '%-8s  %12.0f  %10.1f  %10s  %10s  %10s  %12s\n' "$1" "$(cut -d' ' -f1 "$dir/plain" | median)" "$(median <"$dir/pauses")" \
		"$(ratio 1 auto plain)" "$(ratio 1 off plain)" "$(ratio 1 auto off)" "$(ratio 2 auto off)"
}

[[ $(id -u) == 0 ]] || { echo "gc: needs root"; exit 0; }
echo "collections recorded: throughput of a load, by its own count; medians of $rounds rounds, plain auto off off auto plain, of $window s each"
printf '%-8s  %12s  %10s  %10s  %10s  %10s  %12s\n' load 'orders a s' 'pauses a s' '--gc auto' '--gc off' 'auto / off' 'by CPU time'
if [[ -f $O/tests/targets/gc/GcLoad.class ]]; then
	measure java "${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:+UseG1GC -Xms256m -Xmx256m -cp "$O/tests/targets/gc" GcLoad --rate 0 --compute 400 --progress
fi
[[ ! -x /usr/bin/python3 ]] || measure python /usr/bin/python3 "$here/../targets/gc/gc_load.py" - --rate 0 --compute 100 --progress

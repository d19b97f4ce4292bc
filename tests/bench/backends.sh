#!/bin/bash
# SPDX-License-Identifier: MIT
# The uprobe plane's backends: what a pair of calls costs with 1 and 64 threads, and the making of a thread; a recorder that
# is killed; its own CPU and memory. Plain and recorded rounds of one process in turn, medians. ROUNDS (default 5).
set -euo pipefail
O=${O:-build}
bin=$O/mpsample
targets=$O/tests/targets
rounds=${ROUNDS:-5}
dir=$(mktemp -d)
recorder= target=
stop_all() {
	[ -z "$recorder" ] || kill -INT "$recorder" 2>/dev/null || true
	exec 3>&- || true
	[ -z "$target" ] || kill "$target" 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

median() { sort -n | awk '{v[NR]=$1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

start_target() { # ARGUMENT...: a `threads --repeat` that does a round for each line
	rm -f "$dir/in"
	mkfifo "$dir/in"
	"$targets/threads" --repeat "$@" <"$dir/in" >"$dir/out" &
	target=$!
	exec 3>"$dir/in"
	until grep -q ready "$dir/out"; do sleep 0.05; done
}

end_target() {
	exec 3>&-
	wait "$target" || true
	target=
}

lines() { grep -c "^$1" "$dir/out" || true; }

round() { # WHAT FIELD: one round of the target, the figure behind FIELD
	local before
	before=$(lines "$1")
	echo >&3
	while [ "$(lines "$1")" = "$before" ]; do sleep 0.02; done
	awk -v want="$2" -v row="$1" '$1 == row {for (i = 1; i < NF; i++) if ($i == want) v = $(i + 1)} END {print v}' "$dir/out"
}

start_recorder() { # BACKEND
	: >"$dir/log"
	"$bin" record -p "$target" -o "$dir/bench.db" --force --backend "$1" 2>"$dir/log" &
	recorder=$!
	until grep -q '^mpsample: recording' "$dir/log"; do
		kill -0 "$recorder" 2>/dev/null || { recorder=; return 1; }
		sleep 0.05
	done
}

end_recorder() {
	kill -INT "$recorder"
	wait "$recorder"
	recorder=
}

# Added CPU ns per malloc+free pair: plain and recorded rounds of one process in turn.
measure() { # BACKEND ROW FIELD TARGET-ARGUMENT... -> "plain recorded after"
	local backend=$1 row=$2 field=$3
	shift 3
	start_target "$@"
	round "$row" "$field" >/dev/null
	: >"$dir/plain"; : >"$dir/recorded"
	for _ in $(seq "$rounds"); do
		round "$row" "$field" >>"$dir/plain"
		start_recorder "$backend" || { echo "- -"; end_target; return; }
		round "$row" "$field" >>"$dir/recorded"
		end_recorder
	done
	echo "$(median <"$dir/plain") $(median <"$dir/recorded")"
	end_target
}

added() { awk -v p="$1" -v r="$2" 'BEGIN {if (p == "-") print "-"; else printf "%.0f", r - p}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a == "-" || b == "-" || b + 0 == 0) print "-"; else printf "%.2f", a / b}'; }

echo "machine: $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs; medians of $rounds interleaved rounds"
printf '%-8s  %14s  %14s  %14s  %11s  %15s  %15s  %12s\n' backend 'plain ns/pair' 'added, 1 thr' 'added, 64 thr' 'ratio 64/1' \
	'create plain us' 'create rec. us' 'create ratio'
for backend in session multi tracefs; do
	one=($(measure "$backend" threads cpu_ns_per_pair 1 0.02))
	many=($(measure "$backend" threads cpu_ns_per_pair 64 0.02))
	create=($(measure "$backend" create median_us --create 2000))
	a1=$(added "${one[@]}") a64=$(added "${many[@]}")
	printf '%-8s  %14s  %14s  %14s  %11s  %15s  %15s  %12s\n' "$backend" "${one[0]}" "$a1" "$a64" \
		"$(ratio "$((a64))" "$((a1))")" "${create[@]}" "$(ratio "${create[1]}" "${create[0]}")"
done

echo
echo "a recorder killed with SIGKILL: ns per pair before, while recorded, after"
start_target 1 0.02
round threads cpu_ns_per_pair >/dev/null
before=$(for _ in $(seq "$rounds"); do round threads cpu_ns_per_pair; done | median)
start_recorder auto
during=$(for _ in $(seq "$rounds"); do round threads cpu_ns_per_pair; done | median)
kill -9 "$recorder"; wait "$recorder" 2>/dev/null || true; recorder=
after=$(for _ in $(seq "$rounds"); do round threads cpu_ns_per_pair; done | median)
end_target
echo "before $before, recorded $during, after $after; after/before $(ratio "$after" "$before")"

echo
echo "recorder: CPU and memory over the market day of tests/targets/matching_engine (5 s)"
"$targets/matching_engine" --seconds 5 >"$dir/engine" &
target=$!
sh -c 'echo $$ > "$1/pid"; shift; exec "$@"' sh "$dir" "$bin" record -p "$target" -o "$dir/engine.db" 2>"$dir/log" &
recorder=$!
while kill -0 "$target" 2>/dev/null; do
	[ ! -r "/proc/$recorder/stat" ] || { awk '{print $14 + $15}' "/proc/$recorder/stat" >"$dir/ticks" 2>/dev/null || true
		grep VmHWM "/proc/$recorder/status" >"$dir/hwm" 2>/dev/null || true; }
	sleep 0.2
done
wait "$target" "$recorder" || true
target= recorder=
calls=$("$bin" query "$dir/engine.db" "SELECT sum(calls) AS calls FROM v_percentile" --format csv | sed -n 2p | tr -d '\r')
awk -v ticks="$(cat "$dir/ticks")" -v hz="$(getconf CLK_TCK)" -v calls="$calls" -v hwm="$(awk '{print $2}' "$dir/hwm")" \
	-v db="$(stat -c %s "$dir/engine.db")" 'BEGIN {
	printf "%d calls: %.2f s CPU, %.1f s per million calls, %.1f MiB memory at most, session %.1f MiB\n",
		calls, ticks / hz, ticks / hz / calls * 1e6, hwm / 1024, db / 1048576}'

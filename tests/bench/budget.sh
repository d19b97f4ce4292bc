#!/bin/bash
# SPDX-License-Identifier: MIT
# The promise of --budget: the CPU time that a paced target takes, while it is recorded by --probe auto at the default of
# 2 % of a core, beside what it takes before and after; at rates from 1,000 to 5,000,000 pairs of malloc and free a second,
# and with a rate that jumps a thousandfold. Nothing here passes or fails. ROUNDS (default 5), SECONDS_EACH (default 8).
#
# One target each: two of them take CPU time that differs by more than the budget.
set -euo pipefail
O=${O:-build}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-8}
dir=$(mktemp -d)
target= recorder=
stop_all() {
	[[ ! $recorder ]] || kill -INT "$recorder" 2>/dev/null || true
	[[ ! $target ]] || kill "$target" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

await() { # COUNT PATTERN FILE
	until [[ $(grep -c "$2" "$3") -ge $1 ]]; do sleep 0.05; done
}

start_target() { # STAGE...
	rm -f "$dir/in"
	mkfifo "$dir/in"
	"$O/tests/targets/paced" "$@" <"$dir/in" >"$dir/out" &
	target=$!
	exec 3>"$dir/in"
	await 1 '^ready' "$dir/out"
	runs=0
}

end_target() {
	exec 3>&-
	wait "$target" || true
	target=
}

# CPU time in ns per second, and pairs per second, of one run of the stages.
run_stages() {
	echo go >&3
	await $((++runs)) '^done' "$dir/out"
	awk '$1 == "stage" {pairs += $3; cpu += $5; wall += $7} $1 == "done" {out = sprintf("%.0f %.0f", cpu / wall * 1e9, pairs / wall * 1e9)
		pairs = cpu = wall = 0} END {print out}' "$dir/out" >"$dir/run"
}

attach() {
	: >"$dir/log"
	"$O/mpsample" record -p "$target" --plane uprobe -o "$dir/s.db" --force 2>"$dir/log" 3>&- &
	recorder=$!
	await 1 '^mpsample: recording' "$dir/log"
}

detach() {
	kill -INT "$recorder"
	wait "$recorder" || true
	recorder=
}

# What the recorder says of itself: % of a core that it took of the target, and of the time, what part every call was seen.
told() {
	"$O/mpsample" query "$dir/s.db" "SELECT printf('%f %s', 100.0 * sum(cost_ns) / (SELECT sum(dur_ns) FROM slot),
		(SELECT value FROM session WHERE key = 'duty')) AS x FROM overhead WHERE plane <> 'recorder'" --format csv |
		sed -n 2p | tr -d '\r"'
}

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

column() { awk -v n="$1" '{print $n}' "$dir/rounds"; }

# Lines of rounds: plain CPU %, recorded, added, pairs recorded for one of plain, estimated, watched. By pairs: where the
# target cannot keep up, recording makes it do less in the same CPU time.
measure() { # TITLE STAGE...
	local title=$1 before after with
	shift
	: >"$dir/rounds"
	start_target "$@"
	run_stages # its caches are warm
	run_stages
	after=$(<"$dir/run")
	for _ in $(seq "$rounds"); do
		before=$after
		attach
		run_stages
		with=$(<"$dir/run")
		detach
		run_stages
		after=$(<"$dir/run")
		echo "$before $after $with $(told)" | awk '{cpu = ($1 + $3) / 2; pairs = ($2 + $4) / 2; ratio = pairs ? $6 / pairs : 1
			print cpu / 1e7, $5 / 1e7, ((ratio ? $5 / ratio : $5) - cpu) / 1e7, ratio, $7, $8}' >>"$dir/rounds"
	done
	end_target
	printf '%-24s  %11.2f  %14.2f  %11.2f  %21s  %11.4f  %11.2f  %8.4f\n' "$title" \
		"$(column 1 | median)" "$(column 2 | median)" "$(column 3 | median)" \
		"$(column 3 | awk '{n++; s += $1; q += $1 * $1} END {m = s / n; printf "%.2f +- %.2f", m, (n > 1 ? sqrt((q - n * m * m) / (n - 1) / n + 1e-12) : 0)}')" \
		"$(column 4 | median)" "$(column 5 | median)" "$(column 6 | median)"
}

echo "machine: $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs; medians of $rounds rounds of $each s, and of what is added its mean with standard error"
printf '%-24s  %11s  %14s  %11s  %21s  %11s  %11s  %8s\n' 'pairs a second' 'plain CPU %' 'recorded CPU %' 'added CPU %' 'mean' 'pairs ratio' 'estimated %' 'watched'
for rate in ${RATES:-1000 10000 100000 1000000 5000000}; do measure "$rate" "$rate" "$each"; done
measure '5000 to 5000000' 5000 "$((each / 2))" 5000000 "$((each / 2))"

#!/bin/bash
# SPDX-License-Identifier: MIT
# The promise of --budget: CPU time that a paced target takes, alone and while it is recorded by --probe auto at the default
# of 2 % of a core, in turns; at rates from 1,000 to 5,000,000 pairs of malloc and free a second, and with a rate that
# jumps a thousandfold. Nothing here passes or fails. ROUNDS (default 5), SECONDS_EACH (default 4).
set -euo pipefail
O=${O:-build}
rounds=${ROUNDS:-5}
each=${SECONDS_EACH:-4}
dir=$(mktemp -d)
target= recorder=
stop_all() {
	[[ ! $recorder ]] || kill -INT "$recorder" 2>/dev/null || true
	[[ ! $target ]] || kill "$target" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

# CPU time in ns per second, and pairs per second, of one run of the target.
run() { # plain|auto STAGE...
	local mode=$1
	shift
	rm -f "$dir/in"
	mkfifo "$dir/in"
	"$O/tests/targets/paced" "$@" <"$dir/in" >"$dir/out" &
	target=$!
	exec 3>"$dir/in"
	until grep -q ready "$dir/out"; do sleep 0.02; done
	if [[ $mode == auto ]]; then
		: >"$dir/log"
		"$O/mpsample" record -p "$target" --plane uprobe -o "$dir/s.db" --force 2>"$dir/log" 3>&- &
		recorder=$!
		until grep -q '^mpsample: recording' "$dir/log"; do sleep 0.05; done
	fi
	echo go >&3
	until grep -q '^done' "$dir/out"; do sleep 0.05; done
	if [[ $recorder ]]; then
		kill -INT "$recorder"
		wait "$recorder" || true
		recorder=
	fi
	exec 3>&-
	wait "$target" || true
	target=
	awk '$1 == "stage" {pairs += $3; cpu += $5; wall += $7} END {printf "%.0f %.0f\n", cpu / wall * 1e9, pairs / wall * 1e9}' "$dir/out"
}

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

echo "machine: $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs; medians of $rounds interleaved rounds"
printf '%-24s  %14s  %14s  %12s  %12s  %10s  %8s\n' 'pairs a second' 'plain CPU %' 'recorded CPU %' 'added CPU %' 'pairs ratio' 'estimated %' 'watched'
measure() { # TITLE STAGE...
	local title=$1
	shift
	: >"$dir/plain"
	: >"$dir/auto"
	: >"$dir/told"
	for _ in $(seq "$rounds"); do
		run plain "$@" >>"$dir/plain"
		run auto "$@" >>"$dir/auto"
		"$O/mpsample" query "$dir/s.db" "SELECT printf('%f %s', 100.0 * sum(cost_ns) / (SELECT sum(dur_ns) FROM slot),
			(SELECT value FROM session WHERE key = 'duty')) AS x FROM overhead WHERE plane <> 'recorder'" --format csv |
			sed -n 2p | tr -d '\r"' >>"$dir/told"
	done
	# By pairs: where the target cannot keep up, recording makes it do less in the same CPU time.
	paste -d' ' "$dir/plain" "$dir/auto" | awk '{print $1, $3, 100 * ($3 * ($4 ? $2 / $4 : 1) - $1) / 1e9, $2 ? $4 / $2 : 0}' >"$dir/pairs"
	printf '%-24s  %14.2f  %14.2f  %12.2f  %12.4f  %10.2f  %8.4f\n' "$title" \
		"$(awk '{print $1 / 1e7}' "$dir/pairs" | median)" "$(awk '{print $2 / 1e7}' "$dir/pairs" | median)" \
		"$(awk '{print $3}' "$dir/pairs" | median)" "$(awk '{print $4}' "$dir/pairs" | median)" \
		"$(awk '{print $1}' "$dir/told" | median)" "$(awk '{print $2}' "$dir/told" | median)"
}
for rate in 1000 10000 100000 1000000 5000000; do measure $rate $rate "$each"; done
measure '5000 to 5000000' 5000 "$each" 5000000 "$each"

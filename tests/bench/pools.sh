#!/bin/bash
# SPDX-License-Identifier: MIT
# What a get and a put of a recorded pool cost: markers through the library, and functions that an INI file names, against
# BPF programs that do nothing in the same places. Rounds of one process each in turn, medians. ROUNDS (default 7).
set -euo pipefail
O=${O:-build}
bin=$O/mpsample
program=$O/tests/bench/pools
limit=$O/tests/bench/compare/limit
rounds=${ROUNDS:-7}
dir=$(mktemp -d)
declare -a pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT

median() { sort -n | awk '{v[NR]=$1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

# start NAME COMMAND...: a program of the pool; its lines are in NAME.out, its orders come by NAME.in.
start() {
	mkfifo "$dir/$1.in"
	"${@:2}" <"$dir/$1.in" >"$dir/$1.out" &
	pids+=($!)
	exec {fd}>"$dir/$1.in"
	eval "$1_fd=$fd $1_pid=$!"
	until grep -q ready "$dir/$1.out"; do sleep 0.05; done
}

# beside NAME PATTERN COMMAND...: what watches it, once it says that it does.
beside() {
	"${@:3}" >"$dir/$1.log" 2>&1 &
	pids+=($!)
	until grep -q "$2" "$dir/$1.log"; do
		kill -0 $! 2>/dev/null || { cat "$dir/$1.log" >&2; return 1; }
		sleep 0.05
	done
}

round() { # NAME
	local before fd
	before=$(grep -c '^round' "$dir/$1.out" || true)
	eval "fd=\$$1_fd"
	echo >&"$fd"
	while [ "$(grep -c '^round' "$dir/$1.out" || true)" = "$before" ]; do sleep 0.02; done
}

cat >"$dir/pools.ini" <<END
[pool bench]
get = bench_pool_get(ptr=ret)
put = bench_pool_put(ptr=arg0)
latency = no
END
library=$(realpath "$O/libmpsample.so")
start plain "$program" functions
start dormant env LD_PRELOAD="$library" "$program" markers
start markers env LD_PRELOAD="$library" "$program" markers
beside markers '^mpsample: recording' "$bin" record -p "$markers_pid" -o "$dir/markers.db" --probe all
programs="plain dormant markers"
if [ "$(id -u)" = 0 ]; then
	start functions "$program" functions
	start pair "$program" functions
	start entry "$program" functions
	beside functions '^mpsample: recording' "$bin" record -p "$functions_pid" -o "$dir/functions.db" --pools "$dir/pools.ini" --probe all
	beside pair '^ready' "$limit" pair "$limit.bpf.o" "$pair_pid" "$program" bench_pool_get
	beside entry '^ready' "$limit" entry "$limit.bpf.o" "$entry_pid" "$program" bench_pool_put
	programs+=" functions pair entry"
fi
for ((r = 0; r <= rounds; r++)); do
	for p in $programs; do round "$p"; done
done
of() { # NAME FIELD: the first round warms up
	[ -f "$dir/$1.out" ] || { echo -; return; }
	awk -v want="$2" '/^round/ && n++ {for (i = 1; i < NF; i++) if ($i == want) print $(i + 1)}' "$dir/$1.out" | median
}
awk -v pg="$(of plain get)" -v pp="$(of plain put)" -v dg="$(of dormant get)" -v dp="$(of dormant put)" \
	-v mg="$(of markers get)" -v mp="$(of markers put)" -v fg="$(of functions get)" -v fp="$(of functions put)" \
	-v eg="$(of pair get)" -v ep="$(of entry put)" '
	function row(name, g, p) { if (g == "-") printf "%-42s %8s %8s\n", name, "-", "-"; else printf "%-42s %8.1f %8.1f\n", name, g - pg, p - pp }
	BEGIN {
		printf "pools: ns of CPU time added to a call      %8s %8s\n", "get", "put"
		row("markers, library dormant", dg, dp)
		row("markers, recorded by the library", mg, mp)
		row("functions of an INI file", fg, fp)
		row("empty BPF programs in the same places", eg, ep)
		if (fg != "-") printf "%-42s %8.2f %8.2f\n", "functions / empty", (fg - pg) / (eg - pg), (fp - pp) / (ep - pp)
	}'

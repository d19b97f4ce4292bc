#!/bin/bash
# SPDX-License-Identifier: MIT
# How long attaching and detaching stall a process (stalls.c): the longest gap that a thread sees which only reads the time,
# and the longest call of one that only allocates, in each of CYCLES (50) recordings of a tenth of a second and, in
# turn, in idle intervals of the same length. Nothing here passes or fails. TOOLS="..." tries only these.
# The tools share the allocating thread's CPU, and leave the other thread its own.
set -uo pipefail
O=${O:-build}
here=${BASH_SOURCE[0]%/*}
bin=$O/mpsample
library=$(realpath "$O/libmpsample.so")
programs=$O/tests/bench/compare
cycles=${CYCLES:-50}
tools=${TOOLS:-uprobe-all preload-on funclatency bpftrace perf-record heaptrack-p}
declare -A known=()

. "$here/compare/process.sh"
mode() { known[$1]=$4; }
for peer in mpsample funclatency bpftrace perf heaptrack_attach; do
	. "$here/compare/peers/$peer.sh"
done

now_s() { local t=$EPOCHREALTIME; echo "${t/,/.}"; }

# -> longest gap and longest call since the last time, in ns
longest() { ask x | awk '{print $3, $5}'; }

cycle() {
	local from
	! declare -F "$mode.is_for_good" >/dev/null || ((done == 0)) || { end_target; start_victim || return 1; }
	longest >/dev/null
	from=$(now_s)
	why=''
	"$mode.start" || { why=${why:-it did not start}; "$mode.stop" >/dev/null 2>&1; return 1; }
	sleep 0.1
	"$mode.stop" 2>/dev/null
	printf 'tool %s\n' "$(longest)" >>"$dir/figures"
	sleep "$(awk -v a="$(now_s)" -v b="$from" 'BEGIN {print a - b}')"
	printf 'idle %s\n' "$(longest)" >>"$dir/figures"
}

start_victim() { start_target "$programs/../stalls" && probed=$(file_of '/libc[.]so[.]6$'); }

quantiles() { # tool|idle COLUMN -> median, p99 and longest, in ms
	awk -v want="$1" -v column="$2" '$1 == want {print $column}' "$dir/figures" | sort -n |
		awk '{v[NR] = $1 / 1e6} END {r = int(NR * 0.99 + 0.999999); m = int((NR + 1) / 2); print v[m], v[r], v[NR]}'
}

line() { # WHAT COLUMN
	local with without
	with=$(quantiles tool "$2") without=$(quantiles idle "$2")
	awk -v tool="$mode" -v what="$1" -v n="$done" -v w="$with" -v o="$without" 'BEGIN {
		split(w, a); split(o, b)
		printf "%-12s %-5s %6d  %8.2f %8.2f %8.2f  %8.2f %8.2f %8.2f  %+8.2f %+8.2f %+8.2f\n", tool, what, n,
			a[1], a[2], a[3], b[1], b[2], b[3], a[1] - b[1], a[2] - b[2], a[3] - b[3]}'
}

measure() {
	why=$(call_if_there "$mode.missing")
	[[ ! $why ]] && start_victim
	: >"$dir/figures"
	done=0
	while [[ ! $why ]] && ((done < cycles)) && cycle; do done=$((done + 1)); done
	end_target
	if ((done)); then
		line gap 2
		line call 3
	fi
	[[ ! $why ]] || printf '%-12s -  %s\n' "$mode" "after $done cycles: $why"
}

# What waits, waits on the allocating thread's CPU.
! command -v taskset >/dev/null || taskset -pc 0 $$ >/dev/null
bench_begin
echo "the longest stall in each of $cycles recordings of 0.1 s, attach and detach included, and in idle intervals of the same length, in ms"
printf '%-12s %-5s %6s  %8s %8s %8s  %8s %8s %8s  %8s %8s %8s\n' tool what cycles median p99 max 'idle' p99 max 'diff.' p99 max
for mode in $tools; do
	[[ ${known[$mode]:-} ]] || { echo "attach.sh: no tool $mode; there are: ${!known[*]}" >&2; continue; }
	measure
done
mode=''

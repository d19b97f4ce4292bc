#!/bin/bash
# SPDX-License-Identifier: MIT
# What the preload plane costs: one program (alloc_pairs.c) in four processes - plain, preloaded and dormant, recorded,
# recorded with --full - in turn, round by round, in one run; medians. Nothing here passes or fails. ROUNDS (default 9).
set -euo pipefail
O=${O:-build}
bin=$O/mpsample
library=$O/libmpsample.so
program=$O/tests/bench/alloc_pairs
rounds=${ROUNDS:-9}
dir=$(mktemp -d)
declare -A target recorder input
modes=(plain dormant recorded full)

stop_all() {
	local pid
	for pid in "${recorder[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
	for pid in "${target[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop_all EXIT

median() { sort -n | awk '{v[NR]=$1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

start() { # MODE THREADS
	local mode=$1 preload=$library
	[[ $mode != plain ]] || preload=
	mkfifo "$dir/$mode.in"
	env ${preload:+LD_PRELOAD="$preload"} "$program" "$2" <"$dir/$mode.in" >"$dir/$mode.out" &
	target[$mode]=$!
	exec {input[$mode]}>"$dir/$mode.in"
	until grep -q ready "$dir/$mode.out"; do sleep 0.05; done
}

record() { # MODE OPTION...
	local mode=$1
	shift
	"$bin" record -p "${target[$mode]}" --plane preload -o "$dir/$mode.db" --force "$@" 2>"$dir/$mode.log" &
	recorder[$mode]=$!
	until grep -q '^mpsample: recording' "$dir/$mode.log"; do
		kill -0 "${recorder[$mode]}" || { cat "$dir/$mode.log"; exit 1; }
		sleep 0.05
	done
}

round() { # MODE: one line of figures
	local before
	before=$(wc -l <"$dir/$1.out")
	echo >&"${input[$1]}"
	while [[ $(wc -l <"$dir/$1.out") == "$before" ]]; do sleep 0.02; done
	tail -n 1 "$dir/$1.out" >>"$dir/$1.figures"
}

figure() { # MODE NAME: the median over the rounds
	awk -v want="$2" '{for (i = 1; i < NF; i++) if ($i == want) print $(i + 1)}' "$dir/$1.figures" | median
}

# Of the library's mapping: resident, and address space.
memory() { # MODE
	awk '/^[0-9a-f]+-[0-9a-f]+ /{ours = /memfd:mpsample/} ours && $1 == "Rss:" {rss += $2} ours && $1 == "Size:" {size += $2}
		END {print rss " KiB resident, " size " KiB of address space"}' "/proc/${target[$1]}/smaps"
}

stop() { # MODE...: those that run
	local mode
	for mode in "$@"; do
		[[ ${recorder[$mode]:-} ]] || continue
		kill -INT "${recorder[$mode]}"
		wait "${recorder[$mode]}" || true
		tail -n 1 "$dir/$mode.log" | sed "s/^/$mode: /" >>"$dir/ends"
	done
	for mode in "$@"; do # by signal: each holds the others' input open
		kill "${target[$mode]}"
		wait "${target[$mode]}" 2>/dev/null || true
		exec {input[$mode]}>&-
	done
	recorder=() target=() input=()
}

measure() { # THREADS
	local mode
	rm -f "$dir"/*.in "$dir"/*.out "$dir"/*.figures "$dir/ends"
	for mode in "${modes[@]}"; do start "$mode" "$1"; done
	record recorded
	record full --full
	for mode in "${modes[@]}"; do round "$mode"; done # warms up
	rm -f "$dir"/*.figures
	for _ in $(seq "$rounds"); do
		for mode in "${modes[@]}"; do round "$mode"; done
	done
	memory recorded >"$dir/memory"
	stop "${modes[@]}"
}

# A recorder of every call that is stopped for 10 s: the target goes on as before.
frozen() {
	local until with without
	rm -f "$dir"/*.in "$dir"/*.out "$dir"/*.figures "$dir/ends"
	start full 2
	record full --full
	round full
	rm -f "$dir/full.figures"
	for _ in $(seq "$rounds"); do round full; done
	with=$(figure full cpu_ns)
	rm -f "$dir/full.figures"
	kill -STOP "${recorder[full]}"
	until=$((SECONDS + 10))
	while ((SECONDS < until)); do round full; done
	without=$(figure full cpu_ns)
	kill -CONT "${recorder[full]}"
	stop full
	awk -v a="$without" -v b="$with" 'BEGIN {printf "recorder of every call stopped for 10 s: %.2f ns/pair, running %.2f; ratio %.2f\n", a, b, a / b}'
	cat "$dir/ends"
}

table() { # THREADS
	local mode name plain_ns
	plain_ns=$(figure plain cpu_ns)
	printf '\n%s thread(s); a stamp takes %s ns, so four of them and 20 ns are %s ns\n' "$1" "$(figure plain stamp_ns)" \
		"$(awk -v s="$(figure plain stamp_ns)" 'BEGIN {printf "%.1f", 4 * s + 20}')"
	printf '%-9s %12s %12s %12s   %s\n' mode 'ns/pair' 'added/pair' 'added/call' 'added to a pair at p50, p99, p99.9, p99.99 (wall ns)'
	for mode in "${modes[@]}"; do
		printf '%-9s %12.2f' "$mode" "$(figure "$mode" cpu_ns)"
		awk -v a="$(figure "$mode" cpu_ns)" -v b="$plain_ns" 'BEGIN {printf " %12.2f %12.2f  ", a - b, (a - b) / 2}'
		for name in p50 p99 p999 p9999; do
			awk -v a="$(figure "$mode" $name)" -v b="$(figure plain $name)" 'BEGIN {printf " %d", a - b}'
		done
		echo
	done
	cat "$dir/ends"
}

echo "machine: $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs; medians of $rounds interleaved rounds"
measure 1
table 1
one=$(awk -v a="$(figure recorded cpu_ns)" -v b="$(figure plain cpu_ns)" 'BEGIN {print a - b}')
measure 2
table 2
two=$(awk -v a="$(figure recorded cpu_ns)" -v b="$(figure plain cpu_ns)" 'BEGIN {print a - b}')
awk -v a="$two" -v b="$one" 'BEGIN {printf "\nrecorded, added per pair with two threads over one: %.2f\n", a / b}'
echo
frozen
echo
echo "memory of the preloaded process, 3 threads: $(cat "$dir/memory")"

#!/bin/bash
# SPDX-License-Identifier: MIT
# One table: what mpsample costs a program, beside the program alone and beside what people use today, all in one run.
# Nothing here passes or fails. `make bench` runs it; report.sh makes the table of its figures.
#
#   ROUNDS=5            of each workload; medians are told
#   REDIS_ROUNDS=9      of redis-server with the modes that a bound is about; of the others, a third
#   QUICK=1             short rounds and few: under 3 minutes, for a first look
#   MODES="plain ..."   only these; WORKLOADS="small crowd redis": only these
#
# In each round the modes take turns; in each turn a program is started afresh, the tool attached, each workload done, the
# tool and the program ended. So what drifts with the machine meets all alike, and no tool's probes are in another's way
# (several consumers of one probe make each other slower). Where a bound is close, turns are shorter: side_by_side.sh.
#
# A mode is a line `mode NAME SEES BASE TITLE` in peers/ and functions of that name, all but `missing` optional:
#   SEES           what the tool sees of each pair of calls: 0 nothing, 1 malloc, 2 malloc and free
#   BASE           the mode that it is compared with
#   NAME.missing   prints why it cannot run here; nothing: it can
#   NAME.wrap      COMMAND...: sets `wrapped`, the command by which the program is started with the tool
#   NAME.start     attaches it to $target_pid, whose malloc is in $probed; sets `tool`, or fails and sets `why`
#   NAME.settle_s  prints how long each workload runs before it is measured, for what adapts itself
#   NAME.stop      detaches it; sets `lost`, the calls that it says it lost, and `bytes`, what it stored (-: it does not tell)
#   NAME.end       the same, once the program has ended
set -uo pipefail
here=${BASH_SOURCE[0]%/*}
O=${O:-build}
bin=$O/mpsample
library=$(realpath "$O/libmpsample.so")
programs=$O/tests/bench/compare
out=${BENCH_OUT:-$O/bench}
quick=${QUICK:-}
rounds=${ROUNDS:-${quick:+1}}
rounds=${rounds:-5}
redis_rounds=${REDIS_ROUNDS:-${quick:+1}}
redis_rounds=${redis_rounds:-9}
workloads=${WORKLOADS:-small crowd redis}
mean_ms=${quick:+60} timed_ms=${quick:+40} redis_s=${quick:+0.5}
mean_ms=${mean_ms:-100} timed_ms=${timed_ms:-60} redis_s=${redis_s:-1.2}

. "$here/process.sh"

declare -A sees base title missing
modes=()
mode() { # NAME SEES BASE TITLE
	[[ " ${MODES:-$1} " == *" $1 "* ]] || return 0
	modes+=("$1")
	sees[$1]=$2 base[$1]=$3 title[$1]=$4
}
# In the order of the table. What a bound compares stands close together: the machine's speed moves.
mode plain 0 plain "the program alone"
for peer in mpsample lttng wrappers limit funclatency bpftrace perf allocators; do
	. "$here/peers/$peer.sh"
done

put() { # WORKLOAD THREADS KEY VALUE [KEY VALUE]...: figures of this mode and round
	local workload=$1 threads=$2
	[[ ! $warming ]] || return 0
	shift 2
	for (( ; $# > 1; )); do
		[[ $2 == - ]] || printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$mode" "$workload" "$threads" "$round" "$1" "$2"
		shift 2
	done >>"$out/figures.tsv"
}

progress() { [[ ! -t 2 ]] || printf '\r\033[K%s' "$*" >&2; }

# Once a mode has failed it is not tried again: the table has a dash, and the reason below.
give_up() { # REASON
	missing[$mode]=${1:-it did not start}
	printf '%s\t%s\n' "$mode" "${missing[$mode]}" >>"$out/notes.tsv"
}

attach() {
	why='' lost=- bytes=- tool_of_target='' settled=0
	call_if_there "$mode.start" || { why=${why:-it did not start}; return 1; }
	watched="$tool $tool_of_target"
	cpu_before=$(cpu_s $watched)
	return 0
}

detach() {
	sleep 0.05 # what it still has to read
	cpu_after=$(cpu_s $watched)
	call_if_there "$mode.stop"
}

# A turn: the program with the tool, and what is done meanwhile.
turn() { # START DO
	if "$1" && attach; then
		"$2"
		detach
	else
		give_up "$why"
		call_if_there "$mode.stop" 2>/dev/null
	fi
	end_target
	call_if_there "$mode.end"
}

# ---- Workloads ----

start_small() { start_target "$programs/workload" 2 && probed=$(file_of '/libc[.]so[.]6$'); }
start_crowd() { start_target "$programs/workload" 64 && probed=$(file_of '/libc[.]so[.]6$'); }

# A mode that looks at the program's calls and then chooses gets the time that it asks for, twice that at first.
settle() { # NAME THREADS
	local answer seconds
	declare -F "$mode.settle_s" >/dev/null || return 0
	seconds=$("$mode.settle_s")
	((settled++)) || seconds=$((seconds * 2))
	answer=($(ask "$1 $2 $((seconds * 1000)) 1")) || return 0
	[[ ${answer[0]} == "$1" ]] && put settle "$2" "${answer[@]: -4}"
}

one() { # NAME THREADS [THE-FIGURES'-NAME]
	local answer
	settle "$1" "$2"
	answer=($(ask "$1 $2 $mean_ms $timed_ms")) || return 0
	[[ ${answer[0]} == "$1" ]] || return 0
	put "${3:-$1}" "$2" "${answer[@]:3}"
}

do_small() {
	one pairs 1; one split 1; one pairs 2; one book 1; one book 2; one handoff 2; one large 1; one large 2
}

# These have figures of their own, for the ratios.
do_calls() { mean_ms=15 timed_ms=1 one split 1 calls; }
do_bare() { mean_ms=15 timed_ms=1 one pairs 1 bare; }

do_crowd() { one pairs 64; }

synthetic() { # small|crowd
	turn "start_$1" "do_$1"
	[[ ! ${missing[$mode]:-} ]] || return 0
	put "$1" 0 lost "$lost" bytes "$bytes"
	[[ $watched == " " ]] || put "$1" 0 cpu_s "$(awk -v a="$cpu_after" -v b="$cpu_before" 'BEGIN {print a - b}')"
}

. "$here/redis.sh"

# ---- The run ----

[[ -x $bin ]] || { echo "compare.sh: no $bin: make first" >&2; exit 1; }
mkdir -p "$out"
rm -f "$out"/*.tsv
: >"$out/figures.tsv"
: >"$out/notes.tsv"
round=0 warming=''
bench_begin
started=$SECONDS

for mode in "${modes[@]}"; do
	printf '%s\t%s\t%s\t%s\n' "$mode" "${sees[$mode]}" "${base[$mode]}" "${title[$mode]}" >>"$out/modes.tsv"
	why=$(call_if_there "$mode.missing")
	[[ ! $why ]] || give_up "$why"
done

. "$here/side_by_side.sh"

if [[ " $workloads " == *" small "* ]]; then
	for _ in $(seq "$rounds"); do # where a program's memory lies is part of so small a figure
		side_by_side do_bare 20 plain preload-dormant
	done
	side_by_side do_calls "$((rounds * 20))" \
		plain uprobe-all empty-pair uprobe-hist empty-sleepable funclatency bpftrace perf-record
fi

for workload in small crowd; do
	[[ " $workloads " == *" $workload "* ]] || continue
	[[ $workload == small ]] && turns=$rounds || turns=$(((rounds + 1) / 2)) # 64 threads are soon told from one
	for round in $(seq "$turns"); do
		for mode in "${modes[@]}"; do
			[[ ! ${missing[$mode]:-} ]] || continue
			progress "$workload, round $round of $turns: $mode"
			synthetic $workload
		done
	done
done

if [[ " $workloads " == *" redis "* ]]; then
	redis_missing || redis_paired uprobe-auto "$redis_rounds"
	redis_missing || for round in $(seq "$redis_rounds"); do
		for mode in "${modes[@]}"; do
			[[ ! ${missing[$mode]:-} ]] || continue
			redis_takes_part || continue
			progress "redis, round $round of $redis_rounds: $mode"
			redis_round
		done
	done
fi
mode=''
progress ''

{
	printf 'kernel\t%s\n' "$(uname -sr)"
	printf 'cpu\t%s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	printf 'cores\t%s\n' "$(nproc)"
	printf 'distribution\t%s\n' "$(. /etc/os-release && echo "$PRETTY_NAME")"
	printf 'libc\t%s\n' "$(getconf GNU_LIBC_VERSION)"
	printf 'rounds\t%s\n' "$rounds"
	printf 'redis_rounds\t%s\n' "$redis_rounds"
	printf 'seconds\t%s\n' "$((SECONDS - started))"
} >"$out/machine.tsv"

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `spans` says how often each of its span_* functions was called. Each call that returned is a span; those left by
# a longjmp or an exception, and those deeper than 8 in one another, are counted as lost, and hurt nobody. Where data
# lies in the code of a function, no probe stands. A span knows its allocations, by the library also, its page faults and its sleep.
# beside others
# cases: session multi preload session_cxx preload_cxx tracefs wrong
source "${BASH_SOURCE[0]%/*}/lib.sh"

backend=${CASE%_cxx}
case $backend in
preload | wrong) need_backend multi ;;
*) need_backend "$backend" ;;
esac
program=spans how=() library=()
[[ $CASE != *_cxx ]] || program=spans_cxx
if [[ $backend == preload ]]; then
	library=(env LD_PRELOAD="$O/libmpsample.so")
elif [[ $backend != wrong ]]; then
	how=(--backend "$backend")
fi

if [[ $CASE == tracefs || $CASE == wrong ]]; then
	start_target spans
	if [[ $CASE == tracefs ]]; then
		one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --spans span_alloc --backend tracefs
		contains "the refusal" "$MESSAGE" "use --backend session or multi"
	else
		one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --spans 'no_such_*'
		contains "no match" "$MESSAGE" "no function is called 'no_such_*'"
		one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --spans 'pthread_*'
		contains "too many" "$MESSAGE" "64"
		one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db --spans span_mixed
		contains "data in the code" "$MESSAGE" "its code cannot be told from data"
		one_line_error 2 "$MPSAMPLE" record -p "$TARGET" -o s.db --spans ''
	fi
	go
	wait_done
	end_target
	exit
fi

start_target "${library[@]}" "$TARGETS/$program"
record_work s.db "${how[@]}" --spans 'span_*'
of() {
	sql s.db "SELECT $2 FROM v_span WHERE name = '$1'"
}
for name in span_alloc span_fault span_sleep span_inner span_outer span_switch; do
	eq "$name" "$(of $name 'count(*)')" "$(truth $name)"
done
contains "left out" "$(<recorder.err)" "cannot be followed, and are no spans: span_mixed"
eq "span_deep, as deep as they are followed" "$(of span_deep 'count(*)')" $((8 * $(truth deeps)))
eq "lost" "$(sql s.db "SELECT source, sum(lost) FROM v_loss GROUP BY 1")" \
	"spans inside too many others|$((($(truth depth) - 8) * $(truth deeps)))"$'\n'"spans that did not return|$(truth left)"
eq "span_left" "$(of span_left 'count(*)')" $(($(truth span_left) - $(truth left)))
# Threads are known to the probes within a tenth of a second where the library counts.
known="alloc_calls IS NOT NULL"
[[ $backend == preload ]] || eq "spans without their allocations" "$(sql s.db "SELECT count(*) FROM v_span WHERE NOT ($known)")" 0
eq "allocation calls in span_alloc" "$(sql s.db "SELECT DISTINCT alloc_calls FROM v_span WHERE name = 'span_alloc' AND $known")" 6
eq "allocation calls in span_outer" "$(sql s.db "SELECT DISTINCT alloc_calls FROM v_span WHERE name = 'span_outer' AND $known")" 12
eq "their time, beyond the span's" "$(of span_outer "count(*) FILTER (WHERE alloc_ns NOT BETWEEN 0 AND dur_ns AND $known)")" 0
holds "spans whose faults took time" "$(of span_fault "count(*) FILTER (WHERE fault_ns BETWEEN 16 * 50 AND dur_ns)") >= 0.99 * $(truth span_fault)"
# Where the machine stands still as a thread falls asleep, it sleeps for less than it asks for.
eq "sleeps that were off the CPU" "$(of span_sleep "count(*) FILTER (WHERE off_cpu_ns BETWEEN 1 AND dur_ns)")" "$(truth span_slept)"
holds "nearly all for what they ask for" "$(of span_sleep "count(*) FILTER (WHERE off_cpu_ns >= 900000)") >= 0.9 * $(truth span_slept)"
eq "collections" "$(sql s.db "SELECT count(gc_ns) FROM v_span")" 0

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: tests/pmu/split.c on a real PMU with overflow interrupts, which is that of an emulated arm64 machine: the guest of
# tests/pmu/guest.sh, in which mpsample is a static arm64 program. `make pmu` builds both.
#
# What is true of that PMU: it has seven counters, one of them for cycles only, and counts cycles and instructions
# exactly; they are the same number. The cycles counter interrupts at every period. The six others overflow unseen until the
# kernel is entered for something else (QEMU's timer for them ends one too early, and is not set again), unless the
# cycles counter interrupts at the same time. So the first cycles event is the one to sample.
#
# beside others
# cases: counts doctor probes cycles instructions multiplexed refused
source "${BASH_SOURCE[0]%/*}/lib.sh"

guest=$O/arm64/guest
[[ ! -s $O/arm64/missing ]] || skip "no packages for the guest: $(tail -n 1 "$O/arm64/missing")"
[[ -e $guest/initrd ]] || skip "the guest was not built: make check-pmu"
need_command qemu-system-aarch64 qemu-system-arm
need_command cpio cpio

ROUNDS=1009
INSTRUCTIONS=$((ROUNDS * 200000)) # in the loops

# in_guest: runs the script on stdin in the guest. What it leaves there is here, then.
in_guest() {
	cat >script
	"$ROOT/tests/pmu/guest.sh" "$guest" script . 2>guest.err || die "the guest's script ends with $?: $(tail -n 3 log guest.err 2>/dev/null)"
}

# Samples stand this far apart: the golden section of a round, so that they fall evenly on all of it.
PERIOD=123721

# sampled DB EVENT: every period of the event is a sample, and lies where the instructions are.
sampled() {
	local name=$2:period=$PERIOD count samples function share in_function

	count=$(sql "$1" "SELECT sum(value) FROM v_counter WHERE name = '$name' AND running_ns = enabled_ns")
	samples=$(sql "$1" "SELECT count(*) FROM v_sample WHERE event = '$name'")
	echo "$2: $count counted, $samples samples at $PERIOD"
	within "$2" "$count" "$INSTRUCTIONS" 0.1
	eq "samples of $2" "$samples" "$((count / PERIOD))"
	eq "periods of $2" "$(sql "$1" "SELECT DISTINCT period FROM v_sample WHERE event = '$name'")" "$PERIOD"
	nothing_lost "$1"
	for share in hot_a=70 hot_b=20 hot_c=10; do
		function=${share%=*}
		in_function=$(sql "$1" "SELECT count(*) FROM v_sample WHERE event = '$name' AND code = '$function'")
		echo "$function: $in_function samples"
		within "share of $function" "100.0 * $in_function / $samples" "${share#*=}" 2
		eq "$function: stacks" "$(sql "$1" "
			SELECT DISTINCT (SELECT group_concat(name, '<') FROM (SELECT name FROM v_stack WHERE v_stack.stack_id = v_sample.stack_id
			                                                      AND depth < 4 ORDER BY depth)),
			                unwound, ended
			FROM v_sample JOIN v_stack USING (stack_id) WHERE event = '$name' AND code = '$function'")" \
			"$function<session<trade<main|cfi|outermost"
	done
}

# repeated EVENT N: a list of it.
repeated() {
	printf "$1%.0s," $(seq $(($2 - 1)))
	echo "$1"
}

# refusal NAME PART: the recorder said one line, with this in it.
refusal() {
	echo "$1: $(<"$1.err")"
	eq "lines of $1" "$(wc -l <"$1.err")" 1
	contains "$1" "$(<"$1.err")" "$2"
}

case $CASE in
counts) # by perf_event_open(2) alone: the PMU is what is said above
	in_guest <<-END
		target $ROUNDS cycles=50021
		work
		mv split.out cycles.out
		target $ROUNDS cycles=20011 instructions=50021
		work
		mv split.out both.out
	END
	seen=0
	while read -r event period count samples lost; do
		echo "$event: $count counted, $samples samples at $period, $lost lost"
		within "$event" "$count" "$INSTRUCTIONS" 0.1
		eq "samples of $event at $period" "$samples" "$((count / period))"
		eq "lost samples of $event" "$lost" 0
		seen=$((seen + 1))
	done < <(grep -hE '^(cycles|instructions) ' cycles.out both.out)
	eq "events" "$seen" 3
	;;
doctor) # what the machine can do
	in_guest <<<"mpsample doctor >doctor.out"
	doctor=$(tr -s ' ' <doctor.out)
	contains "the doctor on the PMU" "$doctor" "hardware counters limited cycles instructions; not there: "
	contains "the doctor on the PMU" "$doctor" "counter interrupts works "
	contains "the doctor on a name" "$doctor" "event mem-loads limited by page-faults, quality software"
	;;
probes) # the uprobe plane on arm64: every call counted, stacks as far as main
	rounds=101
	in_guest <<-END
		target $rounds
		recorded -o probes.db --plane uprobe --full --causes off
	END
	cat record.err
	eq "calls of malloc" "$(calls probes.db malloc)" "$rounds"
	eq "calls of free" "$(calls probes.db free)" "$rounds"
	nothing_lost probes.db
	eq "calls with their stacks" "$(sql probes.db "
		SELECT count(*) FROM call
		WHERE (SELECT group_concat(name, '<') FROM (SELECT name FROM v_stack WHERE v_stack.stack_id = call.stack_id AND depth < 3
		                                            ORDER BY depth)) = 'session<trade<main'")" "$((2 * rounds))"
	;;
cycles) # sampled by their names; counted beside, by the recorder and by the program
	in_guest <<-END
		target $ROUNDS instructions
		recorded -o cycles.db -e cycles:period=$PERIOD --count cycles --causes off
	END
	cat record.err
	sampled cycles.db cycles
	count=$(sql cycles.db "SELECT sum(value) FROM v_counter WHERE name = 'cycles' AND tid")
	eq "cycles counted beside" "$count" "$(sql cycles.db "SELECT sum(value) FROM v_counter WHERE name = 'cycles:period=$PERIOD'")"
	within "the program's own count" "$(awk '$1 == "instructions" { print $3 }' split.out)" "$count" 0.01
	eq "events" "$(sql cycles.db "SELECT event, is_sampled, quality FROM v_event ORDER BY 2 DESC")" \
		"cycles:period=$PERIOD|1|counter"$'\n'"cycles|0|counter"
	;;
instructions) # with the cycles counter's interrupts beside, as above
	in_guest <<-END
		target $ROUNDS
		recorded -o both.db -e cycles:period=$PERIOD,instructions:period=$PERIOD --causes off
	END
	cat record.err
	sampled both.db cycles
	sampled both.db instructions
	;;
multiplexed) # more events than counters: each is counted for a part of the time, scaled up, and that is said
	in_guest <<-END
		target $ROUNDS
		recorded -o many.db --count $(repeated instructions 10) --causes off
	END
	sql many.db "SELECT value, enabled_ns, running_ns FROM v_counter WHERE name = 'instructions'"
	eq "events" "$(sql many.db "SELECT count(*) FROM v_event WHERE event = 'instructions'")" 10
	eq "counted throughout" "$(sql many.db "SELECT count(*) FROM v_counter WHERE name = 'instructions' AND running_ns >= enabled_ns")" 0
	eq "off by more than 2 %" "$(sql many.db "SELECT sum(value) FROM v_counter WHERE name = 'instructions' GROUP BY tid
		HAVING abs(sum(value) - 10 * $INSTRUCTIONS) > 10 * $INSTRUCTIONS * 0.02")" ""
	;;
refused) # a group that fills the PMU is taken; one event more, and what this PMU has not, is one line and no session
	in_guest <<-END
		target 1
		recorded -o full.db --count '{cycles,$(repeated instructions 6)}' --causes off
		target 1
		refused group --count '{cycles,$(repeated instructions 7)}'
		refused sampled -e '{cycles,$(repeated instructions 7)}'
		refused precise -e cycles:precise=2
		refused missing -e branch-misses
	END
	eq "counters that a full group has" "$(sql full.db "
		SELECT count(*) FROM v_counter WHERE name IN ('cycles', 'instructions') AND value > $INSTRUCTIONS / $ROUNDS AND running_ns = enabled_ns")" 7
	refusal group "the PMU has not so many counters"
	refusal sampled "the PMU has not so many counters"
	refusal precise "no precise levels"
	refusal missing "this machine does not count it"
	;;
esac

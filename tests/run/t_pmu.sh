#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: tests/pmu/split.c on a real PMU with overflow interrupts, which is that of an emulated arm64 machine: the guest of
# tests/pmu/guest.sh, in which mpsample is a static arm64 program. `make pmu` builds both.
#
# What is true of that PMU: it has cycles and instructions, and counts both exactly. Of a cycles event every period is a
# sample. Instructions overflow unseen (QEMU's timer for it ends one too early, and is not set again), unless a cycles
# event with no longer a period runs beside them.
#
# cases: counts probes
source "${BASH_SOURCE[0]%/*}/lib.sh"

guest=$O/arm64/guest
[[ ! -s $O/arm64/missing ]] || skip "no packages for the guest: $(tail -n 1 "$O/arm64/missing")"
[[ -e $guest/initrd ]] || skip "the guest was not built: make check-pmu"
need_command qemu-system-aarch64 qemu-system-arm
need_command cpio cpio

ROUNDS=503
INSTRUCTIONS=$((ROUNDS * 200000)) # in the loops

# in_guest: runs the script on stdin in the guest. What it leaves there is here, then.
in_guest() {
	cat >script
	"$ROOT/tests/pmu/guest.sh" "$guest" script . 2>guest.err || die "the guest's script ends with $?: $(tail -n 3 log guest.err 2>/dev/null)"
}

case $CASE in
counts) # by perf_event_open(2) alone: the PMU is what is said above
	in_guest <<-END
		target $ROUNDS cycles=50021
		work
		mv split.out cycles.out
		target $ROUNDS cycles=10007 instructions=50021
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
probes) # the rest of mpsample on arm64: what the machine can do, every call counted, stacks as far as main
	in_guest <<-END
		mpsample doctor >doctor.out
		target $ROUNDS
		recorded -o probes.db --plane uprobe --full
	END
	cat record.err
	holds "the doctor sees the PMU" "$(grep -cE '^hardware counters +works ' doctor.out) = 1"
	eq "calls of malloc" "$(calls probes.db malloc)" "$ROUNDS"
	eq "calls of free" "$(calls probes.db free)" "$ROUNDS"
	nothing_lost probes.db
	eq "calls with their stacks" "$(sql probes.db "
		SELECT count(*) FROM call
		WHERE (SELECT group_concat(name, '<') FROM (SELECT name FROM v_stack WHERE v_stack.stack_id = call.stack_id AND depth < 3
		                                            ORDER BY depth)) = 'session<trade<main'")" "$((2 * ROUNDS))"
	;;
esac

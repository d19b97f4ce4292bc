#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a recorder killed with SIGKILL in mid-recording harms nobody: the target finishes its work, the database opens
# in the plain shell and lacks at most the last second, the target can be recorded again at once, and of the
# recorder's tracefs events nothing is left after the next run (those of BPF live by its descriptors).
# beside others
# cases: session multi tracefs
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend "$CASE"

# Nothing has to be mounted for this.
uprobe_events() {
	mkdir -p tracefs
	"${OWN_MOUNTS[@]}" sh -c 'mount -t tracefs none tracefs && cat tracefs/uprobe_events && umount tracefs'
}

start_target threads --repeat 2 0.0005
start_recorder -p "$TARGET" -o s.db --backend "$CASE"
began=$SECONDS rounds=0
round() {
	rounds=$((rounds + 1))
	go
	until [[ $(grep -c '^threads ' target.out) == "$rounds" ]]; do
		alive "$TARGET" || die "the target ended"
		sleep 0.02
	done
}

while ((SECONDS < began + 4)); do # long enough to have written some seconds
	round
done
killed_ns=$(date +%s%N)
kill -KILL "$RECORDER"
wait_end "$RECORDER"
eq "exit status of a killed recorder" "$STATUS" 137

eq "integrity" "$(sql s.db "PRAGMA integrity_check")" ok
holds "calls" "$(calls s.db malloc) > 0"
holds "rows" "$(sql s.db "SELECT count(*) FROM v_call") > 0"
# The second that was not written yet, and a second for a busy machine to come round to it.
to_real="SELECT real_ns - mono_ns FROM v_clock ORDER BY mono_ns DESC LIMIT 1"
holds "the newest clock row is recent" "$killed_ns - ($(sql s.db "SELECT max(real_ns) FROM v_clock")) < 2500000000"
holds "the newest call is recent" "$killed_ns - $(sql s.db "SELECT max(t_ns) + ($to_real) FROM v_call") < 2500000000"
# A slot is known by its start, a second before it is written.
holds "the newest slot is recent" "$killed_ns - $(sql s.db "SELECT max(slot_ns) + ($to_real) FROM v_latency") < 3500000000"
eq "a report of it" "$("$MPSAMPLE" report summary s.db --format csv 2>&1 | sed -n '2s/,.*//p')" malloc

# The target works on, and can be recorded again.
dead=$RECORDER
round
start_recorder -p "$TARGET" -o again.db --backend "$CASE"
eq "left in tracefs after the next run has begun" "$(uprobe_events | grep "mpsample_$dead/" || true)" ""
round
stop_recorder
pairs=$(awk '/^threads / { pairs = $4 } END { print pairs }' target.out)
eq "mallocs of one round" "$(calls again.db malloc)" "$pairs"
nothing_lost again.db
eq "left in tracefs" "$(uprobe_events | grep -E "mpsample_($dead|$RECORDER)/" || true)" ""
end_target

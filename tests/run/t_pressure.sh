#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `faults` touches a known number of pages, `Collected` is collected as often as it asks for, and a JVM logs its
# safepoints itself: the figures of v_pressure grow by that.
#   faults     resident memory and faults
#   cgroup     the same in a memory control group with a limit
#   serial g1  safepoints of a JVM, from its start on
#   attached   collections since the recording of a JVM began
#   silent     a JVM without hsperfdata
# beside others
# cases: faults cgroup serial g1 attached silent
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
GCS=13

grown() { # NAME: from the first to the last value
	sql s.db "SELECT max(value) - min(value) FROM v_pressure WHERE name = '$1'"
}

reached() { # NAME: of a counter, by how much it has grown in all
	sql s.db "SELECT CAST(max(value) AS INTEGER) FROM v_pressure WHERE name = '$1'"
}

# Pages are counted by batches of each CPU, and what the target does besides takes some.
check_faults() {
	local written read page

	written=$(truth write_faults) read=$(truth read_faults) page=$(truth page_bytes)
	within "rss_bytes" "$(grown rss_bytes)" "$written * $page" 0 "$((4 << 20))"
	holds "minor_faults" "$(grown minor_faults) BETWEEN $written + $read AND $written + $read + 500"
	eq "steps that tell no resident memory" "$(sql s.db "SELECT count(*) FROM v_slot WHERE NOT EXISTS (SELECT 1
		FROM v_pressure WHERE name = 'rss_bytes' AND t_ns <= slot_ns + dur_ns)")" 0
}

# A memory control group of our own: version 1, or 2 where the controller is given to groups.
make_group() {
	local root=/sys/fs/cgroup limit=memory.max

	if [[ -e $root/memory/memory.limit_in_bytes ]]; then
		root+=/memory limit=memory.limit_in_bytes
	elif ! grep -qw memory $root/cgroup.subtree_control 2>/dev/null; then
		skip "no memory control groups here"
	fi
	GROUP=$root/mpsample-test-$$
	mkdir "$GROUP" 2>/dev/null || skip "cannot make $GROUP"
	trap remove_group EXIT
	echo $((96 << 20)) >"$GROUP/$limit" || skip "cannot set $GROUP/$limit"
}

remove_group() {
	local status=$?

	if [[ $TARGET ]] && alive "$TARGET"; then
		kill -KILL "$TARGET"
		wait "$TARGET" 2>/dev/null
	fi
	rmdir "$GROUP"
	(exit $status)
	cleanup
}

compile() {
	need_command javac default-jdk-headless
	javac -d . "$ROOT/tests/targets/pressure/Collected.java" || die "javac fails"
}

# Until the file of a JVM that was started after the recording has been found.
wait_hotspot() {
	local deadline=$((SECONDS + GUARD_S))

	until [[ $(sqlite3 -batch s.db "SELECT count(*) > 0 FROM v_pressure WHERE name = 'hotspot.safepoints'" 2>/dev/null) == 1 ]]; do
		((SECONDS < deadline)) || die "no figures of the JVM within $GUARD_S s"
		sleep 0.1
	done
}

# Of a JVM that the recorder started, all that its log has. The last one, in which it ends, is reached and counted, and
# never logged.
check_log() {
	local count ns sync_ns

	count=$(grep -c ' Safepoint "' sp.log)
	ns=$(sed -n 's/.* Total: \([0-9]*\) ns.*/\1/p' sp.log | awk '{ s += $1 } END { printf "%.0f", s }')
	sync_ns=$(sed -n 's/.* Reaching safepoint: \([0-9]*\) ns.*/\1/p' sp.log | awk '{ s += $1 } END { printf "%.0f", s }')
	echo "log: $count safepoints, $ns ns, reached in $sync_ns ns; here: $(reached hotspot.safepoints), \
$(reached hotspot.safepoint_ns), $(reached hotspot.safepoint_sync_ns)"
	holds "safepoints" "$(reached hotspot.safepoints) BETWEEN $count AND $count + 1"
	within "safepoint_ns" "$(reached hotspot.safepoint_ns)" "($ns - $sync_ns)" 0 100000
	holds "safepoint_sync_ns" "$(reached hotspot.safepoint_sync_ns) >= $sync_ns - 100000"
}

check_gcs() { # COLLECTOR: a full one by each System.gc()
	eq "collections" "$(reached hotspot.collector_1_collections)" "$GCS"
	contains "name of the collector" "$(sql s.db "SELECT value FROM v_gc_setting WHERE runtime = 'hotspot' AND
		name = 'collector_1'")" "$1"
	eq "limit of the heap" "$(sql s.db "SELECT value FROM v_gc_setting WHERE name = 'max_heap_bytes'")" $((64 << 20))
	contains "arguments" "$(sql s.db "SELECT value FROM v_gc_setting WHERE name = 'vm_args'")" "-Xmx64m"
}

case $CASE in
faults)
	start_target faults
	record_work s.db
	check_faults
	;;
cgroup)
	make_group
	# shellcheck disable=SC2016 # expanded there
	start_target sh -c 'echo $$ >"$0" && exec "$1"' "$GROUP/cgroup.procs" "$TARGETS/faults"
	record_work s.db
	check_faults
	within "cgroup_memory_bytes" "$(grown cgroup_memory_bytes)" "$(truth write_faults) * $(truth page_bytes)" 0 "$((8 << 20))"
	eq "limit" "$(sql s.db "SELECT DISTINCT CAST(value AS INTEGER) FROM v_pressure WHERE name = 'cgroup_max_bytes'")" $((96 << 20))
	eq "times that it was full" "$(grown cgroup_max_events)" 0.0
	;;
serial | g1)
	declare -A USE=([serial]=UseSerialGC [g1]=UseG1GC) NAME=([serial]=Serial [g1]=G1)
	compile
	launch -o s.db --probe slow -- java -Xmx64m "-XX:+${USE[$CASE]}" -Xlog:safepoint:file=sp.log:uptimenanos -cp . Collected "$GCS"
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	wait_hotspot
	end_launched
	check_log
	check_gcs "${NAME[$CASE]}"
	;;
attached)
	compile
	start_target java -Xmx64m -XX:+UseSerialGC -cp . Collected "$GCS"
	record_work s.db --probe slow
	check_gcs Serial
	eq "at first" "$(sql s.db "SELECT value FROM v_pressure WHERE name = 'hotspot.safepoints' ORDER BY t_ns LIMIT 1")" 0.0
	;;
silent)
	compile
	start_target java -Xmx64m -XX:-UsePerfData -cp . Collected "$GCS"
	record_work s.db --probe slow
	eq "figures of the JVM" "$(sql s.db "SELECT count(*) FROM v_pressure WHERE name LIKE 'hotspot%' AND name <> 'hotspot.allocated_bytes'")" 0
	;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: whatever becomes of the target's threads and of itself, the recorder ends well, the database holds what the
# target says it did, and marks and threads tell what happened (tests/targets/lifecycle.c).
# beside others
# cases: fork exec churn late exit crash
source "${BASH_SOURCE[0]%/*}/lib.sh"

# wait_threads N: until the target has so many. A joined thread is on its way out for some time still, and only when it
# has left /proc has the kernel told everybody of its end.
wait_threads() {
	local deadline=$((SECONDS + GUARD_S))

	while [[ $(find "/proc/$TARGET/task" -mindepth 1 -maxdepth 1 | wc -l) != "$1" ]]; do
		((SECONDS < deadline)) || die "process $TARGET keeps more than $1 threads"
		sleep 0.02
	done
}

need_root
start_target lifecycle "$CASE"
start_recorder -p "$TARGET" -o s.db
go
case $CASE in
exit) end_target 3 && wait_recorder ;;
crash) end_target 139 && wait_recorder ;;
churn)
	wait_done
	wait_threads 1
	stop_recorder
	end_target
	;;
*) wait_done && stop_recorder && end_target ;;
esac

# Sums of the target's lines `pid PID mallocs N frees N`, of the recorded process only.
own() {
	awk -v pid="$TARGET" -v column="$1" '$1 == "pid" && $2 == pid { n += $column } END { print n }' target.out
}
marks() {
	sql s.db "SELECT name, detail FROM v_mark WHERE name = '$1'"
}

eq "integrity" "$(sql s.db "PRAGMA integrity_check")" ok
eq "mallocs" "$(calls s.db malloc)" "$(own 4)"
nothing_lost s.db
threads="SELECT count(*) FROM v_thread WHERE start_ns IS NOT NULL"
if [[ $CASE == churn ]]; then # glibc gives back each thread's cache by calls of free
	holds "frees" "$(calls s.db free) >= $(own 6)"
else
	eq "frees" "$(calls s.db free)" "$(own 6)"
fi

case $CASE in
fork)
	eq "fork" "$(marks fork)" "fork|child $(truth child), not recorded"
	eq "kept calls of the child" "$(sql s.db "SELECT count(*) FROM v_call WHERE tid = $(truth child)")" 0
	eq "threads" "$(sql s.db "$threads")" 1
	;;
exec)
	eq "mallocs before and after" "$(own 4)" 20014
	contains "exec" "$(marks exec)" "exec|"
	eq "sites" "$(sql s.db "SELECT DISTINCT site FROM v_site WHERE op = 'malloc'")" lifecycle_malloc
	;;
churn)
	eq "threads that ended" "$(sql s.db "$threads AND end_ns >= start_ns")" "$(truth threads)"
	eq "threads that live" "$(sql s.db "$threads AND end_ns IS NULL")" 1
	;;
late)
	eq "threads" "$(sql s.db "$threads")" $((1 + $(truth threads)))
	eq "threads that began after the recording did" "$(sql s.db "$threads
		AND start_ns > (SELECT CAST(value AS INTEGER) FROM v_session WHERE key = 'start_ns')")" "$(truth threads)"
	eq "threads that ended" "$(sql s.db "$threads AND end_ns IS NOT NULL")" 0
	;;
exit | crash)
	contains "exit" "$(marks exit)" "exit|"
	eq "end_reason" "$(sql s.db "SELECT value FROM v_session WHERE key = 'end_reason'")" "target exited"
	eq "threads that ended" "$(sql s.db "$threads AND end_ns IS NOT NULL")" 1
	;;
esac

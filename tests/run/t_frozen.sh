#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: whoever stands still, the others go on, and nothing is miscounted.
#   counted   a thread is frozen at every instruction of the library on the way of a call that is counted
#   kept      likewise of a call that is kept, with a copy of its stack
#   recorder  the recorder is stopped for 10 s while all calls are to be kept
# beside others
# cases: counted kept recorder
source "${BASH_SOURCE[0]%/*}/lib.sh"

LIBRARY=$O/libmpsample.so
need_root
[[ -f $LIBRARY ]] || skip "this build has no libmpsample.so"

recorded_calls() {
	sqlite3 -batch s.db "PRAGMA busy_timeout = 10000; SELECT coalesce(sum(calls), 0) FROM v_latency" | tail -n 1
}

# until_more N WHAT COMMAND...: until the number that it prints has grown by that much.
until_more() {
	local before now deadline=$((SECONDS + GUARD_S))

	before=$("${@:3}")
	until now=$("${@:3}") && ((now >= before + $1)); do
		((SECONDS < deadline)) || die "$2 stand still at $before"
		sleep 0.1
	done
}

# The calls of the target's second thread (struct shared of frozen_writer.c).
calls_made() {
	od -An -tu8 -j 128 -N 8 counters
}

all_counted() {
	eq mallocs "$(calls s.db malloc)" "$(truth mallocs)"
	eq frees "$(calls s.db free)" "$(truth frees)"
	eq "calls lost" "$(sql s.db "SELECT * FROM v_loss WHERE what = 'calls'")" ""
	contains planes "$(sql s.db "SELECT value FROM v_session WHERE key = 'planes'")" preload
	eq integrity "$(sql s.db "PRAGMA integrity_check")" ok
}

# freeze LEAST HOLD...: the first thread stands at every instruction. There are that many in malloc and in free at
# least. Standing at the HOLDs it sees the recorder go on, too.
freeze() {
	local least=$1 hold freezer
	shift

	mkfifo freezer.in
	(
		close_target_in
		exec "$TARGETS/frozen_writer" --freeze counters libmpsample.so "$@" <freezer.in >freezer.out 2>freezer.err
	) &
	freezer=$!
	exec {in}>freezer.in
	for hold; do
		wait_line freezer.out "^holding $hold\$" "$freezer"
		until_more 1 "the recorder's counts" recorded_calls
		echo on >&"$in"
	done
	wait_end "$freezer"
	eq "exit status of the freezer" "$STATUS" 0
	cat freezer.out
	holds "instructions in malloc" "$(awk '$1 == "malloc" { print $2 }' freezer.out) > $least"
	holds "instructions in free" "$(awk '$1 == "free" { print $2 }' freezer.out) > $least"
}

start_target env LD_PRELOAD="$LIBRARY" "$TARGETS/frozen_writer" "$WORK/counters" 3
case $CASE in
counted)
	start_recorder -p "$TARGET" --plane preload --keep-over 1000000000000 --sample-every 1000000 -o s.db
	go
	until_more 1 calls calls_made
	freeze 50 25 75 200
	;;
kept) # what is stepped takes long: both calls are outliers
	start_recorder -p "$TARGET" --plane preload --keep-over 50000 --sample-every 1000000 -o s.db
	go
	until_more 1 calls calls_made
	freeze 500 100 300
	;;
recorder)
	start_recorder -p "$TARGET" --plane preload --full -o s.db
	go
	until_more 1 calls calls_made
	kill -STOP "$RECORDER"
	sleep 10 # a recorder that hangs, on a slow disk say
	until_more 10000 "while the recorder is stopped, calls" calls_made # more than a ring holds
	kill -CONT "$RECORDER"
	until_more 1 calls calls_made
	until_more 1 "the recorder's counts" recorded_calls
	;;
esac
go # the second line: stop
wait_done
stop_recorder
end_target
all_counted
case $CASE in
counted) eq "outliers" "$(sql s.db "SELECT count(*) FROM v_call WHERE kept = 'outlier'")" 0 ;;
kept)
	frozen=$(od -An -td4 -j 88 -N 4 counters)
	eq "the frozen thread's outliers, by stack" "$(sql s.db "SELECT DISTINCT op, site FROM v_call
		WHERE tid = $frozen AND kept = 'outlier' ORDER BY op" | xargs)" "free|one_pair malloc|one_pair"
	;;
recorder)
	eq "rows kept + rows lost" "$(sql s.db "SELECT (SELECT count(*) FROM v_call)
		+ (SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'rows')")" "$(sql s.db "SELECT sum(calls) FROM v_percentile")"
	holds "rows lost" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE what = 'rows'") > 0"
	;;
esac

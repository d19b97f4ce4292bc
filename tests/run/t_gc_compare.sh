#!/bin/bash
# SPDX-License-Identifier: MIT
# The comparison of recorded with logged pauses (gc_lib.sh), on which t_gc.sh rests, finds what is wrong in made-up sessions
# and nothing else; and HotSpot's log is read for what it says (log).
# beside others
# cases: same whole missing extra shifted late edges kinds other log
source "${BASH_SOURCE[0]%/*}/lib.sh"
source "${BASH_SOURCE[0]%/*}/gc_lib.sh"

MS=1000000
START=$((1000 * MS)) # of the session: 10 s

row() { # T_NS DUR_NS KIND [TTSP STOPPED] : a row of gc
	sql s.db "INSERT INTO gc (t_ns, dur_ns, ttsp_ns, stopped_ns, is_pause, runtime, kind, cause, source)
		VALUES ($1, $2, ${4:-NULL}, ${5:-NULL}, 1, 'hotspot', $3, 'System.gc()', 'probes')"
}

cat "$ROOT/sql/schema.sql" "$ROOT"/sql/views/*.sql | sqlite3 -batch -bail s.db || die "no schema"
sql s.db "INSERT INTO session VALUES ('start_ns', $START), ('end_ns', $((START + 10000 * MS)))"

# 99 pauses, one every 100 ms, the Nth N us long; the recorded one is begun 2 us late and is N ns longer.
for n in {1..99}; do
	t=$((START + n * 100 * MS))
	echo "$t $((t + n * 1000)) young 5000 $((n * 1000 + 9000)) System.gc()"
	echo "INSERT INTO gc (t_ns, dur_ns, ttsp_ns, stopped_ns, is_pause, runtime, kind, cause, source)
		VALUES ($((t + 2000)), $((n * 1001)), 5003, $((n * 1000 + 9000 + 7)), 1, 'hotspot', 'young', 'System.gc()', 'probes');" >&3
done >truth 3>rows.sql
# The last of the log does not count, whether there is a row of it or not.
echo "$((START + 9950 * MS)) $((START + 9951 * MS)) young 5000 $((2 * MS)) System.gc()" >>truth
sqlite3 -batch -bail s.db <rows.sql || die "no rows"

expect() { # LOGGED RECORDED MISSING EXTRA
	gc_compare s.db truth hotspot >compared
	cat compared
	eq "logged, recorded, missing, extra" "$(gc_figure logged) $(gc_figure recorded) $(gc_figure missing) $(gc_figure extra)" "$*"
}

case $CASE in
same)
	expect 99 99 0 0
	row $((START + 9950 * MS)) $MS "'full'"
	expect 99 99 0 0
	eq "errors of length" "$(gc_figure length_p50_ns) $(gc_figure length_p99_ns)" "50 99"
	eq "errors of stop, time to safepoint, begin" "$(gc_figure stop_p50_ns) $(gc_figure ttsp_p50_ns) $(gc_figure begin_p50_ns)" "7 3 2000"
	eq "kinds, causes" "$(gc_figure kinds_differ) $(gc_figure kinds_unknown) $(gc_figure causes_differ)" "0 0 0"
	;;
whole) # a log of whole stops: so are the rows, from t_ns - ttsp_ns, or as they are
	awk '{ printf "%s %.0f %s\n", $1, $1 + 9000, $3 }' truth >stops
	mv stops truth
	sql s.db "UPDATE gc SET t_ns = t_ns + 5000 - 2000, ttsp_ns = 5000, dur_ns = 1, stopped_ns = 9004 WHERE gc_id <= 60"
	sql s.db "UPDATE gc SET t_ns = t_ns - 2000, ttsp_ns = NULL, dur_ns = 9008, stopped_ns = NULL WHERE gc_id > 60"
	expect 99 99 0 0
	eq "errors of length, begin" "$(gc_figure length_p50_ns) $(gc_figure length_p99_ns) $(gc_figure begin_p50_ns)" "4 8 0"
	;;
missing)
	sql s.db "DELETE FROM gc WHERE gc_id IN (17, 43, 44)"
	expect 99 96 3 0
	;;
extra) # also one that is nearly where a true one is
	row $((START + 750 * MS)) 1000 "'young'"
	row $((START + 800 * MS + 9000)) 1000 "'young'"
	expect 99 101 0 2
	;;
shifted) # by more than two pauses of one name may be apart
	sql s.db "UPDATE gc SET t_ns = t_ns + 20000000 WHERE gc_id = 50"
	expect 99 99 1 1
	;;
late) # by its begin it is nearer to the next, which has a row of its own; its end is where it was
	sql s.db "UPDATE gc SET t_ns = t_ns + 99000000, dur_ns = 1000000 WHERE gc_id = 50"
	sed -i "50s/.*/$((START + 5000 * MS)) $((START + 5100 * MS)) young 5000 $((100 * MS)) System.gc()/" truth
	expect 99 99 0 0
	eq "errors of length" "$(gc_figure length_p99_ns)" $((99 * MS))
	;;
edges) # what straddles them, or lies beyond, counts on neither side
	cat >>truth <<-END
		$((START - MS)) $((START + MS)) young 0 $((2 * MS))
		$((START + 3000)) $((START + MS)) young 5000 $((2 * MS))
		$((START + 9999 * MS)) $((START + 10001 * MS)) young 0 $((2 * MS))
		$((START + 11000 * MS)) $((START + 11001 * MS)) young 0 $MS
	END
	row $((START + 3000)) $MS "'young'"
	row $((START + 9999 * MS)) $((2 * MS)) "'young'"
	expect 99 99 0 0
	;;
kinds)
	sql s.db "UPDATE gc SET kind = 'full' WHERE gc_id = 7; UPDATE gc SET kind = NULL WHERE gc_id IN (8, 9);
		UPDATE gc SET cause = 'Ergonomics' WHERE gc_id IN (10, 11, 12)"
	expect 99 99 0 0
	eq "kinds, causes" "$(gc_figure kinds_differ) $(gc_figure kinds_unknown) $(gc_figure causes_differ)" "1 2 3"
	;;
other) # what is no pause, or another runtime's, is not looked at
	sql s.db "UPDATE gc SET is_pause = 0 WHERE gc_id = 1; UPDATE gc SET runtime = 'v8' WHERE gc_id = 2"
	expect 99 97 2 0
	;;
log)
	cat >gc.log <<-'END'
		[9000000000000ns][gc,start] GC(0) Pause Young (Normal) (G1 Evacuation Pause)
		[9000002000000ns][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 24M->4M(256M) 1.500ms
		[9000002100000ns][safepoint] Safepoint "G1CollectForAllocation", Time since last: 7 ns, Reaching safepoint: 300000 ns, Cleanup: 5 ns, At safepoint: 6 ns, Total: 2000000 ns
		[9000003000000ns][safepoint] Safepoint "Cleanup", Time since last: 7 ns, Reaching safepoint: 10 ns, At safepoint: 6 ns, Leaving safepoint: 2 ns, Total: 1000 ns, Threads: 1 runnable, 14 total
		[9000004000000ns][gc] GC(1) Pause Young (Mixed) (G1 Evacuation Pause) 24M->4M(256M) 1.000ms
		[9000006000000ns][gc] GC(2) Pause Full (System.gc()) 24M->4M(256M) 1.000ms
		[9000006000000ns][safepoint] Safepoint "G1CollectFull", Time since last: 7 ns, Reaching safepoint: 1 ns, Total: 4000000 ns
		[9000007000000ns][gc] GC(3) Pause Young (Allocation Failure) 24M->4M(256M) 1.000ms
		[9000008000000ns][gc] GC(4) Pause Full (Allocation Failure) 24M->4M(256M) 0.500ms
		[9000008000000ns][safepoint] Safepoint "GenCollectForAllocation", Time since last: 7 ns, Reaching safepoint: 1 ns, Total: 3000000 ns
		[9000009000000ns][gc,phases] GC(5) y: Pause Mark Start (Major) 0.013ms
	END
	eq "pauses" "$(awk -f "$ROOT/tests/tools/gc_truth.awk" gc.log)" "9000000500000 9000002000000 young 300000 2000000 G1_Evacuation_Pause
# safepoint 9000002999000 9000003000000 10 \"Cleanup\"
9000003000000 9000004000000 mixed 1 4000000 G1_Evacuation_Pause
9000005000000 9000006000000 full 1 4000000 System.gc()
9000006000000 9000008000000 full 1 3000000 Allocation_Failure
9000008987000 9000009000000 mark-start - - -"
	;;
esac

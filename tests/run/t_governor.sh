#!/bin/bash
# SPDX-License-Identifier: MIT
# The budget (--probe, --budget): what fits is watched all the time and exactly; what does not, in windows and by its slow
# paths, at a cost that keeps to the budget; a rate that jumps; rates within their interval; slow calls that `all` sees are
# seen by `slow`, of every allocator.
# cases: low busy jump burst exec slow slow_jemalloc slow_tcmalloc slow_mimalloc tracefs wrong
source "${BASH_SOURCE[0]%/*}/lib.sh"

EVERY_CALL=() # what this is not about

record() { # PACED-ARGUMENT... -- RECORD-OPTION...
	local stages=()
	while [[ $1 != -- ]]; do stages+=("$1"); shift; done
	start_target paced "${stages[@]}"
	record_work s.db --force --plane uprobe "${@:2}"
	cat recorder.err
	sql s.db "SELECT mode, events, cost_ns / 1000, watched_ns / 1000, windows FROM v_overhead WHERE plane = 'uprobe'"
}

# What calls cost in any stretch of so many seconds is within the budget, that of half a second more, and half of it again: the
# kernel takes its time to let probes go.
keeps_budget() { # SECONDS
	eq "stretches of $1 s in which calls cost more" "$(sql s.db "
		SELECT count(*) FROM (
		  SELECT sum(cost_ns) OVER last AS cost_ns, sum(dur_ns) OVER last AS dur_ns
		  FROM v_overhead JOIN slot USING (slot_ns) WHERE plane = 'uprobe'
		  WINDOW last AS (ORDER BY slot_ns ROWS $(($1 - 1)) PRECEDING))
		WHERE cost_ns > 1.5 * 0.02 * (dur_ns + 0.5e9)")" 0
}

# The true rate, of all that the target did from go to done, lies in the interval.
rate_holds() {
	holds "calls a second in $(sql s.db "SELECT lo_per_s, hi_per_s FROM v_rate WHERE op = 'malloc'")" "$(sql s.db "
		SELECT $1 BETWEEN 0.9 * lo_per_s AND 1.1 * coalesce(hi_per_s, 1e18) FROM v_rate WHERE op = 'malloc'")"
}

slow_calls_are_seen() { # PRELOAD: the same run three times, and what both of the first two found slow
	local db
	for db in a b s; do
		start_target setarch -R env ${1:+LD_PRELOAD=$1} "$TARGETS/seeded" 200000 7
		record_work $db.db --plane uprobe --full --stack off --causes off \
			--probe "$([[ $db == s ]] && echo slow || echo all)"
	done
	cat recorder.err
	eq "calls of both runs" "$(sql a.db "SELECT sum(calls) FROM v_percentile")" "$(sql b.db "SELECT sum(calls) FROM v_percentile")"
	sqlite3 -batch s.db "
		ATTACH 'a.db' AS a; ATTACH 'b.db' AS b;
		CREATE TEMP TABLE ac AS SELECT row_number() OVER (ORDER BY t_ns) AS n, name AS op, size_bytes, addr, dur_ns
		  FROM a.call JOIN a.op USING (op_id);
		CREATE TEMP TABLE bc AS SELECT row_number() OVER (ORDER BY t_ns) AS n, size_bytes, addr, dur_ns
		  FROM b.call JOIN b.op USING (op_id);
		CREATE TEMP TABLE slow AS SELECT ac.* FROM ac JOIN bc USING (n) WHERE ac.dur_ns > 2000 AND bc.dur_ns > 2000;
		-- Calls of slow paths, and where they lie between those that are known again: blocks of one time and size only.
		CREATE TEMP TABLE seen AS SELECT t_ns, replace(name, '_slow', '') AS op, size_bytes, addr,
		    count(*) OVER (PARTITION BY name, size_bytes, addr) AS times FROM call JOIN op USING (op_id);
		CREATE TEMP TABLE known AS SELECT ac.n, seen.t_ns FROM
		    (SELECT *, count(*) OVER (PARTITION BY op, size_bytes, addr) AS times FROM ac WHERE op = 'malloc') AS ac
		    JOIN seen USING (op, size_bytes, addr) WHERE ac.times = 1 AND seen.times = 1;
		CREATE INDEX temp.known_n ON known (n);
		CREATE INDEX temp.seen_t ON seen (op, t_ns);
		SELECT op, count(*), sum(EXISTS (SELECT 1 FROM seen WHERE seen.op = slow.op
		  AND seen.t_ns >= coalesce((SELECT t_ns FROM known WHERE known.n <= slow.n ORDER BY known.n DESC LIMIT 1), 0)
		  AND seen.t_ns <= coalesce((SELECT t_ns FROM known WHERE known.n >= slow.n ORDER BY known.n LIMIT 1), 1e18)))
		FROM slow GROUP BY op" >slow.txt
	sql s.db "SELECT op, calls, p50_ns, max_ns FROM v_percentile"
	cat slow.txt
	holds "calls above 2 us of both runs" "$(awk -F'|' '{n += $2} END {print n + 0}' slow.txt) > 20"
	holds "of those that slow sees, too" "$(awk -F'|' '{n += $2; seen += $3} END {print seen / n}' slow.txt) >= 0.99"
	eq "calls of the fast path" "$(calls s.db malloc)" 0
	holds "and not all calls are slow" "(SELECT $(calls s.db malloc_slow)) BETWEEN 1 AND 0.5 * (SELECT $(calls a.db malloc))"
}

need_library() { # NAME PACKAGE: sets `library`
	library=$(ldconfig -p | awk -v name="$1" '$1 == name && !found++ { print $NF }')
	[[ $library ]] || skip "$1 is not installed (Debian: $2)"
}

case $CASE in
low)
	need_backend multi
	record 2000 3 --
	nothing_lost s.db
	eq "mallocs" "$(calls s.db malloc)" "$(truth pairs)"
	eq "modes" "$(sql s.db "SELECT DISTINCT mode FROM v_overhead WHERE plane = 'uprobe'")" all
	eq duty "$(sql s.db "SELECT value FROM v_session WHERE key = 'duty'")" 1.0
	eq "the interval of what is counted whole" "$(sql s.db "SELECT count(*) FROM v_rate WHERE lo_per_s <> hi_per_s")" 0
	;;
busy)
	need_backend multi
	record 1000000000 8 --
	keeps_budget 4
	holds "the part that every call was watched" "$(sql s.db "SELECT value FROM v_session WHERE key = 'duty'") BETWEEN 0.0001 AND 0.5"
	eq "modes that are none of windows" "$(sql s.db "
		SELECT count(*) FROM v_overhead WHERE plane = 'uprobe' AND mode NOT IN ('slow', 'slow+burst', 'mixed')")" 0
	rate_holds "$(awk '$1 == "stage" {print $3 / 8}' target.out)"
	contains "what the recorder says" "$(<recorder.err)" "every call would cost more than 2 % of a core"
	contains "what a report says" "$("$MPSAMPLE" report summary s.db)" "rates: malloc"
	;;
jump)
	need_backend multi
	record 2000 3 1000000000 5 2000 6 --
	keeps_budget 4
	eq "modes at the beginning and at the end" "$(sql s.db "
		SELECT (SELECT mode FROM v_overhead WHERE plane = 'uprobe' ORDER BY slot_ns LIMIT 1),
		       (SELECT mode FROM v_overhead WHERE plane = 'uprobe' ORDER BY slot_ns DESC LIMIT 1)")" "all|all"
	holds "seconds that were not watched whole" "$(sql s.db "
		SELECT count(*) FROM v_overhead WHERE plane = 'uprobe' AND mode <> 'all'") BETWEEN 3 AND 9"
	;;
burst)
	need_backend multi
	record 2000 6 -- --probe burst
	holds "windows" "$(sql s.db "SELECT sum(windows) FROM v_overhead") >= 3"
	holds "the part that every call was watched" "$(sql s.db "SELECT value FROM v_session WHERE key = 'duty'") BETWEEN 0.01 AND 0.6"
	eq "calls of slow paths" "$(sql s.db "SELECT count(*) FROM v_percentile WHERE op LIKE '%slow'")" 0
	rate_holds "$(awk '$1 == "stage" {print $3 / 6}' target.out)"
	;;
exec) # the same libc at another address: windows and slow paths find it there
	need_backend multi
	# shellcheck disable=SC2016 # the words of the other shell
	start_target bash -c 'echo "ready $$"; read -r _; exec "$@"' bash "$TARGETS/paced" 1000000000 6
	start_recorder -p "$TARGET" -o s.db --plane uprobe
	go
	until [[ $(grep -c '^ready' target.out) == 2 ]]; do
		alive "$TARGET" || die "the program that it executes ends at once"
		sleep 0.02
	done
	go
	wait_done
	stop_recorder
	end_target
	cat recorder.err
	sql s.db "SELECT mode, cost_ns / 1000, watched_ns / 1000, windows FROM v_overhead WHERE plane = 'uprobe'; SELECT * FROM v_mark"
	holds "windows" "$(sql s.db "SELECT sum(windows) FROM v_overhead") >= 2"
	holds "mallocs in windows" "$(calls s.db malloc) > 1000"
	eq "calls of the fast path that count as slow" "$(sql s.db "SELECT count(*) FROM v_percentile WHERE op = 'malloc_slow' AND calls > 1000")" 0
	eq "failures" "$(sql s.db "SELECT count(*) FROM v_mark WHERE name = 'probes failed'")" 0
	keeps_budget 4
	;;
slow)
	need_backend multi
	slow_calls_are_seen ''
	;;
slow_jemalloc)
	need_backend multi
	need_library libjemalloc.so.2 libjemalloc2
	slow_calls_are_seen "$library"
	;;
slow_tcmalloc)
	need_backend multi
	need_library libtcmalloc_minimal.so.4 libtcmalloc-minimal4
	slow_calls_are_seen "$library"
	;;
slow_mimalloc)
	need_backend multi
	need_library libmimalloc.so.2 libmimalloc2.0
	slow_calls_are_seen "$library"
	;;
tracefs)
	need_backend tracefs
	record 2000 2 -- --backend tracefs
	contains "what the recorder says" "$(<recorder.err)" "every call is probed, whatever it costs"
	eq "mallocs, counted or lost" "$(($(calls s.db malloc) + $(sql s.db "SELECT coalesce(sum(lost), 0) FROM loss WHERE what = 'calls'") / 2))" "$(truth pairs)"
	;;
wrong)
	one_line_error 2 "$MPSAMPLE" record -p $$ --probe some
	contains "the words" "$MESSAGE" "auto, all, slow and burst"
	one_line_error 2 "$MPSAMPLE" record -p $$ --budget 0
	one_line_error 2 "$MPSAMPLE" record -p $$ --probe slow --plane preload
	contains "the reason" "$MESSAGE" "--probe slow is of the uprobe plane"
	;;
esac

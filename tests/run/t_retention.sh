#!/bin/bash
# SPDX-License-Identifier: MIT
# A session of limited size, recorded into for longer than it has room: tests/tools/day.c drives the recorder's own
# histograms, pipeline and store with the seconds of a made-up day, and says what it handed in.
#   day       24 h in 32 MiB: file and memory bounded, sums exact, weights unbiased, outliers the slowest ones
#   every     20000 s with 200 rows each second (--full) in 16 MiB
#   reports   they are right about slots of several lengths, and tell what was thinned
#   recorder  the real one, of a real target, with every call a row
#   options   sizes that are none
# beside others
# cases: day every reports recorder options
source "${BASH_SOURCE[0]%/*}/lib.sh"

DAY=$O/tests/tools/day

# said WORD... FIELD: of the line that begins so.
said() {
	local field=${*: -1} words=${*:1:$#-1}
	awk -v words="$words " -v field="$field" 'index($0, words) == 1 { print $field }' day.out
}

# day MIB SECONDS [full]
day() {
	"$DAY" s.db $(($1 << 20)) "${@:2}" >day.out 2>day.err || die "day: $(<day.err)"
	cat day.out
	holds "the file and its log never were above $1 MiB" "$(said bytes 2) <= $(($1 << 20))"
	eq "the file" "$(sql s.db "PRAGMA integrity_check")" ok
	eq "files beside it" "$(echo s.db-*)" 's.db-*'
}

# Every count that is kept by slot, whatever the slots have become.
check_sums() {
	local op
	for op in malloc calloc free; do
		eq "calls of $op" "$(calls s.db $op)" "$(said calls $op 3)"
		eq "bytes of $op" "$(bytes s.db $op)" "$(said calls $op 4)"
		eq "ns of $op" "$(sql s.db "SELECT sum(sum_ns) FROM latency_sum JOIN op USING (op_id) WHERE name = '$op'")" \
			"$(said calls $op 5)"
	done
	eq "page faults" "$(sql s.db "SELECT sum(value) FROM v_counter WHERE name = 'minor_fault'")" "$(said events 2)"
	eq "slots that do not follow each other" "$(sql s.db "SELECT slot_ns FROM (SELECT slot_ns, slot_ns + dur_ns AS end_ns,
		lead(slot_ns) OVER (ORDER BY slot_ns) AS next FROM v_slot) WHERE next <> end_ns")" ""
	eq "rows of counts without a slot" "$(sql s.db "SELECT count(*) FROM latency WHERE slot_ns NOT IN
		(SELECT slot_ns FROM slot)")" 0
	eq "what the target lost" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE source = 'call ring'")" "$(said losses 2)"
	eq "refused" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE source = '--max-size'")" ""
}

# What stayed stands for what was handed in: by operation, and at every time of the day.
check_weights() {
	local op
	for op in malloc calloc free; do
		within "weights of $op" "$(sql s.db "SELECT sum(weight) FROM v_call WHERE op = '$op'")" "$(said weight $op 3)" 2
	done
	eq "eighths of the time whose weights are 10 % off" "$(sql s.db "
		WITH part AS (SELECT (t_ns - start_ns) * 8 / (end_ns - start_ns) AS n, sum(weight) AS w
			FROM call, session_time GROUP BY n)
		SELECT n, w FROM part WHERE n < 8 AND abs(w - (SELECT avg(w) FROM part WHERE n < 8)) >
			0.1 * (SELECT avg(w) FROM part WHERE n < 8)")" ""
	within "time in calls, by weights" "$(sql s.db "SELECT total(weight * dur_ns) FROM v_call WHERE dur_ns < 50000")" \
		"$(sql s.db "SELECT total(calls * (lo_ns + hi_ns) / 2.0) FROM v_latency WHERE hi_ns < 50000")" 3
	eq "rows, and those thinned" "$(sql s.db "SELECT (SELECT count(*) FROM call) +
		(SELECT sum(rows) FROM v_thinned WHERE name LIKE 'call %')")" "$(said rows 2)"
	eq "causes of calls that are gone" "$(sql s.db "SELECT count(*) FROM cause
		WHERE call_id NOT IN (SELECT call_id FROM call)")" 0
}

# The outlier number N takes 50 us + N * 7919 % 1000003 ns.
check_outliers() {
	local n
	n=$(said outliers 2)
	eq "the 1000 slowest outliers that are missing" "$(sql s.db "
		WITH RECURSIVE all_of_them(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM all_of_them WHERE n + 1 < $n),
		slowest AS (SELECT 50000 + n * 7919 % 1000003 AS dur_ns FROM all_of_them ORDER BY dur_ns DESC LIMIT 1000),
		kept AS (SELECT dur_ns FROM call WHERE kept = 1 ORDER BY dur_ns DESC LIMIT 1000)
		SELECT (SELECT total(dur_ns) FROM slowest) - (SELECT total(dur_ns) FROM kept)")" "0.0"
	eq "outliers that stand for others" "$(sql s.db "SELECT count(*) FROM v_call WHERE kept = 'outlier' AND weight <> 1")" 0
}

case $CASE in
day)
	day 32 86400
	holds "memory does not grow: $(said rss_kib 2) KiB after 6 h, $(said rss_kib 4) after 24 h" \
		"$(said rss_kib 4) < 1.05 * $(said rss_kib 2) + 1024"
	check_sums
	check_weights
	check_outliers
	for table in kernel_event:events span:spans mark:marks; do
		eq "rows of ${table%:*}, and those thinned" "$(sql s.db "SELECT (SELECT count(*) FROM ${table%:*}) +
			coalesce((SELECT rows FROM v_thinned WHERE name = '${table%:*}'), 0)")" "$(said "${table#*:}" 2)"
	done
	holds "slots" "$(sql s.db "SELECT count(*) FROM v_slot") < 86400 / 20"
	;;
every)
	day 16 20000 full
	check_sums
	check_weights
	check_outliers
	eq "rows that still are one of every call, but the last" "$(sql s.db "SELECT count(*) FROM v_call WHERE kept = 'full'
		AND call_id < (SELECT max(call_id) FROM call)")" 0
	;;
reports)
	day 16 20000
	for report in summary jitter outliers sites loss impact advice pools; do
		"$MPSAMPLE" report $report s.db >$report.out 2>$report.err || fail "report $report: $(<$report.err)"
	done
	contains "the coverage line" "$(tail -n 1 summary.out)" "are thinned: the others stand for them"
	contains "report loss" "$(<loss.out)" "call ring"
	# Slots of about a minute: the strip has no gaps.
	eq "gaps in the strip" "$("$MPSAMPLE" report jitter s.db --table strip --format csv | tail -n +2 | cut -d, -f5 |
		tr -d '0-9\r\n')" ""
	# From within a slot to within another one: rounded outwards to whole ones, and the rate is of that time.
	"$MPSAMPLE" report summary s.db --from 3601 --to 7209 --format json >part.json
	eq "calls of whole slots" "$(sql s.db "SELECT sum(value ->> 'calls') FROM json_each(readfile('part.json'), '\$.rows')")" \
		"$(sql s.db "SELECT sum(calls) FROM latency_sum JOIN slot USING (slot_ns), session_time
			WHERE slot_ns + dur_ns > start_ns + 3601000000000 AND slot_ns < start_ns + 7209000000000")"
	holds "calls a second" "abs($(sql s.db "SELECT sum(value ->> 'calls_per_s') FROM json_each(readfile('part.json'), '\$.rows')
		") - 2003) < 3"
	# A version that knew no slots.
	cp s.db old.db
	as_schema 4 old.db
	for report in summary jitter outliers sites loss impact advice cache pools; do
		"$MPSAMPLE" report $report old.db >$report.out 2>$report.err || fail "report $report of schema 4: $(<$report.err)"
	done
	;;
recorder)
	start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=65536 "$TARGETS/threads" --repeat 1 0.2
	start_recorder -p "$TARGET" -o s.db --plane preload --full --max-size 16M
	most=0 rounds=1 deadline=$((SECONDS + GUARD_S))
	go
	# One round after the other, until there are more rows than there is room for.
	until [[ $(sqlite3 -batch s.db "SELECT total(rows) > 50000 FROM v_thinned WHERE name LIKE 'call %'" 2>/dev/null) == 1 ]]; do
		((SECONDS < deadline)) || die "nothing is thinned"
		size=$(cat s.db s.db-wal 2>/dev/null | wc -c)
		((size <= most)) || most=$size
		if (($(grep -c '^threads ' target.out) >= rounds)); then
			echo again >&"$TARGET_IN"
			((rounds += 1))
		fi
		sleep 0.05
	done
	stop_recorder
	end_target
	cat recorder.err
	holds "the file and its log" "$most <= $((16 << 20))"
	holds "the file" "$(stat -c %s s.db) <= $((16 << 20))"
	holds "rows are thinned" "$(sql s.db "SELECT total(rows) FROM v_thinned WHERE name LIKE 'call %'") > 0"
	within "calls that rows stand for, and those whose rows were lost" "$(sql s.db "SELECT (SELECT sum(weight) FROM v_call) +
		coalesce((SELECT sum(lost) FROM v_loss WHERE what = 'rows'), 0)")" \
		"$(sql s.db "SELECT sum(calls) FROM v_percentile")" 2
	contains "the last line" "$(tail -n 1 recorder.err)" "thinned for --max-size"
	eq "max_size_bytes" "$(sql s.db "SELECT value FROM v_session WHERE key = 'max_size_bytes'")" $((16 << 20))
	;;
options)
	for size in 0 15M 16MB 1.5G -1G "" M 99999999T; do
		one_line_error 2 "$MPSAMPLE" record --max-size "$size" -o s.db -p $$
		contains message "$MESSAGE" --max-size
	done
	one_line_error 2 "$MPSAMPLE" record --max-size
	;;
esac

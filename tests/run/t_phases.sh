#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a calendar whose phases begin and end while a recording runs. A phase's histogram is that of the calls that began
# in it, bucket by bucket, by the rows of a recording that keeps every call; marks from outside are where they were made.
#   preload session multi tracefs   a calendar and phases of marks, by this plane, with load all the time
#   reports   of phases inside one another
#   mark      what is taken, from whom, and what is refused
#   bad       calendars that are refused
#   none      of whose phases none is on is told
# beside others
# cases: preload session multi tracefs reports mark bad none
source "${BASH_SOURCE[0]%/*}/lib.sh"

# clock SECONDS: the time of day, UTC, so long after $BEGAN.
clock() {
	date -u -d "@$(awk "BEGIN { printf \"%.3f\", $BEGAN + $1 }")" +%H:%M:%S.%3N
}

# calendar: from now on for some minutes, every 3 s a phase of 2.5 s with another one in it, and one that is always on.
calendar() {
	local k
	BEGAN=$(date +%s)
	{
		printf '%s\n' '[calendar]' 'zone = UTC' 'weekdays = sun-sat' \
			'[phase always]' "from = $(clock -3600)" "to = $(clock 36000)" \
			'[phase over]' "from = $(clock -7200)" "to = $(clock -3600)"
		for ((k = 0; k < 80; k++)); do
			printf '%s\n' "[time t$k]" "at = $(clock $((3 * k)).25)" "[phase outer$k]" "from = t$k" "to = t$k+00:00:02.500" \
				"[phase inner$k]" "from = outer$k+00:00:01" "to = inner$k+00:00:01.250"
		done
	} >day.ini
}

# mark ARGUMENT...: is taken.
mark() {
	"$MPSAMPLE" mark "$@" || fail "mark $*"
}

# phases DB: each phase of the recording: number, name, begin, end.
phases() {
	sql "$1" "SELECT phase_id, name, start_ns, end_ns FROM v_phase ORDER BY phase_id"
}

# exact DB: all is counted, nothing lost, and of each phase the histogram is that of the calls in it.
exact() {
	local phase name start end differ
	eq "lost" "$(sql "$1" "SELECT source, what, lost FROM v_loss")" ""
	eq "calls by slot, and rows" "$(sql "$1" "SELECT (SELECT sum(calls) FROM v_latency) = (SELECT count(*) FROM v_call)")" 1
	holds "calls" "$(sql "$1" "SELECT count(*) FROM v_call") >= 2 * $(truth pairs)"
	while IFS='|' read -r phase name start end; do
		differ=$(sql "$1" "
			CREATE TEMP TABLE by_slot AS SELECT op, size_lo_bytes, lo_ns, sum(calls) AS calls FROM v_latency
				WHERE slot_ns >= $start AND slot_ns < $end GROUP BY 1, 2, 3;
			CREATE TEMP TABLE one AS SELECT op_id, size_bytes, dur_ns, count(*) AS n FROM call
				WHERE t_ns >= $start AND t_ns < $end GROUP BY 1, 2, 3;
			CREATE TEMP TABLE by_call AS SELECT op.name AS op, s.lo_bytes, b.lo_ns, sum(n) AS calls
				FROM one JOIN op USING (op_id) JOIN bucket b ON dur_ns BETWEEN b.lo_ns AND b.hi_ns
				JOIN size_class s ON size_bytes BETWEEN s.lo_bytes AND s.hi_bytes GROUP BY 1, 2, 3;
			SELECT (SELECT count(*) FROM (SELECT * FROM by_slot EXCEPT SELECT * FROM by_call)) +
			       (SELECT count(*) FROM (SELECT * FROM by_call EXCEPT SELECT * FROM by_slot)),
			       (SELECT total(calls) FROM by_call) =
			       (SELECT total(calls) FROM latency_sum WHERE slot_ns >= $start AND slot_ns < $end),
			       (SELECT count(*) FROM v_slot WHERE slot_ns < $end AND slot_ns + dur_ns > $end)")
		eq "phase $phase $name: buckets that differ, sums, slots across its end" "$differ" "0|1|0"
	done < <(phases "$1")
}

# timely DB: all phases of the calendar that have a part in the recording are there, by the clock rows, and no other. None
# comes early; late by a part of a second at most, where the machine was.
timely() {
	local k windows="('always', -3600, 36000)"
	for ((k = 0; k < 80; k++)); do
		windows+=", ('outer$k', $((3 * k)).25, $((3 * k)).25 + 2.5), ('inner$k', $((3 * k)).25 + 1, $((3 * k)).25 + 2.25)"
	done
	sql "$1" "
		CREATE TEMP TABLE rec AS SELECT (SELECT CAST(value AS INTEGER) FROM v_session WHERE key = 'start_ns') AS start_ns,
			(SELECT CAST(value AS INTEGER) FROM v_session WHERE key = 'end_ns') AS end_ns,
			(SELECT $BEGAN * 1000000000 - (real_ns - mono_ns) FROM v_clock ORDER BY mono_ns DESC LIMIT 1) AS zero_ns;
		CREATE TEMP TABLE wanted AS WITH w(name, a, b) AS (VALUES $windows)
			SELECT name, max(start_ns, CAST(zero_ns + a * 1e9 AS INTEGER)) AS a, min(end_ns, CAST(zero_ns + b * 1e9 AS INTEGER)) AS b
			FROM w, rec;
		SELECT name, 'is missing' FROM wanted WHERE b - a > 600000000 AND name NOT IN (SELECT name FROM v_phase);
		SELECT p.name, 'is', p.start_ns - a, p.end_ns - b FROM v_phase p LEFT JOIN wanted w USING (name)
		WHERE source = 'calendar' AND (a IS NULL OR p.start_ns - a NOT BETWEEN -1000000 AND 500000000
			OR p.end_ns - b NOT BETWEEN -1000000 AND 500000000);
		SELECT name, 'came twice' FROM v_phase WHERE source = 'calendar' GROUP BY name HAVING count(*) > 1" >timely.out
	eq "phases of the calendar" "$(<timely.out)" ""
	holds "whole phases in the recording" "$(sql "$1" "SELECT count(*) FROM v_phase, session
		WHERE key = 'end_ns' AND name LIKE 'inner%' AND end_ns < value AND end_ns - start_ns > 1249000000") >= 1"
}

# recorded PLANE_OPTION...: the load of some seconds, with the calendar and two phases of marks.
recorded() {
	calendar
	start_recorder -p "$TARGET" -o p.db --full --stack off --causes off --heap off --phases day.ini "$@"
	go
	sleep 1
	mark "$TARGET" warm --detail "one second"
	mark "$TARGET" halted --phase
	sleep 0.5
	mark "$TARGET" resumed --phase
	wait_done
	stop_recorder
	end_target
	timely p.db
	eq "the marks' phases" "$(sql p.db "SELECT name, start_ns < end_ns,
		end_ns = coalesce((SELECT start_ns FROM v_phase n WHERE source = 'mark' AND n.start_ns > p.start_ns), value)
		FROM v_phase p, session WHERE source = 'mark' AND key = 'end_ns' ORDER BY start_ns")" $'halted|1|1\nresumed|1|1'
	eq "what is on at the begin begins with the recording" "$(sql p.db "SELECT start_ns = value FROM v_phase, session
		WHERE name = 'always' AND key = 'start_ns'")" 1
	eq "marks" "$(sql p.db "SELECT tid IS NULL, name, detail FROM v_mark WHERE name <> 'exit'")" "1|warm|one second"
	exact p.db
}

case $CASE in
preload)
	LD_PRELOAD=$O/libmpsample.so start_target paced 20000 7
	recorded --plane preload
	;;
session | multi | tracefs)
	need_backend "$CASE"
	start_target paced 5000 7
	recorded --plane uprobe --backend "$CASE"
	;;
reports)
	LD_PRELOAD=$O/libmpsample.so start_target paced 20000 7
	calendar
	start_recorder -p "$TARGET" -o p.db --phases day.ini
	go
	wait_done
	stop_recorder
	end_target
	inner=$(sql p.db "SELECT name FROM v_phase WHERE name LIKE 'inner%' AND end_ns - start_ns > 1000000000 LIMIT 1")
	for report in summary jitter outliers sites impact cache pools gc advice; do
		for phase in always "outer${inner#inner}" "$inner"; do
			"$MPSAMPLE" report $report p.db --phase "$phase" --format json >report.json 2>report.err ||
				fail "report $report --phase $phase: $(<report.err)"
		done
		"$MPSAMPLE" report $report p.db >/dev/null || fail "report $report"
	done
	for phase in "outer${inner#inner}" "$inner"; do
		eq "calls of report summary --phase $phase" \
			"$("$MPSAMPLE" report summary p.db --phase "$phase" --format json |
				python3 -c 'import json, sys; print(sum(row["calls"] for row in json.load(sys.stdin)["rows"]))')" \
			"$(sql p.db "SELECT sum(calls) FROM v_latency, v_phase WHERE name = '$phase' AND slot_ns >= start_ns AND slot_ns < end_ns")"
	done
	;;
mark)
	one_line_error 1 "$MPSAMPLE" mark $$ nobody
	contains "without a recorder" "$MESSAGE" "nobody records process $$"
	LD_PRELOAD=$O/libmpsample.so start_target paced 100 5
	start_recorder -p "$TARGET" -o p.db
	go
	mark "$TARGET" "größer als 1 %"
	one_line_error 2 "$MPSAMPLE" mark "$TARGET"
	one_line_error 2 "$MPSAMPLE" mark "$TARGET" ''
	one_line_error 2 "$MPSAMPLE" mark 0 name
	one_line_error 2 "$MPSAMPLE" mark "$TARGET" $'two\nlines'
	one_line_error 2 "$MPSAMPLE" mark "$TARGET" "a name of sixty bytes, which is more than there is room for it"
	one_line_error 2 "$MPSAMPLE" mark "$TARGET" open --phase --detail text
	if [[ $(id -u) == 0 ]]; then
		one_line_error 1 setpriv --reuid 65534 --clear-groups "$MPSAMPLE" mark "$TARGET" stranger
		contains "of another user" "$MESSAGE" "only root and the recorder's user"
	fi
	# What is no message of ours, and more than are taken in a second.
	python3 - "$TARGET" <<-'END' || fail "what is wrong was answered otherwise"
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.settimeout(10)
		s.bind("")
		s.connect("\0mpsample/" + sys.argv[1])
		def answer(message):
		    s.send(message)
		    return s.recv(1000)
		for wrong in (b"", b"m", b"mname", b"mname\0", b"mname\0detail", b"xname\0\0", b"m\0\0", b"mname\0de\0tail\0",
		              b"m" + b"n" * 48 + b"\0\0", b"mname\0" + b"d" * 200 + b"\0", b"m" * 100000, b"mna\nme\0\0"):
		    assert answer(wrong), wrong
		answers = [answer(b"mmany\0\0") for _ in range(1000)]
		assert answers[:50] == [b""] * 50 and any(b"within a second" in a for a in answers), set(answers)
	END
	wait_done
	stop_recorder
	end_target
	eq "marks" "$(sql p.db "SELECT DISTINCT name FROM v_mark WHERE name <> 'exit' ORDER BY name")" $'größer als 1 %\nmany'
	holds "no more than are taken" "(SELECT $(sql p.db "SELECT count(*) FROM v_mark WHERE name = 'many'") BETWEEN 50 AND 999)"
	one_line_error 1 "$MPSAMPLE" mark "$TARGET" late
	;;
bad)
	# refused LINE TEXT WORD...: a calendar with these lines is refused at this line.
	refused() {
		printf '%s\n' "${@:3}" >bad.ini
		one_line_error 1 "$MPSAMPLE" list phases ./bad.ini
		contains "line $1 of '${*:3}'" "$MESSAGE" "bad.ini:$1: "
		contains "what is wrong with '${*:3}'" "$MESSAGE" "$2"
	}
	zone=('[calendar]' 'zone = Europe/Berlin')
	day=('[phase day]' 'from = 09:00' 'to = 17:00')
	refused 2 "no time zone" '[calendar]' 'zone = Europe/Atlantis' "${day[@]}"
	refused 2 "no name of a time zone" '[calendar]' 'zone = ../../../etc/passwd' "${day[@]}"
	refused 2 "no name of a time zone" '[calendar]' 'zone = /usr/share/zoneinfo/UTC' "${day[@]}"
	refused 2 "no time zone" '[calendar]' 'zone = tzdata.zi' "${day[@]}"
	refused 2 "no time zone" '[calendar]' 'zone = Europe' "${day[@]}"
	refused 3 "which time zone" "${day[@]}"
	refused 2 "no phase" "${zone[@]}"
	refused 3 "no weekdays" "${zone[@]}" 'weekdays = mon-fir' "${day[@]}"
	refused 3 "no day" "${zone[@]}" 'holidays = 2026-02-29' "${day[@]}"
	refused 4 "no day" "${zone[@]}" 'holidays = 2026-02-28' '  2026-13-01' "${day[@]}"
	refused 3 "no such key" "${zone[@]}" 'holyday = 2026-02-28' "${day[@]}"
	refused 3 "no section" "${zone[@]}" '[phases]' 'x = 1'
	refused 4 "no time" "${zone[@]}" '[phase a]' 'from = 9:00' 'to = 17:00'
	refused 4 "no time" "${zone[@]}" '[phase a]' 'from = 09:60' 'to = 17:00'
	refused 4 "no time" "${zone[@]}" '[phase a]' 'from = 24:00:01' 'to = 17:00'
	refused 5 "no time" "${zone[@]}" '[phase a]' 'from = 09:00' 'to = 17:00+9d'
	refused 5 "no time or phase has this name" "${zone[@]}" '[phase a]' 'from = 09:00' 'to = b+00:05'
	refused 7 "circle" "${zone[@]}" '[phase a]' 'from = 09:00' 'to = b' '[phase b]' 'from = a.end' 'to = 17:00'
	refused 4 "circle" "${zone[@]}" '[phase a]' 'from = a-00:05' 'to = 17:00'
	refused 4 "has no end" "${zone[@]}" '[phase a]' 'from = t.end' 'to = 17:00' '[time t]' 'at = 08:00'
	refused 3 "no from" "${zone[@]}" '[phase a]' 'to = 17:00'
	refused 3 "no to" "${zone[@]}" '[phase a]' 'from = 17:00'
	refused 5 "shorter than a second" "${zone[@]}" '[phase a]' 'from = 09:00' 'to = 09:00:00.500'
	refused 6 "two of this name" "${zone[@]}" "${day[@]}" '[time day]' 'at = 08:00'
	refused 6 "empty" "${zone[@]}" "${day[@]}" '[phase empty]'
	refused 5 "told before" "${zone[@]}" '[phase a]' 'from = 09:00' 'from = 09:01' 'to = 17:00'
	refused 6 "KEY = VALUE" "${zone[@]}" "${day[@]}" 'nonsense'
	refused 3 "too long" "${zone[@]}" "holidays = $(printf '2026-02-28 %.0s' {1..30})" "${day[@]}"
	# A chain in which each refers to the one before twice is no work.
	{
		printf '%s\n' "${zone[@]}" '[phase p0]' 'from = 09:00' 'to = p0+00:00:01'
		for i in {1..200}; do
			printf '%s\n' "[phase p$i]" "from = p$((i - 1)).end" "to = p$((i - 1)).end+00:00:01"
		done
	} >chain.ini
	"$MPSAMPLE" list phases ./chain.ini >/dev/null || fail "a chain of 200 phases"
	one_line_error 1 "$MPSAMPLE" list phases nowhere
	contains "unknown calendar" "$MESSAGE" "mpsample list profiles"
	one_line_error 1 "$MPSAMPLE" list phases nyse --from 2026-02-30
	one_line_error 2 "$MPSAMPLE" list phases
	one_line_error 2 "$MPSAMPLE" list reports --from 2026-02-28
	one_line_error 1 env TZDIR="$WORK" "$MPSAMPLE" list phases nyse
	contains "without zones" "$MESSAGE" "no time zone America/New_York"
	# Before anything is touched.
	LD_PRELOAD=$O/libmpsample.so start_target paced 100 1
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o bad.db --phases ./bad.ini
	go
	wait_done
	end_target
	;;
none)
	today=$(date -u +%F)
	later=$(date -u -d "$today 2 days" +%F)
	written() { # CALENDAR_LINE...
		printf '%s\n' '[calendar]' 'zone = UTC' 'weekdays = sun-sat' "$@" '[phase open]' 'from = 09:30' 'to = 09:35' >day.ini
	}
	told() {
		LD_PRELOAD=$O/libmpsample.so start_target paced 100 1
		record_work p.db --force --phases day.ini
		grep -e --phases recorder.err
	}
	written "holidays = $(for d in -1 0 1; do date -u -d "$today $d days" +%F; done | paste -sd' ')"
	eq "the first to come" "$(told)" "mpsample: --phases day.ini: no phase is on now; open begins at $later 09:30:00.000 +0000"
	written "holidays = $(for d in {-1..11}; do date -u -d "$today $d days" +%F; done | paste -sd' ')"
	eq "none to come" "$(told)" "mpsample: --phases day.ini: no phase is on now, nor begins within 10 days"
	;;
*) die "no case '$CASE'" ;;
esac

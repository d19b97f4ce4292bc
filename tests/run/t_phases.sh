#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a calendar whose phases begin and end while a recording runs. A phase's histogram is that of the calls that began
# in it, bucket by bucket, by the rows of a recording that keeps every call; marks from outside are where they were made.
#   preload session multi tracefs   a calendar and phases of marks, by this plane, with load all the time
#   reports   of phases inside one another
#   mark      what is taken, from whom, and what is refused
#   bad       calendars that are refused
# cases: preload session multi tracefs reports mark bad
source "${BASH_SOURCE[0]%/*}/lib.sh"

# clock SECONDS: the time of day, UTC, so long after $BEGAN.
clock() {
	date -u -d "@$(awk "BEGIN { printf \"%.3f\", $BEGAN + $1 }")" +%H:%M:%S.%3N
}

# calendar: phases around and within the next seconds; `inner` lies in `outer`.
calendar() {
	BEGAN=$(date +%s.%N)
	cat >day.ini <<-END
		[calendar]
		zone     = UTC
		weekdays = sun-sat

		[time first]
		at = $(clock 2.25)

		[phase before]
		from = $(clock -3600)
		to   = first

		[phase outer]
		from = first
		to   = first+00:00:03.500

		[phase inner]
		from = outer+00:00:01
		to   = inner+00:00:01.250

		[phase over]
		from = $(clock -7200)
		to   = $(clock -3600)
	END
}

# mark ARGUMENT...: is taken.
mark() {
	"$MPSAMPLE" mark "$@" || fail "mark $*"
}

# exact DB: all is counted, nothing lost, and of each phase the histogram is that of the calls in it.
exact() {
	local phase name start end differ
	eq "lost" "$(sql "$1" "SELECT source, what, lost FROM v_loss")" ""
	while IFS='|' read -r phase name start end; do
		differ=$(sql "$1" "
			CREATE TEMP TABLE by_slot AS SELECT op, size_lo_bytes, lo_ns, sum(calls) AS calls FROM v_latency
				WHERE slot_ns >= $start AND slot_ns < $end GROUP BY 1, 2, 3;
			CREATE TEMP TABLE by_call AS SELECT op.name AS op, s.lo_bytes, b.lo_ns, count(*) AS calls
				FROM call JOIN op USING (op_id) JOIN bucket b ON dur_ns BETWEEN b.lo_ns AND b.hi_ns
				JOIN size_class s ON size_bytes BETWEEN s.lo_bytes AND s.hi_bytes
				WHERE t_ns >= $start AND t_ns < $end GROUP BY 1, 2, 3;
			SELECT (SELECT count(*) FROM (SELECT * FROM by_slot EXCEPT SELECT * FROM by_call)) +
			       (SELECT count(*) FROM (SELECT * FROM by_call EXCEPT SELECT * FROM by_slot)),
			       (SELECT sum(calls) > 1000 FROM by_slot),
			       (SELECT sum(c.calls) = sum(l.calls) FROM (SELECT sum(calls) AS calls FROM by_call) c,
				(SELECT sum(calls) AS calls FROM latency_sum WHERE slot_ns >= $start AND slot_ns < $end) l),
			       (SELECT count(*) FROM v_slot WHERE slot_ns < $end AND slot_ns + dur_ns > $end)")
		eq "phase $phase $name: buckets that differ, many calls, sums, slots across its end" "$differ" "0|1|1|0"
	done < <(sql "$1" "SELECT phase_id, name, start_ns, coalesce(end_ns, (SELECT value FROM v_session WHERE key = 'end_ns'))
		FROM v_phase ORDER BY phase_id")
}

# near DB WHAT SQL TIME: the wall time of an instant is this long after $BEGAN, by the clock rows, to the ms.
near() {
	local is
	is=$(sql "$1" "SELECT printf('%.4f', (($3) + (SELECT real_ns - mono_ns FROM v_clock ORDER BY mono_ns DESC LIMIT 1)
		- CAST('${BEGAN%.*}' AS INTEGER) * 1000000000) / 1e9 - 0.${BEGAN#*.})")
	within "$2: seconds after the begin" "$is" "$4" 0 0.002
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
	eq "phases" "$(sql p.db "SELECT name, source, count(*) FROM v_phase GROUP BY name ORDER BY min(start_ns), min(phase_id)")" \
		$'before|calendar|1\nhalted|mark|1\nresumed|mark|1\nouter|calendar|1\ninner|calendar|1'
	near p.db "outer begins" "SELECT start_ns FROM v_phase WHERE name = 'outer'" 2.25
	near p.db "inner begins" "SELECT start_ns FROM v_phase WHERE name = 'inner'" 3.25
	near p.db "inner ends" "SELECT end_ns FROM v_phase WHERE name = 'inner'" 4.5
	near p.db "outer ends" "SELECT end_ns FROM v_phase WHERE name = 'outer'" 5.75
	eq "before begins with the recording, and ends where outer begins" "$(sql p.db "SELECT
		start_ns = (SELECT value FROM v_session WHERE key = 'start_ns'),
		end_ns = (SELECT start_ns FROM v_phase WHERE name = 'outer') FROM v_phase WHERE name = 'before'")" "1|1"
	eq "the mark's phase ends with the next one" "$(sql p.db "SELECT end_ns = (SELECT start_ns FROM v_phase WHERE name = 'resumed')
		FROM v_phase WHERE name = 'halted'")" 1
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
	for report in summary jitter outliers sites impact cache pools gc advice; do
		for phase in before outer inner; do
			"$MPSAMPLE" report $report p.db --phase $phase --format json >report.json 2>report.err ||
				fail "report $report --phase $phase: $(<report.err)"
		done
		"$MPSAMPLE" report $report p.db >/dev/null || fail "report $report"
	done
	eq "calls of report summary --phase inner" \
		"$("$MPSAMPLE" report summary p.db --phase inner --format json |
			python3 -c 'import json, sys; t = json.load(sys.stdin); print(sum(r["calls"] for r in t.get("rows", t.get("tables", {}).get("ops"))))')" \
		"$(sql p.db "SELECT sum(calls) FROM v_latency, v_phase WHERE name = 'inner' AND slot_ns >= start_ns AND slot_ns < end_ns")"
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
*) die "no case '$CASE'" ;;
esac

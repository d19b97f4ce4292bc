#!/bin/bash
# SPDX-License-Identifier: MIT
# Spikes and session advice as rows that the plain sqlite3 shell has, over a made-up day that the recorder's own histograms,
# pipeline and store wrote (tests/tools/day.c): each series with a burst of known size, and none where nothing is planted.
#   flat      no spike, in the view nor in report session
#   planted   one of each series, found with its size, phase and time, by both
#   part      of a part of the recording the report tells only what is in it, against the level of the part
#   advice    v_session_advice and report session say the same
# beside others
# cases: flat planted part advice
source "${BASH_SOURCE[0]%/*}/lib.sh"

"$O/tests/tools/day" s.db 0 240 >day.out 2>&1 || die "day: $(<day.out)"

# What there is in a second, all of it flat but for some noise (that of the made-up calls is larger than any spike): 2000
# calls, 500 faults, a pool with 100 objects in use, a pause of 2 ms, a p99 of 1000 ns.
sqlite3 -batch s.db "
	CREATE TEMP TABLE n AS SELECT row_number() OVER (ORDER BY slot_ns) AS n, slot_ns, dur_ns FROM slot;
	DELETE FROM latency_sum WHERE op_id <> 4;
	INSERT INTO latency_sum SELECT slot_ns, 0, 4, 2000 + n * 7919 % 57, 370000 + n * 7919 % 5003, 500000, 900000 FROM n;
	INSERT INTO phase (name, start_ns, end_ns, source) SELECT 'calm', min(slot_ns), max(slot_ns), 'calendar' FROM n WHERE n <= 121;
	INSERT INTO phase (name, start_ns, end_ns, source) SELECT 'busy', min(slot_ns), NULL, 'calendar' FROM n WHERE n > 120;
	INSERT INTO pressure SELECT slot_ns + dur_ns, 'minor_faults', 500 * n + n * 7919 % 31 FROM n;
	INSERT INTO pressure SELECT slot_ns + dur_ns, 'rss_bytes', n FROM n;
	INSERT INTO pool (pool_id, name, capacity) VALUES (1, 'orders', 1000);
	INSERT INTO pool_use (pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures, in_use_last)
		SELECT 1, slot_ns, 0, 100 + n * 7919 % 7, 9, 9, 0, 50 FROM n;
	INSERT INTO gc (t_ns, dur_ns, is_pause, runtime, kind, source) SELECT slot_ns + 1000, 2000000 + n * 7919 % 99999, 1, 'go', 'young', 'probes' FROM n;
	UPDATE latency_window SET calls = 2000, p99_ns = 1000 + slot_ns % 50;" || die "cannot plant"

report() {
	"$MPSAMPLE" report session s.db --format json "$@" >r.json 2>r.err || die "report session: $(<r.err)"
}

# told TABLE EXPRESSION: of the report's rows.
told() {
	sqlite3 -batch :memory: "SELECT $2 FROM (SELECT value AS v FROM json_each(readfile('r.json'), '\$.tables.$1'))"
}

# Of slots FROM to TO, four times as much of all series.
plant() {
	sqlite3 -batch s.db "
		CREATE TEMP TABLE n AS SELECT row_number() OVER (ORDER BY slot_ns) AS n, slot_ns, dur_ns FROM slot;
		CREATE TEMP TABLE hit AS SELECT * FROM n WHERE n BETWEEN $1 AND $2;
		UPDATE latency_sum SET calls = 4 * calls, bytes = 4 * bytes WHERE slot_ns IN (SELECT slot_ns FROM hit);
		UPDATE latency_window SET p99_ns = 4 * p99_ns WHERE slot_ns IN (SELECT slot_ns FROM hit);
		UPDATE pressure SET value = value + 1500 * (SELECT count(*) FROM hit WHERE hit.slot_ns < t_ns) WHERE name = 'minor_faults';
		UPDATE pool_use SET in_use_max = 4 * in_use_max WHERE slot_ns IN (SELECT slot_ns FROM hit);
		UPDATE gc SET dur_ns = 4 * dur_ns WHERE t_ns - 1000 IN (SELECT slot_ns FROM hit);" || die "cannot plant"
}

SERIES=allocs_per_s,bytes_per_s,faults_per_s,gc_pause,p99_ns,pool_in_use:orders

case $CASE in
flat)
	eq "the view" "$(sqlite3 -batch s.db "SELECT * FROM v_spike")" ""
	report
	eq "the report" "$(told spikes 'count(*)')" 0
	sqlite3 -batch s.db "DELETE FROM phase"
	eq "without phases" "$(sqlite3 -batch s.db "SELECT * FROM v_spike")" ""
	;;
planted)
	plant 150 152
	eq "series" "$(sqlite3 -batch s.db "SELECT group_concat(series) FROM (SELECT series FROM v_spike ORDER BY 1)")" $SERIES
	eq "phase" "$(sqlite3 -batch s.db "SELECT DISTINCT phase || ' ' || phase_id FROM v_spike")" "busy 2"
	eq "slots" "$(sqlite3 -batch s.db "SELECT DISTINCT (SELECT count(*) FROM slot WHERE slot_ns <= start_ns) || ' '
		|| (SELECT count(*) FROM slot WHERE slot_ns < end_ns) FROM v_spike")" "150 152"
	eq "sizes that are not 4 within 5 %" "$(sqlite3 -batch s.db "SELECT series, peak / level FROM v_spike WHERE abs(peak / level - 4) > 0.2")" ""
	eq "calls at the peak" "$(sqlite3 -batch s.db "SELECT round(peak - (SELECT sum(calls) * 1e9 / slot.dur_ns FROM latency_sum
		JOIN slot USING (slot_ns) JOIN op USING (op_id) WHERE slot_ns = peak_ns AND name <> 'free'), 3) FROM v_spike
		WHERE series = 'allocs_per_s'")" 0.0
	report
	eq "the report has the same" "$(told spikes "group_concat((v ->> 'series') || ' ' || (v ->> 'phase') || ' ' || (v ->> 'dur_ns') || ' ' || (v ->> 'peak'))")" \
		"$(sqlite3 -batch s.db "SELECT group_concat(series || ' ' || phase || ' ' || (end_ns - start_ns) || ' ' || round(peak, 1)) FROM v_spike")"
	eq "columns" "$(sqlite3 -batch :memory: "SELECT group_concat(key) FROM json_each(readfile('r.json'), '\$.tables.spikes[0]')")" \
		phase,t_ns,dur_ns,series,level,peak,factor,peak_t_ns,site,site_share,first,first_component,first_t_ns,lead_ns
	;;
part)
	plant 150 152
	report --from 0 --to 140
	eq "before it" "$(told spikes 'count(*)')" 0
	report --phase busy
	eq "in its phase" "$(told spikes "count(*) || ' ' || count(DISTINCT v ->> 't_ns')")" "6 1"
	sqlite3 -batch s.db "DELETE FROM phase"
	eq "without phases" "$(sqlite3 -batch s.db "SELECT count(*) || ' ' || count(phase_id) || ' ' || max(phase) FROM v_spike")" "6 0 "
	;;
advice)
	# Kept calls of the busy phase fault, for more than a twentieth of the time of all.
	sqlite3 -batch s.db "DELETE FROM cause; INSERT INTO cause SELECT call_id, 'minor_fault', 100000, 1, NULL FROM call
		WHERE kept = 1 AND op_id <> 4 AND t_ns > (SELECT start_ns FROM phase WHERE name = 'busy')"
	report
	eq "the view" "$(sqlite3 -batch s.db "SELECT phase, rule FROM v_session_advice")" "busy|prefault"
	eq "the report" "$(told advice "(v ->> 'phase') || ' ' || (v ->> 'rule') || ' ' || (v ->> 'saves_ns') || ' ' || (v ->> 'evidence')")" \
		"$(sqlite3 -batch s.db "SELECT phase || ' ' || rule || ' ' || CAST(saves_ns AS INTEGER) || ' ' || evidence FROM v_session_advice")"
	eq "columns" "$(sqlite3 -batch :memory: "SELECT group_concat(key) FROM json_each(readfile('r.json'), '\$.tables.advice[0]')")" \
		phase,rule,saves_ns,saves_bytes,finding,evidence,advice,query
	"$MPSAMPLE" query s.db "$(told advice "v ->> 'query'")" >q.out 2>q.err || die "its query: $(<q.err)"
	"$MPSAMPLE" report advice s.db --format json >a.json 2>a.err || die "report advice: $(<a.err)"
	eq "report advice" "$(sqlite3 -batch :memory: "SELECT value ->> 'rule' FROM json_each(readfile('a.json'), '\$.rows') WHERE value ->> 'kind' = 'session'")" \
		session_prefault
	;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: every report comes in each format: JSON is one valid document with the promised keys, CSV has a header row and
# rows of as many columns, the table is for people; what they say is what the views say.
# beside others
# cases: summary jitter outliers impact sites session cache advice loss
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
start_target count 100003 99991 2
record_work s.db

"$MPSAMPLE" report "$CASE" s.db --format json >r.json 2>r.err || fail "json: exit status $?"
"$MPSAMPLE" report "$CASE" s.db --format csv >r.csv 2>>r.err || fail "csv: exit status $?"
"$MPSAMPLE" report "$CASE" s.db >r.table 2>>r.err || fail "table: exit status $?"

# json PATH: a value of the document.   keys PATH: of an object, in order.
json() {
	sqlite3 -batch :memory: "SELECT json_extract(readfile('r.json'), '$1')"
}
keys() {
	sqlite3 -batch :memory: "SELECT group_concat(key) FROM json_each(readfile('r.json'), '$1')"
}
has_keys() { # PATH KEY,KEY...
	local key found
	found=,$(keys "$1"),
	for key in ${2//,/ }; do
		[[ $found == *,$key,* ]] || fail "$1: no '$key' among $found"
	done
}

eq "JSON is valid" "$(sqlite3 -batch :memory: "SELECT json_valid(readfile('r.json'))")" 1
eq "report" "$(json '$.report')" "$CASE"
has_keys '$.session' pid,command,duration_ns,planes,backend,probe
has_keys '$.coverage' calls_counted,calls_lost,rows_kept,rows_lost,duty,floor_ns
eq "pid" "$(json '$.session.pid')" "$TARGET"
eq "command" "$(json '$.session.command')" "$TARGETS/count 100003 99991 2"
eq "calls counted and lost" "$(json '$.coverage.calls_counted')|$(json '$.coverage.calls_lost')" "199994|0"
eq "rows kept" "$(json '$.coverage.rows_kept')" "$(sql s.db "SELECT count(*) FROM v_call")"
holds "the table has something in it" "$(wc -l <r.table) >= 3"

# As a table, CSV is what the sqlite3 shell takes it for.
sqlite3 -batch csv.db ".import --csv r.csv r" 2>csv.err || fail "CSV: $(<csv.err)"
columns=$(sqlite3 -batch csv.db "SELECT group_concat(name) FROM pragma_table_info('r')")
eq "CSV: rows that do not fit" "$(<csv.err)" ""

case $CASE in
summary)
	eq "columns" "$columns" op,calls,calls_per_s,bytes,p50_ns,p90_ns,p99_ns,p999_ns,p9999_ns,max_ns
	eq "keys" "$(keys '$.rows[0]')" "$columns"
	eq "a budget, where every call is probed" "$(grep budget r.table)" ""
	eq "rows" "$(json '$.rows[#-1].op') $(json '$.rows[0].calls')" "free 100003"
	eq "as v_percentile" \
		"$(sqlite3 -batch csv.db "SELECT op, calls, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns FROM r")" \
		"$(sql s.db "SELECT * FROM v_percentile")"
	;;
session)
	has_keys '$.tables' phases,components,spikes,advice
	eq "the whole" "$(json '$.tables.phases[0].phase')" "(all)"
	within "calls that give memory out" "$(sqlite3 -batch csv.db "SELECT allocs_per_s * dur_ns / 1e9 FROM r LIMIT 1")" 100003 1
	;;
jitter)
	has_keys '$.tables' ops,percentiles,phases,sizes,strip,histogram,threads,seconds
	eq "operations" "$(sqlite3 -batch csv.db "SELECT op, calls FROM r")" $'malloc|100003\nfree|99991'
	eq "what percentiles stand on" "$(sqlite3 -batch :memory: "SELECT group_concat(value ->> 'beyond_calls')
		FROM json_each(readfile('r.json'), '$.tables.percentiles') WHERE value ->> 'op' = 'malloc'")" \
		50001,10000,1000,100,10,1
	eq "calls of the histogram" "$(sqlite3 -batch :memory: "SELECT sum(value ->> 'calls')
		FROM json_each(readfile('r.json'), '$.tables.histogram')")" 199994
	eq "rows by thread" "$(sqlite3 -batch :memory: "SELECT value ->> 'tid', sum(value ->> 'rows')
		FROM json_each(readfile('r.json'), '$.tables.threads') GROUP BY 1 ORDER BY 1")" \
		"$(sql s.db "SELECT tid, count(*) FROM v_call GROUP BY 1 ORDER BY 1")"
	;;
outliers)
	eq "columns" "$columns" call_id,t_ns,tid,thread,op,size_bytes,dur_ns,cause,explained_share,site,stack
	eq "keys" "$(keys '$.rows[0]')" "$columns"
	eq "slowest" "$(json '$.rows[0].dur_ns')" "$(sql s.db "SELECT max(dur_ns) FROM v_call")"
	eq "--limit" "$("$MPSAMPLE" report outliers s.db --format csv --limit 3 | wc -l)" 4
	eq "thread" "$(json '$.rows[0].thread')" count
	;;
impact)
	has_keys '$.tables' spans,sentences,what_if,parts,outliers,corrected,loss
	eq "columns" "$columns" name,spans,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,time_ns
	contains "spans" "$(json '$.tables.sentences[0].sentence')" "no spans: mark them in the program"
	;;
sites)
	eq "keys" "$(keys '$.rows[0]')" "$columns"
	eq "sites" "$(sqlite3 -batch csv.db "SELECT op, site FROM r ORDER BY 1")" $'free|count_free\nmalloc|count_malloc'
	;;
cache)
	has_keys '$.tables' sites,offsets,sharing,levels,code,threads,phases,events,sentences
	has_keys '$.coverage' samples,addr_samples,unmatched_samples,unmatched_share,samples_lost,events
	eq "samples" "$(json '$.coverage.samples')" "$(sql s.db "SELECT count(*) FROM v_sample")"
	contains "what to do without samples" "$(<r.table)" "no samples: record with -e mem-loads"
	;;
advice)
	eq "columns" "$columns" rule,kind,weight_ns,finding,site,evidence,advice
	eq "as many rows in JSON" "$(sqlite3 -batch csv.db "SELECT count(*) FROM r")" \
		"$(sqlite3 -batch :memory: "SELECT json_array_length(readfile('r.json'), '$.rows')")"
	;;
loss)
	eq "rows" "$(json '$.rows')" "[]"
	;;
esac

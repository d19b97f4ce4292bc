#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: what explain says is what plain SQL says over the views.
#
#   recorded  of a recording, each format has the slowest outliers, each with its time divided without a rest
#   large     so it is where 10^9 calls were counted and 10^6 kept, within 200 MiB of address space; and the ranking is the
#             sum over v_cause, as report cache is that over 10^6 rows of v_sample
#
# cases: recorded large
source "${BASH_SOURCE[0]%/*}/lib.sh"

# json PATH: a value of the document.
json() {
	sqlite3 -batch :memory: "SELECT json_extract(readfile('e.json'), '$1')"
}

# ask SESSION SQL: over the tables `r`, the document's rows, and `k`, its ranking, beside the session's views.
ask() {
	sqlite3 -batch "$1" "
		CREATE TEMP TABLE r AS SELECT value FROM json_each(readfile('e.json'), '\$.rows');
		CREATE TEMP TABLE k AS SELECT value FROM json_each(readfile('e.json'), '\$.ranking');
		$2" || die "sqlite3 $1: $2"
}

rows_are_the_slowest() { # SESSION TOP
	eq "JSON is valid" "$(sqlite3 -batch :memory: "SELECT json_valid(readfile('e.json'))")" 1
	eq "keys" "$(sqlite3 -batch :memory: "SELECT group_concat(key) FROM json_each(readfile('e.json'))")" \
		report,session,rows,kinds,ranking,coverage
	eq "report" "$(json '$.report')" explain
	eq "rows that are not those of v_outlier" "$(ask "$1" "
		SELECT call_id, dur_ns, site FROM v_outlier ORDER BY dur_ns DESC, call_id LIMIT $2" | sort)" \
		"$(ask "$1" "SELECT value ->> 'call_id', value ->> 'dur_ns', value ->> 'site' FROM r" | sort)"
	eq "calls whose causes do not add up" "$(ask "$1" "
		SELECT value ->> 'call_id' FROM r WHERE value ->> 'dur_ns' IS NOT
			(SELECT sum(c.value ->> 'ns') FROM json_each(r.value, '\$.causes') c)")" ""
	eq "causes that are not those of v_cause" "$(ask "$1" "
		SELECT call_id, c.kind, c.dur_ns FROM r JOIN v_cause c ON c.call_id = r.value ->> 'call_id' WHERE NOT EXISTS
			(SELECT 1 FROM json_each(r.value, '\$.causes') e
			 WHERE e.value ->> 'kind' = c.kind AND e.value ->> 'ns' = c.dur_ns)")" ""
}

case $CASE in
recorded)
	need_root
	start_target count 100003 99991 2
	record_work s.db
	"$MPSAMPLE" explain s.db --top 50 --format json >e.json 2>e.err || fail "json: exit status $?"
	rows_are_the_slowest s.db 50
	"$MPSAMPLE" explain s.db --top 7 >e.table 2>e.err || fail "table: exit status $?"
	eq "accounts" "$(grep -c '^#[0-9]* at [0-9.]* s, count/[0-9]*, .* [mu]s = .* unexplained; site [^ ]' e.table)" 7
	eq "their sites" "$(sed -n 's/^#.* unexplained; site //p' e.table)" \
		"$(sql s.db "SELECT site FROM v_outlier ORDER BY dur_ns DESC, call_id LIMIT 7")"
	"$MPSAMPLE" explain s.db --top 7 --format csv >e.csv 2>e.err || fail "csv: exit status $?"
	sqlite3 -batch csv.db ".import --csv e.csv e" 2>csv.err || fail "CSV: $(<csv.err)"
	eq "CSV: rows that do not fit" "$(<csv.err)" ""
	eq "CSV: calls that do not add up" "$(sqlite3 -batch csv.db "
		SELECT call_id FROM e GROUP BY call_id HAVING sum(ns) <> max(dur_ns + 0)")" ""
	eq "CSV: calls" "$(sqlite3 -batch csv.db "SELECT count(DISTINCT call_id) FROM e")" 7
	id=$(json '$.rows[0].call_id')
	"$MPSAMPLE" explain s.db --call "$id" --format json >e.json 2>e.err || fail "--call: exit status $?"
	eq "the call" "$(json '$.rows[0].call_id') $(json '$.stack[0].name')" "$id $(json '$.rows[0].site')"
	;;
large)
	"$O/tests/tools/big_session" s.db || die "big_session: exit status $?"
	(
		ulimit -v 204800
		"$MPSAMPLE" explain s.db --top 100 --format json >e.json
		"$MPSAMPLE" report advice s.db >advice.table
		"$MPSAMPLE" report cache s.db --format json >cache.json
	) 2>e.err || fail "exit status $?: $(<e.err)"
	rows_are_the_slowest s.db 100
	eq "rows of the ranking that SQL does not give" "$(ask s.db "
		CREATE TEMP TABLE sums AS
			SELECT kind, stack_id, count(*) AS calls, sum(cause.dur_ns) AS ns FROM cause JOIN call USING (call_id)
			WHERE cause.dur_ns > 0 GROUP BY 1, 2;
		SELECT kind, site, sum(calls), sum(ns) FROM sums JOIN stack USING (stack_id) GROUP BY 1, 2
		EXCEPT SELECT value ->> 'kind', value ->> 'site', value ->> 'calls', value ->> 'total_ns' FROM k")" ""
	within "shares of the ranking, together" "$(ask s.db "SELECT sum(value ->> 'share') FROM k")" 1 1
	eq "rows of report cache that SQL does not give" "$(sql s.db "
		SELECT event, coalesce(site, '[' || place || ']'), coalesce(level, 'not told'), count(*), sum(period),
			count(DISTINCT object_id), count(DISTINCT addr >> 6) FROM v_sample GROUP BY 1, 2, 3
		EXCEPT SELECT value ->> 'event', value ->> 'site', value ->> 'level', value ->> 'samples', value ->> 'events',
			value ->> 'objects', value ->> 'lines' FROM json_each(readfile('cache.json'), '\$.tables.sites')")" ""
	eq "samples in it" "$(sql s.db "SELECT sum(value ->> 'samples') FROM json_each(readfile('cache.json'), '\$.tables.sites')")" \
		1000000
	eq "findings" "$(grep -c '^   do:   ' advice.table)" 13
	;;
esac

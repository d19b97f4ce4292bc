#!/bin/bash
# SPDX-License-Identifier: MIT
# Sessions of older schemas are read: every view answers, every report runs, and what they had is what they say. What they
# did not have is empty: no version's session is refused for what came later.
# cases: 4 5 6 7
source "${BASH_SOURCE[0]%/*}/lib.sh"

start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/pools_marked" 1 25
record_work s.db --heap off
cp s.db old.db
as_schema "$CASE" old.db
eq "schema" "$(sql old.db "PRAGMA user_version")" "$CASE"

# old SQL: of the older session, as CSV without its header.   new SQL: of today's.
old() {
	"$MPSAMPLE" query old.db "$1" --format csv | tail -n +2 | tr -d '\r'
}
new() {
	"$MPSAMPLE" query s.db "$1" --format csv | tail -n +2 | tr -d '\r'
}

for view in $(sql s.db "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v\_%' ESCAPE '\'"); do
	"$MPSAMPLE" query old.db "SELECT * FROM $view" --format csv >view.out 2>view.err || fail "$view: $(<view.err)"
	eq "columns of $view" "$(old "SELECT group_concat(name) FROM pragma_table_info('$view')")" \
		"$(new "SELECT group_concat(name) FROM pragma_table_info('$view')")"
done
for report in $("$MPSAMPLE" report --help | sed -n '/^reports:/,$p' | awk 'NR > 1 && NF { print $1 }'); do
	"$MPSAMPLE" report "$report" old.db --format json >report.out 2>report.err || fail "report $report: $(<report.err)"
	eq "report $report is JSON" "$(sqlite3 -batch :memory: "SELECT json_valid(readfile('report.out'))")" 1
	"$MPSAMPLE" report "$report" old.db >report.out 2>report.err || fail "report $report as a table: $(<report.err)"
done

same="SELECT pool_id, name, address, capacity, object_bytes, created_ns FROM v_pool ORDER BY pool_id"
eq "pools" "$(old "$same")" "$(new "$same")"
same="SELECT pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures FROM v_pool_use ORDER BY slot_ns, pool_id"
eq "their use" "$(old "$same")" "$(new "$same")"
holds "there was use" "$(old "SELECT count(*) FROM v_pool_use") > 0"
same="SELECT pool_id, t_ns, tid, kind, addr, stack_id FROM v_pool_event ORDER BY t_ns, kind, addr"
eq "what happened to them" "$(old "$same")" "$(new "$same")"
((CASE > 5)) || eq "what it did not have" "$(old "SELECT count(destroyed_ns) + count(DISTINCT nullif(source, 'markers')),
	(SELECT count(in_use_last) + count(in_use_bytes_max) FROM v_pool_use), (SELECT count(n) FROM v_pool_event),
	(SELECT count(*) FROM v_pool_sum) + (SELECT count(*) FROM v_pool_site) + (SELECT count(*) FROM v_pool_latency) +
	(SELECT count(*) FROM v_pool_heap) AS rows FROM v_pool")" 0,0,0,0

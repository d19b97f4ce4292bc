#!/bin/bash
# SPDX-License-Identifier: MIT
# Report pools: what it says of a pool with a scripted course (tests/targets/dry_pool.c) is what the target did; and the
# same of a recording that was written (tests/tools/pool_day.c), in part and in whole.
#   recorded   a target by its markers, preloaded     written   60 pools are three pages; parts of it; what is not known
# beside others
# cases: recorded written
source "${BASH_SOURCE[0]%/*}/lib.sh"

# report DB OPTION...: as JSON.
report() {
	"$MPSAMPLE" report pools "$@" --format json || die "report pools $*"
}

# row JSON NAME COLUMN...: of the row of that pool, apart by spaces.
row() {
	local columns
	columns=$(printf ", value ->> '$.%s'" "${@:3}")
	sqlite3 -batch -separator ' ' -nullvalue - :memory: \
		"SELECT ${columns:2} FROM json_each(readfile('$1'), '$.rows') WHERE value ->> 'name' = '$2'"
}

readonly COLUMNS=name,capacity,object_bytes,in_use_max,in_use_max_t_ns,failures,gets,puts,fragmentation,p_exhaust,recommended_capacity,hold_p50_ns,hold_p99_ns,get_p50_ns,get_p99_ns

recorded() {
	start_target env "LD_PRELOAD=$O/libmpsample.so" "$TARGETS/dry_pool"
	record_work pool.db
	report pool.db >all.json
	report pool.db --pool orders >orders.json
	for file in all orders; do
		eq "$file: figures" "$(row $file.json orders capacity object_bytes in_use_max failures gets puts double_puts)" \
			"64 200 $(truth high) $(truth empty) $(truth gets) $(truth puts) $(truth double)"
		eq "$file: holds are known, gets are not" "$(row $file.json orders 'hold_p50_ns' | grep -c '^[0-9]')$(row $file.json orders get_p50_ns)" 1-
	done
	eq "idle" "$(row all.json idle capacity gets puts p_exhaust)" "64 0 0 -"
	within "puts by the other thread" "$(sql pool.db "SELECT cross_puts FROM v_pool_sum WHERE gets > 0")" "$(truth cross)" 0
	"$MPSAMPLE" report pools pool.db >all.txt
	contains "dry" "$(<all.txt)" "orders ran dry 17 times, first at "
	contains "high" "$(<all.txt)" "at most 64 of 64 in use"
	contains "twice" "$(<all.txt)" "objects were put back twice"
	contains "idle" "$(<all.txt)" "note: idle: nothing was taken or put back"
	contains "markers" "$(<all.txt)" "note: orders: how long gets and puts took is not known"
	eq "one strip a pool" "$(grep -cE '^(orders|idle) .*[.0-9F!]{5,}$' all.txt)" 2
	"$MPSAMPLE" symbolize pool.db >/dev/null
	"$MPSAMPLE" report pools pool.db --pool orders >orders.txt
	for part in "Who held objects when most were out" "Who takes objects" "What happened" "Whether it will run dry" "How large it should be"; do
		contains "--pool" "$(<orders.txt)" "$part"
	done
	eq "who holds what is not returned" "$(sql pool.db "SELECT site, held FROM v_pool_site WHERE held > 0")" "leak|$(truth leaked)"
	eq "rules" "$(sql pool.db "SELECT group_concat(DISTINCT rule) FROM (SELECT rule FROM v_pool_advice WHERE name = 'orders' ORDER BY rule)")" \
		"cross_puts,double_put,padding,ran_dry"
	one_line_error 1 "$MPSAMPLE" report pools pool.db --pool ordres
	contains "nearest" "$MESSAGE" "there is no pool ordres in pool.db: did you mean orders? It has "
	one_line_error 2 "$MPSAMPLE" report pools pool.db --risk 2
	one_line_error 2 "$MPSAMPLE" report summary pool.db --pool orders
	contains "not of pools" "$MESSAGE" "--pool is an option of the report pools"
}

written() {
	"$O/tests/tools/pool_day" day.db 600 60
	report day.db >all.json
	eq "a page of them" "$(sqlite3 :memory: "SELECT json_array_length(readfile('all.json'), '$.rows')")" 20
	report day.db --limit 0 >whole.json
	eq "all of them" "$(sqlite3 :memory: "SELECT json_array_length(readfile('whole.json'), '$.rows')")" 60
	eq "columns" "$("$MPSAMPLE" report pools day.db --format csv 2>/dev/null | head -n 1 | cut -d, -f 1-15)" "$COLUMNS"
	eq "orders" "$(row all.json orders in_use_max in_use_max_t_ns failures get_p50_ns get_p99_ns)" \
		"4096 598250000000 17 40 1003"
	"$MPSAMPLE" report pools day.db --pool '*o*e*s' >some.txt
	contains "a pattern" "$(<some.txt)" "quotes"
	contains "not in sight" "$(TZ=UTC "$MPSAMPLE" report pools day.db)" "orders ran dry 17 times, first at 09:09:58.1 (598.100 s), at most 4,096 of 4,096 in use"
	# Before it failed: nothing of that is told.
	report day.db --pool orders --to 300 >part.json
	eq "in part" "$(row part.json orders failures gets)" "0 $(sql day.db "SELECT sum(gets) FROM v_pool_use JOIN v_pool USING (pool_id)
		WHERE name = 'orders' AND slot_ns < (SELECT value + 300e9 FROM v_session WHERE key = 'start_ns')")"
	contains "in part" "$("$MPSAMPLE" report pools day.db --phase 'open#2')" "note: gets, puts, failures, in use and percentiles are of this part"
	# Too short to say anything, but what was seen is told.
	"$MPSAMPLE" report pools day.db --pool orders --from 100 --to 103 >short.txt
	contains "short" "$(<short.txt)" "note: orders: too short for a forecast and a size"
	report day.db --pool books >books.json
	eq "before the recording" "$(row books.json books older)" 1000
	"$O/tests/tools/pool_day" one.db 1 4
	contains "a second" "$("$MPSAMPLE" report pools one.db)" "too short for a forecast"
}

"${CASE:-recorded}"
[[ $CASE ]] || written

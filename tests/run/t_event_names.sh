#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: whatever the machine has, each alias of an event comes to something there; what nothing knows, or no machine can
# do, is refused before anything is touched, with what may have been meant.
#   refused   names of record -e and --count
#   listed    mpsample list events has the aliases, and doctor says of each what it comes to and how good that is
# beside others
# cases: refused listed
source "${BASH_SOURCE[0]%/*}/lib.sh"

aliases="cache-misses dtlb-misses l3-miss mem-loads mem-stores page-faults remote-dram"

refused() {
	local option name words n=0
	while IFS='|' read -r option name words; do
		n=$((n + 1))
		one_line_error 2 "$MPSAMPLE" record "$option" "$name" -o s.db -- true
		contains "what is said of $name" "$MESSAGE" "$words"
	done <<-'NAMES'
		-e|cycels|nearest are cycles
		--count|instrctions|nearest are instructions
		-e|mem-load|nearest are mem-loads
		-e|cpu-clock:|behind a colon
		-e|mem-loads:ldlat=2|3 to 65535
		-e|l3-miss:ldlat=64|only mem-loads has ldlat
		-e|page-faults:p|no precise levels
		-e|cpu-clock:period=0|period
		-e|cpu-clock:period=7:freq=7|not both
		-e|context-switches:u|in the kernel
		-e|mem:0x1001/8|multiple
		-e|mem:0x1000/3|1, 2, 4 or 8
		-e|mem:0xffff888000000000|user space
		-e|mem:0x1000:rx|r, w, rw or x
	NAMES
	eq "names" "$n" 14
}

# values FILE EXPRESSION CONDITION: of the rows of a JSON document, one a line, sorted
values() {
	sqlite3 -batch :memory: "SELECT $2 FROM json_each(readfile('$1'), '\$.rows') WHERE $3 ORDER BY 1"
}

listed() {
	"$MPSAMPLE" list events --format json >list.json || fail "list events: exit status $?"
	eq "aliases" "$(values list.json "json_extract(value, '\$.event')" "json_extract(value, '\$.type') = 'alias'" | xargs)" "$aliases"
	# Its exit status is whether a recording is possible.
	"$MPSAMPLE" doctor --format json >doctor.json || true
	eq "rows of doctor" "$(values doctor.json "substr(json_extract(value, '\$.check'), 7)" \
		"json_extract(value, '\$.check') LIKE 'event %' AND json_extract(value, '\$.detail') LIKE 'by %, quality %'" | xargs)" "$aliases"
	eq "aliases that come to nothing" "$(values doctor.json "json_extract(value, '\$.check')" \
		"json_extract(value, '\$.check') LIKE 'event %' AND json_extract(value, '\$.state') = 'missing'")" ""
	eq "what page-faults is" "$(values doctor.json "json_extract(value, '\$.state')" \
		"json_extract(value, '\$.check') = 'event page-faults'")" works
	eq "rows of the PMU" "$(values doctor.json "count(*)" \
		"json_extract(value, '\$.check') IN ('hardware counters', 'counter interrupts', 'precise sampling')")" 3
}

"$CASE"

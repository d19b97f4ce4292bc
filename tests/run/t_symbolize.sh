#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: names come later as well as at once, from the debug file that belongs to the build, and never get worse.
#   later     recorded with --symbolize later from a stripped program, which is then gone: addresses and modules only;
#             `mpsample symbolize --debug-dir` makes of it what a recording of the whole program says
#   better    recorded at once from the stripped program: its exported symbols at best; then the debug file; then without it
#   by_name   the program as it was built, under its own name in a folder, while the stripped one is still there
#   other     the debug file of another build of the same program is not taken
#   bad       a session that is none, that is recorded right now, of another schema; a folder that is none; no session
#   no_id     of a program without a build-id nothing can be said later, and what is known stays
#   long      with --long-names template arguments are whole, also in a session that has names
# beside others
# cases: later better by_name other bad no_id long
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root

build_id() {
	readelf -n "$1" | awk '/Build ID/ { print $3 }'
}

# keep_debug PROGRAM BUILD-ID: its debug information, as the debug file of that build in ./debug.
keep_debug() {
	mkdir -p "debug/.build-id/${2:0:2}"
	objcopy --only-keep-debug "$1" "debug/.build-id/${2:0:2}/${2:2}.debug"
}

# The program's own functions, by their file, from the inside out.
story="SELECT DISTINCT (SELECT group_concat(name || ':' || line, ' < ') FROM
	(SELECT * FROM v_stack s WHERE s.stack_id = c.stack_id AND file GLOB '*/order_flow.cc' AND name NOT GLOB '*operator*' ORDER BY depth))
	FROM v_call c WHERE op = 'malloc' AND stack_id IS NOT NULL ORDER BY 1"

record_stripped() { # OPTION...
	strip -o program "$TARGETS/order_flow"
	start_target ./program
	record_work s.db "$@"
}

case $CASE in
later)
	record_stripped --symbolize later
	eq "functions" "$(sql s.db "SELECT DISTINCT function FROM v_stack WHERE function IS NOT NULL")" ""
	contains "addresses in modules" "$(sql s.db "SELECT DISTINCT name FROM v_stack WHERE module GLOB '*/program'")" "program+0x"
	start_target order_flow
	record_work whole.db
	sql whole.db "$story" >whole
	keep_debug "$TARGETS/order_flow" "$(build_id program)"
	rm program
	"$MPSAMPLE" symbolize s.db --debug-dir debug
	sql s.db "$story" >story
	cat story
	contains "the whole recording" "$(<whole)" "PriceLevel::append"
	eq "the story of the stripped program" "$(<story)" "$(<whole)"
	eq "where its names are from" "$(sql s.db "SELECT DISTINCT source FROM v_stack WHERE module GLOB '*/program' AND name = 'main'")" dwarf
	;;
better)
	record_stripped
	eq "functions of the program" "$(sql s.db "SELECT DISTINCT function FROM v_stack WHERE module GLOB '*/program' AND function = 'replay'")" ""
	keep_debug "$TARGETS/order_flow" "$(build_id program)"
	"$MPSAMPLE" symbolize s.db --debug-dir debug | tee said
	contains "what it says" "$(<said)" "have a better name than before"
	sql s.db "$story" >better
	contains "the story" "$(<better)" "PriceLevel::append"
	"$MPSAMPLE" symbolize s.db | tee said
	contains "what it says" "$(<said)" " 0 have a better name than before"
	eq "the story without the debug file" "$(sql s.db "$story")" "$(<better)"
	;;
by_name)
	record_stripped
	mkdir built
	cp "$TARGETS/order_flow" built/program
	"$MPSAMPLE" symbolize s.db | tee said
	contains "what is missing" "$(<said)" "program: stripped, and its debug file was not found"
	"$MPSAMPLE" symbolize s.db --debug-dir built
	contains "the story" "$(sql s.db "$story")" "PriceLevel::append"
	;;
other)
	record_stripped --symbolize later
	keep_debug "$TARGETS/stl" "$(build_id program)"
	rm program
	"$MPSAMPLE" symbolize s.db --debug-dir debug
	eq "names from another build" "$(sql s.db "SELECT DISTINCT function FROM v_stack WHERE module GLOB '*/program' AND function IS NOT NULL")" ""
	contains "why" "$(sql s.db "SELECT DISTINCT note FROM v_module WHERE path GLOB '*/program'")" "build-id"
	;;
no_id)
	need_command g++ g++
	known="SELECT DISTINCT site FROM v_call UNION ALL
		SELECT DISTINCT name || ' ' || module || ' ' || offset FROM v_stack WHERE module GLOB '*/program' ORDER BY 1"
	g++ -std=gnu++17 -O2 -g -Wl,--build-id=none -o program "$ROOT/tests/targets/order_flow.cc"
	for when in now later; do
		start_target ./program
		record_work $when.db --symbolize $when
		sql $when.db "$known" >before
		rm -f other
		mv program other
		"$MPSAMPLE" symbolize $when.db
		mv other program
		eq "what is known, $when" "$(sql $when.db "$known")" "$(<before)"
	done
	contains "sites" "$(sql now.db "SELECT DISTINCT site FROM v_call")" PriceLevel::append
	;;
long)
	start_target order_flow
	record_work s.db
	long="SELECT count(*) FROM v_stack WHERE name GLOB 'std::__introsort_loop<*__ops::_Iter_comp_iter*>'"
	eq "long names at first" "$(sql s.db "$long")" 0
	"$MPSAMPLE" symbolize s.db --long-names
	holds "long names" "$(sql s.db "$long") > 0"
	;;
bad)
	start_target order_flow
	start_recorder -p "$TARGET" -o s.db
	status=0
	"$MPSAMPLE" symbolize s.db >busy.out 2>busy.err || status=$?
	eq "status while it is recorded" "$status" 1
	eq "what it says: $(<busy.err)" "$(wc -l <busy.err)" 1
	contains "why" "$(<busy.err)" "s.db"
	go
	wait_done
	stop_recorder
	end_target
	eq "calls all the same" "$(calls s.db malloc)" "$(($(truth orders) * 2))"
	echo text >none.db
	sqlite3 -batch other.db "CREATE TABLE t (a)"
	cp s.db newer.db
	sqlite3 -batch newer.db "PRAGMA user_version = 99"
	one_line_error 1 "$MPSAMPLE" symbolize none.db
	one_line_error 1 "$MPSAMPLE" symbolize other.db
	one_line_error 1 "$MPSAMPLE" symbolize newer.db
	one_line_error 1 "$MPSAMPLE" symbolize missing.db
	one_line_error 2 "$MPSAMPLE" symbolize
	one_line_error 2 "$MPSAMPLE" symbolize s.db also.db
	one_line_error 2 "$MPSAMPLE" symbolize s.db --debug-dir nowhere
	one_line_error 2 "$MPSAMPLE" symbolize s.db --debug-dir
	;;
esac

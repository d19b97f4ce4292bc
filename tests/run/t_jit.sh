#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: an allocation made out of compiled code has the names of the functions that it came from, in their order, for
# each of a known number of calls.
#   java       HotSpot, whose code has no frame pointers; names of `jcmd PID Compiler.perfmap`, written while recorded
#   node       V8; names of --perf-basic-prof, which it writes as it compiles
#   jitdump    V8; names of --perf-prof, most of which it writes at its end
#   late       the names of a perf map that is written only after the last call was recorded
# beside others
# cases: java node jitdump late
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend tracefs

start_java() { # THREADS CALLS
	need_command javac default-jdk-headless
	need_command jcmd default-jdk-headless
	javac -XDignore.symbol.file -d . "$ROOT/tests/targets/jit/Hot.java" || die "javac fails"
	start_target java -Xmx64m -Xbatch -XX:CompileCommand=quiet '-XX:CompileCommand=dontinline,Hot::*' -cp . Hot "$@"
	PERF_MAP=/tmp/perf-$TARGET.map
}

start_node() { # OPTION CALLS
	need_command node nodejs
	start_target node --no-turbo-inlining "$1" "$ROOT/tests/targets/jit/hot.js" "$2"
	PERF_MAP=/tmp/perf-$TARGET.map
}

remove_perf_map() {
	[[ ! ${PERF_MAP:-} ]] || rm -f "$PERF_MAP"
	cleanup
}
trap remove_perf_map EXIT

# named DB INNER OUTER PERCENT: of the known calls all are rows, and PERCENT of them lead through these two functions. A
# recorder that gets no CPU has less of each stack copied: such a stack has to say that it is cut, and some are whole.
named() {
	local calls rows named cut
	calls=$(truth calls)
	rows=$(sql "$1" "SELECT count(*) FROM v_call WHERE op = 'malloc' AND size_bytes = $(truth bytes)")
	"$MPSAMPLE" query "$1" --format csv "
		SELECT count(*) FROM v_call AS c
		WHERE op = 'malloc' AND size_bytes = $(truth bytes) AND EXISTS (
			SELECT * FROM v_stack AS i JOIN v_stack AS o USING (stack_id)
			WHERE i.stack_id = c.stack_id AND i.depth < o.depth
			  AND i.function GLOB '$2' AND o.function GLOB '$3')" >named.csv
	named=$(sed -n 2p named.csv | tr -d '\r')
	echo "$calls calls, $rows rows, $named of them named"
	cut=$(sql "$1" "
		SELECT count(*) FROM v_call AS c
		WHERE op = 'malloc' AND size_bytes = $(truth bytes)
		  AND EXISTS (SELECT * FROM v_stack AS s WHERE s.stack_id = c.stack_id AND ended = 'cut')
		  AND NOT EXISTS (
			SELECT * FROM v_stack AS i JOIN v_stack AS o USING (stack_id)
			WHERE i.stack_id = c.stack_id AND i.depth < o.depth
			  AND i.function GLOB '$2' AND o.function GLOB '$3')")
	echo "$cut stacks are cut before that"
	(((named + cut) * 100 >= calls * $4)) || sql "$1" "
		SELECT count(*), stack FROM (
			SELECT stack_id, group_concat(name, ' < ') AS stack FROM (SELECT stack_id, name FROM v_stack ORDER BY stack_id, depth)
			GROUP BY stack_id)
		JOIN v_call USING (stack_id) WHERE size_bytes = $(truth bytes) GROUP BY stack ORDER BY 1 DESC LIMIT 5"
	eq "rows of the known calls" "$rows" "$calls"
	holds "calls that lead through $2 and $3" "$named + $cut >= $4 / 100.0 * $calls AND $named > $calls / 20"
}

case $CASE in
java)
	start_java 4 1009
	start_recorder -p "$TARGET" --full -o s.db
	go
	wait_done
	jcmd "$TARGET" Compiler.perfmap >jcmd.out || die "jcmd fails"
	stop_recorder
	end_target
	named s.db '*Hot.bookInsert(int)' '*Hot.matchOrder(int)' 99
	;;
node)
	start_node --perf-basic-prof 4001
	record_work s.db --full
	named s.db '*:?bookInsert *hot.js:*' '*:?matchOrder *hot.js:*' 99
	;;
jitdump)
	start_node --perf-prof 4001
	start_recorder -p "$TARGET" --full -o s.db
	go
	wait_done
	end_target
	wait_recorder
	named s.db '*:?bookInsert *hot.js:*' '*:?matchOrder *hot.js:*' 99
	;;
late)
	start_node --no-warnings 4001 # no names of its own
	start_recorder -p "$TARGET" --full -o s.db
	go
	wait_done
	grep -E ' r[w-]xp [^/[]*$' "/proc/$TARGET/maps" >regions || die "no compiled code"
	while IFS='- ' read -r start end _; do
		printf '%s %x all of it\n' "$start" $((0x$end - 0x$start))
	done <regions >"$PERF_MAP"
	stop_recorder
	end_target
	named s.db 'all of it' 'all of it' 99
	;;
esac

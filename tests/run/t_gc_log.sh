#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a log of HotSpot's collectors becomes a session with just its pauses. Logs that the JVMs here write while a program
# allocates, of each collector, in each form: each line of a pause is a row, nothing else is one, and the sums are the
# same; so are the cycles beside the program, the heap before and after, and how long the threads were stopped. What has no
# times, is cut off, or is something else is told in one line.
# beside others
# cases: g1 parallel serial z shenandoah forms cut refused report
source "${BASH_SOURCE[0]%/*}/lib.sh"

JVMS=()
for java in /usr/lib/jvm/*/bin/java; do
	home=$(readlink -f "${java%/bin/java}")
	[[ ! -x $java || " ${JVMS[*]} " == *" $home "* ]] || JVMS+=("$home")
done
((${#JVMS[@]})) || skip "no JVM (Debian: default-jdk-headless)"
for home in "${JVMS[@]}"; do [[ ! -x $home/bin/javac ]] || JAVAC=$home/bin/javac; done
[[ ${JAVAC:-} ]] || skip "no javac (Debian: default-jdk-headless)"

# Keeps some of what it allocates, now and then something large, and asks for a collection once.
cat >Churn.java <<'END'
public class Churn {
	static byte[][] kept = new byte[3000][];
	static Object sink;
	public static void main(String[] args) {
		java.util.Random random = new java.util.Random(1);
		for (int n = 0; n < 150000; n++) {
			byte[] b = new byte[4000];
			if (random.nextInt(8) == 0) kept[random.nextInt(kept.length)] = b;
			if (n % 20000 == 19999) sink = new byte[3 << 20];
			if (n == 70000) System.gc();
		}
	}
}
END
"$JAVAC" --release 11 -nowarn -d . Churn.java 2>javac.err || "$JAVAC" -d . Churn.java 2>javac.err || die "javac: $(<javac.err)"

# run_java HOME LOG COLLECTOR -Xlog...: false where this JVM has no such collector.
run_java() {
	"$1/bin/java" -XX:+Use"$3"GC -Xms32m -Xmx128m "${@:4}" -cp . Churn >java.out 2>&1 && return
	grep -qE 'not supported|Unrecognized VM option|no longer supported' java.out || die "java $3: $(<java.out)"
	return 1
}

import() { # FILE DB
	"$MPSAMPLE" import "$1" -o "$2" --force >import.out 2>import.err || fail "import of $1: $(<import.err)"
}

# Pauses of a log: how many, and the sum of their milliseconds.
pauses_of() {
	awk '/GC\([0-9]+\)/ && / Pause / && /[0-9]ms *$/ { n++; sub(/ms.*/, "", $NF); sub(/,/, ".", $NF); sum += $NF }
		END { printf "%d %.3f", n, sum }' "$1"
}

# same LOG DB [NOT UNDERSTOOD]
same() {
	eq "$1: pauses" "$(sql "$2" "SELECT printf('%d %.3f', count(*), coalesce(sum(dur_ns), 0) / 1e6) FROM v_gc WHERE is_pause")" "$(pauses_of "$1")"
	eq "$1: bytes after" "$(sql "$2" "SELECT coalesce(sum(used_after_bytes), 0) >> 20 FROM v_gc_pool JOIN v_gc USING (gc_id) WHERE pool = 'heap' AND is_pause")" \
		"$(awk '/GC\([0-9]+\) Pause / && match($0, /->[0-9]+M\([0-9]+M\) [0-9.]+ms *$/) { sum += substr($0, RSTART + 2) } END { print sum + 0 }' "$1")"
	holds "$1: what was not understood" "$(sed 's/.* \([0-9]*\) were not understood.*/\1/' import.err) <= ${3:-0}"
	eq "$1: sources" "$(sql "$2" "SELECT DISTINCT runtime, source FROM v_gc")" "hotspot|log"
	eq "$1: integrity" "$(sql "$2" "PRAGMA integrity_check")" ok
}

# collector NAME EXPLICIT: by each JVM, in the forms of -Xlog:gc*,safepoint and -Xlog:gc.
collector() {
	local home name ran=0
	for home in "${JVMS[@]}"; do
		name=${home##*/}
		run_java "$home" all.log "$1" "-Xlog:gc*,safepoint:file=all.log:uptime,level,tags" || continue
		run_java "$home" plain.log "$1" "-Xlog:gc:file=plain.log"
		ran=1
		import all.log all.db
		same all.log all.db
		import plain.log plain.db
		same plain.log plain.db
		eq "$name: collector" "$(sql all.db "SELECT value FROM v_gc_setting WHERE name = 'collector'")" "$1"
		eq "$name: most that the heap may have" "$(sql all.db "SELECT value FROM v_gc_setting WHERE name = 'max_heap_bytes'")" 134217728
		contains "$name: version" "$("$home/bin/java" -version 2>&1)" "$(sql all.db "SELECT substr(value, 1, instr(value, '+') - 1) FROM v_gc_setting WHERE name = 'version'")"
		eq "$name: pauses without a safepoint" "$(sql all.db "SELECT count(*) FROM v_gc WHERE is_pause AND (ttsp_ns IS NULL OR stopped_ns < dur_ns)")" 0
		eq "$name: time stopped" "$(sql all.db "SELECT round(sum(stopped_ns) / 1e6) FROM v_gc WHERE is_pause")" "$(sql all.db "SELECT round(max($(safepoints_ns all.log), sum(dur_ns + ttsp_ns)) / 1e6) FROM v_gc WHERE is_pause")"
		holds "$name: the explicit collection" "$(sql all.db "SELECT count(*) FROM v_gc WHERE cause = 'System.gc()'") $2"
		echo "$name, $1: $(pauses_of all.log), $(pauses_of plain.log)"
	done
	((ran)) || skip "no JVM here has $1"
}

# The safepoints that pauses are in: those that follow a line of a pause.
safepoints_ns() {
	awk '/GC\([0-9]+\)/ && / Pause / && /[0-9]ms *$/ { pause = 1 }
		/Safepoint "/ { if (pause && match($0, /Total: [0-9]+/)) sum += substr($0, RSTART + 7); pause = 0 }
		END { printf "%d", sum }' "$1"
}

case $CASE in
g1)
	collector G1 "= 1"
	holds "pools" "$(sql all.db "SELECT count(DISTINCT pool) FROM v_gc_pool WHERE pool IN ('heap', 'G1 Eden Space', 'G1 Survivor Space', 'G1 Old Gen', 'Metaspace')") = 5"
	holds "pools in sum are the heap, but for a region each" "$(sql all.db "SELECT max(abs(h.used_after_bytes - s.used)) FROM v_gc_pool AS h JOIN (SELECT gc_id,
		sum(used_after_bytes) AS used FROM v_gc_pool WHERE pool LIKE 'G1%' GROUP BY gc_id) AS s USING (gc_id) WHERE pool = 'heap'") <= 4 << 20"
	holds "phases" "$(sql all.db "SELECT count(*) FROM v_gc_phase WHERE name = 'Evacuate Collection Set'") > 5"
	;;
parallel) collector Parallel ">= 1" ;; # 17: a young one comes with it
serial) collector Serial "= 1" ;;
z) collector Z ">= 1" ;;
shenandoah) collector Shenandoah ">= 0" ;;
forms)
	home=${JVMS[0]}
	for form in uptime,level,tags time,level,tags time,uptime,level,tags uptimemillis,tags uptimenanos,pid,tid,level,tags utctime,hostname,tags uptime; do
		run_java "$home" form.log G1 "-Xlog:gc*:file=form.log:$form"
		import form.log form.db
		eq "$form" "$(sql form.db "SELECT printf('%d %.3f', count(*), sum(dur_ns) / 1e6) FROM v_gc WHERE is_pause")" "$(pauses_of form.log)"
		eq "$form: pauses outside the recording" "$(sql form.db "SELECT count(*) FROM v_gc, session_time WHERE t_ns < start_ns OR t_ns + dur_ns > end_ns")" 0
		eq "$form: wall time" "$(sql form.db "SELECT count(*) FROM v_clock")" "$([[ $form == time* || $form == utctime* ]] && echo 1 || echo 0)"
	done
	run_java "$home" form.log G1 "-Xlog:gc*:file=form.log:none"
	one_line_error 1 "$MPSAMPLE" import form.log -o none.db
	;;
cut)
	run_java "${JVMS[0]}" all.log G1 "-Xlog:gc*,safepoint:file=all.log:uptime,level,tags"
	for bytes in 20000 20001 20013; do
		head -c $bytes all.log >cut.log
		import cut.log cut.db
		same cut.log cut.db 1
	done
	{ head -c 100000 /dev/zero | tr '\0' x; echo; cat all.log; head -c 3000 /dev/urandom; } >dirty.log
	import dirty.log dirty.db
	eq "pauses among garbage" "$(sql dirty.db "SELECT count(*) FROM v_gc WHERE is_pause")" "$(pauses_of all.log | cut -d' ' -f1)"
	;;
report)
	run_java "${JVMS[0]}" all.log Serial "-Xlog:gc*,safepoint:file=all.log:time,uptime,level,tags"
	import all.log s.db
	"$MPSAMPLE" report gc s.db --format json >r.json 2>r.err || fail "json: $(<r.err)"
	"$MPSAMPLE" report gc s.db --format csv >r.csv 2>r.err || fail "csv: $(<r.err)"
	"$MPSAMPLE" report gc s.db >r.table 2>r.err || fail "table: $(<r.err)"
	json() {
		sqlite3 -batch :memory: "SELECT $1 FROM json_each(readfile('r.json'), '$2')"
	}
	eq "JSON is valid" "$(sqlite3 -batch :memory: "SELECT json_valid(readfile('r.json'))")" 1
	eq "kinds" "$(json "value ->> 'kind' || ' ' || (value ->> 'collections') || ' ' || (value ->> 'total_ns')" '$.tables.kinds' | sort)" \
		"$(sql s.db "SELECT kind || ' ' || count(*) || ' ' || sum(stopped_ns) FROM v_gc GROUP BY kind" | sort)"
	eq "CSV" "$(tail -n +2 r.csv | wc -l)" "$(sql s.db "SELECT count(DISTINCT kind) FROM v_gc")"
	eq "paused time over the strip" "$(json "length(value ->> 'strip') BETWEEN 55 AND 60" '$.tables.timeline')" 1
	holds "the longest pause is in its window" "$(json "value ->> 'pause_ns'" '$.tables.mmu' | head -n 1) >= min(1000000, $(sql s.db "SELECT max(stopped_ns) FROM v_gc"))"
	eq "windows leave more, the longer they are" "$(json "value ->> 'mmu_share'" '$.tables.mmu' | sort -gc 2>&1)" ""
	grep -q '^hotspot (Serial [0-9.]*' r.table || fail "no sentence of this collector: $(<r.table)"
	"$MPSAMPLE" report gc s.db --from 0 --to 0.05 >part.table 2>part.err || fail "part: $(<part.err)"
	one_line_error 1 "$MPSAMPLE" report gc s.db --table nothing
	;;
refused)
	printf '[info][gc] GC(0) Pause Young (A) 1M->1M(2M) 1.000ms\n' >no_time.log
	one_line_error 1 "$MPSAMPLE" import no_time.log -o a.db
	contains "what to do" "$MESSAGE" "-Xlog:gc*,safepoint"
	printf 'hello\n' >other.log
	one_line_error 1 "$MPSAMPLE" import other.log -o a.db
	printf '[1.0s][gc] GC(0) Pause Young (A) 1M->1M(2M) 1.000ms\n' >good.log
	one_line_error 1 "$MPSAMPLE" import good.log -o good.log --force
	one_line_error 1 "$MPSAMPLE" import good.log -o no/such/folder.db
	import good.log good.db
	one_line_error 1 "$MPSAMPLE" import good.log -o good.db
	;;
esac

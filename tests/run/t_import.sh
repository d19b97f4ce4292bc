#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a recording of perf becomes a session with just its samples. Recordings whose figures are known, from 3.4 on
# (MPSAMPLE_PERFDATA, or ../shared/perfdata beside the checkout), have these; whatever perf script reads, also what perf
# record writes here in each of its forms, has the same samples one by one: thread, time, event, period, data address,
# instruction, callers. The other byte order makes no difference. What is no recording, or none any more, is refused in
# one line and leaves nothing; what is cut off gives what is there, and says so.
# beside others
# cases: counts levels perf_script byte_order own_clock own_faults own_chains own_compressed own_pipe own_events names lost refused cut output reports
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_data() {
	DATA=${MPSAMPLE_PERFDATA:-$ROOT/../shared/perfdata}
	[[ -e $DATA/perf.data.weight_struct ]] || skip "no recordings in $DATA: set MPSAMPLE_PERFDATA"
}

need_perf() {
	need_command perf linux-perf
	perf record -o probe.data -e page-faults -- true >perf.out 2>&1 || skip "perf record does not work here: $(tail -n 1 perf.out)"
}

import() { # FILE DB [OPTION...]
	"$MPSAMPLE" import "$1" -o "${@:2}" >import.out 2>import.err || fail "import of $1: $(<import.err)"
}

# Counts by event, as NAME COUNT lines.
counts() {
	sql "$1" "SELECT event || ' ' || count(*) FROM v_sample GROUP BY event ORDER BY event"
}

# perf_samples FILE: "tid time period event addr ip", sorted. Without addresses the address is 0. Modifiers (cycles:ppp)
# are left out: perf makes them up where a recording has no names.
perf_samples() {
	local fields=tid,time,period,event,ip
	[[ $(perf evlist -v -i "$1" 2>/dev/null) != *sample_type:*'|ADDR|'* ]] || fields=tid,time,period,event,addr,ip
	perf script --ns -G -i "$1" -F $fields 2>perf.err | awk -v addr=$([[ $fields == *addr* ]] && echo 1 || echo 0) '
		NF >= 5 {
			sub(/:$/, "", $2); sub(/\./, "", $2); sub(/^0+/, "", $2); sub(/:[a-zA-Z]*:?$/, "", $4)
			print $1, $2, $3, $4, (addr ? $5 : 0), (addr ? $6 : $5)
		}' | sort
}

our_samples() {
	sqlite3 -batch -separator ' ' "$1" "SELECT tid, t_ns, period, event, printf('%x', coalesce(addr, 0)), printf('%x', ip)
		FROM v_sample" | awk '{ sub(/:[a-zA-Z]*$/, "", $4); print }' | sort
}

# same_samples FILE DB: one by one, and in the order of their times.
same_samples() {
	perf_samples "$1" >theirs
	our_samples "$2" >ours
	diff theirs ours >differences || fail "$1: perf script and v_sample differ (<, >): $(head -n 6 differences)"
	eq "$1: samples out of order" "$(sql "$2" "SELECT count(*) FROM
		(SELECT t_ns < lag(t_ns) OVER (ORDER BY sample_id) AS back FROM sample) WHERE back")" 0
	echo "$1: $(wc -l <ours) samples are the same"
}

# record OPTION... -- COMMAND: to perf.data
perf_record() {
	perf record -o perf.data "$@" >perf.out 2>&1 || die "perf record $*: $(tail -n 3 perf.out)"
}

# Work of our own for perf to record: much of the CPU, page faults, children.
cat >work.sh <<'END'
for ((i = 0; i < 30000; i++)); do x=$((x + i * i)); done
for ((i = 0; i < 5; i++)); do (exec sort work.sh -o /dev/null); done
END

# A program that keeps its frame pointers, and lives mostly five calls deep.
build_deep() {
	cat >deep.c <<-'END'
		volatile unsigned long sum;
		__attribute__((noinline)) void burn(int n) { for (int i = 0; i < n; i++) sum += i * sum; sum++; }
		__attribute__((noinline)) void third(int n) { burn(n); sum++; }
		__attribute__((noinline)) void second(int n) { third(n); sum++; }
		__attribute__((noinline)) void first(int n) { second(n); sum++; }
		int main(void) { for (int i = 0; i < 200; i++) first(200000); return 0; }
	END
	"${CC:-cc}" -g -O0 -fno-omit-frame-pointer -o deep deep.c 2>cc.err || skip "no compiler: $(<cc.err)"
}

case $CASE in
counts)
	need_data
	while read -r name expected; do
		import "$DATA/perf.data.$name" "$name.db"
		eq "$name" "$(counts "$name.db" | tr '\n' ',')" "$expected"
		eq "$name: integrity" "$(sql "$name.db" "PRAGMA integrity_check")" ok
	done <<-'END'
		weight_struct MEM_TRANS_RETIRED.LOAD_LATENCY:ldlat=64:precise=2:mh:mg:pinned 14,
		singleprocess-3.4 branch-misses 13,branches 13,cache-misses 11,cache-references 12,cycles 14,instructions 14,
		piped.lost_samples-4.4 branches 14,cycles 98,instructions 79,
		group_desc-4.14 branch-misses 6,cache-references 7,
		ctx_switch_namespaces-4.14 cycles 2,
		branch-4.14 cycles:ppp 13,
		hybrid_topology cpu_core/cycles:ppp/ 7,
	END
	eq "lost samples" "$(sql piped.lost_samples-4.4.db "SELECT sum(lost), what FROM v_loss")" "2|events"
	eq "switches and namespaces" "$(sql ctx_switch_namespaces-4.14.db "SELECT name, sum(value) FROM v_counter GROUP BY name")" \
		$'namespaces|1\nswitch|2'
	eq "quality" "$(sql branch-4.14.db "SELECT DISTINCT quality FROM v_sample") $(sql group_desc-4.14.db \
		"SELECT DISTINCT quality FROM v_sample")" "precise counter"
	eq "threads" "$(sql singleprocess-3.4.db "SELECT tid, comm, end_ns > start_ns FROM v_thread")" "4337|echo|1"
	eq "build-ids" "$(sql branch-4.14.db "SELECT count(*) > 0 FROM v_module WHERE length(build_id) = 40")" 1
	;;
levels)
	need_data
	import "$DATA/perf.data.weight_struct" s.db
	eq "levels" "$(sql s.db "SELECT level, count(*), round(100.0 * sum(weight) / (SELECT sum(weight) FROM v_sample), 2)
		FROM v_sample GROUP BY level ORDER BY 3 DESC")" $'LFB|5|42.26\nL3|4|29.39\nL1|4|23.88\nL2|1|4.46'
	eq "weights" "$(sql s.db "SELECT sum(weight) FROM v_sample")" 1725
	eq "quality" "$(sql s.db "SELECT DISTINCT quality FROM v_sample")" pebs
	eq "loads" "$(sql s.db "SELECT count(*) FROM v_sample WHERE is_write = 0 AND tlb IN ('hit', 'walk')")" 14
	eq "places" "$(sql s.db "SELECT count(*) FROM v_sample WHERE place = 'data' AND place_name LIKE '%/borglet' AND offset > 0")" 1
	;;
perf_script)
	need_data
	need_command perf linux-perf
	compared=0
	for file in "$DATA"/perf.data.*; do
		import "$file" s.db --force
		if [[ ! $(perf script -i "$file" -F tid 2>/dev/null) ]]; then
			echo "this perf does not read ${file##*/}: not compared"
			continue
		fi
		same_samples "$file" s.db
		compared=$((compared + 1))
	done
	holds "files compared" "$compared >= 4"
	;;
byte_order)
	need_data
	need_command python3 python3
	for name in weight_struct singleprocess-3.4 group_desc-4.14 ctx_switch_namespaces-4.14 branch-4.14 hybrid_topology; do
		import "$DATA/perf.data.$name" little.db --force
		python3 "$ROOT/tests/tools/swap_perf.py" "$DATA/perf.data.$name" big.data || die "cannot swap $name"
		import big.data big.db --force
		eq "$name" "$(sql big.db "SELECT value FROM v_session WHERE key = 'import_format'")" "perf.data, file mode, big-endian"
		for table in sample event thread module frame stack stack_frame loss counter; do
			sql little.db "SELECT * FROM $table" >little
			sql big.db "SELECT * FROM $table" >big
			cmp -s little big || fail "$name: table $table differs by byte order: $(diff little big | head -n 4)"
		done
		holds "$name has samples" "$(sql big.db "SELECT count(*) FROM sample") > 0"
	done
	;;
own_clock)
	need_perf
	perf_record -e cpu-clock -c 250000 -- bash work.sh
	import perf.data s.db
	same_samples perf.data s.db
	holds "samples" "$(sql s.db "SELECT count(*) FROM sample") > 50"
	eq "period" "$(sql s.db "SELECT DISTINCT period FROM v_sample")" 250000
	eq "quality" "$(sql s.db "SELECT DISTINCT quality FROM v_sample")" software
	eq "processes" "$(sql s.db "SELECT DISTINCT comm FROM v_thread WHERE comm IN ('bash', 'sort') ORDER BY 1")" $'bash\nsort'
	;;
own_faults)
	need_perf
	perf_record -e page-faults -c 1 -d -k CLOCK_MONOTONIC -- bash work.sh
	import perf.data s.db
	same_samples perf.data s.db
	holds "addresses" "$(sql s.db "SELECT avg(addr IS NOT NULL) FROM v_sample") = 1"
	eq "clock" "$(sql s.db "SELECT value FROM v_session WHERE key = 'clock'")" CLOCK_MONOTONIC
	holds "clock to wall time" "$(sql s.db "SELECT abs(real_ns / 1e9 - strftime('%s', 'now')) FROM v_clock") < 3600"
	# The stack's pages, those of the files that are mapped, and others.
	eq "places" "$(sql s.db "SELECT DISTINCT place FROM v_sample WHERE place IN ('stack', 'data', 'unknown') ORDER BY 1")" \
		$'data\nstack\nunknown'
	holds "libc's data" "$(sql s.db "SELECT count(*) FROM v_sample WHERE place = 'data' AND place_name LIKE '%/libc.so.6'") > 0"
	;;
own_chains)
	need_perf
	build_deep
	perf_record -e cpu-clock -c 250000 -g -- ./deep
	import perf.data s.db
	same_samples perf.data s.db
	holds "samples" "$(sql s.db "SELECT count(*) FROM sample") > 50"
	# The instruction, and of the chain what is the user's; addresses that are exact are stored as those behind them.
	# What perf dumps: the addresses as they were recorded, with marks between the kernel's and the user's.
	perf script -D -i perf.data 2>perf.err | awk '
		function flush() { if (line) print line; line = ""; user = 0 }
		/PERF_RECORD_SAMPLE/ {
			flush()
			match($0, /[0-9]+\/[0-9]+: 0x[0-9a-f]+/)
			split(substr($0, RSTART, RLENGTH), who, /[\/: ]+/)
			ip = substr(who[3], 3)
			line = who[2] " " $1 " " ip
		}
		line && /^\.\.\.\.\. +[0-9]+: [0-9a-f]+$/ {
			word = $NF
			if (word ~ /^fffffffffffff/) { first = user = word == "fffffffffffffe00"; next }
			sub(/^0+/, "", word)
			if (user && word != "" && !(first && word == ip)) line = line " " word
			first = 0
		}
		END { flush() }' | sort >theirs
	sqlite3 -batch -separator ' ' s.db "SELECT tid, t_ns, (SELECT group_concat(printf('%x', addr - (depth = 0 OR
		(depth = 1 AND sample.ip < 0))), ' ') FROM (SELECT depth, addr FROM stack_frame JOIN frame USING (frame_id)
		WHERE stack_frame.stack_id = sample.stack_id ORDER BY depth)) FROM sample" | sort >ours
	diff theirs ours >differences || fail "call chains differ (<, >): $(head -n 6 differences)"
	eq "the way to it" "$(sql s.db "SELECT group_concat(name, ' ') FROM (SELECT name FROM v_stack WHERE stack_id =
		(SELECT stack_id FROM v_sample WHERE code = 'burn' GROUP BY stack_id ORDER BY count(*) DESC LIMIT 1)
		AND depth <= 4 ORDER BY depth)")" "burn third second first main"
	# libc had perhaps no sample, and perf then lists no build-id; its file is known by the inode that was mapped.
	libc=$(sql s.db "SELECT path FROM v_module WHERE path LIKE '%/libc.so.6' LIMIT 1")
	if [[ $(perf script --show-mmap-events -i perf.data 2>/dev/null | grep -F "$libc") == *" $(stat -c %i "$libc") "* ]]; then
		holds "build-id of $libc" "$(sql s.db "SELECT count(*) FROM v_module WHERE path = '$libc' AND length(build_id) = 40") > 0"
	fi
	;;
own_compressed)
	need_perf
	perf_record -z -e page-faults -c 1 -d -- bash work.sh
	import perf.data s.db
	contains "format" "$(sql s.db "SELECT value FROM v_session WHERE key = 'import_format'")" compressed
	same_samples perf.data s.db
	holds "samples" "$(sql s.db "SELECT count(*) FROM sample") > 50"
	;;
own_pipe)
	need_perf
	perf record -o - -e page-faults -c 1 -d -- bash work.sh 2>perf.out >perf.data || die "perf record: $(<perf.out)"
	import perf.data s.db
	contains "format" "$(sql s.db "SELECT value FROM v_session WHERE key = 'import_format'")" "pipe mode"
	same_samples perf.data s.db
	holds "samples" "$(sql s.db "SELECT count(*) FROM sample") > 50"
	# And straight out of a pipe.
	cat perf.data | "$MPSAMPLE" import - -o piped.db 2>import.err || fail "import from a pipe: $(<import.err)"
	diff <(our_samples s.db) <(our_samples piped.db) >differences || fail "a pipe gives others: $(head -n 4 differences)"
	;;
own_events)
	need_root
	need_perf
	# Ids tell the events apart; all CPUs, with what other processes do.
	perf_record -a -e cpu-clock -e page-faults -e context-switches --switch-events -- bash work.sh
	import perf.data s.db
	same_samples perf.data s.db
	holds "events" "$(counts s.db | wc -l) >= 2"
	holds "switches" "$(sql s.db "SELECT sum(value) FROM v_counter WHERE name LIKE 'switch%'") > 0"
	;;
names)
	need_perf
	build_deep
	perf_record -e cpu-clock -c 250000 -- ./deep
	import perf.data later.db --symbolize later
	import perf.data now.db
	eq "named later" "$(sql later.db "SELECT count(*) FROM v_stack WHERE source IS NOT NULL")" 0
	"$MPSAMPLE" symbolize later.db >symbolize.out
	for db in later.db now.db; do
		holds "$db: the function, by its line" "$(sql $db "SELECT avg(code = 'burn') FROM v_sample WHERE ip > 0
			AND stack_id IN (SELECT stack_id FROM v_stack WHERE depth = 0 AND line = 2 AND source = 'dwarf')") = 1"
		holds "$db: most samples are of it" "$(sql $db "SELECT avg(code = 'burn') FROM v_sample WHERE ip > 0") > 0.9"
	done
	# As perf names the instructions, but for what compilers append.
	perf script -i perf.data -F ip,sym --no-inline 2>/dev/null | awk '$1 !~ /^ffff/ && $2 != "[unknown]" {
		sub(/\..*/, "", $2); print $1, $2 }' | sort -u >theirs
	sqlite3 -batch -separator ' ' now.db "SELECT DISTINCT printf('%x', addr - 1), function FROM frame
		WHERE module LIKE '%/deep'" | sort >ours
	join theirs ours | awk '{ n++; same += $2 == $3 } END { print n + 0, same + 0 }' >both
	read -r n same <both
	holds "named by both" "$n > 2"
	eq "alike" "$same" "$n"
	;;
lost)
	need_perf
	# perf is stopped while the target goes on: its ring of one page is full.
	cat >faults.sh <<-'END'
		faults() { for ((i = 0; i < 50; i++)); do (exec true); done; }
		for step in begun lost; do
			: >$step
			read -r _ <going
			faults
		done
	END
	mkfifo going
	perf record -o perf.data -m 1 -e page-faults -c 1 -- bash faults.sh >perf.out 2>&1 &
	perf=$!
	wait_file() {
		local deadline=$((SECONDS + GUARD_S))
		until [[ -e $1 ]]; do
			alive $perf || die "perf record ended: $(<perf.out)"
			((SECONDS < deadline)) || die "no $1 within $GUARD_S s"
			sleep 0.02
		done
	}
	wait_file begun
	kill -STOP $perf
	echo go >going
	until [[ -e lost ]]; do sleep 0.02; done # stopped jobs are not among those that run
	kill -CONT $perf
	echo go >going
	wait_end $perf
	import perf.data s.db
	# Told while it happens, and since 6.1 once more at the end, where it is exact: the larger sum is all of it.
	perf script -D -i perf.data 2>perf.err | awk '
		/PERF_RECORD_LOST: / { sub(/.*lost:/, ""); told += $1 }
		/PERF_RECORD_LOST_SAMPLES: / { sub(/.*lost samples :/, ""); exactly += $1 }
		END { print (told > exactly ? told : exactly) + 0 }' >lost.perf
	holds "something was lost" "$(<lost.perf) > 0"
	eq "lost" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE source = 'perf record: ring full'")" "$(<lost.perf)"
	contains "the last line" "$(<import.err)" "LOST $(<lost.perf) events"
	same_samples perf.data s.db
	;;
refused)
	: >empty
	echo "hello, I am not a recording of perf" >text
	mkdir directory
	head -c 4096 /dev/zero >zeros
	printf 'PERFILE2' >short
	for what in empty text directory zeros short missing; do
		one_line_error 1 "$MPSAMPLE" import "$what" -o s.db
		contains "$what" "$MESSAGE" "$what"
	done
	# A session of ours.
	sqlite3 -batch session.db "PRAGMA application_id = 1836085041; CREATE TABLE t (x)"
	one_line_error 1 "$MPSAMPLE" import session.db -o s.db
	contains "a session" "$MESSAGE" "session of mpsample"
	one_line_error 2 "$MPSAMPLE" import
	one_line_error 2 "$MPSAMPLE" import text
	one_line_error 2 "$MPSAMPLE" import text text -o s.db
	one_line_error 2 "$MPSAMPLE" import text -o s.db --no-such-option
	one_line_error 2 "$MPSAMPLE" import text -o s.db --symbolize soon
	one_line_error 2 "$MPSAMPLE" import text -o s.db --debug-dir missing
	contains "help" "$("$MPSAMPLE" import --help)" "--symbolize"
	;;
cut)
	need_data
	for name in singleprocess-3.4 piped.lost_samples-4.4 hybrid_topology weight_struct; do
		whole=$(stat -c %s "$DATA/perf.data.$name") last=0
		for part in 0 8 16 104 150 300 600 1200 3000 $((whole / 2)) $((whole * 3 / 4)) $((whole - 64)); do
			head -c "$part" "$DATA/perf.data.$name" >part.data
			rm -f part.db
			if ! "$MPSAMPLE" import part.data -o part.db 2>import.err; then
				eq "$name, $part bytes: lines of the refusal" "$(wc -l <import.err)" 1
				eq "$name, $part bytes: files left" "$(find . -name '*part.db*')" ""
				continue
			fi
			records=$(sql part.db "SELECT value FROM v_session WHERE key = 'import_records'")
			holds "$name, $part bytes: not fewer records than before" "$records >= $last"
			last=$records
			[[ $name == piped* ]] || contains "$name, $part bytes" "$(<import.err)" "NOT whole"
			[[ $name == piped* ]] || contains "$name, $part bytes: session" \
				"$(sql part.db "SELECT value FROM v_session WHERE key = 'end_reason'")" "not whole"
		done
		import "$DATA/perf.data.$name" whole.db --force
		holds "$name: records but for the last bytes" "$last >= $(sql whole.db "SELECT value - 2 FROM v_session WHERE key = 'import_records'")"
	done
	# In the midst of a record of the pipe.
	head -c 9001 "$DATA/perf.data.piped.lost_samples-4.4" >part.data
	import part.data part.db --force
	contains "a pipe that broke" "$(<import.err)" "in the midst of a record"
	;;
output)
	need_data
	cp "$DATA/perf.data.group_desc-4.14" perf.data
	echo precious >s.db
	one_line_error 1 "$MPSAMPLE" import perf.data -o s.db
	contains message "$MESSAGE" --force
	one_line_error 1 "$MPSAMPLE" import perf.data -o no/such/s.db
	one_line_error 1 "$MPSAMPLE" import perf.data -o perf.data --force
	contains message "$MESSAGE" "the recording itself"
	echo nonsense >bad.data
	one_line_error 1 "$MPSAMPLE" import bad.data -o s.db --force
	eq "content" "$(<s.db)" precious
	import perf.data s.db --force
	eq "samples" "$(sql s.db "SELECT count(*) FROM sample")" 13
	eq "files left beside it" "$(find . -name '*s.db*' ! -name s.db)" ""
	# No room: nothing is left, and what was there stays.
	(ulimit -f 64; one_line_error 1 "$MPSAMPLE" import "$DATA/perf.data.weight_struct" -o s.db --force; exit $failures) ||
		fail "without room"
	eq "samples" "$(sql s.db "SELECT count(*) FROM sample")" 13
	;;
reports)
	need_data
	import "$DATA/perf.data.piped.lost_samples-4.4" s.db
	contains "report loss" "$("$MPSAMPLE" report loss s.db)" "dropped by the kernel"
	for report in summary sites outliers jitter; do
		"$MPSAMPLE" report "$report" s.db >report.out 2>report.err || fail "report $report: $(<report.err)"
	done
	contains "report loss" "$("$MPSAMPLE" report loss s.db --format json)" '"lost":2,'
	contains "query" "$("$MPSAMPLE" query s.db "SELECT count(*) FROM v_sample")" 191
	;;
esac

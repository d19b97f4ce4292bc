#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: each marker of <mpsample.h> is one event: spans paired across threads, marks, phases and pools are what the target
# says (tests/targets/markers.c, markers_cxx.cc), by each backend, and cost no call of the allocator.
#   session multi tracefs   all markers, recorded by this backend       static   of a static program
#   cxx      of C++'s inline functions, templates and lambdas           launch   of a program that the recorder starts
#   load     of a module that is loaded while the recording runs        header   mpsample.h compiles in every mode
#   lies     a note that points into an instruction is left alone
# beside others
# cases: session multi tracefs static cxx launch load lies header
source "${BASH_SOURCE[0]%/*}/lib.sh"

HEADER=$ROOT/sampler/preload

# rows DB QUERY: one row a line.
rows() {
	sql "$1" "$2" | sed 's/|/ /g'
}

counter() {
	sql "$1" "SELECT coalesce(sum(value), 0) FROM v_counter WHERE name = '$2'"
}

# expect_markers DB: it holds what the target `markers` has passed.
expect_markers() {
	eq "spans" "$(rows "$1" "SELECT name, count(*), sum(id), min(dur_ns) >= 0, count(DISTINCT tid) FROM v_span GROUP BY name")" \
		"handover $(truth handover) $(($(truth handover) * ($(truth handover) - 1) / 2)) 1 1
session 1 1 1 1
tick_to_trade $(truth tick) $(truth tick_ids) 1 1"
	eq "ticks outside the session" "$(sql "$1" "SELECT count(*) FROM v_span t, v_span s
		WHERE t.name = 'tick_to_trade' AND s.name = 'session'
		AND (t.t_ns < s.t_ns OR t.t_ns + t.dur_ns > s.t_ns + s.dur_ns)")" 0
	eq "spans without end" "$(counter "$1" span_begin_without_end)" "$(truth open)"
	eq "spans without begin" "$(counter "$1" span_end_without_begin)" "$(truth orphan)"
	eq "marks" "$(rows "$1" "SELECT name, count(*), sum(CAST(detail AS INTEGER)) FROM v_mark WHERE name NOT IN ('exit', 'exec', 'late') GROUP BY name")" \
		"a name of sixty bytes, of which forty-seven cou 1 0
fill $(truth fills) $(truth fill_sum)
halt 1 -9223372036854775808
not in memory 1 1"
	eq "phases" "$(rows "$1" "SELECT name, source, end_ns IS (SELECT min(start_ns) FROM v_phase n WHERE n.start_ns > p.start_ns)
		FROM v_phase p ORDER BY start_ns")" $'open_auction marker 1\ncontinuous marker 1\nclosing marker 1'
	eq "pool orders" "$(rows "$1" "SELECT capacity, object_bytes, created_ns > 0 FROM v_pool WHERE name = 'orders'")" "4096 192 1"
	eq "pool orders: use" "$(rows "$1" "SELECT sum(gets), sum(puts), sum(failures), min(in_use_min), max(in_use_max)
		FROM v_pool_use JOIN v_pool USING (pool_id) WHERE name = 'orders'")" \
		"$(truth gets) $(truth puts) $(truth empty) 0 $(truth high)"
	eq "pool orders: events" "$(rows "$1" "SELECT kind, count(*), count(DISTINCT tid) FROM v_pool_event JOIN v_pool USING (pool_id)
		WHERE name = 'orders' AND kind <> 'high_water' GROUP BY kind")" "empty $(truth empty) 1"
}

# expect_old_pool DB: the pool that was created before the recording.
expect_old_pool() {
	eq "old pool" "$(rows "$1" "SELECT name = printf('pool 0x%x', address), address, capacity IS NULL, object_bytes IS NULL, created_ns IS NULL,
		sum(gets), sum(puts), min(in_use_min), max(in_use_max)
		FROM v_pool JOIN v_pool_use USING (pool_id) WHERE name <> 'orders' GROUP BY pool_id")" \
		"1 $(($(truth old_pool))) 1 1 1 101 103 -2 101"
}

# The markers that the last recording has put probes on.
probed() {
	sql "$1" "SELECT count(*) FROM probe WHERE allocator = 'markers'"
}

# lying_copy FILE: of the target `markers`, the first note of which names another address than the marker's.
lying_copy() {
	local at
	cp "$TARGETS/markers" "$1"
	at=$((0x$(readelf -SW "$1" | sed -n 's/.* \.note\.stapsdt *NOTE *[0-9a-f]* \([0-9a-f]*\).*/\1/p') + 20))
	local byte
	byte=$(od -An -tu1 -j $at -N 1 "$1")
	# shellcheck disable=SC2059 # the byte is the format
	printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

# compile COMPILER OPTION...: builds every.c (as C++ by a C++ compiler) without a warning.
compile() {
	local language=c
	[[ $1 != *++ ]] || language="c++"
	"$1" -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$HEADER" "${@:2}" -x $language every.c -x none -o every 2>compile.err ||
		fail "${*}: $(head -n 3 compile.err)"
}

# A program with every marker once, and a library that prints what is told it, as libmpsample.so would be.
write_header_test() {
	cat >every.c <<-'END'
		#include <mpsample.h>
		int main(void)
		{
			volatile int pool = 0; /* or the phase that is not passed is not there */
			MPSAMPLE_SPAN_BEGIN(span, 1u);
			if (pool)
				MPSAMPLE_PHASE("not passed");
			else
				MPSAMPLE_PHASE("phase");
			MPSAMPLE_MARK("mark", -pool);
			MPSAMPLE_POOL_CREATE(&pool, "pool", sizeof(pool), 7);
			MPSAMPLE_POOL_GET(&pool, &pool);
			MPSAMPLE_POOL_PUT(&pool, &pool);
			MPSAMPLE_POOL_EMPTY(&pool);
			MPSAMPLE_COMPONENT_BEGIN("component");
			MPSAMPLE_GAUGE("gauge", -1 - pool);
			MPSAMPLE_COMPONENT_END();
			MPSAMPLE_SPAN_END(span, 1);
			return pool;
		}
	END
	cat >library.c <<-'END'
		#include <stdio.h>
		#include <mpsample.h>
		static unsigned int mode = 1;
		static void tell(unsigned int kind, struct mpsample_name *name, unsigned long long a, unsigned long long b, unsigned long long c)
		{
			printf("%u %s %d %llu %llu\n", kind, name ? name->text : "-", (int)a * (kind <= 3 || kind == 11), kind == 5 ? b : 0, c);
		}
		#ifdef OLD /* as it was without the kinds above 10 */
		struct mpsample_api mpsample_api_v1 = {24, &mode, tell, 13};
		#else
		struct mpsample_api mpsample_api_v1 = {sizeof(mpsample_api_v1), &mode, tell, 13};
		#endif
	END
	gcc -shared -fPIC -I"$HEADER" library.c -o library.so
	gcc -shared -fPIC -DOLD -I"$HEADER" library.c -o old.so
}

readonly TOLD='1 span 1 0 0
4 phase 0 0 0
3 mark 0 0 0
5 pool 0 4 7
6 - 0 0 0
7 - 0 0 0
8 - 0 0 0
12 component 0 0 0
11 gauge -1 0 0
13 - 0 0 0
2 span 1 0 0'

# expect_program HOW TOLD: `every` has its twelve notes, needs nothing but libc, runs, and tells a preloaded library TOLD.
expect_program() {
	eq "$1: notes" "$(readelf -n every | awk '/Provider: mpsample/ { n++ } END { print n }')" 12
	eq "$1: needs" "$(readelf -d every 2>/dev/null | grep -o 'Shared library: .*mpsample.*')" ""
	./every || fail "$1: ends with $?"
	eq "$1: told without a library" "$(./every)" ""
	eq "$1: told" "$(LD_PRELOAD=$WORK/library.so ./every)" "$2"
	eq "$1: told an older library" "$(LD_PRELOAD=$WORK/old.so ./every)" "$(grep -v '^1[0-9]' <<<"$2")"
}

# The arguments that the notes name, in any order.
expect_notes() {
	local a b c d
	[[ $(uname -m) == x86_64 ]] && a=%rdi b=%rsi c=%rdx d=%rcx || a=x0 b=x1 c=x2 d=x3
	eq "notes" "$(readelf -n every | awk '/Name:/ { name = $2 } /Arguments:/ { sub(/.*Arguments: /, ""); print name ": " $0 }' | sort -u)" \
		"component_begin: 8@$a
component_end: 
gauge: 8@$a -8@$b
mark: 8@$a -8@$b
phase: 8@$a
pool_create: 8@$a 8@$b 8@$c 8@$d
pool_empty: 8@$a
pool_get: 8@$a 8@$b
pool_put: 8@$a 8@$b
span_begin: 8@$a 8@$b
span_end: 8@$a 8@$b"
	eq "semaphores" "$(readelf -n every | grep 'Semaphore:' | grep -v 'Semaphore: 0x0*$')" ""
}

check_header() {
	local compiler mode optimize modes=("-fPIE -pie" "-fno-pie -no-pie" "-flto" "-flto -fno-pie -no-pie" "-fvisibility=hidden -ffunction-sections -Wl,--gc-sections")
	! command -v ld.lld >/dev/null || modes+=("-fuse-ld=lld")
	! command -v ld.gold >/dev/null || modes+=("-fuse-ld=gold")

	need_command readelf binutils
	write_header_test
	for compiler in "gcc -std=c11" "g++ -std=c++11" "g++ -std=c++17" "clang -std=c11" "clang++ -std=c++11"; do
		command -v "${compiler%% *}" >/dev/null || continue
		for optimize in -O0 -O2; do
			for mode in "${modes[@]}"; do
				# shellcheck disable=SC2086 # words
				compile $compiler $optimize $mode && expect_program "$compiler $optimize $mode" "$TOLD"
			done
			for mode in -static "-static-pie -fPIE"; do # nothing can be preloaded
				# shellcheck disable=SC2086
				compile $compiler $optimize $mode && expect_program "$compiler $optimize $mode" ""
			done
			# shellcheck disable=SC2086
			compile $compiler $optimize -DMPSAMPLE_DISABLE
			eq "disabled: notes" "$(readelf -n every | grep -c stapsdt)" 0
		done
	done
	# In a shared object; with the other assembler syntax
	compile gcc -O2 -fPIC -shared -Dmain=work && mv every libevery.so
	echo 'int work(void); int main(void) { return work(); }' >main.c
	gcc main.c ./libevery.so -o main
	eq "shared object: told" "$(LD_PRELOAD=$WORK/library.so ./main)" "$TOLD"
	[[ $(uname -m) != x86_64 ]] || { compile gcc -O2 -masm=intel && expect_program "-masm=intel" "$TOLD"; }
	compile gcc -O2
	expect_notes
}

case $CASE in
session | multi | tracefs)
	need_backend "$CASE"
	start_target markers
	record_work s.db --backend "$CASE"
	expect_markers s.db
	expect_old_pool s.db
	eq "calls" "$(calls s.db malloc)" 0
	holds "markers that the target pays for" "$(sql s.db "SELECT sum(events) FROM v_overhead WHERE plane = 'markers' AND cost_ns > 0") >=
		$((2 * $(truth tick) + 2 * $(truth handover) + $(truth fills) + $(truth gets) + $(truth puts)))"
	;;
static)
	need_root
	start_target markers_static
	record_work s.db
	expect_markers s.db
	expect_old_pool s.db
	;;
cxx)
	need_root
	start_target markers_cxx
	record_work s.db
	eq "spans" "$(rows s.db "SELECT name, count(*), sum(id) FROM v_span GROUP BY name")" \
		"match $(truth matched) $(($(truth matched) * ($(truth matched) - 1) / 2))"
	eq "marks" "$(rows s.db "SELECT name, count(*) FROM v_mark GROUP BY name")" "lambda $(truth marked)"
	eq "pool" "$(rows s.db "SELECT name, capacity, object_bytes, sum(gets), sum(puts), max(in_use_max) FROM v_pool JOIN v_pool_use USING (pool_id)")" \
		"objects 8 8 $(truth pooled) $(truth pooled) 1"
	;;
launch)
	need_root
	launch --plane uprobe -o s.db -- "$TARGETS/markers"
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	expect_markers s.db
	eq "the old pool, which was seen to be created" "$(rows s.db "SELECT name, capacity, object_bytes FROM v_pool WHERE name <> 'orders'")" "old 100 64"
	;;
load)
	need_root
	start_target markers --load "$TARGETS/libmarkers_late.so"
	start_recorder -p "$TARGET" -o s.db
	go
	wait_done
	go
	wait_line target.out '^called' "$TARGET"
	wait_line recorder.err 'more probes, first .*mpsample:mark' "$RECORDER"
	go
	until [[ $(grep -c '^called' target.out) == 2 ]]; do sleep 0.02; done
	stop_recorder
	end_target
	expect_markers s.db
	eq "marks of the module, passed since it was seen" "$(rows s.db "SELECT count(*), sum(detail) FROM v_mark WHERE name = 'late'")" "3 3"
	;;
lies)
	need_root
	start_target markers
	record_work s.db
	lying_copy lying
	start_target ./lying
	record_work lying.db
	eq "markers probed" "$(probed lying.db)" $(($(probed s.db) - 1))
	eq "marks" "$(rows lying.db "SELECT count(*) FROM v_mark WHERE name = 'fill'")" "$(truth fills)"
	;;
header) check_header ;;
esac
[[ $CASE == header ]] || nothing_lost s.db

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `blocks` knows which of its blocks live, by site, and who released them.
#   all       every block followed by the library: all of it exact, also which releases were of older blocks
#   probes    the same by probes;  probes_some: drawn from them
#   some      drawn by size: the intervals of live bytes, live blocks and what was born hold the truth (four standard errors,
#             so that a right program fails once in some thousand runs of this test)
#   small     rings so small that calls are lost: lost births and ends are counted, none that is drawn is alive by mistake
#   exec      another program takes the place of the first: what lived in that is not alive
#   flat      live blocks come and go: no growth is told;  leak: it is told, with its site
#   retention a session of limited size: rows give way to others, sums stay
#   off       none
# beside others
# cases: all probes probes_some some small exec flat leak retention off
source "${BASH_SOURCE[0]%/*}/lib.sh"

library=(env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=262144)
sites="site_big site_grow site_leak site_queue site_zero"

course() { # ROUNDS REST_US OPTION...
	start_target "${library[@]}" "$TARGETS/blocks" "$1" "$2"
	record_work s.db --force "${@:3}"
}

block() { # COLUMNS CONDITION
	sql s.db "SELECT $1 FROM v_block WHERE $2"
}

all_is_exact() {
	for site in $sites; do
		eq "born at $site" "$(block "count(*)" "site = '$site'")" "$(truth ${site}_born)"
		eq "live at $site" "$(block "count(*), coalesce(sum(size_bytes), 0)" "site = '$site' AND ended = 'alive'")" \
			"$(truth ${site}_live)|$(truth ${site}_bytes)"
	done
	eq "weights" "$(block "DISTINCT weight" 1)" 1.0
	eq "ends that nobody told" "$(block "count(*)" "ended = 'lost'")" 0
	eq "released by another thread" "$(block "site, count(*)" "free_tid <> tid GROUP BY 1")" "site_queue|$(truth crossed)"
	eq "moved by realloc" "$(block "site, count(*)" "ended = 'moved' GROUP BY 1")" "site_grow|$(($(truth site_grow_born) / 2))"
	older=$(sql s.db "SELECT sum(value) FROM v_counter WHERE name = 'frees_of_older_blocks'")
	# What ends with the thread was born before go; the library is not called for what libc keeps of a thread.
	holds "of older blocks: $older" "$older >= $(truth older) AND $older <= $(truth older) + ${1:+20 +} 0"
	eq "live at the last slot" "$(sql s.db "SELECT CAST(sum(live_objects) AS INTEGER), CAST(sum(live_bytes) AS INTEGER), sum(bytes_variance)
		FROM v_live WHERE slot_ns = (SELECT max(slot_ns) FROM v_slot)")" "$(truth live)|$(truth bytes)|0"
	eq "two in one place at a time" "$(sql s.db "SELECT count(*) FROM block a JOIN block b ON b.addr = a.addr AND b.block_id <> a.block_id
		WHERE b.born_ns >= a.born_ns AND b.born_ns < coalesce(a.died_ns, b.born_ns + 1)")" 0
	eq "lost" "$(sql s.db "SELECT source, sum(lost) FROM v_loss WHERE what <> 'events' GROUP BY 1")" ""
}

report() { # JSON path of what report heap says
	"$MPSAMPLE" report heap s.db --format json --limit 0 >heap.json || die "report heap"
	sqlite3 -batch :memory: "SELECT json_extract(readfile('heap.json'), '$1')"
}

sentences() {
	"$MPSAMPLE" report heap s.db --format csv --table sentences "$@" | tail -n +2
}

# inside WHAT ESTIMATE VARIANCE TRUTH
inside() {
	holds "$1: $2 within 4 x root of $3 of $4" "($2 - $4) * ($2 - $4) <= 16 * $3 + 0.5"
}

# Of sites with so many rows that the stated variance says something.
sample_is_right() {
	for site in $sites; do
		inside "born at $site" $(block "total(weight)" "site = '$site'") \
			$(block "total(weight * (weight - 1))" "site = '$site'") "$(truth ${site}_born)"
		[[ $site == site_leak || $site == site_big ]] || continue
		inside "live bytes of $site" $(block "total(weight * size_bytes)" "site = '$site' AND ended = 'alive'") \
			$(block "total(weight * (weight - 1) * size_bytes * size_bytes)" "site = '$site' AND ended = 'alive'") \
			"$(truth ${site}_bytes)"
		inside "live blocks of $site" $(block "total(weight)" "site = '$site' AND ended = 'alive'") \
			$(block "total(weight * (weight - 1))" "site = '$site' AND ended = 'alive'") "$(truth ${site}_live)"
	done
}

case $CASE in
all)
	course 1500 200 --track all
	all_is_exact
	eq "live bytes in the report" "$(report '$.tables.tracked[0].live_bytes'),$(report '$.tables.tracked[0].error_bytes')" "$(truth bytes),0"
	eq "older" "$(report '$.tables.tracked[0].older_frees')" "$(truth older)"
	eq "sites in the report" "$(sqlite3 -batch :memory: "SELECT json_extract(value, '$.site'), json_extract(value, '$.live_bytes'),
		json_extract(value, '$.kept_share') = 1 FROM json_each(readfile('heap.json'), '$.tables.sites')
		WHERE json_extract(value, '$.live_bytes') > 0")" \
		"site_big|$(truth site_big_bytes)|0
site_leak|$(truth site_leak_bytes)|1
site_queue|$(truth site_queue_bytes)|0
site_grow|640|0"
	eq "crossed" "$(sqlite3 -batch :memory: "SELECT json_extract(value, '$.crossed_share') FROM json_each(readfile('heap.json'), '$.tables.sites')
		WHERE json_extract(value, '$.site') = 'site_queue'")" 1.0
	;;
probes)
	need_backend session
	start_target "$TARGETS/blocks" 1000 200
	record_work s.db --track all --backend session
	all_is_exact probes
	;;
probes_some)
	need_backend session
	start_target "$TARGETS/blocks" 2000 200
	record_work s.db --track 4096 --backend session
	sample_is_right
	holds "fewer rows than blocks" "$(block "count(*)" 1) < $(truth site_zero_born) / 2"
	one_line_error 2 "$MPSAMPLE" record -p "$TARGET" -o x.db --track 4096 --probe slow
	;;
some)
	course 100000 0 --track 16384
	sample_is_right
	holds "fewer rows than blocks" "$(block "count(*)" 1) < $(truth site_zero_born) / 10"
	eq "ends that nobody told" "$(block "count(*)" "ended = 'lost'")" 0
	holds "older frees" "abs($(report '$.tables.tracked[0].older_frees') - $(truth older)) <= 2 * $(report '$.tables.tracked[0].older_frees_error')"
	;;
small)
	library=(env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=64)
	course 100000 0 --track 1 --full
	holds "calls were lost" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE source = 'preload ring'") > 0"
	eq "alive though released" "$(block "count(*)" "ended = 'alive' AND site = 'site_zero'")" 0
	holds "alive at site_queue" "$(block "count(*)" "ended = 'alive' AND site = 'site_queue'") <= $(truth site_queue_live)"
	holds "alive at site_grow" "$(block "count(*)" "ended = 'alive' AND site = 'site_grow'") <= 1"
	eq "what was lost of blocks is told" "$(block "count(*)" "ended = 'lost'")" \
		"$(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source = 'ends of followed blocks'")"
	course 20000 0 --track all
	holds "calls were lost" "$(sql s.db "SELECT sum(lost) FROM v_loss WHERE source = 'preload ring'") > 0"
	contains "the report says so" "$(sentences)" "calls were LOST"
	;;
exec)
	launch -o s.db --follow-forks --track 64 -- sh -c "read line; exec $TARGETS/blocks 2000 0"
	go
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	eq "alive, of the shell" "$(block "count(*)" "ended = 'alive' AND site NOT GLOB 'site_*' AND born_ns < (SELECT min(t_ns) FROM v_mark WHERE name = 'exec')")" 0
	inside "live bytes of site_leak" $(block "total(weight * size_bytes)" "site = 'site_leak' AND ended = 'alive'") \
		$(block "total(weight * (weight - 1) * size_bytes * size_bytes)" "site = 'site_leak' AND ended = 'alive'") "$(truth site_leak_bytes)"
	;;
flat)
	start_target "${library[@]}" "$TARGETS/blocks" 10000 100 0
	record_work s.db --track 4096
	eq "growth" "$(sentences | grep -c "grows by")" 0
	holds "there are blocks" "$(block "count(*)" 1) > 100"
	;;
leak)
	course 10000 100 --track 4096
	# Until the last block was born: what the recorder takes to stop is no part of the growth.
	to=$(sql s.db "SELECT (max(born_ns) - (SELECT value FROM session WHERE key = 'start_ns')) / 1e9 FROM v_block")
	contains "growth" "$(sentences --to "$to")" "grows by "
	contains "its site" "$(sentences --to "$to")" "site_leak holds "
	;;
retention)
	course 30000 50 --track all --max-size 16M
	sites="site_grow site_leak site_queue site_zero" # of two large blocks one may be gone
	sample_is_right
	holds "rows gave way" "$(sql s.db "SELECT coalesce(sum(rows), 0) FROM v_thinned WHERE name = 'block'") > 0"
	holds "the file is small" "$(stat -c %s s.db) <= 16 << 20"
	;;
off)
	course 100 0 --track off
	eq "blocks" "$(block "count(*)" 1)" 0
	contains "the report says how" "$(sentences)" "no blocks were followed"
	;;
esac

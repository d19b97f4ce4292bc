#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `heap` knows what of its memory is free, in how many pieces: by its own pattern, and by glibc's mallinfo2(). What is
# seen from outside is that, to the byte; with blocks in thread caches, which glibc counts as used.
#   plain     two arenas, by probes; asked for what does not fit; then caches and fast bins
#   nocache   thread caches turned off
#   heaps     arenas of several heaps
#   foreign   memory that others took by sbrk()
#   static    a program without libc.so.6, by its structure alone
#   preload   by the library
#   busy      a heap that changes all the time: looks come to something, and nothing impossible
#   off       --heap off
# beside others
# cases: plain nocache heaps foreign static preload busy off
source "${BASH_SOURCE[0]%/*}/lib.sh"

command=(heap) options=() foreign=0
case $CASE in
nocache) export GLIBC_TUNABLES=glibc.malloc.tcache_count=0 ;;
heaps) command=(heap 70000) ;;
foreign) command=(heap 2000 123456) foreign=123456 ;;
static) command=(heap_static) ;;
preload) command=(env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/heap") options=(--plane preload) ;;
esac
[[ $CASE == preload || $CASE == busy ]] || need_root

# Looks that have begun after now.
wait_looks() {
	local deadline=$((SECONDS + GUARD_S)) from

	from=$(awk '{ printf "%.0f", $1 * 1e9 }' /proc/uptime)
	until [[ $(sqlite3 -batch s.db "SELECT count(*) > 0 AND min(n) > 1 FROM (SELECT count(h.t_ns) AS n FROM v_pool p
		LEFT JOIN v_pool_heap h ON h.pool_id = p.pool_id AND h.t_ns > $from GROUP BY p.pool_id)" 2>/dev/null) == 1 ]]; do
		((SECONDS < deadline)) || die "no looks within $GUARD_S s"
		sleep 0.1
	done
	sqlite3 -batch -header s.db "SELECT * FROM v_pool JOIN v_pool_heap USING (pool_id) ORDER BY t_ns DESC LIMIT 2"
}

latest() { # EXPRESSION [CONDITION]: over the last look at each arena
	sql s.db "SELECT $1 FROM v_pool p JOIN v_pool_heap h USING (pool_id)
		WHERE t_ns = (SELECT max(t_ns) FROM v_pool_heap l WHERE l.pool_id = h.pool_id) AND ${2:-1}"
}

nothing_impossible() {
	eq "impossible figures" "$(sql s.db "SELECT count(*) FROM v_pool_heap WHERE used_bytes + free_bytes <> total_bytes OR used_bytes < 0
		OR largest_free_bytes > free_bytes OR unfit_bytes > free_bytes OR (free_pieces = 0) <> (free_bytes = 0)")" 0
}

# agrees PREFIX EXTRA_BYTES EXTRA_PIECES: with mallinfo2(), but for blocks in thread caches.
agrees() {
	eq "$1: total" "$(latest 'sum(total_bytes)')" $(($(truth "$1_total") - foreign))
	eq "$1: free" "$(latest 'sum(free_bytes)')" $(($(truth "$1_free") + $2))
	eq "$1: pieces" "$(latest 'sum(free_pieces)')" $(($(truth "$1_pieces") + $3))
}

pattern() {
	local blocks chunk pieces cached_bytes=0 cached_pieces=0

	start_target "${command[@]}"
	blocks=$(truth blocks) chunk=$(truth chunk) pieces=$((blocks / 2))
	start_recorder -p "$TARGET" -o s.db "${options[@]}"
	go
	wait_line target.out '^rest 1' "$TARGET"
	wait_looks
	# What a program's start leaves in the cache is there before and after.
	[[ $CASE == nocache ]] || cached_bytes=$(($(latest 'sum(free_bytes)') - $(truth asked_free)))
	[[ $CASE == nocache ]] || cached_pieces=$(($(latest 'sum(free_pieces)') - $(truth asked_pieces)))
	holds "bytes in the cache before: $cached_bytes" "$cached_bytes BETWEEN 0 AND 20000"
	agrees asked "$cached_bytes" "$cached_pieces"
	eq "arenas" "$(latest 'group_concat(name || coalesce(source, 0))')" "glibc heapglibc,glibc arena 2glibc"
	# The pattern and the top; in several heaps, what was left of each.
	holds "pieces of the thread's arena" "$(latest free_pieces "name = 'glibc arena 2'") BETWEEN $pieces + 1 AND $pieces + (
		SELECT $(latest "(total_bytes + 67108863) / 67108864" "name = 'glibc arena 2'"))"
	holds "bytes of it" "$(latest "free_bytes - largest_free_bytes" "name = 'glibc arena 2'") >= ($pieces - 1) * $chunk"
	# All that is asked for needs more than a piece of the pattern: what fits is the top and what the start has left.
	holds "unfit: the pattern" "$(latest 'sum(unfit_bytes)') BETWEEN 0.98 * 2 * $pieces * $chunk AND 2 * $pieces * $chunk + 20000"
	go
	wait_line target.out '^rest 2' "$TARGET"
	wait_looks
	if [[ $CASE != nocache ]]; then
		cached_bytes=$((cached_bytes + $(truth extra_bytes)))
		cached_pieces=$((cached_pieces + $(truth extra_pieces)))
	fi
	agrees cached "$cached_bytes" "$cached_pieces"
	stop_recorder
	end_target
	nothing_impossible
	eq "torn looks of a heap at rest" "$(sql s.db "SELECT coalesce(sum(value), 0) FROM v_counter WHERE name = 'heap_looks_torn'")" 0
}

busy() {
	export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/threads" 4 2
	start_recorder -p "$TARGET" -o s.db --plane preload
	go
	wait_done
	stop_recorder
	end_target
	sql s.db "SELECT name, sum(value) FROM v_counter WHERE name GLOB 'heap*' GROUP BY 1"
	holds "looks that came to something" "$(sql s.db "SELECT count(*) FROM v_pool_heap") > 0"
	nothing_impossible
}

off() {
	start_target heap
	start_recorder -p "$TARGET" -o s.db --heap off
	go
	wait_line target.out '^rest 1' "$TARGET"
	go
	wait_done
	stop_recorder
	end_target
	eq "pools with --heap off" "$(sql s.db "SELECT count(*) FROM v_pool")" 0
	eq "looks" "$(sql s.db "SELECT count(*) FROM v_counter WHERE name GLOB 'heap*'")" 0
}

case $CASE in
busy) busy ;;
off) off ;;
*) pattern ;;
esac

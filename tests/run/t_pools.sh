#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: what a pool with a known course did is what is recorded (tests/targets/pools.c), by markers in both planes and by
# the functions that an INI file names, with one thread and with eight; and pools of libraries that need no file.
#   marked preload tracefs   by markers          functions multi   by an INI file (backend session, multi)
#   threads   8 threads, markers and functions   beside      functions while the library counts calls
#   full      a ring that is too small: what is in use stays right, and the rest is counted as lost
#   withdrawn   those that cost more than the budget bears are left alone
#   bulk      many objects at once, and failures that a status tells (tests/targets/pools_bulk.c)
#   bulk_full   the same while nobody empties the ring
#   pmr apr glib dpdk   pools of libstdc++, APR, GLib and DPDK, with no file
# beside others
# cases: marked preload tracefs functions multi beside threads full bulk bulk_full pmr apr glib dpdk withdrawn
source "${BASH_SOURCE[0]%/*}/lib.sh"

cat >pools.ini <<'END'
[pool orders]
create = pool_init(pool=arg0, capacity=arg2, object_bytes=96)
get    = pool_acquire(pool=arg0, ptr=ret)
put    = pool_release(pool=arg0, ptr=arg1)
destroy = pool_fini(pool=arg0)
END

cat >bulk.ini <<'END'
[pool bulk]
create = bulk_init(pool=arg0, capacity=u32(arg2), name=str@arg0)
get = pointer:bulk_ops+0x28:48:3(pool=arg0, count=u32(arg2), failure=negative)
put = pointer:bulk_ops+32:48:3(pool=arg0, count=u32(arg2), failure=negative)
object_bytes = 96
[pool burst]
get = burst_get(pool=arg0, count=s32(ret))
put = burst_put(pool=arg0, count=s32(arg2))
name = str@arg0
[pool blocks]
get = blocks_get(pool=arg0, count=u32(arg1), failure=null)
put = blocks_put(pool=arg0, count=u32(arg2))
[pool single]
latency = no
get = single_get(pool=arg0, ptr=u64@arg1, failure=false)
put = one_put(ptr=arg1)
[pool coded]
get = coded_get(pool=arg0, ptr=u64@arg1, failure=nonzero)
put = one_put(ptr=arg1)
[pool chain]
get = chain_get(pool=arg0, ptr=ret)
put = chain_put(pool=arg0, ptr=arg1, next=0)
END

# rows DB QUERY: one row a line.
rows() {
	sql "$1" "$2" | sed 's/|/ /g'
}

# expect_pools DB THREADS: the pool `orders`, the first, is what the target says.
expect_pools() {
	local orders="pool_id = 1" cross=$(truth cross)
	eq "the pools" "$(rows "$1" "SELECT pool_id, capacity, object_bytes, created_ns > 0, destroyed_ns > created_ns FROM v_pool ORDER BY pool_id")" \
		$'1 64 96 1 \n2 8 96 1 1'
	eq "orders" "$(rows "$1" "SELECT gets, puts, failures, in_use, in_use_max, double_puts, foreign_puts, older_puts, lost
		FROM v_pool_sum WHERE $orders")" \
		"$(($(truth gets))) $(truth puts) $(truth failures) $(truth left) $(truth high) $(truth double) $(truth foreign) 0 0"
	eq "puts by other threads" "$(sql "$1" "SELECT cross_puts FROM v_pool_sum WHERE $orders")" "$cross"
	eq "by slot" "$(rows "$1" "SELECT sum(gets), sum(puts), sum(failures), max(in_use_max), min(in_use_min) FROM v_pool_use WHERE $orders")" \
		"$(truth gets) $(truth puts) $(truth failures) $(truth high) 0"
	eq "at the end of the last slot" "$(sql "$1" "SELECT in_use_last FROM v_pool_use WHERE $orders ORDER BY slot_ns DESC LIMIT 1")" "$(truth left)"
	eq "findings" "$(rows "$1" "SELECT kind, count(*) FROM v_pool_event WHERE $orders AND kind <> 'high_water' GROUP BY kind")" \
		"double_put $(truth double)
empty $(truth failures)
foreign_put $(truth foreign)"
	eq "objects free at a failure" "$(sql "$1" "SELECT max(n) FROM v_pool_event WHERE $orders AND kind = 'empty'")" 0
	eq "high water" "$(rows "$1" "SELECT max(n), max(t_ns) = (SELECT in_use_max_t_ns FROM v_pool_sum WHERE $orders) FROM v_pool_event
		WHERE $orders AND kind = 'high_water'")" "$(truth high) 1"
	eq "held at the high water, and at the end" "$(rows "$1" "SELECT sum(at_high_water), sum(held), sum(gets) FROM v_pool_site WHERE $orders")" \
		"$(truth high) $(truth left) $(truth gets)"
	eq "holds that ended" "$(rows "$1" "SELECT sum(count), (SELECT sum(holds) FROM v_pool_site WHERE $orders) FROM v_pool_latency
		WHERE $orders AND what = 'hold'")" \
		"$(($(truth gets) - $(truth left))) $(($(truth gets) - $(truth left)))"
	eq "threads that took" "$(sql "$1" "SELECT threads FROM v_pool_sum WHERE $orders")" "$(($2 + 1))"
	# 64 objects of 96 bytes, one behind the other: 6144 bytes.
	holds "lines and pages" "$(sql "$1" "SELECT objects = 64 AND lines BETWEEN 96 AND 97 AND lines_least = 96 AND pages BETWEEN 2 AND 3
		AND pages_least = 2 FROM v_pool_sum WHERE $orders") == 1"
	eq "late" "$(rows "$1" "SELECT gets, puts, in_use, in_use_max FROM v_pool_sum WHERE pool_id = 2")" "3 0 3 3"
	eq "late: not returned" "$(rows "$1" "SELECT kind, n FROM v_pool_event WHERE pool_id = 2 AND kind = 'not_returned'")" "not_returned 3"
	eq "loss" "$(sql "$1" "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source LIKE '%pool%' OR source LIKE '%marker%'")" 0
}

# A stack is used last in, first out, by one thread.
expect_order() {
	eq "reuses are of what was put back last" "$(sql "$1" "SELECT reuses > 30 AND lifo_reuses = reuses AND reuse_depth_p50 = 0
		FROM v_pool_sum WHERE pool_id = 1")" 1
}

# Where functions are probed, each call took a time.
expect_durations() {
	eq "gets and puts that took a time" "$(rows "$1" "SELECT what, sum(count) FROM v_pool_latency WHERE what <> 'hold' AND pool_id = 1 GROUP BY what")" \
		"get $(($(truth gets) + $(truth failures)))
put $(truth puts)"
}

# record_pools THREADS ROUNDS TARGET OPTION...: one recording of the course.
record_pools() {
	start_target "$3" "$1" "$2"
	record_work s.db --heap off "${@:4}"
}

case $CASE in
marked)
	need_root
	record_pools 1 25 pools_marked
	expect_pools s.db 1
	expect_order s.db
	eq "a site's stack leads to main" "$(sql s.db "SELECT count(*) > 0 FROM v_pool_site JOIN v_stack USING (stack_id) WHERE function = 'main'")" 1
	;;
preload)
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/pools_marked" 1 25
	record_work s.db --heap off
	expect_pools s.db 1
	expect_order s.db
	;;
tracefs)
	need_backend tracefs
	record_pools 1 25 pools_marked --backend tracefs
	expect_pools s.db 1
	;;
functions | multi)
	need_backend multi
	backend=$CASE
	[[ $CASE == multi ]] || backend=auto
	record_pools 1 25 pools --backend $backend --pools pools.ini
	expect_pools s.db 1
	expect_order s.db
	expect_durations s.db
	eq "sites" "$(sql s.db "SELECT group_concat(DISTINCT replace(site, rtrim(site, 'abcdefghijklmnopqrstuvwxyz_'), '')) FROM v_pool_site WHERE pool_id = 2")" main
	;;
beside)
	need_root
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/pools" 1 25
	record_work s.db --heap off --pools pools.ini
	expect_pools s.db 1
	expect_durations s.db
	;;
threads)
	need_root
	record_pools 8 400 pools_marked
	expect_pools s.db 8
	record_pools 8 400 pools --pools pools.ini --force
	expect_pools s.db 8
	expect_durations s.db
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/pools_marked" 8 400
	record_work s.db --heap off --force
	expect_pools s.db 8
	;;
pmr)
	need_root
	start_target pools_pmr
	record_work s.db
	pools=$(rows s.db "SELECT gets, puts, in_use_max, in_use, double_puts + foreign_puts + older_puts FROM v_pool_sum JOIN v_pool USING (pool_id)
		WHERE source = 'pmr' ORDER BY pool_id")
	eq "the pools" "$pools" "$(truth orders_gets) $(truth orders_gets) $(truth orders_high) 0 0
$(truth messages_gets) $(truth messages_gets) $(truth messages_high) 0 0
$(truth ticks) 0 $(truth ticks_high) 0 0"
	eq "findings" "$(sql s.db "SELECT count(*) FROM v_pool_event WHERE kind <> 'high_water'")" 0
	eq "bytes" "$(rows s.db "SELECT in_use_bytes_max FROM v_pool_sum ORDER BY pool_id")" \
		"$(($(truth orders_high) * 96))
$(($(truth messages_high) * 256))
$(($(truth ticks_high) * 40))"
	;;
apr)
	need_root
	[[ -x $TARGETS/pools_apr ]] || skip "no libapr1-dev"
	start_target pools_apr
	record_work s.db
	eq "all pools" "$(rows s.db "SELECT count(*), sum(gets), sum(in_use), sum(destroyed_ns > created_ns) FROM v_pool_sum JOIN v_pool USING (pool_id)
		WHERE source = 'apr'")" "$(truth pools) $(truth gets) 0 $(truth pools)"
	eq "the large ones" "$(rows s.db "SELECT gets, in_use_max FROM v_pool_sum JOIN v_pool USING (pool_id)
		WHERE source = 'apr' ORDER BY gets DESC LIMIT 2")" "$(truth messages) $(truth messages_high)
$(truth orders) $(truth orders)"
	eq "bytes" "$(sql s.db "SELECT max(in_use_bytes_max) FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'apr'")" "$(truth bytes)"
	;;
glib)
	need_root
	[[ -x $TARGETS/pools_glib ]] || skip "no libglib2.0-dev"
	start_target pools_glib
	record_work s.db
	[[ $(sql s.db "SELECT count(*) FROM v_pool WHERE source = 'glib'") != 0 ]] || skip "$(grep -m1 -i glib recorder.err || echo "this GLib has no slices")"
	eq "by size" "$(rows s.db "SELECT object_bytes, gets, puts, in_use FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'glib'
		AND object_bytes IN (48, 128) ORDER BY 1")" \
		"48 $(truth orders_gets) $(truth orders_puts) $(($(truth orders_gets) - $(truth orders_puts)))
128 $(truth messages_gets) $(truth messages_gets) 0"
	eq "lists, whose elements are put back as chains" "$(rows s.db "SELECT object_bytes, gets, puts, in_use, in_use_max, double_puts +
		foreign_puts FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'glib' AND object_bytes IN (16, 32) ORDER BY 1")" \
		"16 $(truth single) $(($(truth single) - $(truth kept))) $(truth kept) $(truth single) 0
32 $(truth list) $(truth list) 0 $(truth list) 0"
	eq "loss" "$(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss")" 0
	;;
dpdk)
	need_root
	[[ -x $TARGETS/pools_dpdk ]] || skip "no libdpdk-dev"
	start_target pools_dpdk
	record_work s.db --heap off
	eq "orders" "$(rows s.db "SELECT name, capacity, object_bytes, gets, puts, failures, in_use, in_use_max, created_ns > 0
		FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'dpdk' AND name = 'orders'")" \
		"orders $(truth capacity) $(truth object_bytes) $(truth gets) $(truth puts) $(truth failures) $(truth left) $(truth high) 1"
	eq "packets: what has left the pool" "$(rows s.db "SELECT name, capacity, object_bytes, gets - puts, in_use, failures
		FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'dpdk' AND name = 'packets'")" \
		"packets $(truth packets) $(truth packets_bytes) $(truth packets_left) $(truth packets_left) 0"
	eq "one that was there before" "$(rows s.db "SELECT capacity, object_bytes, created_ns, gets, puts, in_use
		FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE source = 'dpdk' AND name = 'early'")" \
		"$(truth early) $(truth early_bytes)  $(truth early_gets) $(truth early_puts) $(($(truth early_gets) - $(truth early_puts)))"
	eq "findings" "$(sql s.db "SELECT count(*) FROM v_pool_event WHERE kind NOT IN ('high_water', 'empty')")" 0

	# A command that was just started has not filled the table of drivers yet.
	launch -o l.db --heap off --plane uprobe -- "$TARGETS/pools_dpdk"
	wait_ready
	until [[ $(sql l.db "SELECT count(*) > 0 FROM v_probe WHERE op = 'pool'") == 1 ]]; do
		kill -0 "$RECORDER" || die "the recorder has ended"
		sleep 0.1
	done
	go
	wait_done
	end_launched
	eq "orders, launched" "$(rows l.db "SELECT gets, puts, failures, in_use, in_use_max FROM v_pool_sum JOIN v_pool USING (pool_id)
		WHERE source = 'dpdk' AND name = 'orders'")" "$(truth gets) $(truth puts) $(truth failures) $(truth left) $(truth high)"
	;;
withdrawn)
	need_root
	EVERY_CALL=()
	start_target pools_pmr often
	record_work s.db --heap off
	eq "withdrawn" "$(sql s.db "SELECT count(*) FROM v_mark WHERE name = 'pool profiles withdrawn'")" 1
	contains "said so" "$(<recorder.err)" "are not followed any more"
	holds "soon" "$(sql s.db "SELECT sum(events) FROM v_overhead WHERE plane = 'pools'") < 200000"
	;;
bulk)
	need_root
	for course in "1 3" "8 150"; do
		start_target pools_bulk ${course% *} ${course#* }
		record_work s.db --heap off --pools bulk.ini --force
		for pool in bulk burst blocks single coded chain; do
			eq "$pool" "$(rows s.db "SELECT replace(name, ' one', ''), gets, puts, failures, in_use, in_use_max, coalesce(double_puts, 0) + foreign_puts + older_puts + lost
				FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE name IN ('$pool', '$pool one')")" "$(grep "^$pool " target.out) 0"
		done
		eq "names" "$(sql s.db "SELECT group_concat(name) FROM (SELECT name FROM v_pool WHERE source = 'bulk.ini' ORDER BY name)")" \
			"blocks,bulk one,burst one,chain,coded,single"
		eq "bulk by slot" "$(rows s.db "SELECT sum(gets), sum(puts), sum(failures), max(in_use_max) FROM v_pool_use JOIN v_pool USING (pool_id)
			WHERE name = 'bulk one'")" "$(awk '$1 == "bulk" { print $2, $3, $4, $6 }' target.out)"
		eq "sites" "$(sql s.db "SELECT sum(gets) FROM v_pool_site JOIN v_pool USING (pool_id) WHERE name = 'bulk one'")" "$(truth bulk)"
		eq "durations of calls" "$(sql s.db "SELECT sum(count) FROM v_pool_latency JOIN v_pool USING (pool_id) WHERE name = 'bulk one' AND what = 'get'")" \
			"$(truth bulk_calls)"
		eq "free when 16 and 1 were refused, and none was hidden" "$(rows s.db "SELECT group_concat(n), (SELECT hidden_failures FROM v_pool_sum
			JOIN v_pool USING (pool_id) WHERE name = 'bulk one') FROM (SELECT n FROM v_pool_event JOIN v_pool USING (pool_id)
			WHERE name = 'bulk one' AND kind = 'empty' ORDER BY t_ns)")" "8,0 0"
		eq "a chain that led out of memory" "$(rows s.db "SELECT source, sum(lost) FROM v_loss WHERE lost GROUP BY source")" \
			"chains of objects that were not read to their end 1"
		eq "what nobody told is not known" "$(sql s.db "SELECT count(*) FROM v_pool_sum JOIN v_pool USING (pool_id) WHERE name LIKE 'b%'
			AND double_puts IS NULL AND cross_puts IS NULL AND lifo_reuses IS NULL AND objects IS NULL AND lines IS NULL")" 3
		eq "other findings" "$(sql s.db "SELECT count(*) FROM v_pool_event WHERE kind NOT IN ('high_water', 'empty')")" 0
	done
	;;
bulk_full)
	need_root
	start_target pools_bulk 8 20000
	start_recorder -p "$TARGET" -o s.db --heap off --pools bulk.ini
	kill -STOP "$RECORDER"
	go
	wait_done
	kill -CONT "$RECORDER"
	stop_recorder
	end_target
	eq "gets and puts, also those that were lost" "$(rows s.db "SELECT gets, puts, in_use FROM v_pool_sum JOIN v_pool USING (pool_id)
		WHERE name = 'bulk one'")" "$(awk '$1 == "bulk" { print $2, $3, $5 }' target.out)"
	holds "some were" "$(sql s.db "SELECT max(lost) FROM v_pool_sum") > 0"
	eq "what only looks wrong is no finding" "$(sql s.db "SELECT count(*) FROM v_pool_event WHERE kind LIKE 'double%' OR kind LIKE 'foreign%'")" 0
	;;
full)
	start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=64 "$TARGETS/pools_marked" 4 20000
	record_work s.db --heap off
	eq "gets and puts, also those that were lost" "$(rows s.db "SELECT gets, puts, in_use FROM v_pool_sum WHERE pool_id = 1")" \
		"$(truth gets) $(truth puts) $(($(truth gets) - $(truth puts)))"
	holds "some were" "$(sql s.db "SELECT lost FROM v_pool_sum WHERE pool_id = 1") > 0"
	eq "what only looks wrong is no finding" "$(sql s.db "SELECT count(*) FROM v_pool_event WHERE kind LIKE 'double%' OR kind LIKE 'foreign%'")" 0
	;;
esac

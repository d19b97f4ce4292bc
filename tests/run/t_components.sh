#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the allocations of `orders` are of the components that their sites, sizes and threads say.
#   recorded   by `record --components`, in both planes     again   other rules, for a session that is there
#   later      recorded without names: the rules are applied again when the names come
#   live       what each component has alive, of the blocks of a program that knows them (tests/targets/blocks.c)
#   gauge      what a program counts, read from its memory, and how what is alive grows with it
#   scoped     what a program says itself, by markers of components and gauges, over the rules; by each plane
#   told       how what is alive in such a component grows with such a gauge; a million values a second
#   refused    what is no file of rules, before the target is touched; a session that is as it was then
# beside others
# cases: recorded_preload recorded_uprobe again later live gauge scoped_preload scoped_session scoped_multi scoped_tracefs told refused
source "${BASH_SOURCE[0]%/*}/lib.sh"

cat >rules.ini <<-'END'
	[component sites]
	function = site_a
	[component big]
	function = site_b site_c       ; the first of these that is true
	size     = 150-
	[component sites too]
	function = site_b
	file     = orders.c
	[component nobody]
	thread   = somebody*
	[component orders]
	thread   = order?
	module   = orders
	size     = 1-
END

record_orders() { # PLANE OPTION...
	local library=()
	[[ $1 == uprobe ]] || library=(env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=65536)
	start_target "${library[@]}" "$TARGETS/orders" 200
	record_work o.db --sample-every 4 --plane "$@"
}

# What the rules say, without them. Frames outside the program decide nothing here.
are_right() {
	local c="FROM v_call WHERE op = 'malloc' AND site"
	eq "sites" "$(count sites)" "$(sql o.db "SELECT (SELECT count(*) $c = 'site_a') + (SELECT count(*) $c = 'site_b' AND size_bytes < 150)")"
	eq "big" "$(count big)" "$(sql o.db "SELECT count(*) $c IN ('site_b', 'site_c') AND size_bytes >= 150")"
	eq "orders" "$(count orders)" "$(sql o.db "SELECT count(*) $c = 'site_c' AND size_bytes < 150")"
	eq "nobody" "$(count nobody)" 0
	holds "there are such" "$(count sites) > 0 AND $(count big) > 0 AND $(count orders) > 0"
	eq "frees, which have no size" "$(sql o.db "SELECT count(*) FROM v_call WHERE op = 'free' AND component <> 'other'")" 0
	eq "each is of one" "$(sql o.db "SELECT sum(rows) FROM v_component")" "$(sql o.db "SELECT count(*) FROM v_call")"
	eq "none is of no component" "$(sql o.db "SELECT count(*) FROM v_call WHERE component IS NULL")" 0
}

# by_size: the mallocs of the target `scopes`, by component and size; its frees.
by_size() {
	sql o.db "SELECT coalesce(component, '-'), size_bytes, count(*) FROM v_call WHERE op = 'malloc'
			AND size_bytes IN (100, 110, 200, 210, 300, 600, 610, 700, 710) GROUP BY 1, 2
		UNION ALL SELECT component, op, count(*) FROM v_call WHERE op = 'free' AND component = 'positions'
		ORDER BY 2, 1" | sed 's/|/ /g'
}

# expect_scopes RULED OTHER: what the rules say of 100 bytes, and of other sizes.
expect_scopes() {
	eq "mallocs by component" "$(by_size)" "$1 100 $(truth ruled)
$2 110 $(truth plain)
order_book 200 $(truth book)
order_book 210 $(truth book_again)
positions 300 $(truth positions)
deep 600 $(truth deep)
$2 610 1
a name of sixty bytes, of which forty-seven cou 700 1
$2 710 1
positions free $(truth positions_freed)"
}

expect_gauges() {
	eq "the last" "$(sql o.db "SELECT name, CAST(value AS INTEGER) FROM v_gauge GROUP BY name HAVING t_ns = max(t_ns) ORDER BY 1")" \
		"orders|$(truth orders)
pnl|$((-5 - $(truth orders)))"
	eq "told" "$(sql o.db "SELECT sum(value) FROM v_counter WHERE name = 'gauge_sets'")" "$(truth sets)"
	holds "rows" "$(sql o.db "SELECT count(*) FROM v_gauge") <= $(sql o.db "SELECT 2 * (12 + 11 * (value - (SELECT value FROM v_session WHERE key = 'start_ns')) / 1e9) FROM v_session WHERE key = 'end_ns'")"
}

count() {
	sql o.db "SELECT coalesce(sum(rows), 0) FROM v_component WHERE component = '$1' AND op = 'malloc'"
}

case $CASE in
recorded_*)
	record_orders "${CASE#*_}" --components rules.ini
	are_right
	;;
again)
	record_orders preload
	eq "without rules" "$(sql o.db "SELECT count(component), (SELECT count(*) FROM v_component) FROM v_call")" "0|0"
	"$MPSAMPLE" classify o.db --components rules.ini >out || die "classify fails"
	are_right
	contains "what it says" "$(<out)" "of the calls: sites"
	eq "report sites" "$("$MPSAMPLE" report sites o.db --table components --format csv | tr -d '\r' | awk -F, '$4 == "malloc" { print $3, $7 }' | sort)" \
		"$(sql o.db "SELECT component || ' ' || rows FROM v_component WHERE op = 'malloc' ORDER BY 1")"
	printf '[component all]\nfunction = *\n[component none]\nfunction = no_such_*\n' >all.ini
	"$MPSAMPLE" classify o.db --components all.ini >out || die "classify fails"
	eq "what nothing is of" "$(grep 'is of' out)" "  no call that was kept is of: none"
	eq "the rules before are forgotten" "$(sql o.db "SELECT group_concat(DISTINCT component) FROM v_call WHERE stack_id IS NOT NULL")" all
	;;
later)
	record_orders preload --components rules.ini --symbolize later
	eq "no names yet" "$(count sites)" 0
	"$MPSAMPLE" symbolize o.db >out || die "symbolize fails"
	are_right
	;;
live)
	cat >live.ini <<-'END'
		[component leak]
		function = site_leak
		[component rest of the sites]
		function = site_*
	END
	start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=262144 "$TARGETS/blocks" 1000 200
	record_work o.db --track all --components live.ini
	last="WHERE slot_ns = (SELECT max(slot_ns) FROM v_slot)"
	eq "leak" "$(sql o.db "SELECT CAST(live_objects AS INTEGER), CAST(live_bytes AS INTEGER) FROM v_component_use $last AND component = 'leak'")" \
		"$(truth site_leak_live)|$(truth site_leak_bytes)"
	eq "all" "$(sql o.db "SELECT CAST(sum(live_objects) AS INTEGER), CAST(sum(live_bytes) AS INTEGER), sum(bytes_variance) FROM v_component_use $last")" \
		"$(truth live)|$(truth bytes)|0"
	eq "born" "$(sql o.db "SELECT CAST(sum(allocs) AS INTEGER) FROM v_component_use WHERE component = 'leak'")" "$(truth site_leak_born)"
	eq "born and gone are alive" "$(sql o.db "SELECT sum(allocs) - sum(frees) FROM v_component_use")" "$(sql o.db "SELECT sum(live_objects) FROM v_component_use $last")"
	"$MPSAMPLE" report session o.db --format json >session.json
	eq "report session" "$(sqlite3 -batch :memory: "SELECT CAST(value ->> 'live_bytes' AS INTEGER)
		FROM json_each(readfile('session.json'), '$.tables.components') WHERE value ->> 'phase' = '(all)' AND value ->> 'component' = 'leak'")" \
		"$(truth site_leak_bytes)"
	;;
gauge)
	cat >gauge.ini <<-'END'
		[component leak]
		function = site_leak
		[gauge rounds]
		value = u64@rounds_done
	END
	# More than 20 looks, ten of which are in a second.
	start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=262144 "$TARGETS/blocks" 1500 2000
	record_work o.db --track all --components gauge.ini
	eq "the last" "$(sql o.db "SELECT CAST(value AS INTEGER) FROM v_gauge WHERE name = 'rounds' ORDER BY t_ns DESC LIMIT 1")" 1500
	eq "never less" "$(sql o.db "SELECT count(*) FROM (SELECT value - lag(value) OVER (ORDER BY t_ns) AS more FROM v_gauge) WHERE more < 0")" 0
	"$MPSAMPLE" report session o.db --format json >session.json
	growth() {
		sqlite3 -batch :memory: "SELECT value ->> '$1' FROM json_each(readfile('session.json'), '$.tables.growth')
			WHERE value ->> 'gauge' = 'rounds' AND value ->> 'component' = 'leak'"
	}
	within "bytes a round" "$(growth bytes_each)" 300 3
	holds "its interval" "$(growth lo) <= 300.5 AND $(growth hi) >= 299.5"
	for value in u64@nosuch 12 'u64@rounds_done @'; do
		printf '[gauge x]\nvalue = %s\n' "$value" >bad.ini
		start_target "$TARGETS/blocks" 1
		status=0
		"$MPSAMPLE" record -p "$TARGET" -o x.db --components bad.ini 2>err || status=$?
		eq "refused: $value" "$status $(grep -c '^mpsample: bad.ini:1: gauge x: ' err)" "1 1"
		[[ ! -e x.db ]] || fail "a session is left"
		go
		wait_done
		end_target
	done
	;;
scoped_*)
	case $CASE in
	scoped_preload)
		start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=65536 "$TARGETS/scopes" 100 1000
		record_work o.db --full --track 4096
		eq "followed blocks" "$(sql o.db "SELECT size_bytes / 100, min(name), max(name), count(*) > 0 FROM block JOIN block_component USING (block_id)
			JOIN component USING (component_id) WHERE size_bytes IN (100, 110, 200, 210, 300) GROUP BY 1" | sed 's/|/ /g')" \
			"1 other other 1
2 order_book order_book 1
3 positions positions 1"
		;;
	*)
		need_backend "${CASE#*_}"
		start_target scopes 100 50
		record_work o.db --full --backend "${CASE#*_}"
		;;
	esac
	eq "calls that were lost" "$(sql o.db "SELECT count(*) FROM v_loss WHERE what <> 'events'")" 0
	expect_scopes other other
	expect_gauges
	eq "ends of nothing" "$(sql o.db "SELECT sum(value) FROM v_counter WHERE name = 'component_end_without_begin'")" "$(truth ends)"
	eq "too deep" "$(sql o.db "SELECT sum(lost) FROM v_loss WHERE source = 'components inside too many others'")" "$(truth too_deep)"
	eq "v_component" "$(sql o.db "SELECT rows FROM v_component WHERE component = 'order_book' AND op = 'malloc'")" $(($(truth book) + $(truth book_again)))
	# Rules come after them; again; and others, which know one of the names.
	printf '[component ruled]\nsize = 100\n[component order_book 2]\nsize = 300\n' >ruled.ini # stacks may be lost
	printf '[component positions]\nsize = 1-\n' >same.ini
	"$MPSAMPLE" classify o.db --components ruled.ini >out || die "classify fails"
	expect_scopes ruled other
	"$MPSAMPLE" classify o.db --components same.ini >out || die "classify fails"
	expect_scopes positions positions
	eq "one component a name" "$(sql o.db "SELECT count(*) - count(DISTINCT name) FROM component")" 0
	;;
told)
	# More than 20 looks, ten of which are in a second.
	start_target env LD_PRELOAD="$O/libmpsample.so" MPSAMPLE_RING=262144 "$TARGETS/scopes" 1200 1000 2000
	record_work o.db --track all
	expect_gauges
	eq "alive" "$(sql o.db "SELECT CAST(live_objects AS INTEGER), CAST(live_bytes AS INTEGER) FROM v_component_use WHERE component = 'order_book'
		ORDER BY slot_ns DESC LIMIT 1")" "$(($(truth book) + $(truth book_again)))|$((200 * $(truth book) + 210 * $(truth book_again)))"
	"$MPSAMPLE" report session o.db --format json >session.json
	growth() {
		sqlite3 -batch :memory: "SELECT value ->> 'bytes_each' FROM json_each(readfile('session.json'), '$.tables.growth')
			WHERE value ->> 'gauge' = 'orders' AND value ->> 'component' = '$1'"
	}
	# Of a round, which is five orders, stay 1210 bytes in the book, 300 in positions and 210 outside.
	within "bytes an order in the book" "$(growth order_book)" 242 3
	within "in positions" "$(growth positions)" 60 3
	within "outside" "$(growth other)" 42 3
	eq "report session" "$(sqlite3 -batch :memory: "SELECT CAST(value ->> 'live_bytes' AS INTEGER) FROM json_each(readfile('session.json'), '$.tables.components')
		WHERE value ->> 'phase' = '(all)' AND value ->> 'component' = 'positions'")" $((150 * $(truth positions)))
	;;
refused)
	record_orders preload
	cp o.db before.db
	printf '[component a]\nfunctoin = f\n' >bad.ini
	printf '[gauge orders]\nvalue = u64@live_orders\n' >gauges.ini
	mkfifo fifo
	for rules in bad.ini gauges.ini fifo /nowhere; do
		status=0
		"$MPSAMPLE" classify o.db --components "$rules" >out 2>err || status=$?
		eq "classify by $rules" "$status $(wc -l <err)" "1 1"
		cmp -s o.db before.db || fail "$rules: the session is not as it was"
	done
	"$MPSAMPLE" classify o.db --components bad.ini 2>err || true
	eq "what is wrong" "$(<err)" "mpsample: bad.ini:2: unknown key 'functoin'; did you mean function?"
	start_target "$TARGETS/orders" 1
	status=0
	"$MPSAMPLE" record -p "$TARGET" -o x.db --components bad.ini 2>err || status=$?
	eq "record" "$status $(<err)" "1 mpsample: bad.ini:2: unknown key 'functoin'; did you mean function?"
	[[ ! -e x.db ]] || fail "a session is left"
	go
	wait_done
	end_target
	;;
esac

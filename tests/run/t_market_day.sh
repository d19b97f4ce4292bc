#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the matching engine's day (tests/targets/matching_engine), which says itself when its phases were, what it has alive at
# its end, and how many headlines came in. A recording finds all of that, by the names that one gives, to 5 %.
#   day    phases by the program's markers, what parts of it have alive, the one leak, how much memory an order takes, the news
#   flat   a day without any of that: nothing is told (MPSAMPLE_LONG=1: 20 days)
# beside others
# cases: day flat
source "${BASH_SOURCE[0]%/*}/lib.sh"

SECONDS_OF_DAY=40
NEWS_AT=20 # in the middle of the longest phase
NEWS_S=3
SLOT_NS=1000000000
DAYS=$([[ ${MPSAMPLE_LONG:-} ]] && echo 20 || echo 1)

rules() {
	cat >engine.ini <<-'END'
		[component audit]
		function = risk_audit_note
		[component index]
		function = index_*
		[component positions]
		function = position_*
		[component client_tags]
		function = client_tag_create
		[component news]
		function = news_*
		[component packets]
		function = feed_packet gateway_send
		[component log]
		function = log_*
		[gauge orders]
		value = u64@table+16
		[gauge positions]
		value = u64@positions+64
	END
}

# recorded DB OPTION...: a day of the engine with these options; what it said is in target.out.
recorded() {
	"$MPSAMPLE" record -o "$1" --components engine.ini --track all -- "$TARGETS/matching_engine" --truth --pace 0.3 "${@:2}" >target.out 2>recorder.err ||
		die "the recording fails: $(<recorder.err)"
	"$MPSAMPLE" report session "$1" --format json --limit 0 >session.json 2>report.err || die "report session: $(<report.err)"
}

# said KEY...: the figure behind these words.
said() {
	sed -n "s/^$* //p" target.out
}

# report TABLE COLUMN WHERE
report() {
	sqlite3 -batch :memory: "SELECT value ->> '$2' FROM json_each(readfile('session.json'), '$.tables.$1') WHERE $3"
}

day() {
	local name begin end length

	recorded d.db --seconds "$SECONDS_OF_DAY" --news "$NEWS_AT"
	cat recorder.err
	while read -r _ name begin end; do
		length=$((end - begin))
		holds "phase $name begins and ends as it did" "$(sql d.db "SELECT count(*) = 1 AND max(abs(start_ns - $begin), abs(end_ns - $end)) <= 0.05 * $length
			FROM v_phase WHERE name = '$name' AND source = 'marker'")"
	done < <(grep '^phase ' target.out)
	eq "phases in their order" "$(sql d.db "SELECT group_concat(name, ' ') FROM (SELECT name FROM v_phase ORDER BY start_ns)")" \
		"pre_open open_burst continuous close_burst post_close closed"
	eq "and on their cards" "$(report phases phase "value ->> 'phase' <> '(all)'" | paste -sd' ')" \
		"pre_open open_burst continuous close_burst post_close closed"

	for name in index positions audit; do
		within "what is alive of $name at the close" "$(report components live_bytes \
			"value ->> 'phase' = 'post_close' AND value ->> 'component' = '$name'")" "$(said bytes "$name")" 5
	done
	within "headlines" "$(sql d.db "SELECT sum(allocs) FROM v_component_use WHERE component = 'news'")" "$(said headlines)" 5
	within "bytes of the tag of an order" "$(report growth bytes_each "value ->> 'gauge' = 'orders' AND value ->> 'component' = 'client_tags'")" 40 3
	within "bytes of a position, and of its place in the index" \
		"$(report growth bytes_each "value ->> 'gauge' = 'positions' AND value ->> 'component' = 'positions'")" 48 3
	news
	leak
}

# What came with the news is one spike, of that time, that length and that size, and there is no other.
news() {
	local begin end level
	begin=$(($(sed -n 's/^phase pre_open \([0-9]*\) .*/\1/p' target.out) + NEWS_AT * 1000000000 - $(sql d.db "SELECT value FROM v_session WHERE key = 'start_ns'")))
	eq "spikes of the rate" "$(report spikes phase "value ->> 'series' = 'allocs_per_s'")" continuous
	eq "whose" "$(report spikes site "value ->> 'series' = 'allocs_per_s'" | grep -o 'news_headline')" news_headline
	eq "spikes at another time" "$(report spikes series "value ->> 't_ns' > $begin + $NEWS_S * 1000000000
		OR value ->> 't_ns' + (value ->> 'dur_ns') < $begin")" ""
	IFS='|' read -r from length level < <(sqlite3 -batch :memory: "SELECT value ->> 't_ns', value ->> 'dur_ns', value ->> 'level'
		FROM json_each(readfile('session.json'), '$.tables.spikes') WHERE value ->> 'series' = 'allocs_per_s'")
	# A slot with a little of it is none that stands out.
	holds "it begins and ends with the news, but for a slot" "abs($from - $begin) < 1.2e9 AND abs($from + $length - $begin - $NEWS_S * 1000000000) < 1.2e9"
	from=$((from - SLOT_NS)) length=$((length + 2 * SLOT_NS))
	within "its size" "$(sql d.db "SELECT total(calls) - $level * total(dur_ns) / 1e9 FROM v_slot JOIN session_time JOIN (
			SELECT slot_ns, sum(calls) AS calls FROM v_latency WHERE op NOT IN ('free', 'delete') GROUP BY 1) USING (slot_ns)
		WHERE slot_ns - start_ns + dur_ns / 2 BETWEEN $from AND $from + $length")" "$(said headlines)" 5
}

# The one leak is the site that grows.
leak() {
	"$MPSAMPLE" report heap d.db --format json --limit 0 >heap.json 2>report.err || die "report heap: $(<report.err)"
	eq "the site that keeps the most" "$(sqlite3 -batch :memory: "SELECT value ->> 'site' FROM json_each(readfile('heap.json'), '$.tables.sites') LIMIT 1")" risk_audit_note
	within "what it keeps" "$(sqlite3 -batch :memory: "SELECT value ->> 'live_bytes' FROM json_each(readfile('heap.json'), '$.tables.sites') LIMIT 1")" \
		"$(said bytes audit)" 5
}

rules
case $CASE in
day) day ;;
flat)
	for ((k = 1; k <= DAYS; k++)); do
		recorded "$k.db" --flat --seconds 20 --seed "$k"
		eq "spikes of day $k" "$(report spikes "series" 1)" ""
	done
	;;
esac

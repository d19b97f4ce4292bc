#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `watched` and `paged` know which allocation, and which byte of it, each access went to. With their addresses
# watched by the hardware, or by their page faults, each sample is resolved to the right site, object and offset: while
# addresses are used again by other sites and sizes, handed from thread to thread, moved by realloc, and released. An
# allocation from before the recording and a variable are told apart from those.
#   watch_*   breakpoints; by probes that keep few calls as rows (session, multi), that keep all (full), by tracefs, and
#             by the library
#   pages_*   page faults; pages_taken while another program takes the CPU away all the time, also in the probes
# beside others
# cases: watch_session watch_multi watch_full watch_tracefs watch_preload pages_session pages_taken pages_preload counted
source "${BASH_SOURCE[0]%/*}/lib.sh"

plane=${CASE#*_} options=() library=()
case $plane in
session | multi | tracefs) need_backend "$plane" && options=(--backend "$plane") ;;
full) need_backend session && options=(--full --stack fp) ;;
counted) need_backend session && options=(--stack fp) ;;
taken) need_backend session ;;
preload) library=(env LD_PRELOAD="$O/libmpsample.so") ;;
esac

samples() { # COLUMNS CONDITION
	sql s.db "SELECT $1 FROM v_sample WHERE $2"
}

# The files `truth` and `found` hold lines KEY|NUMBER. A sample that found no room in its ring is counted as lost; all others
# have to be where the truth has them.
agree() {
	local lost

	lost=$(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source GLOB 'samples of *'")
	cat found
	echo "lost: $lost"
	eq "keys" "$(sed 's/|[0-9]*$//' found | sort)" "$(sed 's/|[0-9]*$//' truth | sort)"
	eq "more than there were" "$(awk '{ n = split($0, f, "|"); key = substr($0, 1, length($0) - length(f[n]) - 1) }
		NR == FNR { truth[key] = f[n]; next } f[n] + 0 > truth[key] + 0' truth found)" ""
	eq "all, with the lost ones" "$(($(awk -F'|' '{ n += $NF } END { print n + 0 }' found) + lost))" \
		"$(awk -F'|' '{ n += $NF } END { print n + 0 }' truth)"
}

watch() {
	local events=()

	start_target "${library[@]}" "$TARGETS/watched"
	for name in block_a block_b older global; do
		events+=(-e "mem:$(truth $name)/8:w")
	done
	record_work s.db "${options[@]}" "${events[@]}" --budget 100
	eq "rounds in which the block was elsewhere" "$(truth strays)" 0
	eq "lost of what resolving needs" "$(sql s.db "SELECT source, sum(lost) FROM v_loss
		WHERE source GLOB 'tracked*' OR source GLOB 'blocks*' OR source GLOB 'addresses*' OR source GLOB '*ring' GROUP BY 1")" ""
	for site in site_malloc site_aligned site_small site_realloc; do
		echo "object|$site|40|$(truth ${site}_a)"
		echo "object|$site|120|$(truth ${site}_b)"
	done >truth
	echo "data|variable|0|$(truth older_touched)" >>truth
	echo "older|||$(truth older_touched)" >>truth
	samples "place, coalesce(site, place_name), CASE WHEN place <> 'older' THEN offset END, count(*)" "1 GROUP BY 1, 2, 3" >found
	agree
	eq "sizes" "$(sql s.db "SELECT site, group_concat(DISTINCT size_bytes) FROM v_object GROUP BY 1 ORDER BY 1")" \
		"site_aligned|196"$'\n'"site_malloc|200"$'\n'"site_realloc|198"$'\n'"site_small|192"
	eq "samples outside the life of their object" "$(sql s.db "SELECT count(*) FROM v_sample s JOIN v_object o USING (object_id)
		WHERE s.t_ns < o.born_ns OR s.t_ns >= coalesce(o.died_ns, s.t_ns + 1)")" 0
	eq "code" "$(samples "DISTINCT code" "1" | sort)" "touch"$'\n'"touch_others"
	eq "kinds" "$(samples "DISTINCT quality, is_write" 1)" "breakpoint|1"
}

pages() {
	local cpu hog='' objects=100

	if [[ $plane == taken ]]; then
		cpu=$(taskset -cp $$ | sed 's/.*[:,-] *//')
		"$O/tests/tools/take_cpu" "$cpu" >taker.out 2>&1 &
		hog=$!
		until grep -q ready taker.out; do
			kill -0 "$hog" 2>/dev/null || skip "no real-time priority here"
			sleep 0.05
		done
		library=(taskset -c "$cpu") objects=1500
	fi
	start_target "${library[@]}" "$TARGETS/paged" "$objects"
	record_work s.db "${options[@]}" -e page-faults --budget 100
	[[ ! $hog ]] || kill "$hog"
	local half=$(($(truth objects) / 2))
	# The first page holds the allocator's own note, and is touched by that.
	for site in site_even site_odd; do
		for ((page = 1; page < $(truth pages); page++)); do
			echo "touch|$site|$page|$(truth byte)|$half"
		done
		echo "malloc|$site|||$half"
	done >truth
	# Where a stack found no room, the size tells the site.
	sql s.db "SELECT CASE code WHEN 'touch' THEN code ELSE 'malloc' END,
		CASE WHEN s.site = '[no stack]' AND size_bytes = $(truth pages) * 4096 THEN 'site_even'
		     WHEN s.site = '[no stack]' AND size_bytes = $(truth pages) * 4096 + 64 THEN 'site_odd' ELSE s.site END AS known,
		offset / 4096, offset % 4096, count(*)
		FROM v_sample s LEFT JOIN v_object USING (object_id) WHERE s.site GLOB 'site_*' OR code = 'touch' OR known GLOB 'site_*'
		GROUP BY 1, 2, 3, 4" >found
	agree
}

# Counters by thread: the kernel's own counts of the same run.
counted() {
	start_target paged
	record_work s.db "${options[@]}" -e page-faults --budget 100 --count page-faults,context-switches
	local counted="SELECT sum(value) FROM thread_counter JOIN event USING (event_id) WHERE name = 'page-faults'"
	eq "page faults counted, and of the event that is sampled" "$(sql s.db "$counted AND is_sampled = 0")" "$(sql s.db "$counted AND is_sampled = 1")"
	eq "and what its samples stand for" "$(samples "sum(period)" 1)" "$(sql s.db "$counted AND is_sampled = 1")"
	eq "samples, with the lost ones" "$(samples "count(*)" 1)" \
		"$(($(sql s.db "$counted AND is_sampled = 1") - $(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source GLOB 'samples of *'")))"
	eq "events" "$(sql s.db "SELECT event, is_sampled, quality FROM v_event ORDER BY 1, 2")" \
		"context-switches|0|software"$'\n'"page-faults|0|software"$'\n'"page-faults|1|software"
}

case $CASE in
watch_*) watch ;;
pages_*) pages ;;
counted) counted ;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the preload plane counts every call, and keeps every call that it says it keeps.
#   counted   10^8 calls from 4 threads: the histogram's total is the target's own count, and so are the bytes
#   logged    10^6 calls from 4 threads, recorded with --full: rows and lost rows are all calls; operation, size, address
#             and order of each thread's rows are those of the target's own log
#   busy      10^7 calls from 4 threads with --full, faster than rows can be written: rows and lost rows are all calls
# beside others
# cases: counted logged busy
source "${BASH_SOURCE[0]%/*}/lib.sh"

# full_adds_up DB: rows kept and rows lost are the calls counted.
full_adds_up() {
	local counted kept lost
	counted=$(sql "$1" "SELECT sum(calls) FROM v_percentile")
	kept=$(sql "$1" "SELECT count(*) FROM v_call")
	lost=$(sql "$1" "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'rows'")
	echo "$counted calls counted, $kept rows, $lost rows lost"
	eq "rows kept + rows lost" "$((kept + lost))" "$counted"
	eq "lost calls" "$(sql "$1" "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'calls'")" 0
	eq "weights" "$(sql "$1" "SELECT DISTINCT weight FROM v_call")" 1
}

preloaded() { # TARGET-COMMAND...
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/$1" "${@:2}"
}

case $CASE in
counted)
	preloaded count 50000000 50000000 4
	record_work s.db
	eq planes "$(sql s.db "SELECT value FROM v_session WHERE key = 'backend'")" preload
	eq mallocs "$(calls s.db malloc)" "$(truth mallocs)"
	eq frees "$(calls s.db free)" "$(truth frees)"
	eq bytes "$(bytes s.db malloc)" "$(truth bytes)"
	eq "calls lost" "$(sql s.db "SELECT * FROM v_loss WHERE what = 'calls'")" ""
	;;
logged)
	launch -o s.db --full --plane preload -- "$TARGETS/logged" 1000000 4
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	full_adds_up s.db
	# The threads' own calls only: the loader and the main thread make others.
	sql s.db "SELECT tid, op, size_bytes, addr FROM v_call WHERE tid IN ($(awk '$1 == "call" { t[$2] } END { for (i in t) printf "%s%d", n++ ? "," : "", i }' target.out))
		AND (op <> 'calloc' OR size_bytes % 3 = 0) ORDER BY tid, t_ns, call_id" | tr '|' ' ' >rows
	lost=$(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'rows'")
	sort -s -n -k 2,2 target.out | awk '$1 == "call" { print $2, $3, $4, $5 }' >log
	echo "$(wc -l <rows) rows of the threads, $(wc -l <log) calls in their logs"
	if [[ $lost == 0 ]]; then
		cmp rows log || fail "rows and log differ: $(diff rows log | head -n 5)"
	else # the rows are in the log, in its order
		awk 'NR == FNR { log_of[NR] = $0; n = NR; next }
			{ while (++at <= n && log_of[at] != $0); if (at > n) { print "not in order: " $0; exit 1 } }' log rows || fail "rows are not in the log's order"
		eq "rows and lost rows" "$(($(wc -l <rows) + lost))" "$(wc -l <log)"
	fi
	;;
busy)
	preloaded count 5000000 5000000 4
	record_work s.db --full
	eq mallocs "$(calls s.db malloc)" "$(truth mallocs)"
	eq frees "$(calls s.db free)" "$(truth frees)"
	full_adds_up s.db
	;;
esac

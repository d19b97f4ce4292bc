#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `faults` touches 10,007 fresh pages by writing and 1,009 by reading, sleeps 211 times and is moved to another
# CPU 101 times. The counters have at least these (stack and code fault too); the rows, which are a choice where
# there are many, lie in the ranges that were touched, with the function that did it, and say how long it took.
# beside others
# cases: session multi tracefs
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend "$CASE"
start_target faults
record_work s.db --backend "$CASE"

counter() {
	sql s.db "SELECT coalesce(sum(value), 0) FROM v_counter WHERE name = '$1'"
}

touched=$(($(truth write_faults) + $(truth read_faults)))
holds "minor faults, all and hardly more" "$(counter minor_fault) BETWEEN $touched AND $touched * 1.02"
holds "times off the CPU" "$(counter off_cpu) >= $(truth sleeps)"
holds "migrations" "$(counter migration) >= $(truth migrations)"
eq "v_loss" "$(sql s.db "SELECT * FROM v_loss")" ""
eq "rows and counters: not the same" "$(sql s.db "
	WITH kept AS (SELECT kind, count(*) AS n FROM v_kernel_event GROUP BY kind),
	     counted AS (SELECT name, sum(value) AS n FROM v_counter GROUP BY name)
	SELECT kind, kept.n, counted.n FROM kept JOIN counted ON kind = name WHERE kept.n > counted.n")" ""

# Addresses are in decimal in the database.
write_base=$(($(truth write_base))) read_base=$(($(truth read_base))) page=$(truth page_bytes)
fault="FROM v_kernel_event WHERE kind = 'minor_fault'"
in_range="(addr BETWEEN $write_base AND $write_base + $(truth write_faults) * $page - 1
        OR addr BETWEEN $read_base AND $read_base + $(truth read_faults) * $page - 1)"
holds "rows of faults: enough to look at" "$(sql s.db "SELECT count(*) $fault") >= 20"
holds "rows of faults: nearly all are of the touched pages" \
	"$(sql s.db "SELECT count(*) $fault AND $in_range") >= 0.9 * $(sql s.db "SELECT count(*) $fault")"
eq "pages that faulted twice" "$(sql s.db "SELECT addr / $page $fault AND $in_range GROUP BY 1 HAVING count(*) > 1")" ""
eq "faults of other threads" "$(sql s.db "SELECT count(*) $fault AND tid <> $TARGET")" 0
eq "faulting instructions: distinct" "$(sql s.db "SELECT count(DISTINCT ip) <= 8 AND min(ip) > 0 $fault AND $in_range")" 1
# tracefs has no end of a fault: its duration is not known there, and NULL.
eq "durations of faults" "$(sql s.db "SELECT DISTINCT dur_ns > 0 $fault")" "$([[ $CASE == tracefs ]] || echo 1)"
eq "durations of sleeps, of 0.1 ms at least" "$(sql s.db "SELECT count(*) >= $(truth sleeps) FROM v_kernel_event
	WHERE kind = 'off_cpu' AND dur_ns >= 100000 AND tid = $TARGET")" 1

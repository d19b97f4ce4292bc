#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: over many days what grows and which day lies beyond the others is told, and chance is not. The days are generated
# (tests/tools/days.c) through the path that a recorder writes by; the same seed is the same days.
#
#   equal    ten equal days, of three seeds, show nothing, which is said
#   grow     a tail that is 3 % longer each day is found in its phase, and in no other, with an interval that holds the 3 %;
#            weekends are no days, unless one was recorded
#   outlier  a day whose tail is 60 % longer is found, and no other; also where another phase grows
#   leak     memory that is left alive grows
#   cards    figures are those of report session of each day; phases that are found are left out
#   names    days by date or by file, in the order of their begin, whatever the order they are given in
#   fair     what speaks against a comparison is said
#   options  what is not understood is one line; formats; report session of one day is as it was
# beside others
# cases: equal grow outlier leak cards names fair options
source "${BASH_SOURCE[0]%/*}/lib.sh"

# days DIRECTORY SEED DAYS [NAME=VALUE]...
days() {
	mkdir -p "$1"
	"$O/tests/tools/days" "$@" || die "days $*"
}

# report JSON SESSION...
report() {
	"$MPSAMPLE" report session "${@:2}" --format json >"$1" || die "report session ${*:2}"
}


# rows JSON TABLE COLUMN...: a line for each row, its columns apart by spaces.
rows() {
	python3 -c '
import json, sys
for r in json.load(open(sys.argv[1]))["tables"][sys.argv[2]]:
    print(*(r[c] for c in sys.argv[3:]))' "$@" || die "$1 is not as it should be"
}

case_equal() {
	local seed

	for seed in {1..3}; do
		days "s$seed" "$seed" 10
		report "$seed.json" "s$seed"/*.db
		eq "seed $seed: told" "$(rows "$seed.json" trend phase figure)$(rows "$seed.json" outliers day phase figure)" ""
		contains "seed $seed: sentences" "$(rows "$seed.json" sentences sentence)" "nothing stands out: of "
	done
	# Of each figure something is known, or the silence says nothing.
	eq "cards" "$(rows 1.json days phase | sort | uniq -c | xargs)" "10 (all) 10 continuous 10 open_burst"
	eq "figures that are not known" "$(python3 -c '
import json
print({k for r in json.load(open("1.json"))["tables"]["days"] for k, v in r.items() if v is None})')" "set()"
	eq "over" "$(python3 -c 'import json; print(*json.load(open("1.json"))["over"].values())')" \
		"10 2026-11-02 2026-11-13 None weekday 33 360 0.01"
	report again.json s1/*.db
	cmp 1.json again.json || fail "the same days say something else the second time"
	contains "for people" "$("$MPSAMPLE" report session s1/*.db)" "nothing stands out: of "
}

case_grow() {
	days g 21 12 grow=3
	report g.json g/*.db
	# Half of the time of its allocations is in that tail.
	eq "figures" "$(rows g.json trend phase figure | grep -v '^(all)\|alloc_share' | sort | xargs)" \
		"open_burst p999_ns open_burst p99_ns"
	eq "phases" "$(rows g.json trend phase | grep -v '(all)' | sort -u)" open_burst
	eq "outliers" "$(rows g.json outliers day phase figure)" ""
	read -r share lo hi first last < <(rows g.json trend phase figure a_day_share lo_share hi_share first last |
		sed -n 's/^open_burst p99_ns //p')
	within "growth" "$share" 0.03 25
	holds "the interval holds 3 %: $lo to $hi" "$lo <= 0.03 AND 0.03 <= $hi AND $hi - $lo < 0.02"
	within "growth in all" "$last / $first" 1.384 12
	contains "in words" "$(rows g.json sentences sentence)" "open_burst p99 grows "
	contains "in words" "$("$MPSAMPLE" report session g/*.db)" " % a day ("

	# Of the whole calendar, half as many weekdays: the same days, which began on each day of the week.
	days w 22 12 grow=3 weekends=1
	report w.json w/*.db --phase open_burst
	eq "days" "$(python3 -c 'import json; print(json.load(open("w.json"))["over"]["day"])')" calendar
	holds "growth by the calendar" "abs($(rows w.json trend figure a_day_share | sed -n 's/^p99_ns //p') - 0.03) < 0.0075"
	eq "only the phase" "$(rows w.json days phase | sort -u)" open_burst
}

case_outlier() {
	days o 31 12 slow_day=7 slow=60
	report o.json o/*.db
	eq "outliers" "$(rows o.json outliers day phase figure | grep -v '(all)\|alloc_share' | sort)" \
		$'2026-11-10 continuous p999_ns\n2026-11-10 continuous p99_ns'
	eq "days" "$(rows o.json outliers day | sort -u)" 2026-11-10
	eq "phases" "$(rows o.json outliers phase | grep -v '(all)' | sort -u)" continuous
	eq "trends" "$(rows o.json trend phase figure)" ""
	within "factor" "$(rows o.json outliers phase figure factor | sed -n 's/^continuous p99_ns //p')" 1.6 8
	contains "in words" "$(rows o.json sentences sentence)" "2026-11-10: continuous p99 "

	days b 32 12 grow=3 slow_day=2 slow=60
	report b.json b/*.db
	eq "days, where another phase grows" "$(rows b.json outliers day phase | grep -v '(all)' | sort -u)" "2026-11-03 continuous"
	eq "trends" "$(rows b.json trend phase | grep -v '(all)' | sort -u)" open_burst
}

case_leak() {
	days l 41 10 leak=8
	report l.json l/*.db
	holds "what is left alive" "abs($(rows l.json trend phase figure a_day_share | sed -n 's/^continuous live_bytes //p') - 0.04) < 0.03"
	eq "of open_burst" "$(rows l.json trend phase | grep -c open_burst || true)" 0
}

case_cards() {
	local day

	days c 51 5 seconds=12
	report c.json c/*.db
	for day in 1 3 5; do
		"$MPSAMPLE" report session c/0$day.db --format json >one.json
		eq "day $day" "$(python3 -c '
import json, sys
keys = "phase dur_ns allocs_per_s bytes_per_s p50_ns p99_ns p999_ns max_ns alloc_share live_bytes faults_per_s".split()
one = [[r[k] for k in keys] for r in json.load(open("one.json"))["tables"]["phases"]]
many = [[r[k] for k in keys] for r in json.load(open("c.json"))["tables"]["days"] if r["file"] == sys.argv[1]]
print(one == many, len(one))' c/0$day.db)" "True 3"
	done
	eq "pauses" "$(python3 -c '
import json
one = json.load(open("one.json"))["tables"]["phases"]
many = [r for r in json.load(open("c.json"))["tables"]["days"] if r["file"] == "c/05.db"]
print(all(abs(a["gc_pauses"] - b["gc_pauses_per_s"] * b["dur_ns"] / 1e9) < 1e-6 and
          abs(a["gc_ns"] - b["gc_share"] * b["dur_ns"]) < 1 and
          a["pool_high"] == "%s %.0f %%" % (b["pool"], 100 * b["pool_share"]) for a, b in zip(one, many)))')" True

	# A phase that comes twice on one of the days; phases that are found have no name of their own.
	sql c/02.db "UPDATE phase SET name = 'open_burst'"
	sql c/03.db "DELETE FROM phase"
	report c.json c/*.db
	eq "phases" "$(rows c.json days phase | sort | uniq -c | xargs)" "5 (all) 3 continuous 4 open_burst#1 1 open_burst#2"
	contains "notes" "$(rows c.json notes note)" "no phases were told, so that only the whole recording is compared: 2026-11-04"
	report p.json c/*.db --phase open_burst#2
	eq "one time of it" "$(rows p.json days phase day)" "open_burst#2 2026-11-03"

	# A session of an older schema, which knows of no blocks.
	as_schema 4 c/05.db
	report c.json c/*.db
	eq "what is not known of old ones" "$(rows c.json days day live_bytes phase | sed -n 's/ (all)$//p' | grep -c None)" 1
}

case_names() {
	days n 61 4 seconds=12
	report n.json n/03.db n/01.db n/04.db n/02.db
	eq "days" "$(rows n.json days phase day file | sed -n 's/^(all) //p')" \
		"2026-11-02 n/01.db
2026-11-03 n/02.db
2026-11-04 n/03.db
2026-11-05 n/04.db"
	contains "too few" "$(rows n.json sentences sentence)" "4 days are too few to tell what stands out: it takes 5"

	# Two of one date.
	sql n/02.db "UPDATE clock SET real_ns = real_ns - 86400000000000 + 3600000000000"
	report n.json n/*.db
	eq "files where dates are the same" "$(rows n.json days phase day | sed -n 's/^(all) //p' | xargs)" \
		"01.db 02.db 2026-11-04 2026-11-05"
	contains "and that is said" "$(rows n.json notes note)" "of one date, and each counts as a day of its own: 01.db"
	mkdir -p m
	mv n/02.db m/01.db
	report n.json n/*.db m/01.db
	eq "paths where files are the same" "$(rows n.json days phase day | sed -n 's/^(all) //p' | xargs)" \
		"n/01.db m/01.db 2026-11-04 2026-11-05"
}

case_fair() {
	days f 71 6 seconds=12 probe_day=3
	sql f/02.db "DELETE FROM session WHERE key IN ('end_ns', 'duration_ns', 'end_reason')"
	sql f/05.db "INSERT INTO loss (t_ns, source, what, lost) VALUES (50000001000000, 'a ring', 'calls', 4321)"
	sql f/06.db "DELETE FROM phase WHERE name = 'open_burst'"
	report f.json f/*.db
	eq "notes" "$(rows f.json notes note)" \
		"probe is all, but not on 2026-11-04 (slow)
the recorder did not finish: 2026-11-03
calls were lost: 2026-11-06 (4,321)
open_burst is not on 2026-11-09"
	contains "for people" "$("$MPSAMPLE" report session f/*.db)" "note: probe is all, but not on 2026-11-04 (slow)"
}

case_options() {
	days p 81 3 seconds=12
	cp p/01.db copy.db
	cp p/02.db timeless.db
	sql timeless.db "DELETE FROM clock"
	echo no >text
	: >empty
	one_line_error 1 "$MPSAMPLE" report session p/01.db p/02.db p/01.db
	contains "twice" "$MESSAGE" "p/01.db is given twice"
	one_line_error 1 "$MPSAMPLE" report session p/01.db p/02.db copy.db
	contains "a copy" "$MESSAGE" "are the same recording"
	one_line_error 1 "$MPSAMPLE" report session p/01.db timeless.db
	contains "without a clock" "$MESSAGE" "timeless.db does not tell on which day it was recorded"
	for bad in missing.db text empty .; do
		one_line_error 1 "$MPSAMPLE" report session p/01.db $bad p/02.db
		contains "which file" "$MESSAGE" "$bad"
	done
	one_line_error 1 "$MPSAMPLE" report session p/*.db --phase nosuch
	contains "phases that there are" "$MESSAGE" "they have continuous, open_burst"
	one_line_error 2 "$MPSAMPLE" report session p/*.db --table nosuch
	one_line_error 2 "$MPSAMPLE" report session p/*.db --from 3
	one_line_error 2 "$MPSAMPLE" report session p/*.db --to 3
	one_line_error 2 "$MPSAMPLE" report session p/*.db --thread 3
	one_line_error 2 "$MPSAMPLE" report session p/*.db --pool x
	one_line_error 2 "$MPSAMPLE" report session p/*.db --format xml
	one_line_error 2 "$MPSAMPLE" report jitter p/01.db p/02.db
	contains "other reports" "$MESSAGE" "too many arguments: one session at a time"
	one_line_error 2 "$MPSAMPLE" report session x{1..367}.db
	contains "too many" "$MESSAGE" "366 at a time"

	eq "CSV" "$("$MPSAMPLE" report session p/*.db --format csv 2>/dev/null | head -n 1 | tr -d '\r' | cut -d , -f 1-6)" \
		"phase,day,dur_ns,allocs_per_s,bytes_per_s,p50_ns"
	contains "what CSV leaves out" "$("$MPSAMPLE" report session p/*.db --format csv 2>&1 >/dev/null)" \
		"its first table, days; for the others, --table trend, outliers, sentences, notes"
	eq "rows of CSV" "$("$MPSAMPLE" report session p/*.db --format csv 2>/dev/null | wc -l)" 10
	eq "limit" "$("$MPSAMPLE" report session p/*.db --format csv --limit 2 2>/dev/null | wc -l)" 3
	eq "a table as CSV" "$("$MPSAMPLE" report session p/*.db --format csv --table trend | tr -d '\r')" \
		"phase,figure,days,a_day_share,lo_share,hi_share,first,last,tau,p_value"
	"$MPSAMPLE" report session p/*.db | head -n 1 >/dev/null || fail "a reader that has seen enough"
	contains "help" "$("$MPSAMPLE" report --help)" "mpsample report session DAY1 DAY2 ..."
	"$MPSAMPLE" report session p/01.db --format json | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert list(d) == ["report", "session", "tables", "coverage"]
assert list(d["tables"]) == ["phases", "components", "growth", "spikes", "advice"]' || fail "report session of one day"
}

"case_${CASE:?give one of the cases}"

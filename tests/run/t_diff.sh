#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: what differs from one recording to another beyond chance is told, and chance is not. The recordings are generated
# (tests/tools/diff_session.c) through the path that a recorder writes by; the same seed is the same recording.
#
#   equal    20 pairs of the same program show no change at the 1 % level, which allows one
#   tail     a tail of malloc that is 10 % longer is found in 20 of 20, with an interval that holds the 10 %
#   kinds    rates, a new site, causes, pauses, and nothing else with them
#   phases   of one recording, and of two
#   fair     what speaks against a comparison is said; old sessions compare as those of today
#   fail_if  exit statuses for CI
#   options  what is not understood is one line
# beside others
# cases: equal tail kinds phases fair fail_if options
source "${BASH_SOURCE[0]%/*}/lib.sh"

session() {
	"$O/tests/tools/diff_session" "$@" || die "diff_session $*"
}

# changes JSON: a line for each row that differs beyond chance: table, name, op, figure, verdict.
changes() {
	python3 -c '
import json, sys
for table, rows in json.load(open(sys.argv[1]))["tables"].items():
    for r in rows:
        if r["verdict"] in ("more", "less", "new", "gone"):
            print(table, r["name"], r["op"] or "-", r["metric"], r["verdict"])' "$1" || die "$1 is not as it should be"
}

# figure JSON TABLE NAME OP FIGURE KEY
figure() {
	python3 -c '
import json, sys
path, table, name, op, figure, key = sys.argv[1:]
found = [r[key] for r in json.load(open(path))["tables"][table]
         if (r["name"], r["op"] or "-", r["metric"]) == (name, op, figure)]
print("NULL" if found[0] is None else found[0])' "$@" || die "no $5 of $3 in $2"
}

# compare JSON [OPTION]...
compare() {
	"$MPSAMPLE" diff "${@:2}" --format json >"$1" || die "diff ${*:2}"
}

notes() {
	python3 -c 'import json, sys; [print(n["note"]) for n in json.load(open(sys.argv[1]))["notes"]]' "$1"
}

case_equal() {
	local pair wrong=0

	for pair in {1..20}; do
		session a.db $((2 * pair))
		session b.db $((2 * pair + 1))
		compare d.json a.db b.db
		changes d.json >found
		[[ ! -s found ]] || { wrong=$((wrong + 1)) && echo "pair $pair: $(<found)"; }
	done
	holds "equal pairs that show a change, of 20: $wrong" "$wrong <= 1"
	eq "tables" "$(python3 -c 'import json; print(*json.load(open("d.json"))["tables"])')" \
		"operations sizes sites causes pools gc spans counters"
	# Of all of them something is known, or the silence says nothing.
	eq "tables of which nothing was tested" "$(python3 -c '
import json
print(*[t for t, rows in json.load(open("d.json"))["tables"].items() if all(r["p_value"] is None for r in rows)])')" ""
	compare again.json a.db b.db
	cmp d.json again.json || fail "the same sessions compare otherwise the second time"
}

case_tail() {
	local pair found=0

	for pair in {1..20}; do
		session a.db $((100 + 2 * pair))
		session b.db $((101 + 2 * pair)) tail=10
		compare d.json a.db b.db
		a=$(figure d.json operations malloc - p99_ns a)
		holds "pair $pair: the change lies between its bounds" \
			"0.1 BETWEEN $(figure d.json operations malloc - p99_ns lo) / $a AND $(figure d.json operations malloc - p99_ns hi) / $a"
		within "pair $pair: the change" "$(figure d.json operations malloc - p99_ns change_share)" 0.1 0 0.04
		[[ $(figure d.json operations malloc - p99_ns verdict) == more ]] && found=$((found + 1))
		eq "pair $pair: other operations" "$(changes d.json | grep '^operations' | grep -v ' malloc ')" ""
	done
	eq "tails found, of 20" "$found" 20
}

case_kinds() {
	session a.db 201
	session b.db 202 rate=20 site=1 cause=60 pause=20
	compare d.json a.db b.db
	changes d.json >found
	cat found
	for row in "operations malloc - calls_per_s more" "operations malloc - bytes_per_s more" "sizes 33-64 malloc calls_per_s more" \
		"sites planted_site free calls_per_s new" "causes minor_fault - time_share more" "gc hotspot young p50_ns more"; do
		grep -qx -- "$row" found || fail "not found: $row"
	done
	eq "what is of none of these" "$(grep -vE ' malloc |planted_site|^causes|^gc .*(p50_ns|time_ns_per_s) more' found)" ""
	within "rate" "$(figure d.json operations malloc - calls_per_s change_share)" 0.2 0 0.03
	within "pauses" "$(figure d.json gc hotspot young p50_ns change_share)" 0.2 0 0.04
	# The other way round all signs are turned.
	compare turned.json b.db a.db
	eq "from B to A" "$(changes turned.json)" "$(sed 's/ more$/ less/; s/ new$/ gone/' found)"
}

case_phases() {
	session a.db 301 seconds=120 late=15
	session b.db 302 seconds=120
	compare d.json a.db --phase-a open_burst --phase-b continuous
	eq "late tail" "$(figure d.json operations malloc - p99_ns verdict)" more
	within "late tail" "$(figure d.json operations malloc - p99_ns change_share)" 0.15 0 0.05
	compare d.json b.db --phase-a open_burst --phase-b continuous
	eq "two phases alike" "$(changes d.json)" ""
	compare d.json a.db b.db --phase open_burst
	eq "one phase of two sessions" "$(changes d.json)" ""
	eq "seconds" "$(python3 -c 'import json; d = json.load(open("d.json"))["diff"]; print(d["a"]["seconds"], d["b"]["seconds"], d["a"]["phase"])')" \
		"60 60 open_burst"
	compare d.json a.db b.db --phase continuous
	eq "the other phase" "$(figure d.json operations malloc - p99_ns verdict)" less
	for part in --phase --phase-a --phase-b; do
		one_line_error 1 "$MPSAMPLE" diff a.db b.db "$part" lunch
		contains "unknown phase" "$MESSAGE" "it has open_burst, continuous"
	done
}

case_fair() {
	session a.db 401 seconds=20 lost=1000
	session b.db 402 seconds=8 floor=600
	compare d.json a.db b.db
	notes d.json >said
	for part in "floor in ns: 462 and 600" "B: 8 seconds are too few" "A: 1,000 calls LOST"; do
		contains "notes" "$(<said)" "$part"
	done
	eq "verdicts of what is too short" "$(python3 -c '
import json
print(*{r["verdict"] for rows in json.load(open("d.json"))["tables"].values() for r in rows} - {None, "same"})')" unknown
	contains "for people" "$("$MPSAMPLE" diff a.db b.db)" "note: floor in ns: 462 and 600"

	session a.db 403
	session b.db 404 tail=30
	compare new.json a.db b.db
	for version in 6 5 4; do
		cp a.db old.db
		as_schema $version old.db
		compare old.json old.db b.db
		for table in operations sites spans counters; do
			eq "schema $version: $table" "$(python3 -c 'import json, sys; print(json.load(open("old.json"))["tables"][sys.argv[1]])' $table)" \
				"$(python3 -c 'import json, sys; print(json.load(open("new.json"))["tables"][sys.argv[1]])' $table)"
		done
	done
	sql b.db "DELETE FROM latency; DELETE FROM latency_sum; DELETE FROM call; DELETE FROM slot; DELETE FROM session"
	compare d.json a.db b.db
	eq "no calls at all" "$(changes d.json | grep -c '^operations .* gone$')" 8
	sql b.db "DELETE FROM clock"
	one_line_error 1 "$MPSAMPLE" diff a.db b.db
	contains "no time at all" "$MESSAGE" "b.db holds no second as a whole"
}

# status_of EXPR...: the exit status and the lines on stderr.
status_of() {
	local options=() status=0 e

	for e; do
		options+=(--fail-if "$e")
	done
	"$MPSAMPLE" diff a.db b.db "${options[@]}" >/dev/null 2>said || status=$?
	echo "$status $(wc -l <said)"
}

case_fail_if() {
	session a.db 501
	session b.db 502 tail=20
	eq "nothing asked" "$(status_of)" "0 0"
	eq "exceeded" "$(status_of 'malloc.p99_ns > +10%')" "3 1"
	contains "the line" "$(<said)" "mpsample: malloc.p99_ns > +10%: operations, malloc: p99_ns A "
	eq "not exceeded" "$(status_of 'malloc.p99_ns > +30%')" "0 0"
	eq "in ns" "$(status_of 'malloc.p99_ns > +100')" "3 1"
	eq "the other way" "$(status_of 'malloc.p99_ns < -1%')" "0 0"
	eq "not beyond chance" "$(status_of 'free.calls_per_s > -50%' 'p50_ns of on_packet > -50%')" "0 0"
	eq "of any" "$(status_of 'operations.p99_ns > +5%' 'calls_per_s > +5%')" "3 1"
	eq "sizes, too" "$(status_of 'p99_ns of 33-64/malloc > +10%' 'sizes.p99_ns of malloc > +10%')" "3 3"
	session c.db 503 seconds=5
	local status=0
	"$MPSAMPLE" diff a.db c.db --fail-if 'p99_ns > +1%' >/dev/null 2>said || status=$?
	eq "status where nothing is known" "$status" 4
	eq "nothing known" "$(<said)" "mpsample: p99_ns > +1%: too little is known to tell"
	while IFS= read -r expr; do
		one_line_error 2 "$MPSAMPLE" diff a.db b.db --fail-if "$expr"
	done <<'BAD'

p99_ns
p99_ns > 10%
p99_ns > +
p99_ns > +ten%
p99_ns > +10%%
p99_ns >= +10%
> +10%
p98_ns > +10%
max_ns > +10%
malloc of p99_ns > +10%
p99_ns of > +10%
nosuch.p99_ns > +10%
p99_ns of nosuch > +10%
p99_ns > +1e9999
BAD
}

case_options() {
	session a.db 601 seconds=15
	session b.db 602 seconds=15
	echo no >text
	: >empty
	one_line_error 2 "$MPSAMPLE" diff
	one_line_error 2 "$MPSAMPLE" diff a.db
	one_line_error 2 "$MPSAMPLE" diff a.db --phase open_burst
	one_line_error 2 "$MPSAMPLE" diff a.db b.db a.db
	one_line_error 2 "$MPSAMPLE" diff a.db b.db --table nosuch
	one_line_error 2 "$MPSAMPLE" diff a.db b.db --format xml
	one_line_error 2 "$MPSAMPLE" diff a.db b.db --limit -1
	one_line_error 2 "$MPSAMPLE" diff a.db b.db --fail-if
	one_line_error 2 "$MPSAMPLE" diff a.db b.db --nosuch
	for bad in missing.db text empty .; do
		one_line_error 1 "$MPSAMPLE" diff a.db $bad
		one_line_error 1 "$MPSAMPLE" diff $bad b.db
	done
	contains "help" "$("$MPSAMPLE" diff --help)" "usage: mpsample diff A B"
	eq "CSV" "$("$MPSAMPLE" diff a.db b.db --format csv | head -n 1 | tr -d '\r')" \
		"name,op,metric,a,b,change,change_share,lo,hi,p_value,verdict"
	eq "a table as CSV" "$("$MPSAMPLE" diff a.db b.db --format csv --table gc | sed -n '2s/,pauses_per_s.*//p')" "hotspot,young"
	eq "limit" "$("$MPSAMPLE" diff a.db b.db --format csv --limit 3 | wc -l)" 4
	"$MPSAMPLE" diff a.db b.db --format json --table spans | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert list(d) == ["report", "diff", "tables", "notes"] and list(d["tables"]) == ["spans"]' || fail "JSON of one table"
	"$MPSAMPLE" diff a.db b.db | head -n 1 >/dev/null || fail "a reader that has seen enough"
	eq "with itself" "$("$MPSAMPLE" diff a.db a.db --format json --table operations | grep -cE '"verdict":"(more|less|new|gone)"')" 0
}

"case_${CASE:?give one of the cases}"

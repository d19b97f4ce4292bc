#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `orders slow` and `orders plain` do the same but that in the first 2 % of the allocations take 50 us longer. What
# `report impact` predicts of the first, if every allocation took its site's median, is what the second one takes: p50
# and p99 within 5 %, of the span that is marked and of the function. All of their allocations are known, though few
# are rows.
#
# By probes, each allocation takes two microseconds more, and not always the same: orders and delays are ten times longer.
#
# The two are recorded one after the other, and a machine is not equally fast all the time. They have to agree, all together,
# in one round. A prediction that is wrong is so in each: where `plain`, which runs twice, is like itself and the prediction
# is not like it in 4 rounds, it is wrong. On a machine that never is the same twice in 12 rounds nothing can be told.
# cases: preload uprobe
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend multi
library=() size=()
[[ $CASE == preload ]] || size=(4000 10)
[[ $CASE == uprobe ]] || library=(env LD_PRELOAD="$O/libmpsample.so")

record_orders() { # slow|plain NAME
	start_target nice -n -20 "${library[@]}" "$TARGETS/orders" "$1" "${size[@]}"
	record_work "$2.db" --force --plane "$CASE" --spans order
	for name in order tick_to_trade; do
		local known="FROM v_span WHERE name = '$name' AND alloc_calls = 20"
		holds "$name, $2: spans that know their allocations" \
			"$(sql "$2.db" "SELECT count(*) $known") + $(lost "$2.db") >= 0.98 * $(truth orders)"
	done
}

lost() {
	sql "$1" "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source LIKE '%marker%'"
}

# figure DB TABLE NAME COLUMN
figure() {
	"$MPSAMPLE" report impact "$1.db" --table "$2" --format json >"$1.json"
	sqlite3 -batch :memory: "SELECT value ->> '$4' FROM json_each(readfile('$1.json'), '\$.tables.$2')
		WHERE value ->> 'name' = '$3' AND coalesce(value ->> 'kind', 'alloc') = 'alloc' AND value ->> 'site' IS NULL"
}

compare() {
	for name in order tick_to_trade; do
		for q in p50_ns p99_ns; do
			local predicted plain
			predicted=$(figure slow what_if $name $q) plain=$(figure plain spans $name $q)
			echo "$name $q: recorded $(figure slow spans $name $q), predicted $predicted, without the delays $plain"
			within "$name $q" "$predicted" "$plain" 5
		done
	done
}

# The two runs without delays are alike.
is_calm() {
	local name q before=$failures

	for name in order tick_to_trade; do
		for q in p50_ns p99_ns; do
			within "$name $q, twice the same" "$(figure again spans $name $q)" "$(figure plain spans $name $q)" 4 2>>calm
		done
	done
	((failures == before)) && return
	failures=$before
	return 1
}

calm=0
for round in {1..12}; do
	record_orders plain again
	record_orders slow slow
	record_orders plain plain
	holds "the delays show" "$(figure slow spans order p99_ns) > 1.2 * $(figure plain spans order p99_ns)"
	before=$failures
	compare 2>figures
	((failures > before)) || exit 0
	sed "s/^not ok/round $round/" figures
	wrong=$((failures - before)) failures=$before
	is_calm || continue
	calm=$((calm + 1))
	((calm < 4)) || die "round after round, $wrong of 4 figures are not as predicted"
done
((calm < 2)) || die "no agreement in $calm rounds"
skip "the machine is too busy: a program without delays is not the same twice"

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `orders slow` and `orders plain` do the same but that in the first 2 % of the allocations take 50 us longer. What
# `report impact` predicts of the first, if every allocation took its site's median, is what the second one takes: p50
# and p99 within 5 %, of the span that is marked and of the function. All of their allocations are known, though few
# are rows.
#
# By probes, each allocation takes two microseconds more, and not always the same: orders and delays are ten times longer.
#
# The two are recorded one after the other, and a virtual machine is not equally fast in both: so they have to agree, all
# together, in one of 5 pairs. A prediction that is wrong is so in each.
# cases: preload uprobe
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend multi
library=() size=()
[[ $CASE == preload ]] || size=(4000 10)
[[ $CASE == uprobe ]] || library=(env LD_PRELOAD="$O/libmpsample.so")

record_orders() { # slow|plain
	start_target nice -n -20 "${library[@]}" "$TARGETS/orders" "$1" "${size[@]}"
	record_work "$1.db" --force --plane "$CASE" --spans order
	for name in order tick_to_trade; do
		local known="FROM v_span WHERE name = '$name' AND alloc_calls = 20"
		holds "$name, $1: spans that know their allocations" \
			"$(sql "$1.db" "SELECT count(*) $known") + $(lost "$1.db") >= 0.98 * $(truth orders)"
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

for pair in 1 2 3 4 5; do
	record_orders slow
	record_orders plain
	holds "the delays show" "$(figure slow spans order p99_ns) > 1.2 * $(figure plain spans order p99_ns)"
	before=$failures
	compare 2>figures
	((failures > before)) || exit 0
	((pair == 5)) || failures=$before # disturbed: once more
	sed "s/^not ok/pair $pair/" figures
done

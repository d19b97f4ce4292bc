#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: while it is being recorded, a session can be read: each public view answers the plain sqlite3 shell, again and
# again, with figures that only grow, and nothing is lost by it.
# beside others
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
start_target threads --repeat 2 0.0005
start_recorder -p "$TARGET" -o s.db
views=$(sql s.db "SELECT name FROM sqlite_master WHERE type = 'view' AND name GLOB 'v_*' ORDER BY name")
holds "views: $(xargs <<<"$views")" "$(wc -l <<<"$views") >= 12"

rounds=0 last=0
for look in 1 2 3; do
	before=$last deadline=$((SECONDS + GUARD_S))
	until ((last > before)); do # a second's figures come at its end
		((SECONDS < deadline)) || die "look $look: nothing new"
		go
		rounds=$((rounds + 1))
		until [[ $(grep -c '^threads ' target.out) == "$rounds" ]]; do
			alive "$TARGET" || die "the target ended"
			sleep 0.02
		done
		last=$(calls s.db malloc)
		((last >= before)) || fail "look $look: fewer calls than before: $last, $before"
	done
	for view in $views; do
		sqlite3 -batch s.db "SELECT count(*) FROM (SELECT * FROM $view)" >count 2>&1 || fail "$view: $(<count)"
	done
	eq "report" "$("$MPSAMPLE" report summary s.db --format csv 2>&1 | sed -n '2s/,.*//p')" malloc
done
for view in v_session v_thread v_latency v_percentile v_call v_site v_stack v_probe v_module v_clock v_overhead; do
	holds "rows in $view" "$(sql s.db "SELECT count(*) FROM $view") > 0"
done
stop_recorder
end_target
nothing_lost s.db
eq "mallocs" "$(calls s.db malloc)" "$(awk '/^threads / { n += $4 } END { print n }' target.out)"
eq "files beside it when it is finished" "$(find . -name 's.db-*')" ""

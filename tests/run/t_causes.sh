#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `causes NAME` makes 100 calls that are slow for one reason each. Of the kept calls of its slow_site, at least
# 95 have that reason as the largest part of their duration, by probes and by the preload library. The parts of every
# call add up to its duration.
# cases: probe_pages probe_huge probe_file probe_hog probe_lock probe_munmap probe_migration probe_sleep probe_stop
# cases: preload_pages preload_huge preload_file preload_hog preload_lock preload_munmap preload_migration preload_sleep preload_stop
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
plane=${CASE%%_*} name=${CASE#*_}
op=malloc
case $name in
pages) kind=minor_fault ;;
huge) kind=thp ;;
file) kind=major_fault ;;
hog) kind=off_cpu ;;
lock) kind=lock ;;
munmap) kind=syscall:munmap op=free ;;
migration) kind=migration ;;
sleep) kind=syscall:clock_nanosleep ;;
stop) kind=stopped ;;
esac
[[ $name != huge || $(</sys/kernel/mm/transparent_hugepage/enabled) != *"[never]"* ]] || skip "no huge pages here"
[[ $name != migration || $(nproc) -gt 1 ]] || skip "one CPU: nowhere to be moved to"

library=()
if [[ $plane == preload ]]; then
	library=(env LD_PRELOAD="$O/libmpsample.so")
else
	need_backend multi
fi
start_target nice -n -20 "${library[@]}" "$TARGETS/causes" "$name" # others shall not be the reason
record_work s.db --keep-over 3000 --sample-every 100
eq "plane" "$(sql s.db "SELECT value LIKE '$([[ $plane == preload ]] && echo preload || echo uprobe)%' FROM v_session WHERE key = 'planes'")" 1

# A stack may have found no room when the recorder was kept from its work.
slow="FROM v_call WHERE op = '$op' AND site IN ('slow_site', '[no stack]') AND (op = 'free' OR size_bytes = 7919)"
if [[ $op == free ]]; then
	slow="$slow AND dur_ns > 20000"
fi
eq "slow calls that were kept" "$(sql s.db "SELECT count(*) $slow")" "$(truth calls)"
echo "largest parts: $(sql s.db "
	SELECT n, kind FROM (SELECT kind, count(*) AS n FROM (
		SELECT (SELECT kind FROM v_cause c WHERE c.call_id = k.call_id ORDER BY dur_ns DESC LIMIT 1) AS kind
		FROM (SELECT call_id $slow) k) GROUP BY kind) ORDER BY n DESC" | tr '\n' ' ')"
holds "slow calls whose largest part is $kind" "$(sql s.db "
	SELECT count(*) FROM (SELECT call_id $slow) k WHERE '$kind' =
		(SELECT kind FROM v_cause c WHERE c.call_id = k.call_id ORDER BY dur_ns DESC LIMIT 1)") >= 0.95 * $(truth calls)"
[[ $name != hog ]] || holds "calls that say who ran instead" "$(sql s.db "SELECT count(*) FROM (SELECT call_id $slow) k
	JOIN v_cause USING (call_id) WHERE kind = 'off_cpu' AND detail LIKE 'ran: causes/%'") >= 0.95 * $(truth calls)"

eq "calls whose parts do not add up" "$(sql s.db "
	SELECT call_id, c.dur_ns, sum(p.dur_ns), min(p.dur_ns) FROM v_call c JOIN v_cause p USING (call_id)
	GROUP BY call_id HAVING sum(p.dur_ns) <> c.dur_ns OR min(p.dur_ns) < 0 OR sum(kind = 'unexplained') <> 1")" ""
holds "calls that were looked at" "$(sql s.db "SELECT count(DISTINCT call_id) FROM v_cause") = $(sql s.db "SELECT count(*) FROM v_call")"

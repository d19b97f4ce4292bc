#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the uprobe plane and the preload plane tell the same story of the same work.
#   family family_cxx sqlite jemalloc   the same seeded work once with each: calls and bytes of every operation are identical
#   sites                               the market day of the matching engine, every call a row with probes, one in 60 with
#                                       the library: sites that make more than 3 % of an operation's calls are the same,
#                                       and so are their shares, within the 4 points that a sample allows
# cases: family family_cxx sqlite jemalloc sites
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend session
story="SELECT name, sum(calls), sum(bytes) FROM latency_sum JOIN op USING (op_id) GROUP BY 1 ORDER BY 1"

# record_from_start PLANE OPTION... -- COMMAND...: to PLANE.db.
record_from_start() {
	local plane=$1
	shift
	"$MPSAMPLE" record "${EVERY_CALL[@]}" --plane "$plane" -o "$plane.db" "$@" </dev/null >"$plane.out" 2>"$plane.err"
	eq "plane" "$(sql "$plane.db" "SELECT value LIKE '$plane%' FROM v_session WHERE key = 'planes'")" 1
}

both() { # COMMAND...
	record_from_start uprobe -- "$@"
	record_from_start preload -- "$@"
	all_counted
}

# Stacks of a burst may have found no room; calls have to be all there.
all_counted() {
	nothing_lost uprobe.db
	eq "lost by the preload plane" "$(sql preload.db "SELECT * FROM v_loss WHERE what <> 'events'")" ""
}

# both_known TARGET: between its go and done, so that the loader's work for one more library does not count.
both_known() {
	start_target "$@"
	record_work uprobe.db --plane uprobe
	start_target env LD_PRELOAD="$O/libmpsample.so" "$TARGETS/$1" "${@:2}"
	record_work preload.db --plane preload
	all_counted
}

same_counts() {
	sql uprobe.db "$story" >story
	cat story
	eq "calls and bytes by operation" "$(sql preload.db "$story")" "$(<story)"
	holds "there is something to tell" "$(awk -F'|' '{ n += $2 } END { print n }' story) > 1000"
}

case $CASE in
family | family_cxx)
	both_known "$CASE"
	same_counts
	;;
jemalloc)
	jemalloc=$(ldconfig -p | awk '$1 == "libjemalloc.so.2" && !found { print $NF; found = 1 }')
	[[ $jemalloc ]] || skip "libjemalloc.so.2 is not installed (Debian: libjemalloc2)"
	start_target env LD_PRELOAD="$jemalloc" "$TARGETS/family_cxx"
	record_work uprobe.db --plane uprobe
	start_target env LD_PRELOAD="$O/libmpsample.so $jemalloc" "$TARGETS/family_cxx"
	record_work preload.db --plane preload
	all_counted
	holds "operators of the allocator's own" "$(calls uprobe.db new) > 0"
	same_counts
	;;
sqlite)
	cat >work.sql <<-'SQL'
		CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3001)
		INSERT INTO t SELECT i, printf('order-%d-%d', i, i * 7919 % 1009), i / 7.0 FROM n;
		SELECT count(*), sum(length(b)), round(avg(c), 3) FROM t WHERE b LIKE 'order-1%';
		SELECT group_concat(b) FROM (SELECT b FROM t ORDER BY c DESC LIMIT 503);
	SQL
	both sqlite3 -batch :memory: ".read work.sql"
	same_counts
	eq "what it printed" "$(<preload.out)" "$(<uprobe.out)"
	;;
sites)
	# With one plane every call is a row: shares are exact. With the other one in 30.
	engine=("$TARGETS/matching_engine" --seconds 4 --seed 7)
	# Without the end of the day, where all orders are freed in a burst that has no room for its stacks.
	record_from_start uprobe --full -d 3.5 -- "${engine[@]}"
	record_from_start preload --sample-every 60 --track off -d 3.5 -- "${engine[@]}"
	all_counted
	# Shares of the calls whose site is known; how many are not known is looked at below.
	shares="WITH known AS (SELECT * FROM v_site WHERE op IN ('malloc', 'free') AND site <> '[no stack]')
		SELECT op, site, sum(calls) * 1.0 / (SELECT sum(calls) FROM known s WHERE s.op = k.op) FROM known k GROUP BY 1, 2"
	# A burst may have found no room for stacks: then they are counted.
	without="SELECT count(*) FROM v_call WHERE stack_id IS NULL"
	eq "rows without a stack, by probes" "$(sql uprobe.db "$without")" 0
	eq "rows without a stack and stacks lost" "$(sql preload.db "$without")" \
		"$(sql preload.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source = 'preload stacks'")"
	for plane in uprobe preload; do
		sql $plane.db "$shares" | sort >$plane.sites
	done
	head -n 40 uprobe.sites
	awk -F'|' 'NR == FNR { share[$1 FS $2] = $3; next }
		{ seen[$1 FS $2] = $3 }
		END {
			for (s in share) if (share[s] > 0.03 && (seen[s] < 0.01 || seen[s] - share[s] > 0.04 || share[s] - seen[s] > 0.04)) print "uprobe: " s, share[s], "preload:", seen[s] + 0
			for (s in seen) if (seen[s] > 0.03 && share[s] < 0.01) print "preload only: " s, seen[s]
		}' uprobe.sites preload.sites >differences
	eq "sites" "$(<differences)" ""
	;;
esac

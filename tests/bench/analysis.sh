#!/bin/bash
# SPDX-License-Identifier: MIT
# What the reports take on a session as large as they have to bear (tests/tools/big_session.c: 10^9 counted calls, 10^6 kept
# ones with their causes, 10^5 spans, 10^6 samples), and, with TRADING_DAY=1, which takes six minutes more, on 8 hours of
# 100,000 allocations a second (tests/tools/day.c) within the default limit: seconds and most memory, the best of ROUNDS
# (default 3); how much of the slowest calls of the matching engine is explained, by probes and by the library; and what watching the kernel adds to a system
# call and to a page fault, of the target and of other processes.
set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$root/$O
rounds=${ROUNDS:-3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-bench.XXXXXX")
engine=
trap '[[ ! $engine ]] || kill "$engine" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"

# reports_on DB REPORT...
reports_on() {
	local db=$1 what words
	shift
	echo "reports on $("$O/mpsample" query "$db" "SELECT sum(calls) AS n FROM latency_sum" --format csv | sed -n 2p | tr -d '\r') counted and" \
		"$("$O/mpsample" query "$db" "SELECT count(*) AS n FROM v_call" --format csv | sed -n 2p | tr -d '\r') kept calls, $(($(stat -c %s "$db") >> 20)) MiB"
	printf '%-24s  %8s  %10s\n' report seconds MiB
	for what in "$@"; do
		read -ra words <<<"$what"
		for _ in $(seq "$rounds"); do
			"$O/tests/bench/cost" "$O/mpsample" "${words[0]}" "${words[@]:1}" "$db"
		done | sort -n | awk -v what="$what" 'NR == 1 {s = $1} $2 > m {m = $2} END {printf "%-24s  %8.2f  %10.0f\n", what, s, m / 1024}'
	done
}

"$O/tests/tools/big_session" big.db >/dev/null
reports_on big.db 'report jitter' 'explain --top 100' 'report outliers' 'report advice' 'report impact' 'report sites' 'report cache'
if [[ ${TRADING_DAY:-} ]]; then
	"$O/tests/tools/day" day.db $((160 << 20)) 28800 trading >/dev/null
	reports_on day.db 'report summary' 'report session' 'report jitter' 'explain --top 100' 'report outliers' 'report advice' 'report impact' \
		'report sites' 'report cache' 'report pools' 'report gc' 'report heap' 'report loss'
fi

explained="WITH slowest AS (SELECT call_id, dur_ns FROM v_call ORDER BY dur_ns DESC LIMIT 100),
	share AS (SELECT 1 - (SELECT c.dur_ns FROM v_cause c WHERE c.call_id = s.call_id AND kind = 'unexplained') * 1.0 / dur_ns AS e FROM slowest s)
	SELECT round(100 * e, 1) AS e FROM share ORDER BY e LIMIT 1 OFFSET (SELECT count(*) / 2 FROM share)"
echo
echo "the 100 slowest calls of the matching engine (10 s): the median share of a call that is explained"
for plane in uprobe preload; do
	LD_PRELOAD=$O/libmpsample.so "$O/tests/targets/matching_engine" --seconds 12 >/dev/null &
	engine=$!
	sleep 1
	"$O/mpsample" record -p "$engine" -d 10 -o "$plane.db" --plane "$plane" 2>/dev/null
	kill "$engine"
	wait "$engine" 2>/dev/null || true
	engine=
	printf '%-10s  %s %%\n' "$plane" "$("$O/mpsample" query "$plane.db" "$explained" --format csv | sed -n 2p | tr -d '\r')"
done

echo
echo "a system call and a page fault: ns without a recorder, of a process beside the target, of the target"
"$O/tests/tools/kernel_cost" 1 >plain
sleep 60 &
other=$!
"$O/mpsample" record -p "$other" -d 4 -o other.db 2>/dev/null &
sleep 2
"$O/tests/tools/kernel_cost" 1 >beside
wait %-
kill "$other"
"$O/tests/tools/kernel_cost" 6 >target &
"$O/mpsample" record -p $! -d 4 -o target.db 2>/dev/null
wait
paste plain beside <(sort -k2n target | awk '{v[NR] = $0} END {print v[int((NR + 1) / 2)]}') |
	awk '{printf "system call  %5d %5d %5d\npage fault   %5d %5d %5d\n", $2, $6, $10, $4, $8, $12}'

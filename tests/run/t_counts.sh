#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a target that makes 1,000,003 mallocs and 999,983 frees over 4 threads is recorded with just these figures, its
# bytes to the byte, and without a loss: by every backend, with threads that exist before the recorder comes and with
# threads that begin later (whose making costs some calls of calloc, and nothing else).
#
# tracefs hands every call through a buffer that a recorder kept from running cannot empty: there, what was counted and
# what was lost make up the truth in every run; on a machine that is not too busy one of 3 runs loses nothing.
# beside others
# cases: session multi tracefs session_late multi_late tracefs_late
source "${BASH_SOURCE[0]%/*}/lib.sh"

backend=${CASE%_late}
need_backend "$backend"

record() {
	# shellcheck disable=SC2046 # no word, or one
	start_target count $([[ $CASE != *_late ]] || echo --late) 1000003 999983 4
	record_work s.db --force --backend "$backend"
}

complete() {
	[[ ! $(sql s.db "SELECT * FROM v_loss") ]]
}

# Of those lost, 4 may be the calls of calloc that make the late threads.
none_untold() {
	eq "mallocs and frees, counted or lost, make the truth" "$(sql s.db "
		SELECT (SELECT sum(calls) FROM v_percentile WHERE op IN ('malloc', 'free'))
		     + (SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'calls')
		       BETWEEN 1999986 AND 1999986 + $([[ $CASE == *_late ]] && echo 4 || echo 0)")" 1
	echo "lost on a busy machine: $(sql s.db "SELECT source, what, sum(lost) FROM v_loss GROUP BY 1, 2" | xargs)"
}

record
for again in 2 3 none; do
	[[ $backend == tracefs ]] && ! complete || break
	none_untold
	[[ $again != none ]] || exit 0
	record
done

eq "mallocs" "$(calls s.db malloc)" 1000003
eq "frees" "$(calls s.db free)" 999983
eq "bytes" "$(bytes s.db malloc)" "$(truth bytes)"
eq "other operations" "$(sql s.db "SELECT DISTINCT op FROM v_percentile WHERE op NOT IN ('malloc', 'free')")" \
	"$([[ $CASE != *_late ]] || echo calloc)"
nothing_lost s.db
eq "backend" "$(sql s.db "SELECT value FROM v_session WHERE key = 'backend'")" "$backend"
"$MPSAMPLE" report summary s.db --format json >summary.json
eq "calls and bytes in the report" "$(sqlite3 -batch :memory: "
	SELECT json_extract(value, '$.calls'), json_extract(value, '$.bytes')
	FROM json_each(readfile('summary.json'), '$.rows') WHERE json_extract(value, '$.op') = 'malloc'")" \
	"1000003|$(truth bytes)"

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a target that makes 1,000,003 mallocs and 999,983 frees over 4 threads is recorded with just these figures, its
# bytes to the byte, and without a loss: by every backend, with threads that exist before the recorder comes and with
# threads that begin later (whose making costs some calls of calloc, and nothing else).
# cases: session multi tracefs session_late multi_late tracefs_late
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend "${CASE%_late}"
if [[ $CASE == *_late ]]; then
	start_target count --late 1000003 999983 4
else
	start_target count 1000003 999983 4
fi
record_work s.db --backend "${CASE%_late}"

eq "mallocs" "$(calls s.db malloc)" 1000003
eq "frees" "$(calls s.db free)" 999983
eq "bytes" "$(bytes s.db malloc)" "$(truth bytes)"
eq "other operations" "$(sql s.db "SELECT DISTINCT op FROM v_percentile WHERE op NOT IN ('malloc', 'free')")" \
	"$([[ $CASE != *_late ]] || echo calloc)"
nothing_lost s.db
eq "backend" "$(sql s.db "SELECT value FROM v_session WHERE key = 'backend'")" "${CASE%_late}"
"$MPSAMPLE" report summary s.db --format json >summary.json
eq "calls and bytes in the report" "$(sqlite3 -batch :memory: "
	SELECT json_extract(value, '$.calls'), json_extract(value, '$.bytes')
	FROM json_each(readfile('summary.json'), '$.rows') WHERE json_extract(value, '$.op') = 'malloc'")" \
	"1000003|$(truth bytes)"

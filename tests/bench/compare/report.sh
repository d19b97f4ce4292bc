#!/bin/bash
# SPDX-License-Identifier: MIT
# report.sh [table|markdown|json]: what compare.sh measured, from the files that it left in build/bench.
set -euo pipefail
here=$(realpath "${BASH_SOURCE[0]%/*}")
cd "${BENCH_OUT:-${O:-build}/bench}"
rm -f figures.db
sqlite3 figures.db <"$here/figures.sql" 2>&1 | grep -v 'filling the rest with NULL' || true

sql() { sqlite3 -batch -list -separator "$(printf '\t')" -nullvalue - figures.db "$1"; }

# The rows of the table, cells apart by tabs. The plain row tells what an operation costs by itself.
cells() {
	printf '\tpairs\t\t\tsplit\t\tbook\t\thandoff\tlarge\t\tbook p99/p99.9 us\t\tredis\t\tcalls\tbytes\tCPU s\n'
	printf 'ns added to an operation\t1 thr\t2 thr\t64 thr\tmalloc\tfree\t1 thr\t2 thr\t2 thr\t1 thr\t2 thr\t1 thr\t2 thr\treq/s\tp99 ms\tlost\t/call\t/M calls\n'
	sql "
		WITH own AS (
			SELECT
				max(value) FILTER (WHERE (workload, threads, key) = ('pairs', 1, 'ns')) AS pairs_1,
				max(value) FILTER (WHERE (workload, threads, key) = ('pairs', 2, 'ns')) AS pairs_2,
				max(value) FILTER (WHERE (workload, threads, key) = ('pairs', 64, 'ns')) AS pairs_64,
				max(value) FILTER (WHERE key = 'malloc_ns' AND workload = 'split') AS malloc,
				max(value) FILTER (WHERE key = 'free_ns' AND workload = 'split') AS free,
				max(value) FILTER (WHERE (workload, threads, key) = ('book', 1, 'ns')) AS book_1,
				max(value) FILTER (WHERE (workload, threads, key) = ('book', 2, 'ns')) AS book_2,
				max(value) FILTER (WHERE (workload, key) = ('handoff', 'ns')) AS handoff,
				max(value) FILTER (WHERE (workload, threads, key) = ('large', 1, 'ns')) AS large_1,
				max(value) FILTER (WHERE (workload, threads, key) = ('large', 2, 'ns')) AS large_2,
				max(value) FILTER (WHERE key = 'rps') AS rps
			FROM median WHERE mode = 'plain'
		)
		SELECT iif(base NOT IN ('plain', mode), mode || ' (to ' || base || ')', mode),
			iif(mode = 'plain', pairs_1, pairs_1_added_ns), iif(mode = 'plain', pairs_2, pairs_2_added_ns),
			iif(mode = 'plain', pairs_64, pairs_64_added_ns), iif(mode = 'plain', malloc, malloc_added_ns),
			iif(mode = 'plain', free, free_added_ns), iif(mode = 'plain', book_1, book_1_added_ns),
			iif(mode = 'plain', book_2, book_2_added_ns), iif(mode = 'plain', handoff, handoff_added_ns),
			iif(mode = 'plain', large_1, large_1_added_ns), iif(mode = 'plain', large_2, large_2_added_ns),
			printf('%.2f/%.1f', book_1_p99_ns / 1e3, book_1_p999_ns / 1e3) || iif(book_1_p99_ns IS NULL, NULL, ''),
			printf('%.2f/%.1f', book_2_p99_ns / 1e3, book_2_p999_ns / 1e3) || iif(book_2_p99_ns IS NULL, NULL, ''),
			iif(mode = 'plain', printf('%d', rps), printf('%.1f %%', redis_rps_share * 100) || iif(redis_rps_share IS NULL, NULL, '')),
			printf('%.2f', redis_p99_ms) || iif(redis_p99_ms IS NULL, NULL, ''), iif(mode = 'plain', NULL, printf('%d', lost) || iif(lost IS NULL, NULL, '')),
			printf('%.2f', bytes_per_event) || iif(bytes_per_event IS NULL, NULL, ''),
			printf('%.2f', cpu_s_per_million) || iif(cpu_s_per_million IS NULL, NULL, '')
		FROM bench, own ORDER BY ord" |
		awk -F'\t' -v OFS='\t' '{for (i = 2; i <= 11; i++) if ($i != "-") $i = sprintf($i < 10 && $i > -10 ? "%.1f" : "%.0f", $i); print}'
}

ratios() { # name value relation bound ok|missed
	sql "SELECT name, printf('%.3f', value) || iif(value IS NULL, NULL, ''), iif(bound IS NULL, '', relation), printf('%g', bound) || iif(bound IS NULL, NULL, ''),
			CASE WHEN value IS NULL OR bound IS NULL THEN '-'
				WHEN relation = '<=' AND value <= bound OR relation = '>=' AND value >= bound THEN 'ok' ELSE 'missed' END
		FROM ratios ORDER BY ord"
}

machine() {
	sql "SELECT value FROM machine WHERE key = 'cpu'
		UNION ALL SELECT value || ' CPUs' FROM machine WHERE key = 'cores'
		UNION ALL SELECT value FROM machine WHERE key IN ('kernel', 'distribution', 'libc')" | paste -sd, | sed 's/,/, /g'
}

how() {
	sql "SELECT 'Medians of ' || max(value) FILTER (WHERE key = 'rounds') || ' rounds (redis: ' || max(value) FILTER (WHERE key = 'redis_rounds') ||
		'), in which the modes took turns; the whole took ' || max(value) FILTER (WHERE key = 'seconds') || ' s.' FROM machine"
}

notes() { sql "SELECT mode || ': ' || note FROM notes"; }

# Columns as wide as what is in them: the first to the left, the others mostly to the right.
aligned() { # [COLUMNS-TO-THE-LEFT]
	awk -F'\t' -v left="${1:-1}" '{for (i = 1; i <= NF; i++) {cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i)} if (NF > n) n = NF}
		END {for (r = 1; r <= NR; r++) for (i = 1; i <= n; i++) printf "%" (i > left ? "" : "-") width[i] "s%s", cell[r, i], i < n ? "  " : "\n"}'
}

# A Markdown table has one line of names: those above are joined with those below.
markdown() { # LINES-OF-NAMES
	awk -F'\t' -v heads="$1" '
		function line(kind,   i, s) {
			s = "|"
			for (i = 1; i <= n; i++) s = s " " (kind == "rule" ? (i > 1 ? "---:" : "---") : kind == "names" ? name[i] : $i) " |"
			return s
		}
		NR <= heads {for (i = 1; i <= NF; i++) {if (heads > 1 && NR == 1) {if ($i != "") last = $i; over[i] = $i != "" ? $i : i > 1 ? last : ""}
			else name[i] = over[i] (over[i] != "" ? " " : "") $i}
			n = NF; if (NR == heads) {print line("names"); print line("rule")} next}
		{print line("cells")}'
}

case ${1:-table} in
table)
	echo "machine: $(machine)"
	how
	echo "ns: the plain row tells what an operation takes by itself, the others what the tool adds to it. - : not measured, or not told"
	echo "With probes mpsample sees malloc and free, its peers malloc alone: compare the column split malloc, which is of one call."
	echo
	cells | aligned
	echo
	ratios | aligned
	echo
	sql "SELECT mode, title FROM modes" | aligned 2 | sed 's/ *$//'
	echo
	notes | sed 's/^/- : /'
	;;
markdown)
	echo "$(machine). $(how) \`plain\`: what an operation takes by itself, in ns; below, what the tool adds. A dash: not measured, or the tool does not tell."
	echo
	cells | cut -f 1-11 | markdown 2 # one table is too wide for a page
	echo
	cells | cut -f 1,12- | sed "2s/^[^\t]*/the rest/" | markdown 2
	echo
	{ printf 'ratio\tmeasured\t\tbound\t\n'; ratios; } | markdown 1
	echo
	sql "SELECT '\`' || mode || '\`', title FROM modes" | { printf 'mode\tis\n'; cat; } | markdown 1 | sed 's/---:/---/'
	[[ ! -s notes.tsv ]] || { echo; echo "Not measured: $(notes | paste -sd';' | sed 's/;/; /g')."; }
	;;
json)
	sqlite3 -batch figures.db "
		SELECT json_object(
			'machine', (SELECT json_group_object(key, value) FROM machine),
			'modes', (SELECT json_group_array(json_object('mode', mode, 'title', title, 'base', base, 'pairs_1_added_ns', pairs_1_added_ns,
				'pairs_2_added_ns', pairs_2_added_ns, 'pairs_64_added_ns', pairs_64_added_ns, 'malloc_added_ns', malloc_added_ns,
				'free_added_ns', free_added_ns, 'book_1_added_ns', book_1_added_ns, 'book_2_added_ns', book_2_added_ns,
				'handoff_added_ns', handoff_added_ns, 'large_1_added_ns', large_1_added_ns, 'large_2_added_ns', large_2_added_ns,
				'redis_rps_share', redis_rps_share, 'redis_p99_ms', redis_p99_ms, 'lost', lost, 'calls', events,
				'bytes_per_call', bytes_per_event, 'cpu_s_per_million_calls', cpu_s_per_million)) FROM bench),
			'figures', (SELECT json_group_array(json_object('mode', mode, 'workload', workload, 'threads', threads, 'figure', key, 'median', value,
				'rounds', rounds)) FROM median),
			'ratios', (SELECT json_group_array(json_object('name', name, 'value', value, 'relation', relation, 'bound', bound)) FROM ratios),
			'notes', (SELECT json_group_array(json_object('mode', mode, 'note', note)) FROM notes))"
	;;
*)
	echo "usage: report.sh [table|markdown|json]" >&2
	exit 2
	;;
esac

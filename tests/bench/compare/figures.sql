-- SPDX-License-Identifier: MIT
-- What report.sh makes of the figures of a run (compare.sh).
--
--   figures       one figure of one round: as measured, and what follows from it, paired with the base's of the same round
--   median        of the rounds
--   bench         the table: a row for each mode; NULL where nothing was measured
--   ratios        what has to hold: NULL where nothing was measured
--
-- Workloads `bare` and `calls` are `pairs` and `split` side by side, `redis-paired` is `redis` in one server, for ratios.
-- Workload `small` and `crowd` with threads 0: the tool's own figures, of all that it saw in that turn.

CREATE TABLE figures (mode TEXT, workload TEXT, threads INTEGER, round INTEGER, key TEXT, value REAL);
CREATE TABLE modes (ord INTEGER PRIMARY KEY, mode TEXT, sees INTEGER, base TEXT, title TEXT);
CREATE TABLE notes (mode TEXT, note TEXT);
CREATE TABLE machine (key TEXT, value TEXT);
CREATE TEMP TABLE modes_in (mode TEXT, sees INTEGER, base TEXT, title TEXT);

.mode tabs
.import figures.tsv figures
.import modes.tsv modes_in
.import notes.tsv notes
.import machine.tsv machine

INSERT INTO modes (mode, sees, base, title) SELECT mode, sees, base, title FROM modes_in ORDER BY rowid;
CREATE INDEX figures_by ON figures (mode, workload, threads, key, round);

-- Added to the base's figure of the same round: what drifts with the machine is in both.
INSERT INTO figures
SELECT f.mode, f.workload, f.threads, f.round, 'added_' || f.key, f.value - b.value
FROM figures AS f
JOIN modes AS m ON m.mode = f.mode AND m.base <> m.mode
JOIN figures AS b ON (b.mode, b.workload, b.threads, b.key, b.round) = (m.base, f.workload, f.threads, f.key, f.round)
WHERE f.key IN ('ns', 'malloc_ns', 'free_ns');

INSERT INTO figures
SELECT f.mode, f.workload, f.threads, f.round, 'rps_share', f.value / b.value
FROM figures AS f
JOIN figures AS b ON (b.mode, b.workload, b.threads, b.key, b.round) = ('plain', f.workload, 1, 'rps', f.round)
WHERE f.key = 'rps' AND f.mode <> 'plain';

CREATE VIEW median AS
SELECT mode, workload, threads, key, avg(value) AS value, n AS rounds
FROM (
	SELECT mode, workload, threads, key, value, row_number() OVER sorted AS i, count(*) OVER same AS n
	FROM figures
	WINDOW same AS (PARTITION BY mode, workload, threads, key), sorted AS (same ORDER BY value)
)
WHERE i IN ((n + 1) / 2, n / 2 + 1)
GROUP BY mode, workload, threads, key;

-- The calls that a tool had to see in a turn, and what it says of them.
CREATE VIEW seen AS
SELECT f.mode, sum(iif(key = 'mallocs' AND sees >= 1 OR key = 'frees' AND sees >= 2, value, 0)) AS events,
	sum(iif(key = 'lost', value, NULL)) AS lost, sum(iif(key = 'bytes', value, NULL)) AS bytes,
	sum(iif(key = 'cpu_s', value, NULL)) AS cpu_s
FROM figures AS f
JOIN modes USING (mode)
WHERE workload NOT IN ('redis', 'redis-paired', 'bare', 'calls')
GROUP BY f.mode;

CREATE VIEW bench AS
WITH at AS (
	SELECT mode, workload || threads || ' ' || key AS name, value FROM median
)
SELECT m.ord, m.mode, m.title, m.base,
	max(value) FILTER (WHERE name = 'pairs1 added_ns') AS pairs_1_added_ns,
	max(value) FILTER (WHERE name = 'pairs2 added_ns') AS pairs_2_added_ns,
	max(value) FILTER (WHERE name = 'pairs64 added_ns') AS pairs_64_added_ns,
	max(value) FILTER (WHERE name = 'split1 added_malloc_ns') AS malloc_added_ns,
	max(value) FILTER (WHERE name = 'split1 added_free_ns') AS free_added_ns,
	max(value) FILTER (WHERE name = 'book1 added_ns') AS book_1_added_ns,
	max(value) FILTER (WHERE name = 'book2 added_ns') AS book_2_added_ns,
	max(value) FILTER (WHERE name = 'handoff2 added_ns') AS handoff_added_ns,
	max(value) FILTER (WHERE name = 'large1 added_ns') AS large_1_added_ns,
	max(value) FILTER (WHERE name = 'large2 added_ns') AS large_2_added_ns,
	max(value) FILTER (WHERE name = 'book1 p99') AS book_1_p99_ns,
	max(value) FILTER (WHERE name = 'book1 p999') AS book_1_p999_ns,
	max(value) FILTER (WHERE name = 'book2 p99') AS book_2_p99_ns,
	max(value) FILTER (WHERE name = 'book2 p999') AS book_2_p999_ns,
	max(value) FILTER (WHERE name = 'redis1 rps_share') AS redis_rps_share,
	max(value) FILTER (WHERE name = 'redis1 p99_ms') AS redis_p99_ms,
	s.lost, s.events, s.bytes / nullif(s.events, 0) AS bytes_per_event, s.cpu_s * 1e6 / nullif(s.events, 0) AS cpu_s_per_million
FROM modes AS m
LEFT JOIN at ON at.mode = m.mode
LEFT JOIN seen AS s ON s.mode = m.mode
GROUP BY m.ord;

-- ---- Ratios ----

CREATE TABLE ratios (ord INTEGER PRIMARY KEY, name TEXT, value REAL, relation TEXT, bound REAL);

CREATE VIEW per_round AS
SELECT mode, round, workload, threads,
	max(iif(key = 'added_ns', value, NULL)) AS pair,
	max(iif(key = 'added_malloc_ns', value, NULL)) AS malloc,
	max(iif(key = 'added_free_ns', value, NULL)) AS free
FROM figures
GROUP BY mode, round, workload, threads;

-- A ratio of each round, of which the median is told.
CREATE TABLE ratio_of_round (name TEXT, relation TEXT, bound REAL, ord INTEGER, value REAL);

CREATE TABLE asked (ord INTEGER PRIMARY KEY, mode TEXT, peer TEXT, bound REAL);
INSERT INTO asked (mode, peer, bound) VALUES
	('uprobe-all', 'empty-pair', 1.15), ('uprobe-hist', 'empty-pair', 1.15),
	('uprobe-all', 'empty-sleepable', NULL), ('uprobe-hist', 'empty-sleepable', NULL),
	('uprobe-all', 'bpftrace', 0.7), ('uprobe-hist', 'bpftrace', 0.7),
	('uprobe-all', 'funclatency', 0.8), ('uprobe-hist', 'funclatency', 0.8),
	('uprobe-all', 'perf-record', 0.5), ('uprobe-hist', 'perf-record', 0.5);

INSERT INTO ratio_of_round
SELECT 'malloc: ' || a.mode || ' / ' || a.peer, '<=', bound, a.ord, m.malloc / p.malloc
FROM asked AS a
LEFT JOIN per_round AS m ON m.mode = a.mode AND m.workload = 'calls'
LEFT JOIN per_round AS p ON p.mode = a.peer AND p.workload = 'calls' AND p.round = m.round;

INSERT INTO ratio_of_round
SELECT 'uprobe-all: free / malloc', '<=', 1, 100, free / malloc
FROM (SELECT 1) LEFT JOIN per_round ON mode = 'uprobe-all' AND workload = 'calls';

INSERT INTO ratio_of_round
SELECT 'pairs: uprobe-slow, ns added', '<=', 20, 110, pair
FROM (SELECT 1) LEFT JOIN per_round ON mode = 'uprobe-slow' AND workload = 'pairs' AND threads = 1;

INSERT INTO ratio_of_round
SELECT 'redis: uprobe-auto, throughput / plain', '>=', 0.97, 120, value
FROM (SELECT 1) LEFT JOIN figures ON (mode, workload, key) = ('uprobe-auto', 'redis-paired', 'rps_share');

INSERT INTO ratio_of_round
SELECT 'pairs: preload-dormant, ns added', '<=', 2, 140, pair
FROM (SELECT 1) LEFT JOIN per_round ON mode = 'preload-dormant' AND workload = 'bare';

-- Per call seen: a tool that sees malloc alone has one in a pair.
CREATE VIEW per_call AS
SELECT mode, threads, round, pair / sees AS ns FROM per_round JOIN modes USING (mode) WHERE workload = 'pairs' AND sees;

INSERT INTO ratio_of_round
SELECT 'pairs, ' || t.threads || ' thr: preload-on / ' || peer.mode || ', per call', '<=', 1, 150 + peer.ord + 50 * (t.threads = 2), a.ns / b.ns
FROM (SELECT 1 AS threads UNION ALL SELECT 2) AS t
JOIN modes AS peer ON peer.mode IN ('lttng', 'heaptrack', 'uftrace', 'funclatency', 'bpftrace', 'perf-stat', 'perf-record', 'tcmalloc-heap')
LEFT JOIN per_call AS a ON a.mode = 'preload-on' AND a.threads = t.threads
LEFT JOIN per_call AS b ON b.mode = peer.mode AND b.threads = t.threads AND b.round = a.round;

INSERT INTO ratios (ord, name, value, relation, bound)
SELECT ord, name, avg(value), relation, bound
FROM (
	SELECT *, row_number() OVER (PARTITION BY ord ORDER BY value) AS i, count(value) OVER (PARTITION BY ord) AS n
	FROM (SELECT * FROM ratio_of_round WHERE value IS NOT NULL)
)
WHERE i IN ((n + 1) / 2, n / 2 + 1)
GROUP BY ord;
INSERT OR IGNORE INTO ratios (ord, name, value, relation, bound)
SELECT ord, name, NULL, relation, bound FROM ratio_of_round;

-- No worse than the plain runs are among themselves.
INSERT INTO ratios (ord, name, value, relation, bound)
SELECT 130, 'redis: uprobe-auto, p99 ms; slowest plain run', (SELECT value FROM median WHERE (mode, workload, key) = ('uprobe-auto', 'redis', 'p99_ms')), '<=',
	(SELECT max(value) FROM figures WHERE (mode, key) = ('plain', 'p99_ms'));

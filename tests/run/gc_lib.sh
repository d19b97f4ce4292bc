# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced after lib.sh by tests of what is recorded of collectors: their loads (tests/targets/gc/), and the comparison of a
# session with a runtime's own account.
#
# A truth file has a line for each pause, on CLOCK_MONOTONIC, apart by blanks; lines that begin with # are no pauses:
#
#   begin_ns end_ns kind [ttsp_ns stopped_ns [cause]]       -: not told
#
# With stopped_ns, begin and end are those of the collector's work, as t_ns and dur_ns of v_gc; without, those of the whole
# stop, which a row tells by ttsp_ns and stopped_ns, or, where it has none, by t_ns and dur_ns.

GC_LOADS=$ROOT/tests/targets/gc
GC_NEAR_NS=5000000 # a logged pause and a recorded one that begin further apart are two

# gc_nearest A B COLUMN: of each row of table A the nearest of table B, before or after it.
gc_nearest() {
	cat <<-END
		SELECT a.id, (
		  SELECT id FROM (
		    SELECT * FROM (SELECT id, a.$3 - $3 AS far FROM $2 WHERE is_free = 1 AND $3 <= a.$3 ORDER BY $3 DESC LIMIT 1)
		    UNION ALL SELECT * FROM (SELECT id, $3 - a.$3 FROM $2 WHERE is_free = 1 AND $3 > a.$3 ORDER BY $3 LIMIT 1))
		  WHERE far <= $GC_NEAR_NS ORDER BY far LIMIT 1) AS nearest
		FROM $1 AS a WHERE is_free = 1
	END
}

# gc_match COLUMN: pairs those of l and r that are nearest to each other, and are in no pair yet.
gc_match() {
	cat <<-END
		CREATE INDEX l_$1 ON l (is_free, $1, id);
		CREATE INDEX r_$1 ON r (is_free, $1, id);
		CREATE TABLE of_l_$1 AS $(gc_nearest l r "$1");
		CREATE TABLE of_r_$1 AS $(gc_nearest r l "$1");
		INSERT INTO pair SELECT of_l_$1.id, of_r_$1.id FROM of_l_$1 JOIN of_r_$1
		  ON of_r_$1.id = of_l_$1.nearest AND of_l_$1.id = of_r_$1.nearest;
		UPDATE l SET is_free = 0 WHERE id IN (SELECT l_id FROM pair);
		UPDATE r SET is_free = 0 WHERE id IN (SELECT r_id FROM pair);
	END
}

# gc_compare DB TRUTH RUNTIME: prints lines `NAME FIGURE`, which gc_figure reads when they are in the file `compared`:
#
#   logged recorded     pauses, in the session's time; those of the log that straddle its edges are left out, and the row of each;
#                       so is the last: its thread may lose the CPU before the probe at its end, and the recording end meanwhile
#   missing extra       logged without a row; rows without a logged pause. One to one: what is nearest to each other by its
#                       begin, and of what remains by its end: a thread may lose the CPU between a stamp and the probe.
#   logged_p50_ns                   how long the logged pauses are
#   length_p50_ns length_p99_ns     |error| of the length
#   stop_p50_ns stop_p99_ns         of stopped_ns, where log and row have both
#   ttsp_p50_ns                     of ttsp_ns, likewise
#   begin_p50_ns                    |error| of the begin
#   kinds_differ causes_differ      log and row have one, and not the same
#   kinds_unknown                   the log has one, and the row has none
gc_compare() {
	local rows=$WORK/gc_truth.rows

	awk '!/^#/ { for (i = 3; i <= 6; i++) if (NF < i) $i = "-"; print $1, $2, $3, $4, $5, $6 }' "$2" >"$rows" || die "no truth in $2"
	sqlite3 -batch -bail -separator ' ' :memory: "
		CREATE TABLE line (begin_ns INTEGER, end_ns INTEGER, kind, ttsp_ns, stopped_ns, cause)" \
		".import '$rows' line" "
		ATTACH '$1' AS s;
		CREATE TABLE edge AS SELECT
		  (SELECT CAST(value AS INTEGER) FROM s.v_session WHERE key = 'start_ns') AS start_ns,
		  (SELECT CAST(value AS INTEGER) FROM s.v_session WHERE key = 'end_ns') AS end_ns;
		CREATE TABLE l AS SELECT row_number() OVER (ORDER BY begin_ns) AS id, 1 AS is_free, begin_ns, line.end_ns - begin_ns AS len_ns,
		    nullif(kind, '-') AS kind, nullif(cause, '-') AS cause,
		    CAST(nullif(ttsp_ns, '-') AS INTEGER) AS ttsp_ns, CAST(nullif(stopped_ns, '-') AS INTEGER) AS stopped_ns,
		    begin_ns - coalesce(CAST(nullif(ttsp_ns, '-') AS INTEGER), 0) > edge.start_ns AND line.end_ns < edge.end_ns AS inside
		  FROM line JOIN edge;
		UPDATE l SET inside = 0 WHERE id = (SELECT max(id) FROM l WHERE inside);
		CREATE TABLE whole AS SELECT NOT EXISTS (SELECT * FROM l WHERE stopped_ns IS NOT NULL) AS is_whole;
		CREATE TABLE r AS SELECT gc_id AS id, 1 AS is_free, kind, replace(cause, ' ', '_') AS cause, ttsp_ns, stopped_ns,
		    CAST(iif(is_whole AND stopped_ns IS NOT NULL, t_ns - coalesce(ttsp_ns, 0), t_ns) AS INTEGER) AS begin_ns,
		    CAST(iif(is_whole, coalesce(stopped_ns, dur_ns), dur_ns) AS INTEGER) AS len_ns
		  FROM s.v_gc JOIN whole WHERE is_pause AND runtime = '$3';
		ALTER TABLE l ADD COLUMN end_ns AS (begin_ns + len_ns);
		ALTER TABLE r ADD COLUMN end_ns AS (begin_ns + len_ns);
		CREATE TABLE pair (l_id INTEGER, r_id INTEGER);
		$(gc_match begin_ns)
		$(gc_match end_ns)
		CREATE TABLE both AS SELECT l.inside, l_id, r_id, abs(r.len_ns - l.len_ns) AS length, abs(r.begin_ns - l.begin_ns) AS begin,
		    r.len_ns - l.len_ns AS longer,
		    abs(r.stopped_ns - l.stopped_ns) AS stop, abs(r.ttsp_ns - l.ttsp_ns) AS ttsp,
		    l.kind AS l_kind, r.kind AS r_kind, l.cause AS l_cause, r.cause AS r_cause
		  FROM pair JOIN l ON l.id = l_id JOIN r ON r.id = r_id;
		CREATE TABLE error AS
		  SELECT 'length' AS what, length AS ns FROM both WHERE inside UNION ALL SELECT 'stop', stop FROM both WHERE inside
		  UNION ALL SELECT 'longer', longer FROM both WHERE inside
		  UNION ALL SELECT 'logged', len_ns FROM l WHERE inside
		  UNION ALL SELECT 'ttsp', ttsp FROM both WHERE inside UNION ALL SELECT 'begin', begin FROM both WHERE inside;
		CREATE TABLE ranked AS SELECT what, ns, row_number() OVER (PARTITION BY what ORDER BY ns) AS rank,
		    count(*) OVER (PARTITION BY what) AS n FROM error WHERE ns IS NOT NULL;
		SELECT 'logged', count(*) FROM l WHERE inside;
		SELECT 'recorded', count(*) FROM r WHERE id NOT IN (SELECT r_id FROM both WHERE NOT inside);
		SELECT 'missing', count(*) FROM l WHERE inside AND id NOT IN (SELECT l_id FROM both);
		SELECT 'extra', count(*) FROM r WHERE id NOT IN (SELECT r_id FROM both);
		SELECT what || '_p50_ns', ns FROM ranked WHERE rank = (n + 1) / 2;
		SELECT what || '_p99_ns', ns FROM ranked WHERE rank = (n * 99 + 99) / 100;
		SELECT 'kinds_differ', count(*) FROM both WHERE inside AND l_kind <> r_kind;
		SELECT 'kinds_unknown', count(*) FROM both WHERE inside AND l_kind IS NOT NULL AND r_kind IS NULL;
		SELECT 'causes_differ', count(*) FROM both WHERE inside AND l_cause <> r_cause;
		SELECT '# missing', l.begin_ns, len_ns, kind, l.begin_ns - start_ns, edge.end_ns - l.end_ns FROM l JOIN edge WHERE inside AND id NOT IN (SELECT l_id FROM both) LIMIT 5;
		SELECT '# extra', r.begin_ns, len_ns, kind, r.begin_ns - start_ns, edge.end_ns - r.end_ns FROM r JOIN edge WHERE id NOT IN (SELECT r_id FROM both) LIMIT 5;
		SELECT DISTINCT '# kind', l_kind, r_kind FROM both WHERE inside AND l_kind <> r_kind LIMIT 5;
		SELECT DISTINCT '# cause', l_cause, r_cause FROM both WHERE inside AND l_cause <> r_cause LIMIT 5" || die "comparison of $1 with $2"
}

# gc_figure NAME: of `compared`; nothing where there is none.
gc_figure() {
	awk -v name="$1" '$1 == name { print $2 }' compared
}

# gc_pauses_agree DB TRUTH RUNTIME: nothing missing, nothing extra, and enough to tell by.
gc_pauses_agree() {
	gc_compare "$@" >compared
	cat compared
	holds "enough pauses in the log" "$(gc_figure logged) >= 10"
	eq "logged pauses that were not recorded" "$(gc_figure missing)" 0
	eq "recorded pauses that were not logged" "$(gc_figure extra)" 0
}

# gc_error WHAT NS [SHARE]: the median error of `length` or `stop` is not over it, or, with SHARE, over so much of the median
# pause. A machine that has other work to do is slower than that: only with QUIET=1 it is held to it, else to ten times as
# much, which a probe in a wrong place exceeds.
gc_error() {
	local error
	error=$(gc_figure "$1_p50_ns")
	[[ $error ]] || { fail "no $1 to compare"; return; }
	holds "median error of $1" "$error <= ${QUIET:+0.1 *} 10 * max($2, ${3:-0} * $(gc_figure logged_p50_ns))"
}

# ---- Loads ----

# gc_java MAJOR: prints a JVM of this version, or of any (''), or nothing.
gc_java() {
	local home java

	if [[ ! $1 ]]; then
		java=${JAVA_HOME:+$JAVA_HOME/bin/java}
		command -v "${java:-java}" || true
		return
	fi
	for home in /usr/lib/jvm/*; do
		if [[ -x $home/bin/java ]] && grep -q "^JAVA_VERSION=\"$1[.\"]" "$home/release" 2>/dev/null; then
			echo "$home/bin/java"
			return
		fi
	done
}

need_gc_java() { # MAJOR: sets JAVA
	JAVA=$(gc_java "$1")
	[[ $JAVA ]] || skip "no JVM${1:+ of version $1} (Debian: default-jdk-headless)"
	[[ -f $TARGETS/gc/GcLoad.class ]] || skip "tests/targets/gc/GcLoad.java was not built: no javac (Debian: default-jdk-headless)"
}

# start_gc_java COLLECTOR OPTION...: logs to gc.log, and no more than the pauses: what else it writes before it ends one is
# time of the pause that its own account leaves out.
start_gc_java() {
	local what=gc,safepoint
	[[ $1 != Z ]] || what+=,gc+phases

	"$JAVA" "-XX:+Use$1GC" -version >java.version 2>&1 || skip "this JVM has no $1 collector: $(grep -m1 -i "$1" java.version)"
	start_target "$JAVA" "-XX:+Use$1GC" -Xms256m -Xmx256m "-Xlog:$what:file=gc.log:timenanos,tags:filecount=0" \
		-cp "$TARGETS/gc" GcLoad "${@:2}"
}

need_gc_python() {
	PYTHON=/usr/bin/python3
	[[ -x $PYTHON ]] || skip "/usr/bin/python3 is not installed (Debian: python3)"
}

need_gc_target() { # NAME PACKAGE
	[[ -x $TARGETS/gc/$1 ]] || skip "tests/targets/gc/$1 was not built: no $2"
}

# record SECONDS: the ready target into s.db, as a user does it.
record() {
	rm -f s.db*
	(
		close_target_in
		exec "$MPSAMPLE" record -p "$TARGET" -o s.db -d "$1" </dev/null >recorder.out 2>recorder.err
	) &
	RECORDER=$!
	wait_recorder
	cat recorder.err
}

# end_gc_load: ends it as an operator does; what it checked of its own data held.
end_gc_load() {
	kill -TERM "$TARGET"
	wait_done
	end_target
	eq "objects whose contents changed" "$(truth wrong)" 0
}

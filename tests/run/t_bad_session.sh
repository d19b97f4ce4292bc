#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: query and report read sessions and nothing else, and only read: everything else is refused in one line, with
# the file as it was, to the byte.
# beside others
# cases: writes not_a_session schema usage
source "${BASH_SOURCE[0]%/*}/lib.sh"

# A session, without a recording.
make_session() {
	need_root
	"$MPSAMPLE" record -o s.db -- true 2>/dev/null
}

refused() { # by query, report and explain
	one_line_error 1 "$MPSAMPLE" explain "$1"
	contains message "$MESSAGE" "$1"
	one_line_error 1 "$MPSAMPLE" query "$1" "SELECT 1"
	contains message "$MESSAGE" "$1"
	one_line_error 1 "$MPSAMPLE" report summary "$1"
	contains message "$MESSAGE" "$1"
}

case $CASE in
writes)
	make_session
	before=$(sha256sum s.db)
	for statement in "DELETE FROM session" "UPDATE session SET value = 'x'" "INSERT INTO clock VALUES (1, 2)" \
		"DROP TABLE session" "CREATE TABLE x (y)" "CREATE TEMP TABLE x (y)" "ALTER TABLE session RENAME TO x" \
		"ATTACH 'other.db' AS other" "DETACH main" "VACUUM" "VACUUM INTO 'copy.db'" "REINDEX" "ANALYZE" \
		"PRAGMA user_version = 7" "PRAGMA journal_mode = DELETE" "PRAGMA writable_schema = 1" \
		"BEGIN; DELETE FROM session; COMMIT" "SELECT load_extension('x')" \
		"WITH a AS (SELECT 1) DELETE FROM session" "SELECT 1; DELETE FROM session" "EXPLAIN DELETE FROM session" \
		"SELECT writefile('x', 'y')" "SELECT nothing FROM nowhere" "SELEC" ""; do
		if [[ $statement == "SELECT 1; "* ]]; then # its first statement is run and shown
			status=0
			"$MPSAMPLE" query s.db "$statement" >refused.out 2>refused.err || status=$?
			eq "exit status and lines of '$statement'" "$status $(wc -l <refused.err)" "1 1"
		else
			one_line_error 1 "$MPSAMPLE" query s.db "$statement"
		fi
	done
	eq "the file" "$(sha256sum s.db)" "$before"
	;;
not_a_session)
	echo "some text, longer than the header of a database: $(seq 100)" >text
	: >empty
	sqlite3 -batch other.db "CREATE TABLE t (a); INSERT INTO t VALUES (1)"
	head -c 4096 other.db >header.only
	mkdir directory
	for file in text empty other.db header.only directory no-such-file; do
		refused "$file"
	done
	make_session
	head -c 20000 s.db >cut
	one_line_error 1 "$MPSAMPLE" report summary cut
	;;
schema)
	make_session
	for version in 99 0; do
		cp s.db "v$version.db"
		sqlite3 -batch "v$version.db" "PRAGMA user_version = $version"
		refused "v$version.db"
		contains message "$MESSAGE" "$version"
	done
	;;
usage)
	make_session
	one_line_error 2 "$MPSAMPLE" query
	one_line_error 2 "$MPSAMPLE" query s.db --no-such-option
	one_line_error 2 "$MPSAMPLE" query s.db --format xml
	one_line_error 2 "$MPSAMPLE" query s.db --format
	one_line_error 2 "$MPSAMPLE" query s.db "SELECT 1" "SELECT 2"
	one_line_error 2 "$MPSAMPLE" report
	one_line_error 2 "$MPSAMPLE" report no-such-report s.db
	one_line_error 2 "$MPSAMPLE" report summary
	one_line_error 2 "$MPSAMPLE" report summary s.db --format xml
	one_line_error 2 "$MPSAMPLE" report summary s.db --from abc
	one_line_error 2 "$MPSAMPLE" report summary s.db --limit -1
	one_line_error 2 "$MPSAMPLE" report outliers s.db --thread 0
	one_line_error 2 "$MPSAMPLE" explain
	one_line_error 2 "$MPSAMPLE" explain s.db t.db
	one_line_error 2 "$MPSAMPLE" explain s.db --top 0
	one_line_error 2 "$MPSAMPLE" explain s.db --top 100001
	one_line_error 2 "$MPSAMPLE" explain s.db --call x
	one_line_error 2 "$MPSAMPLE" explain s.db --call 1 --top 5
	one_line_error 2 "$MPSAMPLE" explain s.db --format xml
	one_line_error 2 "$MPSAMPLE" explain s.db --limit 5
	one_line_error 1 "$MPSAMPLE" explain s.db --call 999999
	one_line_error 1 "$MPSAMPLE" explain s.db --op mallok
	one_line_error 1 "$MPSAMPLE" explain s.db --thread 999999999
	;;
esac

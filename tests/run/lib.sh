# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the black-box tests share: a known target (tests/targets/target.h: go/stop protocol), a recorder, questions in SQL,
# assertions. A test is `tests/run/t_NAME.sh [CASE]`, works in its own directory $WORK, and exits with
#
#   0   all held      1   something did not: each line `not ok: ...`      77  skipped: the line `skip: REASON`
#
# An assertion that fails is counted and the test goes on; die ends it. Processes started here are ended by PID when
# the test ends, however it ends. Waits have a limit as a guard against hanging, never as a measure of speed.
set -euo pipefail

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$ROOT/$O
MPSAMPLE=${MPSAMPLE:-$O/mpsample}
TARGETS=$O/tests/targets
CASE=${1:-}
GUARD_S=90

WORK=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-test.XXXXXX")
chmod 755 "$WORK" # tests that drop their rights still have to get here
cd "$WORK"
failures=0
TARGET='' RECORDER='' TARGET_IN='' # PIDs; descriptor of the target's stdin
LAUNCHED=''                      # a target that is the recorder's child, not ours

cleanup() {
	local status=$?
	trap - EXIT
	set +e
	# shellcheck disable=SC2046,SC2086 # PIDs, or nothing
	kill -KILL $(jobs -p) $LAUNCHED 2>/dev/null
	wait 2>/dev/null
	[[ $status == 0 && $failures -gt 0 ]] && status=1
	if [[ $status != 0 && $status != 77 ]]; then
		echo "---- test ends with $status${CASE:+ (case $CASE)}; what the processes said:"
		tail -n 40 "$WORK"/*.out "$WORK"/*.err 2>/dev/null
	fi
	cd /
	[[ ${KEEP:-} ]] && echo "kept: $WORK" || rm -rf "$WORK"
	exit "$status"
}
trap cleanup EXIT

# ---- Verdicts ----

fail() {
	failures=$((failures + 1))
	echo "not ok: $*" >&2
}

die() {
	fail "$@"
	exit 1
}

skip() {
	echo "skip: $*"
	exit 77
}

# eq WHAT ACTUAL EXPECTED
eq() {
	[[ $2 == "$3" ]] || fail "$1: is '$2', should be '$3'"
}

# holds WHAT EXPRESSION: SQL's arithmetic, which has fractions: holds "share" "$a < 0.5 * $b"
holds() {
	[[ $(sqlite3 -batch :memory: "SELECT $2" 2>&1) == 1 ]] || fail "$1: not true: $2"
}

# within WHAT ACTUAL EXPECTED PERCENT [ABSOLUTE]
within() {
	holds "$1: $2 within $4 %${5:+ and $5} of $3" "abs($2 - $3) <= $3 * $4 / 100.0 + ${5:-0}"
}

# contains WHAT TEXT PART
contains() {
	[[ $2 == *"$3"* ]] || fail "$1: '$3' is not in '$2'"
}

# ---- Processes ----

# Before a command: gives it a mount namespace of its own. In a chroot, whose root is no mount point, what the command
# mounts may be seen outside: it has to unmount it.
OWN_MOUNTS=(unshare -m)
unshare -m true 2>/dev/null || OWN_MOUNTS+=(--propagation unchanged)

alive() {
	[[ $'\n'$(jobs -rp)$'\n' == *$'\n'$1$'\n'* ]]
}

# wait_line FILE REGEX PID: until the file, which PID writes, has such a line.
wait_line() {
	local deadline=$((SECONDS + GUARD_S))

	until grep -qE "$2" "$1"; do
		if ! alive "$3"; then
			grep -qE "$2" "$1" && return
			die "process $3 ended without a line '$2'"
		fi
		((SECONDS < deadline)) || die "no line '$2' within $GUARD_S s"
		sleep 0.02
	done
}

# wait_end PID: sets STATUS to its exit status.
wait_end() {
	local deadline=$((SECONDS + GUARD_S))

	while alive "$1"; do
		((SECONDS < deadline)) || die "process $1 does not end"
		sleep 0.02
	done
	STATUS=0
	wait "$1" 2>/dev/null || STATUS=$?
}

# Others must not inherit the target's stdin: its end would never come.
close_target_in() {
	[[ ! $TARGET_IN ]] || exec {TARGET_IN}>&-
}

# start_target COMMAND...: a known target by its name, or any command. Returns when it is ready; sets TARGET.
start_target() {
	[[ ! -x $TARGETS/$1 ]] || set -- "$TARGETS/$1" "${@:2}"
	rm -f target.in target.out
	mkfifo target.in
	: >target.out
	(exec "$@" <target.in >target.out 2>target.err) &
	TARGET=$!
	exec {TARGET_IN}>target.in
	wait_line target.out '^ready ' "$TARGET"
}

go() {
	echo go >&"$TARGET_IN"
}

wait_done() {
	wait_line target.out '^done' "$TARGET"
}

# end_target [STATUS]: closes its stdin and sees it end with this exit status.
end_target() {
	close_target_in
	TARGET_IN=''
	wait_end "$TARGET"
	eq "exit status of the target" "$STATUS" "${1:-0}"
}

# truth NAME: the figure on the target's line `NAME figure`.
truth() {
	awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' target.out || die "the target says no '$1'"
}

# Tests count every call, whatever that costs the target; t_governor.sh has the other choices, and the default.
EVERY_CALL=(--probe all)

# start_recorder OPTION...: returns when all probes are live; sets RECORDER.
start_recorder() {
	: >recorder.err
	(
		close_target_in
		exec "$MPSAMPLE" record "${EVERY_CALL[@]}" "$@" </dev/null >recorder.out 2>recorder.err
	) &
	RECORDER=$!
	wait_line recorder.err '^mpsample: recording ' "$RECORDER"
}

# wait_recorder: until it ends by itself, which has to be well.
wait_recorder() {
	wait_end "$RECORDER"
	eq "exit status of the recorder" "$STATUS" 0
	LAUNCHED='' # its PID may be another's soon
}

stop_recorder() {
	kill -INT "$RECORDER"
	wait_recorder
}

# record_work DB OPTION...: the ready target's work from go to done, recorded; then the target ends.
record_work() {
	start_recorder -p "$TARGET" -o "$@"
	go
	wait_done
	stop_recorder
	end_target
}

# The process that the recorder started: ended with the test, unless it has ended before.
launched() {
	LAUNCHED=$(sed -n 's/^mpsample: recording process \([0-9]*\).*/\1/p' recorder.err)
}

# launch OPTION... -- COMMAND...: a target started by the recorder. It is ready when it says so (wait_ready), and ends,
# and the recorder with it, when its stdin does (end_launched).
launch() {
	rm -f target.in target.out
	mkfifo target.in
	: >target.out
	: >recorder.err
	(exec "$MPSAMPLE" record "${EVERY_CALL[@]}" "$@" <target.in >target.out 2>recorder.err) &
	RECORDER=$!
	TARGET=$RECORDER # whose end is the end of its output
	exec {TARGET_IN}>target.in
	wait_line recorder.err '^mpsample: recording ' "$RECORDER"
	launched
}

wait_ready() {
	wait_line target.out '^ready ' "$RECORDER"
}

end_launched() {
	close_target_in
	TARGET_IN=''
	wait_recorder
}

# ---- Questions ----

# sql FILE QUERY: by the plain shell, as a user's script does.
sql() {
	sqlite3 -batch "$1" "$2" || die "sqlite3 $1: $2"
}

# as_schema VERSION DB: makes a session of today one of version 4 to 7, as far as its tables and views go.
as_schema() {
	sql "$2" "
		DROP VIEW v_gc_advice; DROP VIEW v_gc_survival; DROP VIEW v_gc_class; DROP TABLE gc_class; DROP TABLE gc_class_name;
		DROP VIEW v_spike; DROP VIEW slot_phase; DROP VIEW v_session_advice; DROP VIEW phase_card; DROP VIEW phase_kept;
		DROP VIEW phase_cause; DROP VIEW phase_live;
		DROP VIEW v_block; DROP VIEW v_live; DROP TABLE block;
		DROP VIEW v_gauge; DROP VIEW v_component; DROP VIEW v_component_use; DROP VIEW call_component; DROP VIEW block_component; DROP VIEW v_call;
		DROP TABLE component_rule; DROP TABLE component_thread; DROP TABLE component_stack;
		CREATE VIEW v_call AS SELECT call_id, t_ns, tid, op.name AS op, size_bytes, addr, dur_ns,
			CASE kept WHEN 1 THEN 'outlier' WHEN 2 THEN 'sample' WHEN 3 THEN 'full' END AS kept, weight, stack_id,
			coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = call.stack_id), '[no stack]') AS site
			FROM call JOIN op USING (op_id);
		PRAGMA user_version = 7"
	(($1 > 6)) || sql "$2" "
		DROP VIEW v_gc; DROP VIEW v_gc_pool; DROP VIEW v_gc_phase; DROP VIEW v_gc_prediction; DROP VIEW v_gc_setting;
		DROP VIEW v_pressure; DROP TABLE gc_phase; DROP TABLE gc_prediction; DROP TABLE gc_setting;
		ALTER TABLE gc DROP COLUMN stopped_ns; ALTER TABLE gc DROP COLUMN is_pause; ALTER TABLE gc DROP COLUMN source;
		PRAGMA user_version = 6"
	(($1 > 5)) || sql "$2" "
		DROP VIEW v_pool; DROP VIEW v_pool_use; DROP VIEW v_pool_event; DROP VIEW v_pool_latency; DROP VIEW v_pool_sum;
		DROP VIEW v_pool_site; DROP VIEW v_pool_heap; DROP VIEW v_pool_advice;
		DROP TABLE pool_latency; DROP TABLE pool_sum; DROP TABLE pool_site; DROP TABLE pool_heap;
		ALTER TABLE pool DROP COLUMN destroyed_ns; ALTER TABLE pool DROP COLUMN source;
		ALTER TABLE pool_use DROP COLUMN in_use_last; ALTER TABLE pool_use DROP COLUMN in_use_bytes_max;
		ALTER TABLE pool_event DROP COLUMN n;
		CREATE VIEW v_pool AS SELECT pool_id, name, address, capacity, object_bytes, created_ns FROM pool;
		CREATE VIEW v_pool_use AS SELECT pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures FROM pool_use;
		CREATE VIEW v_pool_event AS SELECT pool_id, t_ns, tid, kind, addr, stack_id FROM pool_event;
		PRAGMA user_version = 5"
	(($1 > 4)) || sql "$2" "
		DROP VIEW v_slot; DROP VIEW v_thinned; DROP VIEW v_rate; DROP VIEW slot_calls; DROP VIEW v_overhead;
		DROP TABLE slot; DROP TABLE thinned;
		CREATE TABLE old_overhead AS SELECT slot_ns, plane, events, cost_ns FROM overhead;
		DROP TABLE overhead; ALTER TABLE old_overhead RENAME TO overhead;
		CREATE VIEW v_overhead AS SELECT slot_ns, plane, events, cost_ns FROM overhead; PRAGMA user_version = 4"
}

# calls DB OP: 0 when it does not appear.
calls() {
	sql "$1" "SELECT coalesce((SELECT calls FROM v_percentile WHERE op = '$2'), 0)"
}

bytes() {
	sql "$1" "SELECT coalesce(sum(bytes), 0) FROM latency_sum JOIN op USING (op_id) WHERE name = '$2'"
}

# Nothing was lost, and every view of the counts says the same.
nothing_lost() {
	eq "v_loss" "$(sql "$1" "SELECT source, what, lost FROM v_loss")" ""
	eq "calls in v_percentile, v_latency, latency_sum differ" "$(sql "$1" "
		SELECT name, (SELECT calls FROM v_percentile WHERE op = name) AS a,
		       (SELECT sum(calls) FROM v_latency WHERE op = name) AS b,
		       (SELECT sum(calls) FROM latency_sum JOIN op o USING (op_id) WHERE o.name = op.name) AS c
		FROM op WHERE a IS NOT b OR a IS NOT c")" ""
}

all_files() {
	find . ! -name 'refused.*' \( -type d -printf '%p/\n' -o -printf '%p %s %T@\n' \) | sort
}

# one_line_error STATUS COMMAND...: it fails with this status and one line on stderr, says nothing on stdout, and leaves
# the directory as it was. The line is in MESSAGE.
one_line_error() {
	local want=$1 status=0 before after
	shift

	before=$(all_files)
	timeout -k 5 $GUARD_S "$@" </dev/null >refused.out 2>refused.err || status=$?
	after=$(all_files)
	MESSAGE=$(<refused.err)
	echo "refused: $MESSAGE"
	eq "exit status of '$*'" "$status" "$want"
	eq "lines on stderr of '$*': $MESSAGE" "$(wc -l <refused.err)" 1
	[[ $MESSAGE == "mpsample: "?* ]] || fail "'$*' says '$MESSAGE': it should begin with 'mpsample: '"
	eq "stdout of '$*'" "$(<refused.out)" ""
	eq "the directory after '$*'" "$after" "$before"
}

# ---- What a test needs ----

need_root() {
	[[ $(id -u) == 0 ]] || skip "needs root, to put in probes: sudo make check"
}

kernel_at_least() {
	[[ $(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1) == "$1" ]]
}

# need_backend session|multi|tracefs: skips where the kernel has none. Where it should have it, a refusal is a failure.
need_backend() {
	need_root
	case $1 in
	session) kernel_at_least 6.13 || skip "uprobe session programs need Linux 6.13; this is $(uname -r)" ;;
	multi) kernel_at_least 6.6 || skip "uprobe multi-links need Linux 6.6; this is $(uname -r)" ;;
	tracefs) grep -qw tracefs /proc/filesystems || skip "this kernel has no tracefs" ;;
	esac
}

# need_command COMMAND PACKAGE
need_command() {
	command -v "$1" >/dev/null || skip "$1 is not installed (Debian: $2)"
}

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: with no room for a session from the start, one line says so and nothing is left. When the room ends in the midst
# of a recording, the recorder ends with one line about it and status 1, the target goes on, and what was written
# before is a sound database.
# beside others
# cases: at_start tmpfs file_limit
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
start_target threads --repeat 2 0.00001 # some thousand calls a round

mkdir full # a small file system, in a mount namespace of its own

# Works until the recorder ends.
work_on() {
	local deadline=$((SECONDS + GUARD_S))
	while alive "$RECORDER"; do
		((SECONDS < deadline)) || die "the recorder does not notice that the disk is full"
		go
		sleep 0.1
	done
	wait_end "$RECORDER"
}

one_last_line() {
	eq "exit status of the recorder" "$STATUS" 1
	eq "lines that name the file: $(<recorder.err)" "$(grep -c s.db recorder.err)" 2 # recording to it, and the failure
	contains "last line" "$(tail -n 1 recorder.err)" "mpsample: "
	contains "last line" "$(tail -n 1 recorder.err)" "s.db"
}

case $CASE in
at_start)
	one_line_error 1 "${OWN_MOUNTS[@]}" sh -c \
		'mount -t tmpfs -o size=64k none full && "$@"; status=$?; ls -A full; umount full; exit $status' \
		sh "$MPSAMPLE" record "${EVERY_CALL[@]}" -p "$TARGET" -o full/s.db
	contains message "$MESSAGE" full/s.db
	(
		ulimit -f 32
		one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o s.db
		((failures == 0))
	) || failures=$((failures + 1))
	;;
tmpfs)
	# The database is looked at in the mount namespace that it lives in.
	cat >record <<-'SH'
		mount -t tmpfs -o size=5M none full
		"$@" record -o full/s.db --full -p "$TARGET" || status=$?
		sqlite3 -batch full/s.db "PRAGMA integrity_check; SELECT count(*) > 0 FROM v_call; SELECT count(*) > 0 FROM v_session" >after
		umount full
		exit "$status"
	SH
	: >recorder.err
	export TARGET
	(close_target_in && exec "${OWN_MOUNTS[@]}" bash record "$MPSAMPLE") </dev/null >recorder.out 2>recorder.err &
	RECORDER=$!
	wait_line recorder.err '^mpsample: recording ' "$RECORDER"
	work_on
	one_last_line
	eq "integrity, calls, session" "$(xargs <after)" "ok 1 1"
	;;
file_limit)
	ulimit -S -f 4096 # KiB
	start_recorder -p "$TARGET" -o s.db --full
	ulimit -S -f unlimited
	work_on
	one_last_line
	eq "integrity, calls, session" \
		"$(sql s.db "PRAGMA integrity_check; SELECT count(*) > 0 FROM v_call; SELECT count(*) > 0 FROM v_session" | xargs)" "ok 1 1"
	;;
esac
close_target_in
TARGET_IN=''
wait_end "$TARGET"
eq "exit status of the target" "$STATUS" "$([[ $CASE == at_start ]] && echo 2 || echo 0)"

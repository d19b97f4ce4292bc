#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: `record -- COMMAND` counts from the first call on, constructors of libraries included, to the last, and
# stores how the command ended. A script runs by its #! line. What cannot be started is one line and leaves nothing.
# beside others
# cases: whole exit_status signal script not_found not_executable
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
case $CASE in
whole)
	# The counter sees the whole run as well: more than the program itself does between go and done (libstdc++'s
	# constructor allocates its emergency pool).
	LD_PRELOAD=$TARGETS/libcalls_counter.so CALLS_COUNTER_OUT=$WORK/counts "$TARGETS/family_cxx" <<<go >counted.out
	launch --stack off -o s.db -- "$TARGETS/family_cxx"
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	eq "mallocs" "$(calls s.db malloc)" "$(awk '$1 == "malloc" { print $2 }' counts)"
	own=$(awk '$1 ~ /^new(_array)?(_nothrow)?$/ { n += $2 } END { print n }' target.out)
	holds "constructors are in it" "$(calls s.db malloc) > $own"
	nothing_lost s.db
	eq "how it ended" "$(sql s.db "SELECT name, detail FROM v_mark")" "exit|exit status 0"
	eq "command" "$(sql s.db "SELECT value FROM v_session WHERE key = 'command'")" "$TARGETS/family_cxx"
	;;
exit_status)
	launch -o s.db -- "$TARGETS/lifecycle" exit
	wait_ready
	go
	end_launched
	eq "mallocs" "$(calls s.db malloc)" 10007
	eq "how it ended" "$(sql s.db "SELECT name, detail FROM v_mark")" "exit|exit status 3"
	;;
signal)
	launch -o s.db -- "$TARGETS/lifecycle" crash
	wait_ready
	go
	end_launched
	eq "mallocs" "$(calls s.db malloc)" 10007
	contains "how it ended" "$(sql s.db "SELECT name, detail FROM v_mark")" "exit|killed by signal 11"
	;;
script)
	printf '#!/bin/sh\nv=$(printf %%1000s .)\nexit 7\n' >script.sh
	chmod +x script.sh
	"$MPSAMPLE" record "${EVERY_CALL[@]}" -o s.db -- ./script.sh a b 2>recorder.err || fail "exit status $?: $(<recorder.err)"
	holds "calls" "$(sql s.db "SELECT sum(calls) FROM v_percentile") > 0"
	contains "how it ended" "$(sql s.db "SELECT name, detail FROM v_mark")" "exit|exit status 7"
	contains "command" "$(sql s.db "SELECT value FROM v_session WHERE key = 'command'")" "./script.sh a b"
	nothing_lost s.db
	;;
not_found)
	one_line_error 1 "$MPSAMPLE" record -o s.db -- no-such-command-here
	contains message "$MESSAGE" no-such-command-here
	one_line_error 1 "$MPSAMPLE" record -o s.db -- ./no/such/file
	contains message "$MESSAGE" ./no/such/file
	;;
not_executable)
	echo hello >text
	one_line_error 1 "$MPSAMPLE" record -o s.db -- ./text
	contains message "$MESSAGE" ./text
	printf '#!/no/such/interpreter\n' >text.sh
	chmod +x text.sh
	one_line_error 1 "$MPSAMPLE" record -o s.db -- ./text.sh
	;;
esac

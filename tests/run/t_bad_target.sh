#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a target that cannot be recorded is refused in one line that says why; nothing is created.
# beside others
# cases: no_such_pid kernel_thread zombie thread thirty_two_bit others_process no_allocator
source "${BASH_SOURCE[0]%/*}/lib.sh"

refused() { # PID WHAT THE LINE SAYS...
	one_line_error 1 "$MPSAMPLE" record -p "$1" -o s.db
	shift
	for part; do
		contains "message" "$MESSAGE" "$part"
	done
}

case $CASE in
no_such_pid)
	(exit 0) &
	wait "$!"
	refused "$!" "$!" # it was one
	;;
kernel_thread)
	[[ $(</proc/2/comm) == kthreadd ]] || skip "no kernel thread is visible here (a PID namespace)"
	refused 2 "kernel thread"
	;;
zombie)
	# sleep does not wait for the child that sh left it.
	sh -c 'sh -c "until [ \$(cat /proc/\$PPID/comm) = sleep ]; do :; done" & echo $! >zombie.pid; exec sleep 1000' &
	deadline=$((SECONDS + GUARD_S))
	until grep -qs '^State:.*Z' "/proc/$(cat zombie.pid 2>/dev/null)/status"; do
		((SECONDS < deadline)) || die "no zombie"
		sleep 0.02
	done
	refused "$(<zombie.pid)" "zombie"
	;;
thread)
	start_target count 10 10 1
	tid=$(find "/proc/$TARGET/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vx "$TARGET" | head -n 1)
	refused "$tid" "$tid" "$TARGET"
	end_target 2 # it was not told to go
	;;
thirty_two_bit)
	[[ -x $TARGETS/noalloc32 ]] || skip "32-bit targets are of x86-64 only"
	start_target noalloc32 || skip "this kernel runs no 32-bit programs"
	refused "$TARGET" "32-bit"
	end_target
	;;
others_process)
	need_root
	install -m 755 "$MPSAMPLE" mpsample # where nobody may read it
	MPSAMPLE=./mpsample
	start_target count 10 10 1
	mkdir -m 777 out
	one_line_error 1 setpriv --reuid 65534 --regid 65534 --clear-groups ./mpsample record -p "$TARGET" -o out/s.db
	contains message "$MESSAGE" "$TARGET"
	end_target 2 # it was not told to go
	;;
no_allocator)
	need_root
	start_target noalloc
	refused "$TARGET" "allocator"
	end_target
	;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: whatever the order in which threads record, the recorder reads and settings change, every call is counted,
# and every record is read once, whole, or counted as dropped (tests/stress/ring_tsan.c, which says what it checks).
# beside others
# cases: tsan plain asan
source "${BASH_SOURCE[0]%/*}/lib.sh"

# stress PROGRAM CALLS [COMMAND...]: under that command.
stress() {
	local program=$O/tests/stress/$1

	[[ -x $program ]] || skip "the compiler has no library for $1"
	"${@:3}" "$program" "$2" >stress.out 2>stress.err || fail "$1 $2: exit status $?"
	cat stress.out
	eq "stderr of $1" "$(<stress.err)" ""
}

case $CASE in
tsan) # knows only some places for memory: none at random ones
	fixed=(setarch -R)
	"${fixed[@]}" true 2>/dev/null || fixed=()
	TSAN_OPTIONS=halt_on_error=1 stress ring_tsan 150000 "${fixed[@]}"
	;;
plain) stress ring_plain 3000000 ;;
asan) stress ring_asan 1000000 ;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: tests/targets/unwind/: at each of its places a program copies its registers and stack as a recorder does, and
# asks libunwind in its own process for the stack there. Unwound from the copy, at least 999 of 1000 stacks have every
# frame equal, 10,000 stacks and more in all; those too deep for the copy are equal as far as it reaches and marked as
# cut. And the comparison finds a stack of which one word was changed.
#
# beside others
# cases: c cxx static broken
source "${BASH_SOURCE[0]%/*}/lib.sh"

check=$O/tests/tools/check_unwind
places=$TARGETS/unwind

# compare PROGRAM...: writes their stacks and compares them; sets STACKS and CUT.
compare() {
	local program
	for program; do
		"$places/$program" "$program.stacks" || fail "$program ends with $?"
	done
	"$check" -v "${@/%/.stacks}" >checked.out || fail "stacks differ"
	cat checked.out
	read -r _ _ STACKS _ DIFFER _ CUT < <(tail -n 1 checked.out)
}

enough=10000
[[ $(uname -m) == x86_64 ]] || enough=5000 # single steps are x86-64's
[[ -x $check ]] || die "$check was not built"
case $CASE in
c)
	compare places_{gcc,clang}_{O0,O2,O3}
	holds "enough stacks" "$STACKS >= $enough"
	holds "those 10,000 calls deep are cut" "$CUT >= 6 * 100"
	;;
cxx)
	compare places_cxx_{gcc,clang}_{O0,O2,O3}
	holds "enough stacks" "$STACKS >= $enough"
	;;
static)
	compare places_static
	holds "enough stacks" "$STACKS >= 900 AND $CUT >= 100"
	[[ ! -x $places/places_musl ]] || compare places_musl
	;;
broken)
	"$places/places_gcc_O2" places.stacks
	"$check" -b places.stacks >broken.out && fail "broken stacks are taken for equal"
	read -r _ _ STACKS _ DIFFER _ < <(tail -n 1 broken.out)
	eq "broken stacks that are found" "$DIFFER" "$STACKS"
	;;
esac

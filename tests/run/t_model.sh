#!/bin/bash
# SPDX-License-Identifier: MIT
# Proof: no order of steps of the writer, the reader and the memory between them breaks the ring. All of them are
# searched, with small rings (tests/model/ring.pml). A proof that cannot fail is none: each of the other cases leaves
# out one line that the ring needs, and passes when the search finds what goes wrong then.
# beside others
# cases: ordered relaxed frozen wide no_release no_reader_acquire no_writer_acquire early_release off_by_one no_room_for_owner no_mute no_count waits
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_command spin spin
need_command gcc gcc

# search FLAG...: sets ERRORS (at most 1: it ends with the first) and FOUND.
search() {
	spin "$@" -a "$ROOT/tests/model/ring.pml" >spin.out 2>&1 || die "spin -a: $(<spin.out)"
	gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=500 -o pan pan.c 2>gcc.err || die "gcc: $(tail -n 3 gcc.err)"
	./pan -m20000 >pan.out 2>pan.err || die "pan: $(tail -n 3 pan.err pan.out)"
	ERRORS=$(sed -n 's/.*errors: //p' pan.out)
	FOUND=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.out)
	echo "$(awk '/states, stored/ { print $1 }' pan.out) states, $(awk '/total actual memory/ { print $1 }' pan.out) MB" \
		"found: ${FOUND:-nothing}"
}

proves() {
	search "$@"
	! grep -E 'not completed|MEMLIM|depth too small|out of memory' pan.out pan.err || fail "the search was not exhaustive"
	eq "errors ($FOUND)" "$ERRORS" 0
}

# finds PART FLAG...: what is found has this in it.
finds() {
	search -DRELAXED -DPUSHES=4 "-DMUTANT_${CASE^^}" "${@:2}"
	eq "errors" "$ERRORS" 1
	contains "what is found" "$FOUND" "$1"
}

case $CASE in
ordered) proves ;;
relaxed) proves -DRELAXED ;;
frozen) proves -DFREEZES ;;
wide) proves -DRECORDS=4 -DPUSHES=6 -DCHANGES=1 ;;
no_release | no_reader_acquire | no_writer_acquire | early_release) finds 'w0==w1' ;;
no_room_for_owner) finds 'w0==w1' ;;
off_by_one) finds 'assertion violated' ;;
no_mute) finds 'owner==' ;;
no_count) finds '+dropped)==' ;;
waits) finds 'invalid end state' -DFREEZES ;;
*) die "no case '$CASE'" ;;
esac

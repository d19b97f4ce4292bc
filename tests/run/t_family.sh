#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: each function of the malloc family is counted as itself, once a call, with the bytes that were asked for, however
# the allocator's functions call each other: in a shared libc, in a static program, and under C++'s new and delete.
#   shared, static   tests/targets/family.c    cxx   tests/targets/family_cxx.cc
# beside others
# cases: shared static cxx
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
case $CASE in
shared) start_target family ;;
static) start_target family_static ;;
cxx) start_target family_cxx ;;
esac
record_work s.db

# table OP NAME...: the target's table has the calls and bytes of the op under these names.
table() {
	local want
	want=$(awk -v names=" ${*:2} " 'index(names, " " $1 " ") { calls += $2; bytes += $3 } END { printf "%d|%d", calls, bytes }' target.out)
	[[ $want != "0|0" ]] || die "the target has no ${*:2}"
	eq "$1: calls and bytes" "$(calls s.db "$1")|$(bytes s.db "$1")" "$want"
}

if [[ $CASE == cxx ]]; then
	table malloc new new_array new_nothrow new_array_nothrow
	table aligned_alloc new_aligned new_array_aligned
	eq "frees" "$(calls s.db free)" "$(awk '/^delete/ { n += $2 } END { print n }' target.out)"
	eq "other operations" "$(sql s.db "SELECT op FROM v_percentile WHERE op NOT IN ('malloc', 'aligned_alloc', 'free')")" ""
	# libstdc++ has no frame pointers: the callers of operator new are found all the same. They are lambdas, inlined.
	eq "sites" "$(sql s.db "SELECT DISTINCT site FROM v_site ORDER BY 1" | sed 's/::{lambda}::operator()$//' | sort -u | xargs -d '\n')" \
		"(anonymous namespace)::aligned (anonymous namespace)::nothrow (anonymous namespace)::plain"
else
	table malloc malloc malloc_kept
	table calloc calloc
	table realloc realloc realloc_null realloc_zero
	table reallocarray reallocarray
	table posix_memalign posix_memalign
	table valloc valloc
	table pvalloc pvalloc
	table free free # free(NULL) is no call
	if [[ $(calls s.db memalign) == 0 ]]; then # one function under two names (glibc before 2.38)
		table aligned_alloc aligned_alloc memalign
	else
		table aligned_alloc aligned_alloc
		table memalign memalign
	fi
fi
nothing_lost s.db

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: under another allocator (Debian's packages, preloaded) the counts are as exact, v_probe names the allocator and its
# library, and the site is the program's function, not one of the allocator's. `cxx`: operator new and delete that do
# not forward to malloc are counted once each. `prefixed`: an allocator that the program carries under a prefix.
# beside others
# cases: jemalloc tcmalloc mimalloc cxx_jemalloc cxx_tcmalloc cxx_mimalloc prefixed
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
if [[ $CASE == prefixed ]]; then
	start_target prefixed
	record_work s.db
	eq "mallocs and frees" "$(calls s.db malloc) $(calls s.db free)" "$((10007 + 211)) $((9973 + 211))"
	eq "bytes" "$(bytes s.db malloc)" "$(truth bytes)"
	nothing_lost s.db
	eq "its probes" "$(sql s.db "SELECT function, allocator FROM v_probe WHERE function LIKE 'je\_%' ESCAPE '\' ORDER BY 1" | xargs)" \
		"je_free|jemalloc je_malloc|jemalloc"
	eq "its sites" "$(sql s.db "SELECT DISTINCT site FROM v_site WHERE site LIKE 'pool%' ORDER BY 1" | xargs)" "pool_get pool_put"
	exit
fi

case ${CASE#cxx_} in
jemalloc) file=libjemalloc.so.2 package=libjemalloc2 ;;
tcmalloc) file=libtcmalloc_minimal.so.4 package=libtcmalloc-minimal4 ;;
mimalloc) file=libmimalloc.so.2 package=libmimalloc2.0 ;;
esac
library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v file="$file" '$1 == file && !found++ { print $NF }')
[[ -e $library ]] || skip "${CASE#cxx_} is not installed (Debian: $package)"

if [[ $CASE == cxx_* ]]; then
	start_target env LD_PRELOAD="$library" "$TARGETS/family_cxx"
	record_work s.db
	of_target() { awk -v op="^$1" '$1 ~ op { n += $2 } END { print n }' target.out; }
	# Which of new, malloc and aligned_alloc are one function differs; every call counts once under one of them.
	eq "allocations" "$(sql s.db "SELECT sum(calls) FROM v_percentile WHERE op NOT IN ('free', 'delete')")" "$(of_target new)"
	eq "deletes" "$(sql s.db "SELECT sum(calls) FROM v_percentile WHERE op IN ('free', 'delete')")" "$(of_target delete)"
	eq "bytes" "$(sql s.db "SELECT sum(bytes) FROM latency_sum")" "$(awk '/^new/ { n += $3 } END { print n }' target.out)"
	nothing_lost s.db
	exit
fi

start_target env LD_PRELOAD="$library" "$TARGETS/count" 100003 99991 4
record_work s.db

eq "mallocs" "$(calls s.db malloc)" 100003
eq "frees" "$(calls s.db free)" 99991
eq "bytes" "$(bytes s.db malloc)" "$(truth bytes)"
nothing_lost s.db
eq "allocators of malloc and free" "$(sql s.db "SELECT DISTINCT allocator FROM v_probe WHERE function IN ('malloc', 'free')")" "$CASE"
eq "their module" "$(sql s.db "SELECT DISTINCT module FROM v_probe WHERE function IN ('malloc', 'free')")" "$(readlink -f "$library")"
eq "sites" "$(sql s.db "SELECT DISTINCT op, site FROM v_site ORDER BY op")" $'free|count_free\nmalloc|count_malloc'

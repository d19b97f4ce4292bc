#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: under another allocator (Debian's packages, preloaded into `count`) the counts are as exact, v_probe names the
# allocator and its library, and the site is the program's function, not one of the allocator's.
# cases: jemalloc tcmalloc mimalloc
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
case $CASE in
jemalloc) file=libjemalloc.so.2 package=libjemalloc2 ;;
tcmalloc) file=libtcmalloc_minimal.so.4 package=libtcmalloc-minimal4 ;;
mimalloc) file=libmimalloc.so.2 package=libmimalloc2.0 ;;
esac
library=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v file="$file" '$1 == file && !found++ { print $NF }')
[[ -e $library ]] || skip "$CASE is not installed (Debian: $package)"

start_target env LD_PRELOAD="$library" "$TARGETS/count" 100003 99991 4
record_work s.db

eq "mallocs" "$(calls s.db malloc)" 100003
eq "frees" "$(calls s.db free)" 99991
eq "bytes" "$(bytes s.db malloc)" "$(truth bytes)"
nothing_lost s.db
eq "allocators of malloc and free" "$(sql s.db "SELECT DISTINCT allocator FROM v_probe WHERE function IN ('malloc', 'free')")" "$CASE"
eq "their module" "$(sql s.db "SELECT DISTINCT module FROM v_probe WHERE function IN ('malloc', 'free')")" "$(readlink -f "$library")"
eq "sites" "$(sql s.db "SELECT DISTINCT op, site FROM v_site ORDER BY op")" $'free|count_free\nmalloc|count_malloc'

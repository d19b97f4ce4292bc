#!/bin/bash
# SPDX-License-Identifier: MIT
# What a JVM gives out memory for, by class, against a program that knows (tests/targets/gc/GcClasses.java). Classes have the
# names of the source, none is unknown. Of buffers of threads, which are a sample of the bytes, each class has the share of the
# bytes that the program has told, within five standard deviations of the share of so many samples, and half a percent for
# what the JVM leaves unused at the ends of buffers. Large objects are all counted, with their sizes, apart.
# beside others
# cases: hotspot-g1 hotspot-parallel hotspot25-g1
source "${BASH_SOURCE[0]%/*}/lib.sh"
source "${BASH_SOURCE[0]%/*}/gc_lib.sh"

declare -A COLLECTOR=([g1]=G1 [parallel]=Parallel)
LARGE_BYTES=$((3 * (1 << 18) + 16))
LARGE_EVERY=$((8 << 20)) # bytes of the rest

# told CLASS: its share of the bytes that are not large.
told() {
	awk -v name="$1" '$1 == "class" { all += $4; if ($2 == name) its += $4 } END { print its / all }' target.out
}

need_root
case $CASE in
hotspot25-*) need_gc_java 25 ;;
*) need_gc_java '' ;;
esac
# Buffers of one size: each is a sample of as many bytes.
start_target "$JAVA" "-XX:+Use${COLLECTOR[${CASE#*-}]}GC" -Xms256m -Xmx256m -XX:-ResizeTLAB -XX:TLABSize=64k \
	-cp "$TARGETS/gc" GcClasses --rate 200
record 5
end_gc_load

sql s.db "SELECT class, coalesce(object_bytes, ''), sum(events), sum(bytes) FROM v_gc_class GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 10"
samples=$(sql s.db "SELECT coalesce(sum(events), 0) FROM v_gc_class WHERE object_bytes IS NULL")
holds "enough samples" "$samples >= 1000"
for class in 'GcClasses$Order' 'GcClasses$Quote' 'GcClasses$Order[]' 'byte[]'; do
	share=$(told "$class")
	seen=$(sql s.db "SELECT total(CASE WHEN class = '$class' THEN bytes END) / sum(bytes) FROM v_gc_class WHERE object_bytes IS NULL")
	echo "$class: told $share, recorded $seen, of $samples samples"
	holds "share of $class" "abs($seen - $share) <= 0.005 + 5 * sqrt($share * (1 - $share) / $samples)"
done
others=$(sql s.db "SELECT total(bytes) / (SELECT sum(bytes) FROM v_gc_class) FROM v_gc_class
	WHERE class NOT IN ('GcClasses\$Order', 'GcClasses\$Quote', 'GcClasses\$Order[]', 'byte[]')")
holds "these are all there is" "$others <= 0.005"
eq "classes without a name" "$(sql s.db "SELECT count(*) FROM v_gc_class WHERE class LIKE '(%'")" 0

eq "classes and sizes of large objects" "$(sql s.db "SELECT DISTINCT class, object_bytes FROM v_gc_class WHERE object_bytes >= 262144")" "byte[]|$((1 << 19))"
large=$(sql s.db "SELECT sum(events) FROM v_gc_class WHERE object_bytes >= 262144")
eq "bytes of $large large objects" "$(sql s.db "SELECT sum(bytes) FROM v_gc_class WHERE object_bytes >= 262144")" $((large * LARGE_BYTES))
rest=$(sql s.db "SELECT sum(bytes) FROM v_gc_class WHERE object_bytes IS NULL OR object_bytes < 262144")
holds "as many large ones as the rest says" "abs($large - $rest / $LARGE_EVERY.0) <= 2 + 0.03 * $large"

# All that was counted has a class; the last look at the sum is before the end.
holds "all is of a class" "$(sql s.db "SELECT sum(bytes) FROM v_gc_class") >=
	0.9999 * $(sql s.db "SELECT max(value) FROM v_pressure WHERE name = 'hotspot.allocated_bytes'")"
eq "lost" "$(sql s.db "SELECT count(*) FROM v_loss WHERE source LIKE 'classes%'")" 0
eq "report gc names the first" "$("$MPSAMPLE" report gc s.db --table classes --format csv | sed -n 2p | cut -d, -f1,2)" 'hotspot,GcClasses$Order'

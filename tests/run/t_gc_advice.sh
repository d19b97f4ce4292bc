#!/bin/bash
# SPDX-License-Identifier: MIT
# Advice that works: a load that a rule of v_gc_advice speaks of is recorded, then again with the setting that the rule names,
# taken from its row as it stands. The row's figure comes down, to no less than half and no more than twice what it foretold;
# where it foretold none, to a tenth at most. The figures are counts of what a load causes by what it does at a constant
# rate, not by how fast the machine is; but for a time (p99_ns), which is a bound: what it comes down by is as foretold.
# beside others
# cases: collector young_size heap_too_small heap_too_small-serial heap_resizes explicit humongous top_class gogc semi_space threshold freeze
source "${BASH_SOURCE[0]%/*}/lib.sh"
source "${BASH_SOURCE[0]%/*}/gc_lib.sh"

RECORD_S=6

# What is counted, of v_gc.
declare -A COUNTED=(
	[young_per_minute]="is_pause AND kind IN ('young', 'mixed', 'concurrent-start')"
	[full_per_minute]="is_pause AND kind = 'full' AND cause NOT LIKE '%System.gc()%'"
	[explicit_full_per_minute]="is_pause AND kind = 'full' AND cause LIKE '%System.gc()%'"
	[humongous_per_minute]="is_pause AND cause = 'G1 Humongous Allocation'"
	[resizes_per_minute]="gc_id IN (SELECT gc_id FROM (
	   SELECT gc_id, committed_bytes <> lag(committed_bytes) OVER (ORDER BY t_ns, gc_id) AS is_other
	   FROM v_gc JOIN v_gc_pool USING (gc_id) WHERE pool = 'heap') WHERE is_other)"
	[cycles_per_minute]="is_pause AND runtime = 'go' AND kind = (SELECT kind FROM v_gc WHERE is_pause LIMIT 1)"
	[scavenges_per_minute]="is_pause AND kind = 'scavenge'"
	[gen0_per_minute]="is_pause AND kind = 'gen0'"
	[gen2_per_minute]="is_pause AND kind = 'gen2'")

# figure MEASURE: of s.db, over all of the recording.
figure() {
	[[ $1 != p99_ns ]] || {
		sql s.db "SELECT ns FROM (
		  SELECT coalesce(stopped_ns, dur_ns) AS ns, row_number() OVER (ORDER BY coalesce(stopped_ns, dur_ns)) AS place, count(*) OVER () AS n
		  FROM v_gc WHERE is_pause) WHERE place = (n * 99 + 99) / 100"
		return
	}
	sql s.db "
		SELECT 60e9 * (SELECT count(*) FROM v_gc WHERE ${COUNTED[$1]}) / (
		  SELECT max(iif(key = 'end_ns', CAST(value AS INTEGER), NULL)) - max(iif(key = 'start_ns', CAST(value AS INTEGER), NULL))
		  FROM v_session)"
}

# of_rule COLUMN: what the rule says.
of_rule() {
	sql s.db "SELECT $1 FROM v_gc_advice WHERE rule = '$RULE'"
}

# advice_works RULE LOAD: LOAD is a function that starts one, with the setting as its argument.
advice_works() {
	local setting measure before predicted measured
	RULE=$1

	"$2" ''
	record "$RECORD_S"
	end_gc_load
	setting=$(of_rule setting)
	[[ $setting ]] || die "the rule $RULE does not speak: only $(sql s.db "SELECT group_concat(rule, ' ') FROM v_gc_advice")"
	measure=$(of_rule measure) before=$(of_rule before) predicted=$(of_rule predicted)
	echo "$RULE: $(of_rule evidence)"
	within "$measure by the rule and counted" "$before" "$(figure "$measure")" 30

	"$2" "$setting"
	record "$RECORD_S"
	end_gc_load
	measured=$(figure "$measure")
	echo "$RULE: $setting: $measure $before, predicted $predicted, measured $measured"
	holds "predicted to come down" "$predicted < $before"
	holds "came down" "$measured < $before"
	if [[ $measure == p99_ns ]]; then
		holds "as predicted" "$before - $measured BETWEEN 0.5 * ($before - $predicted) AND 2.0 * ($before - $predicted)"
	else
		holds "as predicted" "iif($predicted = 0, $measured <= 0.1 * $before, $measured BETWEEN 0.5 * $predicted AND 2.0 * $predicted)"
	fi
}

# ---- Loads ----

# Of the flags that a rule names these are the first; what follows is an alternative, or a word about them.
java_load() { # SETTING
	local flags collector=$COLLECTOR
	read -ra flags <<<"${1%%[;,]*}"

	[[ $1 != -XX:+Use*GC* ]] || collector='' # it may be given once
	start_target "$JAVA" ${collector:+"$collector"} "${JVM[@]}" "${flags[@]}" -cp "$TARGETS/gc" GcLoad "${LOAD[@]}"
}

java_advice_works() { # RULE COLLECTOR-FLAG JVM-FLAG... -- LOAD-OPTION...
	local rule=$1
	COLLECTOR=$2
	shift 2

	need_gc_java ''
	JVM=()
	while [[ $1 != -- ]]; do
		JVM+=("$1")
		shift
	done
	LOAD=("${@:2}")
	advice_works "$rule" java_load
}

# The rule says what to change in the program: the load does it.
classes_load() { # SETTING
	start_target "$JAVA" -XX:+UseG1GC -Xms256m -Xmx256m -Xmn24m -cp "$TARGETS/gc" GcClasses --rate 150 ${1:+--half}
}

go_load() { # SETTING: of the environment
	local variables
	read -ra variables <<<"$1"

	start_target env "${variables[@]}" "$TARGETS/gc/gc_load" - --rate 100 --live 4
}

node_load() { # SETTING
	local flags
	read -ra flags <<<"$1"

	start_target node "${NODE[@]}" "${flags[@]}" "$GC_LOADS/gc_load.js" - --rate 400000
}

# The calls that a rule names, without the words between them.
python_load() { # SETTING
	start_target "$PYTHON" "$GC_LOADS/gc_load.py" - "${LOAD[@]}" \
		--then "$(grep -oE 'gc\.[a-z_]+\([0-9, ]*\)' <<<"$1" | paste -sd ';')"
}

need_root
case $CASE in
collector)
	need_gc_java ''
	"$JAVA" -XX:+UseShenandoahGC -version >/dev/null 2>&1 || skip "this JVM has no Shenandoah collector"
	java_advice_works collector -XX:+UseSerialGC -Xms256m -Xmx256m -Xmn24m -- --mode mixed --live 40
	;;
young_size) java_advice_works young_size -XX:+UseG1GC -Xms256m -Xmx256m -Xmn16m -- --rate 100 ;;
heap_too_small) java_advice_works heap_too_small -XX:+UseG1GC -Xms48m -Xmx48m -- --live 39 ;;
heap_too_small-serial) java_advice_works heap_too_small -XX:+UseSerialGC -Xms24m -Xmx24m -- --live 12 ;;
heap_resizes) java_advice_works heap_resizes -XX:+UseSerialGC -Xms16m -Xmx384m -- --mode mixed --live 60 ;;
explicit) java_advice_works explicit -XX:+UseG1GC -Xms256m -Xmx256m -- --ask 300 ;;
humongous) java_advice_works humongous -XX:+UseG1GC -Xms256m -Xmx256m -- --rate 10 --huge 200 ;;
top_class)
	need_gc_java ''
	advice_works top_class classes_load
	;;
gogc)
	need_gc_target gc_load "Go (Debian: golang-go)"
	advice_works gogc go_load
	;;
semi_space)
	need_command node nodejs
	NODE=(--max-semi-space-size=1)
	advice_works semi_space node_load
	;;
threshold)
	need_gc_python
	LOAD=()
	advice_works threshold python_load
	;;
freeze)
	need_gc_python
	RECORD_S=11 # for some collections of the oldest generation
	LOAD=(--rate 200000 --loaded 25000 --keep 2 --live 5000)
	advice_works freeze python_load
	;;
esac

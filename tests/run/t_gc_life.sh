#!/bin/bash
# SPDX-License-Identifier: MIT
# A runtime that collects, and starts and ends threads (goroutines, workers) all the time, is recorded and let go again and
# again, for a moment each time: it lives on, its data is what it was, each recording ends well, and pauses were seen. How
# late a thread of it got up at worst is printed, recorded and not; it is no verdict.
# MPSAMPLE_LONG=1: 100 times instead of 8, and as long without (run.sh --limit 900).
# beside others
# cases: java python node go boehm
source "${BASH_SOURCE[0]%/*}/lib.sh"
source "${BASH_SOURCE[0]%/*}/gc_lib.sh"

CYCLES=$([[ ${MPSAMPLE_LONG:-} ]] && echo 100 || echo 8)
# What is attached beside the points of collectors is not what this is about.
PARTS=(--causes off --stack off --heap off)

start_load() {
	case $CASE in
	java)
		need_gc_java ''
		start_gc_java G1 --mode bursty --threads 2 --churn 500 --latency
		;;
	python)
		need_gc_python
		start_target "$PYTHON" "$GC_LOADS/gc_load.py" - --mode bursty --churn 200 --latency
		;;
	node)
		need_command node nodejs
		start_target node --max-semi-space-size=2 "$GC_LOADS/gc_load.js" - --mode bursty --churn 20 --latency
		;;
	go)
		need_gc_target gc_load "Go (Debian: golang-go)"
		start_target "$TARGETS/gc/gc_load" - --mode bursty --threads 2 --churn 20000 --latency
		;;
	boehm)
		need_gc_target boehm libgc-dev
		start_target "$TARGETS/gc/boehm" - --mode bursty --churn 500 --latency
		;;
	esac
}

# tell_stall HOW SECONDS
tell_stall() {
	echo "$1: longest stall $(truth longest_stall_ns) ns in $2 s"
}

need_root
start_load
began=$SECONDS
pauses=0
for ((cycle = 1; cycle <= CYCLES; cycle++)); do
	(close_target_in; exec "$MPSAMPLE" record -p "$TARGET" -o s.db --force -d 0.3 "${PARTS[@]}" </dev/null >recorder.out 2>recorder.err) ||
		die "recording $cycle fails"
	alive "$TARGET" || die "the target ended in or after recording $cycle"
	pauses=$((pauses + $(sql s.db "SELECT count(*) FROM v_gc WHERE is_pause")))
done
recorded_s=$((SECONDS - began))
end_gc_load
tell_stall "recorded $CYCLES times" "$recorded_s"
echo "$pauses pauses recorded"
holds "threads were started and ended" "$(truth churned) > 0"
holds "pauses were recorded" "$pauses > 0"

start_load
plain_s=$([[ ${MPSAMPLE_LONG:-} ]] && echo "$recorded_s" || echo 3)
sleep "$plain_s"
end_gc_load
tell_stall plain "$plain_s"

# SPDX-License-Identifier: MIT
# Makes a truth file (tests/run/gc_lib.sh) of HotSpot's own log, written by
#
#   -Xlog:gc*,safepoint:file=LOG:timenanos,tags:filecount=0
#
#   awk -f gc_truth.awk LOG
#
# A line `begin_ns end_ns kind ttsp_ns stopped_ns cause` for each pause of the collector, on CLOCK_MONOTONIC, which is what
# timenanos is. HotSpot logs a pause when it has ended, with its length in ms to three digits:
#
#   [64107697ns][gc] GC(3) Pause Young (Normal) (G1 Evacuation Pause) 24M->4M(256M) 3.123ms
#   [64107697ns][gc,phases] GC(3) y: Pause Mark Start 0.013ms
#
# and then the safepoint that it was in: from the order to stop until the threads were let go (Total), and what went by
# until they stood (Reaching). Several pauses may be in one. Where Serial or Parallel add a full collection to a young one
# in the same operation, its probes, and the line here, have both as one, which is `full`.
#
#   [64107698ns][safepoint] Safepoint "ZMarkStart", Time since last: 2 ns, Reaching safepoint: 3 ns, ..., Total: 9 ns
#
#   kind   young mixed full remark cleanup mark-start mark-end relocate-start init-mark final-mark ...: the words of the log;
#          a pause of an evacuation is `young` unless it is `mixed`
#   cause  with _ for blanks; -: not told
#
# Safepoints for other reasons are lines `# safepoint begin_ns end_ns ttsp_ns name`.

# What comes behind `name` in the line, up to a comma or its end.
function field(name,    at, s) {
	at = index($0, name)
	if (!at)
		return ""
	s = substr($0, at + length(name))
	sub(/,.*/, "", s)
	return s
}

function kind_of(text) {
	if (text ~ /^Young \(Mixed\)/)
		return "mixed"
	sub(/ *\(.*/, "", text)
	gsub(/ /, "-", text)
	return tolower(text)
}

# Only of young and full collections do the brackets at the end hold a cause.
function cause_of(text) {
	if (text !~ /^(Young|Full) .*\)$/)
		return "-"
	sub(/^Young \((Normal|Concurrent Start|Prepare Mixed|Mixed)\) /, "Young ", text)
	sub(/^[A-Za-z]+ \(/, "", text)
	sub(/\)$/, "", text)
	gsub(/ /, "_", text)
	return text
}

# A pause without a safepoint line behind it ended with the log.
function tell_pauses(operation, ttsp, stopped,    i, first) {
	first = 1
	if (n > 1 && operation ~ /^"(Gen|Serial|Parallel)/) {
		begin[n] = begin[1]
		first = n
	}
	for (i = first; i <= n; i++)
		printf "%.0f %.0f %s %s %s %s\n", begin[i], end[i], kind[i], ttsp, stopped, cause[i]
	n = 0
}

!/^\[[0-9]+ns\]/ {
	next
}

{
	stamp = substr($0, 2) + 0
}

/^\[[0-9]+ns\]\[gc[^]]*\] GC\([0-9]+\) ([A-Za-z]: )?Pause .*[0-9]ms$/ {
	ms = $NF
	sub(/ms$/, "", ms)
	text = substr($0, index($0, "Pause ") + 6)
	sub(/ [0-9.]+ms$/, "", text)
	sub(/ [0-9]+[BKMG]->[^ ]*$/, "", text)
	n++
	end[n] = stamp
	begin[n] = stamp - ms * 1e6
	kind[n] = kind_of(text)
	cause[n] = cause_of(text)
}

/^\[[0-9]+ns\]\[safepoint *\] Safepoint "/ {
	ttsp = field("Reaching safepoint: ") + 0
	stopped = field("Total: ") + 0
	if (n)
		tell_pauses(field("Safepoint "), ttsp, stopped)
	else
		printf "# safepoint %.0f %.0f %.0f %s\n", stamp - stopped, stamp, ttsp, field("Safepoint ")
}

END {
	tell_pauses("", "-", "-")
}

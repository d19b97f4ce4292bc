# SPDX-License-Identifier: MIT
# Makes a truth file (tests/run/gc_lib.sh) of the execution trace of tests/targets/gc/gc_load.go:
#
#   go tool trace -d TRACE | awk -f gc_truth_go.awk
#
# A line `begin_ns end_ns sweep-termination|mark-termination` for each time that the world was stopped by the collector, on
# CLOCK_MONOTONIC. The trace counts ns from its first event:
#
#   43016323 UserLog p=1 g=24 off=74 id=0 keyid=5 category=clock message=64226527917102
#   43168797 GCSTWStart p=1 g=0 off=7198 kindid=1 kind=sweep termination
#   43228546 GCSTWDone p=1 g=0 off=7211
#
# A log entry is made after its clock was read; the one that was made soonest tells how far the clocks are apart.

$2 == "UserLog" && / category=clock / {
	monotonic = $NF
	sub(/^message=/, "", monotonic)
	apart = monotonic - $1
	if (!n_clock++ || apart > offset)
		offset = apart
}

$2 == "GCSTWStart" {
	begin = $1
	kind = $0
	sub(/.* kind=/, "", kind)
	gsub(/ /, "-", kind)
}

$2 == "GCSTWDone" && begin != "" {
	n++
	begins[n] = begin
	ends[n] = $1
	kinds[n] = kind
	begin = ""
}

END {
	if (!n_clock) {
		print "no log entry of the clock" >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= n; i++)
		printf "%.0f %.0f %s\n", begins[i] + offset, ends[i] + offset, kinds[i]
}

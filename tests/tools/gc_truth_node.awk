# SPDX-License-Identifier: MIT
# Makes a truth file (tests/run/gc_lib.sh) of what tests/targets/gc/gc_load.js writes and what V8 prints with --trace-gc:
#
#   awk -f gc_truth_node.awk TRUTH TRACE
#
# Node stamps what is around a pause: some 40 us of callbacks more. V8 tells the pause itself, in ms to two digits, and not
# when it began. Both tell all of them in their order; so begin and kind are node's, and the length is V8's:
#
#   [10206:0x33673fc0]       50 ms: Scavenge 4.5 (4.6) -> 3.8 (5.6) MB, 2.37 / 0.00 ms  (average mu = ...
#
# V8 has some before node looks, and some after: the shift is that by which their lengths differ least.

function distance(a, b) {
	return a > b ? a - b : b - a
}

FNR == NR {
	if (!/^#/) {
		n++
		begin[n] = $1
		node_ns[n] = $2 - $1
		kind[n] = $3
	}
	next
}

/^\[[0-9]+:0x[0-9a-f]+\] +[0-9]+ ms: (Scavenge|Mark-)/ {
	ms = $0
	sub(/^.* MB, /, "", ms)
	n_v8++
	v8_ns[n_v8] = ms * 1e6 # as far as it is a number
	v8_kind[n_v8] = /ms: Scavenge/ ? "scavenge" : "mark-compact"
}

END {
	for (shift = 0; shift + n <= n_v8; shift++) {
		apart = 0
		for (i = 1; i <= n; i++)
			apart += distance(node_ns[i], v8_ns[i + shift]) + (kind[i] == v8_kind[i + shift] ? 0 : 1e12)
		if (shift == 0 || apart < least) {
			least = apart
			best = shift
		}
	}
	if (!n || n > n_v8 || least >= 1e12) {
		print "node tells " n + 0 " pauses, V8 " n_v8 + 0 ": not the same" >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= n; i++)
		printf "%.0f %.0f %s\n", begin[i], begin[i] + v8_ns[i + best], kind[i]
}

#!/bin/bash
# SPDX-License-Identifier: MIT
# What it costs, measured on this machine: one table of everything beside its peers (compare/), then the details.
# Nothing here passes or fails. `make bench` runs it.
#   SECTIONS="..."   only these: compare budget backends markers pools gc preload store unwinding perf symbolize analysis
#   QUICK=1          a table in under 3 minutes, and no details unless SECTIONS asks for them
set -euo pipefail
O=${O:-build}
here=${BASH_SOURCE[0]%/*}
all="compare budget backends markers pools gc preload store unwinding perf symbolize analysis"
[[ ! ${QUICK:-} ]] || all=compare
sections=${SECTIONS:-$all}
rounds=${ROUNDS:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

section_compare() {
	"$here/compare/compare.sh"
	"$here/compare/report.sh" table
	"$here/compare/report.sh" markdown >"$O/bench.md"
	"$here/compare/report.sh" json >"$O/bench.json"
}

section_budget() { ROUNDS=$rounds "$here/budget.sh"; }

section_store() { "$here/store.sh"; }

section_backends() { ROUNDS=$rounds "$here/backends.sh"; }

# With no recorder: ns each, without the library and with the library dormant.
section_markers() {
	local program=$O/tests/bench/markers
	"$program" >"$dir/markers.none"
	LD_PRELOAD=$(realpath "$O/libmpsample.so") "$program" >"$dir/markers.dormant"
	echo "markers with no recorder: ns each, an empty loop's ns taken off"
	printf '%-15s  %10s  %15s\n' marker 'no library' 'library dormant'
	paste -d' ' "$dir/markers.none" "$dir/markers.dormant" | awk '{printf "%-15s  %10s  %15s\n", $1, $2, $4}'
}

section_pools() { ROUNDS=$rounds "$here/pools.sh"; }

section_gc() {
	"$here/gc.sh"
	"$here/gc_predict.sh"
}

section_preload() { ROUNDS=$((rounds * 2 - 1)) "$here/preload.sh"; }

section_unwinding() {
	echo "unwinding: ns a frame by the flat tables and by libunwind, on the same stacks"
	"$O/tests/targets/unwind/places_gcc_O2" "$dir/stacks" >"$dir/places"
	"$O/tests/bench/unwind" "$dir/stacks"
}

section_perf() {
	echo "perf records: samples a second that the ring reader and the parser take on one core"
	"$O/tests/tools/perf_records" 10
}

section_symbolize() { "$here/symbolize.sh"; }

section_analysis() { "$here/analysis.sh"; }

for section in $sections; do
	declare -F "section_$section" >/dev/null || { echo "bench.sh: no section $section; there are: $all" >&2; exit 2; }
done
for section in $sections; do
	"section_$section"
	echo
done

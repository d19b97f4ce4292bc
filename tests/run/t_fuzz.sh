#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: what reads the target's files, and recordings of perf, bears any of them: no crash, no hang, no more than bounded
# memory. A bounded run of each fuzz target (tests/fuzz/) over its corpus and what comes of it by a fixed seed; `make fuzz`
# goes on for longer. An input that fails is kept in $O/tests.
# beside others
# cases: elf dwarf demangle jitdump perf_map cfi unwind perf_record perf_data spe glibc_heap hsperf gc_log
source "${BASH_SOURCE[0]%/*}/lib.sh"

declare -A RUNS=([elf]=4000 [demangle]=40000 [jitdump]=20000 [perf_map]=4000 [perf_record]=100000 [perf_data]=20000 [spe]=20000 [hsperf]=40000 [gc_log]=40000)
fuzzer=$O/fuzz/fuzz_$CASE
[[ -x $fuzzer ]] || die "$fuzzer is not there: make fuzz-targets"
corpus=()
for dir in "$ROOT/tests/fuzz/corpus/$CASE" "$O/fuzz/seeds/$CASE"; do
	[[ ! -d $dir ]] || corpus+=("$dir")
done
((${#corpus[@]})) || die "no corpus"

mkdir found
rm -f "$O/tests/fuzz-$CASE-"*
"$fuzzer" -runs="${RUNS[$CASE]:-4000}" -seed=1 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$O/tests/fuzz-$CASE-" found "${corpus[@]}" \
	>fuzz.out 2>fuzz.err || fail "$CASE: $(grep -hE '^SUMMARY|ERROR|Test unit written' fuzz.err | tr '\n' ' ') see $O/tests/fuzz-$CASE-*"
runs=$(sed -n 's/^Done \([0-9]*\) .*/\1/p' fuzz.out fuzz.err)
echo "$runs runs"
holds "runs" "${runs:-0} >= $(find "${corpus[@]}" -type f | wc -l)"

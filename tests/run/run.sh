#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs tests and counts them: unit tests (Criterion) and black-box tests, in one report.
#
#   run.sh [--report FILE] [--limit SECONDS]                      everything: $O/tests/unit/*, tests/run/t_*.sh
#   run.sh [...] [--unit BINARY...] [--run TEST[:CASE]...]        only these; TEST is t_NAME.sh, its path or NAME
#
# One line a test (`ok`, `FAIL`, `skip` with its reason, and seconds), the output of those that failed, and at the end,
# after what failed once more, `N passed, N failed, N skipped`. Writes JUnit XML to $O/tests/report.xml. Exits with 1 if
# anything failed.
#
# A black-box test with the line `# cases: A B ...` is run once with each as its argument, and is as many tests. With the
# line `# beside others` its cases run beside others, as unit tests do, with `# beside others: A ...` these; all that remain
# have the machine for themselves.
# UNIT_ALSO="DIR..." names more build folders whose unit tests run too, as tests of their own (sanitizers).
set -uo pipefail

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
root=${here%/tests/run}
O=${O:-build}
[[ $O == /* ]] || O=$root/$O
export O

passed=0 failed=0 skipped=0
report=$O/tests/report.xml
limit=600 # seconds a test: a guard against hanging
workers=$(($(nproc) * 3 / 2)) # black-box tests wait, too
jobs=() # UNIT BINARY, or a black-box test: FILE:CASE
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mpsample-run.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM HUP

usage() {
	sed -n 's/^# \{0,1\}//; 3,15p' "$0" >&2
	exit 2
}

escape() {
	LC_ALL=C tr -d '\000-\010\013\014\016-\037' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

# Runs a command under the limit; its output goes to a file. Sets status and seconds.
run_limited() {
	local log=$1 began ended child
	shift

	began=${EPOCHREALTIME/[.,]/}
	# A process group of its own: what hangs is ended with all that it started.
	timeout -k 20 "$limit" "$@" </dev/null >"$log" 2>&1 &
	child=$!
	trap 'kill "$child" 2>/dev/null; wait; exit 130' INT TERM HUP
	wait "$child"
	status=$?
	ended=${EPOCHREALTIME/[.,]/}
	seconds=$(awk "BEGIN { printf \"%.1f\", ($ended - $began) / 1e6 }")
	[[ $status != 124 && $status != 137 ]] || echo "stopped after $limit s" >>"$log"
}

# tell VERDICT NAME [REASON]
tell() {
	printf '%-4s  %-34s %6s s  %s\n' "$1" "$2" "$seconds" "${3:-}"
}

# tell_output LOG NAME: what a failed test wrote; its end is kept for the end of the run, where it is looked for first.
tell_output() {
	sed 's/^/      | /' "$1"
	{
		echo "failed: $2"
		tail -n 20 "$1" | cut -c 1-400 | sed 's/^/      | /'
	} >>"$scratch/failures"
}

# One test case of the report: report_case CLASS NAME VERDICT [REASON] [LOG]
report_case() {
	printf '    <testcase classname="%s" name="%s" time="%s"' "$1" "$2" "$seconds"
	case $3 in
	ok) echo '/>' ;;
	skip) printf '><skipped message="%s"/></testcase>\n' "$(escape <<<"$4")" ;;
	*) printf '><failure message="%s">%s</failure></testcase>\n' "$(escape <<<"$4")" "$(tail -c 20000 "$5" | escape)" ;;
	esac
} >>"$scratch/cases.xml"

# ---- Black-box tests ----

# find_cases TEST[:CASE]: one job each, `FILE:CASE` a line.
find_cases() {
	local test=${1%%:*} only='' cases c
	[[ $1 != *:* ]] || only=${1#*:}

	[[ -f $test ]] || test=$here/$test
	[[ -f $test ]] || test=$here/t_$(basename "$test").sh
	cases=$(sed -n 's/^# cases: //p' "$test" 2>/dev/null | paste -sd' ')
	if [[ ! -f $test || ($only && " $cases " != *" $only "*) ]]; then
		echo "run.sh: no test '$1'" >&2
		exit 2
	fi
	for c in ${only:-${cases:-''}}; do
		echo "$test:$c"
	done
}

# runs_beside FILE:CASE
runs_beside() {
	local line
	line=$(grep -m 1 -E '^# beside others(:|$)' "${1%:*}") || return
	[[ $line != *:* || " ${line#*:} " == *" ${1##*:} "* ]]
}

tell_case() {
	local test=${1%:*} case=${1##*:} log=$2 name reason
	name=$(basename "$test" .sh)
	name=${name#t_}

	case $status in
	0)
		passed=$((passed + 1))
		tell ok "$name${case:+ $case}"
		report_case "run.$name" "${case:-$name}" ok
		;;
	77)
		reason=$(sed -n 's/^skip: //p' "$log" | tail -n 1)
		skipped=$((skipped + 1))
		tell skip "$name${case:+ $case}" "${reason:-no reason given}"
		report_case "run.$name" "${case:-$name}" skip "${reason:-no reason given}"
		;;
	*)
		reason=$(grep -m 1 -E '^not ok: ' "$log" || tail -n 1 "$log")
		failed=$((failed + 1))
		tell FAIL "$name${case:+ $case}"
		tell_output "$log" "$name${case:+ $case}"
		report_case "run.$name" "${case:-$name}" FAIL "${reason:-exit status $status}" "$log"
		;;
	esac
}

# ---- Unit tests: Criterion writes a report of each binary ----

# A unit test binary gives one line here, and its own test cases in the report.
tell_unit() {
	local binary=$1 log=$2 xml=${2%.log}.xml name ok bad off
	name=${binary#"$root"/}

	ok=$(grep -c 'status="PASSED"' "$xml" 2>/dev/null)
	bad=$(grep -cE 'status="(FAILED|ERRORED)"' "$xml" 2>/dev/null)
	off=$(grep -c 'status="SKIPPED"' "$xml" 2>/dev/null)
	ok=${ok:-0} bad=${bad:-0} off=${off:-0}
	if ((status != 0 && bad == 0)) || ((ok + bad + off == 0)); then # it crashed, or says nothing at all
		bad=$((bad + 1))
		echo "$name: exit status $status, $ok tests reported as passed" >>"$log"
		report_case "$name" "$(basename "$name")" FAIL "crashed, or reported nothing" "$log"
	fi
	[[ ! -s $xml ]] || sed -n '/<testsuite /,/<\/testsuite>/p' "$xml" >>"$scratch/suites.xml"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + off))
	tell "$( ((bad)) && echo FAIL || echo ok)" "$name" "$ok passed$( ((bad)) && echo ", $bad failed")$(
		((off)) && echo ", $off skipped: $(grep -B 1 '<skipped/>' "$xml" | sed -n 's/.*testcase name="\([^"]*\)".*/\1/p' | xargs)"
	)"
	((bad == 0)) || tell_output "$log" "$name"
}

# ---- Jobs: each leaves what came of it in files of its number ----

start_job() {
	local at=$scratch/job$1 job=${jobs[$1]}
	(
		trap - EXIT
		if [[ $job == UNIT\ * ]]; then
			LSAN_OPTIONS=suppressions=$root/tests/unit/lsan.supp run_limited "$at.log" "${job#UNIT }" --xml="$at.xml"
		else
			run_limited "$at.log" bash "${job%:*}" ${job##*:}
		fi
		echo "status=$status seconds=$seconds" >"$at.ending" && mv "$at.ending" "$at.end"
	) &
}

tell_job() {
	status=1 seconds=0
	if [[ -s $scratch/job$1.end ]]; then
		source "$scratch/job$1.end"
	else
		echo "it left no result: out of memory, or no room in ${TMPDIR:-/tmp}" >>"$scratch/job$1.log"
	fi
	if [[ ${jobs[$1]} == UNIT\ * ]]; then
		tell_unit "${jobs[$1]#UNIT }" "$scratch/job$1.log"
	else
		tell_case "${jobs[$1]}" "$scratch/job$1.log"
	fi
}

# run_jobs FROM WORKERS: all jobs from number FROM on, so many at a time; told in their order.
run_jobs() {
	local started=$1 told=$1

	for (( ; told < ${#jobs[@]}; told++)); do
		until [[ -e $scratch/job$told.end ]]; do
			if ((started < ${#jobs[@]} && $(jobs -pr | wc -l) < $2)); then
				start_job "$started"
				started=$((started + 1))
			elif [[ $(jobs -pr) ]]; then
				wait -n || true
			else # its shell was killed
				break
			fi
		done
		tell_job "$told"
	done
}

# ---- Which, and what came of it ----

units=() tests=() into=
while (($#)); do
	case $1 in
	--unit) into=units ;;
	--run) into=tests ;;
	--report) report=${2:?} && shift ;;
	--limit) limit=${2:?} && shift ;;
	-h | --help | -*) usage ;;
	*) [[ $into == units ]] && units+=("$1") || { into=tests && tests+=("$1"); } ;;
	esac
	shift
done
if [[ ! $into ]]; then
	tests=("$here"/t_*.sh)
	for dir in "$O" ${UNIT_ALSO:-}; do
		[[ $dir == /* ]] || dir=$root/$dir
		for binary in "$dir"/tests/unit/*; do
			[[ ! -x $binary || -d $binary ]] || units+=("$binary")
		done
	done
fi

alone=() cases=
for t in ${tests[@]+"${tests[@]}"}; do
	cases+=$(find_cases "$t")$'\n' || exit
done
for u in ${units[@]+"${units[@]}"}; do
	jobs+=("UNIT $u")
done
while read -r c; do
	[[ ! $c ]] || if runs_beside "$c"; then jobs+=("$c"); else alone+=("$c"); fi
done <<<"$cases"
run_jobs 0 "$workers"
beside=${#jobs[@]}
jobs+=(${alone[@]+"${alone[@]}"})
run_jobs "$beside" 1

mkdir -p "$(dirname "$report")"
{
	echo '<?xml version="1.0" encoding="UTF-8"?>'
	echo "<testsuites name=\"mpsample\" tests=\"$((passed + failed + skipped))\" failures=\"$failed\">"
	echo '  <testsuite name="run">'
	cat "$scratch/cases.xml" 2>/dev/null
	echo '  </testsuite>'
	cat "$scratch/suites.xml" 2>/dev/null
	echo '</testsuites>'
} >"$report"
cat "$scratch/failures" 2>/dev/null
((${#jobs[@]})) || echo "run.sh: there is nothing to run: build the tests first (make targets unit)" >&2
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && ${#jobs[@]}))

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the phases of five years, 2023 to 2027, are those that Python's zoneinfo has, to the ns: each change of clocks,
# half days, holidays, sessions across midnight; of the built-in calendars, and of one whose phases lie in the hours that come
# twice or never, in zones of both hemispheres, with half hours, and without any change.
#   builtin   nyse, cme, lse, xetra, tokyo      zones   phases around the hours at which clocks change
# beside others
# cases: builtin zones
source "${BASH_SOURCE[0]%/*}/lib.sh"

TRUTH=${BASH_SOURCE[0]%/*}/calendar_truth.py
[[ $TRUTH == /* ]] || TRUTH=$ROOT/tests/run/calendar_truth.py

need_command python3 python3
python3 -c 'import zoneinfo; zoneinfo.ZoneInfo("America/New_York")' 2>zone.err || skip "no zones for Python: tzdata"

# same CALENDAR FILE LEAST: as Python has it, and at least so many windows.
same() {
	"$MPSAMPLE" list phases "$1" --from 2023-01-01 --to 2027-12-31 --format csv >is.csv 2>is.err || fail "$1: $(<is.err)"
	awk -F, 'NR > 1 { print $1, $4, $5 }' is.csv | tr -d '"\r' >is
	python3 "$TRUTH" "$2" 2023-01-01 2027-12-31 >wanted || fail "$1: no truth"
	diff is wanted >differ || fail "$1: $(grep -c '^[<>]' differ) lines differ: $(head -n 5 differ)"
	holds "windows of $1" "$(wc -l <wanted) >= $3"
	echo "$1: $(wc -l <wanted) windows"
}

case $CASE in
builtin)
	for name in nyse cme lse xetra tokyo; do
		same $name "$ROOT/sampler/profiles/phases-$name.ini" 5000
	done
	;;
zones)
	for zone in America/New_York Europe/London Europe/Berlin Australia/Sydney Australia/Lord_Howe America/Santiago \
		Asia/Tokyo Asia/Kolkata Africa/Casablanca Pacific/Chatham America/St_Johns; do
		cat >zone.ini <<-END
			[calendar]
			zone = $zone
			weekdays = sun-sat
			half_days = 2023-03-12 2024-03-31 2025-11-02 2026-03-08 2026-10-25

			[time hour]
			at = 01:00
			half_day = 01:45

			[phase before]
			from = 00:10
			to   = hour+00:30
			[phase within]
			from = before.end+00:00:00.001
			to   = within+00:45:30.250
			[phase behind]
			from = 02:30
			to   = 03:15
			half_day_from = 02:00
			[phase over]
			from = 02:59:59.999
			to   = 02:00
			weekdays = sat-sun
			[phase long]
			from = 23:30
			to   = 02:30+2d
			weekdays = fri
			[phase next]
			from = 01:30+1d
			to   = next+00:30
			half_day = none
		END
		same ./zone.ini zone.ini 5000
	done
	;;
*) die "no case '$CASE'" ;;
esac

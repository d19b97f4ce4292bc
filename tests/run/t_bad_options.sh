#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a command line that is not understood is one line and exit status 2, before anything is touched.
# beside others
source "${BASH_SOURCE[0]%/*}/lib.sh"

start_target count 10 10 1
n=0
while IFS= read -r options; do
	[[ $options ]] || continue
	n=$((n + 1))
	# shellcheck disable=SC2086 # words on purpose
	one_line_error 2 "$MPSAMPLE" record -o s.db ${options//PID/$TARGET}
done <<'OPTIONS'
--no-such-option -p PID
-z -p PID
-p PID -d -1
-p PID -d 0
-p PID -d nan
-p PID -d inf
-p PID -d abc
-p PID -d 1x
-p PID -d 1e300
-p PID -d
-p 0
-p -1
-p abc
-p 12abc
-p 99999999999999999999
-p
-p PID --keep-over -1
-p PID --keep-over abc
-p PID --keep-over 1.5
-p PID --sample-every -1
-p PID --sample-every abc
-p PID --sample-every 4294967296
-p PID --stack sideways
-p PID --backend nobodys
-p PID --plane flat
-p PID --probe deep
-p PID -- true
-p PID true
-p PID --cpu 1022
-p PID --cpu 1-0
--force
--
OPTIONS
eq "command lines tried" "$n" 32
one_line_error 2 "$MPSAMPLE" no-such-command
for help in --help "record --help" "query --help" "report --help"; do
	# shellcheck disable=SC2086
	contains "$help" "$("$MPSAMPLE" $help 2>&1)" "usage: mpsample"
done
contains "version" "$("$MPSAMPLE" --version)" "mpsample "
end_target 2 # it was not told to go

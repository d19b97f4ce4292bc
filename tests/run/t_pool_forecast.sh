#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: 200 made-up courses of pools (tests/tools/pool_courses.c), of which is known how they go on. Forecasts of
# exhaustion within a horizon have a better Brier score than the straight line through what was in use, and than the share
# of the courses that ran dry as everyone's probability; of each kind of course, and of all.
#
# The capacity that is advised at risk r is exceeded in about r of the courses, in a session of each that was not seen:
# within what a binomial distribution leaves 99 % of the time for all of them, and not more often for any kind. Of many
# more sessions, which share their courses and so are no independent ones, the share is within a third of r and 3 r.
# beside others
source "${BASH_SOURCE[0]%/*}/lib.sh"

"$O/tests/tools/pool_courses" 1 50 12 >courses || die "pool_courses: $?"

awk '
	# The least k with P(X <= k) >= p, of n at probability r.
	function quantile(n, r, p,   k, point, sum) {
		point = sum = (1 - r) ^ n
		for (k = 0; sum < p && k < n; k++) {
			point *= (n - k) / (k + 1) * r / (1 - r)
			sum += point
		}
		return k
	}
	function claim(holds, what) {
		if (!holds)
			print "claim: " what
	}
	BEGIN {
		printf "%-9s %8s %8s | %8s %8s %8s   (Brier scores)\n", "kind", "courses", "ran dry", "forecast", "line", "mean"
	}
	$1 == "forecast" {
		printf "%-9s %8d %8d | %8.4f %8.4f %8.4f\n", $2, $3, $4, $5, $6, $7
		claim($5 < $6, $2 ": a forecast is better than a line")
		claim($5 < $7, $2 ": a forecast is better than the mean")
		scored++
	}
	$1 == "sizing" {
		lo = quantile($4, $3, 0.005)
		hi = quantile($4, $3, 0.995)
		sizing[++sized] = sprintf("%-9s %6g %8d %8d   %3d to %-3d | %8d %8d %8.4f", $2, $3, $4, $5, lo, hi, $6, $7, $7 / $6)
		claim($5 <= hi && ($2 != "all" || $5 >= lo), $2 ": a risk of " $3 " is exceeded about as often")
		claim($2 != "all" || ($7 / $6 > $3 / 3 && $7 / $6 < 3 * $3), "a risk of " $3 " in many sessions")
	}
	$1 == "covered" && $2 == "all" {
		claim($3 > 0.7 && $3 < 0.95, "80 % of maxima are within p10 to p90")
		covered = $3
	}
	END {
		printf "\n%-9s %6s %8s %8s %12s | sessions exceeded share\n", "kind", "risk", "courses", "exceeded", "binomial 99 %"
		for (i = 1; i <= sized; i++)
			print sizing[i]
		printf "\nmaxima within p10 to p90: %g\n", covered
		claim(scored == 5 && sized == 10, "all kinds are told")
	}' courses >table
cat table
while IFS= read -r claim; do
	fail "$claim"
done < <(sed -n 's/^claim: //p' table)
eq "the same once more" "$("$O/tests/tools/pool_courses" 7 2 1)" "$("$O/tests/tools/pool_courses" 7 2 1)"

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: report impact says of spans that were put into a session what can be reckoned by hand, takes a price of
# lateness as a number or as a curve, and an intended rate; what it does not understand is one line and exit status 2,
# and other reports refuse its options.
# cases: figures cost interval refused
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
"$MPSAMPLE" record -o s.db -- true 2>/dev/null

# 1000 orders: 10 us each; every 50th has a page fault of 30 us, every 100th was off the CPU for 90 us besides.
sqlite3 -batch s.db "
	WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 999)
	INSERT INTO span (name, id, tid, t_ns, dur_ns, fault_ns, off_cpu_ns)
	SELECT 'order', n, 1, start_ns + n * 1000, 10000 + (n % 50 = 0) * 30000 + (n % 100 = 0) * 90000,
	       (n % 50 = 0) * 30000, (n % 100 = 0) * 90000
	FROM i, session_time"

table() { # NAME OPTION...: rows, without the header
	"$MPSAMPLE" report impact s.db --format csv --table "$@" | tr -d '\r' | tail -n +2
}

case $CASE in
figures)
	eq "spans" "$(table spans)" "order,1000,10000,10000,40000,130000,130000,11500000"
	eq "what if" "$(table what_if)" "order,fault,,1000,20,10000,10000,100000,100000,0.75
order,off_cpu,,1000,10,10000,40000,40000,40000,0.0
order,alloc,,0,,,,,,
order,gc,,0,,,,,,"
	contains "in words" "$("$MPSAMPLE" report impact s.db)" \
		"order p99 would be 10.0 us instead of 40.0 us without page faults"
	eq "v_impact" "$(sql s.db "
		SELECT name, spans, p99_ns, p99_no_fault_ns, p99_no_off_cpu_ns, p99_no_gc_ns FROM v_impact")" \
		"order|1000|40000|10000|40000|"
	;;
cost)
	# Late: 20 by 30 us for the fault, 10 of them by 90 us more off the CPU.
	eq "by the microsecond" "$(table loss --cost-per-us 0.5)" "order,off_cpu,[outside kept calls],10,900000,450.0,0.6
order,fault,[outside kept calls],20,600000,300.0,0.4"
	printf 'lateness_us,cost\n30,0\n120,9\n' >curve.csv
	eq "by a curve" "$(table loss --cost-per-us curve.csv)" "order,off_cpu,[outside kept calls],10,900000,67.5,0.75
order,fault,[outside kept calls],20,600000,22.5,0.25"
	eq "without a price" "$(table loss)" ""
	;;
interval)
	# Missing: before each of the 10 at 130 us those of 110, 90, 70, 50, 30; of the 10 at 40 us those of 20. Of 1060 the
	# p99 is the 1050th: behind it are the 10 at 130.
	eq "raw and corrected" "$(table corrected --interval order=20)" "order,raw,20000,1000,10000,10000,40000,130000,130000
order,corrected,20000,1060,10000,10000,110000,130000,130000"
	one_line_error 1 "$MPSAMPLE" report impact s.db --interval tick=20
	contains message "$MESSAGE" "no span has that name: there are order"
	;;
refused)
	printf '5,1\n4,2\n' >falling.csv
	while IFS= read -r options; do
		# shellcheck disable=SC2086 # words on purpose
		one_line_error 2 "$MPSAMPLE" report $options
	done <<-'OPTIONS'
		impact s.db --cost-per-us
		impact s.db --cost-per-us -1
		impact s.db --cost-per-us nan
		impact s.db --cost-per-us 1x
		impact s.db --cost-per-us falling.csv
		impact s.db --cost-per-us .
		impact s.db --interval
		impact s.db --interval order
		impact s.db --interval order=0
		impact s.db --interval order=x
		impact s.db --interval order=5 --interval order=6
		summary s.db --cost-per-us 1
		outliers s.db --interval order=5
	OPTIONS
	contains message "$MESSAGE" "outliers is not of spans: --interval is an option of the report impact"
	;;
esac

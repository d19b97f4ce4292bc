#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a call that is left by longjmp is one lost call, told as such, and hides none of those that follow from the same
# place of the stack; a page fault that ended in a signal is not the beginning of a later one.
# beside others
# cases: session multi
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend "$CASE"
start_target left_call
record_work s.db --backend "$CASE"

eq "mallocs" "$(calls s.db malloc)" 10007
eq "frees" "$(calls s.db free)" 10007
eq "lost" "$(sql s.db "SELECT source, what, sum(lost) FROM loss GROUP BY 1, 2")" "no return seen|calls|1"
holds "no fault lasts as long as the sleep" \
	"$(sql s.db "SELECT coalesce(max(dur_ns), 0) FROM v_kernel_event WHERE kind LIKE '%fault'") < 400000000"
holds "the sleep is there" "$(sql s.db "SELECT max(dur_ns) FROM v_kernel_event WHERE kind = 'off_cpu'") >= 500000000"

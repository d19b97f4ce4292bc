#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth, by counting, of a thread that is recorded while it makes two million calls (tests/targets/quiet.c): after its
# first call libmpsample.so makes no system call, for the kernel would end the process at any; has no page fault, for the
# kernel counts them; allocates nothing, for the allocator behind it sees the program's own calls and no more. Nor is
# any call uncounted.
#   stacks   with samples and copies of their stacks     full    every call a row, or a lost row
#   behind   what the allocator behind saw: twelve rounds less two, so that what is done once a thread cancels out
#   filter   the filter that the others rely on is there
# beside others
# cases: stacks full behind filter
source "${BASH_SOURCE[0]%/*}/lib.sh"

LIBRARY=$O/libmpsample.so
need_root

# quiet PRELOAD ARGUMENTS RECORD-OPTION...: its work, recorded to s.db
quiet() {
	# shellcheck disable=SC2086 # arguments
	start_target env LD_PRELOAD="$1" "$TARGETS/quiet" $2
	rm -f s.db*
	record_work s.db --plane preload "${@:3}"
}

check() {
	local op
	eq "page faults" "$(truth faults)" 0
	eq "major page faults" "$(truth major)" 0
	for op in malloc realloc free; do
		eq "calls of $op" "$(calls s.db $op)" "$(truth $op)"
	done
	# the C library makes one for each thread it starts
	eq "calls of calloc" "$(calls s.db calloc)" "$(($(truth calloc) + 1))"
	eq "lost calls" "$(sql s.db "SELECT * FROM v_loss WHERE what = 'calls'")" ""
}

case $CASE in
stacks)
	quiet "$LIBRARY" 10 --sample-every 1000
	check
	holds "rows are kept" "$(sql s.db "SELECT count(*) FROM v_call") > 100"
	holds "with stacks" "$(sql s.db "SELECT count(DISTINCT stack_id) FROM call") > 0"
	;;
full)
	quiet "$LIBRARY" 10 --full
	check
	eq "rows, and those lost" "$(sql s.db "SELECT (SELECT count(*) FROM call) + coalesce(
		(SELECT sum(lost) FROM v_loss WHERE what = 'rows'), 0)")" "$(sql s.db "SELECT sum(calls) FROM v_percentile")"
	;;
behind)
	for rounds in 2 12; do
		export CALLS_COUNTER_OUT=$WORK/counts.$rounds
		quiet "$LIBRARY $TARGETS/libcalls_counter.so" $rounds --sample-every 1000
		check
		cp target.out said.$rounds
	done
	for op in malloc calloc realloc free; do
		# shellcheck disable=SC2016 # awk's
		difference='$1 == op { n = $2 - n } END { print n }'
		eq "$op: seen by the allocator behind" "$(awk -v op=$op "$difference" counts.2 counts.12)" \
			"$(awk -v op=$op "$difference" said.2 said.12)"
	done
	;;
filter)
	start_target env LD_PRELOAD="$LIBRARY" "$TARGETS/quiet" 1 loud
	start_recorder -p "$TARGET" --plane preload -o s.db
	go
	end_target $((128 + $(kill -l SYS)))
	wait_recorder
	;;
esac

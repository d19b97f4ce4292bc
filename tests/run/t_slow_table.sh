#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a file whose call frame information takes all the time that one file is given (20,000 functions under an entry of
# 2 MB) holds up no row, and the end by no more than that time: each kept call through it is a row within a commit, and
# its stack follows.
#   killed      the recorder is killed while the table is built: the rows are there, without their stacks
#   settled     it ends in peace: every row has its stack, or is one that is counted as without
#   impatient   a second order to end is heard: no stack is waited for, those without are counted; the builder still ends
#               the file that it is at (mp_cfi_queue_free())
# cases: killed settled impatient
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_root
need_command gcc gcc
[[ $(uname -m) == x86_64 ]] || skip "the file is written in the assembly of x86-64"
export XDG_CACHE_HOME=$PWD/cache

{
	printf '%s\n' .text '.globl call_it' '.type call_it,@function' 'call_it: sub $8,%rsp' ' call *%rdi' ' add $8,%rsp' ' ret' \
		'.fill 65536,1,0x90' '.section .eh_frame,"a",@progbits' 'cie: .long cie_end-cie_start' 'cie_start: .long 0' '.byte 1' \
		'.asciz ""' '.uleb128 1' '.sleb128 -8' '.byte 16' '.byte 0x0c,7,8,0x90,1' '.fill 2000000,1,0' '.balign 8' 'cie_end:'
	awk 'BEGIN { for (i = 0; i < 20000; i++) printf ".long 20\n1: .long 1b-cie\n.quad %d\n.quad 1\n", 4096 + i }'
	echo '.section .note.GNU-stack,"",@progbits'
} >slow.s
gcc -shared -o libslow.so slow.s
cat >program.c <<'C'
#include "target.h"
void call_it(void (*fn)(void));
NOINLINE static void allocate(void)
{
	void *p = malloc(77);
	TARGET_USE(p);
	free(p);
}
int main(void)
{
	target_wait_go();
	for (;;) {
		call_it(allocate);
		usleep(10000); /* what waits meanwhile is less than is kept (MP_DEFERRED_BYTES) */
	}
}
C
gcc -std=gnu11 -D_GNU_SOURCE -O2 -I"$ROOT/tests/targets" -o program program.c ./libslow.so -Wl,-rpath,'$ORIGIN'

rows="FROM v_call WHERE op = 'malloc' AND size_bytes = 77"

# Until the session holds so many rows of the known calls that fit the condition.
wait_rows() { # N CONDITION
	local deadline=$((SECONDS + GUARD_S))

	while [[ $(sqlite3 -batch s.db "SELECT count(*) $rows AND $2" 2>/dev/null || echo 0) -lt $1 ]]; do
		((SECONDS < deadline)) || die "no $1 rows with $2 within $GUARD_S s"
		sleep 0.1
	done
}

# Rows that got no stack are those that the loss tells of.
counted() {
	local without lost
	without=$(sql s.db "SELECT count(*) FROM v_call WHERE stack_id IS NULL")
	lost=$(sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE source GLOB 'stacks*'")
	echo "$(sql s.db "SELECT count(*) $rows") rows, $without without a stack, $lost told"
	eq "rows without a stack" "$without" "$lost"
}

start_target ./program
start_recorder -p "$TARGET" -o s.db --sample-every 1
go
wait_rows 100 "stack_id IS NULL"
case $CASE in
killed)
	kill -KILL "$RECORDER"
	wait_end "$RECORDER"
	eq "integrity" "$(sql s.db "PRAGMA integrity_check")" ok
	holds "rows" "$(sql s.db "SELECT count(*) $rows") >= 100"
	;;
settled)
	wait_rows 100 "stack_id IS NOT NULL"
	stop_recorder
	counted
	eq "calls without a stack, at the end" "$(sql s.db "SELECT count(*) $rows AND stack_id IS NULL")" 0
	contains "why their stacks are poor" "$(sql s.db "SELECT note FROM v_module WHERE path GLOB '*libslow.so'")" "time"
	;;
impatient)
	kill -INT "$RECORDER"
	sleep 0.2
	kill -INT "$RECORDER" 2>/dev/null || true # it may have ended already
	wait_recorder
	counted
	holds "rows" "$(sql s.db "SELECT count(*) $rows") >= 100"
	;;
esac
kill -KILL "$TARGET" # it has no end of its own

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: the functions that allocate have their names, wherever their code is (where.c: 97 calls in where_allocates):
#   plain        at its path
#   namespace    on a file system that only the target's mount namespace has
#   hidden       the same, and at the same path, outside, is another program
#   replaced     deleted and replaced by another program before recording
#   replacing    the same, during the recording
#   memfd        in memory (fexecve)
#   moved        on anonymous memory, as programs do for huge pages; moving: since the recording began
#   reload       two libraries in turns at the same address, during the recording
#   traps        beside the program FIFOs, folders, links, huge files by the names that debug files would have
# Each with probes and with the library.
# beside others
# cases: plain namespace hidden replaced replacing memfd moved moving reload traps
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_backend session
PRELOAD=() KIND=''

# expect_sites "SITE|CALLS"...: the mallocs of 977 bytes by the function that asked for them. The library's memory holds
# some dozen stacks; the calls that came later have none. No site may be another one.
expect_sites() {
	local found
	found=$(sql s.db "SELECT site, count(*) FROM v_call WHERE op = 'malloc' AND size_bytes = 977 AND site <> '[no stack]'
		GROUP BY 1 ORDER BY 1" | sed 's/+0x[0-9a-f]*/+0xN/')
	if [[ $PLANE == uprobe ]]; then
		eq "$PLANE${KIND:+, $KIND}: sites of mallocs" "$found" "$(printf '%s\n' "$@")"
		return
	fi
	[[ $found ]] || fail "$PLANE${KIND:+, $KIND}: no stack at all"
	printf '%s\n' "${@%|*}" >expected
	eq "$PLANE${KIND:+, $KIND}: other sites of mallocs" "$(cut -d'|' -f1 <<<"$found" | grep -vxFf expected)" ""
}

expect_names() {
	expect_sites "where_allocates|97"
	eq "$PLANE: where_allocates is called by" "$(sql s.db "
		SELECT DISTINCT name FROM v_stack JOIN v_call USING (stack_id)
		WHERE op = 'malloc' AND site = 'where_allocates' AND depth = 1")" where_works
}

# run COMMAND...: its work, recorded. BEFORE is done when it is ready, DURING when it is recorded.
BEFORE=true DURING=true
run() {
	rm -f s.db*
	start_target "$@"
	$BEFORE
	start_recorder -p "$TARGET" --plane "$PLANE" --sample-every 1 -o s.db
	$DURING
	go
	wait_done
	stop_recorder
	end_target
}

with_library() {
	run ${PRELOAD[@]+"${PRELOAD[@]}"} "$@"
}

replace() {
	rm where
	cp "$TARGETS/where_other" where
}

# The program at a path that is another file system's in its mount namespace, and there only.
in_namespace() {
	mkdir -p inner
	run "${OWN_MOUNTS[@]}" sh -c 'mount -t tmpfs none inner && cp where inner && exec "$@"' sh \
		${PRELOAD[@]+"${PRELOAD[@]}"} "$WORK/inner/where" plain
	umount inner 2>/dev/null || true # where it was seen outside
}

# What a debug file could be called, and is none.
lay_traps() {
	local trap

	objcopy -S --add-gnu-debuglink="$TARGETS/where_other" where bare
	mv bare where
	mkdir -p .debug
	for trap in where_other .debug/where_other where.dwp where.debug .debug/where.debug; do
		rm -rf "$trap"
		case $1 in
		fifo) mkfifo "$trap" ;;
		folder) mkdir "$trap" ;;
		device) ln -s /dev/zero "$trap" ;;
		loop) ln -s "${trap##*/}" "$trap" ;;
		huge) cp "$TARGETS/where_other" "$trap" && truncate -s 4T "$trap" ;;
		esac
	done
}

one() {
	cp "$TARGETS"/where "$TARGETS"/libwhere_[ab].so .
	case $CASE in
	plain | memfd | moved | moving)
		with_library "$WORK/where" "$CASE"
		expect_names
		;;
	namespace)
		in_namespace
		expect_names
		;;
	hidden)
		mkdir -p inner
		cp "$TARGETS/where_other" inner/where
		in_namespace
		expect_names
		;;
	replaced)
		BEFORE=replace
		with_library "$WORK/where" plain
		expect_names
		;;
	replacing)
		DURING=replace
		with_library "$WORK/where" plain
		expect_names
		;;
	reload)
		with_library "$WORK/where" reload "$WORK"
		eq "same addresses" "$(truth same)" 1
		expect_sites "a_allocates|15" "b_allocates|21"
		;;
	traps)
		for KIND in fifo folder device loop huge; do
			lay_traps "$KIND"
			with_library "$WORK/where" plain
			expect_sites "where+0xN|97"
			cp "$TARGETS/where" .
		done
		;;
	esac
}

for PLANE in uprobe preload; do
	[[ $PLANE != preload ]] || PRELOAD=(env {LD,WHERE}_PRELOAD="$O/libmpsample.so")
	one
done

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: whatever the lives of processes and threads that carry libmpsample.so, none is harmed, and the counts are
# exact: what the target says it did is counted, or counted as lost. Targets: preload_life.c (most cases, of the same
# names), lifecycle.c (churn), preload_early.c, preload_signals.c, preload_errno.c, preload_plugin.c.
#   churn          10,000 threads, ten at a time: as much memory as ten take
#   many           more threads at once than there are slots: the calls of the rest are lost, and counted so
#   early          memory that the look-up of the allocator asks for: good, and freed as any other
#   signals_*      handlers that allocate, on a stack of their own or not
#   errno          every function with arguments good, odd and impossible: same results, same errno
#   plugin*        C++ loaded into a program in C, and taken out again
#   environment    LD_PRELOAD of what the process starts
#   limits         little address space, few descriptors
#   secure         a set-user-ID program: the dynamic linker ignores LD_PRELOAD, and so the library is not there
# beside others
# cases: fork rawfork rawchild signalled handler rawhandler vfork vthread spawn keys many tiny asking locked sealed closed daemon churn early signals_same signals_above signals_below errno plugin plugin_static environment limits secure
source "${BASH_SOURCE[0]%/*}/lib.sh"

LIBRARY=$O/libmpsample.so
need_root

# life PRELOAD TARGET ARGUMENT...: its work, recorded to s.db; SHMEM_KB: how much of the library's memory was in use
life() {
	start_target env LD_PRELOAD="$1" "$TARGETS/$2" "${@:3}"
	start_recorder -p "$TARGET" --plane preload -o s.db
	go
	wait_done
	stop_recorder
	SHMEM_KB=$(awk '$1 == "RssShmem:" { print $2 }' "/proc/$TARGET/status")
	LOCKED_KB=$(awk '$1 == "VmLck:" { print $2 }' "/proc/$TARGET/status")
	end_target
}

# The lines of the target that are the same in each run.
said() {
	grep -v '^ready ' target.out
}

lost_calls() {
	sql s.db "SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'calls'"
}

# Exactly what the target says. Where threads end, the C library gives back what it kept for them by free.
exact() { # [THREADS]
	eq "mallocs" "$(calls s.db malloc)" "$(truth mallocs)"
	holds "frees" "$(calls s.db free) BETWEEN $(truth frees) AND $(truth frees) + 3 * ${1:-0}"
	eq "lost calls" "$(lost_calls)" 0
}

# The memory of this many threads, and some for those that have not quite gone.
memory_of() {
	holds "memory of the library" "$SHMEM_KB < ($1 + 8) * 600"
}

# The same output and exit status with the library as without: same WHAT COMMAND...
same() {
	local plain with status=0
	plain=$("${@:2}" 2>&1) || status=$?
	plain+=" (status $status)"
	status=0
	with=$(LD_PRELOAD=$LIBRARY "${@:2}" 2>&1) || status=$?
	eq "$1" "$with (status $status)" "$plain"
}

# The target's lines without the library, for as_plain.
plain() {
	start_target "$@"
	go
	wait_done
	LOCKED_KB=$(awk '$1 == "VmLck:" { print $2 }' "/proc/$TARGET/status")
	end_target
	said >plain
}

as_plain() {
	said | diff plain - >differences || fail "with the library: $(head -n 5 differences)"
}

# One that has left its parent: it is no job of ours, and ends with its input. Sets DAEMON.
start_daemon() {
	rm -f daemon.in daemon.out
	mkfifo daemon.in
	: >daemon.out
	env LD_PRELOAD="$LIBRARY" "$@" "$TARGETS/preload_life" daemon <daemon.in >daemon.out &
	exec {DAEMON_IN}>daemon.in
	wait $!
	until grep -q '^ready ' daemon.out; do sleep 0.02; done
	DAEMON=$(awk '$1 == "ready" { print $2 }' daemon.out)
}

end_daemon() {
	exec {DAEMON_IN}>&-
	while [[ -d /proc/$DAEMON ]]; do sleep 0.02; done
}

case $CASE in
fork | rawfork | rawchild | spawn | vfork | sealed | closed)
	life "$LIBRARY" preload_life "$CASE"
	exact
	[[ $CASE == closed ]] || eq "the child" "$(truth child)" 0
	[[ $CASE != spawn ]] || eq "LD_PRELOAD of the child" "$(truth preload)" none
	;;
signalled | handler | rawhandler)
	life "$LIBRARY $TARGETS/libsafe_alloc.so" preload_life "$CASE"
	eq "children that did not end well" "$(truth child)" 0
	if [[ $CASE != rawhandler ]]; then
		exact
	else
		# What was just being written down when a child came to be, that one writes, too.
		holds "calls beyond those of the parent" "$(calls s.db malloc) + $(calls s.db free)
			- $(truth mallocs) - $(truth frees) BETWEEN 0 AND $(truth forks)"
		eq "lost calls" "$(lost_calls)" 0
	fi
	;;
vthread)
	life "$LIBRARY" preload_life vthread
	eq "calls, counted and lost" "$(($(calls s.db malloc) + $(calls s.db free) + $(lost_calls)))" \
		"$(($(truth mallocs) + $(truth frees)))"
	eq "lost are those that were a thread's first, in a child of vfork" "$(lost_calls)" 16
	;;
keys)
	life "$LIBRARY" preload_life keys
	exact 2003
	memory_of 1
	;;
churn)
	life "$LIBRARY" lifecycle churn
	eq "mallocs" "$(calls s.db malloc)" 10000
	holds "frees" "$(calls s.db free) >= 10000"
	eq "lost calls" "$(lost_calls)" 0
	memory_of 10
	;;
many)
	life "$LIBRARY" preload_life many
	eq "calls, counted and lost" "$(($(calls s.db malloc) + $(calls s.db free) + $(lost_calls)))" \
		"$(($(truth mallocs) + $(truth frees)))"
	eq "lost are those of 600 threads and the first one, less 512" "$(lost_calls)" "$(((601 - 512) * 2 * 101))"
	;;
tiny | asking)
	life "$LIBRARY" preload_life "$CASE"
	exact 16
	;;
locked)
	export MALLOC_ARENA_MAX=1 # each arena is address space, and how many there are depends on who comes first
	plain preload_life locked
	before=$LOCKED_KB
	life "$LIBRARY" preload_life locked
	exact 8
	holds "locked memory (KB) for nine threads" "$LOCKED_KB < $before + 10 * 800"
	;;
daemon)
	start_daemon env
	one_line_error 1 "$MPSAMPLE" record -p "$DAEMON" --plane preload -o s.db
	contains "who is meant" "$MESSAGE" "process $DAEMON"
	end_daemon
	start_daemon MPSAMPLE_FOLLOW_FORKS=1
	start_recorder -p "$DAEMON" --plane preload -o s.db
	echo go >&"$DAEMON_IN"
	wait_line daemon.out '^done' "$RECORDER"
	stop_recorder
	end_daemon
	cp daemon.out target.out
	exact
	;;
early)
	life "$LIBRARY" preload_early
	eq "blocks handed out before the allocator was known: two for each of four functions" "$(truth early)" 8
	eq "reallocs" "$(calls s.db realloc)" "$(truth reallocs)"
	eq "frees" "$(calls s.db free)" "$(truth frees)"
	eq "lost calls" "$(lost_calls)" 0
	;;
signals_*)
	life "$LIBRARY $TARGETS/libsafe_alloc.so" preload_signals "${CASE#signals_}"
	nested=$(sql s.db "SELECT coalesce(sum(value), 0) FROM v_counter WHERE name = 'nested_calls'")
	# One more each: what the C library frees of a thread; a calloc that is a malloc in that allocator.
	within "calls, counted, lost and part of others" "$(($(calls s.db malloc) + $(calls s.db free) + $(lost_calls) + nested))" \
		"$(($(truth mallocs) + $(truth frees) + 1))" 0 1
	holds "signals hit calls" "$(lost_calls) + $nested > 100"
	;;
errno)
	plain preload_errno
	life "$LIBRARY" preload_errno
	as_plain
	;;
plugin | plugin_static)
	plain preload_plugin "$TARGETS/lib$CASE.so"
	eq "good blocks" "$(truth good)" 20000
	life "$LIBRARY" preload_plugin "$TARGETS/lib$CASE.so"
	as_plain
	# an operator new is a malloc, or an aligned_alloc; one more at each load
	holds "news" "$(calls s.db malloc) >= 15005"
	eq "aligned news" "$(calls s.db aligned_alloc)" 5000
	;;
environment)
	eq "none else" "$(LD_PRELOAD=$LIBRARY bash -c 'env | grep LD_PRELOAD')" ""
	eq "others stay" "$(LD_PRELOAD="$LIBRARY $TARGETS/libcalls_counter.so" sh -c 'env | grep LD_PRELOAD')" \
		"LD_PRELOAD=$TARGETS/libcalls_counter.so"
	eq "others stay, before" "$(LD_PRELOAD="$TARGETS/libcalls_counter.so:$LIBRARY" sh -c 'env | grep LD_PRELOAD')" \
		"LD_PRELOAD=$TARGETS/libcalls_counter.so:"
	eq "asked for" "$(MPSAMPLE_FOLLOW_FORKS=1 LD_PRELOAD=$LIBRARY sh -c 'env | grep LD_PRELOAD')" "LD_PRELOAD=$LIBRARY"
	same "environment of a child" sh -c env
	;;
limits)
	export MPSAMPLE_FOLLOW_FORKS=1 # or the shell that sets the limit would be the only one with the library
	# Little more than the program takes by itself, less than a slot for each of 512 threads would.
	work='"SELECT length(hex(zeroblob(80000000)))"'
	eq "what it takes" "$(sh -c "ulimit -v 400000 && exec sqlite3 -batch :memory: $work")" 160000000
	same "address space" sh -c "ulimit -v 400000 && exec sqlite3 -batch :memory: $work"
	same "too little address space" sh -c "ulimit -v 100000 && exec sqlite3 -batch :memory: $work"
	same "size of files" sh -c 'ulimit -f 100 && exec sqlite3 -batch :memory: "SELECT 1"'
	for n in 4 8 64 1000 1001; do
		# The lowest free descriptor is the program's.
		same "$n descriptors" sh -c "ulimit -n $n; exec bash -c 'true 2>&1; test -e /proc/self/fd/3 && echo taken; echo ok'"
	done
	;;
secure)
	need_command setpriv util-linux
	cp "$(command -v cat)" set-user-id
	chmod 4755 set-user-id
	nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	contains "the library is there otherwise" "$(LD_PRELOAD=$LIBRARY ./set-user-id /proc/self/maps)" libmpsample
	[[ $("${nobody[@]}" ./set-user-id /proc/self/status) =~ Uid:[[:space:]]*65534[[:space:]]*0 ]] || skip "set-user-ID has no effect in $WORK"
	eq "the library, and complaints" "$("${nobody[@]}" env LD_PRELOAD="$LIBRARY" ./set-user-id /proc/self/maps 2>&1 | grep -c libmpsample)" 0
	;;
esac

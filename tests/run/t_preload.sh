#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth: a process that carries libmpsample.so is woken by a recorder, counted exactly, and let sleep again; whoever is
# in the way is named in one line.
#   attach           round after round, recorded or not: what is recorded is that round's calls and nothing else
#   launch           from the first call on, with the library put in by the recorder, before what was preloaded already
#   second_recorder  is refused; the first one is not disturbed
#   dead_recorder    killed in the midst: the next one takes over and counts its own round
#   unprivileged     a user's own process, by the preload plane alone
#   hostile          a process whose shared memory lies
#   exec             the new program is recorded when it carries the library; else that is told
#   full             every call is a row, or a lost row
#   closed           the process has closed its descriptor of the shared memory
#   fallback         what cannot be preloaded is recorded by uprobes, or refused with --plane preload
# beside others
# cases: attach launch second_recorder dead_recorder unprivileged hostile exec full closed fallback
source "${BASH_SOURCE[0]%/*}/lib.sh"

LIBRARY=$O/libmpsample.so
[[ -r $LIBRARY ]] || die "no $LIBRARY: make all"

# preloaded TARGET-COMMAND...
preloaded() {
	start_target env LD_PRELOAD="$LIBRARY" "$TARGETS/$1" "${@:2}"
}

session() { # DB KEY
	sql "$1" "SELECT value FROM v_session WHERE key = '$2'"
}

# A round of `threads --repeat`; PAIRS are those of one.
rounds=0
round() {
	rounds=$((rounds + 1))
	go
	until [[ $(grep -c '^threads ' target.out) == "$rounds" ]]; do
		alive "$TARGET" || die "the target ended"
		sleep 0.02
	done
	PAIRS=$(awk '/^threads / { print $4; exit }' target.out)
}

one_round() { # DB
	eq "$1: mallocs of one round" "$(calls "$1" malloc)" "$PAIRS"
	eq "$1: frees of one round" "$(calls "$1" free)" "$PAIRS"
	eq "$1: lost" "$(sql "$1" "SELECT * FROM v_loss WHERE what = 'calls'")" ""
}

case $CASE in
attach)
	need_root
	preloaded threads --repeat 2 0.01
	round
	start_recorder -p "$TARGET" -o a.db
	round
	stop_recorder
	round
	start_recorder -p "$TARGET" -d 3600 -o b.db
	round
	stop_recorder
	start_recorder -p "$TARGET" --plane preload --sample-every 1000 -o c.db
	round
	round
	stop_recorder
	end_target
	one_round a.db
	one_round b.db
	eq "mallocs of two rounds" "$(calls c.db malloc)" $((2 * PAIRS))
	eq planes "$(session a.db planes)" preload,perf
	eq backend "$(session a.db backend)" preload
	eq duty "$(session a.db duty)" 1.0
	holds "cost" "$(session a.db cost_ns) > 0"
	eq "sites" "$(sql a.db "SELECT DISTINCT site FROM v_site WHERE op = 'malloc' AND site <> '[no stack]'")" malloc_free_pairs
	within "the estimate of the samples" "$(sql c.db "SELECT sum(weight) FROM v_call WHERE op = 'malloc'")" $((2 * PAIRS)) 15
	eq "rows out of their time" "$(sql a.db "SELECT count(*) FROM v_call WHERE t_ns < $(session a.db start_ns) OR t_ns > $(session a.db end_ns)")" 0
	;;
launch)
	need_root
	LD_PRELOAD=$TARGETS/libcalls_counter.so CALLS_COUNTER_OUT=$WORK/alone "$TARGETS/count" 10007 10000 3 <<<go >alone.out
	cat >with_counter <<-END
		#!/bin/sh
		LD_PRELOAD=$TARGETS/libcalls_counter.so CALLS_COUNTER_OUT=$WORK/counts exec "$MPSAMPLE" "\$@"
	END
	chmod +x with_counter
	MPSAMPLE=./with_counter launch --plane preload -o s.db -- "$TARGETS/count" 10007 10000 3
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	for op in malloc calloc realloc; do
		eq "$op, as the counter behind saw it" "$(calls s.db $op)" "$(awk -v op=$op '$1 == op { print $2 }' alone)"
	done
	holds "frees" "$(calls s.db free) >= 10000"
	eq backend "$(session s.db backend)" preload
	eq "how it ended" "$(sql s.db "SELECT name, detail FROM v_mark")" "exit|exit status 0"
	;;
second_recorder)
	need_root
	preloaded threads --repeat 2 0.01
	start_recorder -p "$TARGET" -o s.db
	one_line_error 1 "$MPSAMPLE" record -p "$TARGET" -o second.db
	contains message "$MESSAGE" "being recorded by process $RECORDER"
	one_line_error 1 "$MPSAMPLE" record --plane preload -p "$TARGET" -o second.db
	round
	stop_recorder
	end_target
	one_round s.db
	;;
dead_recorder)
	need_root
	preloaded threads --repeat 2 0.01
	start_recorder -p "$TARGET" -o dead.db
	round
	kill -KILL "$RECORDER"
	wait_end "$RECORDER"
	round # it is still awake, and nobody reads
	start_recorder -p "$TARGET" -o s.db
	wait_line recorder.err 'died while it recorded' "$RECORDER"
	round
	stop_recorder
	end_target
	one_round s.db
	eq integrity "$(sql dead.db "PRAGMA integrity_check")" ok
	;;
unprivileged)
	need_root # to become somebody else
	need_command setpriv util-linux
	nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${nobody[@]}" test -r "$LIBRARY" || skip "nobody may not read $LIBRARY"
	mkdir -m 777 theirs
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${nobody[*]}" "$MPSAMPLE" >as_nobody
	chmod +x as_nobody
	MPSAMPLE=./as_nobody
	start_target "${nobody[@]}" env LD_PRELOAD="$LIBRARY" "$TARGETS/threads" --repeat 2 0.01
	start_recorder -p "$TARGET" -o theirs/s.db
	round
	sleep 1.2 # a look at the threads
	stop_recorder
	one_round theirs/s.db
	eq planes "$(session theirs/s.db planes)" preload
	contains "what is missing" "$(<recorder.err)" "without what the kernel does in slow calls"
	eq "threads" "$(sql theirs/s.db "SELECT count(*), count(DISTINCT comm) FROM v_thread WHERE start_ns IS NOT NULL AND comm = 'threads'")" "3|1"
	end_target
	(
		cd theirs
		one_line_error 1 ../as_nobody record -p 1 --plane preload -o no.db
		exit $((failures > 0))
	) || fail "another user's process"
	;;
hostile)
	need_root
	for mode in noise short unsealed version rings elsewhere; do
		start_target bad_region $mode
		one_line_error 1 "$MPSAMPLE" record --plane preload -p "$TARGET" -o refused.db
		contains "$mode" "$MESSAGE" "process $TARGET"
		start_recorder -p "$TARGET" -o $mode.db
		go
		wait_done
		stop_recorder
		end_target
		eq "$mode: mallocs by uprobes" "$(calls $mode.db malloc)" 1009
		contains "$mode" "$(<recorder.err)" "by uprobes"
	done
	start_target bad_region scribble
	start_recorder -p "$TARGET" -o s.db
	go
	wait_done
	stop_recorder
	end_target
	eq integrity "$(sql s.db "PRAGMA integrity_check")" ok
	;;
exec)
	need_root
	launch --follow-forks --plane preload -o s.db -- sh -c "exec '$TARGETS/family'"
	wait_line recorder.err 'another program now, which carries' "$RECORDER"
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	for op in posix_memalign valloc; do
		eq "$op" "$(calls s.db $op)" "$(truth $op)"
	done
	holds "mallocs of both" "$(calls s.db malloc) >= $(truth malloc)"
	contains marks "$(sql s.db "SELECT name FROM v_mark")" exec

	launch --plane preload -o t.db -- sh -c "exec '$TARGETS/family'"
	wait_line recorder.err 'without libmpsample.so: its calls are not recorded' "$RECORDER"
	end_launched
	eq marks "$(sql t.db "SELECT count(*) FROM v_mark WHERE name = 'not recorded'")" 1
	;;
full)
	need_root
	add_up() {
		eq "$1: rows and lost rows" "$(sql "$1" "SELECT (SELECT count(*) FROM v_call)
			+ (SELECT coalesce(sum(lost), 0) FROM v_loss WHERE what = 'rows')")" "$(sql "$1" "SELECT sum(calls) FROM v_percentile")"
		eq "$1: weights" "$(sql "$1" "SELECT DISTINCT weight FROM v_call")" 1
		eq "$1: calls lost" "$(sql "$1" "SELECT * FROM v_loss WHERE what = 'calls'")" ""
	}
	launch --full --plane preload -o s.db -- "$TARGETS/count" 20011 20000 2
	wait_ready
	go
	wait_line target.out '^done' "$RECORDER"
	end_launched
	eq mallocs "$(calls s.db malloc)" 20011
	eq "lost rows with large rings" "$(sql s.db "SELECT * FROM v_loss WHERE what = 'rows'")" ""
	add_up s.db
	eq "sizes of the rows" "$(sql s.db "SELECT sum(size_bytes) FROM v_call WHERE op = 'malloc'")" "$(truth bytes)"
	preloaded count 100003 100000 4
	record_work t.db --full
	eq mallocs "$(calls t.db malloc)" 100003
	add_up t.db
	;;
closed)
	need_root
	start_target bad_region closed
	start_recorder -p "$TARGET" --plane preload -o s.db
	go
	wait_done
	stop_recorder
	end_target
	eq "calls of a region that nobody counts in" "$(sql s.db "SELECT count(*) FROM v_percentile")" 0
	;;
fallback)
	need_root
	refused() { # PART-OF-THE-MESSAGE COMMAND...
		one_line_error 1 "$MPSAMPLE" record --plane preload -o refused.db -- "${@:2}"
		contains message "$MESSAGE" "$1"
		launch -o s.db --force -- "${@:2}"
		wait_ready
		go
		end_launched
		contains "the reason" "$(<recorder.err)" "by uprobes: "
		contains "the reason" "$(<recorder.err)" "$1"
		eq "planes of $2" "$(session s.db planes)" uprobe,perf
		holds "calls of $2" "$(sql s.db "SELECT sum(calls) FROM v_percentile") > 0"
	}
	refused "static program" "$TARGETS/family_static"
	refused "defines malloc itself" "$TARGETS/delay_own" 20000
	mkdir alone
	cp "$MPSAMPLE" alone/
	MPSAMPLE=$PWD/alone/mpsample
	refused "libmpsample.so is neither in" "$TARGETS/lifecycle" exit
	start_target lifecycle work
	one_line_error 1 "$MPSAMPLE" record --plane preload -p "$TARGET" -o refused.db
	contains message "$MESSAGE" "does not carry libmpsample.so"
	go
	wait_done
	end_target
	;;
esac

#!/bin/bash
# SPDX-License-Identifier: MIT
# Truth, from the built libmpsample.so itself: on the way of a call through an interposed function, recorded or not,
# there is no locked or fencing instruction, no system call, and no call but the one of the real allocator. Looked at is
# all that the compiler did not put aside as cold (section .text.unlikely: first calls, kept calls, new settings), of
# each such function and of those that it calls in turn. And the library imports nothing but what is named here.
# The other cases plant what is forbidden, and pass when it is found.
# cases: library imports locked exchanged fenced syscall foreign helper
source "${BASH_SOURCE[0]%/*}/lib.sh"

need_command objdump binutils
LIBRARY=$O/libmpsample.so
HOOKS='malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc|pvalloc|_Zn[wa].*|_Zd[la].*'

# hot_paths DIR: the functions that were looked at, and `forbidden: FUNCTION: INSTRUCTION` for what they must not hold.
hot_paths() {
	{
		objdump -t "$1"/obj/sampler/preload/*.o | awk '/ F \.text\.unlikely/ { print "cold", $NF }'
		objdump -d --no-show-raw-insn "$1/libmpsample.so"
	} | awk -F '\t' -v hooks="^($HOOKS)\$" '
	function target(code) { # NAME of "... 5530 <NAME+0x12>"
		return match(code, /<[^>+]*/) ? substr(code, RSTART + 1, RLENGTH - 1) : ""
	}
	function forbid(name, code) {
		print "forbidden: " name ": " code
	}
	function is_call(code) {
		return code ~ /^(bnd |addr32 |notrack )*(call|blr?)[ \t]/
	}
	function is_jump(code) {
		return code ~ /^(bnd |addr32 |notrack )*(j[a-z]+|br?|b\.[a-z]+|cbn?z|tbn?z)[ \t]/
	}
	function is_heavy(code) {
		return code ~ /^(lock|mfence|lfence|sfence|syscall|sysenter|int|svc|dmb|dsb|isb|ld[ax]*xr|st[l]*xr|cas|swp|ldadd)/ ||
			code ~ /^(rex[.a-zA-Z]* )?xchg.*\(/
	}
	function look_at(name,   i, code, to, indirect) {
		if (name in seen)
			return
		seen[name] = 1
		print "looked at " name
		if (!(name in lines))
			forbid(name, "not in the library")
		for (i = 1; i <= lines[name]; i++) {
			code = text[name, i]
			if (is_heavy(code))
				forbid(name, code)
			if (!is_call(code) && !is_jump(code))
				continue
			to = target(code)
			if (code ~ /\*|^blr|^br /) {
				if (to != "" && to != "mp_real")
					forbid(name, code)
				if (is_call(code) && ++indirect > 1)
					forbid(name, code " (the second)")
			} else if (to ~ /@/ || (is_call(code) && to in cold)) {
				forbid(name, code)
			} else if (to != name && !(to in cold)) {
				look_at(to)
			}
		}
	}
	/^cold / {
		split($0, word, " ")
		cold[word[2]] = 1
		next
	}
	/^[0-9a-f]+ <.*>:$/ {
		name = target($0)
		if (name ~ hooks)
			hook[name] = 1
		next
	}
	NF >= 2 && /^ *[0-9a-f]+:/ {
		sub(/^[^\t]*\t/, "")
		gsub(/\t/, " ")
		text[name, ++lines[name]] = $0
	}
	END {
		for (name in hook)
			if (!(name in cold))
				look_at(name)
	}'
}

# mutant NAME SED: the library with that line of record.h changed.
mutant() {
	local from=$ROOT/sampler/preload/record.h to=tree/sampler/preload/record.h

	mkdir -p tree
	(cd "$ROOT" && cp -r --parents Makefile tests/*.mk sampler/preload store/histogram.h store/op.h "$WORK/tree")
	sed "$1" "$from" >"$to"
	! cmp -s "$from" "$to" || die "the line to plant something in is gone"
	make -C tree O="$WORK/mutant" WERROR= "$WORK/mutant/libmpsample.so" >make.out 2>&1 || die "make: $(tail -n 5 make.out)"
}

# plants STATEMENT REGEX: it is found in the twin of malloc when it stands where each call is counted.
plants() {
	mutant "/mp_add(cell, 1);/s/\$/ $1/"
	hot_paths mutant >found.out
	grep -qE "^forbidden: record_malloc: .*$2" found.out || fail "not found: $(grep -m 5 forbidden found.out)"
}

need_command make make
[[ -f $LIBRARY ]] || skip "this build has no libmpsample.so"

case $CASE in
library)
	hot_paths "$O" >found.out
	eq "forbidden on a hot path" "$(grep '^forbidden' found.out)" ""
	for hook in malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign valloc pvalloc; do
		grep -qx "looked at $hook" found.out || fail "$hook was not looked at"
		grep -qx "looked at record_$hook" found.out || fail "the twin of $hook was not looked at"
	done
	eq "operators" "$(grep -c 'looked at _Z' found.out)" 20
	;;
imports)
	# Found at load: the dynamic linker, memory of its own, the environment, threads and their stacks.
	allowed="dladdr dlclose dlopen dlsym close fcntl ftruncate madvise getrlimit memfd_create mmap mremap munmap prctl syscall
		write getpid _exit abort __environ environ __libc_stack_end memcmp memcpy memmove memset strchr strcmp
		strcspn strlen strncmp strnlen strspn pthread_attr_destroy pthread_attr_getstack pthread_getattr_np pthread_key_create
		pthread_self pthread_setspecific pthread_atfork __register_atfork __errno_location
		clock_gettime
		__cxa_finalize __gmon_start__ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable"
	allowed=" $(xargs <<<"$allowed") "
	for name in $(nm -D --undefined-only "$LIBRARY" | awk '{ sub(/@.*/, "", $NF); print $NF }'); do
		[[ $allowed == *" $name "* ]] || fail "imports $name, which is not on the list of t_hotpath.sh"
	done
	eq "libraries it needs" "$(objdump -p "$LIBRARY" | awk '$1 == "NEEDED" { print $2 }' | sort -u | xargs)" "libc.so.6"
	;;
locked) plants '__atomic_fetch_add(\&sum->max, 1, __ATOMIC_RELAXED);' '(lock|ldadd|ldx|casa?)' ;;
exchanged) plants '__atomic_exchange_n(\&sum->max, size, __ATOMIC_RELAXED);' '(xchg|swp|ldx)' ;;
fenced) plants '__atomic_thread_fence(__ATOMIC_SEQ_CST);' '(lock|mfence|dmb)' ;;
syscall)
	[[ $(uname -m) == x86_64 ]] && instruction=syscall || instruction='svc 0'
	plants "__asm__ volatile(\"$instruction\" ::: \"memory\");" "$instruction"
	;;
foreign) plants 'extern int sched_yield(void); sched_yield();' 'sched_yield' ;;
helper) # in a function of its own, which is then looked at, too
	mutant 's/^MP_INLINE bool mp_ring_has_room(/static __attribute__((noinline)) void planted(struct mp_slot *s)\n{\n\t__atomic_fetch_add(\&s->calls, 1, __ATOMIC_RELAXED);\n}\n\n&/
		/mp_add(cell, 1);/s/$/ planted(s);/'
	hot_paths mutant >found.out
	grep -qE '^forbidden: planted: ' found.out || fail "not found: $(grep -m 5 forbidden found.out)"
	;;
*) die "no case '$CASE'" ;;
esac

/* SPDX-License-Identifier: MIT */
#include "sampler/preload/thread.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler/preload/environment.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

const uint32_t mp_word_of_strangers = MP_WORD_MODE;
__thread struct mp_self mp_self __attribute__((tls_model("initial-exec")));

static void look_at(struct mp_self *self, const struct mp_region *r)
{
	self->word_at = (uintptr_t)&r->word - (uintptr_t)&mp_word_of_strangers;
}

/* While the library works for itself (what it calls may allocate): any frame lies below this one. */
#define FRAME_OF_OURS UINT64_MAX

static pthread_key_t exit_key;
static bool has_exit_key;

/* ---- The end of a thread ---- */

/*
 * Destructors of other keys free memory, too. POSIX runs them in rounds as long as some are set: we come back
 * until the last one. What is freed after that finds no slot, and claims one again.
 */
#define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS

static void at_exit(void *value)
{
	struct mp_self *self = &mp_self;
	uintptr_t round = (uintptr_t)value;

	if (round < LAST_ROUND) {
		pthread_setspecific(exit_key, (void *)(round + 1));
		return;
	}
	struct mp_slot *s = self->owned;
	self->slot = self->owned = NULL;
	self->word_at = 0;
	self->is_ending = true;
	MP_BARRIER();
	if (s && mp_load(&mp_fork_guard.mask))
		mp_region_release(s);
}

/* ---- The beginning of a thread ---- */

/* The main thread's stack may grow by this much; the kernel maps nothing else so near to it. */
#define MAIN_STACK_BYTES (64UL << 20)

/* How far below its top a thread's stack is looked at: frames that lie deeper are copied by the page only. */
#define STACK_BYTES 262144

/*
 * pthread_getattr_np() would tell, but allocates while it holds a lock of the thread: were we called from
 * there, as in threads of a JVM, it would wait for itself. The C library keeps its own of a thread at the top
 * of its stack, so that this is where pthread_self() points; the kernel says how much below it can be read.
 */
static void find_stack(struct mp_slot *s, pid_t tid)
{
	uint64_t top = (uint64_t)(uintptr_t)pthread_self(), end = MP_PAGE_ROUND(top);

	if (tid == getpid()) {
		s->stack_hi = mp_environment_stack_end();
		s->stack_lo = s->stack_hi > MAIN_STACK_BYTES ? s->stack_hi - MAIN_STACK_BYTES : 0;
		return;
	}
	for (uint64_t bytes = STACK_BYTES; bytes >= MP_PAGE_BYTES; bytes /= 2) {
		if (madvise((void *)(end - bytes), bytes, MADV_POPULATE_READ))
			continue;
		s->stack_lo = end - bytes;
		s->stack_hi = top;
		return;
	}
}

/* All but those that the CPU raises. By system call: the C library keeps two for itself. */
#define SIGNAL_BIT(n) (1ULL << ((n)-1))
#define MAY_WAIT                                                                                             \
	(~(SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |             \
	    SIGNAL_BIT(SIGFPE)))

static void set_signal_mask(int how, uint64_t mask, uint64_t *old)
{
	syscall(SYS_rt_sigprocmask, how, &mask, old, sizeof(mask));
}

static struct mp_slot *claim(const struct mp_self *self)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	struct mp_slot *s = mp_region_claim(tid);

	if (!s || self->is_ending)
		return s;
	find_stack(s, tid);
	/* Not in the main thread: its slot goes with the process, and it comes here before the C library is
	 * ready for keys. */
	if (has_exit_key && tid != getpid())
		pthread_setspecific(exit_key, (void *)1);
	return s;
}

/*
 * Where another thread is making the region, the call goes by, and the next one asks again. So it does in a
 * child of vfork(), which is for a while its parent's thread, but by another number: a slot under that would
 * be taken for a dead thread's when the child has gone.
 */
static void meet(struct mp_self *self)
{
	enum mp_region_state state = mp_region_state();

	if (state == MP_REGION_UNMADE)
		state = mp_region_make();
	if (state == MP_REGION_MAKING)
		return;
	if (mp_load(&mp_fork_guard.mask) && mp_region->pid != (uint32_t)getpid())
		return;
	self->owned = state == MP_REGION_MADE ? claim(self) : NULL;
	look_at(self, mp_region);
}

/*
 * Signals wait: what a handler calls could not be told from our own work, and it may never come back. But
 * where there can be no region, as in most forked children, no system call is made: a filter that was set up
 * for the parent may end the process.
 */
void mp_thread_first_call(struct mp_self *self)
{
	enum mp_region_state state = mp_region_state();
	bool may_be_filtered = state == MP_REGION_IMPOSSIBLE;
	uint64_t old_mask = 0;
	int saved_errno = errno;

	if (self->frame || state == MP_REGION_MAKING)
		return; /* our own work below, or another thread's */
	if (!may_be_filtered)
		set_signal_mask(SIG_BLOCK, MAY_WAIT, &old_mask);
	if (!mp_thread_is_known(self)) { /* or a handler was first, a moment ago */
		self->frame = FRAME_OF_OURS;
		MP_BARRIER();
		meet(self);
		MP_BARRIER();
		self->frame = 0;
		MP_BARRIER();
		self->slot = self->owned;
	}
	if (!may_be_filtered)
		set_signal_mask(SIG_SETMASK, old_mask, NULL);
	errno = saved_errno;
}

void mp_thread_begin_own(void)
{
	mp_self.slot = NULL;
	mp_self.frame = FRAME_OF_OURS;
	MP_BARRIER();
}

void mp_thread_end_own(void)
{
	MP_BARRIER();
	mp_self.frame = 0;
	MP_BARRIER();
	mp_self.slot = mp_self.owned;
}

/* ---- Calls out of the ordinary ---- */

/*
 * An interposed function that another one called (reallocarray calls realloc) is part of that call: it lies
 * below it on the stack. One that lies above is new, and the other was left by a longjmp or an exception,
 * and so it is when more were called from below it than an allocator would.
 *
 * While a call is being written down, only a signal handler can call, on whatever stack: if it were recorded,
 * the slot would have two writers at once. So many calls from there mean that the handler jumped away.
 */
#define NESTED_MAX    16
#define REENTERED_MAX 1024

static bool is_nested(struct mp_self *self, uint64_t frame)
{
	struct mp_slot *s = self->owned;
	uint64_t call = s ? s->calls : 0;

	if (self->nested_in != call) {
		self->nested_in = call;
		self->nested = 0;
	}
	if (self->is_storing ? ++self->nested > REENTERED_MAX
			     : frame >= self->frame || ++self->nested > NESTED_MAX)
		return false;
	if (s)
		mp_add(self->is_storing ? &s->reentered : &s->nested, 1);
	return true;
}

struct mp_slot *mp_thread_consider(struct mp_self *self, uint64_t frame)
{
	if (!mp_thread_is_known(self))
		mp_thread_first_call(self);

	uint32_t word = mp_region_word();
	/* Behind the fork guard: a child that the C library knows nothing of is dormant for good. */
	if (mp_thread_is_known(self) && !mp_load(&mp_fork_guard.mask))
		look_at(self, &mp_no_region);
	if (self->frame == FRAME_OF_OURS || !(word & MP_WORD_MODE))
		return NULL;
	if ((self->frame || self->is_storing) && is_nested(self, frame))
		return NULL;
	self->frame = 0;
	self->nested = 0;
	self->is_storing = false;

	struct mp_slot *s = self->owned;
	if (!s) {
		__atomic_fetch_add(&mp_region->calls_without_slot, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	if (s->word != word)
		mp_slot_settings(mp_region, s, word);
	return s;
}

/* ---- Load and fork ---- */

void mp_thread_init(void)
{
	has_exit_key = !pthread_key_create(&exit_key, at_exit);
}

void mp_thread_in_child(void)
{
	struct mp_self *self = &mp_self;
	struct mp_slot *owned = self->owned;

	/* What a signal handler calls meanwhile goes by. */
	self->frame = FRAME_OF_OURS;
	MP_BARRIER();
	self->slot = self->owned = NULL;
	self->word_at = 0;
	self->nested = 0;
	self->is_storing = self->is_ending = false;
	MP_BARRIER();
	mp_region_in_child(owned);
	MP_BARRIER();
	self->frame = 0;
}

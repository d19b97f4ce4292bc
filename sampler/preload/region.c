/* SPDX-License-Identifier: MIT */
#include "sampler/preload/region.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler/preload/environment.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

struct mp_region mp_no_region;
struct mp_region *mp_region = &mp_no_region;
struct mp_fork_guard mp_fork_guard;

static int state; /* enum mp_region_state */

/* What the environment asks for. Read once: programs write their title over it. */
static struct {
	uint64_t ring_records; /* 0: not read yet */
	bool follows_forks;
} asked;

/* Where each slot is mapped in this process, all of it there; NULL: not yet. */
static struct mp_slot *slots[MP_REGION_SLOTS];

/* What is no whole number counts as not set. */
static uint64_t ring_records(void)
{
	const char *text = mp_environment("MPSAMPLE_RING");
	uint64_t wanted = 0, records = 64;

	for (; text && *text >= '0' && *text <= '9' && wanted <= MP_RING_RECORDS_MAX; text++)
		wanted = wanted * 10 + (uint64_t)(*text - '0');
	if (!wanted || *text)
		return MP_RING_RECORDS;
	while (records < wanted && records < MP_RING_RECORDS_MAX)
		records *= 2;
	return records;
}

/*
 * The recorder opens the region through /proc/PID/fd, which needs no privilege. A high number keeps the low
 * ones as the program expects them; where there are so few that it would miss one, none is kept. That costs
 * nothing but that way in, as it does with a program that closes all that it did not open.
 */
#define DESCRIPTOR_FROM   1000
#define DESCRIPTORS_LEAST 64

static void keep_high(int fd)
{
	struct rlimit limit = {.rlim_cur = 0};

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= DESCRIPTORS_LEAST)
		fcntl(fd, F_DUPFD_CLOEXEC,
		    limit.rlim_cur > DESCRIPTOR_FROM ? DESCRIPTOR_FROM : (int)limit.rlim_cur - 1);
	close(fd);
}

/* The header only: address space counts, too, for RLIMIT_AS and mlockall(). */
static struct mp_region *map_region(int fd, uint64_t bytes)
{
	struct rlimit limit = {.rlim_cur = 0};

	/* Beyond this limit ftruncate() ends the process (SIGXFSZ). */
	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur < bytes)
		return NULL;
	/* Sealed: a recorder that reads it must not be hit by a file that shrinks. */
	if (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return NULL;
	void *p = mmap(NULL, mp_region_header_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, mp_region_header_bytes(), MADV_DONTDUMP);
	madvise(p, mp_region_header_bytes(), MADV_POPULATE_WRITE); /* or names fault in, one by one */
	return p;
}

static struct mp_region *new_region(void)
{
	uint64_t records = asked.ring_records, slot_bytes = mp_region_slot_bytes(records);
	uint64_t bytes = mp_region_header_bytes() + MP_REGION_SLOTS * slot_bytes;
	int fd = memfd_create(MP_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return NULL;
	struct mp_region *r = map_region(fd, bytes);
	if (!r) {
		close(fd);
		return NULL;
	}
	keep_high(fd);
	r->version = MP_REGION_VERSION;
	r->pid = (uint32_t)getpid();
	r->header_bytes = mp_region_header_bytes();
	r->slot_bytes = slot_bytes;
	r->slots = MP_REGION_SLOTS;
	r->ring_records = records;
	mp_store_release(&r->magic, MP_REGION_MAGIC);
	return r;
}

/* The recorder that started this process waits here with a breakpoint, to switch recording on before the
 * first call is made. Part of the agreement with it, as is the name. */
__attribute__((visibility("default"), noinline)) void mpsample_ready_v1(void);
void mpsample_ready_v1(void)
{
	__asm__ volatile("" ::: "memory");
}

enum mp_region_state mp_region_state(void)
{
	return (enum mp_region_state)mp_load_acquire(&state);
}

enum mp_region_state mp_region_make(void)
{
	int expected = MP_REGION_UNMADE, saved_errno = errno;

	if (!__atomic_compare_exchange_n(
		&state, &expected, MP_REGION_MAKING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (enum mp_region_state)expected;
	if (!asked.ring_records) {
		asked.ring_records = ring_records();
		asked.follows_forks = mp_environment_is_set("MPSAMPLE_FOLLOW_FORKS");
	}
	struct mp_region *r = new_region();
	if (r) {
		madvise(&mp_fork_guard, sizeof(mp_fork_guard), MADV_WIPEONFORK);
		mp_store(&mp_fork_guard.mask, ~0U);
		mp_store_release(&mp_region, r);
	}
	mp_store_release(&state, r ? MP_REGION_MADE : MP_REGION_IMPOSSIBLE);
	if (r)
		mpsample_ready_v1();
	errno = saved_errno;
	return r ? MP_REGION_MADE : MP_REGION_IMPOSSIBLE;
}

/* ---- Slots ---- */

/* No page fault later: not in a new line of the histogram, not in the ring. */
static void populate(struct mp_slot *s, uint64_t bytes)
{
	if (!madvise(s, bytes, MADV_POPULATE_WRITE))
		return;
	for (uint64_t at = 0; at < bytes; at += 4096) {
		volatile unsigned char *page = (unsigned char *)s + at;
		unsigned char same = *page;
		*page = same;
	}
}

/*
 * The program may have closed the descriptor. But mremap() of 0 bytes makes another mapping of the same file,
 * from the same place on and as long as wanted: from the nearest slot before this one to its end.
 */
static struct mp_slot *map_slot(struct mp_region *r, int i)
{
	int from = i - 1;

	while (from >= 0 && !mp_load_acquire(&slots[from]))
		from--;
	void *start = from < 0 ? (void *)r : (void *)slots[from];
	uint64_t before =
	    from < 0 ? r->header_bytes + (uint64_t)i * r->slot_bytes : (uint64_t)(i - from) * r->slot_bytes;
	unsigned char *p = mremap(start, 0, before + r->slot_bytes, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		return NULL;
	munmap(p, before);
	populate((struct mp_slot *)(p + before), r->slot_bytes);
	return (struct mp_slot *)(p + before);
}

static bool take(struct mp_region *r, int i, uint32_t from, uint32_t tid)
{
	return __atomic_compare_exchange_n(
	    &r->owner[i], &from, tid, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static int take_free(struct mp_region *r, uint32_t tid, bool is_mapped)
{
	for (int i = 0; i < MP_REGION_SLOTS; i++)
		if (!mp_load(&r->owner[i]) && (!is_mapped || mp_load(&slots[i])) && take(r, i, 0, tid))
			return i;
	return -1;
}

/* A thread that ended without letting go of its slot: its destructors were never run, or it called on after
 * them. */
static int take_from_dead(struct mp_region *r, uint32_t tid)
{
	for (int i = 0; i < MP_REGION_SLOTS; i++) {
		uint32_t owner = mp_load(&r->owner[i]);

		if (owner && syscall(SYS_tgkill, getpid(), owner, 0) && errno == ESRCH &&
		    take(r, i, owner, tid))
			return i;
	}
	return -1;
}

static void begin_slot(struct mp_slot *s, const struct mp_region *r, uint32_t tid)
{
	if (!s->ready) {
		s->ring_mask = (uint32_t)r->ring_records - 1;
		s->lines = 1;
		s->random = 0x9e3779b97f4a7c15ULL ^ ((uint64_t)tid << 32) ^ (uint64_t)(uintptr_t)s;
	}
	s->tid = tid;
	s->word = MP_WORD_NONE; /* settings are read first, also by a child behind the fork guard */
	s->stack_lo = s->stack_hi = 0;
	mp_scopes_forget(s);
	mp_store_release(&s->ready, 1);
}

struct mp_slot *mp_region_claim(pid_t tid)
{
	struct mp_region *r = mp_region;

	if (!mp_load(&mp_fork_guard.mask))
		return NULL; /* the region is our parent's */
	/* One that costs no memory, if there is any. */
	int i = take_free(r, (uint32_t)tid, true);
	if (i < 0)
		i = take_from_dead(r, (uint32_t)tid);
	if (i < 0)
		i = take_free(r, (uint32_t)tid, false);
	if (i < 0)
		return NULL;
	struct mp_slot *s = slots[i] ? slots[i] : map_slot(r, i);
	if (!s) {
		mp_store(&r->owner[i], 0);
		return NULL;
	}
	mp_store_release(&slots[i], s);
	begin_slot(s, r, (uint32_t)tid);
	return s;
}

void mp_region_release(struct mp_slot *s)
{
	for (int i = 0; i < MP_REGION_SLOTS; i++)
		if (mp_load(&slots[i]) == s)
			mp_store_release(&mp_region->owner[i], 0);
}

/* ---- Names ---- */

enum { NAME_FREE, NAME_WRITING, NAME_READY };

static uint32_t hash_of(const char *text, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

/* A name that another thread is just writing is not waited for: it then stands twice, which no reader minds.
 */
uint32_t mp_region_name(const char *text)
{
	struct mp_region *r = mp_region;
	size_t n = strnlen(text, MP_NAME_BYTES - 1);
	uint32_t at = hash_of(text, n);

	for (uint32_t tries = 0; tries < MP_NAMES; tries++, at++) {
		struct mp_region_name *name = &r->name[at % MP_NAMES];
		uint32_t found = mp_load_acquire(&name->state);

		if (found == NAME_FREE && __atomic_compare_exchange_n(&name->state, &found, NAME_WRITING,
					      false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			memcpy(name->text, text, n);
			name->text[n] = 0;
			mp_store_release(&name->state, NAME_READY);
			return at % MP_NAMES;
		}
		if (found == NAME_READY && !strncmp(name->text, text, n) && !name->text[n])
			return at % MP_NAMES;
	}
	return MP_NAME_NONE;
}

/* ---- Fork ---- */

/*
 * In place of what was shared, pages of the child's own, all zeros, that take no memory until they are
 * written to. Where fork() was called by a signal handler, the call that it interrupted still works with that
 * memory: it goes on in the child when the handler returns.
 */
static bool cut_off(void *shared, uint64_t bytes)
{
	if (mmap(shared, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
		return true;
	munmap(shared, bytes);
	return false;
}

/* The interrupted call may leave the slot to the thread as its own: the next one then asks for another. */
static void cut_off_slot(struct mp_slot *s, uint64_t bytes)
{
	if (cut_off(s, bytes))
		s->word = MP_WORD_NONE;
}

void mp_region_in_child(struct mp_slot *own)
{
	struct mp_region *r = mp_region;
	uint64_t header_bytes = r->header_bytes, slot_bytes = r->slot_bytes;

	mp_store(&mp_fork_guard.mask, 0);
	mp_store(&mp_region, &mp_no_region);
	for (int i = 0; i < MP_REGION_SLOTS; i++) {
		if (slots[i] && slots[i] == own)
			cut_off_slot(own, slot_bytes);
		else if (slots[i])
			munmap(slots[i], slot_bytes);
		slots[i] = NULL;
	}
	if (r != &mp_no_region)
		cut_off(r, header_bytes);
	/* A filter that was set up for the parent may end a process that makes a memfd. */
	mp_store(&state,
	    asked.follows_forks && prctl(PR_GET_SECCOMP) == 0 ? MP_REGION_UNMADE : MP_REGION_IMPOSSIBLE);
	mp_region_make();
}

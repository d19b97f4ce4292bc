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

static struct mp_region none;
struct mp_region *mp_region = &none;
struct mp_fork_guard mp_fork_guard;

enum { UNMADE, MAKING, MADE, IMPOSSIBLE };
static int state;
static bool follows_forks; /* read early: programs write their title over the environment */

/* Which slots are mapped readable and writable, and all there: of this process only. */
static bool is_populated[MP_REGION_SLOTS];

static uint64_t ring_records(void)
{
	const char *text = mp_environment("MPSAMPLE_RING");
	uint64_t wanted = 0, records = 64;

	while (text && *text >= '0' && *text <= '9' && wanted < MP_RING_RECORDS_MAX)
		wanted = wanted * 10 + (uint64_t)(*text++ - '0');
	if (!wanted)
		return MP_RING_RECORDS;
	while (records < wanted && records < MP_RING_RECORDS_MAX)
		records *= 2;
	return records;
}

/*
 * The recorder opens the region through /proc/PID/fd, which needs no privilege. A high number keeps the low
 * ones as the program expects them; one that closes all it did not open costs nothing but that way in.
 */
#define DESCRIPTOR_FROM 1000

static int move_high(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTOR_FROM);

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

static struct mp_region *map_region(int fd, uint64_t bytes)
{
	/* Sealed: a recorder that reads it must not be hit by a file that shrinks. */
	if (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return NULL;
	/* Address space only, until a slot is claimed: mlockall() then finds nothing to fill. */
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_DONTDUMP);
	if (!mprotect(p, mp_region_header_bytes(), PROT_READ | PROT_WRITE))
		return p;
	munmap(p, bytes);
	return NULL;
}

static struct mp_region *new_region(void)
{
	uint64_t records = ring_records(), slot_bytes = mp_region_slot_bytes(records);
	uint64_t bytes = mp_region_header_bytes() + MP_REGION_SLOTS * slot_bytes;
	int fd = memfd_create(MP_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return NULL;
	fd = move_high(fd);
	struct mp_region *r = map_region(fd, bytes);
	if (!r) {
		close(fd);
		return NULL;
	}
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

bool mp_region_make(void)
{
	int expected = UNMADE, saved_errno = errno;

	if (mp_load_acquire(&state) == MADE)
		return true;
	if (!__atomic_compare_exchange_n(
		&state, &expected, MAKING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return expected == MADE;
	follows_forks = mp_environment_is_set("MPSAMPLE_FOLLOW_FORKS");
	struct mp_region *r = new_region();
	if (r) {
		madvise(&mp_fork_guard, sizeof(mp_fork_guard), MADV_WIPEONFORK);
		mp_store(&mp_fork_guard.mask, ~0U);
		mp_store_release(&mp_region, r);
	}
	mp_store_release(&state, r ? MADE : IMPOSSIBLE);
	if (r)
		mpsample_ready_v1();
	errno = saved_errno;
	return r != NULL;
}

/* ---- Slots ---- */

/* No page fault later: not in a new line of the histogram, not in the ring. */
static bool populate(struct mp_slot *s, uint64_t bytes)
{
	if (mprotect(s, bytes, PROT_READ | PROT_WRITE))
		return false;
	if (!madvise(s, bytes, MADV_POPULATE_WRITE))
		return true;
	for (uint64_t at = 0; at < bytes; at += 4096) {
		volatile unsigned char *page = (unsigned char *)s + at;
		*page = *page;
	}
	return true;
}

/* The thread's own slot from an earlier life of its id, or a free one. */
static int take_free(struct mp_region *r, uint32_t tid)
{
	for (int i = 0; i < MP_REGION_SLOTS; i++) {
		uint32_t owner = mp_load(&r->owner[i]);

		if (owner == tid || (!owner && __atomic_compare_exchange_n(&r->owner[i], &owner, tid, false,
						   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
			return i;
	}
	return -1;
}

/* A thread that ended without letting go of its slot: its destructors were never run. */
static int take_from_dead(struct mp_region *r, uint32_t tid)
{
	for (int i = 0; i < MP_REGION_SLOTS; i++) {
		uint32_t owner = mp_load(&r->owner[i]);

		if (syscall(SYS_tgkill, getpid(), owner, 0) && errno == ESRCH &&
		    __atomic_compare_exchange_n(
			&r->owner[i], &owner, tid, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
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
	s->word = 0; /* unlike any that a call is recorded under: settings are read first */
	s->stack_lo = s->stack_hi = 0;
	mp_store_release(&s->ready, 1);
}

struct mp_slot *mp_region_claim(pid_t tid)
{
	struct mp_region *r = mp_region;

	if (!mp_load(&mp_fork_guard.mask))
		return NULL; /* the region is our parent's */
	int i = take_free(r, (uint32_t)tid);

	if (i < 0)
		i = take_from_dead(r, (uint32_t)tid);
	if (i < 0)
		return NULL;
	struct mp_slot *s = mp_region_slot(r, r->slot_bytes, (uint64_t)i);
	if (!is_populated[i] && !populate(s, r->slot_bytes)) {
		mp_store(&r->owner[i], 0);
		return NULL;
	}
	is_populated[i] = true;
	begin_slot(s, r, (uint32_t)tid);
	return s;
}

void mp_region_release(struct mp_slot *s)
{
	struct mp_region *r = mp_region;
	uint64_t at = (uint64_t)((unsigned char *)s - (unsigned char *)r) - r->header_bytes;

	mp_store_release(&r->owner[at / r->slot_bytes], 0);
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

void mp_region_in_child(void)
{
	struct mp_region *r = mp_region;

	mp_store(&mp_fork_guard.mask, 0);
	mp_store(&mp_region, &none);
	if (r != &none)
		munmap(r, r->header_bytes + r->slots * r->slot_bytes);
	memset(is_populated, 0, sizeof(is_populated));
	/* A filter that was set up for the parent may end a process that makes a memfd. */
	mp_store(&state, follows_forks && prctl(PR_GET_SECCOMP) == 0 ? UNMADE : IMPOSSIBLE);
	mp_region_make();
}

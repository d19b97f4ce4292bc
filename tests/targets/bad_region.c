/* SPDX-License-Identifier: MIT */
/*
 * bad_region MODE: a process that maps a memfd named as that of libmpsample.so, with a lie in it.
 *
 *   noise      random bytes                       short       the first page of one
 *   unsealed   right, but it could shrink         version     of another version
 *   rings      rings of an impossible size        elsewhere   of another process
 *   closed     right, but there is no descriptor of it any more
 *   scribble   right, and from go on a thread writes random bytes over everything behind the sizes
 *
 * Truth: between go and "done" it makes 1009 mallocs, none of which the region counts.
 */
#include "target.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "sampler/preload/shared.h"

enum { MALLOCS = 1009, SLOTS = 4, SCRIBBLES = 2000000 };

static struct mp_region *region;
static uint64_t region_bytes;

static void fill_right(struct mp_region *r)
{
	r->magic = MP_REGION_MAGIC;
	r->version = MP_REGION_VERSION;
	r->pid = (uint32_t)getpid();
	r->header_bytes = mp_region_header_bytes();
	r->slot_bytes = mp_region_slot_bytes(MP_RING_RECORDS);
	r->slots = SLOTS;
	r->ring_records = MP_RING_RECORDS;
	for (uint64_t i = 0; i < SLOTS; i++)
		mp_region_slot(r, r->slot_bytes, i)->ready = 1;
}

static void fill_noise(unsigned char *p, uint64_t n)
{
	uint64_t random = 1;

	for (uint64_t i = 0; i < n; i++)
		p[i] = (unsigned char)target_random(&random);
}

static void lie(const char *mode)
{
	fill_right(region);
	if (!strcmp(mode, "noise"))
		fill_noise((unsigned char *)region, region_bytes);
	if (!strcmp(mode, "version"))
		region->version++;
	if (!strcmp(mode, "rings"))
		region->ring_records = 4097;
	if (!strcmp(mode, "elsewhere"))
		region->pid = 1;
}

static void make_region(const char *mode)
{
	int fd = memfd_create(MP_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	region_bytes = mp_region_header_bytes() + SLOTS * mp_region_slot_bytes(MP_RING_RECORDS);
	if (fd < 0 || ftruncate(fd, (off_t)region_bytes))
		_exit(1);
	region = mmap(NULL, region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		_exit(1);
	lie(mode);
	if (!strcmp(mode, "short") && ftruncate(fd, 4096))
		_exit(1);
	if (strcmp(mode, "unsealed") && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		_exit(1);
	if (!strcmp(mode, "closed"))
		close(fd);
}

/* Positions and counters small and large, so that some of the lies are near the truth. */
static void *scribble(void *arg)
{
	uint64_t random = 7, from = offsetof(struct mp_region, word);

	for (unsigned i = 0; i < SCRIBBLES; i++) {
		uint64_t at = from + target_random(&random) % (region_bytes - from - 8) / 8 * 8;
		uint64_t slot = target_random(&random) % SLOTS;
		struct mp_slot *s = mp_region_slot(region, region->slot_bytes, slot);

		*(volatile uint64_t *)((char *)region + at) = target_random(&random) >> i % 64;
		__atomic_add_fetch(&s->head, target_random(&random) % 8, __ATOMIC_RELAXED);
		__atomic_add_fetch(&s->stacks_head, target_random(&random) % 64 * 8, __ATOMIC_RELAXED);
		s->calls++;
	}
	return arg;
}

static NOINLINE void *bad_region_malloc(size_t size)
{
	void *p = malloc(size);

	TARGET_USE(p);
	return p;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 2)
		return 2;
	make_region(argv[1]);
	target_wait_go();
	if (!strcmp(argv[1], "scribble")) {
		if (pthread_create(&thread, NULL, scribble, NULL))
			return 1;
		pthread_join(thread, NULL);
	}
	for (unsigned i = 0; i < MALLOCS; i++)
		free(bad_region_malloc(16 + i));
	target_done();
	return 0;
}

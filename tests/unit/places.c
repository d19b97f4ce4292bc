/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampler/samples/places.h"

/* Of the test's own process. */
static struct mp_places *p;
static int of_module = 7;

static void begin(void)
{
	p = mp_places_new(getpid());
}

static void end(void)
{
	mp_places_free(p);
}

TestSuite(places, .init = begin, .fini = end);

static enum mp_sample_place kind(const void *at, const void *sp)
{
	return mp_places_find(p, (uint64_t)(uintptr_t)at, (uint64_t)(uintptr_t)sp).kind;
}

Test(places, of_a_process)
{
	static int cleared[4096];
	int local;
	char *block = malloc(100);
	struct mp_place data = mp_places_find(p, (uint64_t)(uintptr_t)&of_module, 0);

	cr_assert_eq(data.kind, MP_PLACE_DATA);
	cr_assert(strstr(data.name, "/tests/unit/places"));
	cr_assert_eq(kind(&cleared[4000], NULL), MP_PLACE_DATA);
	cr_assert_eq(kind(&local, NULL), MP_PLACE_STACK);
	cr_assert_eq(kind(block, NULL), MP_PLACE_OLDER);
	cr_assert_eq(kind((void *)8, NULL), MP_PLACE_UNKNOWN);
	free(block);
}

Test(places, memory_that_a_stack_pointer_points_into_is_a_stack)
{
	char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mp_places_map(p, (uint64_t)(uintptr_t)memory, (uint64_t)(uintptr_t)memory + (1 << 20), 0, "//anon");
	cr_assert_eq(kind(memory + 5000, NULL), MP_PLACE_UNTRACKED);
	cr_assert_eq(kind(memory + 5000, memory + 4000), MP_PLACE_STACK);
	cr_assert_eq(kind(memory + 9000, NULL), MP_PLACE_STACK);
}

Test(places, what_is_mapped_over_something_takes_its_place)
{
	const uint64_t base = 0x10000000;

	mp_places_map(p, base, base + 0x5000, 0, "/some/file");
	mp_places_map(p, base + 0x1000, base + 0x2000, 0, "//anon");
	mp_places_map(p, base + 0x4000, base + 0x6000, 0x7000, "/other/file");
	struct mp_place place = mp_places_find(p, base + 0x10, 0);
	cr_assert_eq(place.kind, MP_PLACE_FILE);
	cr_assert_str_eq(place.name, "/some/file");
	cr_assert_eq(place.offset, 0x10);
	place = mp_places_find(p, base + 0x4010, 0);
	cr_assert_str_eq(place.name, "/other/file");
	cr_assert_eq(place.offset, 0x7010);
	mp_places_map(p, base + 0x3000, base + 0x5000, 0, "/third/file");
	place = mp_places_find(p, base + 0x5010, 0);
	cr_assert_str_eq(place.name, "/other/file");
	cr_assert_eq(place.offset, 0x8010);
	cr_assert_str_eq(mp_places_find(p, base + 0x3010, 0).name, "/third/file");
}

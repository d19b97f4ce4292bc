/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/deferred.h"

/* What `take` has seen. */
struct seen {
	unsigned int n;
	int64_t t_ns[8], call_id[8];
	bool stays; /* what it answers */
	const struct mp_call_event *last;
};

static bool take(void *ctx, const struct mp_call_event *e, int64_t *call_id)
{
	struct seen *s = ctx;

	if (s->n < 8) {
		s->t_ns[s->n] = e->t_ns;
		s->call_id[s->n] = *call_id;
	}
	s->n++;
	s->last = e;
	if (!*call_id)
		*call_id = 100 + e->t_ns;
	return s->stays;
}

static unsigned char stack_bytes[8192];

static struct mp_stack_state stack = {
    .ip = 0x1234, .bytes = stack_bytes, .n_bytes = sizeof(stack_bytes), .bytes_at = 0x7000};

Test(deferred, calls_are_copied_and_stay_in_order)
{
	struct mp_deferred *d = mp_deferred_new();
	uint64_t ip[] = {0x11, 0x22, 0x33};
	struct mp_call_event e = {.t_ns = 1, .stack = &stack, .ip = ip, .nframes = 3};
	struct seen seen = {.stays = true};

	memset(stack_bytes, 0x5a, sizeof(stack_bytes));
	cr_assert(mp_deferred_put(d, &e));
	e.t_ns = 2;
	e.stack = NULL; /* addresses only */
	cr_assert(mp_deferred_put(d, &e));
	memset(stack_bytes, 0, sizeof(stack_bytes));
	memset(ip, 0, sizeof(ip));
	cr_assert_eq(mp_deferred_count(d), 2);

	mp_deferred_each(d, take, &seen);
	cr_assert_eq(seen.n, 2);
	cr_assert(seen.t_ns[0] == 1 && seen.t_ns[1] == 2);
	cr_assert_eq(seen.call_id[0], 0);
	cr_assert_null(seen.last->stack);
	cr_assert_eq(seen.last->ip[2], 0x33);

	seen = (struct seen){.stays = false};
	mp_deferred_each(d, take, &seen);
	cr_assert(seen.n == 2 && seen.call_id[0] == 101 && seen.call_id[1] == 102, "their numbers are kept");
	cr_assert_eq(mp_deferred_count(d), 0);
	mp_deferred_free(d);
}

static bool check_bytes(void *ctx, const struct mp_call_event *e, int64_t *call_id)
{
	(void)call_id;
	*(bool *)ctx = e->stack->bytes != stack_bytes && e->stack->n_bytes == sizeof(stack_bytes) &&
		       e->stack->bytes[0] == 0x5a && e->stack->bytes[8191] == 0x5a &&
		       e->stack->ip == 0x1234 && (uintptr_t)e->stack->bytes % 8 == 0;
	return true;
}

Test(deferred, stacks_are_copied)
{
	struct mp_deferred *d = mp_deferred_new();
	struct mp_call_event e = {.stack = &stack};
	bool ok = false;

	memset(stack_bytes, 0x5a, sizeof(stack_bytes));
	cr_assert(mp_deferred_put(d, &e));
	memset(stack_bytes, 0, sizeof(stack_bytes));
	mp_deferred_each(d, check_bytes, &ok);
	cr_assert(ok);
	mp_deferred_free(d); /* with what still waits */
}

Test(deferred, memory_is_bounded)
{
	struct mp_deferred *d = mp_deferred_new();
	struct mp_call_event e = {.stack = &stack};
	struct seen seen = {.stays = false};
	size_t n = 0;

	while (mp_deferred_put(d, &e))
		n++;
	cr_assert_leq(n * sizeof(stack_bytes), MP_DEFERRED_BYTES);
	cr_assert_geq(n * (sizeof(stack_bytes) + 1024), MP_DEFERRED_BYTES);
	mp_deferred_each(d, take, &seen);
	cr_assert_eq(seen.n, n);
	cr_assert(mp_deferred_put(d, &e), "there is room again");
	mp_deferred_free(d);
}

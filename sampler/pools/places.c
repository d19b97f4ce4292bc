/* SPDX-License-Identifier: MIT */
#include "sampler/pools/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"

#define MAX_PLACES        65536
#define MAX_WAITING_BYTES (16u << 20)
#define MAX_CHAIN         64

/* What was taken of a stack, until it is known. */
struct waiting {
	struct mp_stack_state state;
	bool has_state;
	size_t n_chain;
	uint64_t chain[MAX_CHAIN];
	size_t bytes;
	unsigned char stack[];
};

struct place {
	uint64_t ip;
	int64_t t_ns; /* when it was first passed */
	int64_t stack_id;
	struct waiting *waiting;
};

struct mp_pool_places {
	struct mp_stack_table *stacks;
	struct place *places; /* [number - 1] */
	size_t room;
	struct mp_index index;
	size_t waiting_bytes;
	uint64_t lost;
};

struct mp_pool_places *mp_pool_places_new(struct mp_stack_table *stacks)
{
	struct mp_pool_places *p = calloc(1, sizeof(*p));

	if (p)
		p->stacks = stacks;
	return p;
}

void mp_pool_places_free(struct mp_pool_places *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->index.n; i++)
		free(p->places[i].waiting);
	free(p->places);
	mp_index_free(&p->index);
	free(p);
}

static size_t bytes_of(const struct waiting *w)
{
	return w ? sizeof(*w) + w->bytes : 0;
}

/* Without memory the stack of another time may do. */
static void keep_stack(struct mp_pool_places *p, struct place *at, const struct mp_pool_event *e)
{
	size_t bytes = e->stack && e->stack->bytes ? e->stack->n_bytes : 0;

	if (p->waiting_bytes + sizeof(*at->waiting) + bytes > MAX_WAITING_BYTES)
		return;
	struct waiting *w = malloc(sizeof(*w) + bytes);
	if (!w)
		return;
	w->bytes = bytes;
	w->has_state = e->stack != NULL;
	w->n_chain = e->n_chain < MAX_CHAIN ? e->n_chain : MAX_CHAIN;
	if (w->n_chain)
		memcpy(w->chain, e->chain, w->n_chain * sizeof(*w->chain));
	if (bytes)
		memcpy(w->stack, e->stack->bytes, bytes);
	if (w->has_state) {
		w->state = *e->stack;
		w->state.bytes = bytes ? w->stack : NULL;
	}
	at->waiting = w;
	at->t_ns = e->t_ns;
	p->waiting_bytes += bytes_of(w);
}

static bool same_ip(const void *owner, uint32_t number, const void *ip)
{
	const struct mp_pool_places *p = owner;
	return p->places[number - 1].ip == *(const uint64_t *)ip;
}

uint32_t mp_pool_places_take(struct mp_pool_places *p, const struct mp_pool_event *e)
{
	uint32_t *slot = e->ip ? mp_index_slot(&p->index, mp_index_mix(e->ip), same_ip, p, &e->ip) : NULL;

	if (!slot)
		return 0;
	if (!*slot) {
		if (p->index.n == MAX_PLACES ||
		    !mp_grow((void **)&p->places, &p->room, p->index.n + 1, sizeof(*p->places))) {
			p->lost++;
			return 0;
		}
		*slot = (uint32_t)++p->index.n;
		p->places[*slot - 1] = (struct place){.ip = e->ip, .t_ns = e->t_ns};
	}
	struct place *at = &p->places[*slot - 1];
	if (!at->stack_id && !at->waiting && (e->stack || e->n_chain))
		keep_stack(p, at, e);
	return *slot;
}

uint64_t mp_pool_places_ip(const struct mp_pool_places *p, uint32_t place)
{
	return place ? p->places[place - 1].ip : 0;
}

int64_t mp_pool_places_stack(const struct mp_pool_places *p, uint32_t place)
{
	return place ? p->places[place - 1].stack_id : 0;
}

static int settle(struct mp_pool_places *p, struct place *at, bool is_last, struct mp_err *err)
{
	const struct waiting *w = at->waiting;
	struct mp_stack_source source = {.t_ns = at->t_ns, .ip = &at->ip, .n_ip = 1};
	int ret = -EAGAIN;

	if (w) {
		source.stack = w->has_state ? &w->state : NULL;
		source.ip = w->chain;
		source.n_ip = w->n_chain;
		ret = mp_stack_table_add(p->stacks, &source, &at->stack_id, err);
	}
	if (ret == -EAGAIN && is_last) {
		source = (struct mp_stack_source){.t_ns = at->t_ns, .ip = &at->ip, .n_ip = 1};
		ret = mp_stack_table_add(p->stacks, &source, &at->stack_id, err);
	}
	if (ret == -EAGAIN)
		return 0;
	p->waiting_bytes -= bytes_of(at->waiting);
	free(at->waiting);
	at->waiting = NULL;
	return ret;
}

int mp_pool_places_settle(struct mp_pool_places *p, int64_t mapped_ns, bool is_last, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < p->index.n; i++) {
		struct place *at = &p->places[i];
		if (!at->stack_id && ((at->waiting && at->t_ns <= mapped_ns) || is_last))
			ret = settle(p, at, is_last, err);
	}
	return ret;
}

uint64_t mp_pool_places_lost(struct mp_pool_places *p)
{
	uint64_t lost = p->lost;

	p->lost = 0;
	return lost;
}

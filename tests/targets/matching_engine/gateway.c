/* SPDX-License-Identifier: MIT */
/* Our own clients: orders that take the best price they see, or quote just behind it and cancel later. */
#include "engine.h"

#include <stdlib.h>

enum { TICK_NS = 2 * 1000 * 1000, QUOTES = 512 };

struct gateway {
	uint64_t random, next_id;
	uint64_t quote[QUOTES]; /* ids of resting quotes, oldest overwritten; 0: none */
	unsigned next_quote;
	double owed;
};

static NOINLINE bool gateway_send(const struct message *m, unsigned count)
{
	struct packet *p = malloc(sizeof(*p) + count * sizeof(*m));

	if (!p)
		return false;
	p->count = count;
	for (unsigned i = 0; i < count; i++)
		p->message[i] = m[i];
	queue_push(engine_inbox(), p);
	return true;
}

static NOINLINE void gateway_order(struct gateway *g)
{
	unsigned instrument = random_below(&g->random, INSTRUMENTS);
	enum side side = random_below(&g->random, 2);
	bool aggressive = random_below(&g->random, 3) == 0;
	int32_t price =
	    atomic_load_explicit(&top_of_book[instrument][aggressive ? !side : side], memory_order_relaxed);
	struct message m[2] = {{.kind = MSG_ADD,
	    .order_id = g->next_id += 2,
	    .price = price,
	    .quantity = 1 + random_below(&g->random, 40),
	    .side = side,
	    .instrument = instrument,
	    .account = random_below(&g->random, ACCOUNTS)}};
	unsigned count = 1;

	if (!price) /* nothing to quote by yet */
		return;
	if (!aggressive) {
		uint64_t *slot = &g->quote[g->next_quote++ % QUOTES];

		if (*slot)
			m[count++] = (struct message){.kind = MSG_CANCEL, .order_id = *slot};
		*slot = m[0].order_id;
	}
	gateway_send(m, count);
}

void *gateway_main(void *arg)
{
	struct gateway g = {.random = (day.seed + 77) * 0x9e3779b97f4a7c15ULL | 1, .next_id = 1};

	for (int64_t at = 0; day_sleep_until(at); at += TICK_NS)
		for (g.owed += day_phase(at)->gateway_rate * day.pace * (TICK_NS / 1e9); g.owed >= 1;
		     g.owed--)
			gateway_order(&g);
	return arg;
}

/* SPDX-License-Identifier: MIT */
/* The market: a seeded stream of messages. What it sends depends on the seed and the day's length only. */
#include "engine.h"

#include <mpsample.h>
#include <stdlib.h>

enum { TICK_NS = 1000 * 1000, LIVE_MAX = 65536 };

/* The market's own list of what it has in the book; it does not hear of trades, so some of it is gone. */
struct live_order {
	uint64_t id;
	int32_t price;
	uint32_t quantity;
	uint8_t side, instrument;
};

struct feed {
	uint64_t random, next_id;
	int32_t fair[INSTRUMENTS];
	struct live_order *live;
	unsigned live_count;
	double owed; /* messages due but not yet sent: rates are not whole numbers a tick */
};

static struct message feed_add(struct feed *f)
{
	unsigned instrument = random_below(&f->random, INSTRUMENTS);
	enum side side = random_below(&f->random, 2);
	/* Most orders rest near the fair price; about one in twelve crosses it and trades. */
	int32_t away = (int32_t)(random_below(&f->random, 60) * random_below(&f->random, 60) / 12) - 8;
	struct live_order *l = &f->live[f->live_count++];

	if (random_below(&f->random, 8) == 0)
		f->fair[instrument] += (int32_t)random_below(&f->random, 3) - 1;
	l->id = f->next_id += 2; /* even: the gateway's are odd */
	l->side = side;
	l->instrument = instrument;
	l->price = f->fair[instrument] + (side == BUY ? -away : away);
	l->quantity = 1 + random_below(&f->random, 100);
	return (struct message){.kind = MSG_ADD,
	    .order_id = l->id,
	    .price = l->price,
	    .quantity = l->quantity,
	    .side = side,
	    .instrument = instrument,
	    .account = random_below(&f->random, ACCOUNTS)};
}

static struct message feed_cancel(struct feed *f)
{
	struct live_order *l = &f->live[random_below(&f->random, f->live_count)];
	struct message m = {.kind = MSG_CANCEL, .order_id = l->id};

	*l = f->live[--f->live_count];
	return m;
}

static struct message feed_modify(struct feed *f)
{
	struct live_order *l = &f->live[random_below(&f->random, f->live_count)];

	if (random_below(&f->random, 2))
		l->price += l->side == BUY ? -1 : 1;
	else
		l->quantity = (l->quantity + 1) / 2;
	return (struct message){
	    .kind = MSG_MODIFY, .order_id = l->id, .price = l->price, .quantity = l->quantity};
}

static struct message feed_trade(struct feed *f)
{
	unsigned instrument = random_below(&f->random, INSTRUMENTS);

	return (struct message){.kind = MSG_TRADE, .instrument = instrument, .price = f->fair[instrument]};
}

/* Adds prevail until the book is as deep as the phase wants it, then adds and cancels balance. */
static struct message feed_next(struct feed *f, unsigned depth)
{
	unsigned dice = random_below(&f->random, 100);

	if (dice < 5)
		return feed_trade(f);
	if (dice < 20 && f->live_count)
		return feed_modify(f);
	if (f->live_count == 0 || (f->live_count < depth && dice < 85))
		return feed_add(f);
	return dice % 5 < 3 || f->live_count > depth + depth / 8 ? feed_cancel(f) : feed_add(f);
}

static NOINLINE struct packet *feed_packet(struct feed *f, unsigned count, unsigned depth)
{
	struct packet *p = malloc(sizeof(*p) + count * sizeof(p->message[0]));

	if (!p)
		return NULL;
	p->count = count;
	for (unsigned i = 0; i < count; i++)
		p->message[i] = feed_next(f, depth);
	return p;
}

static void feed_tick(struct feed *f, const struct phase *phase, unsigned tick)
{
	/* Once a second the market hears some news and is four times as busy for 20 ms. */
	double rate = phase->feed_rate * day.pace * (tick % 1000 < 20 && !day.is_flat ? 4.0 : 1.0);

	for (f->owed += rate * TICK_NS / 1e9; f->owed >= 1;) {
		unsigned count = f->owed < PACKET_MAX ? (unsigned)f->owed : PACKET_MAX;
		struct packet *p = feed_packet(f, count, phase->depth);

		f->owed -= count;
		if (p)
			queue_push(engine_inbox(), p);
	}
}

void *feed_main(void *arg)
{
	const struct phase *last = NULL;
	struct feed f = {
	    .random = day.seed * 0x9e3779b97f4a7c15ULL | 1, .live = calloc(LIVE_MAX, sizeof(*f.live))};

	if (!f.live)
		return arg;
	for (unsigned i = 0; i < INSTRUMENTS; i++)
		f.fair[i] = 10000 + (int32_t)(1000 * i);
	for (unsigned tick = 0; day_sleep_until((int64_t)tick * TICK_NS); tick++) {
		const struct phase *now = day_phase((int64_t)tick * TICK_NS);

		if (now != last && !day.is_flat)
			MPSAMPLE_PHASE(now->name);
		last = now;
		feed_tick(&f, now, tick);
	}
	if (!day.is_flat)
		MPSAMPLE_PHASE("closed");
	free(f.live);
	return arg;
}

/* SPDX-License-Identifier: MIT */
/* The engine thread: takes packets, keeps the books, matches crossing orders. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_CAPACITY = 24576, INBOX_CAPACITY = 4096, SNAPSHOT_EVERY_NS = 500 * 1000 * 1000 };

_Atomic int32_t top_of_book[INSTRUMENTS][2];

static struct {
	struct queue *inbox;
	struct book *book[INSTRUMENTS];
	int32_t last_trade[INSTRUMENTS];
	int64_t next_snapshot_ns;
	struct engine_stats stats;
} engine;

int engine_create(void)
{
	for (unsigned i = 0; i < INSTRUMENTS; i++) {
		engine.book[i] = book_create(day.seed + i);
		if (!engine.book[i])
			return -ENOMEM;
	}
	engine.inbox = queue_create(INBOX_CAPACITY);
	if (!engine.inbox || pool_create(POOL_CAPACITY) || index_create())
		return -ENOMEM;
	return 0;
}

struct queue *engine_inbox(void)
{
	return engine.inbox;
}

static NOINLINE char *client_tag_create(const struct message *m)
{
	char *tag = malloc(40);

	if (tag)
		snprintf(tag, 40, "ACC%05u-%c-%llu", m->account, m->side == BUY ? 'B' : 'S',
		    (unsigned long long)m->order_id);
	return tag;
}

static struct order *order_create(const struct message *m)
{
	struct order *o = pool_acquire();

	if (!o)
		return NULL;
	o->id = m->order_id;
	o->price = m->price;
	o->quantity = m->quantity;
	o->account = m->account;
	o->side = m->side;
	o->instrument = m->instrument;
	o->level = NULL;
	o->client_tag = client_tag_create(m);
	return o;
}

static NOINLINE void order_destroy(struct order *o)
{
	free(o->client_tag);
	pool_release(o);
}

static bool crosses(const struct order *taker, const struct order *maker)
{
	return maker && (taker->side == BUY ? taker->price >= maker->price : taker->price <= maker->price);
}

static void trade(struct order *maker, struct order *taker)
{
	uint32_t quantity = maker->quantity < taker->quantity ? maker->quantity : taker->quantity;
	int64_t bought = taker->side == BUY ? quantity : -(int64_t)quantity;

	maker->quantity -= quantity;
	taker->quantity -= quantity;
	engine.last_trade[maker->instrument] = maker->price;
	engine.stats.trades++;
	position_update(taker->account, taker->instrument, bought, maker->price);
	position_update(maker->account, maker->instrument, -bought, maker->price);
	log_execution(maker, taker, quantity);
}

/* Trades the order against the other side, best price first, oldest order first. */
static NOINLINE void match_order(struct book *b, struct order *taker)
{
	struct order *maker;

	while (taker->quantity && crosses(taker, maker = book_best(b, !taker->side))) {
		trade(maker, taker);
		if (maker->quantity)
			continue;
		book_cancel(b, maker);
		index_erase(maker->id);
		order_destroy(maker);
	}
}

/* Matches, and rests what is left. The order must be out of the book; it is in the index already. */
static void submit(struct order *o)
{
	match_order(engine.book[o->instrument], o);
	if (o->quantity && !book_insert(engine.book[o->instrument], o))
		return;
	index_erase(o->id);
	order_destroy(o);
}

static void on_add(const struct message *m)
{
	struct order *o = order_create(m);

	if (!o)
		return;
	if (index_insert(o)) {
		order_destroy(o);
		return;
	}
	engine.stats.orders++;
	submit(o);
}

static void on_modify(const struct message *m)
{
	struct order *o = index_find(m->order_id);

	if (!o) {
		engine.stats.unknown++;
		return;
	}
	engine.stats.modifies++;
	if (m->price == o->price && m->quantity <= o->quantity) {
		o->quantity = m->quantity; /* smaller at the same price keeps its place in the queue */
		return;
	}
	book_cancel(engine.book[o->instrument], o);
	o->price = m->price;
	o->quantity = m->quantity;
	submit(o);
}

static void on_cancel(const struct message *m)
{
	struct order *o = index_find(m->order_id);

	if (!o) {
		engine.stats.unknown++; /* traded before the cancel came: an everyday race */
		return;
	}
	engine.stats.cancels++;
	book_cancel(engine.book[o->instrument], o);
	index_erase(o->id);
	if (engine.stats.cancels % 64 == 0)
		risk_audit_note(o);
	order_destroy(o);
}

static void on_trade(const struct message *m)
{
	engine.last_trade[m->instrument] = m->price;
}

struct snapshot {
	struct {
		uint64_t id;
		int32_t price;
		uint32_t quantity, account, instrument;
		char tag[40];
	} * row;
	size_t count, capacity;
};

static void snapshot_row(struct order *o, void *arg)
{
	struct snapshot *s = arg;

	if (s->count == s->capacity)
		return;
	s->row[s->count].id = o->id;
	s->row[s->count].price = o->price;
	s->row[s->count].quantity = o->quantity;
	s->row[s->count].account = o->account;
	s->row[s->count].instrument = o->instrument;
	memcpy(s->row[s->count++].tag, o->client_tag ? o->client_tag : "", o->client_tag ? 40 : 1);
}

/*
 * Copies every live order into one big buffer, as engines do for replay and late joiners. Between 1 and 4 MB:
 * malloc takes it from mmap, so each one pays a system call, its page faults, and munmap - on this thread.
 */
static NOINLINE void book_snapshot(void)
{
	size_t bytes = (1 << 20) + index_count() * sizeof(*((struct snapshot *)0)->row);
	struct snapshot s = {0};
	uint64_t checksum = 0;

	if (bytes > 4 << 20)
		bytes = 4 << 20;
	s.row = malloc(bytes);
	if (!s.row)
		return;
	s.capacity = bytes / sizeof(*s.row);
	index_each(snapshot_row, &s);
	for (size_t i = 0; i < s.count; i++)
		checksum += s.row[i].id * s.row[i].quantity;
	engine.stats.snapshots++;
	log_event("SNAPSHOT", s.count, checksum);
	free(s.row);
}

static void publish_top(void)
{
	for (unsigned i = 0; i < INSTRUMENTS; i++)
		for (unsigned side = 0; side < 2; side++) {
			const struct order *best = book_best(engine.book[i], side);

			atomic_store_explicit(&top_of_book[i][side], best ? best->price : 0,
			    memory_order_relaxed); /* a hint to quote by, orders nothing */
		}
}

static NOINLINE void on_packet(const struct packet *p)
{
	static void (*const handler[])(const struct message *) = {
	    [MSG_ADD] = on_add, [MSG_MODIFY] = on_modify, [MSG_CANCEL] = on_cancel, [MSG_TRADE] = on_trade};

	for (unsigned i = 0; i < p->count; i++)
		handler[p->message[i].kind](&p->message[i]);
	engine.stats.messages += p->count;
	publish_top();
}

/* Ends at a NULL packet. */
void *engine_main(void *arg)
{
	struct packet *p;

	engine.next_snapshot_ns = day_now_ns() + SNAPSHOT_EVERY_NS;
	while ((p = queue_pop(engine.inbox))) {
		on_packet(p);
		free(p);
		if (day_now_ns() >= engine.next_snapshot_ns) {
			book_snapshot();
			engine.next_snapshot_ns += SNAPSHOT_EVERY_NS;
		}
	}
	return arg;
}

struct engine_stats engine_stats(void)
{
	return engine.stats;
}

static void destroy_one(struct order *o, void *arg)
{
	(void)arg;
	order_destroy(o);
}

void engine_destroy(void)
{
	index_each(destroy_one, NULL);
	index_destroy();
	pool_destroy();
	for (unsigned i = 0; i < INSTRUMENTS; i++)
		book_destroy(engine.book[i]);
	queue_destroy(engine.inbox);
}

/* SPDX-License-Identifier: MIT */
/* Positions by account and instrument, updated on every execution, and swept for exposure by a thread. */
#include "engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_EVERY_NS = 100 * 1000 * 1000 };

struct position {
	uint32_t account, instrument;
	int64_t quantity;
	int64_t cash; /* ticks x lots, paid (-) and received (+) */
	uint64_t trades;
	int32_t last_price;
};

/* Dense rows, which grow by realloc, and a hash of row numbers (+1, 0 is empty) over them. */
static struct {
	pthread_mutex_t lock;
	struct position *row;
	uint32_t *slot;
	size_t count, capacity, slots;
} positions = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint32_t *slot_of(uint32_t account, uint32_t instrument)
{
	size_t i = ((uint64_t)account << 8 | instrument) * 0x9e3779b97f4a7c15ULL >> 20;

	for (;; i++) {
		uint32_t *slot = &positions.slot[i & (positions.slots - 1)];
		const struct position *p = *slot ? &positions.row[*slot - 1] : NULL;

		if (!p || (p->account == account && p->instrument == instrument))
			return slot;
	}
}

/* Doubles the rows and hashes all of them again: one execution in many pays for it. */
static NOINLINE bool position_grow(void)
{
	size_t capacity = positions.capacity ? positions.capacity * 2 : 256;
	struct position *row = realloc(positions.row, capacity * sizeof(*row));
	uint32_t *slot;

	if (!row)
		return false;
	positions.row = row;
	slot = calloc(capacity * 2, sizeof(*slot));
	if (!slot)
		return false;
	free(positions.slot);
	positions.slot = slot;
	positions.slots = capacity * 2;
	positions.capacity = capacity;
	for (size_t i = 0; i < positions.count; i++)
		*slot_of(row[i].account, row[i].instrument) = (uint32_t)i + 1;
	return true;
}

static struct position *position_find(uint32_t account, uint32_t instrument)
{
	uint32_t *slot;

	if (positions.count == positions.capacity && !position_grow())
		return NULL;
	slot = slot_of(account, instrument);
	if (!*slot) {
		positions.row[positions.count] =
		    (struct position){.account = account, .instrument = instrument};
		*slot = (uint32_t)++positions.count;
	}
	return &positions.row[*slot - 1];
}

NOINLINE void position_update(uint32_t account, uint32_t instrument, int64_t quantity, int32_t price)
{
	struct position *p;

	pthread_mutex_lock(&positions.lock);
	p = position_find(account, instrument);
	if (p) {
		p->quantity += quantity;
		p->cash -= quantity * price;
		p->last_price = price;
		p->trades++;
	}
	pthread_mutex_unlock(&positions.lock);
}

static int by_exposure(const void *a, const void *b)
{
	int64_t x = llabs(((const struct position *)a)->quantity * ((const struct position *)a)->last_price);
	int64_t y = llabs(((const struct position *)b)->quantity * ((const struct position *)b)->last_price);

	return (x < y) - (x > y);
}

/* Copies the positions under the lock (executions wait for it), ranks the copy without it. */
static NOINLINE void risk_sweep(void)
{
	struct position *copy;
	size_t count;
	int64_t worst = 0;

	pthread_mutex_lock(&positions.lock);
	count = positions.count;
	copy = malloc((count + 1) * sizeof(*copy));
	if (copy && count)
		memcpy(copy, positions.row, count * sizeof(*copy));
	pthread_mutex_unlock(&positions.lock);
	if (copy && count) {
		qsort(copy, count, sizeof(*copy), by_exposure);
		worst = llabs(copy[0].quantity * copy[0].last_price);
	}
	free(copy);
	log_event("RISK", count, (uint64_t)worst);
}

void *risk_main(void *arg)
{
	for (int64_t at = SWEEP_EVERY_NS; day_sleep_until(at); at += SWEEP_EVERY_NS)
		risk_sweep();
	return arg;
}

struct audit_note {
	struct audit_note *older;
	uint64_t order_id;
	uint32_t account, quantity;
	char reason[72];
};

static struct audit_note *audit_trail; /* engine thread only */
static uint64_t audit_count;

/*
 * THE DELIBERATE LEAK. A note on every 64th cancelled order, kept in a list that nobody prunes: 96 bytes
 * each, about 350 KiB in a day of 20 s. It stays reachable, as such leaks do, so leak checkers that look for
 * lost pointers are silent; only growth by allocation site shows it.
 */
NOINLINE void risk_audit_note(const struct order *o)
{
	struct audit_note *n = malloc(sizeof(*n));

	if (!n)
		return;
	n->older = audit_trail;
	n->order_id = o->id;
	n->account = o->account;
	n->quantity = o->quantity;
	strcpy(n->reason, "cancelled by client");
	audit_trail = n;
	audit_count++;
}

size_t position_count(void)
{
	return positions.count;
}

size_t position_bytes(void)
{
	return positions.capacity * sizeof(*positions.row) + positions.slots * sizeof(*positions.slot);
}

size_t risk_audit_bytes(void)
{
	return audit_count * sizeof(*audit_trail);
}

uint64_t risk_audit_notes(void)
{
	return audit_count;
}

void risk_destroy(void)
{
	free(positions.row);
	free(positions.slot);
}

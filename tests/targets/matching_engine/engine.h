/* SPDX-License-Identifier: MIT */
/*
 * matching_engine: a small but real trading process, the demonstration target of mpsample.
 *
 *   feed    --packets--> engine --records--> logger
 *   gateway --packets-->    |
 *                          risk (positions, swept by its own thread)
 *
 * The engine thread owns the books, the order index and the order pool: no lock there. Packets are allocated
 * by the senders and freed by the engine, log records allocated by the engine and freed by the logger.
 * Positions are shared with the risk thread under one lock. Prices are in ticks, quantities in lots.
 *
 * What a profile of it should find is written at the function that does it:
 *   index_grow()       rehashes at once: a slow order now and then while the day fills
 *   position_grow()    realloc of one dense array
 *   pool_acquire()     runs dry in the bursts and falls back to malloc
 *   book_snapshot()    allocates, fills and frees 1-4 MB twice a second, on the engine thread
 *   position_update()  waits for the lock that risk_sweep() holds
 *   risk_audit_note()  grows for ever: the one deliberate leak
 *   news_headline()    a flood of small allocations, when --news asks for it
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "queue.h"

#define NOINLINE __attribute__((noinline))

enum { INSTRUMENTS = 8, ACCOUNTS = 4000 };

enum side { BUY, SELL };

/* ---- the day (day.c): rates and book depths that follow a compressed market day ---- */

struct phase {
	const char *name;
	double share;          /* of the day's length */
	unsigned feed_rate;    /* messages a second from the market */
	unsigned gateway_rate; /* orders a second of our own clients */
	unsigned depth;        /* live orders that the market tends to */
};

struct day {
	double seconds;
	double pace;    /* of all rates, 1: as the phases have them */
	bool is_flat;   /* the same rate and depth from its begin to its end, and no news */
	double news_at; /* s after the start: headlines for NEWS_SECONDS; < 0: none */
	uint64_t seed;
	int64_t start_ns; /* CLOCK_MONOTONIC */
	atomic_bool stop;
};

extern struct day day;

/* So many headlines a second, for so long. */
enum { NEWS_SECONDS = 3, NEWS_RATE = 100000 };

int64_t day_now_ns(void);
/* The phase in force `elapsed_ns` after the start; NULL when the day is over. */
const struct phase *day_phase(int64_t elapsed_ns);
/* Prints begin and end of each phase, on CLOCK_MONOTONIC. */
void day_print_phases(void);
/* Sleeps to start_ns + elapsed_ns. False when the day is over or was stopped. */
bool day_sleep_until(int64_t elapsed_ns);
/* A seeded xorshift64* generator; state must not be 0. */
uint64_t random_next(uint64_t *state);
static inline unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)((random_next(state) >> 32) * n >> 32);
}

/* ---- messages (feed.c, gateway.c) ---- */

enum message_kind { MSG_ADD, MSG_MODIFY, MSG_CANCEL, MSG_TRADE };

struct message {
	uint64_t order_id;
	int32_t price;
	uint32_t quantity;
	uint32_t account;
	uint8_t kind, side, instrument;
};

/* What one read from the wire brought; allocated by the sender, freed by the engine. */
struct packet {
	unsigned count;
	struct message message[];
};

enum { PACKET_MAX = 64 };

/* Best prices, written by the engine, read by the gateway. 0: that side is empty. */
extern _Atomic int32_t top_of_book[INSTRUMENTS][2];

struct queue *engine_inbox(void);
void *feed_main(void *arg);
void *gateway_main(void *arg);
void *news_main(void *arg);
/* Allocations of headlines. */
uint64_t news_headlines(void);

/* ---- orders: pool (order_pool.c) and index (order_index.c); engine thread only ---- */

struct level;

struct order {
	uint64_t id;
	int32_t price;
	uint32_t quantity;
	uint32_t account;
	uint8_t side, instrument;
	bool from_pool;
	char *client_tag; /* the client's own order name, as FIX carries it; owned */
	struct level *level;
	struct order *prev, *next; /* first in, first out within the level */
};

struct pool_stats {
	size_t capacity, in_use, high_water;
	uint64_t exhausted; /* acquisitions that had to be served by malloc */
};

int pool_create(size_t capacity);
struct order *pool_acquire(void);
void pool_release(struct order *o);
struct pool_stats pool_stats(void);
void pool_destroy(void);

int index_create(void);
int index_insert(struct order *o);
struct order *index_find(uint64_t id);
void index_erase(uint64_t id);
size_t index_count(void);
unsigned index_growths(void);
size_t index_bytes(void);
/* Calls fn for every order; fn may not change the index. */
void index_each(void (*fn)(struct order *o, void *arg), void *arg);
void index_destroy(void);

/* ---- the book (order_book.c); engine thread only ---- */

struct book;

struct book *book_create(uint64_t seed);
/* Queues a resting order behind those at its price. -ENOMEM when no level can be made. */
int book_insert(struct book *b, struct order *o);
/* Unlinks a resting order; its level is freed with its last order. */
void book_cancel(struct book *b, struct order *o);
/* The order that would trade first, NULL when the side is empty. */
struct order *book_best(const struct book *b, enum side side);
void book_destroy(struct book *b);

/* ---- the engine (engine.c) ---- */

struct engine_stats {
	uint64_t messages, orders, modifies, cancels, unknown, trades, snapshots;
};

int engine_create(void);
void *engine_main(void *arg);
struct engine_stats engine_stats(void);
void engine_destroy(void);

/* ---- risk (risk.c); any thread ---- */

void position_update(uint32_t account, uint32_t instrument, int64_t quantity, int32_t price);
void risk_audit_note(const struct order *o);
void *risk_main(void *arg);
size_t position_count(void);
size_t position_bytes(void);
uint64_t risk_audit_notes(void);
size_t risk_audit_bytes(void);
void risk_destroy(void);

/* ---- the logger (logger.c) ---- */

int logger_create(const char *path);
void log_execution(const struct order *maker, const struct order *taker, uint32_t quantity);
void log_event(const char *text, uint64_t a, uint64_t b);
void *logger_main(void *arg);
/* Makes logger_main end once it has written what was logged before. */
void logger_finish(void);
uint64_t logger_lines(void);
void logger_destroy(void);

#endif

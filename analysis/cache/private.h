/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_CACHE_PRIVATE_H
#define MP_ANALYSIS_CACHE_PRIVATE_H

#include <sqlite3.h>

#include "analysis/cache/cache.h"
#include "analysis/explain/groups.h"
#include "store/append.h"

/* Events by number, as in cache_event_no: the order of their ids. Samples of further ones are not looked at.
 */
#define CACHE_EVENTS 64

/* So many samples are read before they are added: what they need comes into the cache meanwhile. */
#define CACHE_BATCH 32

/* So many events know how many different objects and lines they touched: a bit each and level. */
#define CACHE_DISTINCT_EVENTS 7

/*
 * Where an address lies, by number: enum mp_sample_place, or a site of objects. MP_PLACE_OBJECT stands for
 * the objects of all sites beyond the largest number of them.
 */
enum {
	WHERE_NO_ADDRESS = MP_PLACES,
	WHERE_SITE = 16, /* and above: the site's number + 16 */
};

/* Code by number: the label + 1. */
enum { CODE_NONE = 0, CODE_REST = INT32_MAX };

/* The columns that are read of a sample (sum.c, sharing.c). */
struct cache_sample {
	int64_t t_ns, tid;
	uint32_t event; /* number */
	uint32_t where, code;
	int level, tlb, quality, place; /* place -1: no address */
	bool has_addr, is_write, has_weight;
	uint64_t addr;
	int64_t offset, weight, period, latency;
	struct cache_object *object; /* NULL: none */
};

/* An object that samples fell into. */
struct cache_object {
	int64_t object_id;
	uint64_t mask; /* of events and levels: cache_bit() */
	uint64_t size_bytes;
	uint32_t where;
};

/* What numbers stand for: names.c. */
struct cache_names {
	struct mp_session *s;
	struct mp_err *err;
	struct mp_labels *sites, *codes, *phases;
	struct mp_groups *site_of, *code_of; /* by stack_id: sum[0] is the number + 1 */
	sqlite3_stmt *site, *code;
	struct cache_object *object; /* by id */
	size_t objects, object_room;
	struct cache_phase {
		int64_t start_ns, end_ns, name;
	} * phase; /* by start */
	size_t n_phases, phase_room, last_phase;
	int64_t event_id[CACHE_EVENTS];
	uint32_t events, last_event;
};

int cache_names_load(
    struct cache_names *n, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
void cache_names_free(struct cache_names *n);

/* -1: no such event. */
int cache_event_no(struct cache_names *n, int64_t event_id);
struct cache_object *cache_find_object(struct cache_names *n, int64_t object_id);
/* -errno with a text. */
int cache_code_no(struct cache_names *n, int64_t stack_id, uint32_t *code);
/* Label of the phase at a time; -1: in none, -2: no phases were told. */
int64_t cache_phase_at(struct cache_names *n, int64_t t_ns);
/* Of objects of which no stack is known. */
int cache_no_stack(struct cache_names *n, uint32_t *where);

/* Sums by key. The first part of a key is the event's number in the upper half, and in the lower half what
 * stands here; the second part is told, too. */
enum cache_group {
	BY_CELL,   /* where; level x 4 + tlb */
	BY_WEIGHT, /* where; level x 65536 + the bucket of the weight */
	BY_OFFSET, /* where; offset / 8 and the code's number in the lower half */
	BY_CODE,   /* code; level */
	BY_THREAD, /* nothing; tid */
	BY_PHASE,  /* nothing; label, or as cache_phase_at() */
	BY_PLACE,  /* nothing; quality x 256 + place + 1 */
	CACHE_GROUPS
};

/* Their sums. EXTRA: of cells and offsets, samples a second or more after the recording began; of threads and
 * phases, latency from DRAM; of places, samples that write. WEIGHT: of places, samples with one; of threads
 * and phases, periods from DRAM. */
enum { SAMPLES, WEIGHT, PERIOD, LATENCY, EXTRA };

/* What came after the largest number of keys: in place of where, or code. */
#define CACHE_REST 0xffffffffLL

/* Sums of a line of 64 bytes, by its number and by where: 0 is the first place seen, which has the rest. */
enum { LINE_WHERE, LINE_MASK, LINE_TID, LINE_FLAGS, LINE_SAMPLES };
enum { LINE_WRITTEN = 1, LINE_SHARED = 2 };

struct cache_sums {
	struct cache_names names;
	struct mp_groups *group[CACHE_GROUPS];
	struct mp_groups *lines;
	struct size_range {
		uint64_t least, most;
	} * size; /* by site: sizes of its objects that were hit */
	size_t sizes;
	struct cache_sample batch[CACHE_BATCH]; /* read, not yet added */
	size_t waiting;
	int64_t start_ns;
	int64_t left_out; /* samples of lines beyond the largest number of them */
};

/* Reads the columns of cache_columns. 0; 1: not of an event that is looked at; -errno. */
extern const char cache_columns[];
int cache_read_sample(struct cache_names *n, sqlite3_value **row, struct cache_sample *out);

static inline uint64_t cache_bit(uint32_t event, int level)
{
	return event < CACHE_DISTINCT_EVENTS ? 1ULL << (event * MP_LEVELS + (uint32_t)level) : 0;
}

static inline uint64_t cache_bits_of_event(uint32_t event)
{
	return ((1ULL << MP_LEVELS) - 1) << (event * MP_LEVELS);
}

/* write.c: the sums as tables. */
int cache_write(struct cache_sums *u, struct mp_session *s, struct mp_err *err);

/* sharing.c: who touches the lines that several threads touch; a second pass, where there are such. */
int cache_find_sharing(
    struct cache_sums *u, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif

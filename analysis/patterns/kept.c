/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/kept.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "store/histogram.h"
#include "store/op.h"

#define SITES_MOST  (1U << 18)
#define STACKS_MOST (1LL << 22) /* stack numbers beyond are taken for no stack */

struct load {
	struct mp_kept_calls *out;
	const struct mp_report_scope *scope;
	struct mp_err *err;
	size_t room;
	uint32_t *stack_site; /* by stack_id */
	int64_t stacks;
	uint32_t no_stack;
};

struct key {
	int64_t t_ns;
	uint32_t index;
};

static int failed(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static bool set_site(struct load *l, int64_t stack_id, uint32_t site)
{
	if (stack_id < 0 || stack_id >= STACKS_MOST)
		return true;
	if (stack_id >= l->stacks) {
		int64_t stacks = stack_id < 1024 ? 1024 : stack_id * 2;
		uint32_t *grown = realloc(l->stack_site, (size_t)stacks * sizeof(*grown));

		if (!grown)
			return false;
		for (int64_t i = l->stacks; i < stacks; i++)
			grown[i] = l->no_stack;
		l->stack_site = grown;
		l->stacks = stacks;
	}
	l->stack_site[stack_id] = site;
	return true;
}

static int load_sites(struct mp_session *s, struct load *l, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = true;
	int rc =
	    sqlite3_prepare_v2(mp_session_db(s), "SELECT stack_id, site FROM stack_site", -1, &stmt, NULL);

	l->no_stack = mp_texts_id(l->out->sites, "[no stack]");
	while (ok && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *site = (const char *)sqlite3_column_text(stmt, 1);

		rc = SQLITE_OK;
		ok = set_site(l, sqlite3_column_int64(stmt, 0), mp_texts_id(l->out->sites, site ? site : ""));
	}
	sqlite3_finalize(stmt);
	if (!ok)
		return out_of_memory(err);
	return rc == SQLITE_DONE ? 0 : failed(s, err);
}

bool mp_kept_is_drawn(int64_t call_id, uint32_t thinned)
{
	uint64_t x = (uint64_t)call_id * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	return !((x >> 40) & (thinned - 1));
}

static void thin(struct load *l)
{
	struct mp_kept_calls *k = l->out;
	size_t n = 0;

	k->thinned *= 2;
	for (size_t i = 0; i < k->n; i++)
		if (mp_kept_is_drawn(k->call[i].call_id, k->thinned))
			k->call[n++] = k->call[i];
	k->n = n;
}

static bool add(struct load *l, const struct mp_kept_call *c)
{
	struct mp_kept_calls *k = l->out;

	while (k->n == MP_KEPT_MOST)
		if (k->thinned < 1U << 16)
			thin(l);
		else
			return true;
	if (k->n == l->room) {
		size_t room = l->room ? l->room * 2 : 4096;
		struct mp_kept_call *grown = realloc(k->call, room * sizeof(*grown));

		if (!grown)
			return false;
		k->call = grown;
		l->room = room;
	}
	if (mp_kept_is_drawn(c->call_id, k->thinned))
		k->call[k->n++] = *c;
	return true;
}

/* false: nothing that can be used. */
static bool read_call(sqlite3_value **row, const struct load *l, struct mp_kept_call *c)
{
	int64_t op = sqlite3_value_int64(row[3]), weight = sqlite3_value_int64(row[6]);
	int64_t kept = sqlite3_value_int64(row[7]), stack = sqlite3_value_int64(row[8]);
	int64_t tid = sqlite3_value_int64(row[2]);

	*c = (struct mp_kept_call){.call_id = sqlite3_value_int64(row[0]),
	    .t_ns = sqlite3_value_int64(row[1]),
	    .tid = tid > 0 && tid <= INT32_MAX ? (int32_t)tid : 0,
	    .op = (uint8_t)op,
	    .size_bytes = sqlite3_value_int64(row[4]),
	    .dur_ns = sqlite3_value_int64(row[5]),
	    .weight = weight < UINT32_MAX ? (uint32_t)weight : UINT32_MAX,
	    .kept = (uint8_t)kept,
	    .site = stack >= 0 && stack < l->stacks ? l->stack_site[stack] : l->no_stack};
	return op >= 0 && op < MP_OP_COUNT && weight >= 1 && kept >= MP_KEPT_OUTLIER &&
	       kept <= MP_KEPT_FULL && c->dur_ns >= 0 && c->size_bytes >= 0;
}

/* Chosen here: conditions in SQL would take a third of the time more. */
static bool is_covered(const struct mp_kept_calls *k, const struct mp_kept_call *c, int64_t tid)
{
	return c->t_ns >= k->from_ns && c->t_ns < k->to_ns && (!tid || c->tid == tid);
}

static int add_row(void *ctx, sqlite3_value **row)
{
	struct load *l = ctx;
	struct mp_kept_call c;

	if (!read_call(row, l, &c) || !is_covered(l->out, &c, l->scope->tid))
		return 0;
	return add(l, &c) ? 0 : out_of_memory(l->err);
}

static int by_time(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Calls are written nearly in order. Keys are sorted and the calls then moved once: a third of the time and
 * the memory of sorting the calls themselves. */
static int sort(struct mp_kept_calls *k, struct mp_err *err)
{
	size_t i = 1;

	while (i < k->n && k->call[i - 1].t_ns <= k->call[i].t_ns)
		i++;
	if (i >= k->n)
		return 0;
	struct key *key = malloc(k->n * sizeof(*key));
	if (!key)
		return out_of_memory(err);
	for (i = 0; i < k->n; i++)
		key[i] = (struct key){k->call[i].t_ns, (uint32_t)i};
	qsort(key, k->n, sizeof(*key), by_time);
	/* Along each cycle of the permutation; what is in place points at itself. */
	for (i = 0; i < k->n; i++) {
		struct mp_kept_call moved = k->call[i];
		size_t to = i;

		for (size_t from; (from = key[to].index) != i && from != to; to = from) {
			k->call[to] = k->call[from];
			key[to].index = (uint32_t)to;
		}
		k->call[to] = moved;
		key[to].index = (uint32_t)to;
	}
	free(key);
	return 0;
}

/* For each operation the lowest bucket of which everything counts as an outlier, of rows that are kept in
 * full. */
static int full_limits(const struct mp_kept_calls *k, unsigned int limit[MP_OP_COUNT], struct mp_err *err)
{
	uint32_t(*bucket)[MP_HIST_BUCKETS] = calloc(MP_OP_COUNT, sizeof(*bucket));
	size_t calls[MP_OP_COUNT] = {0};

	if (!bucket)
		return out_of_memory(err);
	for (size_t i = 0; i < k->n; i++)
		if (k->call[i].kept == MP_KEPT_FULL) {
			bucket[k->call[i].op][mp_hist_bucket((uint64_t)k->call[i].dur_ns)]++;
			calls[k->call[i].op]++;
		}
	for (int op = 0; op < MP_OP_COUNT; op++) {
		size_t most = calls[op] / 20 < 500 ? calls[op] / 20 : 500, above = 0;

		most = most > calls[op] / 1000 ? most : calls[op] / 1000;
		limit[op] = MP_HIST_BUCKETS;
		while (limit[op] > 0 && above + bucket[op][limit[op] - 1] <= most)
			above += bucket[op][--limit[op]];
	}
	free(bucket);
	return 0;
}

static int find_outliers(struct mp_kept_calls *k, struct mp_err *err)
{
	unsigned int limit[MP_OP_COUNT];
	int rc = full_limits(k, limit, err);

	if (rc)
		return rc;
	k->outlier = malloc((k->n + 1) * sizeof(*k->outlier));
	if (!k->outlier)
		return out_of_memory(err);
	for (size_t i = 0; i < k->n; i++) {
		const struct mp_kept_call *c = &k->call[i];

		if (c->kept == MP_KEPT_OUTLIER ||
		    (c->kept == MP_KEPT_FULL && mp_hist_bucket((uint64_t)c->dur_ns) >= limit[c->op]))
			k->outlier[k->outliers++] = (uint32_t)i;
	}
	return 0;
}

int mp_kept_load(
    struct mp_session *s, const struct mp_report_scope *scope, struct mp_kept_calls *out, struct mp_err *err)
{
	struct load l = {.out = out, .scope = scope, .err = err};

	*out = (struct mp_kept_calls){.session = s,
	    .from_ns = scope->from_ns > scope->start_ns ? scope->from_ns : scope->start_ns,
	    .to_ns = scope->to_ns < scope->end_ns ? scope->to_ns : scope->end_ns,
	    .thinned = 1,
	    .sites = mp_texts_new(SITES_MOST)};
	/* Differences of times have to fit: no recording is 146 years long. */
	if (out->from_ns < -(INT64_MAX / 2))
		out->from_ns = -(INT64_MAX / 2);
	if (out->to_ns > INT64_MAX / 2)
		out->to_ns = INT64_MAX / 2;
	if (!out->sites)
		return out_of_memory(err);
	int rc = load_sites(s, &l, err);
	if (!rc)
		rc = mp_each_row(s,
		    "SELECT 1 FROM call WHERE"
		    " mp_take(?4, call_id, t_ns, tid, op_id, size_bytes, dur_ns, weight, kept, stack_id)",
		    scope, add_row, &l, err);
	free(l.stack_site);
	if (!rc)
		rc = sort(out, err);
	return rc ? rc : find_outliers(out, err);
}

void mp_kept_free(struct mp_kept_calls *k)
{
	free(k->call);
	free(k->outlier);
	mp_texts_free(k->sites);
	*k = (struct mp_kept_calls){0};
}

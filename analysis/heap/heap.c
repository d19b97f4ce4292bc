/* SPDX-License-Identifier: MIT */
#include "analysis/heap/heap.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/stats/survival.h"
#include "store/embed.h"
#include "store/histogram.h"

#define STEPS    60   /* of the strip */
#define INSTANTS 4096 /* at which a site's peak is looked for */

enum { ALIVE, FREED, MOVED, LOST }; /* table block, column ended */

struct block {
	uint32_t site;
	uint8_t ended;
	bool is_crossed;
	int64_t born_ns, died_ns; /* died_ns INT64_MAX: it has not */
	double size, weight;
};

struct stack {
	int64_t stack_id;
	uint32_t site;
};

/* An estimate, and the variance that drawing gives it: sum of w (w - 1) y^2. */
struct sum {
	double value, variance;
};

struct heap {
	struct mp_session *session;
	const struct mp_report_scope *scope;
	struct mp_err *err;
	int64_t from_ns, to_ns, half_ns;
	struct stack *stack; /* by stack_id */
	size_t n_stacks, stacks_room;
	uint32_t n_sites; /* the largest number of one, and 1 */
	struct block *block;
	size_t n, room;
	struct mp_lifetime *life; /* room for those of a site */
	double *change;           /* [INSTANTS + 1] */
};

static int failed(struct heap *h)
{
	return mp_err_set(h->err, EIO, "cannot read %s: %s", mp_session_path(h->session),
	    sqlite3_errmsg(mp_session_db(h->session)));
}

static int no_memory(struct heap *h)
{
	return mp_err_set(h->err, ENOMEM, "cannot read %s: out of memory", mp_session_path(h->session));
}

static void add(struct sum *s, const struct block *b, double y)
{
	s->value += b->weight * y;
	s->variance += b->weight * (b->weight - 1) * y * y;
}

static double sd(const struct sum *s)
{
	return s->variance > 0 ? sqrt(s->variance) : 0;
}

/* ---- Reading ---- */

static bool make_room(void **array, size_t *room, size_t n, size_t size)
{
	if (n < *room)
		return true;
	size_t more = *room ? 2 * *room : 1024;
	void *bigger = reallocarray(*array, more, size);
	if (!bigger)
		return false;
	*array = bigger;
	*room = more;
	return true;
}

static int read_stacks(struct heap *h)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_ERROR;

	h->n_sites = 1;
	if (sqlite3_prepare_v2(mp_session_db(h->session),
		"SELECT stack_id, site_no FROM stack_site JOIN temp.heap_site_name USING (site) ORDER BY "
		"stack_id",
		-1, &st, NULL) != SQLITE_OK)
		return failed(h);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		if (!make_room((void **)&h->stack, &h->stacks_room, h->n_stacks, sizeof(*h->stack)))
			break;
		struct stack *s = &h->stack[h->n_stacks++];
		*s = (struct stack){sqlite3_column_int64(st, 0), (uint32_t)sqlite3_column_int64(st, 1)};
		h->n_sites = s->site >= h->n_sites ? s->site + 1 : h->n_sites;
	}
	int rc = step == SQLITE_DONE ? 0 : step == SQLITE_ROW ? no_memory(h) : failed(h);
	sqlite3_finalize(st);
	return rc;
}

static int by_id(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	return x->stack_id < y->stack_id ? -1 : x->stack_id > y->stack_id;
}

static uint32_t site_of(const struct heap *h, int64_t stack_id)
{
	const struct stack key = {.stack_id = stack_id}, *found;

	/* Stacks are numbered from 1 on, and all are there: the first guess is right. */
	if (stack_id > 0 && (uint64_t)stack_id <= h->n_stacks && h->stack[stack_id - 1].stack_id == stack_id)
		return h->stack[stack_id - 1].site;
	found = h->n_stacks ? bsearch(&key, h->stack, h->n_stacks, sizeof(key), by_id) : NULL;
	return found ? found->site : 0;
}

/* stack_id, size_bytes, weight, born_ns, died_ns, ended, crossed */
static int take_block(void *ctx, sqlite3_value **row)
{
	struct heap *h = ctx;
	double weight = sqlite3_value_double(row[2]), size = (double)sqlite3_value_int64(row[1]);
	int64_t ended = sqlite3_value_int64(row[5]), died_ns = sqlite3_value_int64(row[4]);
	bool is_over = ended != ALIVE && died_ns < h->to_ns;

	/* A session may come from anybody. */
	if (!(weight >= 1 && weight < 1e18) || size < 0 || ended < ALIVE || ended > LOST ||
	    (is_over && died_ns < h->from_ns))
		return 0;
	if (!make_room((void **)&h->block, &h->room, h->n, sizeof(*h->block)))
		return -ENOMEM;
	h->block[h->n++] = (struct block){.site = site_of(h, sqlite3_value_int64(row[0])),
	    .ended = is_over ? (uint8_t)ended : ALIVE,
	    .is_crossed = sqlite3_value_int(row[6]),
	    .born_ns = sqlite3_value_int64(row[3]),
	    .died_ns = is_over ? died_ns : INT64_MAX,
	    .size = size,
	    .weight = weight};
	return 0;
}

static int read_blocks(struct heap *h)
{
	struct mp_report_scope scope = *h->scope;

	scope.to_ns = h->to_ns;
	int rc = mp_each_row(h->session,
	    "SELECT 1 FROM block WHERE born_ns < ?2 AND (?3 = 0 OR tid = ?3)"
	    " AND mp_take(?4, stack_id, size_bytes, weight, born_ns, died_ns, ended,"
	    " free_tid IS NOT NULL AND free_tid <> tid)",
	    &scope, take_block, h, h->err);
	return rc == -ENOMEM ? no_memory(h) : rc;
}

static int by_site(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->site < y->site ? -1 : x->site > y->site;
}

/* ---- Over time ---- */

static bool lives_at(const struct block *b, int64_t t_ns)
{
	return b->born_ns <= t_ns && b->died_ns > t_ns;
}

/* The first of `n` instants, evenly up to the end, that is not before a time; n: none is. */
static size_t instant_of(const struct heap *h, int64_t t_ns, size_t n)
{
	double share = ((double)t_ns - (double)h->from_ns) / (double)(h->to_ns - h->from_ns);
	double at = ceil(share * (double)n) - 1;

	return at <= 0 ? 0 : at >= (double)n ? n : (size_t)at;
}

static int64_t time_of(const struct heap *h, size_t instant, size_t n)
{
	return h->from_ns + (int64_t)((double)(h->to_ns - h->from_ns) * (double)(instant + 1) / (double)n);
}

/* change[i]: of what lives, at instant i. */
static void lay_out(struct heap *h, const struct block *b, size_t n, bool is_objects, size_t instants)
{
	memset(h->change, 0, (instants + 1) * sizeof(*h->change));
	for (size_t i = 0; i < n; i++) {
		double y = b[i].weight * (is_objects ? 1 : b[i].size);

		h->change[instant_of(h, b[i].born_ns, instants)] += y;
		if (b[i].died_ns < INT64_MAX)
			h->change[instant_of(h, b[i].died_ns, instants)] -= y;
	}
}

/* ---- A site ---- */

struct site {
	struct sum live_bytes, live_objects, grown;
	double born, born_bytes, ended, crossed, kept;
	double peak_bytes, p50, p99, watched;
	int64_t peak_ns;
};

static void take_growth(const struct heap *h, const struct block *b, struct sum *grown)
{
	int more = (int)lives_at(b, h->to_ns - 1) - (int)lives_at(b, h->half_ns);

	if (more)
		add(grown, b, more * b->size);
}

static void take_one(struct heap *h, const struct block *b, struct site *s, size_t *lives)
{
	bool is_alive = b->died_ns == INT64_MAX, is_ended = b->ended == FREED || b->ended == MOVED;
	double lived = (double)(is_alive ? h->to_ns : b->died_ns) - (double)b->born_ns;

	if (is_alive) {
		add(&s->live_bytes, b, b->size);
		add(&s->live_objects, b, 1);
	}
	take_growth(h, b, &s->grown);
	if (is_ended) {
		s->ended += b->weight;
		s->crossed += b->is_crossed ? b->weight : 0;
	}
	if (b->born_ns < h->from_ns)
		return; /* those of its like that have ended before are not here: its lifetime says nothing */
	s->born += b->weight;
	s->born_bytes += b->weight * b->size;
	s->kept += is_alive ? b->weight : 0;
	s->watched = lived > s->watched ? lived : s->watched;
	h->life[(*lives)++] = (struct mp_lifetime){lived > 0 ? lived : 0, b->weight, is_ended};
}

static void find_peak(struct heap *h, const struct block *b, size_t n, struct site *s)
{
	double now = 0;

	lay_out(h, b, n, false, INSTANTS);
	for (size_t i = 0; i < INSTANTS; i++) {
		now += h->change[i];
		if (now <= s->peak_bytes)
			continue;
		s->peak_bytes = now;
		s->peak_ns = time_of(h, i, INSTANTS);
	}
}

static struct site sum_site(struct heap *h, const struct block *b, size_t n)
{
	struct site s = {0};
	size_t lives = 0;

	for (size_t i = 0; i < n; i++)
		take_one(h, &b[i], &s, &lives);
	mp_survival_sort(h->life, lives);
	s.p50 = mp_survival_quantile(h->life, lives, 0.5);
	s.p99 = mp_survival_quantile(h->life, lives, 0.99);
	find_peak(h, b, n, &s);
	return s;
}

/* ---- The tables ---- */

static void bind_real(sqlite3_stmt *st, int i, double v)
{
	if (isfinite(v))
		sqlite3_bind_double(st, i, v);
	else
		sqlite3_bind_null(st, i);
}

/* What is told in whole ns. */
static void bind_whole(sqlite3_stmt *st, int i, double v)
{
	if (isfinite(v) && fabs(v) < 9e18)
		sqlite3_bind_int64(st, i, (int64_t)v);
	else
		sqlite3_bind_null(st, i);
}

static int prepare(struct heap *h, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v2(mp_session_db(h->session), sql, -1, st, NULL) == SQLITE_OK ? 0 : failed(h);
}

static int put(struct heap *h, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(h);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static int write_site(struct heap *h, sqlite3_stmt *st, uint32_t site, size_t rows, const struct site *s)
{
	const double real[] = {s->live_bytes.value, sd(&s->live_bytes), s->live_objects.value,
	    sd(&s->live_objects), s->peak_bytes};

	sqlite3_bind_int64(st, 1, site);
	sqlite3_bind_int64(st, 2, (int64_t)rows);
	for (int i = 0; i < 5; i++)
		bind_real(st, 3 + i, real[i]);
	if (s->peak_ns)
		sqlite3_bind_int64(st, 8, s->peak_ns);
	bind_real(st, 9, s->born);
	bind_real(st, 10, s->born_bytes);
	bind_whole(st, 11, s->p50);
	bind_whole(st, 12, s->p99);
	bind_whole(st, 13, s->watched);
	bind_real(st, 14, s->ended > 0 ? s->crossed / s->ended : NAN);
	bind_real(st, 15, s->born > 0 ? s->kept / s->born : NAN);
	bind_real(st, 16, s->grown.value);
	bind_real(st, 17, sd(&s->grown));
	return put(h, st);
}

static int write_sites(struct heap *h)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(h, "INSERT INTO temp.heap_site VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &st);

	for (size_t i = 0, next; !rc && i < h->n; i = next) {
		for (next = i; next < h->n && h->block[next].site == h->block[i].site;)
			next++;
		struct site s = sum_site(h, &h->block[i], next - i);
		rc = write_site(h, st, h->block[i].site, next - i, &s);
	}
	sqlite3_finalize(st);
	return rc;
}

static int write_sizes(struct heap *h)
{
	struct {
		struct sum bytes;
		double objects, born;
		int64_t rows;
	} of[MP_SIZE_CLASSES] = {0};
	sqlite3_stmt *st = NULL;
	int rc = prepare(h, "INSERT INTO temp.heap_size VALUES (?,?,?,?,?,?)", &st);

	for (size_t i = 0; i < h->n; i++) {
		const struct block *b = &h->block[i];
		unsigned int c = mp_size_class((uint64_t)b->size);

		of[c].rows++;
		of[c].born += b->born_ns >= h->from_ns ? b->weight : 0;
		if (b->died_ns == INT64_MAX) {
			add(&of[c].bytes, b, b->size);
			of[c].objects += b->weight;
		}
	}
	for (int c = 0; !rc && c < MP_SIZE_CLASSES; c++) {
		if (!of[c].rows)
			continue;
		sqlite3_bind_int64(st, 1, c);
		sqlite3_bind_int64(st, 2, of[c].rows);
		bind_real(st, 3, of[c].bytes.value);
		bind_real(st, 4, of[c].objects);
		bind_real(st, 5, sd(&of[c].bytes));
		bind_real(st, 6, of[c].born);
		rc = put(h, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int write_steps(struct heap *h)
{
	double objects[STEPS], bytes_now = 0, objects_now = 0;
	sqlite3_stmt *st = NULL;
	int rc = prepare(h, "INSERT INTO temp.heap_step VALUES (?,?,?,?,?)", &st);

	lay_out(h, h->block, h->n, true, STEPS);
	memcpy(objects, h->change, sizeof(objects));
	lay_out(h, h->block, h->n, false, STEPS);
	for (size_t i = 0; !rc && i < STEPS; i++) {
		bytes_now += h->change[i];
		objects_now += objects[i];
		sqlite3_bind_int64(st, 1, (int64_t)i);
		sqlite3_bind_int64(st, 2, time_of(h, i, STEPS));
		sqlite3_bind_int64(st, 3, (h->to_ns - h->from_ns) / STEPS);
		bind_real(st, 4, bytes_now > 0 ? bytes_now : 0);
		bind_real(st, 5, objects_now > 0 ? objects_now : 0);
		rc = put(h, st);
	}
	sqlite3_finalize(st);
	return rc;
}

/* In how many of the parts of the second half more came than went. */
static int count_rises(struct heap *h)
{
	int rises = 0;

	lay_out(h, h->block, h->n, false, 2 * MP_HEAP_SEGMENTS);
	for (int i = 0; i < MP_HEAP_SEGMENTS; i++)
		rises += h->change[MP_HEAP_SEGMENTS + i] > 0;
	return rises;
}

static int write_scope(struct heap *h)
{
	struct sum bytes = {0}, objects = {0}, grown = {0};
	int64_t lost = 0;
	sqlite3_stmt *st = NULL;
	int rc = prepare(h, "INSERT INTO temp.heap_scope VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", &st);

	for (size_t i = 0; i < h->n; i++) {
		const struct block *b = &h->block[i];

		lost += b->ended == LOST;
		take_growth(h, b, &grown);
		if (b->died_ns == INT64_MAX) {
			add(&bytes, b, b->size);
			add(&objects, b, 1);
		}
	}
	const int64_t whole[] = {h->from_ns, h->to_ns, (int64_t)h->n, lost};
	const double real[] = {bytes.value, sd(&bytes), objects.value, sd(&objects)};
	for (int i = 0; !rc && i < 4; i++) {
		sqlite3_bind_int64(st, 1 + i, whole[i]);
		bind_real(st, 5 + i, real[i]);
	}
	if (!rc) {
		sqlite3_bind_int64(st, 9, h->half_ns);
		bind_real(st, 10, grown.value);
		bind_real(st, 11, sd(&grown));
		sqlite3_bind_int(st, 12, count_rises(h));
		sqlite3_bind_int(st, 13, MP_HEAP_SEGMENTS);
		rc = put(h, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int fill(struct heap *h)
{
	int rc = read_stacks(h);

	if (!rc)
		rc = read_blocks(h);
	if (rc)
		return rc;
	if (h->n)
		qsort(h->block, h->n, sizeof(*h->block), by_site);
	h->life = malloc((h->n + 1) * sizeof(*h->life));
	h->change = malloc((INSTANTS + 1) * sizeof(*h->change));
	if (!h->life || !h->change)
		return no_memory(h);
	rc = write_sites(h);
	if (!rc)
		rc = write_sizes(h);
	if (!rc && h->n)
		rc = write_steps(h);
	return rc ? rc : write_scope(h);
}

int mp_heap_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct heap h = {.session = s, .scope = scope, .err = err};
	sqlite3 *db = mp_session_db(s);
	int rc = 0;

	h.from_ns = scope->from_ns > scope->start_ns ? scope->from_ns : scope->start_ns;
	h.to_ns = scope->to_ns < scope->end_ns ? scope->to_ns : scope->end_ns;
	if (h.to_ns <= h.from_ns)
		h.to_ns = h.from_ns + 1;
	h.half_ns = h.from_ns + (h.to_ns - h.from_ns) / 2;
	if (sqlite3_exec(db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY", NULL, NULL, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(db, mp_embedded_text("sql/heap/tables.sql"), NULL, NULL, NULL) != SQLITE_OK)
		rc = failed(&h);
	if (!rc)
		rc = fill(&h);
	sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
	free(h.stack);
	free(h.block);
	free(h.life);
	free(h.change);
	return rc;
}

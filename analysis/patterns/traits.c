/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/traits.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "store/histogram.h"
#include "store/op.h"

#define CAUSES_MOST 65536

struct mp_traits_reader {
	const struct mp_kept_calls *calls;
	struct mp_texts *causes;
	uint32_t *known; /* the number + 1 of each call's cause, as far as it was read */
	sqlite3_stmt *cause, *thread;
};

static const char *const op_names[] = {
#define NAME(NAME, name, size, ptr) name,
    MP_OPS(NAME)
#undef NAME
};

const char *mp_trait_name(enum mp_trait trait)
{
	static const char *const names[] = {"cause", "thread", "site", "size", "op"};

	return names[trait];
}

struct mp_traits_reader *mp_traits_open(const struct mp_kept_calls *calls, struct mp_err *err)
{
	/* The part of the time that is longest: what says most about why. */
	static const char cause[] =
	    "SELECT CASE WHEN detail IS NULL OR detail = '' THEN kind ELSE kind || ' (' || detail || ')' END"
	    " FROM cause WHERE call_id = ?1 ORDER BY dur_ns DESC, kind LIMIT 1";
	static const char thread[] = "SELECT comm FROM thread WHERE tid = ?1 AND comm IS NOT NULL"
				     " ORDER BY start_ns DESC LIMIT 1";
	sqlite3 *db = mp_session_db(calls->session);
	struct mp_traits_reader *r = calloc(1, sizeof(*r));

	if (r) {
		r->calls = calls;
		r->causes = mp_texts_new(CAUSES_MOST);
		r->known = calloc(calls->n + 1, sizeof(*r->known));
	}
	if (!r || !r->causes || !r->known) {
		mp_traits_close(r);
		mp_err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (sqlite3_prepare_v2(db, cause, -1, &r->cause, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, thread, -1, &r->thread, NULL) == SQLITE_OK)
		return r;
	mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(calls->session), sqlite3_errmsg(db));
	mp_traits_close(r);
	return NULL;
}

void mp_traits_close(struct mp_traits_reader *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->cause);
	sqlite3_finalize(r->thread);
	mp_texts_free(r->causes);
	free(r->known);
	free(r);
}

/* The number of a call's largest cause; < 0: it cannot be read. */
static int64_t read_cause(struct mp_traits_reader *r, uint32_t index)
{
	const char *text = NULL;

	if (r->known[index])
		return r->known[index] - 1;
	sqlite3_bind_int64(r->cause, 1, r->calls->call[index].call_id);
	int rc = sqlite3_step(r->cause);
	if (rc == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(r->cause, 0);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		r->known[index] = mp_texts_id(r->causes, text ? text : "unexplained") + 1;
	sqlite3_reset(r->cause);
	return (int64_t)r->known[index] - 1;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

int mp_traits_read(
    struct mp_traits_reader *r, const uint32_t *index, size_t n, struct mp_traits *out, struct mp_err *err)
{
	out->n = n < MP_TRAITS_MOST ? n : MP_TRAITS_MOST;
	for (size_t i = 0; i < out->n; i++) {
		uint32_t at = index[i * n / out->n];
		const struct mp_kept_call *c = &r->calls->call[at];
		int64_t cause = read_cause(r, at);

		if (cause < 0)
			return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(r->calls->session),
			    sqlite3_errmsg(mp_session_db(r->calls->session)));
		out->value[MP_TRAIT_CAUSE][i] = cause;
		out->value[MP_TRAIT_THREAD][i] = c->tid;
		out->value[MP_TRAIT_SITE][i] = c->site;
		out->value[MP_TRAIT_SIZE][i] =
		    c->op * MP_SIZE_CLASSES + mp_size_class((uint64_t)c->size_bytes);
		out->value[MP_TRAIT_OP][i] = c->op;
	}
	for (int t = 0; t < MP_TRAIT_COUNT; t++)
		qsort(out->value[t], out->n, sizeof(**out->value), by_value);
	return 0;
}

/* How many there are of a value in a sorted set, from *at on, which moves behind them. */
static size_t run(const struct mp_traits *set, enum mp_trait trait, int64_t value, size_t *at)
{
	size_t begin;

	while (*at < set->n && set->value[trait][*at] < value)
		++*at;
	for (begin = *at; *at < set->n && set->value[trait][*at] == value;)
		++*at;
	return *at - begin;
}

double mp_traits_excess(const struct mp_traits *in, const struct mp_traits *out, enum mp_trait trait,
    int64_t *value, double *in_share, double *out_share)
{
	double most = -2;
	size_t at = 0, beside = 0;

	*value = 0;
	*in_share = *out_share = 0;
	while (at < in->n) {
		int64_t v = in->value[trait][at];
		double i = (double)run(in, trait, v, &at) / (double)in->n;
		double o = out->n ? (double)run(out, trait, v, &beside) / (double)out->n : 0;

		if (i - o > most) {
			most = i - o;
			*value = v;
			*in_share = i;
			*out_share = o;
		}
	}
	return most;
}

int64_t mp_traits_top(const struct mp_traits *set, enum mp_trait trait, double *share)
{
	static const struct mp_traits nothing;
	int64_t value;
	double none;

	mp_traits_excess(set, &nothing, trait, &value, share, &none);
	return value;
}

static void thread_text(const struct mp_traits_reader *r, int64_t tid, char *out, size_t size)
{
	sqlite3_bind_int64(r->thread, 1, tid);
	if (sqlite3_step(r->thread) == SQLITE_ROW)
		snprintf(out, size, "%s (%" PRId64 ")", sqlite3_column_text(r->thread, 0), tid);
	else
		snprintf(out, size, "%" PRId64, tid);
	sqlite3_reset(r->thread);
}

static void size_text(int64_t value, char *out, size_t size)
{
	const char *op = op_names[value / MP_SIZE_CLASSES];
	unsigned int class = (unsigned int)(value % MP_SIZE_CLASSES);

	if (!strcmp(op, "free") || !strcmp(op, "delete"))
		snprintf(out, size, "%s", op);
	else if (class + 1 == MP_SIZE_CLASSES)
		snprintf(out, size, "%s from %llu B", op, mp_size_class_lo(class));
	else
		snprintf(
		    out, size, "%s %llu to %llu B", op, mp_size_class_lo(class), mp_size_class_hi(class));
}

void mp_traits_text(
    const struct mp_traits_reader *r, enum mp_trait trait, int64_t value, char *out, size_t size)
{
	switch (trait) {
	case MP_TRAIT_CAUSE:
		snprintf(out, size, "%s", mp_texts_text(r->causes, (uint32_t)value));
		break;
	case MP_TRAIT_SITE:
		snprintf(out, size, "%s", mp_texts_text(r->calls->sites, (uint32_t)value));
		break;
	case MP_TRAIT_THREAD:
		thread_text(r, value, out, size);
		break;
	case MP_TRAIT_SIZE:
		size_text(value, out, size);
		break;
	default:
		snprintf(out, size, "%s", op_names[value]);
	}
}

/* SPDX-License-Identifier: MIT */
#include "analysis/impact/impact.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/impact/cost.h"
#include "analysis/impact/private.h"
#include "analysis/report.h"
#include "analysis/stats/omission.h"
#include "analysis/stats/rank.h"
#include "store/embed.h"

/* Causes at sites for which percentiles are computed, a name. */
#define WHAT_IF_PAIRS 4

#define INTERVAL_MAX_US 1e9

enum table { SPAN, PART, OUTLIER, WHAT_IF, CORRECTED, LOSS, NOTE, TABLES };

static const char *const insert[TABLES] = {
    [SPAN] = "INSERT INTO temp.impact_span VALUES (?,?,?,?,?,?,?,?,?)",
    [PART] = "INSERT INTO temp.impact_part VALUES (?,?,?,?,?,?)",
    [OUTLIER] = "INSERT INTO temp.impact_outlier VALUES (?,?,?,?,?)",
    [WHAT_IF] = "INSERT INTO temp.impact_what_if VALUES (?,?,?,?,?,?,?,?,?,?)",
    [CORRECTED] = "INSERT INTO temp.impact_corrected VALUES (?,?,?,?,?,?,?,?,?)",
    [LOSS] = "INSERT INTO temp.impact_loss VALUES (?,?,?,?,?,?)",
    [NOTE] = "INSERT INTO temp.impact_note VALUES (?)",
};

struct work {
	struct mp_impact m;
	struct mp_session *s;
	struct mp_err *err;
	const struct mp_impact_options *options;
	sqlite3_stmt *insert[TABLES];
	struct mp_impact_pairs pairs;
	struct mp_impact_estimate estimate; /* of the name that is worked at */
	/* Each has room for a number of each span of the name with the most. */
	int64_t *ns[1 + WHAT_IF_PAIRS];
};

/* The name that is worked at. */
struct subject {
	int64_t n;
	const struct mp_impact_name *name;
	struct mp_percentiles p;
};

int mp_impact_add_interval(struct mp_impact_options *o, const char *text, struct mp_err *err)
{
	const char *equals = strrchr(text, '=');
	char *end = NULL;
	/* No sign, no hex, no "nan": a number begins with a digit and has an x nowhere. */
	bool number = equals && equals[1] >= '0' && equals[1] <= '9' && !strpbrk(equals, "xX");
	double us = number ? strtod(equals + 1, &end) : 0;

	if (!number || equals == text || *end || us < 0.001 || us > INTERVAL_MAX_US)
		return mp_err_set(err, EINVAL,
		    "--interval %s: give the name of a span, and the microseconds from one to the next: "
		    "tick=100",
		    text);
	struct mp_interval interval = {text, (size_t)(equals - text), (int64_t)(us * 1000 + 0.5)};
	for (size_t i = 0; i < o->intervals; i++)
		if (o->interval[i].length == interval.length &&
		    !memcmp(o->interval[i].name, text, interval.length))
			return mp_err_set(err, EINVAL, "--interval %s: %.*s was given one before", text,
			    (int)interval.length, text);
	if (o->intervals == MP_IMPACT_INTERVALS)
		return mp_err_set(
		    err, EINVAL, "--interval %s: more than %d of them", text, MP_IMPACT_INTERVALS);
	o->interval[o->intervals++] = interval;
	return 0;
}

/* Appends a row. `types` has a letter a column: i int64_t, r double, t text of a given length (pointer, int),
 * p percentiles (five columns), - NULL (no argument). */
static int put(struct work *w, enum table table, const char *types, ...)
{
	sqlite3_stmt *st = w->insert[table];
	int col = 1;
	va_list ap;

	va_start(ap, types);
	for (const char *type = types; *type; type++) {
		if (*type == 'i')
			sqlite3_bind_int64(st, col++, va_arg(ap, int64_t));
		else if (*type == 'r')
			sqlite3_bind_double(st, col++, va_arg(ap, double));
		else if (*type == 't') {
			const char *text = va_arg(ap, const char *);

			sqlite3_bind_text(st, col++, text, va_arg(ap, int), SQLITE_TRANSIENT);
		} else if (*type == 'p') {
			const struct mp_percentiles *p = va_arg(ap, const struct mp_percentiles *);
			const int64_t v[] = {p->p50_ns, p->p90_ns, p->p99_ns, p->p999_ns, p->max_ns};

			for (int i = 0; i < 5; i++)
				sqlite3_bind_int64(st, col++, v[i]);
		} else {
			sqlite3_bind_null(st, col++);
		}
	}
	va_end(ap);
	int step = sqlite3_step(st);
	sqlite3_reset(st);
	return step == SQLITE_DONE ? 0
				   : mp_err_set(w->err, EIO, "cannot analyse %s: %s", mp_session_path(w->s),
					 sqlite3_errmsg(mp_session_db(w->s)));
}

static int put_spans(struct work *w, struct subject *j)
{
	for (uint32_t i = 0; i < j->name->spans; i++)
		w->ns[0][i] = mp_impact_span_of(&w->m, j->name, i)->dur_ns;
	mp_percentiles_of(w->ns[0], j->name->spans, &j->p);
	return put(w, SPAN, "itirp", j->n, j->name->text, (int)j->name->length, (int64_t)j->name->spans,
	    j->name->time_ns, &j->p);
}

/* The share of a part is of the spans that know it; that of the tail of those at or above the p99. */
static int put_parts(struct work *w, const struct subject *j)
{
	int rc = 0;

	for (int part = 0; !rc && part < MP_IMPACT_PARTS; part++) {
		double ns = 0, of_ns = 0, tail_ns = 0, of_tail_ns = 0;
		int64_t known = 0;

		for (uint32_t i = 0; i < j->name->spans; i++) {
			const struct mp_impact_span *span = mp_impact_span_of(&w->m, j->name, i);

			if (span->part_ns[part] < 0)
				continue;
			known++;
			ns += (double)span->part_ns[part];
			of_ns += (double)span->dur_ns;
			if (span->dur_ns >= j->p.p99_ns) {
				tail_ns += (double)span->part_ns[part];
				of_tail_ns += (double)span->dur_ns;
			}
		}
		const char *types = !known ? "iii---" : of_tail_ns > 0 ? "iiirrr" : "iiirr-";
		rc = of_ns > 0 ? put(w, PART, types, j->n, (int64_t)part, known, ns, ns / of_ns,
				     of_tail_ns > 0 ? tail_ns / of_tail_ns : 0.0)
			       : put(w, PART, "iii---", j->n, (int64_t)part, known);
	}
	return rc;
}

static int put_outliers(struct work *w, const struct subject *j)
{
	int rc = 0;

	for (int outlier = 1; !rc && outlier >= 0; outlier--) {
		struct mp_percentiles p;
		size_t n = 0;

		for (uint32_t i = 0; i < j->name->spans; i++) {
			const struct mp_impact_span *span = mp_impact_span_of(&w->m, j->name, i);

			if (span->outlier == outlier)
				w->ns[0][n++] = span->dur_ns;
		}
		mp_percentiles_of(w->ns[0], n, &p);
		rc = put(w, OUTLIER, n ? "iiiii" : "iii--", j->n, (int64_t)outlier, (int64_t)n, p.p50_ns,
		    p.p99_ns);
	}
	return rc;
}

/* ---- What-if: a thing that spans could be without ---- */

struct what_if {
	const struct mp_impact_kind *kind;
	int64_t site; /* < 0: wherever it was */
	int64_t known, shorter;
	int64_t *ns; /* of each span, what it would take */
};

static void take(
    struct what_if *f, uint32_t i, const struct mp_impact_span *span, int64_t lost_ns, bool known)
{
	f->known += known;
	f->shorter += lost_ns > 0;
	f->ns[i] = span->dur_ns - lost_ns;
}

static int put_what_if(struct work *w, const struct subject *j, const struct what_if *f)
{
	struct mp_percentiles p;

	/* Of allocations there may be rows where the spans know nothing. */
	if (f->site < 0 && !f->known && !f->shorter)
		return put(w, WHAT_IF, "it-i------", j->n, f->kind->text, (int)f->kind->length, f->known);
	mp_percentiles_of(f->ns, j->name->spans, &p);
	if (f->site < 0)
		return put(w, WHAT_IF, "it-iip", j->n, f->kind->text, (int)f->kind->length, f->known,
		    f->shorter, &p);
	return put(w, WHAT_IF, "iti-ip", j->n, f->kind->text, (int)f->kind->length, f->site, f->shorter, &p);
}

static int put_without_parts(struct work *w, const struct subject *j)
{
	static const struct {
		enum mp_impact_part part;
		int kind;
	} without[] = {{MP_IMPACT_FAULT, MP_IMPACT_KIND_FAULT}, {MP_IMPACT_OFF_CPU, MP_IMPACT_KIND_OFF_CPU},
	    {MP_IMPACT_GC, MP_IMPACT_KIND_GC}};
	int rc = 0;

	for (size_t k = 0; !rc && k < sizeof(without) / sizeof(*without); k++) {
		struct what_if f = {&w->m.kind[without[k].kind], -1, 0, 0, w->ns[0]};

		for (uint32_t i = 0; i < j->name->spans; i++) {
			const struct mp_impact_span *span = mp_impact_span_of(&w->m, j->name, i);

			take(&f, i, span, mp_impact_lost_part(span, without[k].part),
			    span->part_ns[without[k].part] >= 0);
		}
		rc = put_what_if(w, j, &f);
	}
	return rc;
}

/* The causes at sites that took the most of the slowest spans' time; with equal times, of all spans'. */
static size_t strongest(const struct mp_impact_pairs *pairs, uint32_t key[WHAT_IF_PAIRS])
{
	const struct mp_impact_pair *best[WHAT_IF_PAIRS];
	size_t n = 0;

	for (size_t i = 0; i < MP_IMPACT_PAIRS; i++) {
		const struct mp_impact_pair *p = &pairs->pair[i];
		size_t at;

		if (!p->spans || mp_impact_key_site(p->key) >= MP_IMPACT_SITE_OTHER)
			continue;
		for (at = n; at > 0; at--) {
			const struct mp_impact_pair *o = best[at - 1];

			if (p->tail_ns < o->tail_ns ||
			    (p->tail_ns == o->tail_ns && p->total_ns <= o->total_ns))
				break;
			if (at < WHAT_IF_PAIRS)
				best[at] = o;
		}
		if (at < WHAT_IF_PAIRS)
			best[at] = p;
		n += n < WHAT_IF_PAIRS;
	}
	for (size_t i = 0; i < n; i++)
		key[i] = best[i]->key;
	return n;
}

/* All that needs a look at calls takes the same one: it is memory that costs. */
static int put_without_calls(struct work *w, const struct subject *j)
{
	static const struct mp_impact_kind alloc = {.text = "alloc", .length = 5};
	struct what_if f[1 + WHAT_IF_PAIRS] = {{&alloc, -1, 0, 0, w->ns[0]}};
	uint32_t key[WHAT_IF_PAIRS];
	int64_t lost_ns[WHAT_IF_PAIRS];
	size_t n = strongest(&w->pairs, key);
	int rc = 0;

	for (size_t k = 0; k < n; k++)
		f[1 + k] = (struct what_if){
		    &w->m.kind[mp_impact_key_kind(key[k])], mp_impact_key_site(key[k]), 0, 0, w->ns[1 + k]};
	for (uint32_t i = 0; i < j->name->spans; i++) {
		const struct mp_impact_span *span = mp_impact_span_of(&w->m, j->name, i);
		mp_impact_fetch(&w->m, j->name, i);
		bool known = span->part_ns[MP_IMPACT_ALLOC] >= 0 &&
			     (w->estimate.sampled > 0 || span->alloc_calls <= span->calls);

		take(&f[0], i, span, mp_impact_lost_alloc(&w->m, span, &w->estimate), known);
		mp_impact_lost_pairs(&w->m, span, key, n, lost_ns);
		for (size_t k = 0; k < n; k++)
			take(&f[1 + k], i, span, lost_ns[k], false);
	}
	for (size_t k = 0; !rc && k < 1 + n; k++)
		rc = put_what_if(w, j, &f[k]);
	return rc;
}

/* ---- What the user asked for besides ---- */

static bool is_of(const struct mp_interval *interval, const struct mp_impact_name *name)
{
	return interval->length == name->length && !memcmp(interval->name, name->text, name->length);
}

static int put_corrected(struct work *w, const struct subject *j)
{
	struct mp_percentiles p;
	double all;
	int rc = 0;

	for (size_t i = 0; !rc && i < w->options->intervals; i++) {
		const struct mp_interval *interval = &w->options->interval[i];

		if (!is_of(interval, j->name))
			continue;
		for (uint32_t k = 0; k < j->name->spans; k++)
			w->ns[0][k] = mp_impact_span_of(&w->m, j->name, k)->dur_ns;
		mp_omission_correct(w->ns[0], j->name->spans, interval->ns, &p, &all);
		rc = put(
		    w, CORRECTED, "iiiip", j->n, interval->ns, (int64_t)0, (int64_t)j->name->spans, &j->p);
		if (!rc)
			rc = put(w, CORRECTED, "iiiip", j->n, interval->ns, (int64_t)1, (int64_t)all, &p);
	}
	return rc;
}

static int put_loss(struct work *w, const struct subject *j)
{
	int rc = 0;

	if (!w->options->cost)
		return 0;
	mp_impact_pairs_clear(&w->pairs);
	mp_impact_loss(&w->m, j->name, j->p.p50_ns, &w->estimate, w->options->cost, &w->pairs);
	for (size_t i = 0; !rc && i < MP_IMPACT_PAIRS; i++) {
		const struct mp_impact_pair *p = &w->pairs.pair[i];
		const struct mp_impact_kind *kind = &w->m.kind[mp_impact_key_kind(p->key)];

		if (p->spans)
			rc = put(w, LOSS, "itiirr", j->n, kind->text, (int)kind->length,
			    (int64_t)mp_impact_key_site(p->key), (int64_t)p->spans, p->late_ns, p->cost);
	}
	return rc;
}

static int put_name(struct work *w, int64_t n, const struct mp_impact_name *name)
{
	struct subject j = {.n = n, .name = name};
	int rc = put_spans(w, &j);

	mp_impact_pairs_clear(&w->pairs);
	mp_impact_survey(&w->m, name, j.p.p99_ns, &w->pairs, &w->estimate);
	if (!rc)
		rc = put_parts(w, &j);
	if (!rc)
		rc = put_outliers(w, &j);
	if (!rc)
		rc = put_without_calls(w, &j);
	if (!rc)
		rc = put_without_parts(w, &j);
	if (!rc)
		rc = put_corrected(w, &j);
	return rc ? rc : put_loss(w, &j);
}

/* ---- The whole ---- */

static int by_time(const void *a, const void *b)
{
	const struct mp_impact_name *x = *(struct mp_impact_name *const *)a,
				    *y = *(struct mp_impact_name *const *)b;

	return (x->time_ns < y->time_ns) - (x->time_ns > y->time_ns);
}

static int put_names(struct work *w)
{
	const struct mp_impact_name *name[MP_IMPACT_NAMES] = {NULL};
	uint32_t most = 0;
	int rc = 0;

	for (uint32_t i = 0; i < w->m.names; i++) {
		name[i] = &w->m.name[i];
		most = name[i]->spans > most ? name[i]->spans : most;
	}
	qsort(name, w->m.names, sizeof(*name), by_time);
	for (size_t i = 0; i < 1 + WHAT_IF_PAIRS; i++)
		if (!(w->ns[i] = malloc((most + 1) * sizeof(**w->ns))))
			return mp_err_set(w->err, ENOMEM, "out of memory");
	for (uint32_t i = 0; !rc && i < w->m.names; i++)
		rc = put_name(w, i, name[i]);
	return rc;
}

static int put_notes(struct work *w)
{
	char text[200];
	int rc = 0;

	if (!w->m.spans)
		return put(w, NOTE, "t",
		    "no spans: mark them in the program (MPSAMPLE_SPAN_BEGIN), or name functions with record "
		    "--spans",
		    -1);
	if (w->m.unlooked) {
		snprintf(text, sizeof(text),
		    "%" PRIu32 " spans lie over so many others that their kept calls were not looked at",
		    w->m.unlooked);
		rc = put(w, NOTE, "t", text, -1);
	}
	return rc;
}

/* An interval of a name that no span has would give an empty table and no reason. */
static int check_intervals(struct work *w)
{
	char all[200] = "no spans";

	for (size_t i = 0; i < w->options->intervals; i++) {
		const struct mp_interval *interval = &w->options->interval[i];
		bool found = false;
		size_t n = 0;

		for (uint32_t k = 0; k < w->m.names; k++) {
			found |= is_of(interval, &w->m.name[k]);
			if (n < sizeof(all))
				n += (size_t)snprintf(
				    all + n, sizeof(all) - n, "%s%s", n ? ", " : "", w->m.name[k].text);
		}
		if (!found)
			return mp_err_set(w->err, EINVAL,
			    "--interval %.*s: no span has that name: there are %s", (int)interval->length,
			    interval->name, all);
	}
	return 0;
}

static int make_tables(struct work *w)
{
	sqlite3 *db = mp_session_db(w->s);
	int rc = sqlite3_exec(db, mp_embedded_text("sql/temp/impact.sql"), NULL, NULL, NULL);

	for (int i = 0; rc == SQLITE_OK && i < TABLES; i++)
		rc = sqlite3_prepare_v2(db, insert[i], -1, &w->insert[i], NULL);
	return rc == SQLITE_OK ? 0
			       : mp_err_set(w->err, EIO, "cannot analyse %s: %s", mp_session_path(w->s),
				     sqlite3_errmsg(db));
}

int mp_impact_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct work *w = calloc(1, sizeof(*w));
	sqlite3 *db = mp_session_db(s);

	if (!w)
		return mp_err_set(err, ENOMEM, "out of memory");
	w->s = s;
	w->err = err;
	w->options = &scope->impact;
	/* All is read once, from beginning to end: a page that was read is of no use again. */
	sqlite3_exec(
	    db, "PRAGMA query_only=OFF; PRAGMA cache_size=-4096; SAVEPOINT impact", NULL, NULL, NULL);
	int rc = make_tables(w);
	if (!rc)
		rc = mp_impact_load(&w->m, s, scope, err);
	if (!rc)
		rc = check_intervals(w);
	if (!rc)
		rc = mp_impact_pairs_new(&w->pairs, err);
	if (!rc)
		rc = mp_impact_estimate_new(&w->estimate, err);
	if (!rc)
		rc = put_names(w);
	if (!rc)
		rc = put_notes(w);
	for (int i = 0; i < TABLES; i++)
		sqlite3_finalize(w->insert[i]);
	sqlite3_exec(db, "RELEASE impact; PRAGMA cache_size=-65536; PRAGMA query_only=ON", NULL, NULL, NULL);
	mp_impact_pairs_free(&w->pairs);
	mp_impact_estimate_free(&w->estimate);
	mp_impact_free(&w->m);
	for (size_t i = 0; i < 1 + WHAT_IF_PAIRS; i++)
		free(w->ns[i]);
	free(w);
	return rc;
}

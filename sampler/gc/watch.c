/* SPDX-License-Identifier: MIT */
#include "sampler/gc/watch.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/functions/read.h"
#include "sampler/gc/gauge.h"
#include "sampler/gc/predict.h"
#include "sampler/profile.h"
#include "store/append_gc.h"

#define COVERAGE 0.9 /* of the intervals */

/* Pauses that follow each other faster are not predicted: the looks come ten times a second. */
#define CYCLE_MIN_NS 250000000

#define TELL_NS 1000000000

/* So many of a cycle are stored: of one of minutes not each look's. */
#define STORED_OF_CYCLE 16

/* As the runtime was at a look. Whether a pause had begun before that is known only at the next one. */
struct look {
	int64_t t_ns; /* 0: none */
	uint64_t allocated;
	double filled, limit; /* of gauges; < 0: not known */
};

struct runtime {
	struct mp_gc_predictor *predictor;
	struct look look;
	char kinds[2 * MP_GC_NAME_BYTES]; /* of the pauses so far that the law is of; empty: there was none */
	int64_t pause_ns;
	uint64_t allocated;         /* at that */
	double committed;           /* of the pools that are the limit, after it; < 0: not known */
	int64_t told_ns, stored_ns; /* the last predictions */
	bool has_settings;
};

struct mp_gc_watch {
	const struct mp_target *target;
	const struct mp_gc_set *set;
	struct mp_session *session;
	bool tells;
	struct runtime runtimes[MP_GC_RUNTIMES_MAX];
};

struct mp_gc_watch *mp_gc_watch_new(
    const struct mp_target *t, const struct mp_gc_set *set, struct mp_session *session, bool tells)
{
	struct mp_gc_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct mp_gc_watch){.target = t, .set = set, .session = session, .tells = tells};
	for (size_t i = 0; i < MP_GC_RUNTIMES_MAX; i++) {
		w->runtimes[i].committed = -1;
		w->runtimes[i].predictor = mp_gc_predictor_new(COVERAGE);
		if (!w->runtimes[i].predictor) {
			mp_gc_watch_free(w);
			return NULL;
		}
	}
	return w;
}

void mp_gc_watch_free(struct mp_gc_watch *w)
{
	for (size_t i = 0; w && i < MP_GC_RUNTIMES_MAX; i++)
		if (w->runtimes[i].predictor)
			mp_gc_predictor_free(w->runtimes[i].predictor);
	free(w);
}

/* ---- The law ---- */

static bool counts(const struct mp_gc_runtime *rt)
{
	return rt->counts_allocated && rt->profile.law_filled && !strcmp(rt->profile.law_filled, "allocated");
}

static bool is_of_law(const struct mp_gc_profile *p, const struct mp_gc_row *row)
{
	return row->is_pause && (!p->law_kind || mp_profile_glob(p->law_kind, row->kind ? row->kind : ""));
}

static const char *pool_of_limit(const struct mp_gc_profile *p)
{
	static const char prefix[] = "pool:";

	return p->law_limit && !strncmp(p->law_limit, prefix, sizeof(prefix) - 1)
		   ? p->law_limit + sizeof(prefix) - 1
		   : NULL;
}

static double committed_of(const struct mp_gc_collected *c, const char *glob)
{
	double sum = -1;

	for (size_t i = 0; glob && i < c->n_pools; i++)
		if (!fnmatch(glob, c->pools[i].name, 0) && c->pools[i].committed >= 0)
			sum = (sum < 0 ? 0 : sum) + (double)c->pools[i].committed;
	return sum;
}

static void take_sample(struct runtime *r, const struct mp_gc_runtime *rt, int64_t t_ns, uint64_t allocated,
    const struct look *look)
{
	if (counts(rt))
		mp_gc_predictor_sample(
		    r->predictor, t_ns, (double)(allocated - r->allocated), r->kinds[0] ? r->committed : -1);
	else if (look && look->filled >= 0)
		mp_gc_predictor_sample(r->predictor, t_ns, look->filled, look->limit);
}

static void take_look(struct runtime *r, const struct mp_gc_runtime *rt)
{
	if (r->look.t_ns && (r->kinds[0] || !counts(rt)))
		take_sample(r, rt, r->look.t_ns, r->look.allocated, &r->look);
	r->look.t_ns = 0;
}

/* One more word, where it is none of them. */
static void add_kind(struct runtime *r, const char *kind)
{
	size_t n = strlen(r->kinds);

	if (!mp_profile_glob(r->kinds, kind) && n + strlen(kind) + 2 < sizeof(r->kinds))
		snprintf(r->kinds + n, sizeof(r->kinds) - n, "%s%s", n ? " " : "", kind);
}

void mp_gc_watch_collected(struct mp_gc_watch *w, const struct mp_gc_collected *c)
{
	struct runtime *r = &w->runtimes[c->runtime];
	const struct mp_gc_runtime *rt = &w->set->runtimes[c->runtime];
	double committed = committed_of(c, pool_of_limit(&rt->profile));

	if (committed >= 0)
		r->committed = committed;
	if (!is_of_law(&rt->profile, c->row))
		return;
	if (r->look.t_ns && r->look.t_ns <= c->row->t_ns)
		take_look(r, rt);
	if (r->kinds[0])
		take_sample(r, rt, c->row->t_ns, c->allocated, NULL);
	mp_gc_predictor_pause(r->predictor, c->row->t_ns);
	r->pause_ns = c->row->t_ns;
	r->allocated = c->allocated;
	add_kind(r, c->row->kind ? c->row->kind : "");
}

/* ---- Looks ---- */

static int store(struct mp_gc_watch *w, const struct mp_gc_runtime *rt, const char *name, double value,
    int64_t now_ns, struct mp_err *err)
{
	char text[2 * MP_GC_NAME_BYTES];

	snprintf(text, sizeof(text), "%.40s.%.48s", rt->profile.name, name);
	return mp_append_pressure(w->session, now_ns, text, value, err);
}

/* What gauges of a runtime said at a look; NAN: nothing. */
struct readings {
	const struct mp_gc_runtime *rt;
	double value[MP_GC_GAUGES_MAX];
};

/* Of the gauge whose name is the first word of a text. */
static double reading(const struct readings *r, const char *text)
{
	size_t n = text ? strcspn(text, " ") : 0;

	for (size_t i = 0; n && i < r->rt->n_gauges; i++)
		if (strlen(r->rt->gauges[i].name) == n && !strncmp(r->rt->gauges[i].name, text, n))
			return r->value[i];
	return NAN;
}

/* "a", or "a - b", within what the profile says; < 0: not known. */
static double limit_by(const struct readings *r)
{
	const struct mp_gc_profile *p = &r->rt->profile;
	const char *minus = p->law_limit ? strstr(p->law_limit, " - ") : NULL;
	double goal = reading(r, p->law_limit), limit = minus ? goal - reading(r, minus + 3) : goal, least,
	       most;

	if (p->law_within && sscanf(p->law_within, "%*s %lf %lf", &least, &most) == 2) {
		double from = reading(r, p->law_within);
		limit = fmin(fmax(limit, from + least * (goal - from)), from + most * (goal - from));
	}
	return isfinite(limit) ? limit : -1;
}

static int store_setting(
    struct mp_gc_watch *w, const struct mp_gc_runtime *rt, const struct mp_gc_gauge *g, struct mp_err *err)
{
	char text[MP_GC_TEXT_BYTES];
	uint64_t value;

	if (g->is_text ? !mp_gc_read_text(w->target, &g->value, &g->text_bytes, text)
		       : !mp_fetch_read(w->target, &g->value, &value))
		return 0;
	if (!g->is_text)
		snprintf(text, sizeof(text), "%" PRId64, (int64_t)value);
	return mp_append_gc_setting(w->session, rt->profile.name, g->name, text, err);
}

static int store_settings(struct mp_gc_watch *w, size_t runtime, struct mp_err *err)
{
	const struct mp_gc_runtime *rt = &w->set->runtimes[runtime];
	bool *has = &w->runtimes[runtime].has_settings;
	int ret = 0;

	for (size_t i = 0; !ret && !*has && i < rt->n_gauges; i++)
		if (rt->gauges[i].is_setting)
			ret = store_setting(w, rt, &rt->gauges[i], err);
	*has = true;
	return ret;
}

static int look_at(
    struct mp_gc_watch *w, size_t runtime, uint64_t allocated, int64_t now_ns, struct mp_err *err)
{
	struct look *look = &w->runtimes[runtime].look;
	const struct mp_gc_runtime *rt = &w->set->runtimes[runtime];
	struct readings r = {.rt = rt};
	uint64_t value;
	int ret = 0;

	*look = (struct look){.t_ns = now_ns, .allocated = allocated, .filled = -1, .limit = -1};
	if (rt->counts_allocated)
		ret = store(w, rt, "allocated_bytes", (double)allocated, now_ns, err);
	for (size_t i = 0; !ret && i < rt->n_gauges; i++) {
		const struct mp_gc_gauge *g = &rt->gauges[i];
		r.value[i] = NAN;
		if (g->is_setting || !mp_fetch_read(w->target, &g->value, &value))
			continue;
		r.value[i] = (double)value;
		ret = store(w, rt, g->name, (double)value, now_ns, err);
	}
	if (isfinite(reading(&r, rt->profile.law_filled)))
		look->filled = reading(&r, rt->profile.law_filled);
	look->limit = limit_by(&r);
	return ret;
}

/* ---- Predictions ---- */

static void tell(struct runtime *r, const struct mp_gc_prediction_row *p)
{
	if (p->made_ns - r->told_ns < TELL_NS)
		return;
	r->told_ns = p->made_ns;
	fprintf(stderr, "mpsample: %s: next %s collection in %.2f s (%.2f to %.2f, %g %%)\n", p->runtime,
	    p->kind, (double)(p->due_ns - p->made_ns) / 1e9, (double)(p->lo_ns - p->made_ns) / 1e9,
	    (double)(p->hi_ns - p->made_ns) / 1e9, p->coverage * 100);
}

static int predict(struct mp_gc_watch *w, size_t runtime, int64_t now_ns, struct mp_err *err)
{
	struct runtime *r = &w->runtimes[runtime];
	struct mp_gc_prediction_row row = {.made_ns = now_ns,
	    .runtime = w->set->runtimes[runtime].profile.name,
	    .kind = r->kinds,
	    .coverage = COVERAGE};

	if (!r->kinds[0] || !mp_gc_predictor_ask(r->predictor, now_ns, &row.due_ns, &row.lo_ns, &row.hi_ns) ||
	    row.due_ns - r->pause_ns < CYCLE_MIN_NS)
		return 0;
	if (w->tells)
		tell(r, &row);
	if (now_ns - r->stored_ns < (row.due_ns - r->pause_ns) / STORED_OF_CYCLE)
		return 0;
	r->stored_ns = now_ns;
	return mp_append_gc_prediction(w->session, &row, err);
}

int mp_gc_watch_step(struct mp_gc_watch *w, int64_t now_ns,
    const uint64_t allocated[static MP_GC_RUNTIMES_MAX], struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < w->set->n_runtimes; i++) {
		take_look(&w->runtimes[i], &w->set->runtimes[i]);
		ret = store_settings(w, i, err);
		if (!ret)
			ret = look_at(w, i, allocated[i], now_ns, err);
		if (!ret)
			ret = predict(w, i, now_ns, err);
	}
	return ret;
}

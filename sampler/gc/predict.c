/* SPDX-License-Identifier: MIT */
#include "sampler/gc/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RECENT      9   /* collections whose intervals and triggers count: the median of them */
#define STAGES      9   /* by what is left of a cycle: none, up to an eighth, ... up to all of it */
#define ERRORS      64  /* of a stage that are remembered */
#define ERRORS_FEW  16  /* with fewer, those of stages beside it count, too */
#define ERRORS_MIN  8   /* with fewer of all, the interval comes of the intervals */
#define REMEMBER    0.9 /* how much a cycle counts, compared with the one after it */
#define FIRST_NS    1e9 /* a cycle, as long as none has been seen */
#define LEFT_MAX_NS 1e16
#define LEFT_MIN    0.01 /* of a cycle: what is overdue is due so soon */

enum { RATES = 4, BETWEEN = RATES, LAST_INTERVAL, MEDIAN_INTERVAL, RULES };

/* The windows of the rates, in cycles. */
static const double window[RATES] = {0.125, 0.5, 2, 8};

/* Before it has been seen which is best: like so many cycles with this error. */
static const double prior_loss[RULES] = {0.4, 0.35, 0.3, 0.35, 0.35, 0.45, 0.4};

struct recent {
	double value[RECENT];
	unsigned int n, at;
};

/* What was predicted at one time of a cycle. */
struct made {
	int64_t t_ns;
	double left_ns[RULES]; /* <= 0: the rule could not tell */
	double told_ns;        /* that of the rule that was chosen */
	unsigned int seen;     /* so many could have been taken in its place */
};

struct stage {
	double loss[RULES], weight[RULES]; /* sums that fade, of |log error| */
	double errors[ERRORS];             /* what was left, as a part of what was told; the last ones */
	unsigned int n, at;
	struct made made; /* one of this cycle, any with the same chance */
};

struct mp_gc_predictor {
	double coverage;
	uint64_t random;

	bool has_sample, is_of_cycle; /* is_of_cycle: the last sample is of the cycle that lasts */
	int64_t sample_ns;
	double filled, limit, base; /* base: as the cycle began */
	double grown[RATES], during_ns[RATES];

	bool has_pause;
	int64_t pause_ns;
	struct recent intervals; /* in ns, or ns of each unit of the limit where that was known */
	struct recent triggers;  /* what was filled then, likewise */
	struct stage stage[STAGES];
};

struct mp_gc_predictor *mp_gc_predictor_new(double coverage)
{
	struct mp_gc_predictor *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->coverage = coverage >= 0.5 ? fmin(coverage, 0.99) : 0.5;
	p->random = 0x9e3779b97f4a7c15; /* the same course has the same predictions */
	return p;
}

void mp_gc_predictor_free(struct mp_gc_predictor *p)
{
	free(p);
}

/* ---- What is recent ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void add(struct recent *r, double value)
{
	r->value[r->at] = value;
	r->at = (r->at + 1) % RECENT;
	r->n += r->n < RECENT;
}

/* Of those above `floor`; < 0: there are none. */
static double median_above(const struct recent *r, double floor)
{
	double sorted[RECENT];
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n; i++)
		if (r->value[i] > floor)
			sorted[n++] = r->value[i];
	if (!n)
		return -1;
	qsort(sorted, n, sizeof(*sorted), by_size);
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* What intervals and triggers are told by. */
static double unit(const struct mp_gc_predictor *p)
{
	return p->limit > 0 ? p->limit : 1;
}

static double cycle_ns(const struct mp_gc_predictor *p)
{
	double median = median_above(&p->intervals, 0);

	return median > 0 ? median * unit(p) : FIRST_NS;
}

static uint64_t random_below(struct mp_gc_predictor *p, uint64_t n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random % n;
}

/* ---- The rules ---- */

/* 0: it does not fill, or that is not known. */
static double rate(const struct mp_gc_predictor *p, int i)
{
	return p->during_ns[i] > 0 ? p->grown[i] / p->during_ns[i] : 0;
}

/* At how much the next collection begins; 0: not known. */
static double target(const struct mp_gc_predictor *p)
{
	double trigger = median_above(&p->triggers, 0);

	if (trigger > 0)
		return trigger * unit(p);
	return p->limit > 0 ? p->limit : 0;
}

static double left_by_rate(const struct mp_gc_predictor *p, double per_ns, int64_t now_ns)
{
	double goal = target(p);

	if (!p->is_of_cycle || goal <= 0 || per_ns <= 0)
		return 0;
	double left_ns = (goal - p->filled) / per_ns - (double)(now_ns - p->sample_ns);
	return fmin(fmax(left_ns, LEFT_MIN * cycle_ns(p)), LEFT_MAX_NS);
}

/* The typical one of those intervals that are longer than this one is already. */
static double left_by_intervals(const struct mp_gc_predictor *p, double interval, int64_t now_ns)
{
	double since_ns = (double)(now_ns - p->pause_ns), all_ns = interval * unit(p);

	if (!p->intervals.n)
		return 0;
	double left_ns = interval > 0 ? all_ns - since_ns : cycle_ns(p) / 4;
	return fmin(fmax(left_ns, LEFT_MIN * cycle_ns(p)), LEFT_MAX_NS);
}

static void apply_rules(const struct mp_gc_predictor *p, int64_t now_ns, double left_ns[RULES])
{
	double since = (double)(now_ns - p->pause_ns) / unit(p);

	for (int i = 0; i < RATES; i++)
		left_ns[i] = left_by_rate(p, rate(p, i), now_ns);
	/* Between what it does now and what it does in general: a burst ends. */
	left_ns[BETWEEN] = left_by_rate(p, sqrt(rate(p, 0) * rate(p, RATES - 1)), now_ns);
	left_ns[LAST_INTERVAL] =
	    left_by_intervals(p, p->intervals.value[(p->intervals.at + RECENT - 1) % RECENT], now_ns);
	left_ns[MEDIAN_INTERVAL] = left_by_intervals(p, median_above(&p->intervals, since), now_ns);
}

/* How far the cycle is: by what is filled, or by its time. That does not depend on what is predicted. */
static unsigned int stage_of(const struct mp_gc_predictor *p, int64_t now_ns)
{
	double goal = target(p), left;

	if (p->is_of_cycle && goal > p->base)
		left = (goal - p->filled - rate(p, 1) * (double)(now_ns - p->sample_ns)) / (goal - p->base);
	else
		left = 1 - (double)(now_ns - p->pause_ns) / cycle_ns(p);
	if (!(left > 0))
		return 0;
	return 1 + (unsigned int)fmin(left * (STAGES - 1), STAGES - 2);
}

static double loss_of(const struct stage *s, int rule)
{
	return (s->loss[rule] + prior_loss[rule]) / (s->weight[rule] + 1);
}

/* 0: nothing is known. */
static double choose(const struct stage *s, const double left_ns[RULES])
{
	int best = -1;

	for (int i = 0; i < RULES; i++)
		if (left_ns[i] > 0 && (best < 0 || loss_of(s, i) < loss_of(s, best)))
			best = i;
	return best < 0 ? 0 : left_ns[best];
}

/* Keeps one of those that were made in each stage of a cycle, so that each cycle counts once. */
static double predict(struct mp_gc_predictor *p, int64_t now_ns, unsigned int *stage)
{
	struct made made = {.t_ns = now_ns};
	struct stage *s = &p->stage[ *stage = stage_of(p, now_ns)];

	apply_rules(p, now_ns, made.left_ns);
	made.told_ns = choose(s, made.left_ns);
	if (made.told_ns > 0) {
		made.seen = s->made.seen + 1;
		if (!random_below(p, made.seen))
			s->made = made;
		s->made.seen = made.seen;
	}
	return made.told_ns;
}

/* ---- What comes in ---- */

static void learn_rates(struct mp_gc_predictor *p, double grown, double during_ns)
{
	double cycle = cycle_ns(p);

	for (int i = 0; i < RATES; i++) {
		double fade = exp(-during_ns / (window[i] * cycle));
		p->grown[i] = p->grown[i] * fade + grown;
		p->during_ns[i] = p->during_ns[i] * fade + during_ns;
	}
}

void mp_gc_predictor_sample(struct mp_gc_predictor *p, int64_t t_ns, double filled, double limit)
{
	unsigned int stage;

	if (!isfinite(filled) || filled < 0 || (p->has_sample && t_ns < p->sample_ns) ||
	    (p->has_pause && t_ns < p->pause_ns))
		return;
	if (!p->is_of_cycle || filled < p->filled)
		p->base = filled; /* a collection that was not told, where it has become less */
	else if (t_ns > p->sample_ns)
		learn_rates(p, filled - p->filled, (double)(t_ns - p->sample_ns));
	bool is_known = isfinite(limit) && limit > 0;
	if (is_known != (p->limit > 0)) /* what was learned is told in another unit */
		p->intervals.n = p->intervals.at = p->triggers.n = p->triggers.at = 0;
	p->limit = is_known ? limit : 0;
	p->filled = filled;
	p->sample_ns = t_ns;
	p->has_sample = p->is_of_cycle = true;
	predict(p, t_ns, &stage);
}

static void score(struct stage *s, int64_t t_ns)
{
	double left_ns = (double)(t_ns - s->made.t_ns);

	if (!s->made.seen || left_ns <= 0)
		return;
	for (int i = 0; i < RULES; i++) {
		if (s->made.left_ns[i] <= 0)
			continue;
		s->loss[i] = s->loss[i] * REMEMBER + fabs(log(left_ns / s->made.left_ns[i]));
		s->weight[i] = s->weight[i] * REMEMBER + 1;
	}
	s->errors[s->at] = left_ns / s->made.told_ns;
	s->at = (s->at + 1) % ERRORS;
	s->n += s->n < ERRORS;
}

void mp_gc_predictor_pause(struct mp_gc_predictor *p, int64_t t_ns)
{
	if (p->has_pause && t_ns <= p->pause_ns)
		return;
	for (int i = 0; i < STAGES; i++) {
		score(&p->stage[i], t_ns);
		memset(&p->stage[i].made, 0, sizeof(p->stage[i].made));
	}
	if (p->has_pause)
		add(&p->intervals, (double)(t_ns - p->pause_ns) / unit(p));
	if (p->is_of_cycle) {
		double since_ns = fmax((double)(t_ns - p->sample_ns), 0);
		add(&p->triggers, (p->filled + rate(p, 1) * since_ns) / unit(p));
	}
	p->has_pause = true;
	p->is_of_cycle = false;
	p->pause_ns = t_ns;
}

/* ---- The interval ---- */

/* What was left, as parts of what a rule had told: the least, the middle and the greatest to be expected. */
struct parts {
	double lo, due, hi;
};

static unsigned int take_errors(const struct stage *s, double *out, unsigned int n)
{
	memcpy(out + n, s->errors, s->n * sizeof(*out));
	return n + s->n;
}

static struct parts parts_of_intervals(const struct mp_gc_predictor *p)
{
	double least = INFINITY, most = 0, median = median_above(&p->intervals, 0);

	if (p->intervals.n < 3 || median <= 0)
		return (struct parts){0.25, 1, 4};
	for (unsigned int i = 0; i < p->intervals.n; i++) {
		least = fmin(least, p->intervals.value[i]);
		most = fmax(most, p->intervals.value[i]);
	}
	return (struct parts){least / median / 2, 1, most / median * 2};
}

/* Of n errors and the one to come each order is as likely, so that the ranks leave out what they may. */
static struct parts parts_of_errors(const struct mp_gc_predictor *p, unsigned int stage)
{
	double errors[STAGES * ERRORS], out = (1 - p->coverage) / 2;
	unsigned int n = take_errors(&p->stage[stage], errors, 0);

	for (unsigned int d = 1; n < ERRORS_FEW && d < STAGES; d++) {
		if (stage >= d)
			n = take_errors(&p->stage[stage - d], errors, n);
		if (stage + d < STAGES)
			n = take_errors(&p->stage[stage + d], errors, n);
	}
	if (n < ERRORS_MIN)
		return parts_of_intervals(p);
	qsort(errors, n, sizeof(*errors), by_size);
	double from = floor((n + 1) * out), to = ceil((n + 1) * (1 - out));
	return (struct parts){.lo = from < 1 ? errors[0] / 2 : errors[(unsigned int)from - 1],
	    .due = (errors[(n - 1) / 2] + errors[n / 2]) / 2,
	    .hi = to > n ? errors[n - 1] * 2 : errors[(unsigned int)to - 1]};
}

static int64_t after(int64_t now_ns, double left_ns)
{
	int64_t left = (int64_t)fmin(left_ns, LEFT_MAX_NS);

	return now_ns > INT64_MAX - left ? INT64_MAX : now_ns + left;
}

bool mp_gc_predictor_ask(
    struct mp_gc_predictor *p, int64_t now_ns, int64_t *due_ns, int64_t *lo_ns, int64_t *hi_ns)
{
	unsigned int stage;

	if ((p->has_pause && now_ns < p->pause_ns) || (p->has_sample && now_ns < p->sample_ns))
		return false;
	double left_ns = predict(p, now_ns, &stage);
	if (left_ns <= 0)
		return false;
	struct parts parts = parts_of_errors(p, stage);
	*due_ns = after(now_ns, left_ns * parts.due);
	*lo_ns = after(now_ns, left_ns * parts.lo);
	*hi_ns = after(now_ns, left_ns * parts.hi);
	return true;
}

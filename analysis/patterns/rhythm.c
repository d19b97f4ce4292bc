/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/rhythm.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/patterns/beat.h"
#include "analysis/patterns/spectrum.h"
#include "analysis/stats/tail.h"

#define SHORTEST_BIN_NS 125000 /* 1 ms / MP_SPECTRUM_SHORTEST */
#define BUDGET          (1 << 20)
#define RANGES          5 /* each MP_SPECTRUM_LONGEST / MP_SPECTRUM_SHORTEST times longer than the one before */
#define LONGEST_NS                                                                                           \
	(14LL * 86400 * 1000000000) /* of a recording: what a broken file claims beyond is not looked at */
#define HARMONICS    1024
#define REJECTS      8    /* lines that turn out to be no rhythm of their own */
#define SAMPLE       4096 /* events that tell a period */
#define LEAST_EVENTS 8

struct search {
	int64_t from_ns, to_ns;
	const int64_t *t_ns; /* all events, */
	uint8_t *owner;
	size_t n;
	int known;
	size_t budget; /* bins of a range that are transformed */
	/* Bursts, by their first event, without those that rhythms explain. */
	int64_t *alive;  /* when, */
	uint32_t *first; /* and which event */
	size_t alive_n;
	struct mp_spectrum range[RANGES];
	double tests; /* frequencies in them */
	double masked_hz[REJECTS];
	int masks;
};

struct line {
	int range;
	double hz, log_p;
};

static void collapse(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		int64_t t = s->t_ns[i];

		if (s->owner[i] || (s->alive_n && t - s->alive[s->alive_n - 1] < MP_RHYTHM_BURST_NS))
			continue;
		s->first[s->alive_n] = (uint32_t)i;
		s->alive[s->alive_n++] = t;
	}
}

/* The event behind the last one of a burst. */
static size_t burst_end(const struct search *s, size_t burst)
{
	size_t i = s->first[burst];

	while (i < s->n && s->t_ns[i] - s->alive[burst] < MP_RHYTHM_BURST_NS)
		i++;
	return i;
}

static void clear(struct search *s)
{
	for (int r = 0; r < RANGES; r++)
		mp_spectrum_clear(&s->range[r]);
}

static int transform(struct search *s)
{
	int64_t bin_ns = SHORTEST_BIN_NS;

	clear(s);
	s->tests = 0;
	for (int r = 0; r < RANGES; r++) {
		int rc = mp_spectrum_make(
		    s->alive, s->alive_n, s->from_ns, s->to_ns, bin_ns, s->budget, &s->range[r]);

		if (rc)
			return rc;
		if (s->range[r].log_p)
			s->tests += 2 * (double)(s->range[r].hi - s->range[r].lo); /* narrow and broad */
		bin_ns *= MP_SPECTRUM_LONGEST / MP_SPECTRUM_SHORTEST;
	}
	return 0;
}

static bool is_masked(const struct search *s, double hz, double width_hz)
{
	for (int i = 0; i < s->masks; i++)
		if (fabs(hz - s->masked_hz[i]) < 3 * width_hz)
			return true;
	return false;
}

static struct line strongest(const struct search *s)
{
	struct line best = {.range = -1};

	for (int r = 0; r < RANGES; r++) {
		const struct mp_spectrum *sp = &s->range[r];

		for (size_t i = sp->lo; sp->log_p && i < sp->hi; i++) {
			double log_p = sp->log_p[i - sp->lo], hz = mp_spectrum_hz(sp, (double)i);

			if (log_p < best.log_p && !is_masked(s, hz, mp_spectrum_hz(sp, 1)))
				best = (struct line){r, hz, log_p};
		}
	}
	return best;
}

/* The log p-value of the strongest line at or beside a frequency; 0 where none of the ranges has it. */
static double line_at(const struct search *s, double hz)
{
	double least = 0;

	for (int r = 0; r < RANGES; r++) {
		const struct mp_spectrum *sp = &s->range[r];
		double index = sp->log_p ? round(hz / mp_spectrum_hz(sp, 1)) : 0;

		for (double i = index - 2; i <= index + 2; i++)
			if (sp->log_p && i >= (double)sp->lo && i < (double)sp->hi)
				least = fmin(least, sp->log_p[(size_t)i - sp->lo]);
	}
	return least;
}

/* From the period of a line to that of the rhythm: hz and length_s, over which it keeps its phase. */
struct tuned {
	double hz, length_s;
	double resultant; /* mp_beat_resultant() of that length */
};

/* The best frequency near that of `from`, by parts of the given length. */
static int tune(const struct search *s, const struct tuned *from, double length_s, struct tuned *out)
{
	struct mp_beat_sample sample;
	double shorter_s = fmin(from->length_s, length_s);
	int rc = mp_beat_sample(s->alive, s->alive_n, s->from_ns, length_s, SAMPLE, &sample);

	if (rc)
		return rc;
	out->length_s = length_s;
	out->hz = mp_beat_peak(&sample, from->hz, 1 / shorter_s);
	out->resultant = mp_beat_resultant(&sample, out->hz);
	mp_beat_sample_clear(&sample);
	return 0;
}

/* Longer parts tell the frequency the better, as long as the phase is kept. */
static int lengthen(const struct search *s, struct tuned *r)
{
	double whole_s = (double)(s->to_ns - s->from_ns) * 1e-9;
	struct tuned next;
	int rc = 0;

	while (!rc && r->length_s < whole_s) {
		rc = tune(s, r, fmin(r->length_s * 2, whole_s), &next);
		if (rc || next.resultant < 0.7 * r->resultant)
			break;
		*r = next;
	}
	return rc;
}

/* Where the phase is lost within a part, the line is broad and its highest point chance: shorter parts have a
 * longer resultant. 1: they had. */
static int shorten(const struct search *s, struct tuned *r)
{
	int shortened = 0;

	while (r->length_s / 2 * r->hz >= MP_SPECTRUM_CYCLES) {
		struct tuned next;
		int rc = tune(s, r, r->length_s / 2, &next);

		if (rc)
			return rc;
		if (next.resultant < 1.4 * r->resultant)
			break;
		*r = next;
		shortened = 1;
	}
	return shortened;
}

static int refine(const struct search *s, struct tuned *r)
{
	int rc = tune(s, r, fmin(r->length_s, (double)(s->to_ns - s->from_ns) * 1e-9), r);

	if (!rc)
		rc = shorten(s, r);
	if (rc)
		return rc < 0 ? rc : 0;
	return lengthen(s, r);
}

/*
 * Sharp beats have lines at all multiples of their frequency, and any of them may be the strongest. The
 * fundamental is the lowest part of it that has a line, too, and nearly as long a resultant: a slower rhythm
 * that merely has a ratio of whole numbers to this one does not, for its beats make up less of the events.
 * Its frequency is known the better the higher the harmonic was: it is not tuned again.
 *
 * By chance alone it would rarely have so much of the resultant of what was found to be a line; of the many
 * that are asked about, only those that stand out in the spectrum, too, are looked at.
 */
static int find_fundamental(const struct search *s, struct tuned *r)
{
	double lowest_hz = MP_SPECTRUM_CYCLES * 1e9 / (double)(s->to_ns - s->from_ns);
	struct mp_beat_sample sample = {0};
	bool found = false;
	int rc = 0;

	for (int m = HARMONICS; m > 1 && !rc && !found; m--) {
		struct tuned slow = {.hz = r->hz / m};

		if (slow.hz < lowest_hz || (m > 8 && line_at(s, slow.hz) > log(0.01)))
			continue;
		slow.length_s = fmax(r->length_s, MP_SPECTRUM_CYCLES / slow.hz);
		if (sample.length_s != slow.length_s) {
			mp_beat_sample_clear(&sample);
			rc = mp_beat_sample(
			    s->alive, s->alive_n, s->from_ns, slow.length_s, 4 * SAMPLE, &sample);
		}
		slow.resultant = rc ? 0 : mp_beat_resultant(&sample, slow.hz);
		if (slow.resultant > 0.4 * r->resultant) {
			*r = slow;
			found = true;
		}
	}
	mp_beat_sample_clear(&sample);
	return rc || !found ? rc : lengthen(s, r);
}

/*
 * Half of a beat, in periods: the distance within which its events stand out most from those that are there
 * by chance, and half as much again, for what is jittered. `excess`: how many there are more than by chance.
 */
static double beat_width(const struct mp_beat_fold *f, double *excess)
{
	double far = 0, near = 0, most = 0;
	int width = 1;

	/* What is on the far side of the circle is there by chance. */
	for (int i = MP_BEAT_STEPS / 2; i < MP_BEAT_STEPS; i++)
		far += f->count[i];
	double chance = 2 * far / MP_BEAT_STEPS;

	for (int i = 0; i < MP_BEAT_STEPS / 2; i++) {
		near += f->count[i];
		double beyond = near - chance * (i + 1), significance = beyond / sqrt(near + 1);

		if (significance > most) {
			most = significance;
			width = i + 1;
		}
	}
	width = width * 3 / 2 + 1;
	*excess = -chance * width;
	for (int i = 0; i < width; i++)
		*excess += f->count[i];
	return (double)width / (2 * MP_BEAT_STEPS);
}

static bool is_on_beat(const struct mp_beat_fold *f, size_t i, double width)
{
	return f->distance[i] >= 0 && f->distance[i] < width;
}

/*
 * Takes from the search so many of the bursts at the beats that the rest is as dense there as between them: a
 * hole would be a rhythm, too.
 */
static void take_away(struct search *s, const struct mp_beat_fold *f, double width, double excess)
{
	double at_beats = 0, due = 0.5;
	size_t kept = 0;

	for (size_t i = 0; i < s->alive_n; i++)
		at_beats += is_on_beat(f, i, width);
	double keep = at_beats > excess ? (at_beats - fmax(excess, 0)) / at_beats : 0;

	for (size_t i = 0; i < s->alive_n; i++) {
		if (is_on_beat(f, i, width)) {
			due += keep;
			if (due < 1)
				continue;
			due -= 1;
		}
		s->first[kept] = s->first[i];
		s->alive[kept++] = s->alive[i];
	}
	s->alive_n = kept;
}

/* What is left of a rhythm that was found shows once more, at its period or a ratio of it, and weaker. */
static bool is_remnant(const struct mp_rhythm *r, const struct mp_rhythm *known, int n)
{
	for (int i = 0; i < n; i++) {
		double ratio = known[i].period_ns / r->period_ns;
		double slack = fmax(0.01, 4 * known[i].period_ns / known[i].locked_ns);

		if (fabs(ratio - 1) < slack)
			return true;
		/* Harmonics, and the small ratios that the beats that are missing may have. */
		if (r->events < 0.8 * known[i].events && ratio > 1.5 &&
		    fabs(ratio - round(ratio)) < fmin(0.005 * ratio, 0.02))
			return true;
		for (int k = 2; k <= 4 && r->events < 0.25 * known[i].events; k++)
			if (fabs(k * ratio - round(k * ratio)) < 0.02 && round(k * ratio) >= 1)
				return true;
	}
	return false;
}

/* How many events are in the bursts at the beats, and how many of them more than by chance. */
static void count(const struct search *s, const struct mp_beat_fold *f, double width, struct mp_rhythm *r)
{
	size_t far = 0;

	for (size_t b = 0; b < s->alive_n; b++) {
		size_t n = burst_end(s, b) - s->first[b];

		r->members += is_on_beat(f, b, width) ? n : 0;
		far += f->distance[b] > 0.25f ? n : 0;
	}
	r->events = (double)r->members - 4 * width * (double)far;
}

static void give(struct search *s, const struct mp_beat_fold *f, double width, uint8_t id)
{
	for (size_t b = 0; b < s->alive_n; b++) {
		size_t end = burst_end(s, b);

		for (size_t i = s->first[b]; i < end && is_on_beat(f, b, width); i++)
			if (!s->owner[i])
				s->owner[i] = id;
	}
}

/* Describes a rhythm, and, if it is one and not known, gives it its events. 1, 0 if it is not, or -errno. */
static int claim(struct search *s, const struct tuned *t, double log_p, struct mp_rhythm *out, int found)
{
	struct mp_beat_fold f;
	struct mp_rhythm r = {
	    .period_ns = 1e9 / t->hz, .locked_ns = t->length_s * 1e9, .log_p = log_p, .p_value = exp(log_p)};
	double excess;
	int rc = mp_beat_fold(s->alive, s->alive_n, s->from_ns, t->hz, t->length_s, &f);

	if (rc)
		return rc;
	double width = beat_width(&f, &excess);
	bool to_the_end = r.locked_ns >= 0.999 * (double)(s->to_ns - s->from_ns);

	r.phase_ns = to_the_end ? f.phase * r.period_ns : -1;
	count(s, &f, width, &r);
	if (fmin(r.events, excess) >= LEAST_EVENTS && !is_remnant(&r, out, found)) {
		give(s, &f, width, (uint8_t)(found + 1));
		take_away(s, &f, width, excess);
		out[found] = r;
		rc = 1;
	}
	mp_beat_fold_clear(&f);
	return rc;
}

/* 1: one more was found; 0: there is none; or -errno. */
static int find_next(struct search *s, double part, struct mp_rhythm *out, int found)
{
	int rc = transform(s);
	/* Each search may spend half of what the ones before left. */
	double tests = log(fmax(s->tests, 1) * exp2(found - s->known + 1) / part);

	for (s->masks = 0; !rc && s->masks < REJECTS;) {
		struct line best = strongest(s);
		struct tuned r = {.hz = best.hz};

		if (best.range < 0 || best.log_p + tests > log(MP_RHYTHM_ALPHA))
			return 0;
		s->masked_hz[s->masks++] = best.hz;
		r.length_s = 1 / mp_spectrum_hz(&s->range[best.range], 1);
		rc = refine(s, &r);
		if (!rc)
			rc = find_fundamental(s, &r);
		if (!rc)
			rc = claim(s, &r, best.log_p + tests, out, found);
	}
	return rc;
}

int mp_rhythm_find(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, double part, uint8_t *owner,
    struct mp_rhythm *out, int known, int most)
{
	struct search s = {.from_ns = from_ns,
	    .to_ns = to_ns,
	    .t_ns = t_ns,
	    .owner = owner,
	    .n = n,
	    .known = known,
	    .budget = part < MP_RHYTHM_THOROUGH ? BUDGET / 8 : BUDGET};
	int found = known, rc = 0;

	if (to_ns <= from_ns || (uint64_t)to_ns - (uint64_t)from_ns > LONGEST_NS)
		s.to_ns = from_ns > INT64_MAX - LONGEST_NS ? INT64_MAX : from_ns + LONGEST_NS;
	while (s.n && s.t_ns[0] < s.from_ns) {
		s.t_ns++;
		s.owner++;
		s.n--;
	}
	while (s.n && s.t_ns[s.n - 1] >= s.to_ns)
		s.n--;
	s.alive = malloc((s.n + 1) * sizeof(*s.alive));
	s.first = malloc((s.n + 1) * sizeof(*s.first));
	if (s.alive && s.first)
		collapse(&s);
	else
		rc = -ENOMEM;
	while (!rc && found < most && found < UINT8_MAX) {
		rc = find_next(&s, part, out, found);
		if (rc != 1)
			break;
		found++;
		rc = 0;
	}
	clear(&s);
	free(s.alive);
	free(s.first);
	return rc < 0 ? rc : found;
}

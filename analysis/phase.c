/* SPDX-License-Identifier: MIT */
#include "analysis/phase.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SAMPLE 8192

struct part {
	size_t first, n;
};

static int by_count(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static double seconds(int64_t t_ns, int64_t from_ns)
{
	return (double)(t_ns - from_ns) * 1e-9;
}

/* The end of the part that event `first` is in. */
static size_t part_end(const int64_t *t_ns, size_t n, size_t first, int64_t from_ns, double length_s)
{
	double end = (floor(seconds(t_ns[first], from_ns) / length_s) + 1) * length_s;
	size_t i = first + 1;

	while (i < n && seconds(t_ns[i], from_ns) < end)
		i++;
	return i;
}

/* Parts that have events, those with the most first; at most `n` of them. */
static struct part *divide(const int64_t *t_ns, size_t n, int64_t from_ns, double length_s, size_t *count)
{
	struct part *part = malloc((n + 1) * sizeof(*part));

	*count = 0;
	for (size_t i = 0; part && i < n;) {
		size_t end = part_end(t_ns, n, i, from_ns, length_s);

		part[(*count)++] = (struct part){i, end - i};
		i = end;
	}
	if (part)
		qsort(part, *count, sizeof(*part), by_count);
	return part;
}

int mp_phase_sample(
    const int64_t *t_ns, size_t n, int64_t from_ns, double length_s, struct mp_phase_sample *out)
{
	size_t count, have = 0;
	struct part *part = divide(t_ns, n, from_ns, length_s, &count);

	*out = (struct mp_phase_sample){.length_s = length_s};
	out->t_s = malloc(SAMPLE * sizeof(*out->t_s));
	out->begin = malloc((SAMPLE + 1) * sizeof(*out->begin));
	if (!part || !out->t_s || !out->begin) {
		free(part);
		mp_phase_sample_clear(out);
		return -ENOMEM;
	}
	/* Of a part that is too large, events at equal distances in number; a single event says nothing. */
	for (size_t p = 0; p < count && part[p].n > 1 && have < SAMPLE; p++) {
		size_t room = SAMPLE - have, take = part[p].n < room ? part[p].n : room;

		out->begin[out->parts++] = have;
		for (size_t i = 0; i < take; i++)
			out->t_s[have++] = seconds(t_ns[part[p].first + i * part[p].n / take], from_ns);
	}
	out->begin[out->parts] = have;
	free(part);
	return 0;
}

void mp_phase_sample_clear(struct mp_phase_sample *sample)
{
	free(sample->t_s);
	free(sample->begin);
	*sample = (struct mp_phase_sample){0};
}

double mp_phase_resultant(const struct mp_phase_sample *sample, double hz)
{
	double sum = 0, pairs = 0;

	for (size_t p = 0; p < sample->parts; p++) {
		double re = 0, im = 0, n = (double)(sample->begin[p + 1] - sample->begin[p]);

		for (size_t i = sample->begin[p]; i < sample->begin[p + 1]; i++) {
			double turns = hz * sample->t_s[i], sine, cosine;

			sincos(2 * M_PI * (turns - floor(turns)), &sine, &cosine);
			re += cosine;
			im += sine;
		}
		sum += re * re + im * im - n;
		pairs += n * (n - 1);
	}
	return pairs > 0 ? sum / pairs : 0;
}

double mp_phase_peak(const struct mp_phase_sample *sample, double hz, double reach_hz)
{
	double step = 0.25 / sample->length_s, best = hz, most = -1;
	int steps = (int)fmin(ceil(reach_hz / step), 64);

	for (int i = -steps; i <= steps; i++) {
		double length = mp_phase_resultant(sample, hz + i * step);

		if (length > most) {
			most = length;
			best = hz + i * step;
		}
	}
	/* Within a step of the top the curve is smooth. */
	for (int i = 0; i < 6; i++) {
		step /= 2;
		double below = mp_phase_resultant(sample, best - step);
		double above = mp_phase_resultant(sample, best + step);

		if (below > most || above > most) {
			best += above > below ? step : -step;
			most = above > below ? above : below;
		}
	}
	return best;
}

static void fold_part(
    const int64_t *t_ns, size_t begin, size_t end, int64_t from_ns, double hz, struct mp_phase_fold *out)
{
	double re = 0, im = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = begin; i < end; i++) {
			double turns = hz * seconds(t_ns[i], from_ns), sine, cosine;

			sincos(2 * M_PI * (turns - floor(turns)), &sine, &cosine);
			if (!pass) {
				re += cosine;
				im += sine;
				continue;
			}
			/* An event must not tell where its own beat is: random ones would all be near it. */
			double x = re - cosine, y = im - sine;
			double away = fabs(atan2(sine * x - cosine * y, cosine * x + sine * y)) / (2 * M_PI);
			int at = (int)(away * 2 * MP_PHASE_STEPS);

			out->distance[i] = (float)away;
			out->count[at < MP_PHASE_STEPS ? at : MP_PHASE_STEPS - 1]++;
			out->known++;
		}
	if (out->phase < 0) {
		double phase = atan2(im, re) / (2 * M_PI);

		out->phase = phase < 0 ? phase + 1 : phase;
	}
}

int mp_phase_fold(
    const int64_t *t_ns, size_t n, int64_t from_ns, double hz, double length_s, struct mp_phase_fold *out)
{
	*out = (struct mp_phase_fold){.distance = malloc((n + 1) * sizeof(*out->distance)), .phase = -1};
	if (!out->distance)
		return -ENOMEM;
	for (size_t i = 0, end; i < n; i = end) {
		end = part_end(t_ns, n, i, from_ns, length_s);
		out->distance[i] = -1;
		if (end - i > 1)
			fold_part(t_ns, i, end, from_ns, hz, out);
	}
	return 0;
}

void mp_phase_fold_clear(struct mp_phase_fold *fold)
{
	free(fold->distance);
	*fold = (struct mp_phase_fold){0};
}

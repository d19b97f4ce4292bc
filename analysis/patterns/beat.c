/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/beat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GRID 65   /* frequencies at a time */
#define FEW  1000 /* events, of which one matters */

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

/* Sine and cosine of so many turns. */
static void phase(double turns, double *sine, double *cosine)
{
	sincos(2 * M_PI * (turns - floor(turns)), sine, cosine);
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

int mp_beat_sample(
    const int64_t *t_ns, size_t n, int64_t from_ns, double length_s, size_t most, struct mp_beat_sample *out)
{
	size_t count, have = 0;
	struct part *part = divide(t_ns, n, from_ns, length_s, &count);

	*out = (struct mp_beat_sample){.length_s = length_s};
	out->t_s = malloc(most * sizeof(*out->t_s));
	out->begin = malloc((most + 1) * sizeof(*out->begin));
	if (!part || !out->t_s || !out->begin) {
		free(part);
		mp_beat_sample_clear(out);
		return -ENOMEM;
	}
	/* Of a part that is too large, events at equal distances in number; a single event says nothing. */
	for (size_t p = 0; p < count && part[p].n > 1 && have < most; p++) {
		size_t room = most - have, take = part[p].n < room ? part[p].n : room;

		out->begin[out->parts++] = have;
		for (size_t i = 0; i < take; i++)
			out->t_s[have++] = seconds(t_ns[part[p].first + i * part[p].n / take], from_ns);
	}
	out->begin[out->parts] = have;
	free(part);
	return 0;
}

void mp_beat_sample_clear(struct mp_beat_sample *sample)
{
	free(sample->t_s);
	free(sample->begin);
	*sample = (struct mp_beat_sample){0};
}

/*
 * The resultants at hz, hz + step, ...: the phases of an event at these are turned by the same angle each
 * time, which is a quarter of the work of computing each one.
 */
static void resultants(const struct mp_beat_sample *sample, double hz, double step, double out[], int count)
{
	double re[GRID], im[GRID], pairs = 0;

	memset(out, 0, (size_t)count * sizeof(*out));
	for (size_t p = 0; p < sample->parts; p++) {
		double n = (double)(sample->begin[p + 1] - sample->begin[p]);

		memset(re, 0, sizeof(re));
		memset(im, 0, sizeof(im));
		for (size_t i = sample->begin[p]; i < sample->begin[p + 1]; i++) {
			double x, y, turn_x, turn_y;

			phase(hz * sample->t_s[i], &y, &x);
			phase(step * sample->t_s[i], &turn_y, &turn_x);
			for (int k = 0; k < count; k++) {
				double next = x * turn_x - y * turn_y;

				re[k] += x;
				im[k] += y;
				y = x * turn_y + y * turn_x;
				x = next;
			}
		}
		for (int k = 0; k < count; k++)
			out[k] += re[k] * re[k] + im[k] * im[k] - n;
		pairs += n * (n - 1);
	}
	for (int k = 0; k < count; k++)
		out[k] = pairs > 0 ? out[k] / pairs : 0;
}

double mp_beat_resultant(const struct mp_beat_sample *sample, double hz)
{
	double one;

	resultants(sample, hz, 0, &one, 1);
	return one;
}

/* The highest of `steps` steps on either side. */
static double peak(const struct mp_beat_sample *sample, double hz, double step, int steps)
{
	double length[GRID];
	int top = steps;

	resultants(sample, hz - steps * step, step, length, 2 * steps + 1);
	for (int k = 0; k <= 2 * steps; k++)
		top = length[k] > length[top] ? k : top;
	return hz + (top - steps) * step;
}

double mp_beat_peak(const struct mp_beat_sample *sample, double hz, double reach_hz)
{
	double step = 0.25 / sample->length_s;
	int steps = (int)fmin(ceil(reach_hz / step), (GRID - 1) / 2);

	/* A peak is 2 / length_s wide: from step to step it cannot hide, and within one it is smooth. */
	hz = peak(sample, hz, step, steps);
	hz = peak(sample, hz, step / 8, 8);
	return peak(sample, hz, step / 64, 8);
}

/*
 * The distance to the mean phase of the others: an event must not tell where its own beat is, or random ones
 * would all be near it. Among many that makes no difference.
 */
static double distance(double own, double re, double im, double mean, size_t n)
{
	double x, y;

	if (n < FEW) {
		phase(own, &y, &x);
		mean = atan2(im - y, re - x) / (2 * M_PI);
	}
	double away = fabs(own - mean);

	away -= floor(away);
	return away > 0.5 ? 1 - away : away;
}

static void fold_part(
    const int64_t *t_ns, size_t begin, size_t end, int64_t from_ns, double hz, struct mp_beat_fold *out)
{
	double re = 0, im = 0, x, y;

	for (size_t i = begin; i < end; i++) {
		double turns = hz * seconds(t_ns[i], from_ns);

		phase(turns, &y, &x);
		re += x;
		im += y;
		out->distance[i] = (float)(turns - floor(turns));
	}
	double mean = atan2(im, re) / (2 * M_PI);

	for (size_t i = begin; i < end; i++) {
		double away = distance(out->distance[i], re, im, mean, end - begin);
		int at = (int)(away * 2 * MP_BEAT_STEPS);

		out->distance[i] = (float)away;
		out->count[at < MP_BEAT_STEPS ? at : MP_BEAT_STEPS - 1]++;
		out->known++;
	}
	if (out->phase < 0)
		out->phase = mean < 0 ? mean + 1 : mean;
}

int mp_beat_fold(
    const int64_t *t_ns, size_t n, int64_t from_ns, double hz, double length_s, struct mp_beat_fold *out)
{
	*out = (struct mp_beat_fold){.distance = malloc((n + 1) * sizeof(*out->distance)), .phase = -1};
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

void mp_beat_fold_clear(struct mp_beat_fold *fold)
{
	free(fold->distance);
	*fold = (struct mp_beat_fold){0};
}

/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/spectrum.h"

#include <errno.h>
#include <kissfft/kiss_fftr.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/tail.h"

#define LENGTH      (1 << 15) /* bins of a part; more where events are few */
#define LENGTH_MOST (1 << 19)
#define ENOUGH      64 /* events in a part */
#define LEAST       8
#define BLOCK_LEAST 24 /* frequencies whose median is the background of a part */
#define BLOCK_MOST  256
#define BELOW       4 /* the lowest frequency that serves as a neighbour */
#define SIDE_LEAST  8 /* neighbours on one side */
#define SIDE_MOST   64
#define CELL_STEPS  10 /* a part is divided into up to 2^9 cells, to see how evenly it is filled */

struct part {
	size_t first, n; /* of the times */
	int64_t from_ns;
};

struct work {
	kiss_fftr_cfg fft;
	float *bin;
	kiss_fft_cpx *out;
	float *window;
	float *power, *scratch;
	double *upto;              /* power[0] + .. + power[i - 1], of the sums */
	float *sum, *squares;      /* over the parts */
	size_t end;                /* of these: frequencies 0 .. end - 1 */
	double filled[CELL_STEPS]; /* sum over the parts: of 2^step cells, as many as if all were alike */
};

static int by_count(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

double mp_spectrum_hz(const struct mp_spectrum *sp, double index)
{
	return index / ((double)sp->length * (double)sp->bin_ns * 1e-9);
}

void mp_spectrum_clear(struct mp_spectrum *sp)
{
	free(sp->log_p);
	*sp = (struct mp_spectrum){0};
}

/* Divides the recording into parts of equal distance, and puts those with the most events first. */
static struct part *divide(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns,
    const struct mp_spectrum *sp, size_t *count)
{
	int64_t length_ns = (int64_t)sp->length * sp->bin_ns;
	size_t parts = (size_t)((to_ns - from_ns) / length_ns), i = 0;
	struct part *part = calloc(parts, sizeof(*part));
	int64_t stride_ns = parts ? (to_ns - from_ns) / (int64_t)parts : 0;

	if (!part)
		return NULL;
	for (size_t p = 0; p < parts; p++) {
		int64_t begin = from_ns + (int64_t)p * stride_ns;

		while (i < n && t_ns[i] < begin)
			i++;
		part[p] = (struct part){.first = i, .from_ns = begin};
		while (i < n && t_ns[i] < begin + length_ns)
			i++;
		part[p].n = i - part[p].first;
	}
	qsort(part, parts, sizeof(*part), by_count);
	*count = parts;
	return part;
}

static size_t block_end(size_t begin, size_t end)
{
	size_t size = begin / 3;

	size = size < BLOCK_LEAST ? BLOCK_LEAST : size > BLOCK_MOST ? BLOCK_MOST : size;
	/* What would be left over joins the last one. */
	return begin + size + BLOCK_LEAST > end ? end : begin + size;
}

/* `n` values, n > 0; `work` has room for them. By Hoare's selection: sorting took as long as the transforms.
 */
static double median(const float *value, size_t n, float *work)
{
	size_t lo = 0, hi = n - 1, middle = n / 2;

	memcpy(work, value, n * sizeof(*work));
	while (lo < hi) {
		float pivot = work[lo + (hi - lo) / 2];
		size_t i = lo, k = hi;

		for (;; i++, k--) {
			while (work[i] < pivot)
				i++;
			while (work[k] > pivot)
				k--;
			if (i >= k)
				break;
			float swap = work[i];

			work[i] = work[k];
			work[k] = swap;
		}
		/* lo .. k <= pivot <= k + 1 .. hi */
		if (middle <= k)
			hi = k;
		else
			lo = k + 1;
	}
	return work[middle];
}

/* Divides by the background, block by block, where its median is above `unit`, that of Poisson arrivals. */
static void whiten(float *power, size_t end, double unit, float *scratch)
{
	for (size_t begin = BELOW, next; begin < end; begin = next) {
		next = block_end(begin, end);
		double background = median(power + begin, next - begin, scratch) / unit;

		for (size_t i = begin; i < next; i++)
			power[i] = (float)(power[i] / fmax(background, 1));
	}
}

static float hann(size_t i, size_t length)
{
	return (float)(0.5 - 0.5 * cos(2 * M_PI * ((double)i + 0.5) / (double)length));
}

/* From the finest cells, and those of twice the length, and so on. */
static void add_filled(double *in_cell, double n, struct work *w)
{
	for (int step = CELL_STEPS - 1; step >= 0; step--) {
		double squares = 0;

		for (int c = 0; c < 1 << step; c++)
			squares += in_cell[c] * in_cell[c];
		w->filled[step] += n * n / fmax(squares, 1);
		for (int c = 0; c < 1 << step >> 1; c++)
			in_cell[c] = in_cell[2 * c] + in_cell[2 * c + 1];
	}
}

static void add_part(
    const struct part *part, const int64_t *t_ns, const struct mp_spectrum *sp, struct work *w)
{
	double weights = 0, in_cell[1 << (CELL_STEPS - 1)] = {0};

	memset(w->bin, 0, sp->length * sizeof(*w->bin));
	for (size_t i = part->first; i < part->first + part->n; i++) {
		double x = (double)(t_ns[i] - part->from_ns) / (double)sp->bin_ns;
		size_t at = (size_t)x < sp->length ? (size_t)x : sp->length - 1;
		float upper = (float)(x - (double)at);

		w->bin[at] += 1 - upper;
		w->bin[at + 1 < sp->length ? at + 1 : at] += upper;
		weights += (double)w->window[at] * w->window[at];
		in_cell[(at << (CELL_STEPS - 1)) / sp->length]++;
	}
	add_filled(in_cell, (double)part->n, w);
	float mean = (float)((double)part->n / (double)sp->length);

	for (size_t i = 0; i < sp->length; i++)
		w->bin[i] = (w->bin[i] - mean) * w->window[i];
	kiss_fftr(w->fft, w->bin, w->out);
	for (size_t i = 0; i < w->end; i++)
		w->power[i] =
		    (float)((w->out[i].r * w->out[i].r + w->out[i].i * w->out[i].i) / fmax(weights, 1));
	whiten(w->power, w->end, M_LN2, w->scratch);
	for (size_t i = 0; i < w->end; i++) {
		w->sum[i] += w->power[i];
		w->squares[i] += w->power[i] * w->power[i];
	}
}

/* What `m` neighbours from `first` on say of the background and the shape beside them. */
static void judge(const struct work *w, size_t first, size_t m, double *background, double *shape)
{
	double parts = 0;

	*background = fmax(*background, median(w->sum + first, m, w->scratch));
	for (size_t i = first; i < first + m; i++)
		parts += (double)w->sum[i] * w->sum[i] / fmax(w->squares[i], 1e-9);
	/* Of n equal exponential variables, the squared sum is some n / 2 times the sum of squares. */
	*shape = fmin(*shape, fmax(2 * parts / (double)m - 1, 1));
}

/*
 * The log p-value of the `half` frequencies on either side of i and i itself, taken together: beats that
 * drift have a broad line. That has to stand half above the background, for a broad hump need not be a line.
 */
static float log_p_at(const struct work *w, size_t i, size_t half, size_t parts)
{
	size_t gap = 3 + half + i / 100, m = i / 12;
	double background = 0, shape = (double)parts, sum = 0, n = (double)(2 * half + 1);

	m = m < SIDE_LEAST ? SIDE_LEAST : m > SIDE_MOST ? SIDE_MOST : m;
	if (i + gap + m <= w->end)
		judge(w, i + gap, m, &background, &shape);
	if (i >= gap + BELOW) {
		size_t room = i - gap - BELOW + 1;

		m = m < room ? m : room;
		judge(w, i - gap - m + 1, m, &background, &shape);
	}
	/* The median of m exponential variables is uncertain by 1.44 / sqrt(m); of neighbours, Hann's window
	 * makes 1.5 into one. */
	background = fmax(background / ((double)parts - 0.307), 1);
	background *= 1 + (half ? 2 : 1) * 1.44 * sqrt(1.5 / (double)(m * parts));
	for (size_t k = i - half; k <= i + half; k++)
		sum += w->sum[k];
	double power = sum / (n * (double)parts * background);

	/* n frequencies tell apart what is a n-th of the part away: they are worth as many as such cells that
	 * have events. */
	int step = 0;
	while (step + 1 < CELL_STEPS && 2 << step <= 2 * (int)half + 1)
		step++;
	shape *= half ? fmax(1, w->filled[step] / (double)parts / 1.5) : 1;
	return half && power < 1.5 ? 0 : (float)mp_tail_erlang(shape, power * shape);
}

/* A broad line is where its highest point is. */
static void judge_broad(const struct mp_spectrum *sp, const struct work *w, size_t i, size_t half)
{
	size_t top = i;
	float log_p = log_p_at(w, i, half, sp->parts);

	for (size_t k = i - half; k <= i + half; k++)
		if (k >= sp->lo && k < sp->hi && w->sum[k] > w->sum[top])
			top = k;
	sp->log_p[top - sp->lo] = fminf(sp->log_p[top - sp->lo], log_p);
}

/* From sums to p-values. Most frequencies are seen to be nothing without a look at their neighbours. */
static void judge_all(const struct mp_spectrum *sp, struct work *w)
{
	double parts = (double)sp->parts;

	memcpy(w->power, w->sum, w->end * sizeof(*w->power));
	whiten(w->power, w->end, parts, w->scratch);
	w->upto[0] = 0;
	for (size_t i = 0; i < w->end; i++)
		w->upto[i + 1] = w->upto[i] + w->power[i];
	for (size_t i = sp->lo; i < sp->hi; i++) {
		size_t half = i / 256;
		double n = (double)(2 * half + 1), around = w->upto[i + half + 1] - w->upto[i - half];

		if (w->power[i] > parts + 3 * sqrt(parts))
			sp->log_p[i - sp->lo] = fminf(sp->log_p[i - sp->lo], log_p_at(w, i, 0, sp->parts));
		if (half && around > parts * n + 3 * sqrt(1.5 * parts * n))
			judge_broad(sp, w, i, half);
	}
}

static void work_free(struct work *w)
{
	kiss_fftr_free(w->fft);
	free(w->bin);
	free(w->out);
	free(w->window);
	free(w->power);
	free(w->scratch);
	free(w->upto);
	free(w->sum);
	free(w->squares);
}

static bool work_make(struct work *w, size_t length)
{
	w->fft = kiss_fftr_alloc((int)length, 0, NULL, NULL);
	w->bin = malloc(length * sizeof(*w->bin));
	w->out = malloc((length / 2 + 1) * sizeof(*w->out));
	w->window = malloc(length * sizeof(*w->window));
	w->power = malloc(w->end * sizeof(*w->power));
	w->scratch = malloc(w->end * sizeof(*w->scratch));
	w->upto = malloc((w->end + 1) * sizeof(*w->upto));
	w->sum = calloc(w->end, sizeof(*w->sum));
	w->squares = calloc(w->end, sizeof(*w->squares));
	return w->fft && w->bin && w->out && w->window && w->power && w->scratch && w->upto && w->sum &&
	       w->squares;
}

static int average(const struct part *part, const int64_t *t_ns, struct mp_spectrum *sp)
{
	/* With room for the neighbours of the highest frequency. */
	size_t end = sp->hi + sp->hi / 256 + sp->hi / 100 + 4 + SIDE_MOST, most = sp->length / 2;
	struct work w = {.end = end < most ? end : most};
	int rc = -ENOMEM;

	sp->log_p = calloc(sp->hi - sp->lo, sizeof(*sp->log_p));
	if (work_make(&w, sp->length) && sp->log_p) {
		for (size_t i = 0; i < sp->length; i++)
			w.window[i] = hann(i, sp->length);
		for (size_t p = 0; p < sp->parts; p++)
			add_part(part + p, t_ns, sp, &w);
		judge_all(sp, &w);
		rc = 0;
	}
	work_free(&w);
	if (rc)
		mp_spectrum_clear(sp);
	return rc;
}

/* How many of the parts, the fullest first, are worth it and within the budget. */
static void choose(const struct part *part, size_t count, size_t budget, struct mp_spectrum *sp)
{
	size_t most = budget / sp->length ? budget / sp->length : 1, events = 0;

	sp->parts = 0;
	while (sp->parts < count && sp->parts < most && part[sp->parts].n >= LEAST)
		events += part[sp->parts++].n;
	sp->per_part = sp->parts ? (double)events / (double)sp->parts : 0;
}

int mp_spectrum_make(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, int64_t bin_ns,
    size_t budget, struct mp_spectrum *out)
{
	int64_t whole = to_ns > from_ns ? (to_ns - from_ns) / bin_ns : 0;
	struct part *part = NULL;

	*out = (struct mp_spectrum){.bin_ns = bin_ns};
	for (size_t length = LENGTH;; length *= 4) {
		size_t count = 0;

		out->length = (size_t)whole < length ? (size_t)whole & ~(size_t)1 : length;
		/* The fast sizes have no factor above 5. */
		while (out->length && (size_t)kiss_fftr_next_fast_size_real((int)out->length) != out->length)
			out->length -= 2;
		if (out->length < MP_SPECTRUM_CYCLES * MP_SPECTRUM_SHORTEST)
			return 0;
		free(part);
		part = divide(t_ns, n, from_ns, to_ns, out, &count);
		if (!part)
			return -ENOMEM;
		choose(part, count, budget, out);
		if (out->per_part >= ENOUGH || out->length < length || length >= LENGTH_MOST)
			break;
	}
	out->lo = out->length / MP_SPECTRUM_LONGEST;
	out->lo = out->lo < MP_SPECTRUM_CYCLES ? MP_SPECTRUM_CYCLES : out->lo;
	out->hi = out->length / MP_SPECTRUM_SHORTEST;
	int rc = out->parts && out->hi > out->lo ? average(part, t_ns, out) : 0;
	free(part);
	return rc;
}

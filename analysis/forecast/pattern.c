/* SPDX-License-Identifier: MIT */
#include "analysis/forecast/pattern.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* So many independent windows of the spread of all are added to those of a cell. */
#define SPREAD_PRIOR 4
#define LEAST_SPREAD 0.25

static bool has_parts(const struct mp_calendar_phase *p)
{
	return p->occurrences > 1 && p->length_ns >= MP_PATTERN_PARTS;
}

int mp_pattern_make(const struct mp_pool_course *c, struct mp_pattern *out)
{
	*out = (struct mp_pattern){0};
	int rc = mp_calendar_make(c, &out->calendar);
	if (rc)
		return rc;
	out->first = calloc(out->calendar.phases + 1, sizeof(*out->first));
	for (size_t i = 0; out->first && i < out->calendar.phases; i++) {
		out->first[i] = out->cells;
		out->cells += has_parts(&out->calendar.phase[i]) ? MP_PATTERN_PARTS : 1;
	}
	if (out->first)
		out->first[out->calendar.phases] = out->cells++;
	out->cell = calloc(out->cells ? out->cells : 1, sizeof(*out->cell));
	if (out->first && out->cell)
		return 0;
	mp_pattern_clear(out);
	return -ENOMEM;
}

void mp_pattern_clear(struct mp_pattern *p)
{
	mp_calendar_clear(&p->calendar);
	free(p->first);
	free(p->cell);
	*p = (struct mp_pattern){0};
}

size_t mp_pattern_cell_at(const struct mp_pattern *p, int64_t t_ns, int64_t *until_ns)
{
	int index;
	struct mp_pool_phase at = mp_calendar_at(&p->calendar, t_ns, &index);

	*until_ns = at.end_ns;
	if (index < 0)
		return p->first[p->calendar.phases];
	const struct mp_calendar_phase *phase = &p->calendar.phase[index];
	if (!has_parts(phase))
		return p->first[index];
	int64_t part_ns = phase->length_ns / MP_PATTERN_PARTS, part = (t_ns - at.start_ns) / part_ns;
	/* One that lasts longer than usual stays in its last part. */
	if (part >= MP_PATTERN_PARTS - 1)
		part = MP_PATTERN_PARTS - 1;
	else if (at.start_ns + (part + 1) * part_ns < at.end_ns)
		*until_ns = at.start_ns + (part + 1) * part_ns;
	return p->first[index] + (size_t)part;
}

/* Means of the cells: of maxima into `offset`, of times into `lag`. */
static void average(struct mp_pattern *p, const struct mp_pattern_point *point, size_t n)
{
	for (size_t c = 0; c < p->cells; c++)
		p->cell[c] = (struct mp_pattern_cell){0};
	for (size_t i = 0; i < n; i++) {
		struct mp_pattern_cell *cell = &p->cell[point[i].cell];

		cell->windows++;
		cell->offset += (point[i].max - cell->offset) / cell->windows;
		cell->lag += (point[i].time - cell->lag) / cell->windows;
	}
}

double mp_pattern_trend(struct mp_pattern *p, const struct mp_pattern_point *point, size_t n)
{
	double products = 0, squares = 0;

	average(p, point, n);
	for (size_t i = 0; i < n; i++) {
		const struct mp_pattern_cell *cell = &p->cell[point[i].cell];
		double time = point[i].time - cell->lag;

		products += time * (point[i].max - cell->offset);
		squares += time * time;
	}
	return squares > 0 ? products / squares : 0;
}

/* From means of cells to how far they are from the mean of all. */
static void center(struct mp_pattern *p, size_t n)
{
	double max = 0, time = 0;

	for (size_t c = 0; c < p->cells; c++) {
		max += p->cell[c].offset * p->cell[c].windows / (double)n;
		time += p->cell[c].lag * p->cell[c].windows / (double)n;
	}
	for (size_t c = 0; c < p->cells; c++)
		if (p->cell[c].windows > 0) {
			p->cell[c].offset -= max;
			p->cell[c].lag -= time;
		}
}

/* Of the windows around their cells' means and the trend: all, and of each cell in `spread`. */
static double variances(struct mp_pattern *p, const struct mp_pattern_point *point, size_t n, double trend)
{
	double all = 0;

	for (size_t i = 0; i < n; i++) {
		struct mp_pattern_cell *cell = &p->cell[point[i].cell];
		double rest = point[i].max - cell->offset - trend * (point[i].time - cell->lag);

		cell->spread += rest * rest / cell->windows;
		all += rest * rest;
	}
	double freedom = (double)n - (double)p->cells - 1;
	return freedom > 0 ? all / freedom : all / (double)n;
}

/* Of the cells' means that is not explained by windows differing: how much of it is real. */
static double variance_between(const struct mp_pattern *p, double trend, double within)
{
	double seen = 0, noise = 0, cells = 0;

	for (size_t c = 0; c < p->cells; c++) {
		const struct mp_pattern_cell *cell = &p->cell[c];
		double mean = cell->offset - trend * cell->lag;

		if (!(cell->windows > 0))
			continue;
		cells++;
		seen += mean * mean;
		noise += within / cell->windows;
	}
	return cells > 1 ? fmax(seen - noise, 0) / (cells - 1) : 0;
}

void mp_pattern_fit(
    struct mp_pattern *p, const struct mp_pattern_point *point, size_t n, double trend, double weight)
{
	average(p, point, n);
	double all = variances(p, point, n, trend), mean = 0;

	for (size_t c = 0; c < p->cells; c++)
		mean += p->cell[c].offset * p->cell[c].windows / (double)n;
	center(p, n);
	double between = variance_between(p, trend, all / weight);

	for (size_t c = 0; c < p->cells; c++) {
		struct mp_pattern_cell *cell = &p->cell[c];
		double windows = cell->windows * weight;
		double usual = mean > 0 ? fmax(1 + cell->offset / mean, LEAST_SPREAD) : 1;
		double spread = p->cells > 1 && all > 0
				    ? sqrt((windows * cell->spread / all + SPREAD_PRIOR * usual * usual) /
					   (windows + SPREAD_PRIOR))
				    : 1;
		double own = all * spread * spread / fmax(windows, 1e-9);
		double real = between > 0 ? between / (between + own) : 0;

		cell->offset *= real;
		cell->lag *= real;
		cell->error = sqrt(real * own);
		cell->spread = spread;
		cell->spread_error = p->cells > 1 ? 1 / sqrt(2 * (windows + SPREAD_PRIOR)) : 0;
	}
}

/* SPDX-License-Identifier: MIT */
#include "analysis/session/spikes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPREADS   8
#define NORMAL    1.4826 /* a normal distribution's deviation, of its median absolute one */
#define NO_NUMBER (-1.0)

struct level {
	size_t phase;
	double log, limit; /* limit: logarithm from which on a step is high; INFINITY: too few steps */
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value, size_t n)
{
	qsort(value, n, sizeof(*value), by_value);
	return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

/* One more, so that nothing has a logarithm, too. */
static double log_of(double value)
{
	return log1p(value);
}

static struct level level_of(
    const struct mp_spike_step *step, size_t n, size_t phase, double least, double *spare)
{
	struct level l = {.phase = phase, .limit = INFINITY};
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (step[i].phase == phase && step[i].value >= 0)
			spare[count++] = log_of(step[i].value);
	if (count < MP_SPIKE_STEPS)
		return l;
	l.log = median(spare, count);
	for (size_t i = 0; i < count; i++)
		spare[i] = fabs(spare[i] - l.log);
	l.limit = l.log + fmax(SPREADS * NORMAL * median(spare, count), log(least));
	return l;
}

/* The levels of all phases; each is looked for once. */
static size_t find_levels(
    const struct mp_spike_step *step, size_t n, double least, double *spare, struct level *out)
{
	size_t found = 0, last = 0;

	for (size_t i = 0; i < n; i++) {
		if (found && out[last].phase == step[i].phase)
			continue;
		for (last = 0; last < found && out[last].phase != step[i].phase; last++)
			;
		if (last == found)
			out[found++] = level_of(step, n, step[i].phase, least, spare);
	}
	return found;
}

static const struct level *find_level(const struct level *level, size_t n, size_t phase)
{
	for (size_t i = 0; i < n; i++)
		if (level[i].phase == phase)
			return &level[i];
	return NULL;
}

/* Into `out`, which has room for n. */
static size_t collect(const struct mp_spike_step *step, size_t n, const struct level *level, size_t n_levels,
    struct mp_spike *out)
{
	const struct level *now = NULL;
	size_t found = 0;
	bool is_on = false;

	for (size_t i = 0; i < n; i++) {
		if (!now || now->phase != step[i].phase) {
			now = find_level(level, n_levels, step[i].phase);
			is_on = false;
		}
		if (step[i].value < 0)
			continue;
		if (log_of(step[i].value) <= now->limit) {
			is_on = false;
			continue;
		}
		struct mp_spike *s = is_on ? &out[found - 1] : &out[found++];
		if (!is_on)
			*s = (struct mp_spike){
			    .begin = i, .peak = i, .level = expm1(now->log), .value = NO_NUMBER};
		is_on = true;
		s->end = i + 1;
		if (step[i].value > s->value) {
			s->value = step[i].value;
			s->peak = i;
		}
	}
	return found;
}

struct mp_spike *mp_find_spikes(const struct mp_spike_step *step, size_t n, double least, size_t *found)
{
	struct mp_spike *out = calloc(n + 1, sizeof(*out));
	struct level *level = calloc(n + 1, sizeof(*level));
	double *spare = calloc(n + 1, sizeof(*spare));

	*found = 0;
	if (out && level && spare) {
		size_t n_levels = find_levels(step, n, least, spare, level);
		*found = collect(step, n, level, n_levels, out);
	}
	free(spare);
	free(level);
	if (!*found) {
		free(out);
		out = NULL;
	}
	return out;
}

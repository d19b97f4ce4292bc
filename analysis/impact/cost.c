/* SPDX-License-Identifier: MIT */
#include "analysis/impact/cost.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 10000
#define VALUE_MAX  1e15 /* so that no sum of costs is infinite */

struct mp_cost {
	size_t n; /* the first point is 0,0 */
	struct point {
		double late_us, cost;
	} point[POINTS_MAX + 2];
};

/* A number from 0 to VALUE_MAX, up to `end` (NULL: the end of the text) but for spaces. "nan", "inf" and hex,
 * which strtod() reads too, are none. */
static bool read_number(const char *text, const char *end, double *v)
{
	char *stop;

	end = end ? end : text + strlen(text);
	if (strcspn(text, "xXnN") < (size_t)(end - text))
		return false;
	*v = strtod(text, &stop);
	while (stop > text && stop < end && strchr(" \t\r\n", *stop))
		stop++;
	return stop > text && stop == end && *v >= 0 && *v <= VALUE_MAX;
}

static void add(struct mp_cost *c, double late_us, double cost)
{
	c->point[c->n++] = (struct point){late_us, cost};
}

static int read_point(
    struct mp_cost *c, const char *path, int line, const char *text, bool first, struct mp_err *err)
{
	const struct point *last = &c->point[c->n - 1];
	const char *comma = strchr(text, ',');
	double late_us, cost;

	if (!comma || !read_number(text, comma, &late_us) || !read_number(comma + 1, NULL, &cost))
		return mp_err_set(err, EINVAL,
		    "%s:%d: give lateness_us,cost: two numbers from 0 to %g, such as 50,120.5", path, line,
		    VALUE_MAX);
	if (late_us < last->late_us || (late_us == last->late_us && !first))
		return mp_err_set(err, EINVAL,
		    "%s:%d: a lateness of %g us is not above the %g us of the point before: give them rising",
		    path, line, late_us, last->late_us);
	if (c->n == POINTS_MAX + 1)
		return mp_err_set(err, EINVAL, "%s:%d: more than %d points", path, line, POINTS_MAX);
	if (late_us == 0)
		c->n--; /* the file's own start instead of 0,0 */
	add(c, late_us, cost);
	return 0;
}

static int read_file(struct mp_cost *c, const char *path, FILE *in, struct mp_err *err)
{
	char text[256];
	bool first = true;
	int rc = 0;

	errno = 0;
	for (int line = 1; !rc && fgets(text, sizeof(text), in); line++) {
		if (!strchr(text, '\n') && !feof(in))
			return mp_err_set(
			    err, EINVAL, "%s:%d: the line is too long: give lateness_us,cost", path, line);
		if (!text[strspn(text, " \t\r\n")] || *text == '#' ||
		    (first && !strncmp(text, "lateness_us,cost", 16)))
			continue;
		rc = read_point(c, path, line, text, first, err);
		first = false;
	}
	if (!rc && ferror(in))
		rc = mp_err_set(err, errno ? errno : EIO, "cannot read %s: %s", path, strerror(errno));
	if (!rc && first)
		rc = mp_err_set(err, EINVAL, "%s has no point: give lines of lateness_us,cost", path);
	return rc;
}

static int open_and_read(struct mp_cost *c, const char *path, struct mp_err *err)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return mp_err_set(err, errno,
		    "--cost-per-us %s: %s: give a number, such as 0.8, or a file of lines lateness_us,cost",
		    path, strerror(errno));
	int rc = read_file(c, path, in, err);
	fclose(in);
	return rc;
}

int mp_cost_parse(const char *text, struct mp_cost **out, struct mp_err *err)
{
	double per_us;
	struct mp_cost *c = calloc(1, sizeof(*c));
	int rc = 0;

	*out = NULL;
	if (!c)
		return mp_err_set(err, ENOMEM, "out of memory");
	add(c, 0, 0);
	if (read_number(text, NULL, &per_us))
		add(c, 1, per_us);
	else
		rc = open_and_read(c, text, err);
	if (rc)
		free(c);
	else
		*out = c;
	return rc;
}

double mp_cost_of(const struct mp_cost *c, int64_t late_ns)
{
	double late_us = (double)late_ns / 1e3;
	size_t lo = 0, hi = c->n - 1;

	if (late_ns <= 0)
		return 0;
	if (!hi) /* one point, at 0: the same cost for all that are late */
		return c->point[0].cost;
	/* The stretch from lo to lo + 1 holds it, or is the last. */
	while (hi - lo > 1) {
		size_t middle = lo + (hi - lo) / 2;

		if (c->point[middle].late_us <= late_us)
			lo = middle;
		else
			hi = middle;
	}
	const struct point *a = &c->point[lo], *b = a + 1;
	double cost = a->cost + (b->cost - a->cost) * ((late_us - a->late_us) / (b->late_us - a->late_us));
	return !(cost > 0) ? 0 : cost < VALUE_MAX ? cost : VALUE_MAX;
}

void mp_cost_free(struct mp_cost *c)
{
	free(c);
}

/* SPDX-License-Identifier: MIT */
#include "analysis/stats/minimum.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MOST MP_MINIMUM_DIMENSIONS

struct point {
	double x[MOST], value;
};

struct simplex {
	mp_minimum_function *f;
	void *ctx;
	int n;                    /* dimensions, */
	int calls;                /* of f */
	struct point p[MOST + 1]; /* one point more, the best first */
};

static void evaluate(struct simplex *s, struct point *p)
{
	p->value = s->f(p->x, s->ctx);
	s->calls++;
}

static void sort(struct simplex *s)
{
	for (int i = 1; i <= s->n; i++)
		for (int k = i; k > 0 && s->p[k].value < s->p[k - 1].value; k--) {
			struct point swap = s->p[k];

			s->p[k] = s->p[k - 1];
			s->p[k - 1] = swap;
		}
}

/* The point as far from the middle of the others as the worst one times `factor`, on its side if that is
 * above 0. */
static struct point opposite(struct simplex *s, double factor)
{
	struct point p;

	for (int d = 0; d < s->n; d++) {
		double middle = 0;

		for (int i = 0; i < s->n; i++)
			middle += s->p[i].x[d] / s->n;
		p.x[d] = middle + factor * (s->p[s->n].x[d] - middle);
	}
	evaluate(s, &p);
	return p;
}

static void shrink(struct simplex *s)
{
	for (int i = 1; i <= s->n; i++) {
		for (int d = 0; d < s->n; d++)
			s->p[i].x[d] = (s->p[i].x[d] + s->p[0].x[d]) / 2;
		evaluate(s, &s->p[i]);
	}
}

static void move(struct simplex *s)
{
	struct point *worst = &s->p[s->n];
	struct point next = opposite(s, -1);

	if (next.value < s->p[0].value) {
		struct point farther = opposite(s, -2);

		*worst = farther.value < next.value ? farther : next;
		return;
	}
	if (next.value < s->p[s->n - 1].value) {
		*worst = next;
		return;
	}
	struct point nearer = opposite(s, next.value < worst->value ? -0.5 : 0.5);

	if (nearer.value < fmin(worst->value, next.value))
		*worst = nearer;
	else
		shrink(s);
}

double mp_minimum(
    mp_minimum_function *f, void *ctx, double *x, const double *step, int n, double tolerance, int most)
{
	struct simplex s = {.f = f, .ctx = ctx, .n = n};

	for (int i = 0; i <= n; i++) {
		memcpy(s.p[i].x, x, (size_t)n * sizeof(*x));
		if (i > 0)
			s.p[i].x[i - 1] += step[i - 1];
		evaluate(&s, &s.p[i]);
	}
	sort(&s);
	/* Written so that differences of infinities go on. */
	while (!(s.p[n].value - s.p[0].value <= tolerance) && s.calls < most) {
		move(&s);
		sort(&s);
	}
	memcpy(x, s.p[0].x, (size_t)n * sizeof(*x));
	return s.p[0].value;
}

static double at(
    mp_minimum_function *f, void *ctx, const double *x, int n, int i, double di, int k, double dk)
{
	double moved[MOST];

	memcpy(moved, x, (size_t)n * sizeof(*x));
	moved[i] += di;
	moved[k] += dk;
	return f(moved, ctx);
}

/* Lower triangular root in place. */
static bool decompose(double a[MOST][MOST], int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k <= i; k++) {
			double sum = a[i][k];

			for (int j = 0; j < k; j++)
				sum -= a[i][j] * a[k][j];
			if (i == k && !(sum > 1e-12 * a[i][i] && isfinite(sum)))
				return false;
			a[i][k] = i == k ? sqrt(sum) : sum / a[k][k];
		}
	return true;
}

/* Of L, whose square are the second derivatives, the inverse transposed is upper triangular: a root of the
 * covariance as good as the lower one, for it is only to be multiplied with. */
static void invert(double l[MOST][MOST], int n, double root[MOST][MOST])
{
	for (int k = 0; k < n; k++)
		for (int i = k; i < n; i++) {
			double sum = i == k ? 1 : 0;

			for (int j = k; j < i; j++)
				sum -= l[i][j] * root[k][j];
			root[k][i] = sum / l[i][i];
		}
}

void mp_minimum_covariance(mp_minimum_function *f, void *ctx, const double *x, const double *step, int n,
    const double *most, double root[MOST][MOST])
{
	double second[MOST][MOST], whole[MOST][MOST], middle = f(x, ctx);

	memset(root, 0, sizeof(double[MOST][MOST]));
	for (int i = 0; i < n; i++) {
		double hi = step[i];

		second[i][i] =
		    (at(f, ctx, x, n, i, hi, i, 0) + at(f, ctx, x, n, i, -hi, i, 0) - 2 * middle) / (hi * hi);
		for (int k = 0; k < i; k++) {
			double hk = step[k];

			second[i][k] =
			    (at(f, ctx, x, n, i, hi, k, hk) - at(f, ctx, x, n, i, hi, k, -hk) -
				at(f, ctx, x, n, i, -hi, k, hk) + at(f, ctx, x, n, i, -hi, k, -hk)) /
			    (4 * hi * hk);
		}
	}
	memcpy(whole, second, sizeof(whole));
	if (decompose(whole, n))
		invert(whole, n, root);
	else
		for (int i = 0; i < n; i++)
			root[i][i] =
			    second[i][i] > 0 && isfinite(second[i][i]) ? 1 / sqrt(second[i][i]) : most[i];
	for (int i = 0; i < n; i++) {
		double variance = 0;

		for (int k = 0; k < n; k++)
			variance += root[i][k] * root[i][k];
		for (int k = 0; k < n && variance > most[i] * most[i]; k++)
			root[i][k] *= most[i] / sqrt(variance);
	}
}

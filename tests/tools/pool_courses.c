/* SPDX-License-Identifier: MIT */
/*
 * How good forecasts of pools are, and capacities that were advised, on made-up courses of which is known how
 * they go on.
 *
 *   pool_courses [SEED [COURSES [SESSIONS]]]      COURSES of each kind; SESSIONS that were not seen, of each
 *
 * The pool is a queue, not what analysis/forecast/ models: gets arrive at random, objects are held for times
 * that are log-normally distributed, gets that find nothing are dropped or tried again. Load wanders. Beside
 * that courses are
 *
 *   steady     as that
 *   trending   some of the objects are never returned, or held ever longer; some courses do not trend, or
 * down bursty     gets bring about gets (a Hawkes process), and once in a while come in a shot of any size
 * (Pareto) phases     a day of auctions with a rush at their end, an open whose rush falls off, a noon, again
 * and again, never quite as long as before
 *
 * All figures of a course are drawn at random; its capacity is what another session of it needed, times 0.8
 * to 1.3.
 *
 *   forecast KIND COURSES DRY BRIER BRIER_LINE BRIER_MEAN     exhaustion within the horizon, from the first
 * session's end sizing KIND RISK COURSES EXCEEDED SESSIONS EXCEEDED       in one unseen session of each
 * course, and in all of them covered KIND SHARE                                        of maxima within the
 * horizon between p10 and p90
 *
 * KIND is one of these, or `all`. The same seed has the same figures.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/forecast/backtest.h"
#include "analysis/forecast/forecast.h"
#include "analysis/forecast/sizing.h"

#define SECOND       INT64_C(1000000000)
#define PARTS        10   /* of a second, in which the queue is stepped */
#define RING         8192 /* parts; nothing is held longer */
#define WARM_UP_S    200
#define LENGTH_S     900
#define MOST_S       (LENGTH_S + 600)
#define PHASES       256
#define DIMENSION(a) (sizeof(a) / sizeof(*(a)))

enum kind { STEADY, TRENDING, BURSTY, PHASED, KINDS };
static const char *const kinds[] = {"steady", "trending", "bursty", "phases", "all"};

static const double risks[] = {0.1, 0.01};

/* ---- Random numbers ---- */

static uint64_t random_state;

static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static double uniform(double lo, double hi)
{
	return lo + (hi - lo) * (((double)(next_random() >> 11) + 0.5) / 9007199254740992.0);
}

static double log_uniform(double lo, double hi)
{
	return exp(uniform(log(lo), log(hi)));
}

static double normal(void)
{
	return sqrt(-2 * log(uniform(0, 1))) * cos(2 * M_PI * uniform(0, 1));
}

static int poisson(double mean)
{
	double left = exp(-fmin(mean, 500)), p = uniform(0, 1);
	int n = 0;

	for (; p > left; n++)
		p *= uniform(0, 1);
	return n;
}

/* ---- Courses ---- */

struct generator {
	enum kind kind;
	double rate;                   /* gets a second */
	double hold_s, hold_sigma;     /* median; of its logarithm */
	double wander, wander_s;       /* of the logarithm of the rate, and how long it stays */
	double leak;                   /* share of the gets that is not returned */
	double slower;                 /* growth of hold times, per session's length */
	double branching, branching_s; /* gets that a get brings about, and when */
	double shot_s, shot_size, shot_tail;
	double rush, rush_s, auction;
	double phase_s[3];
	double again; /* of failed gets, so many are tried again a second later */
};

static struct generator generate(enum kind kind)
{
	struct generator g = {.kind = kind,
	    .rate = log_uniform(3, 15),
	    .hold_s = log_uniform(3, 20),
	    .hold_sigma = uniform(0.4, 1.2),
	    .wander = uniform(0.02, 0.15),
	    .wander_s = log_uniform(20, 100),
	    .again = uniform(0, 0.8)};
	double mean_hold_s = g.hold_s * exp(g.hold_sigma * g.hold_sigma / 2);

	if (kind == TRENDING) {
		double growth = uniform(0, 1) < 0.3 ? 0 : uniform(0.1, 1.5);

		if (uniform(0, 1) < 0.6)
			g.leak = growth * mean_hold_s / LENGTH_S;
		else
			g.slower = uniform(0, 1) < 0.2 ? -growth / 2 : growth;
	}
	if (kind == BURSTY) {
		g.branching = uniform(0.3, 0.8);
		g.branching_s = log_uniform(1, 15);
		g.rate *= 1 - g.branching;
		g.shot_s = log_uniform(60, 400);
		g.shot_size = g.rate * mean_hold_s * uniform(0.1, 0.5);
		g.shot_tail = uniform(1.8, 3.5);
	}
	if (kind == PHASED) {
		g.rush = uniform(0.5, 3);
		g.rush_s = log_uniform(5, 30);
		g.auction = uniform(0, 2);
		g.phase_s[0] = uniform(25, 50);
		g.phase_s[1] = uniform(80, 150);
		g.phase_s[2] = uniform(25, 60);
	}
	return g;
}

static struct course {
	struct mp_pool_slot slot[MOST_S];
	struct mp_pool_phase phase[PHASES];
	struct mp_pool_course course;
} course;

static struct {
	uint32_t due[RING]; /* objects that come back */
	int64_t in_use;
	double excited, drift;
	double again;
} queue;

/* The day: which phase it is, and how far into it. */
static struct {
	int id;
	double since_s, length_s, rush;
} day;

static void begin_phase(const struct generator *g, int id)
{
	day.id = id;
	day.since_s = 0;
	day.length_s = g->phase_s[id] * uniform(0.93, 1.07);
	day.rush = exp(0.2 * normal());
}

static double load_of_phase(const struct generator *g)
{
	double left_s = day.length_s - day.since_s;

	switch (day.id) {
	case 0:
		return 0.6 + day.rush * g->auction * exp(-left_s / 5);
	case 1:
		return 1 + day.rush * g->rush * exp(-day.since_s / g->rush_s);
	default:
		return 0.5;
	}
}

static void get(const struct generator *g, struct mp_pool_slot *s, int64_t capacity, int part, double age)
{
	if (capacity && queue.in_use >= capacity) {
		s->failures++;
		queue.again += uniform(0, 1) < g->again;
		return;
	}
	s->gets++;
	queue.in_use++;
	if (queue.in_use > s->in_use_max)
		s->in_use_max = queue.in_use;
	if (age >= 0 && g->leak > 0 && uniform(0, 1) < g->leak)
		return;
	double hold_s = g->hold_s * exp(g->hold_sigma * normal()) * (1 + g->slower * fmax(age, 0));
	int parts = 1 + (int)fmin(hold_s * PARTS, RING - 2);
	queue.due[(part + parts) % RING]++;
}

/* A tenth of a second. `age`: of the session, in LENGTH_S. */
static void step(const struct generator *g, struct mp_pool_slot *s, int64_t capacity, int part, double age)
{
	const double dt = 1.0 / PARTS;
	double load = exp(queue.drift);
	uint32_t back = queue.due[part % RING];

	queue.due[part % RING] = 0;
	queue.in_use -= back;
	s->puts += back;
	if (queue.in_use < s->in_use_min)
		s->in_use_min = queue.in_use;
	if (g->kind == PHASED)
		load *= load_of_phase(g);
	double tried = fmin(queue.again, 1 + queue.again * dt);
	int n = poisson((g->rate * load + queue.excited + tried) * dt);
	queue.again -= fmin(queue.again, tried * dt);
	if (g->branching > 0) {
		queue.excited *= exp(-dt / g->branching_s);
		queue.excited += n * g->branching / g->branching_s;
		if (uniform(0, 1) < dt / g->shot_s)
			n += (int)fmin(g->shot_size * pow(uniform(0, 1), -1 / g->shot_tail), 5000);
	}
	for (int i = 0; i < n; i++)
		get(g, s, capacity, part, age);
}

static void wander(const struct generator *g)
{
	double kept = exp(-1 / g->wander_s);

	queue.drift = kept * queue.drift + sqrt(1 - kept * kept) * g->wander * normal();
}

static void enter_phase(const struct generator *g, int64_t t_ns)
{
	struct mp_pool_course *c = &course.course;

	day.since_s++;
	if (day.since_s < day.length_s)
		return;
	begin_phase(g, (day.id + 1) % 3);
	if (t_ns < 0 || c->phases == PHASES)
		return;
	if (c->phases)
		course.phase[c->phases - 1].end_ns = t_ns;
	course.phase[c->phases++] = (struct mp_pool_phase){t_ns, INT64_MAX, day.id};
}

/* A session of seconds, by a queue that runs already, into `course`. */
static void run(const struct generator *g, int64_t capacity, int seconds)
{
	memset(&queue, 0, sizeof(queue));
	course.course = (struct mp_pool_course){
	    .slot = course.slot, .phase = course.phase, .to_ns = seconds * SECOND, .capacity = capacity};
	if (g->kind == PHASED)
		begin_phase(g, (int)(next_random() % 3));
	for (int second = -WARM_UP_S; second < seconds; second++) {
		struct mp_pool_slot s = {.t_ns = second * SECOND,
		    .dur_ns = SECOND,
		    .in_use_min = queue.in_use,
		    .in_use_max = queue.in_use};

		wander(g);
		if (g->kind == PHASED)
			enter_phase(g, second == 0 ? -1 : s.t_ns);
		if (g->kind == PHASED && second == 0)
			course.phase[course.course.phases++] = (struct mp_pool_phase){0, INT64_MAX, day.id};
		for (int part = 0; part < PARTS; part++)
			step(g, &s, capacity, (second + WARM_UP_S) * PARTS + part, (double)second / LENGTH_S);
		s.in_use_last = queue.in_use;
		if (second < 0)
			continue;
		course.slot[course.course.slots++] = s;
	}
}

static int64_t highest(int from_s, int to_s)
{
	int64_t max = 0;

	for (int i = from_s; i < to_s; i++)
		max = course.slot[i].in_use_max > max ? course.slot[i].in_use_max : max;
	return max;
}

/* ---- Questions ---- */

struct tally {
	int courses, dry;
	double brier, line, covered;
	int exceeded[DIMENSION(risks)], sessions, exceeded_all[DIMENSION(risks)];
};

static struct tally tally[KINDS + 1];

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "pool_courses: %s: %s\n", what, strerror(-rc));
	exit(1);
}

/* The course as it was known at LENGTH_S. */
static struct mp_pool_course first_session(void)
{
	struct mp_pool_course c = course.course;

	c.to_ns = LENGTH_S * SECOND;
	c.slots = LENGTH_S;
	while (c.phases && course.phase[c.phases - 1].start_ns >= c.to_ns)
		c.phases--;
	if (c.phases)
		course.phase[c.phases - 1].end_ns = INT64_MAX;
	return c;
}

static void ask(const struct generator *g, int64_t capacity, int horizon_s, int sessions)
{
	struct tally *all = &tally[KINDS], *t = &tally[g->kind];
	struct mp_forecast f;
	struct mp_sizing s[DIMENSION(risks)];

	run(g, capacity, LENGTH_S + horizon_s);
	int64_t max = highest(LENGTH_S, LENGTH_S + horizon_s);
	bool dry = max >= capacity;
	struct mp_pool_course c = first_session();
	must(mp_forecast_make(&c, horizon_s * SECOND, &f), "forecast");
	double line = mp_backtest_line(&c, horizon_s * SECOND) >= (double)capacity;
	for (size_t r = 0; r < DIMENSION(risks); r++)
		must(mp_sizing_make(&c, &(struct mp_sizing_options){.risk = risks[r]}, &s[r]), "sizing");
	for (struct tally *to = t; to; to = to == t ? all : NULL) {
		to->courses++;
		to->dry += dry;
		to->brier += (f.p_exhaust - dry) * (f.p_exhaust - dry);
		to->line += (line - dry) * (line - dry);
		to->covered += dry || (f.max_p10 <= (double)max && (double)max <= f.max_p90);
		to->sessions += sessions;
	}
	mp_forecast_clear(&f);
	for (int i = 0; i < sessions; i++) {
		run(g, 0, LENGTH_S);
		int64_t need = highest(0, LENGTH_S);
		for (size_t r = 0; r < DIMENSION(risks); r++) {
			int exceeded = need > s[r].capacity;

			t->exceeded[r] += i == 0 && exceeded;
			all->exceeded[r] += i == 0 && exceeded;
			t->exceeded_all[r] += exceeded;
			all->exceeded_all[r] += exceeded;
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	int courses = argc > 2 ? atoi(argv[2]) : 50, sessions = argc > 3 ? atoi(argv[3]) : 20;

	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < courses; i++) {
			random_state = seed * 1000003 + (uint64_t)kind * 10007 + (uint64_t)i;
			struct generator g = generate((enum kind)kind);
			int horizon_s = (int)log_uniform(60, 600);
			run(&g, 0, LENGTH_S + horizon_s);
			int64_t capacity =
			    (int64_t)((double)highest(0, LENGTH_S + horizon_s) * uniform(0.8, 1.3));
			ask(&g, capacity, horizon_s, sessions);
		}
	for (int kind = 0; kind <= KINDS; kind++) {
		const struct tally *t = &tally[kind];
		double n = t->courses, mean = t->dry / n;

		printf("forecast %s %d %d %.4f %.4f %.4f\n", kinds[kind], t->courses, t->dry, t->brier / n,
		    t->line / n, mean * (1 - mean));
		printf("covered %s %.3f\n", kinds[kind], t->covered / n);
		for (size_t r = 0; r < DIMENSION(risks); r++)
			printf("sizing %s %g %d %d %d %d\n", kinds[kind], risks[r], t->courses,
			    t->exceeded[r], t->sessions, t->exceeded_all[r]);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "analysis/session/found.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/each_row.h"
#include "analysis/stats/segments.h"

#define STEPS_MAX   1440
#define LEAST_NS    INT64_C(2000000000)
#define LEAST_SHARE 1.25

struct step {
	int64_t start_ns, end_ns;
	double calls;
};

struct finding {
	struct step *step;
	size_t n, room;
};

/* slot_ns, dur_ns, calls */
static int take_slot(void *ctx, sqlite3_value **row)
{
	struct finding *f = ctx;
	int64_t slot_ns = sqlite3_value_int64(row[0]), dur_ns = sqlite3_value_int64(row[1]);

	if (dur_ns <= 0)
		return 0;
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 1024;
		struct step *more = reallocarray(f->step, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->step = more;
		f->room = room;
	}
	f->step[f->n++] = (struct step){slot_ns, slot_ns + dur_ns, sqlite3_value_double(row[2])};
	return 0;
}

/* Neighbours together, until they are few enough. */
static void join(struct finding *f)
{
	size_t together = (f->n + STEPS_MAX - 1) / STEPS_MAX, n = 0;

	for (size_t i = 0; together > 1 && i < f->n; i += together, n++) {
		struct step all = f->step[i];
		for (size_t k = i + 1; k < f->n && k < i + together; k++) {
			all.end_ns = f->step[k].end_ns;
			all.calls += f->step[k].calls;
		}
		f->step[n] = all;
	}
	if (together > 1)
		f->n = n;
}

static int divide(const struct finding *f, struct mp_found_phase **out, size_t *n)
{
	double *rate = calloc(f->n, sizeof(*rate)), seconds = 0;
	size_t *begin = calloc(f->n, sizeof(*begin)), found = 0;

	for (size_t i = 0; rate && i < f->n; i++) {
		double s = (double)(f->step[i].end_ns - f->step[i].start_ns) / 1e9;
		rate[i] = log2(1 + f->step[i].calls / s);
		seconds += s;
	}
	if (rate && begin)
		found = mp_segments(rate, f->n, (size_t)ceil(LEAST_NS / 1e9 * (double)f->n / seconds),
		    log2(LEAST_SHARE), begin);
	*out = found > 1 ? calloc(found, sizeof(**out)) : NULL;
	for (size_t i = 0; *out && i < found; i++)
		(*out)[(*n)++] = (struct mp_found_phase){f->step[begin[i]].start_ns,
		    i + 1 < found ? f->step[begin[i + 1]].start_ns : f->step[f->n - 1].end_ns};
	free(rate);
	free(begin);
	return !found || (found > 1 && !*out) ? -ENOMEM : 0;
}

int mp_find_phases(struct mp_session *s, const struct mp_report_scope *scope, struct mp_found_phase **out,
    size_t *n, struct mp_err *err)
{
	struct finding f = {0};

	*out = NULL;
	*n = 0;
	int ret = mp_each_row(s,
	    "SELECT 1 FROM (SELECT slot_ns, dur_ns, (SELECT total(calls) FROM latency_sum JOIN op USING "
	    "(op_id)"
	    "   WHERE latency_sum.slot_ns = slot.slot_ns AND op_id < 32 AND op.name NOT IN ('free', "
	    "'delete')) AS calls"
	    " FROM slot WHERE slot_ns >= ?1 AND slot_ns < ?2 ORDER BY slot_ns)"
	    " WHERE mp_take(?4, slot_ns, dur_ns, calls)",
	    scope, take_slot, &f, err);
	join(&f);
	if (!ret && f.n)
		ret = divide(&f, out, n);
	free(f.step);
	return ret == -ENOMEM ? mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(s))
			      : ret;
}

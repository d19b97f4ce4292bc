/* SPDX-License-Identifier: MIT */
#include "sampler/recorder/phases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/phases/calendar.h"
#include "sampler/phases/mark_socket.h"
#include "sampler/phases/schedule.h"
#include "store/append.h"

#define AHEAD_NS NS_PER_S /* planes are told what comes so soon, */
#define SETTLE_NS                                                                                            \
	(NS_PER_S / 5)                  /* but so long after the last one, unless it is near: calls that it  \
					 * came into have returned */
#define NEAR_NS         (NS_PER_S / 50) /* a slot does not end so shortly before */
#define BEHIND_NS       (NS_PER_S / 2000) /* a point of the library's clock lies behind the instant by then */
#define AGAIN_NS        (NS_PER_S / 200)
#define MOVED_NS        1000                    /* by less clocks differ from one look to the next */
#define NEVER_NS        (NS_PER_S * 1000000000) /* some 30 years */
#define TELL_AHEAD_DAYS 10
#define PHASES_MAX      8 /* of marks, that wait at a time */

struct mp_recorder_phases {
	struct mp_phase_calendar *calendar; /* NULL, with the next: none */
	struct mp_phase_schedule *schedule;
	struct mp_mark_socket *marks; /* NULL: nobody can mark */

	struct phase_on {
		const char *name; /* and start: which window */
		int64_t real_ns, phase_id;
	} * on; /* of the calendar */
	size_t n_on, on_room;

	struct mp_mark waiting[PHASES_MAX]; /* phases of marks that are yet to begin, by time */
	size_t n_waiting;
	int64_t marked_id; /* the one that is on; 0: none */

	int64_t bound_ns;            /* the instant that planes have been told; 0: none */
	struct mp_phase_bound bound; /* what of the calendar comes then; mono_ns INT64_MAX: nothing */
	bool is_mark;                /* the first of `waiting` does */
	bool is_slot;                /* none; but a slot ends then */
	bool owes_slot;   /* the program has begun a phase: a slot that is of two is to be a short one */
	int64_t again_ns; /* it has come, and is looked at again then; 0: not yet */
	int64_t at_ns;    /* the instant that is being passed, as calls tell it */
};

/* ---- Beginning and ending ---- */

int mp_recorder_open_phases(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases = calloc(1, sizeof(*p));

	if (!p)
		return mp_err_set(err, ENOMEM, "out of memory");
	if (!r->o->phases)
		return 0;
	int ret = mp_phase_calendar_load(r->o->phases, &p->calendar, err);
	if (!ret && !(p->schedule = mp_phase_schedule_new(p->calendar)))
		ret = mp_err_set(err, ENOMEM, "out of memory");
	return ret;
}

void mp_recorder_close_phases(struct mp_recorder *r)
{
	struct mp_recorder_phases *p = r->phases;

	if (!p)
		return;
	mp_mark_socket_close(p->marks);
	mp_phase_schedule_free(p->schedule);
	mp_phase_calendar_free(p->calendar);
	free(p->on);
	free(p);
	r->phases = NULL;
}

static int end_phase(void *ctx, const struct mp_phase_window *w, struct mp_err *err)
{
	struct mp_recorder *r = ctx;
	struct mp_recorder_phases *p = r->phases;

	for (size_t i = 0; i < p->n_on; i++) {
		if (p->on[i].name != w->phase || p->on[i].real_ns != w->start_ns)
			continue;
		int64_t phase_id = p->on[i].phase_id;
		p->on[i] = p->on[--p->n_on];
		return mp_update_phase(r->session, phase_id, p->at_ns, err);
	}
	return 0;
}

static int begin_phase(void *ctx, const struct mp_phase_window *w, struct mp_err *err)
{
	struct mp_recorder *r = ctx;
	struct mp_recorder_phases *p = r->phases;

	if (p->n_on == p->on_room) {
		size_t room = p->on_room ? p->on_room * 2 : 16;
		struct phase_on *bigger = reallocarray(p->on, room, sizeof(*bigger));
		if (!bigger)
			return mp_err_set(err, ENOMEM, "out of memory");
		p->on = bigger;
		p->on_room = room;
	}
	struct phase_on *on = &p->on[p->n_on++];
	*on = (struct phase_on){.name = w->phase, .real_ns = w->start_ns};
	return mp_append_phase(r->session, w->phase, p->at_ns, "calendar", &on->phase_id, err);
}

static struct mp_phase_listener listener(struct mp_recorder *r)
{
	return (struct mp_phase_listener){.end = end_phase, .begin = begin_phase, .ctx = r};
}

/* Both clocks at once, as store_clock() in slot.c. */
static void read_clocks(int64_t *mono_ns, int64_t *real_ns)
{
	struct timespec real;
	int64_t before = mp_recorder_now_ns();

	clock_gettime(CLOCK_REALTIME, &real);
	*mono_ns = before + (mp_recorder_now_ns() - before) / 2;
	*real_ns = real.tv_sec * NS_PER_S + real.tv_nsec;
}

/* What days are holidays nobody knows years ahead. */
static void tell_not_covered(const struct mp_recorder *r, int64_t real_ns)
{
	struct mp_phase_calendar_about about;

	mp_phase_calendar_describe(r->phases->calendar, &about);
	if (about.covers_to_ns && (real_ns < about.covers_from_ns || real_ns >= about.covers_to_ns))
		fprintf(stderr,
		    "mpsample: --phases %s: its holidays and half days are not of this year; phases are "
		    "those "
		    "of an ordinary day\n",
		    r->o->phases);
}

/* Where none is on: one who records at the wrong time of the day, or of the week, is told when to. */
static int tell_first(const struct mp_recorder *r, int64_t real_ns, struct mp_err *err)
{
	const struct mp_phase_calendar *c = r->phases->calendar;
	struct mp_phase_window *w = NULL;
	char at[48];
	size_t n = 0;
	int ret =
	    mp_phase_calendar_windows(c, real_ns, real_ns + TELL_AHEAD_DAYS * 86400 * NS_PER_S, &w, &n, err);

	if (ret == -ERANGE)
		return 0; /* a clock that is set to nonsense is no reason to end */
	if (!ret && !n) {
		fprintf(stderr, "mpsample: --phases %s: no phase is on now, nor begins within %d days\n",
		    r->o->phases, TELL_AHEAD_DAYS);
	} else if (!ret && w[0].start_ns > real_ns) {
		mp_phase_calendar_format(c, w[0].start_ns, at, sizeof(at));
		fprintf(stderr, "mpsample: --phases %s: no phase is on now; %s begins at %s\n", r->o->phases,
		    w[0].phase, at);
	}
	free(w);
	return ret;
}

int mp_recorder_begin_phases(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;
	struct mp_phase_listener l = listener(r);
	struct mp_err why;
	int64_t mono_ns, real_ns;

	p->bound.mono_ns = INT64_MAX;
	p->at_ns = r->start_ns;
	if (mp_mark_socket_open(r->target.pid, &p->marks, &why))
		fprintf(stderr, "mpsample: %s; the recording goes on\n", why.text);
	if (!p->schedule)
		return 0;
	read_clocks(&mono_ns, &real_ns);
	tell_not_covered(r, real_ns);
	int ret = tell_first(r, real_ns, err);
	if (!ret)
		ret = mp_phase_schedule_begin(p->schedule, real_ns - (mono_ns - r->start_ns), &l, err);
	return ret ? ret : mp_recorder_tick_phases(r, err);
}

int mp_recorder_end_phases(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;
	int ret = p->marked_id ? mp_update_phase(r->session, p->marked_id, now, err) : 0;

	while (!ret && p->n_on)
		ret = mp_update_phase(r->session, p->on[--p->n_on].phase_id, now, err);
	return ret;
}

/* ---- What comes ---- */

static int find_next(struct mp_recorder_phases *p, struct mp_phase_bound *calendar, int64_t *at_ns,
    int64_t *now, struct mp_err *err)
{
	int64_t real_ns;

	*calendar = (struct mp_phase_bound){INT64_MAX, INT64_MAX};
	read_clocks(now, &real_ns);
	int ret = p->schedule ? mp_phase_schedule_next(p->schedule, *now, real_ns, calendar, err) : 0;
	if (ret == -ERANGE)
		ret = 0; /* a clock that is set to nonsense is no reason to end */
	*at_ns = calendar->mono_ns;
	bool now_then = p->n_waiting || (p->owes_slot && *now >= p->at_ns + SETTLE_NS);
	if (now_then && *now + MP_PHASE_LEAD_NS < *at_ns)
		*at_ns = *now + MP_PHASE_LEAD_NS;
	return ret;
}

static void tell_planes(struct mp_recorder *r, int64_t at_ns)
{
	unsigned int bank = mp_latency_bank(r->latency);

	if (r->preload)
		mp_preload_split(r->preload, at_ns, bank);
	else
		mp_uprobe_split(r->uprobe, mp_hist_split((uint64_t)at_ns, bank));
}

static int take_back(struct mp_recorder *r, struct mp_err *err)
{
	r->phases->bound_ns = 0;
	tell_planes(r, r->start_ns + NEVER_NS);
	return mp_latency_ahead(r->latency, r->session, false, err);
}

/* An instant that is told stays, but for one of the calendar when the clock has been set: then it comes
 * earlier, later, or not soon. So short before it nothing is changed any more. */
static bool stays(const struct mp_recorder_phases *p, int64_t at_ns, int64_t now)
{
	int64_t moved = at_ns - p->bound_ns;

	return p->is_mark || p->is_slot || now >= p->bound_ns - MP_PHASE_LEAD_NS ||
	       (moved < MOVED_NS && moved > -MOVED_NS);
}

static bool is_soon(const struct mp_recorder_phases *p, int64_t at_ns, int64_t now)
{
	if (at_ns == INT64_MAX || at_ns - now > AHEAD_NS)
		return false;
	return p->bound_ns || now >= p->at_ns + SETTLE_NS || at_ns - now < NEAR_NS;
}

int mp_recorder_tick_phases(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;
	struct mp_phase_bound calendar;
	int64_t at_ns, now;

	p->owes_slot |= mp_pipeline_phase_came(r->pipeline);
	int ret = find_next(p, &calendar, &at_ns, &now, err);

	if (ret || (p->bound_ns && stays(p, at_ns, now)))
		return ret;
	if (!is_soon(p, at_ns, now))
		return p->bound_ns ? take_back(r, err) : 0;
	if (!p->bound_ns) {
		/* That takes its time. */
		ret = mp_latency_ahead(r->latency, r->session, true, err);
		if (!ret)
			ret = find_next(p, &calendar, &at_ns, &now, err);
		if (ret)
			return ret;
	}
	p->bound_ns = at_ns | 1; /* mp_hist_split() */
	bool is_ours = at_ns < calendar.mono_ns;
	p->is_mark = is_ours && p->n_waiting;
	p->is_slot = is_ours && !p->is_mark;
	p->bound = calendar;
	if (is_ours)
		p->bound.mono_ns = INT64_MAX;
	tell_planes(r, p->bound_ns);
	return 0;
}

int64_t mp_recorder_bound_due_ns(const struct mp_recorder *r)
{
	const struct mp_recorder_phases *p = r->phases;

	if (!p->bound_ns)
		return INT64_MAX;
	return p->again_ns ? p->again_ns : p->bound_ns + BEHIND_NS;
}

bool mp_recorder_is_bound_near(const struct mp_recorder *r, int64_t now)
{
	return r->phases->bound_ns && now >= r->phases->bound_ns - NEAR_NS;
}

/* ---- When it has come ---- */

static int begin_marked(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;
	int ret = p->marked_id ? mp_update_phase(r->session, p->marked_id, p->at_ns, err) : 0;

	if (!ret)
		ret = mp_append_phase(r->session, p->waiting[0].name, p->at_ns, "mark", &p->marked_id, err);
	p->n_waiting--;
	memmove(p->waiting, p->waiting + 1, p->n_waiting * sizeof(*p->waiting));
	return ret;
}

static int end_slot_at(struct mp_recorder *r, int64_t at_ns, struct mp_err *err)
{
	int64_t slot_ns = r->slot_ns;

	if (r->preload)
		mp_preload_poll(r->preload, false);
	mp_latency_poll(r->latency, false);
	mp_latency_window(r->latency, mp_recorder_now_ns());
	int ret = mp_recorder_end_slot(r, at_ns, err);
	if (r->preload)
		mp_preload_slot(r->preload);
	mp_latency_turn(r->latency, slot_ns);
	return ret;
}

int mp_recorder_pass_bound(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;
	struct mp_phase_listener l = listener(r);
	int64_t at_ns = r->preload ? mp_preload_split_ns(r->preload) : p->bound_ns;

	/* Whoever counts from records has not read all that came before it: they would be counted by what is
	 * told next. */
	int64_t now = mp_recorder_now_ns();
	if (at_ns < 0 || (!r->preload && mp_uprobe_known_ns(r->uprobe, now) < at_ns)) {
		p->again_ns = now + AGAIN_NS;
		return 0;
	}
	p->again_ns = 0;
	p->at_ns = at_ns;
	p->bound_ns = 0;
	int ret = end_slot_at(r, at_ns, err);
	if (!ret && p->bound.mono_ns != INT64_MAX)
		ret = mp_phase_schedule_pass(p->schedule, &p->bound, &l, err);
	if (!ret && p->is_mark)
		ret = begin_marked(r, err);
	p->is_mark = p->is_slot = p->owes_slot = false;
	return ret ? ret : mp_recorder_tick_phases(r, err);
}

bool mp_recorder_awaits_bound(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;

	mp_recorder_read_marks(r, err);
	mp_mark_socket_close(p->marks);
	p->marks = NULL;
	if (!p->bound_ns)
		return false;
	if (p->is_mark || mp_recorder_is_bound_near(r, mp_recorder_now_ns()))
		return true;
	take_back(r, err);
	return false;
}

/* ---- Marks ---- */

int mp_recorder_marks_fd(const struct mp_recorder *r)
{
	return r->phases->marks ? mp_mark_socket_fd(r->phases->marks) : -1;
}

static int take_mark(void *ctx, const struct mp_mark *m, struct mp_err *err)
{
	struct mp_recorder *r = ctx;
	struct mp_recorder_phases *p = r->phases;

	if (!m->is_phase) {
		mp_pipeline_mark(
		    r->pipeline, mp_recorder_now_ns(), 0, m->name, m->detail[0] ? m->detail : NULL);
		return 0;
	}
	if (p->n_waiting == PHASES_MAX)
		return mp_err_set(err, EAGAIN, "%d phases wait for their begin already", PHASES_MAX);
	p->waiting[p->n_waiting++] = *m;
	return 0;
}

int mp_recorder_read_marks(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_phases *p = r->phases;

	if (!p->marks)
		return 0;
	mp_mark_socket_read(p->marks, mp_recorder_now_ns(), take_mark, r);
	return p->n_waiting ? mp_recorder_tick_phases(r, err) : 0;
}

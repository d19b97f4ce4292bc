/* SPDX-License-Identifier: MIT */
#include "sampler/perf/wants.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add(struct mp_wants *w, const char *name, bool is_sampled, int group, struct mp_err *err)
{
	if (w->n == MP_PERF_WANTS_MAX)
		return mp_err_set(err, E2BIG, "event %s: more than %d events", name, MP_PERF_WANTS_MAX);
	struct mp_perf_want *want = &w->all[w->n];
	int ret = mp_event_resolve(name, &want->event, err);
	if (ret)
		return ret;
	if (!is_sampled && want->event.is_aux)
		return mp_err_set(err, EINVAL, "event %s cannot be counted: it is sampled only", name);
	/* As a sample a page fault may stand in for a miss; a number that is called so is a lie. */
	if (!is_sampled && want->event.quality == MP_SAMPLE_SOFTWARE && *want->event.note)
		return mp_err_set(
		    err, ENOENT, "event %s cannot be counted on this machine: %s", name, want->event.note);
	want->is_sampled = is_sampled;
	want->group = group;
	w->n++;
	return 0;
}

/* What there is of it. Those of the hardware stand side by side: their ratios are of the same time. */
static int add_default(struct mp_wants *w)
{
	static const struct {
		const char *name;
		bool in_group;
	} names[] = {{"cycles", true}, {"instructions", true}, {"cache-misses", false},
	    {"branch-misses", false}, {"page-faults", false}, {"context-switches", false}};
	struct mp_err ignored;

	w->groups++;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		add(w, names[i].name, false, names[i].in_group ? w->groups : 0, &ignored);
	return 0;
}

/* The names up to a comma, a brace or the end; moves on behind it. */
static int add_next(struct mp_wants *w, const char **at, bool is_sampled, int group, struct mp_err *err)
{
	char name[MP_EVENT_NAME_BYTES];
	size_t n = strcspn(*at, ",{}");

	if (!n || n >= sizeof(name))
		return mp_err_set(err, EINVAL,
		    n ? "event '%.*s...': no event has so long a name" : "event '%.*s': a name is missing",
		    n ? 32 : 64, *at);
	snprintf(name, sizeof(name), "%.*s", (int)n, *at);
	*at += n;
	if (!is_sampled && !group && !strcmp(name, "default"))
		return add_default(w);
	return add(w, name, is_sampled, group, err);
}

static int add_group(struct mp_wants *w, const char **at, bool is_sampled, struct mp_err *err)
{
	const char *text = *at;
	int ret;

	w->groups++;
	do {
		++*at; /* the brace, or a comma */
		ret = add_next(w, at, is_sampled, w->groups, err);
	} while (!ret && **at == ',');
	if (!ret && **at != '}')
		return mp_err_set(err, EINVAL, "event '%s': the group has no end", text);
	++*at;
	return ret;
}

int mp_wants_add(struct mp_wants *w, const char *text, bool is_sampled, struct mp_err *err)
{
	const char *at = text;
	int ret;

	for (;;) {
		ret = *at == '{' ? add_group(w, &at, is_sampled, err) : add_next(w, &at, is_sampled, 0, err);
		if (ret || !*at)
			return ret;
		if (*at++ != ',')
			return mp_err_set(err, EINVAL, "event '%s': names stand apart by commas", text);
	}
}

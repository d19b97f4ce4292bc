/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/series.h"

#include <stdlib.h>
#include <string.h>

#include "store/append_gc.h"

struct figure {
	char name[MP_SERIES_NAME];
	double base, value; /* base: of a counter, what it is told less by */
	int64_t written_ns;
	bool is_told, is_other; /* is_other: its source is a new one */
};

struct mp_series {
	struct figure figures[MP_SERIES_MAX];
	unsigned int n, at; /* at: the one that is likely next, for they come in the same order each time */
	struct mp_session *session;
	int64_t now_ns;
	int ret;
	struct mp_err err;
};

struct mp_series *mp_series_new(void)
{
	return calloc(1, sizeof(struct mp_series));
}

void mp_series_free(struct mp_series *s)
{
	free(s);
}

void mp_series_begin(struct mp_series *s, struct mp_session *session, int64_t now_ns)
{
	s->session = session;
	s->now_ns = now_ns;
	s->at = 0;
	s->ret = 0;
}

int mp_series_end(struct mp_series *s, struct mp_err *err)
{
	if (s->ret && err)
		*err = s->err;
	return s->ret;
}

static struct figure *find(struct mp_series *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++) {
		unsigned int k = (s->at + i) % s->n;
		if (!strcmp(s->figures[k].name, name)) {
			s->at = k + 1;
			return &s->figures[k];
		}
	}
	return NULL;
}

/* NULL: there is no room for it. */
static struct figure *find_or_add(struct mp_series *s, const char *name)
{
	struct figure *f = find(s, name);
	size_t length = strlen(name);

	if (f || s->n == MP_SERIES_MAX || length >= MP_SERIES_NAME)
		return f;
	f = &s->figures[s->n++];
	memcpy(f->name, name, length + 1);
	return f;
}

static void tell(struct mp_series *s, struct figure *f, double value)
{
	bool is_due = !f->is_told || f->value != value || s->now_ns - f->written_ns >= MP_SERIES_QUIET_NS;

	if (s->ret || !is_due)
		return;
	s->ret = mp_append_pressure(s->session, s->now_ns, f->name, value, &s->err);
	f->is_told = true;
	f->value = value;
	f->written_ns = s->now_ns;
}

void mp_series_now(struct mp_series *s, const char *name, double value)
{
	struct figure *f = find_or_add(s, name);

	if (f)
		tell(s, f, value);
}

void mp_series_since(struct mp_series *s, const char *name, double count, bool all)
{
	struct figure *f = find_or_add(s, name);

	if (!f)
		return;
	if (!f->is_told)
		f->base = all ? 0 : count;
	else if (f->is_other || count - f->base < f->value)
		f->base = count - f->value;
	f->is_other = false;
	tell(s, f, count - f->base);
}

void mp_series_new_source(struct mp_series *s, const char *prefix)
{
	for (unsigned int i = 0; i < s->n; i++)
		s->figures[i].is_other |= !strncmp(s->figures[i].name, prefix, strlen(prefix));
}

bool mp_series_has(const struct mp_series *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (s->figures[i].is_told && !strcmp(s->figures[i].name, name))
			return true;
	return false;
}

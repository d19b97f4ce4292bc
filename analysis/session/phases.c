/* SPDX-License-Identifier: MIT */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/session/found.h"
#include "analysis/session/private.h"

static int add_phase(
    struct filling *f, const char *name, const char *source, int64_t start_ns, int64_t end_ns)
{
	struct phase *p = &f->phase[f->n];

	if (start_ns < f->scope->from_ns)
		start_ns = f->scope->from_ns;
	if (end_ns > f->scope->to_ns)
		end_ns = f->scope->to_ns;
	if (end_ns <= start_ns || f->n == PHASES_MAX)
		return 0;
	*p = (struct phase){.name = strdup(name),
	    .source = source ? strdup(source) : NULL,
	    .start_ns = start_ns,
	    .end_ns = end_ns};
	f->n++;
	if (!p->name || (source && !p->source))
		return session_no_memory(f);
	for (size_t i = 1; source && i < f->n; i++)
		p->nth += !strcmp(f->phase[i].name, name);
	return 0;
}

static int read_told(struct filling *f)
{
	const struct mp_report_scope *b = f->scope;
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = add_phase(f, "(all)", NULL, b->start_ns, b->end_ns);

	if (ret)
		return ret;
	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT name, source, start_ns, coalesce(end_ns, ?1) FROM phase ORDER BY start_ns, end_ns "
		"DESC, phase_id",
		-1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	sqlite3_bind_int64(st, 1, b->end_ns);
	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		const char *source = (const char *)sqlite3_column_text(st, 1);
		ret = add_phase(f, name ? name : "", source ? source : "", sqlite3_column_int64(st, 2),
		    sqlite3_column_int64(st, 3));
	}
	if (!ret && step != SQLITE_DONE)
		ret = session_failed(f);
	sqlite3_finalize(st);
	return ret;
}

/* Where none are told. */
static int find_phases(struct filling *f)
{
	struct mp_found_phase *found;
	size_t n;
	int ret = mp_find_phases(f->session, f->scope, &found, &n, f->err);

	for (size_t i = 0; !ret && i < n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "found %zu", i + 1);
		ret = add_phase(f, name, "found", found[i].start_ns, found[i].end_ns);
	}
	free(found);
	return ret;
}

void session_find_at(struct filling *f, int64_t t_ns)
{
	f->n_in = 0;
	for (size_t i = 0; i < f->n; i++)
		if (t_ns >= f->phase[i].start_ns && t_ns < f->phase[i].end_ns)
			f->in[f->n_in++] = i;
}

int session_read_phases(struct filling *f)
{
	int ret = read_told(f);

	return ret || f->n > 1 ? ret : find_phases(f);
}

/* SPDX-License-Identifier: MIT */
#include "sampler/import/gc_import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/append.h"

/* So much of a file says what it is. */
#define BEGINNING_BYTES (256 << 10)
#define PIECE_BYTES     (64 << 10)

struct import {
	const struct mp_import_options *o;
	struct mp_session *session;
	struct mp_gc_log *log;
	int64_t first_ns; /* a collection may have begun before the first line was written */
	char collector[32];
};

/* ---- Rows ---- */

static int store_pools(
    struct import *m, const struct mp_gc_log_collection *c, int64_t gc_id, struct mp_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < c->pools; i++) {
		const struct mp_gc_log_pool *p = &c->pool[i];
		const struct mp_gc_pool_row row = {p->name, p->before, p->after, p->committed, p->max};

		ret = mp_append_gc_pool(m->session, gc_id, &row, err);
	}
	return ret;
}

static int take_collection(void *ctx, const struct mp_gc_log_collection *c, struct mp_err *err)
{
	struct import *m = ctx;
	int64_t gc_id, ttsp_ns = c->row.ttsp_ns > 0 ? c->row.ttsp_ns : 0;
	int64_t from_ns = c->row.t_ns > ttsp_ns ? c->row.t_ns - ttsp_ns : 0;
	int ret = mp_append_gc(m->session, &c->row, &gc_id, err);

	m->first_ns = from_ns < m->first_ns ? from_ns : m->first_ns;
	if (!ret)
		ret = store_pools(m, c, gc_id, err);
	for (unsigned int i = 0; !ret && i < c->phases; i++)
		ret = mp_append_gc_phase(
		    m->session, gc_id, c->phase[i].name, c->phase[i].t_ns, c->phase[i].dur_ns, err);
	return ret;
}

static int take_setting(void *ctx, const char *name, const char *value, struct mp_err *err)
{
	struct import *m = ctx;

	if (!strcmp(name, "collector"))
		snprintf(m->collector, sizeof(m->collector), "%s", value);
	return mp_append_gc_setting(m->session, "hotspot", name, value, err);
}

static int take_mark(void *ctx, int64_t t_ns, const char *name, const char *detail, struct mp_err *err)
{
	struct import *m = ctx;

	return mp_append_mark(m->session, t_ns, 0, name, detail, err);
}

static int take_clock(void *ctx, int64_t t_ns, int64_t real_ns, struct mp_err *err)
{
	struct import *m = ctx;

	return mp_append_clock(m->session, t_ns, real_ns, err);
}

/* ---- All ---- */

static int describe(struct import *m, const struct mp_gc_log_totals *t, struct mp_err *err)
{
	struct mp_session *s = m->session;
	int64_t start_ns = t->first_ns < m->first_ns ? t->first_ns : m->first_ns;

	if (mp_session_set(s, err, "planes", "import") || mp_session_set(s, err, "probe", "none") ||
	    mp_session_set(s, err, "version", "%s", MP_VERSION) ||
	    mp_session_set(s, err, "options", "%s", m->o->options_text ? m->o->options_text : "") ||
	    mp_session_set(s, err, "command", "java%s%s%s", *m->collector ? " (" : "", m->collector,
		*m->collector ? ")" : "") ||
	    mp_session_set(s, err, "backend", "gc log") ||
	    mp_session_set(s, err, "import_file", "%s", m->o->input) ||
	    mp_session_set(s, err, "import_format", "gc log of HotSpot") ||
	    mp_session_set(s, err, "import_records", "%" PRIu64, t->lines) ||
	    mp_session_set(s, err, "import_unknown_records", "%" PRIu64, t->unknown) ||
	    mp_session_set(s, err, "clock", "since the JVM's start, or the log's first line") ||
	    mp_session_set(s, err, "start_ns", "%" PRId64, start_ns) ||
	    mp_session_set(s, err, "end_ns", "%" PRId64, t->last_ns) ||
	    mp_session_set(s, err, "duration_ns", "%" PRId64, t->last_ns - start_ns) ||
	    mp_session_set(s, err, "end_reason", "end of the log"))
		return -EIO;
	return 0;
}

static int look_outside(struct import *m, int64_t at, int64_t size, struct mp_err *err)
{
	if (m->o->stop && *m->o->stop)
		return mp_err_set(err, EINTR, "import of %s was stopped: nothing is written", m->o->input);
	if (m->o->progress && size > 0 && at <= size)
		m->o->progress((int)((double)at * 100 / (double)size));
	return 0;
}

static int read_all(struct import *m, int fd, int64_t size, struct mp_err *err)
{
	char *piece = malloc(PIECE_BYTES);
	int64_t at = 0;
	ssize_t n = 0;
	int ret = piece ? 0 : mp_err_set(err, ENOMEM, "out of memory");

	while (!ret && (n = read(fd, piece, PIECE_BYTES)) > 0) {
		at += n;
		ret = mp_gc_log_feed(m->log, piece, (size_t)n, err);
		if (!ret)
			ret = look_outside(m, at, size, err);
	}
	if (!ret && n < 0)
		ret = mp_err_set(err, errno, "cannot read %s: %s", m->o->input, strerror(errno));
	free(piece);
	return ret ? ret : mp_gc_log_end(m->log, err);
}

static int check_content(const struct import *m, const struct mp_gc_log_totals *t, struct mp_err *err)
{
	if (t->first_ns >= 0 && (t->pauses || t->beside || !t->no_time))
		return 0;
	return mp_err_set(err, ENODATA,
	    "%s is a gc log whose lines have no times: let java write them, "
	    "-Xlog:gc*,safepoint:file=gc.log:time,uptime,level,tags",
	    m->o->input);
}

static int import_all(struct import *m, int fd, int64_t size, struct mp_err *err)
{
	int ret = read_all(m, fd, size, err);

	if (!ret)
		ret = check_content(m, mp_gc_log_totals(m->log), err);
	if (!ret)
		ret = describe(m, mp_gc_log_totals(m->log), err);
	return ret ? ret : mp_session_publish(m->session, err);
}

/* "-" is standard input: a file that was read by mp_gc_import_knows() is still at its beginning. */
static int open_input(const char *input)
{
	return strcmp(input, "-") ? open(input, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
				  : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
}

static int check_output(const struct mp_import_options *o, const struct stat *in, struct mp_err *err)
{
	struct stat out;

	if (stat(o->output, &out) || in->st_dev != out.st_dev || in->st_ino != out.st_ino)
		return 0;
	return mp_err_set(err, EEXIST,
	    "cannot write %s: it is the log itself; choose another name for the session", o->output);
}

bool mp_gc_import_knows(const char *input)
{
	int fd = open_input(input);
	char *text = malloc(BEGINNING_BYTES);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && text && !fstat(fd, &st) && S_ISREG(st.st_mode))
		n = pread(fd, text, BEGINNING_BYTES, 0);
	bool is_one = n > 0 && mp_gc_log_is_one(text, (size_t)n);
	free(text);
	if (fd >= 0)
		close(fd);
	return is_one;
}

int mp_gc_import(const struct mp_import_options *o, struct mp_gc_log_totals *totals, struct mp_err *err)
{
	struct import m = {.o = o, .first_ns = INT64_MAX};
	const struct mp_gc_log_sink sink = {take_collection, take_setting, take_mark, take_clock, &m};
	struct stat st = {0};
	int fd = open_input(o->input);
	int ret = fd < 0 || fstat(fd, &st)
		      ? mp_err_set(err, errno, "cannot read %s: %s", o->input, strerror(errno))
		      : check_output(o, &st, err);

	*totals = (struct mp_gc_log_totals){0};
	m.log = mp_gc_log_new(&sink);
	if (!ret && !m.log)
		ret = mp_err_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = mp_session_create(o->output, o->force, &m.session, err);
	if (!ret)
		ret = import_all(&m, fd, st.st_size, err);
	if (!ret)
		*totals = *mp_gc_log_totals(m.log);
	int closed = mp_session_close(m.session, ret ? NULL : err);
	mp_gc_log_free(m.log);
	if (fd >= 0)
		close(fd);
	return ret ? ret : closed;
}

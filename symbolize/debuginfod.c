/* SPDX-License-Identifier: MIT */
#include "symbolize/debuginfod.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

/* The name is the library's promise about the functions below (elfutils/debuginfod.h). */
#define LIBRARY "libdebuginfod.so.1"

#define FAILURES_MAX 3

struct client; /* debuginfod_client */
typedef int find_fn(struct client *c, const unsigned char *build_id, int build_id_bytes, char **path);
typedef int progress_fn(struct client *c, long done, long total);

struct mp_debuginfod {
	struct mp_debuginfod_options options;
	struct client *client;
	struct client *(*begin)(void);
	void (*end)(struct client *c);
	find_fn *find_debuginfo, *find_executable;
	void (*set_progressfn)(struct client *c, progress_fn *fn);
	int failures; /* in a row */
	bool stopped;
};

static bool load(struct mp_debuginfod *d)
{
	const struct {
		const char *name;
		void **fn;
	} table[] = {
	    {"debuginfod_begin", (void **)&d->begin},
	    {"debuginfod_end", (void **)&d->end},
	    {"debuginfod_find_debuginfo", (void **)&d->find_debuginfo},
	    {"debuginfod_find_executable", (void **)&d->find_executable},
	    {"debuginfod_set_progressfn", (void **)&d->set_progressfn},
	};
	/* Stays loaded: libcurl below it has state of the whole process. */
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		*table[i].fn = library ? dlsym(library, table[i].name) : NULL;
		if (!*table[i].fn)
			return false;
	}
	return true;
}

/* The one whose call is under way: the library's own place for it is newer than its first versions. */
static _Thread_local struct mp_debuginfod *asking;

static int on_progress(struct client *c, long done, long total)
{
	struct mp_debuginfod *d = asking;

	(void)c;
	if (d->options.progress && !d->options.progress(d->options.ctx, done, total))
		d->stopped = true;
	return d->stopped;
}

int mp_debuginfod_new(
    const struct mp_debuginfod_options *options, struct mp_debuginfod **out, struct mp_err *err)
{
	const char *urls = getenv("DEBUGINFOD_URLS");

	if (!urls || !urls[0])
		return mp_err_set(err, ENOENT, "no debuginfod server to ask: DEBUGINFOD_URLS is not set");
	struct mp_debuginfod *d = calloc(1, sizeof(*d));
	if (!d)
		return mp_err_set(err, ENOMEM, "no memory for debuginfod");
	if (!load(d)) {
		free(d);
		return mp_err_set(err, ENOSYS,
		    "DEBUGINFOD_URLS is set, but " LIBRARY " is not there (Debian: libdebuginfod1)");
	}
	if (options)
		d->options = *options;
	d->client = d->begin();
	if (!d->client) {
		free(d);
		return mp_err_set(err, ENOMEM, "debuginfod does not start");
	}
	d->set_progressfn(d->client, on_progress);
	*out = d;
	return 0;
}

int mp_debuginfod_find(struct mp_debuginfod *d, enum mp_debuginfod_kind kind, const char *build_id)
{
	find_fn *find = kind == MP_DEBUGINFOD_DEBUG ? d->find_debuginfo : d->find_executable;

	if (d->stopped || d->failures >= FAILURES_MAX)
		return -ECONNABORTED;
	asking = d;
	/* Length 0: it is text. */
	int fd = find(d->client, (const unsigned char *)build_id, 0, NULL);
	d->failures = fd >= 0 || fd == -ENOENT ? 0 : d->failures + 1;
	return d->stopped && fd < 0 ? -ECONNABORTED : fd;
}

void mp_debuginfod_free(struct mp_debuginfod *d)
{
	if (!d)
		return;
	d->end(d->client);
	free(d);
}

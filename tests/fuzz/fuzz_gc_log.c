/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/import/gc_log.h"

/* A log of HotSpot's collectors, fed in two parts; the first byte says where the first one ends. What comes
 * of it is what a session may hold. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LATEST_NS (INT64_C(1) << 61)

static void check_time(int64_t t_ns, int64_t dur_ns)
{
	if (t_ns < 0 || dur_ns < 0 || t_ns > LATEST_NS || dur_ns > LATEST_NS)
		abort();
}

static int take_collection(void *ctx, const struct mp_gc_log_collection *c, struct mp_err *err)
{
	(void)err;
	++*(uint64_t *)ctx;
	check_time(c->row.t_ns, c->row.dur_ns);
	if (!c->row.kind || strlen(c->row.kind) > 95 || (c->row.cause && strlen(c->row.cause) > 95) ||
	    c->pools > MP_GC_LOG_POOLS || c->phases > MP_GC_LOG_PHASES)
		abort();
	if (c->row.ttsp_ns >= 0 && c->row.stopped_ns < c->row.dur_ns)
		abort();
	for (unsigned int i = 0; i < c->pools; i++)
		if (!*c->pool[i].name)
			abort();
	for (unsigned int i = 0; i < c->phases; i++) {
		check_time(c->phase[i].t_ns, c->phase[i].dur_ns);
		if (!*c->phase[i].name)
			abort();
	}
	return 0;
}

static int take_setting(void *ctx, const char *name, const char *value, struct mp_err *err)
{
	(void)ctx;
	(void)err;
	if (!*name || !*value)
		abort();
	return 0;
}

static int take_mark(void *ctx, int64_t t_ns, const char *name, const char *detail, struct mp_err *err)
{
	(void)ctx;
	(void)err;
	check_time(t_ns, 0);
	if (!*name || !*detail)
		abort();
	return 0;
}

static int take_clock(void *ctx, int64_t t_ns, int64_t real_ns, struct mp_err *err)
{
	(void)ctx;
	(void)err;
	check_time(t_ns, 0);
	if (real_ns < 0)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t taken = 0;
	const struct mp_gc_log_sink sink = {take_collection, take_setting, take_mark, take_clock, &taken};

	if (!size)
		return 0;
	struct mp_gc_log *g = mp_gc_log_new(&sink);
	const char *text = (const char *)data;
	size_t first = data[0] < size ? data[0] : size;
	if (!g)
		abort();
	if (mp_gc_log_feed(g, text, first, NULL) || mp_gc_log_feed(g, text + first, size - first, NULL) ||
	    mp_gc_log_end(g, NULL))
		abort();
	const struct mp_gc_log_totals *t = mp_gc_log_totals(g);
	if (taken != t->pauses + t->beside || t->last_ns < t->first_ns)
		abort();
	mp_gc_log_free(g);
	mp_gc_log_is_one(text, size);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/hotspot_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/append_gc.h"

static void tell_ticks(
    const struct mp_hsperf *h, struct mp_series *s, const char *name, int64_t ticks, bool all)
{
	if (ticks >= 0 && h->frequency > 0)
		mp_series_since(s, name, (double)ticks * 1e9 / (double)h->frequency, all);
}

static void tell_bytes(struct mp_series *s, const char *what, const char *figure, int64_t bytes)
{
	char name[MP_SERIES_NAME];

	snprintf(name, sizeof(name), "hotspot.%s_%s_bytes", what, figure);
	if (bytes >= 0)
		mp_series_now(s, name, (double)bytes);
}

enum part { EDEN, SURVIVOR, YOUNG, OLD, HEAP, PARTS };

/* What a space is, as JDK 17 to 25 name them and their generations; PARTS: nothing. Survivors are two spaces,
 * one of them empty. Generations of one space (Z) are told as a whole, and a heap without generations as the
 * heap. */
static enum part part_of(unsigned int generation, const struct mp_hsperf_space *s)
{
	if (!s->name)
		return PARTS;
	if (!strcmp(s->name, "eden"))
		return EDEN;
	if (!strcmp(s->name, "s0") || !strcmp(s->name, "s1"))
		return SURVIVOR;
	if (!strcmp(s->name, "Heap"))
		return HEAP;
	return generation == 0 ? YOUNG : generation == 1 ? OLD : PARTS;
}

static void tell_spaces(const struct mp_hsperf *h, struct mp_series *s)
{
	static const char *const names[PARTS] = {"eden", "survivor", "young", "old", "heap"};
	int64_t used[PARTS + 1], capacity[PARTS + 1];

	for (int p = 0; p <= PARTS; p++)
		used[p] = capacity[p] = -1;
	for (unsigned int g = 0; g < MP_HSPERF_GENERATIONS; g++)
		for (unsigned int k = 0; k < MP_HSPERF_SPACES; k++) {
			const struct mp_hsperf_space *space = &h->generations[g].spaces[k];
			enum part p = part_of(g, space);
			used[p] = mp_hsperf_sum(used[p], space->used_bytes);
			capacity[p] =
			    mp_hsperf_sum(capacity[p], mp_hsperf_whole_pages(space->capacity_bytes));
		}
	for (int p = 0; p < PARTS; p++) {
		tell_bytes(s, names[p], "used", used[p]);
		tell_bytes(s, names[p], "capacity", capacity[p]);
	}
	tell_bytes(s, "metaspace", "used", h->metaspace_used_bytes);
	tell_bytes(s, "metaspace", "capacity", h->metaspace_capacity_bytes);
}

void mp_hotspot_tell(const struct mp_hsperf *h, struct mp_series *s, bool all)
{
	char name[MP_SERIES_NAME];

	if (h->safepoints >= 0)
		mp_series_since(s, "hotspot.safepoints", (double)h->safepoints, all);
	tell_ticks(h, s, "hotspot.safepoint_ns", h->safepoint_ticks, all);
	tell_ticks(h, s, "hotspot.safepoint_sync_ns", h->safepoint_sync_ticks, all);
	for (unsigned int i = 0; i < MP_HSPERF_COLLECTORS; i++) {
		snprintf(name, sizeof(name), "hotspot.collector_%u_collections", i);
		if (h->collectors[i].invocations >= 0)
			mp_series_since(s, name, (double)h->collectors[i].invocations, all);
		snprintf(name, sizeof(name), "hotspot.collector_%u_ns", i);
		tell_ticks(h, s, name, h->collectors[i].ticks, all);
	}
	tell_spaces(h, s);
}

static int set(struct mp_session *session, const char *name, const char *value, struct mp_err *err)
{
	return value ? mp_append_gc_setting(session, "hotspot", name, value, err) : 0;
}

static int set_bytes(struct mp_session *session, const char *name, int64_t bytes, struct mp_err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, bytes);
	return set(session, name, bytes >= 0 ? text : NULL, err);
}

/* What it counts first says in its first word which collector it is: "G1 young collection pauses". */
static int set_collector(const struct mp_hsperf *h, struct mp_session *session, struct mp_err *err)
{
	const char *name = h->collectors[0].name;
	char text[32];

	if (name)
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, " "), name);
	return set(session, "collector", name ? text : NULL, err);
}

int mp_hotspot_settings(const struct mp_hsperf *h, struct mp_session *session, struct mp_err *err)
{
	int ret = set(session, "version", h->vm_version, err);
	char name[32];

	if (!ret)
		ret = set_collector(h, session, err);
	if (!ret)
		ret = set(session, "vm_args", h->vm_args, err);
	for (unsigned int i = 0; !ret && i < MP_HSPERF_COLLECTORS; i++) {
		snprintf(name, sizeof(name), "collector_%u", i);
		ret = set(session, name, h->collectors[i].name, err);
	}
	if (!ret)
		ret = set_bytes(session, "max_heap_bytes", mp_hsperf_max_heap(h), err);
	if (!ret)
		ret = set_bytes(session, "initial_heap_bytes", mp_hsperf_initial_heap(h), err);
	return ret;
}

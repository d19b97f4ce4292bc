/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sampler/perf/event_priv.h"
#include "sampler/perf/pfm.h"

/* The nearest so far, best first. */
#define NEAREST 3
struct nearest {
	char wanted[MP_EVENT_NAME_BYTES];
	char name[NEAREST][MP_EVENT_NAME_BYTES];
	size_t distance[NEAREST];
	size_t n;
};

static int fold(char c)
{
	return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Levenshtein's edit distance, without regard to case, one row of its table at a time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[MP_EVENT_NAME_BYTES], length = strnlen(b, MP_EVENT_NAME_BYTES - 1);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= length; j++) {
			size_t best = diagonal + (fold(a[i]) != fold(b[j - 1]));

			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[length];
}

static bool is_same(const char *a, const char *b)
{
	while (*a && fold(*a) == fold(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static void offer(struct nearest *n, const char *prefix, const char *name)
{
	size_t d = edit_distance(n->wanted, name), at = n->n;

	for (size_t i = 0; i < n->n; i++)
		if (is_same(n->name[i] + strlen(prefix), name))
			return;
	while (at && d < n->distance[at - 1])
		at--;
	if (at == NEAREST)
		return;
	n->n += n->n < NEAREST;
	for (size_t i = n->n - 1; i > at; i--) {
		n->distance[i] = n->distance[i - 1];
		memcpy(n->name[i], n->name[i - 1], sizeof(n->name[i]));
	}
	n->distance[at] = d;
	snprintf(n->name[at], sizeof(n->name[at]), "%s%s", prefix, name);
}

static void list(const struct nearest *n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < n->n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", n->name[i]);
}

struct pmu_walk {
	struct nearest *n;
	const char *only; /* the PMU to look in; NULL: all that are present */
	bool found;
	char prefix[64];
};

static bool offer_event(void *ctx, const pfm_event_info_t *event)
{
	struct pmu_walk *w = ctx;

	offer(w->n, w->prefix, event->name);
	if (!w->only && event->equiv && !strchr(event->equiv, ':'))
		offer(w->n, w->prefix, event->equiv);
	return false;
}

static bool offer_pmu(void *ctx, const pfm_pmu_info_t *pmu)
{
	struct pmu_walk *w = ctx;

	/* Of the kernel's generic events perf's own names are the better ones. */
	bool is_wanted =
	    w->only ? !strcmp(pmu->name, w->only) : pmu->is_present && pmu->type != PFM_PMU_TYPE_OS_GENERIC;

	if (!is_wanted)
		return false;
	w->found = true;
	if (w->only)
		snprintf(w->prefix, sizeof(w->prefix), "%s::", pmu->name);
	mp_pfm_each_event(pmu, offer_event, w);
	return w->only != NULL;
}

static bool offer_pmu_name(void *ctx, const pfm_pmu_info_t *pmu)
{
	offer(ctx, "", pmu->name);
	return false;
}

/* "pmu::EVENT": among that PMU's events; if there is no such PMU, among the names of PMUs. */
static void suggest_in_pmu(const char *pmu, const char *event, struct nearest *n)
{
	struct pmu_walk w = {.n = n, .only = pmu};

	snprintf(n->wanted, sizeof(n->wanted), "%.*s", (int)strcspn(event, ":"), event);
	mp_pfm_each_pmu(offer_pmu, &w);
	if (w.found)
		return;
	snprintf(n->wanted, sizeof(n->wanted), "%s", pmu);
	mp_pfm_each_pmu(offer_pmu_name, n);
}

void mp_event_suggest(const char *name, char *out, size_t size)
{
	struct nearest n = {.n = 0};
	const char *event = strstr(name, "::");
	char pmu[MP_EVENT_NAME_BYTES];

	if (event) {
		snprintf(pmu, sizeof(pmu), "%.*s", (int)(event - name), name);
		suggest_in_pmu(pmu, event + 2, &n);
	} else {
		struct pmu_walk w = {.n = &n};

		snprintf(n.wanted, sizeof(n.wanted), "%.*s", (int)strcspn(name, ":"), name);
		for (size_t i = 0; mp_event_alias(i); i++)
			offer(&n, "", mp_event_alias(i)->name);
		for (size_t i = 0; mp_event_perf_name(i); i++)
			offer(&n, "", mp_event_perf_name(i)->name);
		mp_pfm_each_pmu(offer_pmu, &w);
	}
	list(&n, out, size);
}

static bool is_attribute(int index, const pfm_event_info_t *event, const char *word, size_t length)
{
	for (int i = 0; i < event->nattrs; i++) {
		pfm_event_attr_info_t a = {.size = sizeof(a)};

		if (pfm_get_event_attr_info(index, i, PFM_OS_PERF_EVENT_EXT, &a) == PFM_SUCCESS &&
		    strlen(a.name) == length && !strncasecmp(a.name, word, length))
			return true;
	}
	return false;
}

static void suggest_attributes(int index, const pfm_event_info_t *event, struct nearest *n)
{
	for (int i = 0; i < event->nattrs; i++) {
		pfm_event_attr_info_t a = {.size = sizeof(a)};

		if (pfm_get_event_attr_info(index, i, PFM_OS_PERF_EVENT_EXT, &a) == PFM_SUCCESS)
			offer(n, "", a.name);
	}
}

bool mp_event_suggest_attribute(const char *base, char *bad, size_t bad_size, char *out, size_t size)
{
	char copy[MP_EVENT_NAME_BYTES], *rest, *word;
	pfm_event_info_t event = {.size = sizeof(event)};

	snprintf(copy, sizeof(copy), "%s", base);
	rest = strstr(copy, "::") ? strstr(copy, "::") + 2 : copy;
	rest += strcspn(rest, ":");
	if (*rest)
		*rest++ = 0;
	int index = pfm_find_event(copy);
	if (index < 0 || pfm_get_event_info(index, PFM_OS_PERF_EVENT_EXT, &event) != PFM_SUCCESS)
		return false;
	while ((word = strsep(&rest, ":"))) {
		struct nearest n = {.n = 0};

		if (is_attribute(index, &event, word, strcspn(word, "=")))
			continue;
		snprintf(bad, bad_size, "%s", word);
		snprintf(n.wanted, sizeof(n.wanted), "%s", word);
		suggest_attributes(index, &event, &n);
		list(&n, out, size);
		return n.n > 0;
	}
	return false;
}

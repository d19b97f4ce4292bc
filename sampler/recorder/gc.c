/* SPDX-License-Identifier: MIT */
#include "sampler/recorder/gc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"

/* The part of the budget that counting what is given out may take, and how long that may have been saved up.
 */
#define COUNTING_SHARE  0.5
#define COUNTING_SAVE_S 4

/* Points tell in the order of time, but for a thread that lost the CPU between its stamp and its row. */
#define SETTLE_NS (NS_PER_S / 50)

int mp_recorder_resolve_gc(struct mp_recorder *r, struct mp_err *err)
{
	return r->o->gc ? mp_gc_resolve(&r->target, &r->gc.set, err) : 0;
}

int mp_recorder_open_gc(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_err why;

	if (!r->gc.set.n)
		return 0;
	if (!r->uprobe)
		why = r->missing;
	else if (!mp_uprobe_attach_gc(r->uprobe, &r->gc.set, 0, &why))
		r->gc.is_in = true;
	else if (!r->probes.n)
		return mp_err_set(err, ENOTSUP, "%s", why.text); /* else there is nothing to record */
	if (!r->gc.is_in)
		fprintf(stderr, "mpsample: garbage collections are not recorded: %s\n", why.text);
	return 0;
}

static void collected(void *ctx, const struct mp_gc_collected *c)
{
	mp_gc_watch_collected(ctx, c);
}

int mp_recorder_begin_gc(struct mp_recorder *r, struct mp_err *err)
{
	r->gc.watch = mp_gc_watch_new(&r->target, &r->gc.set, r->session, r->o->predict);
	r->gc.classes = mp_gc_classes_new(&r->target, &r->gc.set);
	if (!r->gc.watch || !r->gc.classes)
		return mp_err_set(err, ENOMEM, "out of memory");
	const struct mp_gc_listener listener = {.collected = collected, .ctx = r->gc.watch};
	mp_pipeline_gc_follow(r->pipeline, &r->gc.set, &listener);
	return 0;
}

int mp_recorder_store_gc_probes(struct mp_recorder *r, size_t from, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = from; !ret && r->gc.is_in && i < r->gc.set.n; i++) {
		const struct mp_gc_point *p = &r->gc.set.points[i];
		const struct mp_probe_row row = {MP_OP_GC, p->name, p->module,
		    r->gc.set.runtimes[p->runtime].profile.name, p->offset, p->skipped_bytes};
		ret = mp_append_probe(r->session, &row, err);
	}
	return ret;
}

/* ---- Libraries that are loaded later ---- */

static bool has_module(const struct mp_gc_set *set, size_t n, const char *module)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(set->runtimes[i].module, module))
			return true;
	return false;
}

/* Takes over the runtimes of `more` in files that were not there, and their points; false without memory. */
static bool take_new(struct mp_gc_set *set, struct mp_gc_set *more)
{
	size_t runtimes = set->n_runtimes;
	struct mp_gc_runtime *rt = reallocarray(set->runtimes, runtimes + more->n_runtimes + 1, sizeof(*rt));
	struct mp_gc_point *p;

	if (!rt)
		return false;
	set->runtimes = rt;
	p = reallocarray(set->points, set->n + more->n + 1, sizeof(*p));
	if (!p)
		return false;
	set->points = p;
	for (size_t i = 0; i < more->n_runtimes && set->n_runtimes < MP_GC_RUNTIMES_MAX; i++) {
		if (has_module(set, runtimes, more->runtimes[i].module))
			continue;
		for (size_t k = 0; k < more->n && set->n < MP_GC_POINTS_MAX; k++) {
			if (more->points[k].runtime != i)
				continue;
			p[set->n] = more->points[k];
			p[set->n++].runtime = set->n_runtimes;
		}
		rt[set->n_runtimes++] = more->runtimes[i];
		more->runtimes[i].profile = (struct mp_gc_profile){0};
	}
	return true;
}

int mp_recorder_attach_new_gc(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_gc_set *set = &r->gc.set, more;
	size_t before = set->n, runtimes = set->n_runtimes;
	int ret = 0;

	if (!r->o->gc || !r->uprobe || !mp_uprobe_follows_gc(r->uprobe))
		return 0;
	ret = mp_gc_resolve(&r->target, &more, err);
	if (ret)
		return ret;
	if (!take_new(set, &more))
		ret = mp_err_set(err, ENOMEM, "out of memory");
	mp_gc_set_free(&more);
	if (!ret && set->n > before) {
		ret = mp_uprobe_attach_gc(r->uprobe, set, before, err);
		set->n = ret ? before : set->n;
		while (ret && set->n_runtimes > runtimes)
			mp_gc_profile_free(&set->runtimes[--set->n_runtimes].profile);
		r->gc.is_in |= !ret;
	}
	if (!ret && set->n > before) {
		fprintf(stderr, "mpsample: garbage collections of %s are recorded (%s)\n",
		    set->runtimes[runtimes].profile.name, set->runtimes[runtimes].module);
		ret = mp_recorder_store_gc_probes(r, before, err);
	}
	return ret;
}

/* ---- What it costs ---- */

static uint64_t cost_ns(const struct mp_recorder *r, bool counting_only, uint64_t *hits)
{
	const struct mp_gc_set *set = &r->gc.set;
	uint64_t cost = 0;

	*hits = 0;
	for (size_t i = 0; r->gc.is_in && i < set->n; i++) {
		uint64_t n = counting_only && set->points[i].role != MP_GC_ALLOCATED
				 ? 0
				 : mp_uprobe_gc_hits(r->uprobe, i);
		*hits += n;
		cost += n * mp_uprobe_gc_cost_ns(r->uprobe, &set->points[i]);
	}
	return cost;
}

uint64_t mp_recorder_gc_cost_ns(const struct mp_recorder *r, uint64_t *hits)
{
	return cost_ns(r, false, hits);
}

/* A token bucket: what was not spent is saved up, but no more than so much. */
static void watch_counting(struct mp_recorder *r, int64_t now)
{
	struct mp_recorder_gc *g = &r->gc;
	double rate = r->o->budget * COUNTING_SHARE, most = rate * COUNTING_SAVE_S * 1e9;
	uint64_t hits, cost = cost_ns(r, true, &hits);

	if (g->is_withdrawn || !hits || r->o->probe == MP_PROBE_ALL)
		return;
	if (!g->watched_ns)
		g->credit_ns = most;
	else
		g->credit_ns += (double)(now - g->watched_ns) * rate;
	g->credit_ns = (g->credit_ns < most ? g->credit_ns : most) - (double)(cost - g->watched_cost_ns);
	g->watched_ns = now;
	g->watched_cost_ns = cost;
	if (g->credit_ns >= 0)
		return;
	g->is_withdrawn = true;
	mp_uprobe_detach_group(r->uprobe, MP_PROBES_GC);
	for (size_t i = 0; i < g->set.n_runtimes; i++)
		g->set.runtimes[i].counts_allocated = false;
	fprintf(stderr, "mpsample: what runtimes give out between collections is not counted any more: that "
			"is too often for "
			"the budget; --probe all counts it at any cost\n");
	mp_pipeline_mark(r->pipeline, now, 0, "gc counting withdrawn", "");
}

int mp_recorder_store_gc_overhead(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_gc *g = &r->gc;
	struct mp_overhead_row row = {.slot_ns = r->slot_ns, .plane = "gc"};
	uint64_t hits, cost = mp_recorder_gc_cost_ns(r, &hits);

	if (hits == g->slot_hits)
		return 0;
	row.events = hits - g->slot_hits;
	row.cost_ns = cost - g->slot_cost_ns;
	g->slot_hits = hits;
	g->slot_cost_ns = cost;
	return mp_recorder_append_overhead(r, &row, err);
}

int mp_recorder_store_gc_classes(struct mp_recorder *r, struct mp_err *err)
{
	if (!r->gc.is_in)
		return 0;
	mp_uprobe_gc_classes(r->uprobe, mp_gc_classes_take, r->gc.classes);
	return mp_gc_classes_store(r->gc.classes, r->session, r->slot_ns, err);
}

int mp_recorder_tick_gc(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	uint64_t allocated[MP_GC_RUNTIMES_MAX];

	if (!r->gc.is_in)
		return 0;
	mp_pipeline_gc_known(r->pipeline, now - SETTLE_NS);
	watch_counting(r, now);
	for (size_t i = 0; i < MP_GC_RUNTIMES_MAX; i++)
		allocated[i] = mp_uprobe_gc_allocated(r->uprobe, i);
	return mp_gc_watch_step(r->gc.watch, now, allocated, err);
}

void mp_recorder_tell_gc(const struct mp_recorder *r)
{
	const struct mp_gc_set *set = &r->gc.set;

	if (*set->notes)
		fprintf(stderr, "mpsample: %s\n", set->notes);
	for (size_t i = 0; r->gc.is_in && i < set->n_runtimes; i++)
		fprintf(stderr, "mpsample: garbage collections of %s are recorded (%s)\n",
		    set->runtimes[i].profile.name, set->runtimes[i].module);
}

/* SPDX-License-Identifier: MIT */
#include "sampler/recorder/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/append.h"

/* The part of the budget that the probes of built-in profiles may take, which nobody has asked for, and how
 * long they may have saved it up: two seconds of the budget, for a burst. */
#define PROFILE_SHARE  0.5
#define PROFILE_SAVE_S 4

/* A command that has just been started fills its tables within its first moments. */
#define WAITS_MAX 20

static bool is_builtin(const struct mp_pool_set *set, size_t i)
{
	return set->kinds[set->functions[i].pool_kind].is_builtin;
}

static size_t count_builtin(const struct mp_pool_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += is_builtin(set, i);
	return n;
}

static bool wants_functions(const struct mp_recorder *r)
{
	return r->o->pools_file || (r->uprobe && mp_uprobe_follows_pools(r->uprobe));
}

int mp_recorder_resolve_pools(struct mp_recorder *r, struct mp_err *err)
{
	return mp_pool_resolve(&r->target, r->o->pools_file, &r->pools.set, err);
}

int mp_recorder_open_pools(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_pool_set *set = &r->pools.set;

	if (!set->n || !wants_functions(r))
		return 0;
	if (!r->uprobe)
		return mp_err_set(err, ENOTSUP, "--pools needs probes: %s", r->missing.text);
	int ret = mp_uprobe_attach_pools(r->uprobe, set, 0, err);
	r->pools.is_in = !ret;
	if (!ret || r->o->pools_file)
		return ret;
	fprintf(stderr, "mpsample: pools of built-in profiles are not followed: %s\n", err->text);
	return 0; /* nobody has asked for them */
}

int mp_recorder_store_pool_probes(struct mp_recorder *r, size_t from, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = from; !ret && r->pools.is_in && i < r->pools.set.n; i++) {
		const struct mp_pool_function *f = &r->pools.set.functions[i];
		struct mp_probe_row row = {MP_OP_POOL, f->name, f->module,
		    r->pools.set.kinds[f->pool_kind].source, f->entry, f->skipped_bytes};
		ret = mp_append_probe(r->session, &row, err);
	}
	return ret;
}

/* ---- Libraries that are loaded later ---- */

static bool has_module(const struct mp_pool_set *set, const char *module)
{
	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(set->functions[i].module, module))
			return true;
	return false;
}

/* Takes over from `more` what is in files that were not there; false without memory. */
static bool take_new(struct mp_pool_set *set, const struct mp_pool_set *more)
{
	size_t kinds = set->n_kinds, n = set->n;
	struct mp_pool_kind *k = reallocarray(set->kinds, kinds + more->n_kinds + 1, sizeof(*k));
	struct mp_pool_function *f;

	if (!k)
		return false;
	set->kinds = k;
	f = reallocarray(set->functions, n + more->n + 1, sizeof(*f));
	if (!f)
		return false;
	set->functions = f;
	memcpy(k + kinds, more->kinds, more->n_kinds * sizeof(*k));
	for (size_t i = 0; i < more->n && set->n < MP_POOL_FUNCTIONS_MAX; i++) {
		/* Only against those that were there before. */
		struct mp_pool_set before = {.functions = f, .n = n};
		if (has_module(&before, more->functions[i].module))
			continue;
		f[set->n] = more->functions[i];
		f[set->n++].pool_kind += kinds;
	}
	if (set->n > n)
		set->n_kinds = kinds + more->n_kinds;
	return true;
}

bool mp_recorder_awaits_pools(const struct mp_recorder *r)
{
	return r->pools.set.waits && r->pools.waited < WAITS_MAX;
}

int mp_recorder_attach_new_pools(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_pool_set *set = &r->pools.set, more;
	size_t before = set->n;
	int ret = 0;

	r->pools.waited += set->waits;
	if (!r->uprobe || r->pools.is_withdrawn || !wants_functions(r) ||
	    mp_pool_resolve(&r->target, r->o->pools_file, &more, err))
		return 0; /* of the user's functions some may be in a library that is gone again */
	if (!take_new(set, &more))
		ret = mp_err_set(err, ENOMEM, "out of memory");
	set->waits = more.waits;
	mp_pool_set_free(&more);
	/* In any case: the kinds may have moved. */
	int told = mp_pipeline_pool_kinds(r->pipeline, set->kinds, set->n_kinds, err);
	ret = ret ? ret : told;
	if (!ret && set->n > before) {
		ret = mp_uprobe_attach_pools(r->uprobe, set, before, err);
		r->pools.is_in |= !ret;
		set->n = ret ? before : set->n;
		if (!ret)
			ret = mp_recorder_store_pool_probes(r, before, err);
	}
	return ret;
}

/* ---- What they cost ---- */

/* What so many calls of function `i`, all that there were, or none of them, have cost. */
static uint64_t call_cost_ns(const struct mp_recorder *r, size_t i, uint64_t calls)
{
	return calls ? calls * mp_uprobe_pool_cost_ns(r->uprobe, &r->pools.set.functions[i]) +
			   mp_uprobe_pool_chain_ns(r->uprobe, i)
		     : 0;
}

static uint64_t cost_ns(const struct mp_recorder *r, bool builtin_only, uint64_t *calls)
{
	const struct mp_pool_set *set = &r->pools.set;
	uint64_t cost = 0;

	*calls = 0;
	for (size_t i = 0; r->pools.is_in && i < set->n; i++) {
		uint64_t n = builtin_only && !is_builtin(set, i) ? 0 : mp_uprobe_pool_calls(r->uprobe, i);
		*calls += n;
		cost += call_cost_ns(r, i, n);
	}
	return cost;
}

uint64_t mp_recorder_pool_cost_ns(const struct mp_recorder *r, uint64_t *calls)
{
	return cost_ns(r, false, calls);
}

/* The function that cost most, for people. */
static const char *dearest(const struct mp_recorder *r)
{
	const struct mp_pool_set *set = &r->pools.set;
	uint64_t most = 0;
	const char *name = "";

	for (size_t i = 0; i < set->n; i++) {
		uint64_t cost =
		    is_builtin(set, i) ? call_cost_ns(r, i, mp_uprobe_pool_calls(r->uprobe, i)) : 0;
		if (cost > most)
			name = set->functions[i].name;
		most = cost > most ? cost : most;
	}
	return name;
}

/* A token bucket: what was not spent is saved up, but no more than so much. */
void mp_recorder_watch_pools(struct mp_recorder *r, int64_t now)
{
	struct mp_recorder_pools *p = &r->pools;
	double rate = r->o->budget * PROFILE_SHARE, most = rate * PROFILE_SAVE_S * 1e9;
	uint64_t calls, cost;
	char detail[256];

	if (!p->is_in || p->is_withdrawn || r->o->probe == MP_PROBE_ALL || !count_builtin(&p->set))
		return;
	cost = cost_ns(r, true, &calls);
	p->credit_ns += (double)(now - p->watched_ns) * rate;
	p->credit_ns = p->credit_ns < most || !p->watched_ns ? p->credit_ns : most;
	p->credit_ns = p->watched_ns ? p->credit_ns : most;
	p->credit_ns -= (double)(cost - p->watched_cost_ns);
	p->watched_ns = now;
	p->watched_cost_ns = cost;
	if (p->credit_ns >= 0)
		return;
	p->is_withdrawn = true;
	mp_uprobe_detach_group(r->uprobe, MP_PROBES_PROFILE);
	snprintf(detail, sizeof(detail), "%s", dearest(r));
	fprintf(stderr,
	    "mpsample: pools of built-in profiles are not followed any more: %s is called too often for the "
	    "budget; --probe all follows them at any cost\n",
	    detail);
	mp_pipeline_mark(r->pipeline, now, 0, "pool profiles withdrawn", detail);
}

int mp_recorder_store_pool_overhead(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_recorder_pools *p = &r->pools;
	struct mp_overhead_row row = {.slot_ns = r->slot_ns, .plane = "pools"};
	uint64_t calls, cost = mp_recorder_pool_cost_ns(r, &calls);

	if (calls == p->slot_calls)
		return 0;
	row.events = calls - p->slot_calls;
	row.cost_ns = cost - p->slot_cost_ns;
	p->slot_calls = calls;
	p->slot_cost_ns = cost;
	return mp_recorder_append_overhead(r, &row, err);
}

void mp_recorder_tell_pools(const struct mp_recorder *r)
{
	const struct mp_pool_set *set = &r->pools.set;
	const struct mp_pool_function *most = NULL;
	uint64_t most_ns = 0;

	if (*set->notes && r->pools.is_in)
		fprintf(stderr, "mpsample: %s\n", set->notes);
	for (size_t i = 0; r->pools.is_in && i < set->n; i++) {
		uint64_t ns = mp_uprobe_pool_cost_ns(r->uprobe, &set->functions[i]);
		if (!is_builtin(set, i) && ns > most_ns) {
			most = &set->functions[i];
			most_ns = ns;
		}
	}
	if (most)
		fprintf(stderr,
		    "mpsample: %zu functions of pools are followed; each call costs it up to %.1f us (%s)\n",
		    set->n - count_builtin(set), (double)most_ns / 1000, most->name);
}

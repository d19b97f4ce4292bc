/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "sampler/launch.h"
#include "sampler/preload_plane/library.h"
#include "sampler/recorder/gc.h"
#include "sampler/recorder/pools.h"
#include "sampler/recorder/private.h"
#include "sampler/tracefs.h"

/* ---- The target ---- */

static void drop_target(struct mp_recorder *r)
{
	mp_preload_close(r->preload);
	r->preload = NULL;
	mp_probe_set_free(&r->found);
	mp_target_close(&r->target);
	if (r->is_held)
		mp_launch_abandon(r->child);
	r->is_held = false;
	r->child = 0;
}

/* A program without an allocator that is known may have a runtime that is. */
static int resolve(struct mp_recorder *r, struct mp_err *err)
{
	mp_probe_set_free(&r->found);
	mp_gc_set_free(&r->gc.set);
	int ret = mp_recorder_resolve_gc(r, err);
	if (ret)
		return ret;
	ret = mp_probe_resolve(&r->target, &r->profiles, &r->found, err);
	return ret == -ENOENT && r->gc.set.n ? 0 : ret;
}

static int start(struct mp_recorder *r, const char *library, struct mp_err *err)
{
	struct mp_launch_options o = {.argv = r->o->command,
	    .preload = library,
	    .big_rings = r->o->full || r->o->track == MP_TRACK_ALL ||
			 mp_perf_wants_addresses(r->o->wants, r->o->n_wants),
	    .follow_forks = r->o->follow_forks};
	int ret = mp_launch(&o, &r->child, err);

	if (ret)
		return ret;
	r->is_held = true;
	ret = mp_target_open(r->child, &r->target, err);
	if (ret)
		drop_target(r);
	return ret;
}

/* Runs the started command up to where its region stands and its first call is still to come. */
static int hold_at_region(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_err ignored;
	const struct mp_module *library = mp_preload_library_in(&r->target);
	uint64_t ready = library ? mp_preload_library_ready(library) : 0;

	resolve(r, &ignored);
	int ret = mp_preload_library_check(&r->target, &r->found, err);
	if (ret)
		return ret;
	if (!ready)
		return mp_err_set(err, EPROTO,
		    "%s is not the library of this version; build or install both anew", library->path);
	ret = mp_launch_until(r->child, ready, err);
	if (ret == -ECHILD)
		r->is_held = false; /* its PID may be another's by now */
	if (ret == -ENOENT)
		return mp_err_set(err, ENOENT,
		    "libmpsample.so could not make its shared memory in %s; does a seccomp filter or a limit "
		    "forbid memfd_create?",
		    r->target.comm);
	return ret ? ret : mp_preload_open(r->child, &r->preload, err);
}

static int start_preloaded(struct mp_recorder *r, struct mp_err *err)
{
	char library[PATH_MAX];
	int ret = mp_preload_library_path(library, sizeof(library), err);

	if (!ret)
		ret = start(r, library, err);
	if (ret)
		return ret;
	ret = hold_at_region(r, err);
	if (ret)
		drop_target(r);
	return ret;
}

/* What cannot be preloaded has not run an instruction of its own yet, and is started once more without. */
static int open_command(struct mp_recorder *r, struct mp_err *err)
{
	if (r->o->plane != MP_PLANE_UPROBE) {
		int ret = start_preloaded(r, &r->fallback);
		if (!ret)
			return 0;
		if (r->o->plane == MP_PLANE_PRELOAD) {
			*err = r->fallback;
			return ret;
		}
	}
	int ret = start(r, NULL, err);
	return ret ? ret : resolve(r, err);
}

/* A process with the library may have another malloc before it all the same. */
static int open_preload(struct mp_recorder *r, struct mp_err *err)
{
	bool has_library = mp_preload_library_in(&r->target);
	int ret = mp_preload_open(r->target.pid, &r->preload, err);

	if (ret == -ENOENT && has_library)
		return mp_err_set(err, ENXIO,
		    "process %d carries libmpsample.so without its shared memory: it is a fork of a process "
		    "that was started without MPSAMPLE_FOLLOW_FORKS=1, or a limit or seccomp filter forbade "
		    "the memory",
		    r->target.pid);
	if (ret || !has_library)
		return ret;
	ret = mp_preload_library_check(&r->target, &r->found, err);
	if (ret) {
		mp_preload_close(r->preload);
		r->preload = NULL;
	}
	return ret;
}

/* Who may not look into the process will hear that from the uprobe plane; that it has no library is no news.
 */
static bool is_worth_telling(int code)
{
	return code != -ENOENT && code != -EACCES && code != -EPERM && code != -ESRCH;
}

static int open_running(struct mp_recorder *r, struct mp_err *err)
{
	int ret = mp_target_open(r->o->pid, &r->target, err);

	if (ret)
		return ret;
	int resolved = resolve(r, err);
	if (r->o->plane == MP_PLANE_UPROBE)
		return resolved;
	struct mp_err why;
	ret = open_preload(r, &why);
	if (ret && (r->o->plane == MP_PLANE_PRELOAD || ret == -EBUSY)) {
		*err = why;
		return ret;
	}
	if (ret && is_worth_telling(ret))
		r->fallback = why;
	return ret ? resolved : 0;
}

int mp_recorder_open_target(struct mp_recorder *r, struct mp_err *err)
{
	return r->o->pid ? open_running(r, err) : open_command(r, err);
}

/* ---- The planes ---- */

/*
 * Linux 6.11 to 6.12.13 and 6.13.0 to 6.13.2 return from probed functions by a system call of their own,
 * which seccomp filters of that time do not know: the first return would kill the target.
 */
static int refuse_deadly_kernel(const struct mp_recorder *r, struct mp_err *err)
{
	struct utsname host;
	int major = 0, minor = 0, patch = 0;

	uname(&host);
	if (!r->target.has_seccomp_filter || sscanf(host.release, "%d.%d.%d", &major, &minor, &patch) < 2 ||
	    major != 6)
		return 0;
	if (minor == 11 || (minor == 12 && patch < 14) || (minor == 13 && patch < 3))
		return mp_err_set(err, ENOTSUP,
		    "process %d (%s) runs under a seccomp filter, and return probes of Linux %s would kill "
		    "it; "
		    "use a kernel of 6.12.14, 6.13.3 or later",
		    r->target.pid, r->target.comm, host.release);
	return 0;
}

static bool is_attached(const struct mp_recorder *r, const struct mp_probe *p)
{
	for (size_t i = 0; i < r->probes.n; i++) {
		const struct mp_probe *q = &r->probes.probes[i];
		if (q->module_offset == p->module_offset && q->inode == p->inode &&
		    q->dev_major == p->dev_major && q->dev_minor == p->dev_minor)
			return true;
	}
	return false;
}

/* Those that are switched, in their order; returns how many. */
static size_t bring_forward(struct mp_probe *probes, size_t n)
{
	size_t first = 0;

	for (size_t i = 0; i < n; i++) {
		if (!mp_switcher_is_switched(&probes[i]))
			continue;
		struct mp_probe p = probes[i];
		memmove(&probes[first + 1], &probes[first], (i - first) * sizeof(*probes));
		probes[first++] = p;
	}
	return first;
}

static int open_switcher(struct mp_recorder *r, struct mp_err *err)
{
	const struct mp_switcher_options o = {
	    .uprobe = r->uprobe, .mode = r->o->probe, .budget = r->o->budget};
	int ret = mp_switcher_new(&o, &r->target, &r->probes, &r->switcher, err);

	return ret ? ret : mp_switcher_attach(r->switcher, &r->probes, err);
}

int mp_recorder_attach_new(struct mp_recorder *r, struct mp_probe_set *set, struct mp_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (!is_attached(r, &set->probes[i]))
			set->probes[n++] = set->probes[i];
	if (!n)
		return 0;
	struct mp_probe *all = reallocarray(r->probes.probes, r->probes.n + n, sizeof(*all));
	if (!all)
		return mp_err_set(err, ENOMEM, "out of memory");
	r->probes.probes = all;
	size_t switched = r->o->probe == MP_PROBE_ALL || !mp_uprobe_can_switch(r->uprobe)
			      ? 0
			      : bring_forward(set->probes, n);
	int ret = switched < n ? mp_uprobe_attach(
				     r->uprobe, MP_PROBES_ALWAYS, set->probes + switched, n - switched, err)
			       : 0;
	if (ret)
		return ret;
	memcpy(all + r->probes.n, set->probes, n * sizeof(*all));
	r->probes.n += n;
	if (switched)
		ret = r->switcher
			  ? mp_switcher_grow(r->switcher, &r->probes, r->probes.n - n, r->latency, err)
			  : open_switcher(r, err);
	return ret ? ret : (int)n;
}

static int attach_spans(struct mp_recorder *r, struct mp_err *err)
{
	int ret = mp_span_resolve(&r->target, r->o->spans, r->o->n_spans, &r->spans, err);

	return ret ? ret : mp_uprobe_attach_spans(r->uprobe, &r->spans, err);
}

static int open_uprobe(struct mp_recorder *r, struct mp_err *err)
{
	int ret = refuse_deadly_kernel(r, err);

	if (ret)
		return ret;
	mp_tracefs_remove_leftovers();
	if (mp_recorder_follows_by_calls(r))
		r->keep.track = r->keep.track_all = true;
	const struct mp_uprobe_options o = {
	    .want = r->o->backend, .pid = r->target.pid, .watch = r->o->watch, .track = r->keep.track};
	ret = mp_uprobe_open(&o, &r->keep, &r->uprobe, err);
	if (!ret)
		ret = mp_sideband_open(r->target.pid, &r->sideband, err);
	if (ret)
		return ret;
	ret = mp_recorder_attach_new(r, &r->found, err);
	if (ret >= 0 && r->o->n_spans)
		ret = attach_spans(r, err);
	if (ret >= 0)
		ret = mp_recorder_open_pools(r, err);
	if (ret >= 0)
		ret = mp_recorder_open_gc(r, err);
	return ret > 0 ? 0 : ret;
}

/* Functions that the library does not interpose (of an allocator with a prefix, or private to a module) are
 * not covered. Markers come from the library. */
static void note_not_interposed(struct mp_recorder *r)
{
	const struct mp_module *library = mp_preload_library_in(&r->target);
	const struct mp_probe *other = NULL;
	size_t others = 0, used = strlen(r->probes.uncovered);

	for (size_t i = 0; i < r->found.n; i++) {
		const struct mp_probe *p = &r->found.probes[i];
		if (p->op >= MP_OP_COUNT || (library && !strcmp(p->module, library->path)))
			continue;
		other = p;
		others++;
	}
	if (other)
		snprintf(r->probes.uncovered + used, sizeof(r->probes.uncovered) - used,
		    "%s%zu functions that only uprobes see, such as %s in %s", used ? "; " : "", others,
		    other->function, other->module);
}

/* Kernel events, threads and mappings as they come: where that is permitted. */
static int open_beside_preload(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_err why;

	/* What is started may come to have a runtime in it. */
	bool wants_cost = r->o->n_spans || r->pools.set.n || r->gc.set.n || (r->o->gc && r->is_held);
	bool wants_probes = r->o->watch != MP_WATCH_NOTHING || wants_cost;
	if (wants_probes &&
	    (refuse_deadly_kernel(r, &r->missing) ||
		mp_uprobe_open_beside(r->target.pid, r->o->watch, wants_cost, &r->uprobe, &r->missing)))
		r->uprobe = NULL;
	if (r->o->n_spans) {
		int ret = r->uprobe ? attach_spans(r, err)
				    : mp_err_set(err, ENOTSUP, "--spans needs probes: %s", r->missing.text);
		if (ret)
			return ret;
	}
	int ret = mp_recorder_open_pools(r, err);
	if (!ret)
		ret = mp_recorder_open_gc(r, err);
	if (ret)
		return ret;
	if (!mp_sideband_open(r->target.pid, &r->sideband, &why))
		return 0;
	r->sideband = NULL;
	if (!*r->missing.text)
		r->missing = why;
	r->census = mp_census_new();
	return r->census ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

static int open_perf(struct mp_recorder *r, struct mp_err *err)
{
	const struct mp_perf_options o = {.pid = r->target.pid,
	    .wants = r->o->wants,
	    .n = r->o->n_wants,
	    .stack = r->o->stack,
	    .budget = r->o->budget};

	return o.n ? mp_perf_plane_open(&o, &r->perf, err) : 0;
}

int mp_recorder_open_planes(struct mp_recorder *r, struct mp_err *err)
{
	/* First: what cannot be had is told before a probe touches the target. */
	int ret = open_perf(r, err);

	if (!ret && r->o->components_file)
		ret = mp_component_rules_read(r->o->components_file, &r->components, err);
	if (!ret)
		ret = mp_gauges_resolve(&r->target, &r->components, &r->gauges, err);
	if (!ret)
		ret = mp_recorder_resolve_pools(r, err);

	memcpy(r->probes.uncovered, r->found.uncovered, sizeof(r->probes.uncovered));
	if (ret)
		return ret;
	if (!r->preload)
		return open_uprobe(r, err);
	note_not_interposed(r);
	return open_beside_preload(r, err);
}

/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/backend_bpf_gc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

#include "sampler/uprobe/kernel_fetch.h"
#include "sampler/uprobe/uprobe_link.h"

_Static_assert(
    MP_BPF_GC_POINTS >= MP_GC_POINTS_MAX && MP_BPF_GC_RUNTIMES >= MP_GC_RUNTIMES_MAX, "each has a number");
_Static_assert((int)MP_BPF_GC_CLASSES == MP_GC_GIVEN_MAX, "all find room");
_Static_assert(MP_BPF_GC_VALUES == MP_GC_VALUES && MP_BPF_GC_TEXT_BYTES == MP_GC_NAME_BYTES, "the same ones");

static struct bpf_program *program(struct bpf_object *object)
{
	return bpf_object__find_program_by_name(object, "gc_point");
}

static int describe(struct bpf_object *object, const struct mp_gc_set *set, size_t from, struct mp_err *err)
{
	int fd = bpf_object__find_map_fd_by_name(object, "gc_points");

	for (uint32_t i = (uint32_t)from; i < set->n; i++) {
		const struct mp_gc_point *p = &set->points[i];
		struct mp_bpf_gc_point it = {.counts = p->role == MP_GC_ALLOCATED,
		    .runtime = (unsigned char)p->runtime,
		    .begins = p->role == MP_GC_BEGIN || p->role == MP_GC_CYCLE_BEGIN,
		    .bytes = mp_kernel_fetch(&p->values[MP_GC_BYTES]),
		    .text = mp_kernel_fetch(&p->text),
		    .text_bytes = mp_kernel_fetch(&p->text_bytes),
		    .klass = mp_kernel_fetch(&p->klass),
		    .object = mp_kernel_fetch(&p->object)};
		for (int v = 0; v < MP_GC_VALUES; v++)
			it.values[v] = mp_kernel_fetch(&p->values[v]);
		if (bpf_map_update_elem(fd, &i, &it, BPF_ANY))
			return mp_err_set(
			    err, errno, "cannot tell the BPF programs of %s: %s", p->name, strerror(errno));
	}
	return 0;
}

struct attaching {
	struct bpf_object *object;
	pid_t pid;
	const struct mp_gc_set *set;
	int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err);
	void *ctx;
};

/* Those of a file that go in by one link: of one group, by return probes or not. */
static int attach_some(
    const struct attaching *a, size_t from, size_t to, bool counting, bool by_return, struct mp_err *err)
{
	uint64_t offsets[MP_GC_POINTS_MAX], cookies[MP_GC_POINTS_MAX], counters[MP_GC_POINTS_MAX];
	const struct mp_gc_point *p = a->set->points;
	bool has_counters = false;
	size_t n = 0, first = from;

	for (size_t i = from; i < to; i++) {
		if ((p[i].role == MP_GC_ALLOCATED) != counting || p[i].by_return_probe != by_return)
			continue;
		first = n ? first : i;
		offsets[n] = p[i].offset;
		cookies[n] = i;
		counters[n++] = p[i].semaphore;
		has_counters |= p[i].semaphore != 0;
	}
	if (!n)
		return 0;
	const struct mp_uprobe_places places = {.path = p[first].open_path,
	    .offsets = offsets,
	    .cookies = cookies,
	    .ref_ctr_offsets = has_counters ? counters : NULL,
	    .n = n};
	int fd = mp_uprobe_link(
	    program(a->object), ATTACH_UPROBE_MULTI, by_return ? UPROBE_MULTI_RETURN : 0, &places, a->pid);
	if (fd < 0)
		return mp_err_set(err, errno, "cannot probe %s, or a point beside it, in %s: %s",
		    p[first].name, p[first].module, strerror(errno));
	return a->keep(a->ctx, fd, counting ? MP_PROBES_GC : MP_PROBES_ALWAYS, err);
}

int mp_bpf_gc_attach(struct bpf_object *object, pid_t pid, const struct mp_gc_set *set, size_t from,
    int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err), void *ctx,
    struct mp_err *err)
{
	const struct attaching a = {.object = object, .pid = pid, .set = set, .keep = keep, .ctx = ctx};
	int ret = describe(object, set, from, err);

	for (size_t to; !ret && from < set->n; from = to) {
		for (to = from + 1;
		     to < set->n && !strcmp(set->points[to].open_path, set->points[from].open_path);)
			to++;
		for (int k = 0; !ret && k < 4; k++)
			ret = attach_some(&a, from, to, k & 1, k & 2, err);
	}
	return ret;
}

#define BATCH 256

void mp_bpf_gc_classes(
    struct bpf_object *object, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx)
{
	struct mp_bpf_gc_class keys[BATCH];
	struct mp_bpf_gc_given values[BATCH];
	int fd = bpf_object__find_map_fd_by_name(object, "gc_classes"), ret = 0;
	uint64_t at[2]; /* where the kernel goes on */

	for (bool is_first = true; !ret; is_first = false) {
		uint32_t n = BATCH;
		/* At the end -ENOENT, with those that were left. */
		ret = bpf_map_lookup_and_delete_batch(fd, is_first ? NULL : at, at, keys, values, &n, NULL);
		if (ret && errno != ENOENT)
			return;
		for (uint32_t i = 0; i < n; i++) {
			const struct mp_gc_given g = {.runtime = keys[i].runtime,
			    .klass = keys[i].klass,
			    .object_bytes = keys[i].object_bytes,
			    .events = values[i].events,
			    .bytes = values[i].bytes};
			take(ctx, &g);
		}
	}
}

void mp_bpf_gc_take(struct mp_pipeline *p, const struct mp_gc_set *set, const void *row, size_t bytes)
{
	const struct mp_bpf_gc *r = row;

	if (bytes < sizeof(*r) || !set || r->point >= set->n)
		return;
	struct mp_gc_event e = {
	    .tid = (pid_t)r->tid, .point = r->point, .t_ns = (int64_t)r->t_ns, .allocated = r->allocated};
	for (int v = 0; v < MP_GC_VALUES; v++)
		e.values[v] = r->values[v];
	memcpy(e.text, r->text, sizeof(e.text) - 1);
	mp_pipeline_gc(p, &e);
}

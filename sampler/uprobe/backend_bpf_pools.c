/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/backend_bpf_pools.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/saved_regs.h"
#include "sampler/uprobe/kernel_fetch.h"
#include "sampler/uprobe/shared.h"
#include "sampler/uprobe/uprobe_link.h"

_Static_assert(MP_BPF_POOL_FUNCTIONS >= MP_POOL_FUNCTIONS_MAX, "each function has a number");

static struct bpf_program *program(struct bpf_object *object, const char *name)
{
	return bpf_object__find_program_by_name(object, name);
}

/* ---- Attaching ---- */

static int describe(struct bpf_object *object, const struct mp_pool_set *set, size_t from, struct mp_err *err)
{
	int fd = bpf_object__find_map_fd_by_name(object, "pool_functions");

	for (uint32_t i = (uint32_t)from; i < set->n; i++) {
		const struct mp_pool_function *f = &set->functions[i];
		const struct mp_bpf_pool_function it = {.kind = (unsigned char)f->kind,
		    .wants_return = f->wants_return,
		    .is_stepped = f->is_stepped,
		    .is_usdt = f->is_usdt,
		    .ignores_null = !f->fails_on_null,
		    .counts = f->counts,
		    .failure = (unsigned char)f->failure,
		    .pool = mp_kernel_fetch(&f->pool),
		    .ptr = mp_kernel_fetch(&f->ptr),
		    .bytes = mp_kernel_fetch(&f->size),
		    .capacity = mp_kernel_fetch(&f->capacity),
		    .object_bytes = mp_kernel_fetch(&f->object_bytes),
		    .text = mp_kernel_fetch(&f->text),
		    .next = mp_kernel_fetch(&f->next)};
		if (bpf_map_update_elem(fd, &i, &it, BPF_ANY))
			return mp_err_set(
			    err, errno, "cannot tell the BPF programs of %s: %s", f->name, strerror(errno));
	}
	return 0;
}

struct places {
	uint64_t *offsets, *cookies, *counters;
	size_t n;
};

static bool places_new(struct places *p, size_t room)
{
	p->offsets = calloc(room, sizeof(*p->offsets));
	p->cookies = calloc(room, sizeof(*p->cookies));
	p->counters = calloc(room, sizeof(*p->counters));
	return p->offsets && p->cookies && p->counters;
}

static void places_free(struct places *p)
{
	free(p->offsets);
	free(p->cookies);
	free(p->counters);
}

static void add_place(struct places *p, uint64_t offset, uint64_t cookie, uint64_t counter)
{
	p->offsets[p->n] = offset;
	p->cookies[p->n] = cookie;
	p->counters[p->n++] = counter;
}

struct attaching {
	struct bpf_object *object;
	pid_t pid;
	const struct mp_pool_set *set;
	int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err);
	enum mp_probe_group group;
	void *ctx;
	struct places entries, exits, returns;
};

static int link_places(const struct attaching *a, const char *name, uint32_t flags, const struct places *p,
    const struct mp_pool_function *first, struct mp_err *err)
{
	bool has_counters = false;

	for (size_t i = 0; i < p->n; i++)
		has_counters |= p->counters[i] != 0;
	const struct mp_uprobe_places places = {.path = first->open_path,
	    .offsets = p->offsets,
	    .cookies = p->cookies,
	    .ref_ctr_offsets = has_counters ? p->counters : NULL,
	    .n = p->n};
	if (!p->n)
		return 0;
	int fd = mp_uprobe_link(program(a->object, name), ATTACH_UPROBE_MULTI, flags, &places, a->pid);
	if (fd < 0)
		return mp_err_set(err, errno, "cannot probe %s, or a function of a pool beside it, in %s: %s",
		    first->name, first->module, strerror(errno));
	return a->keep(a->ctx, fd, a->group, err);
}

static int attach_file(struct attaching *a, size_t from, size_t to, struct mp_err *err)
{
	const struct mp_pool_function *f = a->set->functions, *first = &f[from];

	a->entries.n = a->exits.n = a->returns.n = 0;
	for (size_t i = from; i < to; i++) {
		if (a->set->kinds[f[i].pool_kind].is_builtin != (a->group == MP_PROBES_PROFILE))
			continue;
		add_place(&a->entries, f[i].entry, i, f[i].semaphore);
		if (f[i].wants_return && f[i].by_return_probe)
			add_place(&a->returns, f[i].entry, i, 0);
		for (size_t k = 0; f[i].wants_return && !f[i].by_return_probe && k < f[i].n_ends; k++)
			add_place(&a->exits, f[i].ends[k], i, 0);
	}
	int ret = link_places(a, "pool_exit", 0, &a->exits, first, err);
	if (!ret)
		ret = link_places(a, "pool_return", UPROBE_MULTI_RETURN, &a->returns, first, err);
	return ret ? ret : link_places(a, "pool_entry", 0, &a->entries, first, err);
}

int mp_bpf_pools_attach(struct bpf_object *object, pid_t pid, const struct mp_pool_set *set, size_t from,
    int (*keep)(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err), void *ctx,
    struct mp_err *err)
{
	struct attaching a = {.object = object, .pid = pid, .set = set, .keep = keep, .ctx = ctx};
	size_t room = (set->n - from) * MP_POOL_ENDS_MAX + 1;
	int ret = places_new(&a.entries, room) && places_new(&a.exits, room) && places_new(&a.returns, room)
		      ? describe(object, set, from, err)
		      : mp_err_set(err, ENOMEM, "out of memory");

	for (size_t to; !ret && from < set->n; from = to) {
		for (to = from + 1;
		     to < set->n && !strcmp(set->functions[to].open_path, set->functions[from].open_path);)
			to++;
		a.group = MP_PROBES_ALWAYS;
		ret = attach_file(&a, from, to, err);
		a.group = MP_PROBES_PROFILE;
		if (!ret)
			ret = attach_file(&a, from, to, err);
	}
	places_free(&a.entries);
	places_free(&a.exits);
	places_free(&a.returns);
	return ret;
}

/* ---- Reading ---- */

static int64_t known(unsigned long long v)
{
	return v == ~0ULL ? -1 : v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static unsigned int group_of(const struct mp_pool_set *set, unsigned int function)
{
	return function == MP_BPF_POOL_MARKER ? 0 : (unsigned int)set->functions[function].pool_kind + 1;
}

static bool is_of(const struct mp_pool_set *set, unsigned int function)
{
	return function == MP_BPF_POOL_MARKER || (set && function < set->n);
}

/* What follows, as much as is there. */
static void take_stack(
    const struct mp_bpf_pool *r, size_t room, struct mp_stack_state *stack, struct mp_pool_event *e)
{
	const struct mp_bpf_pool_stack *s = (const struct mp_bpf_pool_stack *)(r + 1);

	if (room < sizeof(*s))
		return;
	room -= sizeof(*s);
	if (s->nframes && s->nframes * sizeof(uint64_t) <= room) {
		e->chain = (const uint64_t *)(s + 1);
		e->n_chain = s->nframes;
	}
	if (s->mode != MP_STACK_COPY || s->stack_bytes > room)
		return;
	*stack = (struct mp_stack_state){.ip = r->ip,
	    .bytes_at = s->sp,
	    .bytes = (const unsigned char *)(s + 1),
	    .n_bytes = s->stack_bytes,
	    .t_ns = (int64_t)r->t_ns,
	    .ip_is_return = true};
	mp_stack_state_set_saved(stack, s->sp, s->saved);
	e->stack = stack;
}

/* One after the other of those that follow. */
static void take_chain(
    struct mp_pipeline *p, const struct mp_bpf_pool *r, size_t room, struct mp_pool_event *e)
{
	const unsigned long long *ptr = (const unsigned long long *)(r + 1);

	for (size_t i = 0; i < r->ptr && i < room / sizeof(*ptr); i++) {
		e->ptr = ptr[i];
		mp_pipeline_pool(p, e);
	}
}

void mp_bpf_pools_take(struct mp_pipeline *p, const struct mp_pool_set *set, const void *row, size_t bytes)
{
	const struct mp_bpf_pool *r = row;
	char name[MP_MARKER_NAME_BYTES + 1] = ""; /* what is copied from the target need not be terminated */
	struct mp_stack_state stack;

	if (bytes < sizeof(*r) || !is_of(set, r->function))
		return;
	struct mp_pool_event e = {.tid = (pid_t)r->tid,
	    .kind = r->kind,
	    .group = group_of(set, r->function),
	    .t_ns = (int64_t)r->t_ns,
	    .dur_ns = known(r->dur_ns),
	    .pool = r->pool,
	    .ptr = r->ptr,
	    .counts = r->function != MP_BPF_POOL_MARKER && set->functions[r->function].counts,
	    .bytes = r->bytes,
	    .capacity = known(r->capacity),
	    .object_bytes = known(r->object_bytes),
	    .ip = r->ip};
	if (r->with == MP_BPF_POOL_STACK)
		take_stack(r, bytes - sizeof(*r), &stack, &e);
	if (r->with == MP_BPF_POOL_CHAIN) {
		take_chain(p, r, bytes - sizeof(*r), &e);
		return;
	}
	if (r->with == MP_BPF_POOL_NAME && bytes - sizeof(*r) >= MP_MARKER_NAME_BYTES) {
		memcpy(name, r + 1, MP_MARKER_NAME_BYTES);
		e.name = name[0] ? name : "(unreadable)";
	}
	mp_pipeline_pool(p, &e);
}

/* An update that is under way while its element is taken out may be missed: the rest of the account is not
 * exact any more in any case. */
void mp_bpf_pools_tell_missed(
    struct bpf_object *object, struct mp_pipeline *p, const struct mp_pool_set *set, int64_t now_ns)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(object, "pool_missed");
	int fd = bpf_map__fd(map);
	struct mp_bpf_pool_key key;
	struct mp_bpf_pool_missed missed;

	/* As many as there can be when it begins: a target that goes on missing some would keep us here. */
	for (unsigned int n = bpf_map__max_entries(map);
	     n && !bpf_map_get_next_key(fd, NULL, &key) && !bpf_map_lookup_and_delete_elem(fd, &key, &missed);
	     n--) {
		if (!is_of(set, key.function))
			continue;
		const struct mp_pool_lost lost = {.t_ns = now_ns,
		    .group = group_of(set, key.function),
		    .pool = key.pool,
		    .gets = missed.gets,
		    .puts = missed.puts};
		mp_pipeline_pool_lost(p, &lost);
	}
}

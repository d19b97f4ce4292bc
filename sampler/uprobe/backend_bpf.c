/* SPDX-License-Identifier: MIT */
/* The backends `session` and `multi`: loads uprobe.bpf.c, links it to functions, reads its maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sampler/uprobe/backend_bpf_gc.h"
#include "sampler/uprobe/backend_bpf_kernel.h"
#include "sampler/uprobe/backend_bpf_pools.h"
#include "sampler/uprobe/backend_bpf_rings.h"
#include "sampler/uprobe/kernel_cost.h"
#include "sampler/uprobe/uprobe.h"
#include "sampler/uprobe/uprobe_link.h"

/* The object made of uprobe.bpf.c (Makefile). */
extern const unsigned char mp_bpf_uprobe[];
extern const uint64_t mp_bpf_uprobe_size;

#define CALL_RING_BYTES    (16u << 20)
#define KERNEL_RING_BYTES  (8u << 20)
#define MARKER_RING_BYTES  (8u << 20)
#define POOL_RING_BYTES    (16u << 20)
#define GC_RING_BYTES      (1u << 20)
#define TRACKED_RING_BYTES (16u << 20) /* where there are any */
#define KERNEL_LONG_NS     100000      /* of a page fault or a time off the CPU */

#define MAX_LINKS 256

struct bpf_plane {
	enum mp_backend backend;
	struct bpf_object *object;
	struct bpf_program *session, *entry, *ret, *marker, *span_entry, *span_exit;
	struct mp_kernel_cost kernel_cost;
	struct uprobe_link {
		int fd;
		enum mp_probe_group group;
	} links[MAX_LINKS];
	size_t n_links;
	struct closing {
		pthread_t thread;
		bool is_running;
		int fds[MAX_LINKS];
		size_t n;
	} closing;                /* links that are on their way out */
	struct mp_bpf_hits *hits; /* by shard */
	struct mp_bpf_slow *slow;
	struct mp_bpf_kernel_events kernel_events;
	struct mp_bpf_control *control;
	struct mp_bpf_probes *probes;
	struct mp_bpf_stats *stats;
	struct mp_hist *hists;
	size_t hists_bytes;
	unsigned int shards;
	struct mp_bpf_rings rings;
	uint64_t markers_lost; /* so many are told */
	unsigned int tracked_ring_bytes;
};

/* libbpf explains a failure in its log only: the first line of it is kept for the error text. */
static char libbpf_words[256];

static int keep_libbpf_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && !libbpf_words[0])
		vsnprintf(libbpf_words, sizeof(libbpf_words), fmt, ap);
	libbpf_words[strcspn(libbpf_words, "\n")] = 0;
	return 0;
}

/* EACCES is also what the verifier says of a program that it does not understand: root is told that. */
static bool is_not_permitted(int code)
{
	return code == EPERM || (code == EACCES && geteuid() != 0);
}

static int load_failed(int code, enum mp_backend backend, struct mp_err *err)
{
	if (is_not_permitted(code))
		return mp_err_set(err, code,
		    "BPF programs cannot be loaded: not permitted; run as root, or give mpsample CAP_BPF, "
		    "CAP_PERFMON, "
		    "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (mpsample doctor tells more)");
	return mp_err_set(err, code,
	    "the kernel refuses the BPF programs of backend %s: %s (%s); see mpsample doctor",
	    mp_backend_name(backend), strerror(code), libbpf_words[0] ? libbpf_words : "no details");
}

static struct bpf_map *map(struct bpf_plane *b, const char *name)
{
	return bpf_object__find_map_by_name(b->object, name);
}

static unsigned int shards_for_this_machine(void)
{
	unsigned int shards = 1, cpus = (unsigned int)libbpf_num_possible_cpus();

	while (shards < cpus && shards < MP_MAX_SHARDS)
		shards *= 2;
	return shards;
}

/*
 * All programs of probes may sleep. Those that read names have to, which may not be in memory yet
 * (uprobe.bpf.c); and of a program that may, each run is cheaper: what keeps it in memory meanwhile is a flag
 * of the thread (rcu_read_lock_trace()), for others a call at either end where the kernel is preemptible
 * (rcu_read_lock()). For an empty pair of them that is 4 % (`make bench`, empty-sleepable).
 */
static void prepare_probes(struct bpf_plane *b)
{
	struct bpf_program *p;

	bpf_object__for_each_program (p, b->object) {
		if (bpf_program__type(p) != BPF_PROG_TYPE_KPROBE)
			continue;
		bpf_program__set_expected_attach_type(
		    p, p == b->session ? ATTACH_UPROBE_SESSION : ATTACH_UPROBE_MULTI);
		bpf_program__set_flags(p, bpf_program__flags(p) | BPF_F_SLEEPABLE);
	}
}

/* Chooses the programs of the backend and the sizes of the maps, and loads. */
static int load(struct bpf_plane *b, struct mp_err *err)
{
	libbpf_words[0] = 0;
	b->object = bpf_object__open_mem(mp_bpf_uprobe, mp_bpf_uprobe_size, NULL);
	if (!b->object)
		return load_failed(errno, b->backend, err);

	bool is_session = b->backend == MP_BACKEND_SESSION;
	b->session = bpf_object__find_program_by_name(b->object, "session");
	b->entry = bpf_object__find_program_by_name(b->object, "entry");
	b->ret = bpf_object__find_program_by_name(b->object, "ret");
	b->marker = bpf_object__find_program_by_name(b->object, "marker");
	bpf_program__set_autoload(b->session, is_session);
	bpf_program__set_autoload(b->entry, !is_session);
	bpf_program__set_autoload(b->ret, !is_session);
	b->span_entry = bpf_object__find_program_by_name(b->object, "span_entry");
	b->span_exit = bpf_object__find_program_by_name(b->object, "span_exit");
	prepare_probes(b);
	mp_bpf_kernel_events_prepare(&b->kernel_events, b->object);

	b->shards = shards_for_this_machine();
	bpf_map__set_max_entries(map(b, "hists"), MP_HIST_BANKS * b->shards * MP_HIST_BLOCKS);
	bpf_map__set_max_entries(map(b, "call_rows"), CALL_RING_BYTES);
	bpf_map__set_max_entries(map(b, "kernel_rows"), KERNEL_RING_BYTES);
	bpf_map__set_max_entries(map(b, "marker_rows"), MARKER_RING_BYTES);
	bpf_map__set_max_entries(map(b, "pool_rows"), POOL_RING_BYTES);
	bpf_map__set_max_entries(map(b, "gc_rows"), GC_RING_BYTES);
	bpf_map__set_max_entries(map(b, "tracked_calls"), b->tracked_ring_bytes);

	int ret = bpf_object__load(b->object);
	if (!ret)
		return 0;
	bpf_object__close(b->object);
	b->object = NULL;
	return load_failed(-ret, b->backend, err);
}

static void *map_memory(struct bpf_plane *b, const char *name, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map(b, name)), 0);
	return p == MAP_FAILED ? NULL : p;
}

static int open_maps(struct bpf_plane *b, struct mp_err *err)
{
	b->hists_bytes = (size_t)MP_HIST_BANKS * b->shards * MP_HIST_BLOCKS * sizeof(struct mp_hist);
	b->control = map_memory(b, MP_BPF_CONTROL, sizeof(*b->control));
	b->probes = map_memory(b, MP_BPF_PROBES, sizeof(*b->probes));
	b->stats = map_memory(b, "stats", sizeof(*b->stats));
	b->hists = map_memory(b, "hists", b->hists_bytes);
	b->hits = map_memory(b, "hits", MP_MAX_SHARDS * sizeof(*b->hits));
	b->slow = map_memory(b, "slow", sizeof(*b->slow));
	if (!b->control || !b->probes || !b->stats || !b->hists || !b->hits || !b->slow)
		return mp_err_set(err, errno, "cannot map the BPF maps: %s", strerror(errno));

	b->rings.control = b->control;
	int ret = mp_bpf_rings_open(&b->rings, b->object, err);
	if (ret)
		return ret;
	for (size_t i = 0; i <= MP_SMALL_BYTES / 16; i++)
		b->probes->size_class[i] = (unsigned char)mp_size_class(i * 16);
	b->control->shard_mask = b->shards - 1;
	b->control->call_ring_bytes = CALL_RING_BYTES;
	b->control->kernel_ring_bytes = KERNEL_RING_BYTES;
	b->control->marker_ring_bytes = MARKER_RING_BYTES;
	b->control->pool_ring_bytes = POOL_RING_BYTES;
	b->control->gc_ring_bytes = GC_RING_BYTES;
	b->control->tracked_ring_bytes = b->tracked_ring_bytes;
	b->control->kernel_long_ns = KERNEL_LONG_NS;
	return 0;
}

static void *close_links(void *arg)
{
	struct closing *c = arg;

	/* The last first: ends were put in before what they are the ends of. */
	for (size_t i = c->n; i-- > 0;)
		close(c->fds[i]);
	return NULL;
}

static void wait_for_closing(struct closing *c)
{
	if (c->is_running)
		pthread_join(c->thread, NULL);
	c->is_running = false;
}

/* The breakpoints go at once; but the call returns only when no CPU can be in a program any more, which takes
 * tens of milliseconds. Rings would overflow meanwhile: another thread waits for it. */
static void bpf_plane_detach_group(void *impl, enum mp_probe_group group)
{
	struct bpf_plane *b = impl;
	struct closing *c = &b->closing;
	size_t kept = 0;

	wait_for_closing(c);
	c->n = 0;
	for (size_t i = 0; i < b->n_links; i++) {
		if (b->links[i].group == group)
			c->fds[c->n++] = b->links[i].fd;
		else
			b->links[kept++] = b->links[i];
	}
	b->n_links = kept;
	if (c->n)
		c->is_running = !pthread_create(&c->thread, NULL, close_links, c);
	if (!c->is_running)
		close_links(c);
}

static void bpf_plane_detach(void *impl)
{
	struct bpf_plane *b = impl;

	for (unsigned int group = 0; group < MP_PROBE_GROUPS; group++)
		bpf_plane_detach_group(b, group);
	wait_for_closing(&b->closing);
	if (b->probes)
		memset(b->probes->cookies, 0, sizeof(b->probes->cookies));
}

static void bpf_plane_close(void *impl)
{
	struct bpf_plane *b = impl;

	bpf_plane_detach(b);
	mp_bpf_kernel_events_close(&b->kernel_events);
	mp_bpf_rings_close(&b->rings);
	if (b->control)
		munmap(b->control, sizeof(*b->control));
	if (b->probes)
		munmap(b->probes, sizeof(*b->probes));
	if (b->stats)
		munmap(b->stats, sizeof(*b->stats));
	if (b->hists)
		munmap(b->hists, b->hists_bytes);
	if (b->hits)
		munmap(b->hits, MP_MAX_SHARDS * sizeof(*b->hits));
	if (b->slow)
		munmap(b->slow, sizeof(*b->slow));
	bpf_object__close(b->object);
	free(b);
}

/* What they cost is measured on ourselves, as if we were the target; `before`: without them. */
static void see_kernel_events(struct bpf_plane *b, struct mp_kernel_cost before)
{
	b->rings.sees = b->kernel_events.sees;
	b->control->sees_faults = !!(b->rings.sees & MP_SEES(MINOR_FAULT));
	b->control->tgid = (unsigned int)getpid();
	b->control->enabled = 1;
	b->kernel_cost = mp_kernel_cost_added(before, mp_kernel_cost_now());
	b->control->enabled = 0;
	b->control->tgid = 0;
}

static int bpf_plane_open(
    enum mp_backend backend, const struct mp_uprobe_options *o, void **impl, struct mp_err *err)
{
	struct bpf_plane *b = calloc(1, sizeof(*b));

	if (!b)
		return mp_err_set(err, ENOMEM, "out of memory");
	b->backend = backend;
	b->rings.fd = -1;
	b->tracked_ring_bytes = o->track ? TRACKED_RING_BYTES : 4096;
	libbpf_set_print(keep_libbpf_words);

	mp_bpf_kernel_events_find(&b->kernel_events, o->watch);
	int ret = load(b, err);
	while (ret && !is_not_permitted(-ret) &&
	       mp_bpf_kernel_events_give_up_one(&b->kernel_events, libbpf_words))
		ret = load(b, err);
	if (!ret)
		ret = open_maps(b, err);
	struct mp_kernel_cost before = mp_kernel_cost_now();
	if (!ret)
		ret = mp_bpf_kernel_events_link(&b->kernel_events, b->object, err);
	if (!ret)
		see_kernel_events(b, before);
	if (ret) {
		bpf_plane_close(b);
		return ret;
	}
	*impl = b;
	return 0;
}

static int open_session(const struct mp_uprobe_options *o, void **impl, struct mp_err *err)
{
	return bpf_plane_open(MP_BACKEND_SESSION, o, impl, err);
}

static int open_multi(const struct mp_uprobe_options *o, void **impl, struct mp_err *err)
{
	return bpf_plane_open(MP_BACKEND_MULTI, o, impl, err);
}

static int add_link(
    struct bpf_plane *b, int fd, enum mp_probe_group group, const struct mp_probe *probe, struct mp_err *err)
{
	if (fd < 0 && errno == EINVAL)
		return mp_err_set(err, ENOTSUP,
		    "this kernel has no uprobe %s links (they came with Linux %s): use --backend %s",
		    mp_backend_name(b->backend), b->backend == MP_BACKEND_SESSION ? "6.13" : "6.6",
		    b->backend == MP_BACKEND_SESSION ? "multi" : "tracefs");
	if (fd < 0)
		return mp_err_set(
		    err, errno, "cannot probe %s in %s: %s", probe->function, probe->module, strerror(errno));
	b->links[b->n_links++] = (struct uprobe_link){fd, group};
	return 0;
}

/* Before it is linked: what is not known to be a probe is taken for a return. */
static void note_cookie(struct bpf_plane *b, uint64_t offset, uint64_t cookie)
{
	unsigned long long *at = &b->probes->cookies[offset % MP_PROBE_PLACES];

	cookie |= MP_COOKIE_IS_HERE;
	__atomic_store_n(at, !*at || *at == cookie ? cookie : MP_COOKIE_ASK, __ATOMIC_RELEASE);
}

/* One link holds all functions, or all markers, of one file. */
static int attach_file(struct bpf_plane *b, pid_t pid, enum mp_probe_group group,
    const struct mp_probe *probes, size_t n, struct mp_err *err)
{
	uint64_t *offsets = calloc(n, sizeof(*offsets)), *cookies = calloc(n, sizeof(*cookies));
	int ret = offsets && cookies ? 0 : mp_err_set(err, ENOMEM, "out of memory");

	if (!ret && b->n_links + 2 > MAX_LINKS)
		ret = mp_err_set(err, E2BIG, "more than %d files to probe", MAX_LINKS / 2);
	for (size_t i = 0; !ret && i < n; i++) {
		offsets[i] = probes[i].module_offset;
		cookies[i] = probes[i].marker ? probes[i].marker : mp_probe_cookie(&probes[i], group);
		if (!probes[i].marker)
			note_cookie(b, offsets[i], cookies[i]);
		else if (probes[i].marker < MPSAMPLE_KIND_POOL_CREATE)
			b->control->wants_sums = 1;
		else if (probes[i].marker == MPSAMPLE_KIND_COMPONENT_BEGIN)
			b->control->has_scopes = 1;
	}
	const struct mp_uprobe_places places = {
	    .path = probes->open_path, .offsets = offsets, .cookies = cookies, .n = n};
	if (!ret && probes->marker) {
		ret = add_link(
		    b, mp_uprobe_link(b->marker, ATTACH_UPROBE_MULTI, 0, &places, pid), group, probes, err);
	} else if (!ret && b->backend == MP_BACKEND_SESSION) {
		ret = add_link(b, mp_uprobe_link(b->session, ATTACH_UPROBE_SESSION, 0, &places, pid), group,
		    probes, err);
	} else if (!ret) {
		ret = add_link(b,
		    mp_uprobe_link(b->ret, ATTACH_UPROBE_MULTI, UPROBE_MULTI_RETURN, &places, pid), group,
		    probes, err);
		if (!ret)
			ret = add_link(b, mp_uprobe_link(b->entry, ATTACH_UPROBE_MULTI, 0, &places, pid),
			    group, probes, err);
	}
	free(offsets);
	free(cookies);
	return ret;
}

static bool go_together(const struct mp_probe *p, const struct mp_probe *q)
{
	return !p->marker == !q->marker && !strcmp(p->open_path, q->open_path);
}

/* Probes of one file stand side by side in the set, its functions and its markers. */
static int bpf_plane_attach(void *impl, pid_t pid, enum mp_probe_group group, const struct mp_probe *probes,
    size_t n, struct mp_err *err)
{
	struct bpf_plane *b = impl;
	size_t links_before = b->n_links;

	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && go_together(&probes[to], &probes[from]); to++)
			;
		int ret = attach_file(b, pid, group, probes + from, to - from, err);
		if (!ret)
			continue;
		while (b->n_links > links_before)
			close(b->links[--b->n_links].fd);
		return ret;
	}
	return 0;
}

/* ---- Spans ---- */

struct places {
	uint64_t offsets[MP_SPANS_MAX * MP_SPAN_ENDS_MAX], cookies[MP_SPANS_MAX * MP_SPAN_ENDS_MAX];
	size_t n;
};

static void add_place(struct places *p, uint64_t offset, uint64_t cookie)
{
	p->offsets[p->n] = offset;
	p->cookies[p->n++] = cookie;
}

static int keep_link(void *ctx, int fd, enum mp_probe_group group, struct mp_err *err)
{
	struct bpf_plane *b = ctx;

	if (b->n_links == MAX_LINKS) {
		close(fd);
		return mp_err_set(err, E2BIG, "more than %d files to probe", MAX_LINKS / 2);
	}
	b->links[b->n_links++] = (struct uprobe_link){fd, group};
	return 0;
}

static int link_places(struct bpf_plane *b, const struct bpf_program *program, pid_t pid,
    const struct mp_span_function *f, const struct places *p, struct mp_err *err)
{
	if (!p->n)
		return 0;
	const struct mp_uprobe_places places = {
	    .path = f->open_path, .offsets = p->offsets, .cookies = p->cookies, .n = p->n};
	int fd = mp_uprobe_link(program, ATTACH_UPROBE_MULTI, 0, &places, pid);

	if (fd < 0)
		return mp_err_set(
		    err, errno, "cannot probe %s in %s: %s", f->name, f->module, strerror(errno));
	return keep_link(b, fd, MP_PROBES_ALWAYS, err);
}

/* The cookies say which function it is. The ends first: what begins shall be seen to end. */
static int attach_spans_of_file(struct bpf_plane *b, pid_t pid, const struct mp_span_set *set, size_t from,
    size_t to, struct places places[static 2], struct mp_err *err)
{
	struct places *entries = &places[0], *ends = &places[1];
	const struct mp_span_function *f = set->functions;

	entries->n = ends->n = 0;
	for (size_t i = from; i < to; i++) {
		add_place(entries, f[i].entry, i);
		for (size_t k = 0; k < f[i].n_ends; k++)
			add_place(ends, f[i].ends[k], i);
	}
	int ret = link_places(b, b->span_exit, pid, &f[from], ends, err);
	return ret ? ret : link_places(b, b->span_entry, pid, &f[from], entries, err);
}

static uint64_t bpf_plane_span_calls(void *impl, size_t i)
{
	return ((struct bpf_plane *)impl)->rings.span_calls[i];
}

static void bpf_plane_gauges(void *impl, struct mp_pipeline *p)
{
	mp_bpf_gauges(&((struct bpf_plane *)impl)->rings.scopes, p);
}

static void bpf_plane_counter(void *impl, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr)
{
	struct bpf_plane *b = impl;
	uint32_t key = (uint32_t)tid;
	const struct mp_bpf_counter at = {calls_addr, calls_ns_addr};

	/* Full: the oldest goes (an LRU map). A thread without an entry has spans without these parts. */
	bpf_map_update_elem(bpf_map__fd(map(b, "counters")), &key, &at, BPF_ANY);
	b->control->has_counters = 1;
}

static int bpf_plane_attach_spans(void *impl, pid_t pid, const struct mp_span_set *set, struct mp_err *err)
{
	struct bpf_plane *b = impl;
	struct places *places = calloc(2, sizeof(*places));
	int ret = places ? 0 : mp_err_set(err, ENOMEM, "out of memory");

	b->rings.spans = set;
	b->control->wants_sums = 1;
	for (size_t from = 0, to; !ret && from < set->n; from = to) {
		for (to = from + 1;
		     to < set->n && !strcmp(set->functions[to].open_path, set->functions[from].open_path);)
			to++;
		ret = attach_spans_of_file(b, pid, set, from, to, places, err);
	}
	free(places);
	return ret;
}

static int bpf_plane_attach_pools(
    void *impl, pid_t pid, const struct mp_pool_set *set, size_t from, struct mp_err *err)
{
	struct bpf_plane *b = impl;
	size_t links_before = b->n_links;
	int ret = mp_bpf_pools_attach(b->object, pid, set, from, keep_link, b, err);

	b->rings.pools = set;
	while (ret && b->n_links > links_before)
		close(b->links[--b->n_links].fd);
	return ret;
}

static uint64_t bpf_plane_pool_calls(void *impl, size_t i)
{
	return ((struct bpf_plane *)impl)->stats->pool_calls[i];
}

static uint64_t bpf_plane_pool_chain_ns(void *impl, size_t i)
{
	return ((struct bpf_plane *)impl)->stats->pool_chain_ns[i];
}

static int bpf_plane_attach_gc(
    void *impl, pid_t pid, const struct mp_gc_set *set, size_t from, struct mp_err *err)
{
	struct bpf_plane *b = impl;
	size_t links_before = b->n_links;
	int ret = mp_bpf_gc_attach(b->object, pid, set, from, keep_link, b, err);

	b->rings.gc = set;
	while (ret && b->n_links > links_before)
		close(b->links[--b->n_links].fd);
	return ret;
}

static uint64_t bpf_plane_gc_hits(void *impl, size_t i)
{
	return ((struct bpf_plane *)impl)->stats->gc_hits[i];
}

static uint64_t bpf_plane_gc_allocated(void *impl, size_t runtime)
{
	return ((struct bpf_plane *)impl)->stats->gc_allocated[runtime];
}

static void bpf_plane_gc_classes(void *impl, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx)
{
	mp_bpf_gc_classes(((struct bpf_plane *)impl)->object, take, ctx);
}

static void bpf_plane_enable(void *impl, bool on, pid_t kernel_events_of, uint32_t hand_over_ns)
{
	struct bpf_plane *b = impl;

	b->control->hand_over_ns = hand_over_ns;
	b->control->counts_calls = !hand_over_ns;
	b->control->tgid = (unsigned int)kernel_events_of;
	__atomic_store_n(&b->control->enabled, on, __ATOMIC_RELEASE);
}

static void bpf_plane_keep(void *impl, const struct mp_keep *keep, const struct mp_floor *floor)
{
	struct bpf_plane *b = impl;
	struct mp_bpf_control *c = b->control;

	c->full = keep->full;
	c->track = keep->track;
	c->stack = keep->stack;
	c->sample_weight = keep->sample_weight;
	c->floor_ns[0] = floor->ns[0];
	c->floor_ns[1] = floor->ns[1];
	c->cost_ns[0] = floor->cost_ns[0];
	c->cost_ns[1] = floor->cost_ns[1];
	for (unsigned int row = 0; row < MP_OP_ROWS; row++)
		c->keep_over_ns[row] = keep->over_ns[row];
	c->double_every = keep->sample_adaptive ? MP_SAMPLES_TO_DOUBLE : 0;
	c->outlier_double_every = keep->over_adaptive ? MP_OUTLIERS_TO_DOUBLE : 0;
	b->stats->samples = b->stats->outliers = 0;
}

static void bpf_plane_window(void *impl, bool open, int64_t since_ns)
{
	struct mp_bpf_control *c = ((struct bpf_plane *)impl)->control;

	__atomic_store_n(&c->calls_since_ns, since_ns < 0 ? ~0ULL : (uint64_t)since_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&c->window_open, open, __ATOMIC_RELEASE);
}

static void bpf_plane_slow_open(void *impl, bool open)
{
	__atomic_store_n(&((struct bpf_plane *)impl)->control->slow_open, open, __ATOMIC_RELEASE);
}

static void bpf_plane_slow_callers(void *impl, const struct mp_bpf_slow_caller *callers, size_t n)
{
	struct mp_bpf_slow *slow = ((struct bpf_plane *)impl)->slow;

	/* It is read meanwhile: rather nobody's call for a moment than another's. */
	__atomic_store_n(&slow->n_callers, 0, __ATOMIC_RELEASE);
	memcpy(slow->callers, callers, n * sizeof(*callers));
	__atomic_store_n(&slow->n_callers, (unsigned int)n, __ATOMIC_RELEASE);
}

static uint64_t bpf_plane_slow_hits(void *impl, size_t i)
{
	return __atomic_load_n(&((struct bpf_plane *)impl)->slow->hits[i], __ATOMIC_RELAXED);
}

static void bpf_plane_skipped(void *impl, enum mp_probe_group group, uint64_t out[static 2])
{
	struct bpf_plane *b = impl;

	out[0] = out[1] = 0;
	for (unsigned int shard = 0; shard < b->shards; shard++)
		for (int is_stepped = 0; is_stepped < 2; is_stepped++)
			out[is_stepped] += b->hits[shard].skipped[group][is_stepped];
}

static struct mp_hist_view bpf_plane_hists(void *impl)
{
	struct bpf_plane *b = impl;
	return (struct mp_hist_view){b->hists, b->shards, MP_HIST_BANKS};
}

static void bpf_plane_split(void *impl, uint64_t split)
{
	__atomic_store_n(
	    &((struct bpf_plane *)impl)->control->split, (unsigned long long)split, __ATOMIC_RELAXED);
}

static void bpf_plane_stats(void *impl, struct mp_uprobe_stats *out)
{
	struct bpf_plane *b = impl;
	const struct mp_bpf_stats *s = b->stats;

	out->calls_lost = s->calls_lost;
	out->rows_lost = s->rows_lost;
	out->unpaired = s->unpaired;
	out->nested = s->nested;
	out->spans_ended = s->spans_ended;
	out->marker_hits = s->marker_hits;
	out->kernel_rows_lost = s->kernel_rows_lost;
	out->kernel_thinned = s->kernel_thinned;
	out->tracked_lost = s->tracked_lost;
	out->gauge_sets = s->gauge_sets;
	out->gauges_lost = s->gauges_lost;
	out->scope_ends = s->scope_ends;
	out->scopes_deep = s->scopes_deep;
	out->scopes_lost = s->scopes_lost;
	out->spans_left = s->spans_left;
	out->spans_deep = s->spans_deep;
	out->pools_left = s->pools_left;
	out->pool_chains_cut = s->pool_chains_cut;
	out->gc_lost = s->gc_lost;
	out->gc_classes_lost = s->gc_classes_lost;
	for (int k = 0; k < MP_KERNEL_KINDS; k++)
		out->kernel_events[k] = s->kernel_events[k];
}

static uint32_t bpf_plane_sees(void *impl)
{
	return ((struct bpf_plane *)impl)->rings.sees;
}

static struct mp_kernel_cost bpf_plane_kernel_cost(void *impl)
{
	return ((struct bpf_plane *)impl)->kernel_cost;
}

static int bpf_plane_fd(void *impl)
{
	return ((struct bpf_plane *)impl)->rings.fd;
}

/* The programs take from it meanwhile; below 0 stands how many they were refused. */
static void give_credit(long long *credit, int64_t more)
{
	long long now = __atomic_load_n(credit, __ATOMIC_RELAXED);

	if (!more)
		return;
	if (now < 0)
		more -= now;
	else if (now + more > MP_KERNEL_CREDIT_MAX)
		more = MP_KERNEL_CREDIT_MAX - now;
	__atomic_fetch_add(credit, more, __ATOMIC_RELAXED);
}

static void tell_markers_lost(struct bpf_plane *b, struct mp_pipeline *p)
{
	uint64_t lost = b->stats->markers_lost;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	mp_pipeline_loss(
	    p, t.tv_sec * 1000000000LL + t.tv_nsec, "marker ring", "events", lost - b->markers_lost);
	b->markers_lost = lost;
	mp_bpf_pools_tell_missed(b->object, p, b->rings.pools, t.tv_sec * 1000000000LL + t.tv_nsec);
}

static bool bpf_plane_drain(void *impl, struct mp_pipeline *p, int64_t kernel_credit)
{
	struct bpf_plane *b = impl;
	bool has_more = mp_bpf_rings_read(&b->rings, p);

	if (p && b->stats->markers_lost != b->markers_lost)
		tell_markers_lost(b, p);
	give_credit(&b->stats->kernel_credit, kernel_credit);
	give_credit(&b->stats->kernel_long_credit, kernel_credit);
	return has_more;
}

#define BPF_PLANE_OPS                                                                                        \
	.attach = bpf_plane_attach, .attach_spans = bpf_plane_attach_spans,                                  \
	.attach_pools = bpf_plane_attach_pools, .pool_calls = bpf_plane_pool_calls,                          \
	.pool_chain_ns = bpf_plane_pool_chain_ns, .attach_gc = bpf_plane_attach_gc,                          \
	.gc_hits = bpf_plane_gc_hits, .gc_allocated = bpf_plane_gc_allocated,                                \
	.gc_classes = bpf_plane_gc_classes, .span_calls = bpf_plane_span_calls, .gauges = bpf_plane_gauges,  \
	.counter = bpf_plane_counter, .enable = bpf_plane_enable, .keep = bpf_plane_keep,                    \
	.hists = bpf_plane_hists, .split = bpf_plane_split, .stats = bpf_plane_stats,                        \
	.sees = bpf_plane_sees, .kernel_cost = bpf_plane_kernel_cost, .fd = bpf_plane_fd,                    \
	.drain = bpf_plane_drain, .detach_group = bpf_plane_detach_group, .window = bpf_plane_window,        \
	.slow_open = bpf_plane_slow_open, .slow_callers = bpf_plane_slow_callers,                            \
	.slow_hits = bpf_plane_slow_hits, .skipped = bpf_plane_skipped, .detach = bpf_plane_detach,          \
	.close = bpf_plane_close

const struct mp_uprobe_ops mp_uprobe_session = {
    .backend = MP_BACKEND_SESSION, .open = open_session, BPF_PLANE_OPS};
const struct mp_uprobe_ops mp_uprobe_multi = {.backend = MP_BACKEND_MULTI, .open = open_multi, BPF_PLANE_OPS};

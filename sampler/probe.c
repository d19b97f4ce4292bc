/* SPDX-License-Identifier: MIT */
#include "sampler/probe.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/insn.h"
#include "sampler/preload/mpsample.h"
#include "sampler/uprobe/shared.h"
#include "symbolize/elf/elf.h"

#define MAX_FUNCTION_BYTES                                                                                   \
	4096 /* of code that is looked at: allocation functions' entries are far shorter                     \
	      */
#define UNSIZED_FUNCTION_BYTES 64
#define MAX_DEFINITIONS                                                                                      \
	1024 /* of names of the family: real programs have some dozens, a hostile file may have millions */

#define MAX_MARKERS 2048 /* places in the code that pass one; they are told when there are more */

/* A name worth stopping at in a symbol table. */
struct wanted {
	char name[120];
	unsigned int op;  /* MP_OP_COUNT: no function of the family, it only betrays the allocator */
	int allocator;    /* index, -1: any */
	bool is_prefixed; /* found beside, not instead of, what the linker binds */
};

struct wanted_list {
	struct wanted *w;
	size_t n;
	bool out_of_memory;
};

/* A definition of a wanted name. */
struct definition {
	const struct wanted *what;
	size_t module;
	uint64_t vaddr, size;
	bool exported;
};

/* One module of the target while its definitions are searched. */
struct scan {
	struct resolver *r;
	size_t module;
};

struct resolver {
	const struct mp_target *target;
	const struct mp_profiles *profiles;
	struct wanted_list wanted;
	struct mp_elf **elf; /* per module; NULL: not readable */
	int *allocator;      /* per module: index of the profile, -1: none */
	struct definition *defs;
	size_t n_defs;
	bool out_of_memory;
	size_t n_functions, n_markers, markers_left_out; /* probes found */
	struct mp_probe_set *out;
};

/* ---- The names to look for ---- */

struct word_ctx {
	struct wanted_list *list;
	const struct mp_profiles *profiles;
	const char *prefix;
	unsigned int op;
	int allocator;
};

static bool add_wanted(void *ctx, const char *word)
{
	struct word_ctx *c = ctx;
	struct wanted *more = reallocarray(c->list->w, c->list->n + 1, sizeof(*more));

	if (!more)
		return c->list->out_of_memory = true;
	c->list->w = more;
	struct wanted *w = &more[c->list->n++];
	*w = (struct wanted){.op = c->op, .allocator = c->allocator, .is_prefixed = c->prefix[0] != 0};
	snprintf(w->name, sizeof(w->name), "%s%s", c->prefix, word);
	return false;
}

static bool add_prefixed_family(void *ctx, const char *prefix)
{
	struct word_ctx c = *(struct word_ctx *)ctx;

	c.prefix = prefix;
	for (c.op = 0; c.op < MP_OP_NEW; c.op++)
		if (mp_profile_each_word(c.profiles->family[c.op], add_wanted, &c))
			return true;
	return false;
}

/* A name may be there twice, as part of the family and as what betrays an allocator: the former stands first.
 */
static int by_name(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->op < y->op ? -1 : x->op > y->op;
}

static int collect_wanted(struct resolver *r)
{
	struct word_ctx c = {.list = &r->wanted, .profiles = r->profiles, .prefix = "", .allocator = -1};

	for (c.op = 0; c.op < MP_OP_COUNT; c.op++)
		mp_profile_each_word(r->profiles->family[c.op], add_wanted, &c);
	for (size_t i = 0; i < r->profiles->n_allocators; i++) {
		c.allocator = (int)i;
		mp_profile_each_word(r->profiles->allocators[i].prefixes, add_prefixed_family, &c);
		c.op = MP_OP_COUNT;
		mp_profile_each_word(r->profiles->allocators[i].symbols, add_wanted, &c);
	}
	if (r->wanted.out_of_memory)
		return -ENOMEM;
	qsort(r->wanted.w, r->wanted.n, sizeof(*r->wanted.w), by_name);
	return 0;
}

static const struct wanted *find_wanted(const struct wanted_list *list, const char *name)
{
	size_t lo = 0, hi = list->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (strcmp(list->w[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < list->n && !strcmp(list->w[lo].name, name) ? &list->w[lo] : NULL;
}

/* ---- What the modules define ---- */

static int take_definition(void *ctx, const struct mp_elf_sym *sym)
{
	struct scan *s = ctx;
	struct resolver *r = s->r;

	for (const struct wanted *w = find_wanted(&r->wanted, sym->name);
	     w && w < r->wanted.w + r->wanted.n && !strcmp(w->name, sym->name); w++) {
		if (w->allocator >= 0 && r->allocator[s->module] < 0)
			r->allocator[s->module] = w->allocator;
		if (w->op == MP_OP_COUNT)
			continue;
		if (r->n_defs == MAX_DEFINITIONS)
			return 1;
		struct definition *more = reallocarray(r->defs, r->n_defs + 1, sizeof(*more));
		if (!more) {
			r->out_of_memory = true;
			return 1;
		}
		r->defs = more;
		more[r->n_defs++] = (struct definition){.what = w,
		    .module = s->module,
		    .vaddr = sym->vaddr,
		    .size = sym->size,
		    .exported = sym->exported};
	}
	return 0;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int allocator_by_file(const struct mp_profiles *p, const char *path)
{
	for (size_t i = 0; i < p->n_allocators; i++)
		if (mp_profile_glob(p->allocators[i].modules, file_name(path)))
			return (int)i;
	return -1;
}

static void scan_module(struct resolver *r, size_t i)
{
	const struct mp_module *m = &r->target->modules[i];
	struct scan s = {r, i};
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	r->allocator[i] = allocator_by_file(r->profiles, m->path);
	if (fd < 0)
		return;
	if (mp_elf_open(fd, m->path, &r->elf[i], NULL))
		r->elf[i] = NULL;
	close(fd);
	if (r->elf[i])
		mp_elf_each_function(r->elf[i], take_definition, &s);
}

/* ---- Which of them to probe ---- */

static bool is_static_program(const struct resolver *r)
{
	return r->target->n_modules == 1 && r->elf[0] && mp_elf_is_static(r->elf[0]);
}

/* Without the link order the first of several definitions would be a guess. */
static bool is_order_unknown(const struct resolver *r)
{
	return r->target->n_modules > 1 && r->elf[0] && !mp_elf_is_static(r->elf[0]) &&
	       mp_target_link_state(r->target) < 0;
}

/* The dynamic linker takes the first exported definition in link order; modules are sorted by it. */
static bool is_bound(const struct resolver *r, const struct definition *d)
{
	if (!d->exported)
		return false;
	for (size_t i = 0; i < r->n_defs; i++) {
		const struct definition *o = &r->defs[i];
		if (o->what == d->what && o->exported && o->module < d->module)
			return false;
	}
	return true;
}

static bool is_exported_under_another_row(const struct resolver *r, const struct definition *d)
{
	for (size_t i = 0; i < r->n_defs; i++)
		if (r->defs[i].exported && r->defs[i].module == d->module && r->defs[i].vaddr == d->vaddr)
			return true;
	return false;
}

static bool is_wanted_definition(const struct resolver *r, const struct definition *d)
{
	if (r->target->modules[d->module].is_loader)
		return false; /* ld.so allocates with functions of its own before libc is there */
	if (d->what->is_prefixed || is_static_program(r))
		return true;
	return d->exported ? is_bound(r, d) : !is_exported_under_another_row(r, d);
}

struct forwarding {
	const struct resolver *r;
	const struct definition *self;
};

/* Does this callee belong to the family, by its address or by the name of the PLT slot it jumps through? */
static int callee_is_family(void *ctx, const struct mp_insn_exit *exit)
{
	uint64_t callee = exit->to;
	const struct forwarding *f = ctx;
	const struct resolver *r = f->r;
	const struct mp_elf *elf = r->elf[f->self->module];
	unsigned char stub[32];
	uint64_t offset;

	for (size_t i = 0; i < r->n_defs; i++)
		if (r->defs[i].module == f->self->module && r->defs[i].vaddr == callee)
			return 1;
	if (!mp_elf_vaddr_to_offset(elf, callee, &offset))
		return 0;
	size_t n = mp_elf_read(elf, offset, stub, sizeof(stub));
	uint64_t slot = mp_insn_stub_slot(stub, n, callee);
	const char *name = slot ? mp_elf_slot_symbol(elf, slot) : NULL;
	const struct wanted *w = name ? find_wanted(&r->wanted, name) : NULL;
	return w && w->op < MP_OP_COUNT;
}

static size_t read_code(
    const struct resolver *r, const struct definition *d, unsigned char *code, uint64_t *offset)
{
	size_t n = d->size ? d->size : UNSIZED_FUNCTION_BYTES;

	if (!mp_elf_vaddr_to_offset(r->elf[d->module], d->vaddr, offset))
		return 0;
	return mp_elf_read(r->elf[d->module], *offset, code, n < MAX_FUNCTION_BYTES ? n : MAX_FUNCTION_BYTES);
}

/* operator new that calls malloc (libstdc++'s) is seen by the probe on malloc: a second would count it twice
 * in cost, and once in calls. */
static bool forwards(
    const struct resolver *r, const struct definition *d, const unsigned char *code, size_t n)
{
	struct forwarding f = {r, d};

	if (d->what->op != MP_OP_NEW && d->what->op != MP_OP_DELETE)
		return false;
	return mp_insn_each_exit(code, n, d->vaddr, callee_is_family, &f) != 0;
}

static const char *allocator_name(const struct resolver *r, const struct definition *d)
{
	int a = r->allocator[d->module];
	return a >= 0 && !r->profiles->allocators[a].uncovered ? r->profiles->allocators[a].name
							       : "interposed";
}

uint64_t mp_probe_cookie(const struct mp_probe *p, enum mp_probe_group group)
{
	bool is_slow = group == MP_PROBES_SLOW;
	bool returns_block = !is_slow || p->op != MP_COOKIE_NO_OP || p->size_args;

	return p->op | (uint64_t)p->size_args << 8 | (uint64_t)p->ptr_args << 16 |
	       (uint64_t)p->is_stepped << 24 | (uint64_t)group << 25 | (uint64_t)p->slow << 32 |
	       (!is_slow && mp_op_ignores_null(p->op) ? MP_COOKIE_IGNORES_NULL : 0) |
	       (returns_block ? MP_COOKIE_RETURNS_BLOCK : 0);
}

/* Jumps into the skipped bytes are looked for in the whole function. */
void mp_probe_place(struct mp_probe *p, const unsigned char *code, size_t n, bool whole, uint64_t offset)
{
	p->skipped_bytes =
	    whole ? mp_insn_placement(code, n, p->size_args | p->ptr_args, mp_op_ignores_null(p->op)) : 0;
	p->is_stepped = !mp_insn_is_emulated(code + p->skipped_bytes, n - p->skipped_bytes);
	p->module_offset = offset + p->skipped_bytes;
}

/* The operation that a function is of, with its arguments. */
static void set_op(struct mp_probe *p, unsigned int op)
{
	struct mp_op_args args = mp_op_args(op);

	p->op = op;
	p->size_args = args.size;
	p->ptr_args = args.ptr;
}

/* One more probe in the set, in a module. */
static struct mp_probe *new_probe(struct resolver *r, const struct mp_module *m)
{
	struct mp_probe *more = reallocarray(r->out->probes, r->out->n + 1, sizeof(*more));

	if (!more) {
		r->out_of_memory = true;
		return NULL;
	}
	r->out->probes = more;
	struct mp_probe *p = &more[r->out->n++];
	*p = (struct mp_probe){.inode = m->inode, .dev_major = m->dev_major, .dev_minor = m->dev_minor};
	snprintf(p->module, sizeof(p->module), "%s", m->path);
	snprintf(p->open_path, sizeof(p->open_path), "%s", m->open_path);
	return p;
}

static void add_probe(struct resolver *r, const struct definition *d)
{
	unsigned char code[MAX_FUNCTION_BYTES];
	uint64_t offset;
	size_t n = read_code(r, d, code, &offset);

	if (!n || forwards(r, d, code, n))
		return;
	struct mp_probe *p = new_probe(r, &r->target->modules[d->module]);
	if (!p)
		return;
	set_op(p, d->what->op);
	p->function_bytes = d->size;
	mp_probe_place(p, code, n, d->size && d->size <= n, offset);
	snprintf(p->function, sizeof(p->function), "%s", d->what->name);
	snprintf(p->allocator, sizeof(p->allocator), "%s", allocator_name(r, d));
}

/* Of names that are one address the operation that stands first in store/op.h counts; the plain name is
 * shown. */
static int by_place(const void *a, const void *b)
{
	const struct definition *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	if (x->what->op != y->what->op)
		return x->what->op < y->what->op ? -1 : 1;
	return (int)x->what->is_prefixed - (int)y->what->is_prefixed;
}

static void choose(struct resolver *r)
{
	bool *wanted = calloc(r->n_defs + 1, sizeof(*wanted));
	const struct definition *last = NULL;

	if (!wanted) {
		r->out_of_memory = true;
		return;
	}
	qsort(r->defs, r->n_defs, sizeof(*r->defs), by_place);
	for (size_t i = 0; i < r->n_defs; i++)
		wanted[i] = is_wanted_definition(r, &r->defs[i]);
	for (size_t i = 0; i < r->n_defs; i++) {
		const struct definition *d = &r->defs[i];
		if (!wanted[i] || (last && last->module == d->module && last->vaddr == d->vaddr))
			continue;
		last = d;
		add_probe(r, d);
	}
	free(wanted);
}

/* ---- Markers ---- */

static const char *const marker_names[] = {
    [MPSAMPLE_KIND_SPAN_BEGIN] = "span_begin",
    [MPSAMPLE_KIND_SPAN_END] = "span_end",
    [MPSAMPLE_KIND_MARK] = "mark",
    [MPSAMPLE_KIND_PHASE] = "phase",
    [MPSAMPLE_KIND_POOL_CREATE] = "pool_create",
    [MPSAMPLE_KIND_POOL_GET] = "pool_get",
    [MPSAMPLE_KIND_POOL_PUT] = "pool_put",
    [MPSAMPLE_KIND_POOL_EMPTY] = "pool_empty",
    [MPSAMPLE_KIND_POOL_CLEAR] = "pool_clear",
    [MPSAMPLE_KIND_POOL_DESTROY] = "pool_destroy",
    [MPSAMPLE_KIND_GAUGE] = "gauge",
    [MPSAMPLE_KIND_COMPONENT_BEGIN] = "component_begin",
    [MPSAMPLE_KIND_COMPONENT_END] = "component_end",
};

/* 0: no name of ours. */
static unsigned int marker_kind(const char *name)
{
	for (unsigned int kind = 1; kind < sizeof(marker_names) / sizeof(*marker_names); kind++)
		if (!strcmp(name, marker_names[kind]))
			return kind;
	return 0;
}

static int take_marker(void *ctx, const struct mp_elf_usdt *usdt)
{
	const struct scan *s = ctx;
	struct resolver *r = s->r;
	const struct mp_elf *elf = r->elf[s->module];
	unsigned int kind = strcmp(usdt->provider, "mpsample") ? 0 : marker_kind(usdt->name);
	unsigned char code[4] = {0};
	uint64_t offset;

	if (!kind || !mp_elf_code_end(elf, usdt->vaddr) ||
	    !mp_elf_vaddr_to_offset(elf, usdt->vaddr, &offset) ||
	    !mp_insn_is_nop(code, mp_elf_read(elf, offset, code, sizeof(code))))
		return 0;
	if (r->n_markers == MAX_MARKERS) {
		r->markers_left_out++;
		return 0;
	}
	struct mp_probe *p = new_probe(r, &r->target->modules[s->module]);
	if (!p)
		return 1;
	r->n_markers++;
	p->op = MP_OP_MARKER;
	p->marker = kind;
	p->module_offset = offset;
	snprintf(p->function, sizeof(p->function), "mpsample:%s", marker_names[kind]);
	snprintf(p->allocator, sizeof(p->allocator), "markers");
	return 0;
}

/* Two notes of one place would be two probes there, and each marker would come twice. */
static int by_marker_place(const void *a, const void *b)
{
	const struct mp_probe *x = a, *y = b;

	return x->module_offset < y->module_offset ? -1 : x->module_offset > y->module_offset;
}

static void choose_markers(struct resolver *r)
{
	for (size_t i = 0; i < r->target->n_modules && !r->out_of_memory; i++) {
		struct scan s = {r, i};
		size_t first = r->out->n, kept = first;

		if (!r->elf[i])
			continue;
		if (mp_elf_each_usdt(r->elf[i], take_marker, &s) == -ENOMEM)
			r->out_of_memory = true;
		struct mp_probe *p = r->out->probes;
		if (r->out->n > first)
			qsort(p + first, r->out->n - first, sizeof(*p), by_marker_place);
		for (size_t k = first; k < r->out->n; k++)
			if (k == first || p[k].module_offset != p[kept - 1].module_offset)
				p[kept++] = p[k];
		r->out->n = kept;
	}
}

static void tell_uncovered(struct resolver *r)
{
	char *out = r->out->uncovered;
	size_t room = sizeof(r->out->uncovered);

	if (r->markers_left_out) {
		int n = snprintf(out, room, "%zu places with markers beyond the first %d",
		    r->markers_left_out, MAX_MARKERS);
		out += n;
		room -= (size_t)n;
	}
	for (size_t i = 0; i < r->target->n_modules; i++) {
		int a = r->allocator[i];
		if (a < 0 || !r->profiles->allocators[a].uncovered)
			continue;
		int n = snprintf(out, room, "%s%s in %s", out == r->out->uncovered ? "" : "; ",
		    r->profiles->allocators[a].about, file_name(r->target->modules[i].path));
		if (n < 0 || (size_t)n >= room)
			return;
		out += n;
		room -= (size_t)n;
	}
}

static int no_allocator(const struct resolver *r, struct mp_err *err)
{
	const struct mp_target *t = r->target;
	size_t unreadable = 0;

	for (size_t i = 0; i < t->n_modules; i++)
		unreadable += !r->elf[i];
	if (unreadable)
		return mp_err_set(err, EACCES,
		    "no allocator found in process %d (%s): %zu of its %zu modules could not be read, the "
		    "first is %s; run "
		    "as root, or give mpsample CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE",
		    t->pid, t->comm, unreadable, t->n_modules, t->modules[0].path);
	bool is_stripped = t->n_modules == 1 && r->elf[0] && !mp_elf_has_symtab(r->elf[0]);
	return mp_err_set(err, ENOENT,
	    "no known allocator in process %d (%s): none of its %zu modules defines malloc or a function "
	    "like "
	    "it%s%s%s; mpsample list profiles shows what is known",
	    t->pid, t->comm, t->n_modules, r->out->uncovered[0] ? ", and not covered is: " : "",
	    r->out->uncovered,
	    is_stripped ? "; a stripped static program keeps no names, build it with its symbol table" : "");
}

int mp_probe_resolve(const struct mp_target *t, const struct mp_profiles *profiles, struct mp_probe_set *out,
    struct mp_err *err)
{
	struct resolver r = {.target = t, .profiles = profiles, .out = out};
	int ret = 0;

	*out = (struct mp_probe_set){0};
	r.elf = calloc(t->n_modules + 1, sizeof(*r.elf));
	r.allocator = calloc(t->n_modules + 1, sizeof(*r.allocator));
	if (!r.elf || !r.allocator || collect_wanted(&r))
		r.out_of_memory = true;
	for (size_t i = 0; i < t->n_modules && !r.out_of_memory; i++)
		scan_module(&r, i);
	if (!r.out_of_memory)
		choose(&r);
	r.n_functions = out->n;
	if (!r.out_of_memory)
		choose_markers(&r);
	if (r.out_of_memory) {
		ret = mp_err_set(err, ENOMEM, "out of memory");
	} else if (is_order_unknown(&r)) {
		ret = mp_err_set(err, EACCES,
		    "cannot read the dynamic linker's list in process %d (%s), so which of its allocators is "
		    "in "
		    "use is not known; run as root, or give mpsample CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
		    t->pid, t->comm);
	} else {
		tell_uncovered(&r);
		if (!r.n_functions)
			ret = no_allocator(&r, err);
	}
	for (size_t i = 0; r.elf && i < t->n_modules; i++)
		if (r.elf[i])
			mp_elf_close(r.elf[i]);
	free(r.elf);
	free(r.allocator);
	free(r.wanted.w);
	free(r.defs);
	if (ret)
		mp_probe_set_free(out);
	return ret;
}

void mp_probe_set_free(struct mp_probe_set *set)
{
	free(set->probes);
	set->probes = NULL;
	set->n = 0;
}

static int load_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(uint64_t *)bias = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

int mp_probe_on_self(void (*function)(void), struct mp_probe *out, struct mp_err *err)
{
	struct mp_elf *elf;
	unsigned char code[UNSIZED_FUNCTION_BYTES];
	uint64_t bias = 0, offset;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return mp_err_set(
		    err, errno, "cannot read /proc/self/exe: %s; is /proc mounted?", strerror(errno));
	int ret = mp_elf_open(fd, "/proc/self/exe", &elf, err);
	close(fd);
	if (ret)
		return ret;

	dl_iterate_phdr(load_bias, &bias);
	*out = (struct mp_probe){.op = MP_OP_CALIBRATE, /* which has no arguments */
	    .function = "calibration",
	    .module = "mpsample",
	    .open_path = "/proc/self/exe"};
	if (mp_elf_vaddr_to_offset(elf, (uintptr_t)function - bias, &offset)) {
		size_t n = mp_elf_read(elf, offset, code, sizeof(code));
		mp_probe_place(out, code, n, true, offset);
	} else {
		ret = mp_err_set(err, EINVAL, "cannot find mpsample's own code in its file");
	}
	mp_elf_close(elf);
	return ret;
}

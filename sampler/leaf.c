/* SPDX-License-Identifier: MIT */
#include "sampler/leaf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "sampler/index.h"
#include "sampler/insn.h"

#define MAX_CODE_BYTES 1024 /* from a function's entry to the call: wrappers are short */
#define MAX_ADDRESSES  100000
#define LONGEST_CALL   8

/* What the code around a return address says; found once. */
struct address {
	uint64_t addr;
	bool behind_call; /* a call instruction ends here: it can be a return address */
	int frame_bytes;  /* of its function's frame at this place; -1: it has a frame pointer, or is not
			     understood */
};

struct mp_leaf {
	pid_t pid;
	struct mp_symbolizer *symbolizer;
	struct mp_index index;
	struct address *addresses; /* [number - 1] */
	size_t room;
};

struct mp_leaf *mp_leaf_new(pid_t pid, struct mp_symbolizer *symbolizer)
{
	struct mp_leaf *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->pid = pid;
	l->symbolizer = symbolizer;
	return l;
}

void mp_leaf_free(struct mp_leaf *l)
{
	if (!l)
		return;
	mp_index_free(&l->index);
	free(l->addresses);
	free(l);
}

static bool read_code(const struct mp_leaf *l, uint64_t addr, unsigned char *buf, size_t n)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};

	return process_vm_readv(l->pid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

static void examine(struct mp_leaf *l, struct address *a, int64_t t_ns)
{
	unsigned char code[MAX_CODE_BYTES];
	struct mp_name name;

	a->frame_bytes = -1;
	a->behind_call = read_code(l, a->addr - LONGEST_CALL, code, LONGEST_CALL) &&
			 mp_insn_ends_in_call(code, LONGEST_CALL);
	if (!a->behind_call)
		return;
	mp_symbolizer_name(l->symbolizer, a->addr - 1, t_ns, &name);
	size_t n = name.function ? (size_t)name.offset + 1 : 0;
	if (n && n <= sizeof(code) && read_code(l, a->addr - n, code, n))
		a->frame_bytes = mp_insn_frame_bytes(code, n);
}

static bool same_address(const void *owner, uint32_t value, const void *what)
{
	const struct mp_leaf *l = owner;
	return l->addresses[value - 1].addr == *(const uint64_t *)what;
}

/* NULL: out of memory, or so many addresses that they cannot be code. */
static const struct address *look_up(struct mp_leaf *l, uint64_t addr, int64_t t_ns)
{
	uint32_t *slot = mp_index_slot(&l->index, mp_index_mix(addr), same_address, l, &addr);

	if (!slot || (!*slot && l->index.n == MAX_ADDRESSES))
		return NULL;
	if (*slot)
		return &l->addresses[*slot - 1];
	if (l->index.n == l->room) {
		size_t room = l->room ? l->room * 2 : 256;
		struct address *more = reallocarray(l->addresses, room, sizeof(*more));
		if (!more)
			return NULL;
		l->addresses = more;
		l->room = room;
	}
	*slot = (uint32_t)++l->index.n;
	struct address *a = &l->addresses[l->index.n - 1];
	*a = (struct address){.addr = addr};
	examine(l, a, t_ns);
	return a;
}

size_t mp_leaf_complete(struct mp_leaf *l, const uint64_t *ip, size_t n, const uint64_t *words,
    size_t n_words, int64_t t_ns, uint64_t *out, size_t room)
{
	size_t at = 0, made = 0; /* `at`: the stack word that the current frame begins with */

	if (!n || !room)
		return 0;
	out[made++] = ip[0];
	while (made < room) {
		const struct address *a = look_up(l, out[made - 1], t_ns);
		if (!a || a->frame_bytes < 0)
			break;
		at += (size_t)a->frame_bytes / sizeof(*words);
		if (at >= n_words)
			break;
		const struct address *caller = look_up(l, words[at], t_ns);
		if (!caller || !caller->behind_call || (n > 1 && words[at] == ip[1]))
			break;
		out[made++] = words[at++];
	}
	for (size_t i = 1; i < n && made < room; i++)
		out[made++] = ip[i];
	return made;
}

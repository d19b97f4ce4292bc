/* SPDX-License-Identifier: MIT */
#include "sampler/context.h"

#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"

#define HICCUPS 1024 /* the latest so many are remembered */

struct interval {
	int64_t t_ns, end_ns, self_ns;
	uint8_t kind, cause;
	bool is_cause;
	uint32_t what, cpu;
	char ran[MP_COMM_BYTES];
};

/* The intervals of a thread, in the order of their ends; those before `first` are forgotten. */
struct thread {
	pid_t tid;
	struct interval *intervals;
	size_t first, n, room;
	int64_t forgotten_ns; /* the end of the latest that is */
};

struct hiccup {
	int64_t t_ns, dur_ns;
};

struct mp_context {
	struct thread *threads;
	size_t n_threads, threads_room;
	struct mp_index by_tid;
	size_t n; /* intervals of all threads */
	struct hiccup hiccups[HICCUPS];
	size_t n_hiccups; /* ever */
};

struct mp_context *mp_context_new(void)
{
	return calloc(1, sizeof(struct mp_context));
}

void mp_context_free(struct mp_context *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_threads; i++)
		free(c->threads[i].intervals);
	free(c->threads);
	mp_index_free(&c->by_tid);
	free(c);
}

static bool same_tid(const void *owner, uint32_t value, const void *tid)
{
	const struct mp_context *c = owner;
	return c->threads[value - 1].tid == *(const pid_t *)tid;
}

/* NULL: out of memory. */
static struct thread *make_thread(struct mp_context *c, pid_t tid)
{
	uint32_t *slot = mp_index_slot(&c->by_tid, mp_index_mix((uint64_t)tid), same_tid, c, &tid);

	if (!slot)
		return NULL;
	if (*slot)
		return &c->threads[*slot - 1];
	if (!mp_grow((void **)&c->threads, &c->threads_room, c->n_threads + 1, sizeof(*c->threads)))
		return NULL;
	c->threads[c->n_threads] = (struct thread){.tid = tid, .forgotten_ns = INT64_MIN};
	c->by_tid.n++;
	*slot = (uint32_t)++c->n_threads;
	return &c->threads[*slot - 1];
}

static const struct thread *find_thread(struct mp_context *c, pid_t tid)
{
	uint32_t *slot = mp_index_slot(&c->by_tid, mp_index_mix((uint64_t)tid), same_tid, c, &tid);

	return slot && *slot ? &c->threads[*slot - 1] : NULL;
}

static void forget_first(struct mp_context *c, struct thread *t, size_t n)
{
	if (!n)
		return;
	t->forgotten_ns = t->intervals[t->first + n - 1].end_ns;
	t->first += n;
	c->n -= n;
	if (t->first < t->n / 2)
		return;
	memmove(t->intervals, t->intervals + t->first, (t->n - t->first) * sizeof(*t->intervals));
	t->n -= t->first;
	t->first = 0;
}

/* The first interval that ends after a time. */
static size_t first_after(const struct thread *t, int64_t t_ns)
{
	size_t low = t->first, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->intervals[middle].end_ns <= t_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void mp_context_forget(struct mp_context *c, int64_t now_ns)
{
	for (size_t i = 0; i < c->n_threads; i++) {
		struct thread *t = &c->threads[i];
		forget_first(c, t, first_after(t, now_ns - MP_CONTEXT_NS) - t->first);
	}
}

/* Of each thread the older half: rarely, so that it may cost something. */
static void make_room(struct mp_context *c)
{
	for (size_t i = 0; i < c->n_threads; i++)
		forget_first(c, &c->threads[i], (c->threads[i].n - c->threads[i].first + 1) / 2);
}

void mp_context_add(struct mp_context *c, const struct mp_kernel_interval *k)
{
	if (c->n >= MP_CONTEXT_MAX)
		make_room(c);
	struct thread *t = k->dur_ns < 0 ? NULL : make_thread(c, k->tid);
	if (!t || !mp_grow((void **)&t->intervals, &t->room, t->n + 1, sizeof(*t->intervals)))
		return; /* what is not known is not explained */
	struct interval *i = &t->intervals[t->n++];
	*i = (struct interval){.t_ns = k->t_ns,
	    .end_ns = k->t_ns + k->dur_ns,
	    .self_ns = k->self_ns,
	    .kind = (uint8_t)k->kind,
	    .cause = (uint8_t)k->cause,
	    .is_cause = k->is_cause,
	    .what = k->what,
	    .cpu = k->cpu};
	memcpy(i->ran, k->ran, sizeof(i->ran));
	c->n++;
}

static void add_syscall(struct mp_causes *to, const struct interval *i)
{
	for (int at = 0; at < MP_CAUSE_SYSCALLS; at++) {
		struct mp_cause_syscall *s = &to->syscall[at];
		if (s->n && s->nr != i->what)
			continue;
		s->nr = i->what;
		s->n++;
		s->ns += (uint64_t)i->self_ns;
		return;
	}
}

/* As sampler/uprobe/bpf/context.h adds up. */
static void add(struct mp_causes *to, const struct interval *i)
{
	uint64_t ns = (uint64_t)i->self_ns;

	to->ns[i->cause] += ns;
	to->n[i->cause]++;
	if (i->cause == MP_KERNEL_SYSCALL) {
		add_syscall(to, i);
	} else if (i->cause == MP_KERNEL_OFF_CPU && ns > to->ran_ns) {
		to->ran_ns = ns;
		to->ran_tid = i->what;
		memcpy(to->ran, i->ran, sizeof(to->ran));
	} else if (i->cause == MP_KERNEL_IRQ && ns > to->irq_ns) {
		to->irq_ns = ns;
		to->irq = i->what;
		to->irq_cpu = i->cpu;
	} else if (i->cause == MP_KERNEL_SOFTIRQ && ns > to->softirq_ns) {
		to->softirq_ns = ns;
		to->softirq = i->what;
	}
}

/* Clocks differ by some ns, and an interval is either inside or outside: its middle tells. */
static bool is_inside(const struct interval *i, int64_t from_ns, int64_t to_ns)
{
	int64_t middle_ns = i->t_ns + (i->end_ns - i->t_ns) / 2;

	return middle_ns >= from_ns && middle_ns <= to_ns;
}

bool mp_context_causes(struct mp_context *c, pid_t tid, int64_t from_ns, int64_t to_ns, struct mp_causes *out)
{
	const struct thread *t = find_thread(c, tid);
	bool any = false;

	for (size_t at = t ? first_after(t, from_ns) : 0; t && at < t->n; at++) {
		const struct interval *i = &t->intervals[at];
		if (i->t_ns > to_ns)
			break;
		if (!i->is_cause || i->cause >= MP_KERNEL_KINDS || i->self_ns <= 0 ||
		    !is_inside(i, from_ns, to_ns))
			continue;
		if (!any) /* most calls are in vain: then nothing is written */
			memset(out, 0, sizeof(*out));
		add(out, i);
		any = true;
	}
	return any;
}

bool mp_context_sums(
    struct mp_context *c, pid_t tid, int64_t from_ns, int64_t to_ns, int64_t *fault_ns, int64_t *off_cpu_ns)
{
	const struct thread *t = find_thread(c, tid);

	*fault_ns = *off_cpu_ns = 0;
	if (!t)
		return true;
	if (t->forgotten_ns > from_ns)
		return false;
	for (size_t at = first_after(t, from_ns); at < t->n; at++) {
		const struct interval *i = &t->intervals[at];
		if (i->t_ns > to_ns)
			break;
		if (!is_inside(i, from_ns, to_ns))
			continue;
		if (i->kind <= MP_KERNEL_THP)
			*fault_ns += i->self_ns;
		else if (i->kind == MP_KERNEL_OFF_CPU)
			*off_cpu_ns += i->end_ns - i->t_ns;
	}
	return true;
}

/* ---- Stalls of the machine ---- */

void mp_context_add_hiccup(struct mp_context *c, int64_t t_ns, int64_t dur_ns)
{
	c->hiccups[c->n_hiccups++ % HICCUPS] = (struct hiccup){t_ns, dur_ns};
}

int64_t mp_context_hiccup_ns(const struct mp_context *c, int64_t from_ns, int64_t to_ns)
{
	size_t oldest = c->n_hiccups < HICCUPS ? 0 : c->n_hiccups - HICCUPS;
	int64_t sum = 0;

	/* They follow each other, and calls are asked for soon: from the latest back. */
	for (size_t i = c->n_hiccups; i > oldest; i--) {
		const struct hiccup *h = &c->hiccups[(i - 1) % HICCUPS];
		if (h->t_ns + h->dur_ns <= from_ns)
			break;
		int64_t from = h->t_ns > from_ns ? h->t_ns : from_ns;
		int64_t to = h->t_ns + h->dur_ns < to_ns ? h->t_ns + h->dur_ns : to_ns;
		sum += to > from ? to - from : 0;
	}
	return sum;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/cause.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "store/append.h"

static const char *const kinds[MP_KERNEL_KINDS] = {
    [MP_KERNEL_MINOR_FAULT] = "minor_fault",
    [MP_KERNEL_MAJOR_FAULT] = "major_fault",
    [MP_KERNEL_THP] = "thp",
    [MP_KERNEL_SYSCALL] = "syscall",
    [MP_KERNEL_LOCK] = "lock",
    [MP_KERNEL_OFF_CPU] = "off_cpu",
    [MP_KERNEL_STOPPED] = "stopped",
    [MP_KERNEL_MIGRATION] = "migration",
    [MP_KERNEL_IRQ] = "irq",
    [MP_KERNEL_SOFTIRQ] = "softirq",
    [MP_KERNEL_MMAP_LOCK] = "mmap_lock",
};

const char *mp_kernel_kind_name(enum mp_kernel_kind kind)
{
	return kinds[kind];
}

const char *mp_cause_kind(enum mp_kernel_kind kind, unsigned int nr, char out[static MP_CAUSE_KIND_BYTES])
{
	if (kind != MP_KERNEL_SYSCALL)
		return kinds[kind];
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	if (name)
		snprintf(out, MP_CAUSE_KIND_BYTES, "syscall:%s", name);
	else
		snprintf(out, MP_CAUSE_KIND_BYTES, "syscall:%u", nr);
	free(name);
	return out;
}

/* ---- What is said of a cause besides ---- */

#define DETAIL_BYTES 64

/* Of enum mp_irq, as the kernel's tracepoints are called. */
static const char *const vectors[] = {
    "local_timer", "reschedule", "call_function", "call_function_single", "irq_work"};

/* Of linux/interrupt.h. */
static const char *const softirqs[] = {
    "hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu"};

static const char *detail_of_irq(const struct mp_causes *c, char out[static DETAIL_BYTES])
{
	unsigned int vector = c->irq - MP_IRQ_LOCAL_TIMER;

	if (!c->irq_ns)
		return NULL;
	if (vector < sizeof(vectors) / sizeof(*vectors))
		snprintf(out, DETAIL_BYTES, "%s cpu %u", vectors[vector], c->irq_cpu);
	else
		snprintf(out, DETAIL_BYTES, "irq %u cpu %u", c->irq, c->irq_cpu);
	return out;
}

/* One of our own threads, which would not have been there. Only a name like ours is looked up. */
static bool is_recorder(const struct mp_causes *c)
{
	char own[MP_COMM_BYTES] = "", path[64];

	prctl(PR_GET_NAME, own);
	snprintf(path, sizeof(path), "/proc/self/task/%u", c->ran_tid);
	return !strncmp(own, c->ran, MP_COMM_BYTES) && !access(path, F_OK);
}

/* Thread names are anybody's: what is not terminated ends all the same. */
static const char *detail(const struct mp_causes *c, enum mp_kernel_kind kind, char out[static DETAIL_BYTES])
{
	switch (kind) {
	case MP_KERNEL_OFF_CPU:
		if (!c->ran_ns || !c->ran[0])
			return NULL;
		snprintf(out, DETAIL_BYTES, "ran: %.*s/%u", MP_COMM_BYTES,
		    is_recorder(c) ? "the recorder" : c->ran, c->ran_tid);
		return out;
	case MP_KERNEL_IRQ:
		return detail_of_irq(c, out);
	case MP_KERNEL_SOFTIRQ:
		return c->softirq_ns && c->softirq < sizeof(softirqs) / sizeof(*softirqs)
			   ? softirqs[c->softirq]
			   : NULL;
	default:
		return NULL;
	}
}

/* ---- The account ---- */

struct part {
	enum mp_kernel_kind kind;
	bool is_named; /* of a system call: `nr` */
	unsigned int nr, n;
	int64_t ns;
};

#define PARTS_MAX (MP_KERNEL_KINDS + MP_CAUSE_SYSCALLS)

static size_t list_syscalls(const struct mp_causes *c, struct part *out)
{
	struct part rest = {
	    .kind = MP_KERNEL_SYSCALL, .n = c->n[MP_KERNEL_SYSCALL], .ns = (int64_t)c->ns[MP_KERNEL_SYSCALL]};
	size_t n = 0;

	for (int i = 0; i < MP_CAUSE_SYSCALLS && c->syscall[i].n; i++) {
		const struct mp_cause_syscall *s = &c->syscall[i];
		out[n++] = (struct part){MP_KERNEL_SYSCALL, true, s->nr, s->n, (int64_t)s->ns};
		rest.n -= s->n;
		rest.ns -= (int64_t)s->ns;
	}
	if (rest.ns > 0)
		out[n++] = rest;
	return n;
}

static size_t list(const struct mp_causes *c, struct part *out)
{
	size_t n = 0;

	for (unsigned int kind = 0; kind < MP_KERNEL_KINDS; kind++) {
		if (kind == MP_KERNEL_SYSCALL)
			n += list_syscalls(c, out + n);
		else if (c->ns[kind])
			out[n++] = (struct part){kind, false, 0, c->n[kind], (int64_t)c->ns[kind]};
	}
	return n;
}

/* What is left of the whole, after the largest was cut as far as is needed. */
static int64_t settle(struct part *parts, size_t n, int64_t whole)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].ns;
	while (sum > whole) {
		struct part *largest = &parts[0];
		for (size_t i = 1; i < n; i++)
			if (parts[i].ns > largest->ns)
				largest = &parts[i];
		int64_t cut = sum - whole < largest->ns ? sum - whole : largest->ns;
		largest->ns -= cut;
		sum -= cut;
	}
	return whole - sum;
}

static int write_part(
    struct mp_session *s, const struct mp_cause_account *a, const struct part *p, struct mp_err *err)
{
	char kind[MP_CAUSE_KIND_BYTES], text[DETAIL_BYTES];
	const struct mp_cause_row row = {.call_id = a->call_id,
	    .kind = p->kind == MP_KERNEL_SYSCALL && !p->is_named ? "syscall:other"
								 : mp_cause_kind(p->kind, p->nr, kind),
	    .detail = detail(a->causes, p->kind, text),
	    .dur_ns = p->ns,
	    .n = p->n};

	return p->ns > 0 ? mp_append_cause(s, &row, err) : 0;
}

static int write_rest(struct mp_session *s, int64_t call_id, const char *kind, int64_t ns, struct mp_err *err)
{
	const struct mp_cause_row row = {.call_id = call_id, .kind = kind, .dur_ns = ns, .n = 1};

	return mp_append_cause(s, &row, err);
}

int mp_cause_write(struct mp_session *s, const struct mp_cause_account *a, struct mp_err *err)
{
	struct part parts[PARTS_MAX];
	size_t n = a->causes ? list(a->causes, parts) : 0;
	int64_t rest_ns = settle(parts, n, a->dur_ns);
	int64_t hiccup_ns = a->hiccup_ns < rest_ns ? a->hiccup_ns : rest_ns;
	int ret = 0;

	if (!n && hiccup_ns <= 0)
		return 0;
	for (size_t i = 0; !ret && i < n; i++)
		ret = write_part(s, a, &parts[i], err);
	if (!ret && hiccup_ns > 0)
		ret = write_rest(s, a->call_id, "hiccup", hiccup_ns, err);
	if (!ret)
		ret =
		    write_rest(s, a->call_id, "unexplained", rest_ns - (hiccup_ns > 0 ? hiccup_ns : 0), err);
	return ret;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/backend_bpf_kernel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler/uprobe/backend_bpf_rings.h"
#include "sampler/uprobe/shared.h"

#define MAX_CPUS 4096

/* Beside the calls: what the kernel does to the target's threads (sampler/uprobe/bpf/context.h). In the order
 * of their worth, the last are given up first; not every kernel and architecture has all these tracepoints.
 */
static const struct kernel_program {
	const char *name;
	int software_event; /* enum perf_sw_ids, or -1: a tracepoint of that name */
	uint32_t sees;      /* what is seen with it, and those before it */
} programs[] = {
    {"minor_fault", PERF_COUNT_SW_PAGE_FAULTS_MIN, 0},
    {"major_fault", PERF_COUNT_SW_PAGE_FAULTS_MAJ, 0},
    {"sched_switch", -1, MP_SEES(OFF_CPU) | MP_SEES(STOPPED) | MP_SEES(MIGRATION)},
    {"sched_migrate_task", -1, 0},
    {"page_fault_user", -1, MP_SEES(MINOR_FAULT) | MP_SEES(MAJOR_FAULT)},
    {"mmap_lock_acquire_returned", -1, 0},
    {"mmap_lock_released", -1, MP_SEES(SYSCALL)},
    {"sched_waking", -1, MP_SEES(LOCK)},
    {"irq_handler_entry", -1, 0},
    {"irq_handler_exit", -1, MP_SEES(IRQ)},
    {"softirq_entry", -1, 0},
    {"softirq_exit", -1, MP_SEES(SOFTIRQ)},
    {"local_timer_entry", -1, 0},
    {"local_timer_exit", -1, MP_SEES(IRQ)},
    {"reschedule_entry", -1, 0},
    {"reschedule_exit", -1, 0},
    {"call_function_entry", -1, 0},
    {"call_function_exit", -1, 0},
    {"call_function_single_entry", -1, 0},
    {"call_function_single_exit", -1, 0},
    {"irq_work_entry", -1, 0},
    {"irq_work_exit", -1, 0},
    {"mm_page_alloc", -1, MP_SEES(THP)},
    {"contention_begin", -1, 0},
    {"contention_end", -1, MP_SEES(MMAP_LOCK)},
    {"sys_enter", -1, 0},
    {"sys_exit", -1, MP_SEES(SYSCALL) | MP_SEES(LOCK)},
};

_Static_assert(sizeof(programs) / sizeof(*programs) == MP_BPF_KERNEL_PROGRAMS, "one place each");

/* The last so many are dear: each system call of the machine, of whatever process, takes longer for them. */
#define N_DEAR 2

void mp_bpf_kernel_events_find(struct mp_bpf_kernel_events *e, enum mp_watch watch)
{
	if (watch == MP_WATCH_NOTHING)
		return;
	size_t n = MP_BPF_KERNEL_PROGRAMS - (watch == MP_WATCH_ALL ? 0 : N_DEAR);
	struct btf *types = btf__load_vmlinux_btf();
	char name[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "btf_trace_%s", programs[i].name);
		e->has[i] =
		    programs[i].software_event >= 0 ||
		    (!libbpf_get_error(types) && btf__find_by_name_kind(types, name, BTF_KIND_TYPEDEF) > 0);
	}
	btf__free(types);
}

bool mp_bpf_kernel_events_give_up_one(struct mp_bpf_kernel_events *e, const char *words)
{
	size_t last = MP_BPF_KERNEL_PROGRAMS;
	char named[64];

	for (size_t i = 0; i < MP_BPF_KERNEL_PROGRAMS; i++) {
		snprintf(named, sizeof(named), "'%s'", programs[i].name);
		if (e->has[i])
			last = i;
		if (!e->has[i] || !strstr(words, named))
			continue;
		e->has[i] = false;
		return true;
	}
	if (last == MP_BPF_KERNEL_PROGRAMS || strstr(words, "prog '"))
		return false;
	e->has[last] = false;
	return true;
}

void mp_bpf_kernel_events_prepare(const struct mp_bpf_kernel_events *e, struct bpf_object *object)
{
	for (size_t i = 0; i < MP_BPF_KERNEL_PROGRAMS; i++)
		bpf_program__set_autoload(
		    bpf_object__find_program_by_name(object, programs[i].name), e->has[i]);
}

static void keep(struct mp_bpf_kernel_events *e, struct bpf_link *link)
{
	if (link)
		e->links[e->n_links++] = link;
}

/* One system-wide event per CPU, filtered in the program: cheaper for the target than an event per thread,
 * which costs 1.0-1.5 us at each of its context switches. */
static void link_software_event(struct mp_bpf_kernel_events *e, struct bpf_program *program, uint64_t config)
{
	struct perf_event_attr attr = {
	    .size = sizeof(attr), .type = PERF_TYPE_SOFTWARE, .config = config, .sample_period = 1};

	for (int cpu = 0; cpu < libbpf_num_possible_cpus() && cpu < MAX_CPUS; cpu++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0)
			continue; /* the CPU is offline */
		struct bpf_link *link = bpf_program__attach_perf_event(program, fd);
		if (!link)
			close(fd);
		keep(e, link);
	}
}

int mp_bpf_kernel_events_link(struct mp_bpf_kernel_events *e, struct bpf_object *object, struct mp_err *err)
{
	e->links = calloc(MP_BPF_KERNEL_PROGRAMS * (size_t)libbpf_num_possible_cpus(), sizeof(*e->links));
	if (!e->links)
		return mp_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < MP_BPF_KERNEL_PROGRAMS; i++) {
		const struct kernel_program *k = &programs[i];
		struct bpf_program *program = bpf_object__find_program_by_name(object, k->name);
		size_t before = e->n_links;
		if (!e->has[i])
			continue;
		if (k->software_event >= 0)
			link_software_event(e, program, (uint64_t)k->software_event);
		else
			keep(e, bpf_program__attach(program));
		if (e->n_links > before)
			e->sees |= k->sees;
	}
	return 0;
}

void mp_bpf_kernel_events_close(struct mp_bpf_kernel_events *e)
{
	for (size_t i = 0; i < e->n_links; i++)
		bpf_link__destroy(e->links[i]);
	free(e->links);
	e->links = NULL;
	e->n_links = 0;
}

/* SPDX-License-Identifier: MIT */
/* What this user may do: capabilities, limits, the kernel's policies. */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sampler/doctor/check.h"
#include "sampler/perf/sideband.h"
#include "sampler/uprobe/uprobe.h"

/* What the rings take on each CPU, with perf's control page. */
#define SIDEBAND_PAGES (MP_SIDEBAND_RING_PAGES + 1)
#define TRACEFS_PAGES  (MP_TRACEFS_RING_PAGES + 1)

struct capability {
	unsigned int number;
	enum mp_check_state without;
	const char *with; /* what it is for */
	const char *without_it;
};

static const struct capability cap_bpf = {
    CAP_BPF, MP_CHECK_MISSING, "loads BPF programs", "BPF programs cannot be loaded"};
static const struct capability cap_perfmon = {CAP_PERFMON, MP_CHECK_MISSING,
    "probes and watches other processes", "probes and perf events of whole CPUs are refused"};
static const struct capability cap_sys_ptrace = {CAP_SYS_PTRACE, MP_CHECK_LIMITED,
    "reads other users' processes", "only processes of your own user can be recorded"};
static const struct capability cap_dac_read_search = {CAP_DAC_READ_SEARCH, MP_CHECK_LIMITED,
    "opens the files of other users' processes",
    "of other users' processes, allocators may be missed or mistaken"};
static const struct capability cap_checkpoint_restore = {CAP_CHECKPOINT_RESTORE, MP_CHECK_LIMITED,
    "opens libraries that were replaced on disk",
    "other users' libraries, and any replaced on disk while mapped, may not be found"};

static void check_capability(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct capability *c = arg;
	const struct mp_privileges *p = &d->facts.privileges;

	if (mp_privileges_has(p, c->number)) {
		mp_finding_set(out, MP_CHECK_WORKS, "%s%s",
		    p->effective & 1ULL << c->number ? "" : "by CAP_SYS_ADMIN: ", c->with);
		return;
	}
	mp_finding_set(out, c->without, "not effective: %s", c->without_it);
	mp_finding_fix(out, "%s", d->facts.rights_fix);
}

/* Only backend tracefs wants it: that recordings do well without is the point of the capabilities above. */
static void check_sys_admin(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	enum mp_backend backend = mp_doctor_backend(d);

	(void)arg;
	if (mp_privileges_has(&d->facts.privileges, CAP_SYS_ADMIN)) {
		mp_finding_set(out, MP_CHECK_WORKS, "mounts tracefs");
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED, "not effective: tracefs cannot be mounted");
	if (backend == MP_BACKEND_SESSION || backend == MP_BACKEND_MULTI)
		mp_finding_no_fix(out, "not wanted while a BPF backend works");
	else
		mp_finding_fix(out, "run mpsample as root");
}

static void check_paranoid(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	static const char *const meaning[] = {"perf events of all processes", "only of your own processes",
	    "only of your own code, not the kernel's"};
	long long level;

	(void)arg;
	if (!mp_facts_read_number("/proc/sys/kernel/perf_event_paranoid", &level)) {
		mp_finding_set(
		    out, MP_CHECK_MISSING, "no /proc/sys/kernel/perf_event_paranoid: no perf events");
		mp_finding_fix(out, "boot a kernel with CONFIG_PERF_EVENTS");
		return;
	}
	const char *words = level > 2 ? "none at all" : meaning[level < 0 ? 0 : level];
	if (level <= 0) {
		mp_finding_set(out, MP_CHECK_WORKS, "%lld: everyone may have %s", level, words);
	} else if (mp_privileges_has(&d->facts.privileges, CAP_PERFMON)) {
		mp_finding_set(
		    out, MP_CHECK_WORKS, "%lld: does not bind this user, who has CAP_PERFMON", level);
	} else {
		/* Level 0 would do as well, but it opens all processes to all users, and BPF wants the
		 * capability anyway. */
		mp_finding_set(
		    out, MP_CHECK_LIMITED, "%lld: without CAP_PERFMON perf events are %s", level, words);
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	}
}

/* Yama. Reading another process's memory counts as attaching to it. */
static void check_ptrace_scope(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	bool capable = mp_privileges_has(&d->facts.privileges, CAP_SYS_PTRACE);
	long long scope;

	(void)arg;
	if (!mp_facts_read_number("/proc/sys/kernel/yama/ptrace_scope", &scope)) {
		mp_finding_set(out, MP_CHECK_WORKS, "this kernel has no Yama");
	} else if (scope == 0 || (scope < 3 && capable)) {
		mp_finding_set(
		    out, MP_CHECK_WORKS, "%lld%s", scope, scope ? ": does not bind CAP_SYS_PTRACE" : "");
	} else if (scope < 3) {
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "%lld: the loader's list of a process that is running cannot be read%s", scope,
		    scope == 2 ? ", nor can `record -- COMMAND` start one" : "");
		mp_finding_fix(out, "sudo sysctl kernel.yama.ptrace_scope=0");
	} else {
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "%lld: nobody may read a loader's list, `record -- COMMAND` does not work", scope);
		mp_finding_fix(out, "boot with kernel.yama.ptrace_scope=0: level 3 cannot be left");
	}
}

static uint64_t ring_bytes(const struct mp_doctor *d, uint64_t pages)
{
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) * d->facts.cpus;
}

static void check_locked_memory(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct rlimit l = {0};
	long long allowance_kib = 0;
	char limit[32] = "unlimited";

	(void)arg;
	getrlimit(RLIMIT_MEMLOCK, &l);
	mp_facts_read_number("/proc/sys/kernel/perf_event_mlock_kb", &allowance_kib);
	uint64_t limit_bytes = l.rlim_cur == RLIM_INFINITY ? UINT64_MAX : l.rlim_cur;
	uint64_t need = ring_bytes(d, SIDEBAND_PAGES),
		 need_tracefs = ring_bytes(d, SIDEBAND_PAGES + TRACEFS_PAGES);
	if (limit_bytes != UINT64_MAX)
		snprintf(limit, sizeof(limit), "%llu KiB", (unsigned long long)limit_bytes / 1024);

	if (mp_privileges_has(&d->facts.privileges, CAP_IPC_LOCK)) {
		mp_finding_set(out, MP_CHECK_WORKS, "limit %s: does not bind CAP_IPC_LOCK", limit);
		return;
	}
	bool fits = mp_locked_memory_suffices(need, limit_bytes, (uint64_t)allowance_kib, d->facts.cpus);
	/* Who cannot have tracefs does not miss its rings. */
	bool fits_tracefs =
	    !mp_privileges_has(&d->facts.privileges, CAP_SYS_ADMIN) ||
	    mp_locked_memory_suffices(need_tracefs, limit_bytes, (uint64_t)allowance_kib, d->facts.cpus);
	mp_finding_set(out,
	    !fits          ? MP_CHECK_MISSING
	    : fits_tracefs ? MP_CHECK_WORKS
			   : MP_CHECK_LIMITED,
	    "limit %s and perf's %lld KiB a CPU; the rings of BPF backends take %llu KiB, of tracefs %llu "
	    "KiB",
	    limit, allowance_kib, (unsigned long long)need / 1024, (unsigned long long)need_tracefs / 1024);
	if (!fits || !fits_tracefs)
		mp_finding_fix(out, "ulimit -l unlimited (as root; systemd: LimitMEMLOCK=infinity)");
}

/* The recorder raises the soft limit to the hard one by itself. */
static void check_open_files(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	enum { EVENTS_PER_THREAD = 5, ENOUGH = 4096 };
	struct rlimit l = {0};

	(void)arg;
	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_max >= ENOUGH) {
		mp_finding_set(out, MP_CHECK_WORKS, "limit %llu", (unsigned long long)l.rlim_max);
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED,
	    "limit %llu: a target with some hundred libraries needs more, backend tracefs %u a thread",
	    (unsigned long long)l.rlim_max, EVENTS_PER_THREAD * d->facts.cpus);
	mp_finding_fix(out, "ulimit -n 65536 (as root; systemd: LimitNOFILE=65536)");
}

const struct mp_check mp_checks_rights[] = {
    {"CAP_BPF", check_capability, &cap_bpf},
    {"CAP_PERFMON", check_capability, &cap_perfmon},
    {"CAP_SYS_PTRACE", check_capability, &cap_sys_ptrace},
    {"CAP_DAC_READ_SEARCH", check_capability, &cap_dac_read_search},
    {"CAP_CHECKPOINT_RESTORE", check_capability, &cap_checkpoint_restore},
    {"CAP_SYS_ADMIN", check_sys_admin, NULL},
    {"perf_event_paranoid", check_paranoid, NULL},
    {"ptrace_scope", check_ptrace_scope, NULL},
    {"locked memory", check_locked_memory, NULL},
    {"open files", check_open_files, NULL},
    {NULL, NULL, NULL},
};

/* SPDX-License-Identifier: MIT */
/* What the kernel offers: BPF, uprobes by each backend, tracefs, software events. All by trying. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler/cause.h"
#include "sampler/doctor/check.h"
#include "sampler/perf/ring.h"
#include "sampler/perf/sideband.h"
#include "sampler/tracefs.h"

#define NEWER_KERNEL "boot Linux 6.13 or newer"

static bool not_permitted(int code)
{
	return code == -EPERM || code == -EACCES;
}

static void check_version(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct mp_facts *f = &d->facts;

	(void)arg;
	if (mp_kernel_at_least(f->kernel, 6, 13)) {
		mp_finding_set(out, MP_CHECK_WORKS,
		    "Linux %s: has uprobe sessions (6.13) and multi-links (6.6)", f->release);
		return;
	}
	if (mp_kernel_at_least(f->kernel, 6, 6))
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "Linux %s: has uprobe multi-links (6.6), not the cheaper sessions (6.13)", f->release);
	else if (mp_kernel_at_least(f->kernel, 5, 3))
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "Linux %s: no uprobe multi-links (6.6); only backend tracefs, which is dearer and for "
		    "root",
		    f->release);
	else
		mp_finding_set(out, MP_CHECK_MISSING, "Linux %s: too old, recording needs 5.3", f->release);
	mp_finding_fix(out, NEWER_KERNEL);
}

/* Much of the rest is read there, by mpsample and by libbpf. */
static void check_proc(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	(void)arg;
	if (!d->facts.has_proc) {
		mp_finding_set(
		    out, MP_CHECK_MISSING, "/proc is not mounted: what stands below is incomplete");
		mp_finding_fix(out, "mount -t proc proc /proc");
	} else if (access("/sys/devices/system/cpu", F_OK)) {
		mp_finding_set(out, MP_CHECK_MISSING, "/sys is not mounted: what stands below is incomplete");
		mp_finding_fix(out, "mount -t sysfs sysfs /sys");
	} else {
		mp_finding_set(out, MP_CHECK_WORKS, "both are mounted");
	}
}

/* "none [integrity] confidentiality": the level in brackets holds. */
static void check_lockdown(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	char text[128];

	(void)d;
	(void)arg;
	if (mp_facts_read("/sys/kernel/security/lockdown", text, sizeof(text))) {
		mp_finding_set(out, MP_CHECK_WORKS, "none to be seen");
	} else if (!strstr(text, "[confidentiality]")) {
		mp_finding_set(out, MP_CHECK_WORKS, "%s: does not keep BPF from reading", text);
	} else {
		mp_finding_set(
		    out, MP_CHECK_MISSING, "the kernel is locked down: BPF and perf may read nothing of it");
		mp_finding_fix(out, "boot without lockdown=confidentiality");
	}
}

static void check_container(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	(void)arg;
	if (d->facts.in_user_namespace) {
		mp_finding_set(out, MP_CHECK_MISSING,
		    "in a user namespace: its capabilities do not count for BPF, perf and tracefs");
		mp_finding_fix(out, MP_FACTS_LEAVE_USER_NAMESPACE);
	} else if (d->facts.in_pid_namespace) {
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "in a PID namespace: calls are recorded, page faults and switches of the target are not");
		mp_finding_fix(out, "run mpsample on the host, or in a container with --pid=host");
	} else if (d->facts.privileges.seccomp) {
		mp_finding_set(
		    out, MP_CHECK_LIMITED, "a seccomp filter is on: it may refuse bpf and perf_event_open");
		mp_finding_fix(out, "start the container with --security-opt seccomp=unconfined");
	} else {
		mp_finding_set(out, MP_CHECK_WORKS, "none: on the host's namespaces, no seccomp filter");
	}
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static void check_bpf(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	/* r0 = 0; exit: of the type of all uprobe programs. */
	static const struct bpf_insn program[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0}, {.code = BPF_JMP | BPF_EXIT}};

	(void)arg;
	libbpf_set_print(quiet);
	int fd = bpf_prog_load(
	    BPF_PROG_TYPE_KPROBE, NULL, "GPL", program, sizeof(program) / sizeof(*program), NULL);
	int code = fd < 0 ? -errno : 0;
	if (fd >= 0) {
		close(fd);
		mp_finding_set(out, MP_CHECK_WORKS, "a uprobe program could be loaded");
	} else if (not_permitted(code)) {
		mp_finding_set(out, MP_CHECK_MISSING, "programs cannot be loaded: %s", strerror(-code));
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	} else {
		mp_finding_set(out, MP_CHECK_MISSING, "programs cannot be loaded: %s", strerror(-code));
		mp_finding_fix(out, "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS");
	}
}

static void check_btf(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	struct stat s;

	(void)d;
	(void)arg;
	if (!stat(path, &s) && !access(path, R_OK)) {
		mp_finding_set(out, MP_CHECK_WORKS, "the kernel's types are in %s", path);
		return;
	}
	mp_finding_set(out, MP_CHECK_MISSING, "cannot read %s: %s", path, strerror(errno));
	mp_finding_fix(out, "boot a kernel with CONFIG_DEBUG_INFO_BTF");
}

/* Task storage wants types for its key and value: the smallest that can be. */
static int try_task_storage(void)
{
	struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_NO_PREALLOC};
	struct btf *btf = btf__new_empty();
	int code, fd;

	if (!btf)
		return -ENOMEM;
	int type = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	code = type < 0 ? type : btf__load_into_kernel(btf);
	if (!code) {
		opts.btf_fd = (uint32_t)btf__fd(btf);
		opts.btf_key_type_id = opts.btf_value_type_id = (uint32_t)type;
		fd = bpf_map_create(BPF_MAP_TYPE_TASK_STORAGE, "doctor", 4, 4, 0, &opts);
		code = fd < 0 ? -errno : 0;
		if (fd >= 0)
			close(fd);
	}
	btf__free(btf);
	return code;
}

static void check_task_storage(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	(void)arg;
	libbpf_set_print(quiet);
	int code = try_task_storage();
	if (!code) {
		mp_finding_set(out, MP_CHECK_WORKS, "BPF programs can keep state by thread");
		return;
	}
	mp_finding_set(
	    out, MP_CHECK_MISSING, "BPF programs cannot keep state by thread: %s", strerror(-code));
	if (not_permitted(code))
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	else
		mp_finding_fix(
		    out, "boot Linux 5.11 or newer with CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF");
}

static bool bpf_backend_works(const struct mp_doctor *d)
{
	return d->backend_works[MP_BACKEND_SESSION] || d->backend_works[MP_BACKEND_MULTI];
}

/* When none works, the reason that helps is the lack of rights before what the kernel lacks. */
static void note_backend_error(struct mp_doctor *d, int code, const char *text)
{
	if (d->backend_code && (not_permitted(d->backend_code) || !not_permitted(code)))
		return;
	d->backend_code = code;
	snprintf(d->backend_error, sizeof(d->backend_error), "%s", text);
}

static void tell_backend_error(
    const struct mp_doctor *d, enum mp_backend backend, int code, const char *text, struct mp_finding *out)
{
	mp_finding_error(out, MP_CHECK_MISSING, text);
	if (bpf_backend_works(d))
		mp_finding_no_fix(out, "not wanted while a BPF backend works");
	else if (not_permitted(code) && backend == MP_BACKEND_TRACEFS)
		mp_finding_fix(out, "run mpsample as root");
	else if (not_permitted(code))
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	else if (code == -ENOTSUP)
		mp_finding_fix(out, NEWER_KERNEL);
	else
		mp_finding_no_fix(out, "what it needs is among the rows above");
}

/* Opens the backend, which calibrates itself on a function of this program, and closes it again. */
static void check_backend(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	enum mp_backend backend = *(const enum mp_backend *)arg;
	struct mp_keep keep = {.stack = MP_STACK_COPY};
	struct mp_uprobe *u;
	struct mp_err err;
	const struct mp_uprobe_options o = {.want = backend, .pid = getpid(), .watch = MP_WATCH_MOST};
	int code = mp_uprobe_open(&o, &keep, &u, &err);

	if (code) {
		note_backend_error(d, code, err.text);
		tell_backend_error(d, backend, code, err.text, out);
		return;
	}
	d->backend_works[backend] = true;
	const struct mp_floor f = d->floor[backend] = *mp_uprobe_floor(u);
	mp_uprobe_close(u);
	mp_finding_set(out, MP_CHECK_WORKS,
	    "tried: costs the target %.1f us of CPU a call, %.1f where a probe is single-stepped; floor %llu "
	    "and %llu ns",
	    (double)f.cost_ns[0] / 1000, (double)f.cost_ns[1] / 1000, (unsigned long long)f.ns[0],
	    (unsigned long long)f.ns[1]);
}

static void check_tracefs(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct mp_tracefs t;
	struct mp_err err;
	int code = mp_tracefs_open(&t, &err);

	(void)arg;
	if (!code) {
		mp_tracefs_close(&t);
		mp_finding_set(out, MP_CHECK_WORKS, "uprobe events can be made, tracefs mounted or not");
		return;
	}
	mp_finding_error(out, MP_CHECK_MISSING, err.text);
	if (bpf_backend_works(d))
		mp_finding_no_fix(out, "not wanted while a BPF backend works");
	else if (not_permitted(code))
		mp_finding_fix(out, "run mpsample as root");
	else
		mp_finding_fix(out, "boot a kernel with CONFIG_UPROBE_EVENTS");
}

/* The perf events that every recording opens on each CPU: threads, exec, mappings. */
static void check_watching(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct mp_sideband *s;
	struct mp_err err;
	int code = mp_sideband_open(getpid(), &s, &err);

	(void)arg;
	d->watches_threads = !code;
	if (!code) {
		mp_sideband_close(s);
		mp_finding_set(out, MP_CHECK_WORKS, "threads, exec and new code can be watched on all CPUs");
		return;
	}
	snprintf(d->watch_error, sizeof(d->watch_error), "%s", err.text);
	mp_finding_error(out, MP_CHECK_MISSING, err.text);
	if (not_permitted(code))
		mp_finding_fix(out, "%s", d->facts.rights_fix);
}

static int try_software_event(pid_t pid, int cpu)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
	    .config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
	    .sample_period = 1,
	    .disabled = 1,
	    .exclude_kernel = cpu < 0};
	int fd = mp_perf_open(&attr, pid, cpu, -1);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void check_software_events(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	int code = try_software_event(-1, 0);

	(void)arg;
	if (!code) {
		mp_finding_set(out, MP_CHECK_WORKS, "page faults of any process");
		return;
	}
	if (try_software_event(0, -1))
		mp_finding_set(out, MP_CHECK_MISSING, "perf_event_open: %s", strerror(-code));
	else
		mp_finding_set(out, MP_CHECK_LIMITED, "page faults of your own processes only");
	if (not_permitted(code))
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	else
		mp_finding_fix(out, "boot a kernel with CONFIG_PERF_EVENTS");
}

/* What of a slow call can be explained, and what that costs the target. Opens what is beside the calls. */
static void check_causes(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	char seen[256] = "", missing[256] = "";
	struct mp_uprobe *u;
	struct mp_err err;
	int code = mp_uprobe_open_beside(getpid(), MP_WATCH_MOST, false, &u, &err);

	(void)arg;
	if (code) {
		mp_finding_error(out, MP_CHECK_MISSING, err.text);
		if (not_permitted(code))
			mp_finding_fix(out, "%s", d->facts.rights_fix);
		else
			mp_finding_fix(out, NEWER_KERNEL);
		return;
	}
	uint32_t sees = mp_uprobe_sees(u);
	const struct mp_kernel_cost cost = mp_uprobe_kernel_cost(u);
	mp_uprobe_close(u);
	for (unsigned int kind = 0; kind < MP_KERNEL_KINDS; kind++) {
		char *to = sees >> kind & 1 ? seen : missing;
		size_t n = strlen(to);
		snprintf(to + n, sizeof(seen) - n, "%s%s", n ? " " : "", mp_kernel_kind_name(kind));
	}
	mp_finding_set(out, *missing ? MP_CHECK_LIMITED : MP_CHECK_WORKS,
	    "%s%s%s; adds %llu ns to a system call of the target, %llu ns to a page fault and %llu ns to a "
	    "switch",
	    seen, *missing ? "; not seen: " : "", missing, (unsigned long long)cost.syscall_ns,
	    (unsigned long long)cost.fault_ns, (unsigned long long)cost.switch_ns);
	if (*missing)
		mp_finding_no_fix(out, "this kernel has no tracepoints for these");
}

static const enum mp_backend session = MP_BACKEND_SESSION, multi = MP_BACKEND_MULTI,
			     tracefs = MP_BACKEND_TRACEFS;

const struct mp_check mp_checks_kernel[] = {
    {"kernel", check_version, NULL},
    {"proc and sys", check_proc, NULL},
    {"lockdown", check_lockdown, NULL},
    {"container", check_container, NULL},
    {"BPF", check_bpf, NULL},
    {"BTF", check_btf, NULL},
    {"task storage", check_task_storage, NULL},
    {"backend session", check_backend, &session},
    {"backend multi", check_backend, &multi},
    {"tracefs", check_tracefs, NULL},
    {"backend tracefs", check_backend, &tracefs},
    {"perf events", check_watching, NULL},
    {"software events", check_software_events, NULL},
    {"causes", check_causes, NULL},
    {NULL, NULL, NULL},
};

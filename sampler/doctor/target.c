/* SPDX-License-Identifier: MIT */
/* What could be probed in the process of `doctor -p`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler/doctor/check.h"

static void count_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	(void)tid;
	(void)comm;
	(void)start_ns;
	++*(unsigned int *)ctx;
}

static size_t count_unreadable(const struct mp_target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_modules; i++) {
		int fd = open(t->modules[i].open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			n++;
		else
			close(fd);
	}
	return n;
}

static void tell_closed(pid_t pid, char *out, size_t size)
{
	char path[64];
	struct stat s = {0};

	snprintf(path, sizeof(path), "/proc/%d", pid);
	stat(path, &s);
	snprintf(out, size, "process %d of uid %u may not be read by uid %u", pid, s.st_uid, geteuid());
}

int mp_doctor_target_open(pid_t pid, struct mp_doctor_target *out, struct mp_err *err)
{
	struct mp_err why;

	*out = (struct mp_doctor_target){.pid = pid, .process.pidfd = -1};
	int ret = mp_profiles_load(&out->profiles, err);
	if (ret)
		return ret;
	ret = mp_target_open(pid, &out->process, &why);
	if (ret == -EACCES || ret == -EPERM) {
		tell_closed(pid, out->open_error, sizeof(out->open_error));
		return 0;
	}
	if (ret) {
		mp_profiles_free(&out->profiles);
		return mp_err_set(err, -ret, "%s", why.text);
	}
	mp_target_each_thread(pid, count_thread, &out->threads);
	out->unreadable = count_unreadable(&out->process);
	out->guesses = out->process.n_modules > 1 && mp_target_link_state(&out->process) < 0;
	ret = mp_gc_resolve(&out->process, &out->collectors, err);
	if (ret) {
		mp_doctor_target_close(out);
		return ret;
	}
	out->resolve_code = mp_probe_resolve(&out->process, &out->profiles, &out->probes, &why);
	if (out->resolve_code)
		snprintf(out->resolve_error, sizeof(out->resolve_error), "%s", why.text);
	return 0;
}

void mp_doctor_target_close(struct mp_doctor_target *t)
{
	mp_probe_set_free(&t->probes);
	mp_gc_set_free(&t->collectors);
	mp_target_close(&t->process);
	mp_profiles_free(&t->profiles);
}

const char *mp_doctor_target_obstacle(const struct mp_doctor_target *t)
{
	if (*t->open_error)
		return t->open_error;
	/* A program without an allocator that is known may have a runtime that is. */
	return *t->resolve_error && !t->collectors.n ? t->resolve_error : NULL;
}

static void check_process(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct mp_doctor_target *t = d->target;

	(void)arg;
	if (*t->open_error) {
		mp_finding_error(out, MP_CHECK_MISSING, t->open_error);
		mp_finding_fix(out, "%s", d->facts.rights_fix);
		return;
	}
	mp_finding_set(out, MP_CHECK_WORKS, "%d (%s) of %s user (uid %u), %u thread%s", t->pid,
	    t->process.comm, t->process.uid == geteuid() ? "your" : "another", t->process.uid, t->threads,
	    t->threads == 1 ? "" : "s");
}

/* The files that it maps are opened as it sees them, below /proc/PID. */
static void check_target_container(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	char path[64], its[64] = "", ours[64] = "";

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", d->target->pid);
	if (readlink(path, its, sizeof(its) - 1) < 0 ||
	    readlink("/proc/self/ns/mnt", ours, sizeof(ours) - 1) < 0) {
		mp_finding_set(out, MP_CHECK_LIMITED, "cannot see whether it runs in a container");
		mp_finding_fix(out, "%s", d->facts.rights_fix);
	} else if (strcmp(its, ours)) {
		mp_finding_set(
		    out, MP_CHECK_WORKS, "in another mount namespace: its files are opened as it sees them");
	} else {
		mp_finding_set(out, MP_CHECK_WORKS, "none: it sees the same files as mpsample");
	}
}

static void check_link_order(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	(void)arg;
	if (!d->target->guesses) {
		mp_finding_set(out, MP_CHECK_WORKS,
		    d->target->process.n_modules > 1 ? "the loader's list of libraries can be read"
						     : "a program without libraries");
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED,
	    "the loader's list cannot be read: where two libraries define malloc, the wrong one may be "
	    "probed");
	mp_finding_fix(out, "%s", d->facts.rights_fix);
}

static void check_target_files(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct mp_doctor_target *t = d->target;

	(void)arg;
	if (!t->unreadable) {
		mp_finding_set(out, MP_CHECK_WORKS, "%zu of %zu modules can be read", t->process.n_modules,
		    t->process.n_modules);
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED,
	    "%zu of %zu modules cannot be read: an allocator in them is not seen, its calls are missing",
	    t->unreadable, t->process.n_modules);
	mp_finding_fix(out, "%s", d->facts.rights_fix);
}

/* "glibc, jemalloc": of the probes, each once. */
static void list_allocators(const struct mp_probe_set *set, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < set->n; i++) {
		size_t k = 0;
		while (k < i && strcmp(set->probes[k].allocator, set->probes[i].allocator))
			k++;
		if (k < i || n >= size)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", set->probes[i].allocator);
	}
}

static void check_allocator(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct mp_doctor_target *t = d->target;
	char allocators[256];
	size_t stepped = 0;

	(void)arg;
	if (t->resolve_code) {
		mp_finding_error(out, MP_CHECK_MISSING, t->resolve_error);
		if (t->resolve_code == -EACCES)
			mp_finding_fix(out, "%s", d->facts.rights_fix);
		return;
	}
	list_allocators(&t->probes, allocators, sizeof(allocators));
	for (size_t i = 0; i < t->probes.n; i++)
		stepped += t->probes.probes[i].is_stepped;
	mp_finding_set(out, MP_CHECK_WORKS,
	    "%zu functions to probe, %zu of them by single steps (about ten times dearer): %s", t->probes.n,
	    stepped, allocators);
}

static void check_uncovered(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	(void)arg;
	if (!*d->target->probes.uncovered) {
		mp_finding_set(out, MP_CHECK_WORKS, "no other allocator is known to be in it");
		return;
	}
	mp_finding_set(out, MP_CHECK_LIMITED, "not seen: %s", d->target->probes.uncovered);
	mp_finding_no_fix(out, "nothing to do: this version has no probes for it");
}

static void check_collectors(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	const struct mp_gc_set *set = &d->target->collectors;
	char list[400] = "";
	size_t n = 0;

	(void)arg;
	if (*set->notes) {
		mp_finding_set(out, MP_CHECK_LIMITED, "%.*s", (int)strcspn(set->notes, "\n"), set->notes);
		mp_finding_no_fix(out, "nothing to do: the runtime is of another version, or without the "
				       "symbols that are needed");
		return;
	}
	for (size_t i = 0; i < set->n_runtimes && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s in %.200s", n ? ", " : "",
		    set->runtimes[i].profile.name, set->runtimes[i].module);
	if (set->n)
		mp_finding_set(out, MP_CHECK_WORKS, "%zu points to probe: %s", set->n, list);
	else
		mp_finding_set(out, MP_CHECK_WORKS, "no runtime that is known collects garbage in it");
}

static const struct mp_check closed[] = {
    {"process", check_process, NULL},
    {NULL, NULL, NULL},
};

static const struct mp_check open_to_us[] = {
    {"process", check_process, NULL},
    {"its container", check_target_container, NULL},
    {"its preload library", mp_doctor_check_target_library, NULL},
    {"its link order", check_link_order, NULL},
    {"its files", check_target_files, NULL},
    {"its allocator", check_allocator, NULL},
    {"its collectors", check_collectors, NULL},
    {"not covered", check_uncovered, NULL},
    {NULL, NULL, NULL},
};

const struct mp_check *mp_doctor_target_checks(const struct mp_doctor_target *t)
{
	return *t->open_error ? closed : open_to_us;
}

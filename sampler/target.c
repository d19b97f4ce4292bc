/* SPDX-License-Identifier: MIT */
#include "sampler/target.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The list of the loader is the target's own memory, which may be made to be endless. */
#define MAX_LINK_MAP 4096

/* Reads a small /proc file whole; the result is terminated. Returns its length or -errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	int code = errno;
	close(fd);
	if (n < 0)
		return -code;
	buf[n] = 0;
	return n;
}

/* The value of a "Name:\tvalue" line of /proc/PID/status, or NULL. */
static const char *status_field(const char *status, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	return NULL;
}

static int no_permission(const struct mp_target *t, const char *what, struct mp_err *err)
{
	int code = errno;

	if (!geteuid())
		return mp_err_set(err, code ? code : EACCES,
		    "cannot read %s of process %d (%s): %s, even for root; a sandbox or security module "
		    "protects it",
		    what, t->pid, t->comm, strerror(code));
	return mp_err_set(err, EACCES,
	    "cannot read %s of process %d (%s), which belongs to uid %u; run as root, or give mpsample "
	    "CAP_SYS_PTRACE, "
	    "CAP_PERFMON, CAP_BPF and CAP_DAC_READ_SEARCH",
	    what, t->pid, t->comm, t->uid);
}

static int check_status(struct mp_target *t, struct mp_err *err)
{
	char status[8192];
	ssize_t n = read_proc(t->pid, "status", status, sizeof(status));

	if (t->pid <= 0 || n < 0)
		return mp_err_set(
		    err, ESRCH, "no process has the PID %d: ps -e lists those that live", t->pid);

	const char *state = status_field(status, "State"), *uid = status_field(status, "Uid");
	const char *tgid = status_field(status, "Tgid"), *vm = status_field(status, "VmSize");
	const char *kthread = status_field(status, "Kthread");
	const char *seccomp = status_field(status, "Seccomp");
	t->has_seccomp_filter = seccomp && *seccomp == '2';
	t->uid = uid ? (uid_t)strtoul(uid, NULL, 10) : 0;
	if (tgid && atoi(tgid) != t->pid)
		return mp_err_set(err, EINVAL, "%d is a thread of process %d, which can be recorded: -p %d",
		    t->pid, atoi(tgid), atoi(tgid));
	if (state && (*state == 'Z' || *state == 'X'))
		return mp_err_set(err, ESRCH,
		    "process %d (%s) is a zombie: it has ended, there is nothing to record", t->pid, t->comm);
	if ((kthread && *kthread == '1') || !vm)
		return mp_err_set(err, EINVAL,
		    "%d (%s) is a kernel thread: it has no user-space allocator to record", t->pid, t->comm);
	return 0;
}

static int check_class(struct mp_target *t, struct mp_err *err)
{
	char path[64];
	unsigned char ident[EI_NIDENT] = {0};

	snprintf(path, sizeof(path), "/proc/%d/exe", t->pid);
	ssize_t n = readlink(path, t->exe, sizeof(t->exe) - 1);
	if (n < 0)
		return no_permission(t, "the program file", err);
	t->exe[n] = 0;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return no_permission(t, "the program file", err);
	n = read(fd, ident, sizeof(ident));
	close(fd);
	if (n == (ssize_t)sizeof(ident) && ident[EI_CLASS] == ELFCLASS32)
		return mp_err_set(err, ENOTSUP,
		    "process %d (%s) is a 32-bit program: only 64-bit programs can be recorded", t->pid,
		    t->comm);
	return 0;
}

static void read_command(struct mp_target *t)
{
	ssize_t n = read_proc(t->pid, "comm", t->comm, sizeof(t->comm));
	t->comm[strcspn(t->comm, "\n")] = 0;

	n = read_proc(t->pid, "cmdline", t->command, sizeof(t->command));
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!t->command[i])
			t->command[i] = ' ';
	if (n <= 0)
		snprintf(t->command, sizeof(t->command), "%s", t->comm);
}

static int read_mappings(struct mp_target *t, struct mp_err *err)
{
	struct mp_mappings now;
	int ret = mp_mappings_read(t->pid, &now);

	if (ret == -ENOENT || ret == -ESRCH)
		return mp_err_set(err, ESRCH, "process %d has ended", t->pid);
	if (ret)
		return ret == -ENOMEM ? mp_err_set(err, ENOMEM, "out of memory")
				      : no_permission(t, "the memory map", err);
	mp_mappings_free(&t->maps);
	t->maps = now;
	return 0;
}

int mp_target_read(const struct mp_target *t, uint64_t addr, void *buf, size_t n)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};

	return process_vm_readv(t->pid, &local, 1, &remote, 1, 0) == (ssize_t)n ? 0 : -EFAULT;
}

static uint64_t auxv(pid_t pid, uint64_t type)
{
	char buf[4096];
	ssize_t n = read_proc(pid, "auxv", buf, sizeof(buf));

	for (ssize_t at = 0; n > 0 && at + (ssize_t)sizeof(Elf64_auxv_t) <= n;
	     at += (ssize_t)sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;
		memcpy(&entry, buf + at, sizeof(entry));
		if (entry.a_type == type)
			return entry.a_un.a_val;
	}
	return 0;
}

/* Where the executable's program headers are in memory: the auxiliary vector says, and where that may not be
 * read the ELF header at the beginning of the executable's first mapping. */
static uint64_t find_program_headers(const struct mp_target *t, uint64_t *n)
{
	uint64_t phdrs = auxv(t->pid, AT_PHDR);
	Elf64_Ehdr header;

	*n = auxv(t->pid, AT_PHNUM);
	for (size_t i = 0; !phdrs && i < t->maps.n; i++) {
		const struct mp_mapping *m = &t->maps.all[i];
		if (m->file_offset || strcmp(m->path, t->exe) ||
		    mp_target_read(t, m->start, &header, sizeof(header)))
			continue;
		phdrs = m->start + header.e_phoff;
		*n = header.e_phnum;
	}
	return phdrs;
}

/* The executable's program headers lead to its dynamic section, DT_DEBUG there to the loader's list. */
static uint64_t find_r_debug(const struct mp_target *t)
{
	uint64_t n, phdrs = find_program_headers(t, &n), bias = 0, dynamic = 0;
	Elf64_Phdr ph;

	for (uint64_t i = 0; i < n && i < 256; i++) {
		if (mp_target_read(t, phdrs + i * sizeof(ph), &ph, sizeof(ph)))
			return 0;
		if (ph.p_type == PT_PHDR)
			bias = phdrs - ph.p_vaddr;
		if (ph.p_type == PT_DYNAMIC)
			dynamic = ph.p_vaddr;
	}
	for (uint64_t i = 0; dynamic && i < 1024; i++) {
		Elf64_Dyn d;
		if (mp_target_read(t, bias + dynamic + i * sizeof(d), &d, sizeof(d)) || d.d_tag == DT_NULL)
			return 0;
		if (d.d_tag == DT_DEBUG)
			return d.d_un.d_ptr;
	}
	return 0;
}

const struct mp_module *mp_target_module_of(
    const struct mp_target *t, uint64_t inode, unsigned int dev_major, unsigned int dev_minor)
{
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct mp_module *m = &t->modules[i];
		if (m->inode == inode && m->dev_major == dev_major && m->dev_minor == dev_minor)
			return m;
	}
	return NULL;
}

int mp_target_link_state(const struct mp_target *t)
{
	struct r_debug debug;
	uint64_t at = find_r_debug(t);

	return at && !mp_target_read(t, at, &debug, sizeof(debug)) ? (int)debug.r_state : -ENOENT;
}

static struct mp_module *module_by_dynamic(struct mp_target *t, uint64_t dynamic)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct mp_mapping *m = &t->maps.all[i];
		if (dynamic < m->start || dynamic >= m->end)
			continue;
		for (size_t k = 0; k < t->n_modules; k++)
			if (!strcmp(t->modules[k].path, m->path))
				return &t->modules[k];
	}
	return NULL;
}

/* Which of two definitions of a name the program uses is decided by the order of the loader's list. */
static void read_link_order(struct mp_target *t)
{
	struct r_debug debug;
	uint64_t r_debug = find_r_debug(t), at;

	if (!r_debug || mp_target_read(t, r_debug, &debug, sizeof(debug)))
		return;
	at = (uintptr_t)debug.r_map;
	for (unsigned int order = 0; at && order < MAX_LINK_MAP; order++) {
		struct link_map link;
		if (mp_target_read(t, at, &link, sizeof(link)))
			return;
		struct mp_module *m = module_by_dynamic(t, (uintptr_t)link.l_ld);
		if (m && m->link_order == ~0u) {
			m->link_order = order;
			m->base = link.l_addr;
		}
		at = (uintptr_t)link.l_next;
	}
}

static int by_link_order(const void *a, const void *b)
{
	const struct mp_module *x = a, *y = b;

	if (x->link_order != y->link_order)
		return x->link_order < y->link_order ? -1 : 1;
	return x->base < y->base ? -1 : x->base > y->base;
}

/* map_files leads to the mapped file even when it was replaced or deleted, but wants CAP_CHECKPOINT_RESTORE
 * or CAP_SYS_ADMIN. */
static void set_open_path(const struct mp_target *t, struct mp_module *mod, const struct mp_mapping *m)
{
	snprintf(mod->open_path, sizeof(mod->open_path), "/proc/%d/map_files/%llx-%llx", t->pid,
	    (unsigned long long)m->start, (unsigned long long)m->end);
	int fd = open(mod->open_path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (!strcmp(m->path, t->exe))
		snprintf(mod->open_path, sizeof(mod->open_path), "/proc/%d/exe", t->pid);
	else
		snprintf(mod->open_path, sizeof(mod->open_path), "/proc/%d/root%s", t->pid, m->path);
}

/* The auxiliary vector knows the dynamic linker's address; where that may not be read its name has to do. */
static bool is_loader(const char *path, uint64_t start, uint64_t loader)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return loader ? start == loader : !strncmp(name, "ld-linux", 8) || !strncmp(name, "ld-musl", 7);
}

/* A program of a fixed position is where its ELF file says. */
static bool is_fixed(const struct mp_module *m)
{
	Elf64_Ehdr head;
	int fd = open(m->open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool fixed = fd >= 0 && pread(fd, &head, sizeof(head), 0) == sizeof(head) && head.e_type == ET_EXEC;

	if (fd >= 0)
		close(fd);
	return fixed;
}

/* Modules are the files with executable mappings; a file mapped in pieces is one. */
static int find_modules(struct mp_target *t, struct mp_err *err)
{
	uint64_t loader = auxv(t->pid, AT_BASE);

	free(t->modules);
	t->n_modules = 0;
	t->modules = calloc(t->maps.n ? t->maps.n : 1, sizeof(*t->modules));
	if (!t->modules)
		return mp_err_set(err, ENOMEM, "out of memory");

	uint64_t first_start = 0;
	const char *first_path = "";
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct mp_mapping *m = &t->maps.all[i];
		if (!m->inode)
			continue;
		if (strcmp(first_path, m->path)) {
			first_path = m->path;
			first_start = m->start;
		}
		if (!m->is_exec || (t->n_modules && !strcmp(t->modules[t->n_modules - 1].path, m->path)))
			continue;
		struct mp_module *mod = &t->modules[t->n_modules++];
		snprintf(mod->path, sizeof(mod->path), "%s", m->path);
		set_open_path(t, mod, m);
		mod->inode = m->inode;
		mod->dev_major = m->dev_major;
		mod->dev_minor = m->dev_minor;
		mod->link_order = ~0u;
		mod->is_loader = is_loader(m->path, first_start, loader);
		mod->is_exe = !strcmp(m->path, t->exe);
		/* The dynamic linker, where there is one, knows better. */
		mod->base = mod->is_exe && is_fixed(mod) ? 0 : first_start;
	}
	read_link_order(t);
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->modules[i].is_exe)
			t->modules[i].link_order = 0;
	qsort(t->modules, t->n_modules, sizeof(*t->modules), by_link_order);
	return 0;
}

int mp_target_refresh(struct mp_target *t, struct mp_err *err)
{
	int ret = check_class(t, err);

	if (!ret)
		ret = read_mappings(t, err);
	if (!ret)
		ret = find_modules(t, err);
	read_command(t);
	return ret;
}

int mp_target_open(pid_t pid, struct mp_target *out, struct mp_err *err)
{
	*out = (struct mp_target){.pid = pid, .pidfd = -1};
	read_command(out);

	int ret = check_status(out, err);
	if (!ret)
		ret = mp_target_refresh(out, err);
	if (!ret) {
		out->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (out->pidfd < 0)
			ret = mp_err_set(err, errno, "cannot watch process %d: %s (pidfd_open, Linux 5.3)",
			    pid, strerror(errno));
	}
	if (ret)
		mp_target_close(out);
	return ret;
}

void mp_target_close(struct mp_target *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	mp_mappings_free(&t->maps);
	free(t->modules);
	*t = (struct mp_target){.pidfd = -1};
}

/* Start times are in clock ticks of the boot clock, which goes on while a machine sleeps. */
static int64_t boot_to_session_clock(unsigned long long ticks)
{
	struct timespec boot, mono;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	int64_t slept = (boot.tv_sec - mono.tv_sec) * 1000000000LL + boot.tv_nsec - mono.tv_nsec;
	return (int64_t)(ticks * (1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK))) - slept;
}

/* Field 22 of /proc/PID/task/TID/stat; the name before it may hold anything, also parentheses. */
static int64_t thread_start_ns(const char *stat)
{
	const char *p = strrchr(stat, ')');

	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? boot_to_session_clock(strtoull(p, NULL, 10)) : 0;
}

int mp_target_each_thread(
    pid_t pid, void (*fn)(void *ctx, pid_t tid, const char *comm, int64_t start_ns), void *ctx)
{
	char path[64], stat[1024], comm[64], name[64];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);
		if (tid <= 0)
			continue;
		snprintf(name, sizeof(name), "task/%d/stat", tid);
		if (read_proc(pid, name, stat, sizeof(stat)) <= 0)
			continue; /* it ended meanwhile */
		snprintf(name, sizeof(name), "task/%d/comm", tid);
		if (read_proc(pid, name, comm, sizeof(comm)) < 0)
			continue;
		comm[strcspn(comm, "\n")] = 0;
		fn(ctx, tid, comm, thread_start_ns(stat));
	}
	closedir(dir);
	return 0;
}

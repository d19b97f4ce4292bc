/* SPDX-License-Identifier: MIT */
#include "sampler/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler/target.h"
#include "symbolize/elf/elf.h"

#ifdef __x86_64__
#define BREAKPOINT      0xccUL /* int3 */
#define BREAKPOINT_MASK 0xffUL
#define PC_AFTER        1 /* the trap leaves the program counter behind the instruction */
#define PC(regs)        (regs).rip
#else
#define BREAKPOINT      0xd4200000UL /* brk #0 */
#define BREAKPOINT_MASK 0xffffffffUL
#define PC_AFTER        0
#define PC(regs)        (regs).pc
#endif

#define BIG_RING "65536" /* records: 2 MiB a thread */

static int get_regs(pid_t pid, struct user_regs_struct *regs)
{
	struct iovec iov = {regs, sizeof(*regs)};
	return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

static int set_regs(pid_t pid, struct user_regs_struct *regs)
{
	struct iovec iov = {regs, sizeof(*regs)};
	return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

/* Waits until the child stops with SIGTRAP; other signals are passed on. -ECHILD when it ended. */
static int wait_for_trap(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, __WALL) < 0)
			return -errno;
		if (!WIFSTOPPED(status))
			return -ECHILD;
		if (WSTOPSIG(status) == SIGTRAP)
			return 0;
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(uintptr_t)WSTOPSIG(status)))
			return -errno;
	}
}

static int find_debug_state(void *ctx, const struct mp_elf_sym *sym)
{
	if (strcmp(sym->name, "_dl_debug_state"))
		return 0;
	*(uint64_t *)ctx = sym->vaddr;
	return 1;
}

/* The function that every dynamic linker calls for debuggers when its list of libraries changes. */
static uint64_t debug_state_address(const struct mp_target *t)
{
	for (size_t i = 0; i < t->n_modules; i++) {
		const struct mp_module *m = &t->modules[i];
		struct mp_elf *elf;
		uint64_t vaddr = 0;
		int fd = m->is_loader ? open(m->open_path, O_RDONLY | O_CLOEXEC) : -1;

		if (fd < 0)
			continue;
		if (!mp_elf_open(fd, m->path, &elf, NULL)) {
			mp_elf_each_function(elf, find_debug_state, &vaddr);
			mp_elf_close(elf);
		}
		close(fd);
		if (vaddr)
			return m->base + vaddr;
	}
	return 0;
}

/* ---- Breakpoints ---- */

struct breakpoint {
	uint64_t at;
	unsigned long code; /* what was there */
};

static int read_code(pid_t pid, struct breakpoint *b)
{
	errno = 0;
	b->code = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, (void *)b->at, NULL);
	return -errno;
}

static int plant(pid_t pid, const struct breakpoint *b)
{
	unsigned long trap = (b->code & ~BREAKPOINT_MASK) | BREAKPOINT;
	return ptrace(PTRACE_POKETEXT, pid, (void *)b->at, (void *)trap) ? -errno : 0;
}

static int take_out(pid_t pid, const struct breakpoint *b)
{
	return ptrace(PTRACE_POKETEXT, pid, (void *)b->at, (void *)b->code) ? -errno : 0;
}

/* Lets it run into one of the planted breakpoints; it then stands before that instruction. Returns which. */
static int run_into(pid_t pid, const struct breakpoint *b, int n)
{
	struct user_regs_struct regs;

	for (;;) {
		int ret = ptrace(PTRACE_CONT, pid, NULL, NULL) ? -errno : wait_for_trap(pid);
		if (!ret)
			ret = get_regs(pid, &regs);
		if (ret)
			return ret;
		for (int i = 0; i < n; i++) {
			if (PC(regs) != b[i].at + PC_AFTER)
				continue; /* a trap of the program's own */
			PC(regs) = b[i].at;
			ret = set_regs(pid, &regs);
			return ret ? ret : i;
		}
	}
}

static int step_over(pid_t pid, const struct breakpoint *b)
{
	int ret = take_out(pid, b);

	if (!ret)
		ret = ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) ? -errno : wait_for_trap(pid);
	return ret ? ret : plant(pid, b);
}

/* ---- Holding ---- */

/* Runs the child from breakpoint to breakpoint until the list is consistent: all libraries are mapped. */
static int run_to_consistent(pid_t pid, const struct mp_target *t, uint64_t at)
{
	struct breakpoint b = {.at = at};
	int ret = read_code(pid, &b);

	if (!ret)
		ret = plant(pid, &b);
	while (!ret) {
		ret = run_into(pid, &b, 1);
		if (!ret && mp_target_link_state(t) == RT_CONSISTENT)
			return take_out(pid, &b);
		if (!ret)
			ret = step_over(pid, &b);
	}
	return ret;
}

/* Of the auxiliary vector: the program's first instruction, behind the constructors of its libraries. 0 if it
 * cannot be read. */
static uint64_t entry_of(pid_t pid)
{
	char path[64];
	Elf64_auxv_t entry = {0};

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	FILE *f = fopen(path, "re");
	while (f && fread(&entry, sizeof(entry), 1, f) == 1)
		if (entry.a_type == AT_ENTRY)
			break;
	if (f)
		fclose(f);
	return entry.a_type == AT_ENTRY ? entry.a_un.a_val : 0;
}

int mp_launch_until(pid_t pid, uint64_t address, struct mp_err *err)
{
	struct breakpoint b[] = {{.at = address}, {.at = entry_of(pid)}};
	int n = b[1].at ? 2 : 1, ret = 0;

	for (int i = 0; !ret && i < n; i++)
		ret = read_code(pid, &b[i]);
	for (int i = 0; !ret && i < n; i++)
		ret = plant(pid, &b[i]);
	if (!ret)
		ret = run_into(pid, b, n);
	int reached = ret;
	for (int i = 0; ret >= 0 && i < n; i++)
		ret = take_out(pid, &b[i]);
	if (ret < 0)
		return mp_err_set(err, -ret, "process %d cannot be held where its recording begins: %s", pid,
		    ret == -ECHILD ? "it ended before" : strerror(-ret));
	return reached ? mp_err_set(err, ENOENT, "process %d has not come by", pid) : 0;
}

static int hold_when_mapped(pid_t pid, const char *name, struct mp_err *err)
{
	struct mp_target t;
	int ret = mp_target_open(pid, &t, err);

	if (ret)
		return ret;
	uint64_t at = debug_state_address(&t);
	if (at)
		ret = run_to_consistent(pid, &t, at);
	mp_target_close(&t);
	if (ret)
		return mp_err_set(err, -ret, "%s ended before it began: %s; does it run without mpsample?",
		    name, ret == -ECHILD ? "it exited while its libraries were loaded" : strerror(-ret));
	return 0;
}

/* In the child, whose environment is its own by now. What was preloaded before comes after ours. */
static void set_environment(const struct mp_launch_options *o)
{
	const char *old = getenv("LD_PRELOAD");
	char *list = NULL;

	if (!o->preload)
		return;
	if (asprintf(&list, "%s%s%s", o->preload, old && *old ? ":" : "", old ? old : "") >= 0)
		setenv("LD_PRELOAD", list, 1);
	free(list);
	if (o->big_rings)
		setenv("MPSAMPLE_RING", BIG_RING, 1);
	if (o->follow_forks)
		setenv("MPSAMPLE_FOLLOW_FORKS", "1", 1);
}

/* In the child. The pipe closes with a successful exec, or carries its error. */
static _Noreturn void run_command(const struct mp_launch_options *o, int report)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	set_environment(o);
	if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		execvp(o->argv[0], o->argv);
	int code = errno;
	if (write(report, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

int mp_launch(const struct mp_launch_options *o, pid_t *pid, struct mp_err *err)
{
	int report[2], code = 0;

	if (pipe2(report, O_CLOEXEC))
		return mp_err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
	*pid = fork();
	if (*pid < 0) {
		close(report[0]);
		close(report[1]);
		return mp_err_set(err, errno, "cannot fork: %s", strerror(errno));
	}
	if (!*pid)
		run_command(o, report[1]);
	close(report[1]);
	ssize_t n = read(report[0], &code, sizeof(code));
	close(report[0]);
	if (n > 0) {
		waitpid(*pid, NULL, 0);
		return mp_err_set(err, code, "cannot run %s: %s", o->argv[0], strerror(code));
	}

	int ret = wait_for_trap(*pid);
	if (ret)
		return mp_err_set(err, -ret, "cannot start %s: %s", o->argv[0], strerror(-ret));
	/* From here on it must not outlive a recorder that dies while holding it. */
	ptrace(PTRACE_SETOPTIONS, *pid, NULL, (void *)PTRACE_O_EXITKILL);
	ret = hold_when_mapped(*pid, o->argv[0], err);
	if (ret && ret != -ECHILD) /* that one has ended, and its PID may be another's by now */
		mp_launch_abandon(*pid);
	return ret;
}

int mp_launch_go(pid_t pid, struct mp_err *err)
{
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		return mp_err_set(err, errno, "cannot let process %d run: %s", pid, strerror(errno));
	return 0;
}

void mp_launch_abandon(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
}

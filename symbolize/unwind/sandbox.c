/* SPDX-License-Identifier: MIT */
#include "symbolize/unwind/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#if defined(__x86_64__)
#define ARCH_THIS AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_THIS AUDIT_ARCH_AARCH64
#else
#error "the sandbox's system call filter knows x86-64 and arm64"
#endif

/* Exit statuses of the child: 0, an errno on top of EXIT_ERRNO, or what could not be set up. All others are
 * not its own: a sanitizer's or a library's idea of an end. */
enum {
	EXIT_ERRNO = 64,
	EXIT_ERRNO_MAX = EXIT_ERRNO + 133,
	EXIT_SETUP = 240,
	EXIT_FDS,
	EXIT_SHARED,
	EXIT_LIMITS,
	EXIT_SECCOMP,
	EXIT_ORPHAN
};

/* What the work may do: read and write the descriptors it has, use memory, end. The rest of the list is what
 * malloc(), qsort() (sysinfo), the sanitizers' run-time and abort() do by themselves. */
static const unsigned allowed[] = {__NR_read, __NR_pread64, __NR_write, __NR_pwrite64, __NR_lseek, __NR_fstat,
    __NR_newfstatat, __NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise, __NR_brk, __NR_futex,
    __NR_clock_gettime, __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack,
    __NR_sched_yield, __NR_sched_getaffinity, __NR_getpid, __NR_gettid, __NR_sysinfo, __NR_exit,
    __NR_exit_group, __NR_restart_syscall};

/* What malloc() of glibc does to count the CPUs, and does without where it fails. */
static const unsigned refused[] = {
#ifdef __NR_open
    __NR_open,
#endif
    __NR_openat};

#define N_REFUSED (sizeof(refused) / sizeof(*refused))

#define N_ALLOWED               (sizeof(allowed) / sizeof(*allowed))
#define FIELD(f)                ((uint32_t)offsetof(struct seccomp_data, f))
#define LOAD(f)                 BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(f))
#define RETURN(v)               BPF_STMT(BPF_RET | BPF_K, (v))
#define SKIP_UNLESS_EQUAL(v, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), 0, (n))

/* The low half of a 64-bit argument, which is where a PID is on these little-endian machines. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "argument halves of seccomp_data");

/* From here on opening files fails, and every other system call ends the process. */
static int forbid_the_rest(void)
{
	struct sock_filter code[8 + 2 * (N_ALLOWED + N_REFUSED) + 8];
	unsigned short n = 0;

	code[n++] = (struct sock_filter)LOAD(arch);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_THIS, 1, 0);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < N_ALLOWED; i++) {
		code[n++] = (struct sock_filter)SKIP_UNLESS_EQUAL(allowed[i], 1);
		code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < N_REFUSED; i++) {
		code[n++] = (struct sock_filter)SKIP_UNLESS_EQUAL(refused[i], 1);
		code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EACCES);
	}
	/* A signal to itself, as by abort(): or its end would look like a forbidden call. */
	code[n++] = (struct sock_filter)SKIP_UNLESS_EQUAL(__NR_tgkill, 3);
	code[n++] = (struct sock_filter)LOAD(args[0]);
	code[n++] = (struct sock_filter)SKIP_UNLESS_EQUAL((uint32_t)getpid(), 1);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);

	struct sock_fprog program = {n, code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return -errno;
	return 0;
}

/* ---- The child ---- */

/* Kernels before 5.9 have no close_range(). */
static int close_one_by_one(int first, int last)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		int fd = d->d_name[0] == '.' ? -1 : atoi(d->d_name);

		if (fd >= first && fd <= last && fd != dirfd(dir))
			close(fd);
	}
	closedir(dir);
	return 0;
}

static int close_between(int first, int last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return 0;
	return errno == ENOSYS ? close_one_by_one(first, last) : -errno;
}

static int close_all_but(const int *keep, size_t n)
{
	int from = 0, rc = 0;

	while (rc == 0) {
		int next = INT_MAX;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= from && keep[i] < next)
				next = keep[i];
		rc = close_between(from, next == INT_MAX ? INT_MAX : next - 1);
		if (next == INT_MAX)
			break;
		from = next + 1;
	}
	return rc;
}

struct range {
	uintptr_t start, end;
	bool is_shared;
};

/* Takes the next character of /proc/self/maps: "start-end perms offset device inode path". True at the last
 * one of the permissions, where `r` is complete. */
static bool parse_maps(struct range *r, int *field, unsigned *at, char c)
{
	static const char hex[] = "0123456789abcdef";
	uintptr_t *address = *field ? &r->end : &r->start;

	if (c == '\n') {
		*r = (struct range){0};
		*field = 0;
	} else if (*field < 2 && memchr(hex, c, 16)) {
		*address = *address << 4 | (uintptr_t)((const char *)memchr(hex, c, 16) - hex);
	} else if (*field < 2) {
		++*field;
		*at = 0;
	} else if (*field == 2 && ++*at == 4) {
		r->is_shared = c == 's';
		*field = 3;
		return true;
	}
	return false;
}

/* Shared mappings of this process, at most `room`; their number, or -errno. */
static int find_shared(struct range *range, int room)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), found = 0, field = 0;
	struct range r = {0};
	unsigned at = 0;
	char buf[4096];
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (found < room && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n && found < room; i++)
			if (parse_maps(&r, &field, &at, buf[i]) && r.is_shared)
				range[found++] = r;
	int rc = n < 0 ? -errno : found;
	close(fd);
	return rc;
}

/*
 * What the process shares with others (a database's index, rings of the kernel, the target's memory) is put
 * out of reach: fork() left it writable here. Also what can only be read: mprotect() is allowed later. Until
 * a look finds none any more; nothing else runs here that could map.
 */
static int give_up_shared(void)
{
	struct range range[64];
	int n;

	while ((n = find_shared(range, 64)) > 0)
		for (int i = 0; i < n; i++)
			if (mmap((void *)range[i].start, range[i].end - range[i].start, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
				return -errno;
	return n;
}

/* Addresses in use, in bytes: the shadow memory of a sanitizer is terabytes. 0: not known. */
static uint64_t address_space(void)
{
	char text[64];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set_limit(__rlimit_resource_t what, uint64_t soft, uint64_t hard)
{
	struct rlimit now;

	if (getrlimit(what, &now) < 0)
		return -errno;
	hard = hard < now.rlim_max ? hard : now.rlim_max;
	soft = soft < hard ? soft : hard;
	return setrlimit(what, &(struct rlimit){soft, hard}) < 0 ? -errno : 0;
}

static int set_limits(const struct mp_sandbox_limits *l)
{
	uint64_t cpu_s = (uint64_t)(l->cpu_ms + 999) / 1000, used = address_space();
	int rc = used ? set_limit(RLIMIT_AS, used + l->memory_bytes, used + l->memory_bytes) : -ENOENT;

	if (rc == 0)
		rc = set_limit(RLIMIT_CPU, cpu_s, cpu_s + 1); /* SIGXCPU, then SIGKILL */
	if (rc == 0)
		rc = set_limit(RLIMIT_CORE, 0, 0);
	if (rc == 0)
		rc =
		    set_limit(RLIMIT_FSIZE, l->memory_bytes, l->memory_bytes); /* the result is memory, too */
	return rc;
}

/* All signals came blocked: a Ctrl-C is the caller's business. Those that a fault or a limit raises end this
 * process as they do without a handler. */
static void default_signals(void)
{
	static const int own[] = {
	    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		signal(own[i], SIG_DFL);
		sigaddset(&set, own[i]);
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

struct job {
	int (*work)(void *ctx, int out_fd);
	void *ctx;
	const int *keep; /* out_fd is the last */
	size_t n_keep;
	const struct mp_sandbox_limits *limits;
	pid_t parent;
};

static _Noreturn void child(const struct job *j)
{
	default_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(EXIT_SETUP);
	if (getppid() != j->parent) /* it ended before it could be watched */
		_exit(EXIT_ORPHAN);
	if (close_all_but(j->keep, j->n_keep) < 0)
		_exit(EXIT_FDS);
	if (give_up_shared() < 0)
		_exit(EXIT_SHARED);
	if (set_limits(j->limits) < 0)
		_exit(EXIT_LIMITS);
	if (forbid_the_rest() < 0)
		_exit(EXIT_SECCOMP);

	int rc = j->work(j->ctx, j->keep[j->n_keep - 1]);
	_exit(rc == 0 ? 0 : EXIT_ERRNO + (rc < 0 && rc >= EXIT_ERRNO - EXIT_ERRNO_MAX ? -rc : EBADMSG));
}

/* ---- The caller ---- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for the end of `pid`, until `deadline`. Its pidfd, or -1 on kernels before 5.3. */
static bool ended_in_time(pid_t pid, int pidfd, int64_t deadline)
{
	int64_t left;

	while ((left = deadline - now_ms()) > 0) {
		siginfo_t info = {0};

		if (pidfd >= 0) {
			struct pollfd p = {.fd = pidfd, .events = POLLIN};
			int n = poll(&p, 1, left < INT_MAX ? (int)left : INT_MAX);

			if (n > 0)
				return true;
			if (n < 0 && errno != EINTR)
				pidfd = -1;
			continue;
		}
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return false;
}

/* 0 with its wait status in *status; -ETIMEDOUT; -ECHILD when somebody else has waited for it. The child is
 * gone. */
static int wait_for(pid_t pid, int64_t wall_ms, int *status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), rc = 0;
	pid_t got;

	if (!ended_in_time(pid, pidfd, now_ms() + wall_ms)) {
		rc = -ETIMEDOUT;
		/* By its number only where there are no pidfds: it cannot be another's, for it is not reaped.
		 */
		if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
			kill(pid, SIGKILL);
	}
	do
		got = waitpid(pid, status, __WALL);
	while (got < 0 && errno == EINTR);
	if (pidfd >= 0)
		close(pidfd);
	return rc < 0 ? rc : got == pid ? 0 : -ECHILD;
}

static int verdict(int status, struct mp_err *err)
{
	static const char *const setup[] = {"its start", "closing descriptors",
	    "giving up shared memory (/proc is needed)", "limits (/proc is needed)",
	    "a system call filter (seccomp)", "its parent's end"};

	if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);

		if (sig == SIGXCPU)
			return mp_err_set(err, ETIMEDOUT, "reading it took too much processor time");
		if (sig == SIGSYS)
			return mp_err_set(
			    err, EBADMSG, "reading it made a system call that reading does not need");
		if (sig == SIGXFSZ)
			return mp_err_set(err, EBADMSG, "reading it made too large a result");
		return mp_err_set(err, EBADMSG, "reading it crashed (signal %d)", sig);
	}
	int code = WEXITSTATUS(status);
	if (code == 0)
		return 0;
	if (code >= EXIT_SETUP && code <= EXIT_ORPHAN)
		return mp_err_set(err, ENOTSUP,
		    "no process that can do no harm could be made to read it in: it failed at %s",
		    setup[code - EXIT_SETUP]);
	if (code <= EXIT_ERRNO || code > EXIT_ERRNO_MAX)
		return mp_err_set(err, EBADMSG, "reading it crashed (exit status %d)", code);
	code -= EXIT_ERRNO;
	return mp_err_set(err, code, "reading it failed: %s", strerror(code));
}

/* Why nobody knows how the child ended, and what to do. */
static const char *why_lost(void)
{
	struct sigaction sa;

	if (sigaction(SIGCHLD, NULL, &sa) == 0 && (sa.sa_handler == SIG_IGN || (sa.sa_flags & SA_NOCLDWAIT)))
		return "this process ignores the end of its children: it was started with SIGCHLD ignored; "
		       "start it without (env --default-signal=CHLD COMMAND)";
	return "another thread of this process waits for any child, and took the end of the one that read it";
}

/* fork() with all signals blocked, so that the child begins without the caller's handlers running in it. */
static pid_t fork_quietly(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	int saved = errno;
	if (pid != 0)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

int mp_sandbox_run(int (*work)(void *ctx, int out_fd), void *ctx, const int *keep_fds, size_t n_keep,
    const struct mp_sandbox_limits *limits, int *result_fd, struct mp_err *err)
{
	int status = 0, rc;
	int *keep = malloc((n_keep + 1) * sizeof(*keep));

	if (!keep)
		return mp_err_set(err, ENOMEM, "no memory to start a sandbox");
	for (size_t i = 0; i < n_keep; i++)
		keep[i] = keep_fds[i];
	int out = memfd_create("mpsample-result", MFD_CLOEXEC);
	if (out < 0) {
		rc = mp_err_set(err, errno, "cannot make memory for a sandbox's result: %m");
		goto out;
	}
	keep[n_keep] = out;

	struct job job = {work, ctx, keep, n_keep + 1, limits, getpid()};
	pid_t pid = fork_quietly();
	if (pid == 0)
		child(&job);
	if (pid < 0) {
		rc = mp_err_set(err, errno, "cannot start a sandbox: %m");
		goto out;
	}
	rc = wait_for(pid, limits->wall_ms, &status);
	if (rc == -ETIMEDOUT)
		mp_err_set(err, ETIMEDOUT, "reading it took longer than %lld ms", (long long)limits->wall_ms);
	else if (rc < 0)
		mp_err_set(err, -rc, "%s", why_lost());
	else
		rc = verdict(status, err);
	if (rc == 0 && lseek(out, 0, SEEK_SET) < 0)
		rc = mp_err_set(err, errno, "cannot read a sandbox's result: %m");
out:
	free(keep);
	if (rc == 0)
		*result_fd = out;
	else if (out >= 0)
		close(out);
	return rc;
}

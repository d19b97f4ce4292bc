/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/unwind/sandbox.h"

TestSuite(sandbox, .timeout = 120);

static const struct mp_sandbox_limits limits = {.memory_bytes = 64 << 20, .cpu_ms = 20000, .wall_ms = 60000};

static int run(int (*work)(void *, int), void *ctx, const struct mp_sandbox_limits *l, struct mp_err *err)
{
	int fd = -1;
	int rc = mp_sandbox_run(work, ctx, NULL, 0, l, &fd, err);

	cr_assert(rc < 0);
	cr_assert_eq(fd, -1, "no descriptor on failure");
	cr_assert(err->text[0]);
	return rc;
}

struct echo {
	int from;
	char text[32];
};

static int echo(void *ctx, int out)
{
	struct echo *e = ctx;
	char buf[32];
	ssize_t n = pread(e->from, buf, sizeof(buf), 0);

	if (n <= 0 || write(out, buf, (size_t)n) != n)
		return -EIO;
	memset(e->text, 'x', sizeof(e->text)); /* in the child's memory only */
	return 0;
}

Test(sandbox, hands_back_what_was_written)
{
	struct echo e = {.from = memfd_create("test", 0), .text = "here"};
	struct mp_err err = {""};
	char got[32] = "";
	int fd = -1;

	cr_assert_eq(write(e.from, "prime 7919", 10), 10);
	cr_assert_eq(mp_sandbox_run(echo, &e, &e.from, 1, &limits, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(read(fd, got, sizeof(got)), 10);
	cr_assert_str_eq(got, "prime 7919");
	cr_assert_str_eq(e.text, "here");
	close(fd);
}

static int says(void *ctx, int out)
{
	(void)out;
	return *(int *)ctx;
}

Test(sandbox, hands_back_the_error)
{
	static const int errors[] = {-ENOENT, -ENOMEM, -EPERM, -EBADMSG, -EHWPOISON};
	struct mp_err err = {""};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		int rc = errors[i];
		cr_expect_eq(run(says, &rc, &limits, &err), errors[i]);
	}
	int nonsense = 4711;
	cr_expect_eq(run(says, &nonsense, &limits, &err), -EBADMSG);
}

static int crash(void *ctx, int out)
{
	int *volatile nowhere = NULL;

	(void)out;
	if (ctx)
		abort();
	raise(SIGSEGV); /* sanitizers would tell a true null dereference themselves */
	return *nowhere;
}

Test(sandbox, survives_a_crash)
{
	struct mp_err err = {""};
	int yes = 1;

	cr_expect_eq(run(crash, NULL, &limits, &err), -EBADMSG);
	cr_expect(strstr(err.text, "signal 11"), "%s", err.text);
	cr_expect_eq(run(crash, &yes, &limits, &err), -EBADMSG);
	cr_expect(strstr(err.text, "signal 6"), "%s", err.text);
}

static int hang(void *ctx, int out)
{
	static volatile int forever = 1;

	(void)ctx, (void)out;
	while (forever)
		;
	return 0;
}

Test(sandbox, ends_a_hang)
{
	struct mp_sandbox_limits short_wall = limits, short_cpu = limits;
	struct mp_err err = {""};

	short_wall.wall_ms = 50;
	cr_expect_eq(run(hang, NULL, &short_wall, &err), -ETIMEDOUT);
	short_cpu.cpu_ms = 1; /* the kernel counts seconds */
	cr_expect_eq(run(hang, NULL, &short_cpu, &err), -ETIMEDOUT);
	cr_expect(strstr(err.text, "processor"), "%s", err.text);
}

static int memory_bomb(void *ctx, int out)
{
	size_t total = 0;

	(void)ctx, (void)out;
	for (size_t n = 1 << 20; total < (size_t)4 << 30; total += n) {
		void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return total > (size_t)64 << 20 ? -E2BIG : -ENOMEM;
		*(volatile char *)p = 1;
	}
	return 0;
}

static int result_bomb(void *ctx, int out)
{
	static char block[1 << 20];

	(void)ctx;
	for (int i = 0; i < 4096; i++)
		if (write(out, block, sizeof(block)) < 0)
			return -errno;
	return 0;
}

Test(sandbox, bounds_memory)
{
	struct mp_err err = {""};

	cr_expect_eq(run(memory_bomb, NULL, &limits, &err), -ENOMEM);
	cr_expect_eq(run(result_bomb, NULL, &limits, &err), -EBADMSG);
	cr_expect(strstr(err.text, "too large"), "%s", err.text);
}

static int forbidden(void *ctx, int out)
{
	(void)out;
	switch (*(int *)ctx) {
	case 0:
		return unlink("/tmp/none");
	case 1:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	case 2:
		return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	case 3:
		return kill(getppid(), SIGKILL);
	case 4:
		return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
	default:
		return (int)syscall(SYS_tgkill, 1, 1, SIGKILL);
	}
}

Test(sandbox, forbids_all_other_calls)
{
	for (int i = 0; i < 6; i++) {
		struct mp_err err = {""};

		cr_expect_eq(run(forbidden, &i, &limits, &err), -EBADMSG, "call %d", i);
		cr_expect(strstr(err.text, "system call"), "call %d: %s", i, err.text);
	}
}

/* libc may try, and goes on without. */
static int open_file(void *ctx, int out)
{
	(void)ctx, (void)out;
	return open("/etc/passwd", O_RDONLY) < 0 ? -errno : 0;
}

Test(sandbox, files_cannot_be_opened)
{
	struct mp_err err;

	cr_expect_eq(run(open_file, NULL, &limits, &err), -EACCES, "%s", err.text);
}

/* Which of the first 200 descriptors are open, as bytes. */
static int look_at_fds(void *ctx, int out)
{
	struct stat_buf {
		char bytes[512];
	} st;
	char open_fds[200];

	(void)ctx;
	for (int i = 0; i < 200; i++)
		open_fds[i] = syscall(SYS_fstat, i, &st) == 0;
	return write(out, open_fds, sizeof(open_fds)) == sizeof(open_fds) ? 0 : -EIO;
}

Test(sandbox, has_no_other_descriptors)
{
	int file = memfd_create("test", 0), kept = fcntl(file, F_DUPFD, 100);
	struct mp_err err = {""};
	char open_fds[200];
	int fd = -1, n = 0;

	cr_assert(kept >= 100 && kept < 200);
	cr_assert_eq(mp_sandbox_run(look_at_fds, NULL, &kept, 1, &limits, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(read(fd, open_fds, sizeof(open_fds)), (ssize_t)sizeof(open_fds));
	for (int i = 0; i < 200; i++)
		n += open_fds[i];
	cr_expect_eq(n, 2);
	cr_expect(open_fds[kept]);
	cr_expect(open_fds[fd]);
}

struct shared {
	volatile char *page;
	bool makes_writable;
};

static int write_shared(void *ctx, int out)
{
	struct shared *s = ctx;

	(void)out;
	if (s->makes_writable && mprotect((void *)s->page, 4096, PROT_READ | PROT_WRITE) < 0)
		return -errno;
	s->page[0] = 'x';
	return 0;
}

static int read_private(void *ctx, int out)
{
	const struct shared *s = ctx;

	return write(out, (const void *)s->page, 4) == 4 ? 0 : -EIO;
}

/* More mappings than are looked at in one go, of files and of none, in the midst of private ones. */
Test(sandbox, shares_no_memory)
{
	enum { PAGES = 300 };
	int file = memfd_create("test", 0), fd = -1;
	struct mp_err err = {""};
	char got[5] = "";

	cr_assert_eq(ftruncate(file, 4096), 0);
	char *pages =
	    mmap(NULL, PAGES * (size_t)8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(pages, MAP_FAILED);
	for (int i = 0; i < PAGES; i++) {
		char *page = mmap(pages + i * 8192, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | (i % 2 ? MAP_ANONYMOUS : 0), i % 2 ? -1 : file, 0);
		cr_assert_neq(page, MAP_FAILED);
		strcpy(page, "here");
		strcpy(page + 4096, "mine");
	}
	for (int i = 0; i < PAGES; i += 37) {
		struct shared s = {.page = pages + i * 8192};

		cr_expect_eq(run(write_shared, &s, &limits, &err), -EBADMSG, "page %d", i);
		cr_expect_str_eq((char *)s.page, "here", "page %d", i);
	}
	/* Nor what was mapped for reading only, which it may make writable. */
	struct shared s = {.page = pages, .makes_writable = true};
	cr_assert_eq(mprotect(pages, 4096, PROT_READ), 0);
	int rc = mp_sandbox_run(write_shared, &s, NULL, 0, &limits, &fd, &err);
	cr_expect(rc == 0 || rc == -EBADMSG);
	cr_expect_str_eq(pages, "here");
	close(fd);

	s.page = pages + 4096;
	cr_assert_eq(mp_sandbox_run(read_private, &s, NULL, 0, &limits, &fd, &err), 0, "%s", err.text);
	cr_expect_eq(read(fd, got, 4), 4);
	cr_expect_str_eq(got, "mine", "private memory stays");
	close(fd);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* The caller's other children, handlers and mask stay as they are. */
Test(sandbox, leaves_the_caller_alone)
{
	struct sigaction before = {.sa_handler = on_signal}, after;
	sigset_t mask, mask_after;
	struct mp_err err = {""};
	int fd, status, zero = 0;

	sigaction(SIGUSR1, &before, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	pid_t other = fork();
	if (other == 0)
		_exit(42);
	cr_assert_eq(mp_sandbox_run(says, &zero, NULL, 0, &limits, &fd, &err), 0, "%s", err.text);

	pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
	sigaction(SIGUSR1, NULL, &after);
	for (int sig = 1; sig < 32; sig++)
		cr_expect_eq(sigismember(&mask, sig), sigismember(&mask_after, sig), "signal %d", sig);
	cr_expect_eq(after.sa_handler, on_signal);
	cr_expect_eq(waitpid(other, &status, 0), other, "the other child is still ours to wait for");
	cr_expect_eq(WEXITSTATUS(status), 42);
	cr_expect_eq(waitpid(-1, &status, 0), -1, "no child is left");
	close(fd);
}

/* A program that ignores SIGCHLD never learns how a child ended. */
Test(sandbox, says_when_its_child_was_taken)
{
	struct mp_err err = {""};
	int zero = 0;

	signal(SIGCHLD, SIG_IGN);
	cr_expect_eq(run(says, &zero, &limits, &err), -ECHILD);
	cr_expect(strstr(err.text, "--default-signal=CHLD"), "what to do: %s", err.text);
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_NOCLDWAIT}, NULL);
	cr_expect_eq(run(says, &zero, &limits, &err), -ECHILD);
	cr_expect(strstr(err.text, "--default-signal=CHLD"), "what to do: %s", err.text);
}

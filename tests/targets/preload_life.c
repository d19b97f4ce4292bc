/* SPDX-License-Identifier: MIT */
/*
 * preload_life MODE: lives of processes and threads that a preloaded library could harm, or count wrongly.
 *
 *   fork     work, a forked child that works, too, work
 *   rawfork  the same by clone as a system call, which the C library knows nothing of
 *   rawchild a child of that kind from before the recording, which works before its parent does
 *
 *   signalled
 *            1000 forked children, each met by signals at once, whose handler allocates (libsafe_alloc.so)
 *
 *   handler  200 children that a signal handler forks in the midst of calls (libsafe_alloc.so); each
 *            returns from it into such a call, and makes some more
 *
 *   rawhandler
 *            the same by clone as a system call
 *
 *   vfork    the same by vfork: until it execs, the child's calls are made in the parent's memory
 *   vthread  16 threads at the same time; a child of vfork makes the first call of half of them
 *   spawn    work, and a shell by posix_spawn that says what it finds in LD_PRELOAD
 *   keys     2003 threads, one after the other, that free in destructors of 40 keys, up to the last round
 *   many     600 threads at once, each 101 mallocs and frees; they live until stdin ends
 *   tiny     16 threads with the smallest stack there is
 *   asking   16 threads whose first call is made inside pthread_getattr_np(), which holds a lock meanwhile
 *   locked   mlockall() of all that is and will be there, then 8 threads
 *   sealed   work under a seccomp filter that allows what a fork and malloc take, also in a child
 *   closed   closes all descriptors but 0, 1 and 2, before ready
 *   daemon   leaves its parent as a daemon does, before ready
 *
 * Truth: `mallocs` and `frees` are the calls of the process that said ready, since go; those of its threads
 * are among them, those of its children are not. `child` is a child's exit status: 0 when its own blocks held
 * what it had written.
 */
#include "target.h"

#include "mpsample.h"

#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum {
	MANY = 10007,
	FEW = 1009,
	THREADS = 600,
	EACH = 101,
	KEYED = 2003,
	KEYS = 40,
	TINY = 16,
	LOCKED = 8,
	FORKS = 1000,
	HANDLER_FORKS = 200,
	VTHREADS = 16,
	SIGNALS = 40,
	SIGNAL_NS = 7000
};

extern char **environ;

static NOINLINE void *life_malloc(size_t size)
{
	void *p = malloc(size);

	TARGET_USE(p);
	return p;
}

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	target_print("error: %s: errno %d\n", what, errno);
	_exit(1);
}

/* Pairs of calls, each block filled and looked at again. */
static bool pairs(unsigned calls)
{
	uint64_t random = 1;
	unsigned bad = 0;

	for (unsigned i = 0; i < calls; i++) {
		size_t size = 1 + target_random(&random) % 1000;
		unsigned char *p = life_malloc(size);

		memset(p, (int)i, size);
		TARGET_USE(p);
		bad += p[0] != (unsigned char)i || p[size - 1] != (unsigned char)i;
		free(p);
	}
	return bad == 0;
}

static void report(unsigned long calls)
{
	target_print("mallocs %lu\nfrees %lu\n", calls, calls);
}

static void reap(pid_t child)
{
	int status = -1;

	must(child > 0 && waitpid(child, &status, 0) == child, "child");
	target_print("child %d\n", status);
}

/* ---- Processes ---- */

static void work_around(pid_t (*start)(void))
{
	pairs(MANY);
	pid_t child = start();

	if (child == 0)
		_exit(!pairs(FEW));
	reap(child);
	pairs(MANY);
	report(2 * MANY);
}

static void mode_fork(void)
{
	work_around(fork);
}

static pid_t raw_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void mode_rawfork(void)
{
	work_around(raw_fork);
}

static void on_signal(int number)
{
	(void)number;
	free(life_malloc(40));
	MPSAMPLE_MARK("signalled", 1);
}

/* How often a child is met by a signal anywhere on its way out of fork() is left to the scheduler. */
static void mode_signalled(void)
{
	int ended_badly = 0, status;

	signal(SIGUSR1, on_signal);
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();
		if (child == 0) {
			for (int k = 0; k < FEW; k++)
				free(life_malloc(24));
			_exit(0);
		}
		for (int k = 0; k < SIGNALS; k++) {
			uint64_t next = target_ns(CLOCK_MONOTONIC) + SIGNAL_NS;
			must(!kill(child, SIGUSR1), "kill");
			while (target_ns(CLOCK_MONOTONIC) < next)
				;
		}
		must(waitpid(child, &status, 0) == child, "child");
		ended_badly += status != 0;
	}
	target_print("child %d\n", ended_badly);
	report(0);
}

static pid_t (*start_in_handler)(void);
static volatile sig_atomic_t is_child;
static volatile int forked, ended_badly;

static void on_timer(int number)
{
	int status = -1;
	pid_t child;

	(void)number;
	if (is_child || forked == HANDLER_FORKS)
		return;
	child = start_in_handler();
	if (child == 0) {
		is_child = 1;
		return;
	}
	must(child > 0 && waitpid(child, &status, 0) == child, "child");
	ended_badly += status != 0;
	forked++;
}

static void fork_in_handler(pid_t (*start)(void))
{
	const struct itimerval often = {{0, 1000}, {0, 1000}};
	unsigned long calls = 0;

	start_in_handler = start;
	signal(SIGALRM, on_timer);
	must(!setitimer(ITIMER_REAL, &often, NULL), "setitimer");
	while (forked < HANDLER_FORKS) {
		free(life_malloc(40));
		calls++;
		if (is_child)
			_exit(!pairs(FEW));
	}
	target_print("child %d\nforks %d\n", ended_badly, HANDLER_FORKS);
	report(calls);
}

static void mode_handler(void)
{
	fork_in_handler(fork);
}

static void mode_rawhandler(void)
{
	fork_in_handler(raw_fork);
}

static int to_child;
static pid_t raw_child;

static void bear_child(void)
{
	int ends[2];
	char go;

	must(!pipe(ends), "pipe");
	raw_child = raw_fork();
	if (raw_child == 0)
		_exit(read(ends[0], &go, 1) != 1 || !pairs(FEW));
	to_child = ends[1];
}

static void mode_rawchild(void)
{
	must(write(to_child, "", 1) == 1, "pipe");
	reap(raw_child);
	pairs(MANY);
	report(MANY);
}

static void mode_vfork(void)
{
	pairs(MANY);
	pid_t child = vfork();

	if (child == 0) {
		pairs(FEW);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	reap(child);
	pairs(MANY);
	report(2 * MANY + FEW);
}

static void mode_spawn(void)
{
	char say[] = "echo \"preload ${LD_PRELOAD-none}\"", *argv[] = {"sh", "-c", say, NULL};
	pid_t child;

	pairs(MANY);
	must(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0, "posix_spawn");
	reap(child);
	pairs(MANY);
	report(2 * MANY);
}

/* ---- Threads ---- */

static pthread_key_t keys[KEYS];
static __thread unsigned rounds[KEYS];
static unsigned long freed_in_destructors;

/* A key whose destructor sets it again: its last block is freed in the last round, when others, too, may have
 * been through. */
static void destroy(void *block)
{
	unsigned key = *(unsigned char *)block;

	free(block);
	__atomic_fetch_add(&freed_in_destructors, 1, __ATOMIC_RELAXED);
	if (++rounds[key] < PTHREAD_DESTRUCTOR_ITERATIONS) {
		unsigned char *next = life_malloc(24);

		next[0] = (unsigned char)key;
		pthread_setspecific(keys[key], next);
	}
}

static void *keyed_main(void *arg)
{
	for (unsigned i = 0; i < KEYS; i++) {
		unsigned char *block = life_malloc(24);

		block[0] = (unsigned char)i;
		pthread_setspecific(keys[i], block);
	}
	return arg;
}

static pthread_t start(void *(*run)(void *), const pthread_attr_t *attr)
{
	pthread_t t;

	must(pthread_create(&t, attr, run, NULL) == 0, "pthread_create");
	return t;
}

static void mode_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		must(pthread_key_create(&keys[i], destroy) == 0, "pthread_key_create");
	for (unsigned i = 0; i < KEYED; i++)
		pthread_join(start(keyed_main, NULL), NULL);
	report(freed_in_destructors);
}

static pthread_barrier_t all_there, all_done;

/* Of a thread: works when all are there, and ends with the process. */
static void work_with_others(unsigned calls)
{
	pthread_barrier_wait(&all_there);
	pairs(calls);
	pthread_barrier_wait(&all_done);
	pause();
}

/* Returns when all of them have worked. */
static void run_together(unsigned threads, void *(*run)(void *), const pthread_attr_t *attr)
{
	pthread_barrier_init(&all_there, NULL, threads + 1);
	pthread_barrier_init(&all_done, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		start(run, attr);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_done);
}

static void *many_main(void *arg)
{
	work_with_others(EACH);
	return arg;
}

static void mode_many(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	run_together(THREADS, many_main, &attr);
	report((unsigned long)THREADS * EACH);
}

/* Every other one. */
static void *vthread_main(void *arg)
{
	static unsigned n;

	if (__atomic_fetch_add(&n, 1, __ATOMIC_RELAXED) % 2 == 0) {
		pid_t child = vfork();

		if (child == 0) {
			free(life_malloc(40));
			_exit(0);
		}
		must(child > 0 && waitpid(child, NULL, 0) == child, "child");
	}
	work_with_others(MANY);
	return arg;
}

static void mode_vthread(void)
{
	run_together(VTHREADS, vthread_main, NULL);
	report((unsigned long)VTHREADS * MANY + VTHREADS / 2);
}

static void *work_main(void *arg)
{
	must(pairs(FEW), "blocks of a thread");
	return arg;
}

static void mode_tiny(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	for (unsigned i = 0; i < TINY; i++)
		pthread_join(start(work_main, &attr), NULL);
	report(TINY * FEW);
}

static void *asking_main(void *arg)
{
	pthread_attr_t attr;

	must(pthread_getattr_np(pthread_self(), &attr) == 0, "pthread_getattr_np");
	work_main(NULL);
	pthread_attr_destroy(&attr);
	return arg;
}

static void mode_asking(void)
{
	for (unsigned i = 0; i < TINY; i++)
		pthread_join(start(asking_main, NULL), NULL);
	report(TINY * FEW);
}

static void mode_locked(void)
{
	pthread_t t[LOCKED];

	pairs(MANY);
	must(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall");
	for (unsigned i = 0; i < LOCKED; i++)
		t[i] = start(work_main, NULL);
	for (unsigned i = 0; i < LOCKED; i++)
		pthread_join(t[i], NULL);
	report(MANY + LOCKED * FEW);
}

/* ---- Surroundings ---- */

#define ALLOW(number)                                                                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* All that malloc, fork, waitpid, reading and writing take. */
static void seal(void)
{
	struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    ALLOW(getrandom), ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise),
	    ALLOW(mprotect), ALLOW(clone), ALLOW(set_robust_list), ALLOW(rt_sigprocmask), ALLOW(wait4),
	    ALLOW(read), ALLOW(write), ALLOW(exit_group),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "PR_SET_SECCOMP");
}

static void mode_sealed(void)
{
	seal();
	mode_fork();
}

static void mode_work(void)
{
	pairs(MANY);
	report(MANY);
}

static void close_all(void)
{
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
}

static void become_daemon(void)
{
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
}

static const struct {
	const char *name;
	void (*run)(void);
	void (*prepare)(void); /* before ready */
} modes[] = {
    {"fork", mode_fork, NULL},
    {"rawfork", mode_rawfork, NULL},
    {"rawchild", mode_rawchild, bear_child},
    {"signalled", mode_signalled, NULL},
    {"handler", mode_handler, NULL},
    {"rawhandler", mode_rawhandler, NULL},
    {"vfork", mode_vfork, NULL},
    {"vthread", mode_vthread, NULL},
    {"spawn", mode_spawn, NULL},
    {"keys", mode_keys, NULL},
    {"many", mode_many, NULL},
    {"tiny", mode_tiny, NULL},
    {"asking", mode_asking, NULL},
    {"locked", mode_locked, NULL},
    {"sealed", mode_sealed, NULL},
    {"work", mode_work, NULL},
    {"closed", mode_work, close_all},
    {"daemon", mode_work, become_daemon},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		if (modes[i].prepare)
			modes[i].prepare();
		target_wait_go();
		modes[i].run();
		target_done();
		return 0;
	}
	fputs("usage: preload_life "
	      "fork|rawfork|rawchild|signalled|handler|rawhandler|vfork|vthread|spawn|keys|many|tiny|asking|"
	      "locked|sealed|work|closed|daemon\n",
	    stderr);
	return 2;
}

/* SPDX-License-Identifier: MIT */
/*
 * lifecycle MODE: what processes and threads do while a recorder looks at them.
 *
 *   work    10007 mallocs and frees
 *   fork    work, then a child that does 1009 more and exits, then work again in the parent
 *   exec    work, then execs itself, which goes on as `work` without waiting for a second go
 *   churn   10000 threads, ten at a time, each mallocs once; the main thread frees
 *   late    work, then 7 threads made 50 ms apart, each 1009 mallocs and frees; they live until stdin ends
 *   exit    10007 of 100003 mallocs, then exit(3) in the midst: no "done", no wait for the end of stdin
 *   crash   10007 mallocs and frees, then SIGSEGV in crash_here()
 *
 * Truth: the `mallocs` and `frees` lines, printed by the process that made the calls, count all calls of the
 * program since go. Where threads end (churn), glibc gives back each one's cache and thread-local storage by
 * calls of free of its own, some 25 a thread, most of them free(NULL); making a thread may call calloc, never
 * malloc.
 */
#include "target.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MANY = 10007, FEW = 1009, CHURN = 10000, BATCH = 10, LATE = 7 };

static NOINLINE void *lifecycle_malloc(size_t size)
{
	void *p = malloc(size);

	TARGET_USE(p);
	return p;
}

static NOINLINE void allocate_and_free(unsigned calls)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < calls; i++)
		free(lifecycle_malloc(1 + target_random(&random) % 1000));
}

static void report(unsigned long mallocs, unsigned long frees)
{
	target_print("pid %d mallocs %lu frees %lu\n", (int)getpid(), mallocs, frees);
}

static void mode_work(char **argv)
{
	(void)argv;
	allocate_and_free(MANY);
	report(MANY, MANY);
}

static void mode_fork(char **argv)
{
	(void)argv;
	allocate_and_free(MANY);
	pid_t child = fork();

	if (child == 0) {
		allocate_and_free(FEW);
		report(FEW, FEW);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	allocate_and_free(MANY);
	target_print("child %d\n", (int)child);
	report(2 * MANY, 2 * MANY);
}

static void mode_exec(char **argv)
{
	allocate_and_free(MANY);
	report(MANY, MANY);
	execl("/proc/self/exe", argv[0], "work", "--go", (char *)NULL);
	target_print("error: exec failed\n");
	_exit(1);
}

static void *churn_main(void *arg)
{
	(void)arg;
	return lifecycle_malloc(100);
}

static void mode_churn(char **argv)
{
	pthread_t t[BATCH];

	(void)argv;
	for (unsigned done = 0; done < CHURN; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			if (pthread_create(&t[i], NULL, churn_main, NULL)) {
				target_print("error: cannot make a thread\n");
				_exit(1);
			}
		for (unsigned i = 0; i < BATCH; i++) {
			void *block;

			pthread_join(t[i], &block);
			free(block);
		}
	}
	target_print("threads %d\n", CHURN);
	report(CHURN, CHURN);
}

static pthread_barrier_t worked;

static void *late_main(void *arg)
{
	allocate_and_free(FEW);
	pthread_barrier_wait(&worked);
	pause(); /* ends with the process */
	return arg;
}

static void mode_late(char **argv)
{
	(void)argv;
	pthread_barrier_init(&worked, NULL, LATE + 1);
	allocate_and_free(MANY);
	for (unsigned i = 0; i < LATE; i++) {
		pthread_t t;

		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		if (pthread_create(&t, NULL, late_main, NULL)) {
			target_print("error: cannot make a thread\n");
			_exit(1);
		}
	}
	pthread_barrier_wait(&worked);
	target_print("threads %d\n", LATE);
	report(MANY + LATE * FEW, MANY + LATE * FEW);
}

static void mode_exit(char **argv)
{
	(void)argv;
	for (unsigned i = 1; i <= 100003; i++) {
		lifecycle_malloc(100);
		if (i == MANY) {
			report(i, 0);
			exit(3);
		}
	}
}

static NOINLINE void crash_here(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
}

static void mode_crash(char **argv)
{
	(void)argv;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the crash is wanted, its core file is not */
	allocate_and_free(MANY);
	report(MANY, MANY);
	crash_here();
}

static const struct {
	const char *name;
	void (*run)(char **argv);
} modes[] = {
    {"work", mode_work},
    {"fork", mode_fork},
    {"exec", mode_exec},
    {"churn", mode_churn},
    {"late", mode_late},
    {"exit", mode_exit},
    {"crash", mode_crash},
};

int main(int argc, char **argv)
{
	bool gone = argc == 3 && !strcmp(argv[2], "--go"); /* set by mode_exec */

	for (size_t i = 0; (argc == 2 || gone) && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		if (!gone)
			target_wait_go();
		modes[i].run(argv);
		target_done();
		return 0;
	}
	fputs("usage: lifecycle work|fork|exec|churn|late|exit|crash\n", stderr);
	return 2;
}

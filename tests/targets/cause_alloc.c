/* SPDX-License-Identifier: MIT */
#include "cause_alloc.h"
#include "target.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern void *__libc_malloc(size_t size);

enum { PAGES = 64, FILE_PAGES = 4096, PAGE_BYTES = 4096 };

static int cpu;     /* where this thread is */
static pid_t child; /* a process that the reason takes */
static unsigned int calls;

static bool pin(int to)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(to, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static void sleep_ns(long ns)
{
	const struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

/* True in the child, which ends with us. */
static bool is_forked_child(void)
{
	pid_t parent = getpid();

	child = fork();
	if (child)
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	return true;
}

/* ---- Fresh pages ---- */

static char *pages;

static bool pages_choose(void)
{
	pages = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages != MAP_FAILED && !madvise(pages, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
}

static void pages_prepare(void)
{
	madvise(pages, PAGES * PAGE_BYTES, MADV_DONTNEED);
}

static void pages_slow(void)
{
	for (int i = 0; i < PAGES; i++)
		((volatile char *)pages)[i * PAGE_BYTES] = 1;
}

/* ---- A huge page ---- */

enum { HUGE_BYTES = 2 << 20 };

static char *huge;

static bool huge_choose(void)
{
	char *p = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	huge = (char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
	return !madvise(huge, HUGE_BYTES, MADV_HUGEPAGE);
}

static void huge_prepare(void)
{
	madvise(huge, HUGE_BYTES, MADV_DONTNEED);
}

static void huge_slow(void)
{
	*(volatile char *)huge = 1;
}

/* ---- Pages of a file that were dropped ---- */

static int file;
static const char *file_pages;

static bool file_choose(void)
{
	char name[] = "./cause-XXXXXX", page[PAGE_BYTES];

	file = mkstemp(name);
	if (file < 0 || unlink(name))
		return false;
	memset(page, 1, sizeof(page));
	for (int i = 0; i < FILE_PAGES; i++)
		if (write(file, page, sizeof(page)) != sizeof(page))
			return false;
	file_pages = mmap(NULL, FILE_PAGES * PAGE_BYTES, PROT_READ, MAP_SHARED, file, 0);
	return !fsync(file) && file_pages != MAP_FAILED &&
	       !madvise((void *)file_pages, FILE_PAGES * PAGE_BYTES, MADV_RANDOM);
}

static void file_prepare(void)
{
	madvise((void *)file_pages, FILE_PAGES * PAGE_BYTES, MADV_DONTNEED);
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static void file_slow(void)
{
	for (int i = 0; i < 4; i++)
		(void)((const volatile char *)file_pages)[(calls * 397 + i * 1009) % FILE_PAGES * PAGE_BYTES];
}

/* ---- A thread with a higher priority on the same CPU: 2 ms of each 3 ---- */

static bool hog_choose(void)
{
	const struct sched_param first = {.sched_priority = 1};

	if (!pin(cpu))
		return false;
	if (!is_forked_child())
		return child > 0;
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		_exit(1);
	for (;;) {
		uint64_t end = target_ns(CLOCK_MONOTONIC) + 2000000;
		while (target_ns(CLOCK_MONOTONIC) < end)
			;
		sleep_ns(1000000);
	}
}

/* Until the CPU was lost. */
static void hog_slow(void)
{
	uint64_t last = target_ns(CLOCK_MONOTONIC), now = last;

	while (now - last < 1000000) {
		last = now;
		now = target_ns(CLOCK_MONOTONIC);
	}
}

/* ---- A lock that another thread holds ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool lock_wanted, lock_held, lock_seen; /* atomic */

static void *holder(void *unused)
{
	(void)unused;
	for (;;) {
		while (!__atomic_load_n(&lock_wanted, __ATOMIC_ACQUIRE))
			sleep_ns(20000);
		__atomic_store_n(&lock_wanted, false, __ATOMIC_RELAXED);
		pthread_mutex_lock(&lock);
		__atomic_store_n(&lock_held, true, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&lock_seen, __ATOMIC_ACQUIRE)) /* however long the other sleeps */
			sleep_ns(20000);
		__atomic_store_n(&lock_seen, false, __ATOMIC_RELAXED);
		sleep_ns(2000000);
		__atomic_store_n(&lock_held, false, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static bool lock_choose(void)
{
	pthread_t thread;

	return !pthread_create(&thread, NULL, holder, NULL);
}

static void lock_prepare(void)
{
	__atomic_store_n(&lock_wanted, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&lock_held, __ATOMIC_ACQUIRE))
		sleep_ns(20000);
	__atomic_store_n(&lock_seen, true, __ATOMIC_RELEASE);
}

static void lock_slow(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

/* ---- Moved to another CPU ---- */

/* A CPU of a virtual machine that idles has to be woken by its host, which takes longer than the move. */
static void *keep_awake(void *which)
{
	const struct sched_param none = {0};

	sched_setscheduler(0, SCHED_IDLE, &none);
	pin((int)(uintptr_t)which);
	for (;;)
		TARGET_USE(which);
	return NULL;
}

static bool migration_choose(void)
{
	pthread_t thread;

	return sysconf(_SC_NPROCESSORS_ONLN) > 1 && pin(cpu) &&
	       !pthread_create(&thread, NULL, keep_awake, (void *)0) &&
	       !pthread_create(&thread, NULL, keep_awake, (void *)1);
}

/* There and back, twice: one move takes little longer than the system call that asks for it. */
static void migration_slow(void)
{
	for (int i = 0; i < 4; i++)
		pin(cpu = !cpu);
}

/* ---- Asleep ---- */

static void sleep_slow(void)
{
	sleep_ns(500000);
}

/* ---- Stopped, and continued by another process ---- */

static bool is_stopped(pid_t pid)
{
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	const char *state = n > 0 ? strrchr(text, ')') : NULL;
	return state && state[2] == 'T';
}

static bool stop_choose(void)
{
	pid_t target = getpid();

	if (!is_forked_child())
		return child > 0;
	for (;;) {
		sleep_ns(1000000);
		if (is_stopped(target))
			kill(target, SIGCONT);
	}
}

static void stop_slow(void)
{
	kill(getpid(), SIGSTOP);
}

/* ---- At work: nothing that the kernel sees ---- */

unsigned long cause_spin_ns = 50000;

static void spin_slow(void)
{
	uint64_t end = target_ns(CLOCK_MONOTONIC) + cause_spin_ns;

	while (target_ns(CLOCK_MONOTONIC) < end)
		;
}

/* ---- */

static const struct cause {
	const char *name;
	bool (*choose)(void);
	void (*prepare)(void);
	void (*slow)(void);
} causes[] = {
    {"pages", pages_choose, pages_prepare, pages_slow},
    {"huge", huge_choose, huge_prepare, huge_slow},
    {"file", file_choose, file_prepare, file_slow},
    {"hog", hog_choose, NULL, hog_slow},
    {"lock", lock_choose, lock_prepare, lock_slow},
    {"migration", migration_choose, NULL, migration_slow},
    {"sleep", NULL, NULL, sleep_slow},
    {"stop", stop_choose, NULL, stop_slow},
    {"spin", NULL, NULL, spin_slow},
};

static const struct cause *chosen;

bool cause_choose(const char *name)
{
	cpu = sched_getcpu() > 0; /* one of the first two */
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		if (!strcmp(causes[i].name, name))
			chosen = &causes[i];
	return chosen && (!chosen->choose || chosen->choose());
}

void cause_prepare(void)
{
	if (chosen->prepare)
		chosen->prepare();
}

void cause_end(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

void *malloc(size_t size)
{
	if (size == CAUSE_BYTES && chosen) {
		calls++;
		chosen->slow();
	}
	return __libc_malloc(size);
}

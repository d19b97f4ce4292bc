/* SPDX-License-Identifier: MIT */
/*
 * frozen_writer FILE THREADS
 * frozen_writer --freeze FILE LIBRARY [N]...
 *
 * Truth: the first process has THREADS threads that malloc and free until they are told to stop. The second
 * stops one of them by ptrace and lets it go on instruction by instruction, the whole way through one malloc
 * and one free. At each instruction of LIBRARY (a part of the path of a mapping) it is left standing until
 * every other thread has made CALLS more calls; while it stands, it makes none. In a loop it stands at the
 * same instruction TIMES times. There is no limit in time but a guard against hanging. Standing for the N-th
 * time it says `holding N` and goes on after a line on stdin. At the end, how many instructions it was:
 * `malloc N`, `free N`.
 *
 * The first process says what the threads did, `mallocs N` and `frees N`, after a second line on stdin (the
 * first is go). They share FILE: the threads' counters, what the second has to know, and nothing to wait for.
 */
#include "target.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { MAX_THREADS = 16, CALLS = 1000, GUARD_S = 60, MAX_STEPS = 1000000 };

struct writer {
	uint64_t calls; /* the two below, for whoever watches */
	uint64_t mallocs, frees;
	pid_t tid;
	pthread_t thread;
} __attribute__((aligned(64)));

struct shared {
	pid_t pid;
	uint32_t threads, stop;
	uint64_t malloc_at, free_at;
	struct writer writer[MAX_THREADS];
};

static struct shared *shared;

static struct shared *map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*shared))) {
		perror(path);
		exit(1);
	}
	void *p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	close(fd);
	return p;
}

/* ---- The threads ---- */

static pthread_barrier_t go, finished, leave;

static NOINLINE void one_pair(struct writer *w, uint64_t *random)
{
	char *p = malloc(16 + target_random(random) % 240);

	TARGET_USE(p);
	w->mallocs++;
	__atomic_store_n(&w->calls, w->calls + 1, __ATOMIC_RELAXED);
	free(p);
	w->frees++;
	__atomic_store_n(&w->calls, w->calls + 1, __ATOMIC_RELAXED);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	uint64_t random = (uintptr_t)arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&go);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
		one_pair(w, &random);
	pthread_barrier_wait(&finished);
	pthread_barrier_wait(&leave);
	return NULL;
}

static int target_main(unsigned threads)
{
	uint64_t mallocs = 0, frees = 0;

	shared->pid = getpid();
	shared->threads = threads;
	shared->malloc_at = (uintptr_t)malloc;
	shared->free_at = (uintptr_t)free;
	pthread_barrier_init(&go, NULL, threads + 1);
	pthread_barrier_init(&finished, NULL, threads + 1);
	pthread_barrier_init(&leave, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&shared->writer[i].thread, NULL, writer_main, &shared->writer[i]))
			abort();
	pthread_barrier_wait(&go); /* all have said who they are */
	target_wait_go();
	pthread_barrier_wait(&go);
	target_wait_line();
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	pthread_barrier_wait(&finished);
	for (unsigned i = 0; i < threads; i++) {
		mallocs += shared->writer[i].mallocs;
		frees += shared->writer[i].frees;
	}
	target_print("mallocs %llu\nfrees %llu\n", (unsigned long long)mallocs, (unsigned long long)frees);
	target_done();
	pthread_barrier_wait(&leave);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(shared->writer[i].thread, NULL);
	return 0;
}

/* ---- The one who freezes ---- */

static struct {
	uint64_t start, end;
} text; /* of the library */

#define TIMES 16 /* that it stands at one and the same instruction: stacks are copied in a loop */
static unsigned char stood_at[1 << 20];

static unsigned long checked, holds[64];
static int nholds;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1); /* and the thread goes on: it is let go with its tracer */
}

static void find_text(const char *library)
{
	char path[64], line[4096];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)shared->pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start, end;
		char rights[5];
		if (strstr(line, library) && sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 &&
		    rights[2] == 'x') {
			text.start = start;
			text.end = end;
		}
	}
	if (f)
		fclose(f);
	if (!text.end)
		die("process %d does not map %s", (int)shared->pid, library);
}

struct place {
	uint64_t pc, sp, back; /* back: at a function's first instruction, where it returns to */
};

static struct place place_of(pid_t tid)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io))
		die("registers: %s", strerror(errno));
#if defined(__x86_64__)
	errno = 0;
	uint64_t back = (uint64_t)ptrace(PTRACE_PEEKDATA, tid, regs.rsp, 0);
	return (struct place){regs.rip, regs.rsp, errno ? 0 : back};
#else
	return (struct place){regs.pc, regs.sp, regs.regs[30]};
#endif
}

static void wait_stop(pid_t tid)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		die("thread %d does not stop", (int)tid);
}

static void step(pid_t tid)
{
	if (ptrace(PTRACE_SINGLESTEP, tid, 0, 0))
		die("step: %s", strerror(errno));
	wait_stop(tid);
}

static uint64_t calls_of(unsigned thread)
{
	return __atomic_load_n(&shared->writer[thread].calls, __ATOMIC_RELAXED);
}

/* The frozen thread is at `pc`: all others go on, and it does not. */
static void others_go_on(uint64_t pc)
{
	uint64_t own = calls_of(0), guard = target_ns(CLOCK_MONOTONIC) + GUARD_S * 1000000000ULL;
	uint64_t from[MAX_THREADS];

	for (unsigned i = 1; i < shared->threads; i++)
		from[i] = calls_of(i);
	for (unsigned i = 1; i < shared->threads; i++)
		while (calls_of(i) - from[i] < CALLS) {
			if (target_ns(CLOCK_MONOTONIC) > guard)
				die("thread %u stands still while the first is frozen at %#llx of the "
				    "library",
				    i, (unsigned long long)(pc - text.start));
			sched_yield();
		}
	if (calls_of(0) != own)
		die("the frozen thread goes on");
	checked++;
	for (int i = 0; i < nholds; i++)
		if (holds[i] == checked) {
			target_print("holding %lu\n", checked);
			target_wait_line();
		}
}

/* Through one call of the function at `entry`; returns how many instructions of the library it was. */
static unsigned long freeze_through(pid_t tid, uint64_t entry)
{
	struct place at = place_of(tid);
	unsigned long steps = 0, n = 0;

	while (at.pc != entry) {
		if (++steps > MAX_STEPS)
			die("the thread does not come to %#llx", (unsigned long long)entry);
		step(tid);
		at = place_of(tid);
	}
	uint64_t back = at.back, sp = at.sp;
	do {
		if (at.pc >= text.start && at.pc < text.end) {
			unsigned char *times = &stood_at[(at.pc - text.start) % sizeof(stood_at)];
			if (*times < TIMES) {
				++*times;
				others_go_on(at.pc);
			}
			n++;
		}
		if (++steps > MAX_STEPS)
			die("no way back from %#llx", (unsigned long long)entry);
		step(tid);
		at = place_of(tid);
	} while (at.pc != back || at.sp < sp);
	return n;
}

static int freeze_main(const char *library)
{
	pid_t tid = shared->writer[0].tid;

	find_text(library);
	if (shared->malloc_at < text.start || shared->malloc_at >= text.end)
		die("malloc is not that of %s", library);
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		die("ptrace: %s", strerror(errno));
	wait_stop(tid);
	unsigned long in_malloc = freeze_through(tid, shared->malloc_at);
	unsigned long in_free = freeze_through(tid, shared->free_at);
	if (ptrace(PTRACE_DETACH, tid, 0, 0))
		die("detach: %s", strerror(errno));
	target_print("malloc %lu\nfree %lu\n", in_malloc, in_free);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "--freeze")) {
		for (int i = 4; i < argc && nholds < 64; i++)
			holds[nholds++] = target_number(argv[i]);
		shared = map_file(argv[2]);
		return freeze_main(argv[3]);
	}
	unsigned long threads = argc == 3 ? target_number(argv[2]) : 0;

	if (!threads || threads > MAX_THREADS) {
		fputs("usage: frozen_writer FILE THREADS | frozen_writer --freeze FILE LIBRARY [N]...\n",
		    stderr);
		return 2;
	}
	shared = map_file(argv[1]);
	return target_main((unsigned)threads);
}

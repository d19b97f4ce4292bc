/* SPDX-License-Identifier: MIT */
/*
 * logged CALLS THREADS
 *
 * Truth: each thread makes CALLS / THREADS calls of malloc, calloc, realloc and free between go and "done",
 * and keeps a log of them: `call TID OP SIZE ADDRESS`, in order. They come at a pace that a recorder of every
 * call can follow.
 */
#include "target.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { WINDOW = 256, BURST = 100, MAX_THREADS = 16 };

struct entry {
	const char *op;
	size_t size;
	void *addr;
};

struct worker {
	pthread_t thread;
	long tid;
	size_t calls, made;
	struct entry *log;
	void *window[WINDOW];
};

static pthread_barrier_t ready, go, finished;

static void note(struct worker *w, const char *op, size_t size, void *addr)
{
	w->log[w->made++] = (struct entry){op, size, addr};
	if (w->made % BURST == 0)
		usleep(1000);
}

static NOINLINE void one_call(struct worker *w, uint32_t random)
{
	void **slot = &w->window[random % WINDOW];
	size_t size = 1 + random / WINDOW % 5000;

	if (!*slot && random & 1 << 20) {
		*slot = malloc(size);
		TARGET_USE(*slot);
		note(w, "malloc", size, *slot);
	} else if (!*slot) {
		*slot = calloc(3, size);
		TARGET_USE(*slot);
		note(w, "calloc", 3 * size, *slot);
	} else if (random & 1 << 20) {
		*slot = realloc(*slot, size);
		TARGET_USE(*slot);
		note(w, "realloc", size, *slot);
	} else {
		void *p = *slot;
		*slot = NULL;
		note(w, "free", 0, p);
		free(p);
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t random = (uint64_t)(uintptr_t)w;

	w->tid = syscall(SYS_gettid);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	while (w->made < w->calls)
		one_call(w, target_random(&random));
	pthread_barrier_wait(&finished);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX_THREADS];
	unsigned threads = argc == 3 ? (unsigned)target_number(argv[2]) : 0;

	if (!threads || threads > MAX_THREADS) {
		fputs("usage: logged CALLS THREADS\n", stderr);
		return 2;
	}
	pthread_barrier_init(&ready, NULL, threads + 1);
	pthread_barrier_init(&go, NULL, threads + 1);
	pthread_barrier_init(&finished, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *w = &workers[i];
		w->calls = target_number(argv[1]) / threads;
		w->log = mmap(NULL, w->calls * sizeof(*w->log), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (w->log == MAP_FAILED || pthread_create(&w->thread, NULL, worker_main, w))
			return 1;
	}
	pthread_barrier_wait(&ready);
	target_wait_go();
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&finished);
	for (unsigned i = 0; i < threads; i++)
		for (size_t c = 0; c < workers[i].made; c++)
			target_print("call %ld %s %zu %lld\n", workers[i].tid, workers[i].log[c].op,
			    workers[i].log[c].size, (long long)(intptr_t)workers[i].log[c].addr);
	target_done();
	return 0;
}

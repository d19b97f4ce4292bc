/* SPDX-License-Identifier: MIT */
/*
 * count [--late] MALLOCS FREES THREADS
 *
 * Truth: between go and "done" this process makes exactly MALLOCS calls of malloc and FREES calls of free,
 * over THREADS threads. The threads exist before "ready" (or, with --late, are made after go) and live until
 * stdin ends, because a thread's end frees its cache by calls of free. Making a thread costs calloc calls, no
 * malloc. Prints: `mallocs N`, `frees N`, `bytes N` (requested in all), and a line a thread.
 */
#include "target.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum { WINDOW = 64 };

struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t mallocs, frees; /* to be made */
	uint64_t mallocs_made, frees_made, bytes;
	void *window[WINDOW]; /* the newest blocks: frees lag behind mallocs as in a real program */
};

static pthread_barrier_t go, finished, leave;

static NOINLINE void *count_malloc(struct worker *w, size_t size)
{
	char *p = malloc(size);

	if (!p)
		abort();
	*p = 1;
	w->mallocs_made++;
	w->bytes += size;
	return p;
}

static NOINLINE void count_free(struct worker *w, void *p)
{
	if (!p || w->frees_made == w->frees)
		return;
	free(p);
	w->frees_made++;
}

static void work(struct worker *w)
{
	uint64_t random = w->number + 1;

	for (uint64_t i = 0; i < w->mallocs; i++) {
		void **slot = &w->window[i % WINDOW];

		count_free(w, *slot);
		*slot = count_malloc(w, 1 + target_random(&random) % 4096);
	}
	for (unsigned i = 0; i < WINDOW; i++)
		count_free(w, w->window[i]);
}

static void *worker_main(void *arg)
{
	pthread_barrier_wait(&go);
	work(arg);
	pthread_barrier_wait(&finished);
	pthread_barrier_wait(&leave);
	return NULL;
}

static void start(struct worker *w, unsigned threads)
{
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&w[i].thread, NULL, worker_main, &w[i])) {
			target_print("error: cannot make thread %u\n", i);
			_exit(1);
		}
	}
}

static void report(const struct worker *w, unsigned threads)
{
	uint64_t mallocs = 0, frees = 0, bytes = 0;

	for (unsigned i = 0; i < threads; i++) {
		mallocs += w[i].mallocs_made;
		frees += w[i].frees_made;
		bytes += w[i].bytes;
		target_print("thread %u mallocs %llu frees %llu bytes %llu\n", i,
		    (unsigned long long)w[i].mallocs_made, (unsigned long long)w[i].frees_made,
		    (unsigned long long)w[i].bytes);
	}
	target_print("mallocs %llu\nfrees %llu\nbytes %llu\n", (unsigned long long)mallocs,
	    (unsigned long long)frees, (unsigned long long)bytes);
}

static struct worker *workers(unsigned long mallocs, unsigned long frees, unsigned threads)
{
	struct worker *w =
	    mmap(NULL, threads * sizeof(*w), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (w == MAP_FAILED) {
		target_print("error: out of memory\n");
		_exit(1);
	}
	for (unsigned i = 0; i < threads; i++) {
		w[i].number = i;
		w[i].mallocs = mallocs / threads + (i < mallocs % threads);
		w[i].frees = frees / threads + (i < frees % threads);
	}
	return w;
}

int main(int argc, char **argv)
{
	bool late = argc > 1 && !strcmp(argv[1], "--late");
	char **number = argv + 1 + late;

	if (argc - late != 4) {
		fputs("usage: count [--late] MALLOCS FREES THREADS\n", stderr);
		return 2;
	}
	unsigned long mallocs = target_number(number[0]), frees = target_number(number[1]);
	unsigned threads = (unsigned)target_number(number[2]);

	if (!threads || frees > mallocs) {
		fputs("count: needs THREADS >= 1 and FREES <= MALLOCS\n", stderr);
		return 2;
	}
	struct worker *w = workers(mallocs, frees, threads);

	pthread_barrier_init(&go, NULL, threads + 1);
	pthread_barrier_init(&finished, NULL, threads + 1);
	pthread_barrier_init(&leave, NULL, threads + 1);
	if (!late)
		start(w, threads);
	target_wait_go();
	if (late)
		start(w, threads);
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&finished);
	report(w, threads);
	target_done();
	pthread_barrier_wait(&leave);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	return 0;
}

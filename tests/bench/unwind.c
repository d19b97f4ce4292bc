/* SPDX-License-Identifier: MIT */
/*
 * unwind STACKS: what a frame costs, on stacks of about 26 frames without frame pointers that a program of
 * tests/targets/unwind/ wrote: by the flat tables, and by libunwind's remote unwinding of the same, with its
 * cache and without. All warm; the fastest of several rounds, taken in turn. And what libc's table takes.
 */
#include <time.h>

#include "tests/tools/stacks.h"

#define ROUNDS     15
#define FRAMES_MIN 20
#define FRAMES_MAX 32

enum way { TABLES, CACHED, UNCACHED, N_WAYS };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct mp_unwound unwind(struct mp_unwinder *u, const struct stack *k, enum way way, uint64_t *ip)
{
	if (way == TABLES)
		return mp_unwind(u, &k->state, ip, CAPTURE_FRAMES);
	return mp_unwind_reference(u, &k->state, way == CACHED, ip, CAPTURE_FRAMES);
}

/* Keeps the stacks that a benchmark is about: whole, of the length wanted, expressible by tables. */
static void select_stacks(struct stacks *s)
{
	uint64_t ip[CAPTURE_FRAMES];
	struct mp_unwinder *u = stacks_unwinder(s);
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct mp_unwound got = mp_unwind(u, &s->stack[i].state, ip, CAPTURE_FRAMES);

		if (got.n >= FRAMES_MIN && got.n <= FRAMES_MAX && got.end == MP_STACK_OUTERMOST &&
		    got.n == s->stack[i].head.n_ref)
			s->stack[n++] = s->stack[i];
	}
	s->n = n;
	mp_unwinder_free(u);
	if (!n)
		STACKS_DIE("there are no stacks of %d to %d frames", FRAMES_MIN, FRAMES_MAX);
}

static double round_ns(struct mp_unwinder *u, const struct stacks *s, enum way way, size_t *frames)
{
	uint64_t ip[CAPTURE_FRAMES];
	int repeat = way == TABLES ? 20 : 1;
	double began = now_ns();

	*frames = 0;
	for (int r = 0; r < repeat; r++)
		for (size_t i = 0; i < s->n; i++)
			*frames += unwind(u, &s->stack[i], way, ip).n;
	double took = (now_ns() - began) / (double)*frames;
	*frames /= (size_t)repeat;
	return took;
}

static void bench_libc(const struct stacks *s)
{
	struct mp_cfi *table;
	struct mp_err err;

	for (const struct mp_symfile *f = s->files; f; f = f->next) {
		double best = 1e18;

		if (!strstr(f->path, "/libc.so"))
			continue;
		for (int i = 0; i < 5; i++) {
			double began = now_ns();

			if (mp_cfi_build(f->elf, NULL, NULL, &table, &err) < 0)
				STACKS_DIE("%s: %s", f->path, err.text);
			double took = now_ns() - began;
			best = took < best ? took : best;
			mp_cfi_free(table);
		}
		printf("libc_rows %zu libc_bytes %zu libc_build_ms %.1f\n", mp_cfi_rows(f->cfi),
		    mp_cfi_bytes(f->cfi), best / 1e6);
	}
}

int main(int argc, char **argv)
{
	double best[N_WAYS] = {1e18, 1e18, 1e18};
	size_t frames = 0;
	struct stacks s;

	if (argc != 2)
		STACKS_DIE("usage: unwind STACKS");
	stacks_load(&s, argv[1]);
	select_stacks(&s);
	struct mp_unwinder *u = stacks_unwinder(&s);
	for (int round = 0; round < ROUNDS; round++)
		for (int way = 0; way < N_WAYS; way++) {
			double took = round_ns(u, &s, (enum way)way, &frames);

			best[way] = took < best[way] ? took : best[way];
		}
	printf("stacks %zu frames_per_stack %.1f tables_ns_per_frame %.1f libunwind_cached_ns_per_frame %.1f "
	       "libunwind_uncached_ns_per_frame %.1f cached_by_tables %.1f\n",
	    s.n, (double)frames / (double)s.n, best[TABLES], best[CACHED], best[UNCACHED],
	    best[CACHED] / best[TABLES]);
	bench_libc(&s);
	mp_unwinder_free(u);
	stacks_free(&s);
	return 0;
}

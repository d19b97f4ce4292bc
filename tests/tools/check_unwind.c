/* SPDX-License-Identifier: MIT */
/*
 * check_unwind [-v | -b] FILE...: every stack that a program of tests/targets/unwind/ wrote, unwound and
 * compared with what the program found itself, frame by frame. A stack is equal when all frames are, and it
 * ends where it should: at the outermost frame; where the copy was cut, as cut, with as many frames as the
 * copy holds; where the reference itself came upon code without call frame information, there or beyond.
 *
 * Prints a line "FILE: stacks N differ N cut N frames N" for each file, with what differs by libunwind's
 * remote unwinding of the same; with -v the stacks that differ. -b breaks each stack before (its first return
 * address is changed), so that all have to differ. Exits with 1 when more than one in a thousand of a file
 * differs.
 */

#include "tests/tools/stacks.h"

static struct counts {
	size_t stacks, differ, cut, frames, reference_differs;
} total;

static void show(const struct stacks *s, const struct stack *k, const uint64_t *ip, struct mp_unwound u)
{
	size_t n = u.n > k->head.n_ref ? u.n : k->head.n_ref;

	printf("  differs: stack %zu: %zu frames of %u, end %d, quality %d, %u bytes%s\n",
	    (size_t)(k - s->stack), u.n, k->head.n_ref, (int)u.end, (int)u.quality, k->head.n_bytes,
	    k->head.is_cut ? ", cut" : "");
	for (size_t i = 0; i < n; i++) {
		uint64_t a = i < u.n ? ip[i] : 0, b = i < k->head.n_ref ? k->ref[i] : 0, bias = 0;
		const struct mp_module *m = stacks_module((void *)s, b ? b : a, &bias);

		printf("    %c %#18lx %#18lx  %s+%#lx\n", a == b || !i ? ' ' : '*', (unsigned long)a,
		    (unsigned long)b, m ? m->map.path : "?", (unsigned long)((b ? b : a) - bias));
	}
}

/* How many of its frames the copy can hold at most: return addresses found in it, each above the last. */
static size_t frames_held(const struct stack *k)
{
	size_t found = 1;

	for (size_t at = 0; at + 8 <= k->head.n_bytes && found < k->head.n_ref; at += 8) {
		uint64_t word;

		memcpy(&word, k->state.bytes + at, sizeof(word));
		found += word == k->ref[found];
	}
	return found;
}

/* Whether the reference ended at code that nothing is said about: it knew no way on. */
static bool reference_is_stuck(const struct stacks *s, const struct stack *k)
{
	uint64_t bias = 0, pc = k->head.n_ref ? k->ref[k->head.n_ref - 1] : 0;
	bool is_code;

	for (uint64_t back = 0; back < 2; back++) { /* it may be a return address, or what was interrupted */
		const struct mp_cfi *table = stacks_table((void *)s, pc - back, 0, &bias, &is_code);

		if (table && mp_cfi_find(table, pc - back - bias))
			return false;
	}
	return true;
}

static bool equal(const struct stacks *s, const struct stack *k, const uint64_t *ip, struct mp_unwound u)
{
	size_t n = u.n < k->head.n_ref ? u.n : k->head.n_ref;

	for (size_t i = 1; i < n; i++) /* the first are two places in capture() */
		if (ip[i] != k->ref[i])
			return false;
	if (u.end == MP_STACK_CUT)
		return k->head.is_cut && u.n == frames_held(k);
	if (u.n >= k->head.n_ref && reference_is_stuck(s, k))
		return true;
	return u.n == k->head.n_ref && (u.end == MP_STACK_OUTERMOST || u.end == MP_STACK_FULL);
}

/* Changes the word that holds the first return address. */
static void break_stack(struct stack *k)
{
	for (size_t at = 0; at + 8 <= k->head.n_bytes; at += 8) {
		unsigned char *word = (unsigned char *)k->state.bytes + at;

		if (k->head.n_ref > 1 && memcmp(word, &k->ref[1], 8) == 0)
			word[0] ^= 1;
	}
}

static bool check(const char *name, bool verbose, bool broken)
{
	uint64_t ip[CAPTURE_FRAMES];
	struct counts c = {0};
	struct stacks s;

	stacks_load(&s, name);
	struct mp_unwinder *u = stacks_unwinder(&s);
	for (size_t i = 0; i < s.n; i++) {
		struct stack *k = &s.stack[i];

		if (broken)
			break_stack(k);
		struct mp_unwound got = mp_unwind(u, &k->state, ip, CAPTURE_FRAMES);

		c.stacks++;
		c.frames += got.n;
		c.cut += got.end == MP_STACK_CUT;
		if (!equal(&s, k, ip, got)) {
			c.differ++;
			if (verbose && c.differ <= 20)
				show(&s, k, ip, got);
		}
		got = mp_unwind_reference(u, &k->state, true, ip, CAPTURE_FRAMES);
		c.reference_differs += !equal(&s, k, ip, got);
	}
	printf("%s: stacks %zu differ %zu cut %zu frames %zu; by libunwind's remote unwinding differ %zu\n",
	    name, c.stacks, c.differ, c.cut, c.frames, c.reference_differs);
	mp_unwinder_free(u);
	stacks_free(&s);
	total.stacks += c.stacks;
	total.differ += c.differ;
	total.cut += c.cut;
	return c.stacks && c.differ * 1000 <= c.stacks;
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0,
	     broken = argc > 1 && strcmp(argv[1], "-b") == 0;
	bool good = argc > 1;

	for (int i = verbose || broken ? 2 : 1; i < argc; i++)
		good &= check(argv[i], verbose, broken);
	printf("total: stacks %zu differ %zu cut %zu\n", total.stacks, total.differ, total.cut);
	return good ? 0 : 1;
}

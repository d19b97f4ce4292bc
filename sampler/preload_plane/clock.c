/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/preload/ticks.h"

#define FIRST_STRETCH_NS 20000000 /* 20 ns of uncertainty at its ends are then 2 ppm of the rate */
#define READS            16       /* for one point; the tightest counts */
#define FLOOR_PAIRS      1001

/* ---- What to count in ---- */

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' ' || at[n] == '\n'))
			return true;
	return false;
}

/* kvm-clock and Hyper-V's clock are the TSC and a rate: they are offered where it is sound. */
bool mp_ticks_are_sound_by(const char *cpu_flags, const char *clocksource)
{
	return has_word(cpu_flags, "constant_tsc") && has_word(cpu_flags, "nonstop_tsc") &&
	       (has_word(clocksource, "tsc") || has_word(clocksource, "kvm-clock") ||
		   has_word(clocksource, "hyperv_clocksource_tsc_page"));
}

#ifdef __x86_64__
/* The first line of a file that begins with a word; "" if there is none. */
static void read_line(const char *path, const char *begin, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(buf, (int)size, f))
		found = !strncmp(buf, begin, strlen(begin));
	if (!found)
		buf[0] = 0;
	if (f)
		fclose(f);
}

bool mp_ticks_are_sound(void)
{
	char flags[8192], source[128];

	read_line("/proc/cpuinfo", "flags", flags, sizeof(flags));
	read_line(
	    "/sys/devices/system/clocksource/clocksource0/current_clocksource", "", source, sizeof(source));
	return mp_ticks_are_sound_by(flags, source);
}
#else
/* The architecture's generic timer is what it has to be by definition (Arm ARM, D12). */
bool mp_ticks_are_sound(void)
{
	return true;
}
#endif

/* ---- Points ---- */

/* Both clocks at once, as nearly as can be: the session's between two of the ticks. What interrupts a read
 * makes it wide, and another one counts. */
static struct mp_clock_point read_point(uint32_t word)
{
	struct mp_clock_point best = {0};
	uint64_t tightest = UINT64_MAX;

	for (int i = 0; i < READS; i++) {
		uint64_t before = mp_ticks(word);
		int64_t ns = (int64_t)mp_ticks_monotonic();
		uint64_t after = mp_ticks(word);
		if (after - before >= tightest)
			continue;
		tightest = after - before;
		best = (struct mp_clock_point){before + (after - before) / 2, ns};
	}
	if (word & MP_WORD_MONOTONIC)
		best.ticks = (uint64_t)best.ns;
	return best;
}

/* Every second one of the older half goes: what is old is asked for by calls that lasted as long. */
static void thin_out(struct mp_preload_clock *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (i >= c->n / 2 || i % 2 == 0)
			c->points[n++] = c->points[i];
	c->n = n;
}

void mp_preload_clock_add(struct mp_preload_clock *c, struct mp_clock_point p)
{
	if (c->n && (p.ticks <= c->points[c->n - 1].ticks || p.ns <= c->points[c->n - 1].ns)) {
		if (p.ticks == c->points[c->n - 1].ticks)
			return;
		c->n = 0;
	}
	if (c->n == MP_CLOCK_POINTS)
		thin_out(c);
	if (!c->n)
		c->first = p;
	c->points[c->n++] = p;
}

void mp_preload_clock_point(struct mp_preload_clock *c)
{
	mp_preload_clock_add(c, read_point(c->word));
}

void mp_preload_clock_begin(struct mp_preload_clock *c)
{
	static const struct timespec stretch = {.tv_nsec = FIRST_STRETCH_NS};

	c->n = 0;
	c->word = mp_ticks_are_sound() ? 0 : MP_WORD_MONOTONIC;
	mp_preload_clock_point(c);
	nanosleep(&stretch, NULL);
	mp_preload_clock_point(c);
}

/* ---- Conversion ---- */

/* The last point at or before `ticks`; there is one. */
static size_t point_before(const struct mp_preload_clock *c, uint64_t ticks)
{
	size_t lo = 0, hi = c->n;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (c->points[mid].ticks <= ticks)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int64_t mp_preload_clock_ns(const struct mp_preload_clock *c, uint64_t ticks)
{
	const struct mp_clock_point *last = &c->points[c->n - 1];

	if (ticks >= last->ticks)
		return last->ns;
	if (ticks <= c->points[0].ticks)
		return c->points[0].ns;
	const struct mp_clock_point *a = &c->points[point_before(c, ticks)], *b = a + 1;
	uint64_t since = ticks - a->ticks, ns = (uint64_t)(b->ns - a->ns), part;
	/* Between points that are less than a second apart 64 bits are enough, and several times faster. */
	if (!__builtin_mul_overflow(since, ns, &part))
		return a->ns + (int64_t)(part / (b->ticks - a->ticks));
	return a->ns + (int64_t)((unsigned __int128)since * ns / (b->ticks - a->ticks));
}

uint64_t mp_preload_clock_rate(const struct mp_preload_clock *c)
{
	const struct mp_clock_point *last = &c->points[c->n - 1];

	if (c->word & MP_WORD_MONOTONIC || last->ticks == c->first.ticks)
		return 1ULL << 32;
	unsigned __int128 ns = (unsigned __int128)(uint64_t)(last->ns - c->first.ns) << 32;
	return (uint64_t)(ns / (last->ticks - c->first.ticks));
}

uint64_t mp_preload_clock_ticks(const struct mp_preload_clock *c)
{
	return mp_ticks(c->word);
}

uint64_t mp_preload_clock_ticks_of(const struct mp_preload_clock *c, int64_t ns)
{
	uint64_t rate = mp_preload_clock_rate(c);

	return (uint64_t)(((unsigned __int128)(uint64_t)ns << 32) / (rate ? rate : 1));
}

/* ---- The floor ---- */

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

uint64_t mp_preload_clock_floor(const struct mp_preload_clock *c)
{
	uint64_t between[FLOOR_PAIRS];

	for (int i = 0; i < FLOOR_PAIRS; i++) {
		uint64_t start = mp_ticks(c->word);
		uint64_t end = mp_ticks(c->word);
		between[i] = end - start;
	}
	qsort(between, FLOOR_PAIRS, sizeof(*between), by_value);
	return between[FLOOR_PAIRS / 2];
}

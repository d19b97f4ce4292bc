/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <errno.h>
#include <stdio.h>

struct day day = {.seconds = 20, .seed = 1, .pace = 1, .news_at = -1};

/* clang-format off */
static const struct phase phases[] = {
	/* name          share  feed/s gateway/s  depth */
	{"pre_open",     0.15,   4000,      100,   9000},
	{"open_burst",   0.15,  70000,     3000,  30000},
	{"continuous",   0.45,  30000,     1000,  13000},
	{"close_burst",  0.15,  80000,     4000,  36000},
	{"post_close",   0.10,   2000,       50,  12000},
};
/* clang-format on */

enum { PHASES = sizeof(phases) / sizeof(phases[0]), CONTINUOUS = 2 };

int64_t day_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

const struct phase *day_phase(int64_t elapsed_ns)
{
	double at = (double)elapsed_ns / 1e9 / day.seconds, end = 0;

	if (day.is_flat)
		return at < 1 ? &phases[CONTINUOUS] : NULL;
	for (size_t i = 0; i < PHASES; i++) {
		end += phases[i].share;
		if (at < end)
			return &phases[i];
	}
	return NULL;
}

void day_print_phases(void)
{
	double from = 0;

	for (size_t i = 0; i < PHASES && !day.is_flat; i++) {
		double to = from + phases[i].share * day.seconds * 1e9;

		printf("phase %s %lld %lld\n", phases[i].name, (long long)(day.start_ns + (int64_t)from),
		    (long long)(day.start_ns + (int64_t)to));
		from = to;
	}
}

bool day_sleep_until(int64_t elapsed_ns)
{
	int64_t ns = day.start_ns + elapsed_ns;
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
	return !atomic_load(&day.stop) && day_phase(elapsed_ns);
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* SPDX-License-Identifier: MIT */
#include "symbolize/jit/pace.h"

#include <time.h>

#define PERIOD_NS INT64_C(1000000000)

/* Rest for each ns of work. */
#define REST 19

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

bool mp_pace_begin(struct mp_pace *p)
{
	p->began_ns = now_ns();
	return p->began_ns >= p->next_ns;
}

void mp_pace_end(struct mp_pace *p)
{
	int64_t now = now_ns(), rest = REST * (now - p->began_ns);

	p->next_ns = now + (rest > PERIOD_NS ? rest : PERIOD_NS);
}

/* SPDX-License-Identifier: MIT */
#include "sampler/hiccup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* So long it sleeps at a time: longer where to wake up is dear. In a virtual machine that takes 30 us, and an
 * interrupt of whoever has the CPU. */
#define PERIOD_LEAST_NS 1000000
#define PERIOD_MOST_NS  20000000
#define OWN_SHARE       0.002 /* of a core; judged anew each so many times: */
#define JUDGED_BY       32
#define NS_PER_S        1000000000LL

/* Reading how long the thread has waited costs more than all the rest: once in so many times, and when it is
 * late. What it waited in those before, some microseconds each, is then taken off, too: rather a stall that
 * reads too short. */
#define UNREAD_MOST 8
#define ROOM        256 /* stalls from one drain to the next; a power of two */

struct stall {
	int64_t t_ns, dur_ns;
};

/* A ring with one writer, the thread, and one reader. */
struct mp_hiccup {
	pthread_t thread;
	bool stop;           /* atomic */
	uint64_t head, tail; /* atomic */
	uint64_t dropped;    /* atomic */
	uint64_t told_dropped;
	struct stall stalls[ROOM];
};

static int64_t time_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t now_ns(void)
{
	return time_ns(CLOCK_MONOTONIC);
}

/* How long to sleep, by what the thread took for so many times. */
static int64_t period_ns(int64_t cpu_ns, int times)
{
	double ns = (double)cpu_ns / times / OWN_SHARE;

	return ns < PERIOD_LEAST_NS ? PERIOD_LEAST_NS : ns > PERIOD_MOST_NS ? PERIOD_MOST_NS : (int64_t)ns;
}

/* How long this thread has waited for a CPU so far (Documentation/scheduler/sched-stats.rst); 0 where the
 * kernel does not tell. */
static int64_t waited_ns(int schedstat)
{
	char text[64];
	int64_t ran, waited = 0;
	ssize_t n = schedstat < 0 ? 0 : pread(schedstat, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return sscanf(text, "%" SCNd64 " %" SCNd64, &ran, &waited) == 2 ? waited : 0;
}

static void note(struct mp_hiccup *h, int64_t t_ns, int64_t dur_ns)
{
	uint64_t head = h->head; /* ours */

	if (head - __atomic_load_n(&h->tail, __ATOMIC_ACQUIRE) == ROOM) {
		__atomic_fetch_add(&h->dropped, 1, __ATOMIC_RELAXED);
		return;
	}
	h->stalls[head % ROOM] = (struct stall){t_ns, dur_ns};
	/* The reader that sees the new head sees the stall. */
	__atomic_store_n(&h->head, head + 1, __ATOMIC_RELEASE);
}

static void *watch(void *arg)
{
	struct mp_hiccup *h = arg;
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	int64_t due_ns = now_ns(), waited = waited_ns(schedstat), pause_ns = PERIOD_LEAST_NS;
	int64_t cpu_ns = time_ns(CLOCK_THREAD_CPUTIME_ID);
	int unread = 0, times = 0;

	prctl(PR_SET_TIMERSLACK, 1UL); /* or the kernel lets it sleep 50 us longer */
	while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
		due_ns += pause_ns;
		const struct timespec due = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		int64_t now = now_ns(), before = waited;
		bool is_late = now - due_ns >= MP_HICCUP_NS;
		if (is_late || ++unread == UNREAD_MOST) {
			waited = waited_ns(schedstat);
			unread = 0;
		}
		if (is_late && now - due_ns - (waited - before) >= MP_HICCUP_NS)
			note(h, due_ns, now - due_ns - (waited - before));
		if (now - due_ns >= pause_ns)
			due_ns = now; /* what was missed is not made up for */
		if (++times == JUDGED_BY) {
			int64_t cpu_before = cpu_ns;
			cpu_ns = time_ns(CLOCK_THREAD_CPUTIME_ID);
			pause_ns = period_ns(cpu_ns - cpu_before, times);
			times = 0;
		}
	}
	if (schedstat >= 0)
		close(schedstat);
	return NULL;
}

struct mp_hiccup *mp_hiccup_start(void)
{
	struct mp_hiccup *h = calloc(1, sizeof(*h));

	if (h && pthread_create(&h->thread, NULL, watch, h)) {
		free(h);
		return NULL;
	}
	return h;
}

void mp_hiccup_drain(struct mp_hiccup *h, struct mp_pipeline *p, int64_t t_ns)
{
	uint64_t head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE), tail = h->tail;
	uint64_t dropped = __atomic_load_n(&h->dropped, __ATOMIC_RELAXED);

	for (; tail != head; tail++)
		mp_pipeline_hiccup(p, h->stalls[tail % ROOM].t_ns, h->stalls[tail % ROOM].dur_ns);
	__atomic_store_n(&h->tail, tail, __ATOMIC_RELEASE);
	mp_pipeline_loss(p, t_ns, "stalls of the machine", "events", dropped - h->told_dropped);
	h->told_dropped = dropped;
}

void mp_hiccup_stop(struct mp_hiccup *h)
{
	if (!h)
		return;
	__atomic_store_n(&h->stop, true, __ATOMIC_RELAXED);
	pthread_join(h->thread, NULL);
	free(h);
}

/* SPDX-License-Identifier: MIT */
/*
 * preload_signals same|above|below: a thread that allocates while another one sends it signals as fast as it
 * can, whose handler allocates, too: on the thread's own stack, or on one of its own above or below it. Made
 * for an allocator that bears that: run it with libsafe_alloc.so preloaded.
 *
 * Truth: `mallocs` and `frees` are all calls since go, of which the handler made `in_handler`. It is
 * `signals` times 3 pairs, or 40, which is more than an allocator would call of itself. The work goes on
 * until there were 5003 signals.
 */
#include "target.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { SIGNALS = 5003, STACK_BYTES = 1 << 20 };

static volatile unsigned signals, in_handler;
static unsigned received;
static pthread_barrier_t listening;

static NOINLINE void pair(size_t size)
{
	void *p = malloc(size);

	TARGET_USE(p);
	free(p);
}

/* Not interrupted by itself: SA_NODEFER is not set. */
static void handler(int number)
{
	unsigned calls = signals % 16 ? 3 : 40;

	(void)number;
	for (unsigned i = 0; i < calls; i++)
		pair(40);
	signals++;
	in_handler += calls;
	__atomic_store_n(&received, signals, __ATOMIC_RELEASE);
}

/* The thread's stack and the handler's, one above the other. */
static void *worker_main(void *alt_stack)
{
	const stack_t alt = {.ss_sp = alt_stack, .ss_size = STACK_BYTES};
	struct sigaction action = {
	    .sa_handler = handler, .sa_flags = SA_RESTART | (alt_stack ? SA_ONSTACK : 0)};
	unsigned long calls = 0;

	if (alt_stack)
		sigaltstack(&alt, NULL);
	sigaction(SIGUSR1, &action, NULL);
	pthread_barrier_wait(&listening);
	while (signals < SIGNALS) {
		pair(24);
		calls++;
	}
	target_print("mallocs %lu\nfrees %lu\nin_handler %u\nsignals %u\n", calls + in_handler,
	    calls + in_handler, in_handler, signals);
	return NULL;
}

/* The next one only when the last was received: none is merged with another. */
static void send_signals(pthread_t to)
{
	pthread_barrier_wait(&listening);
	for (unsigned sent = 0; sent < SIGNALS; sent++) {
		while (__atomic_load_n(&received, __ATOMIC_ACQUIRE) < sent)
			;
		pthread_kill(to, SIGUSR1);
	}
}

int main(int argc, char **argv)
{
	bool is_above = argc == 2 && !strcmp(argv[1], "above"),
	     is_below = argc == 2 && !strcmp(argv[1], "below");
	pthread_attr_t attr;
	pthread_t worker;

	if (!is_above && !is_below && (argc != 2 || strcmp(argv[1], "same"))) {
		fputs("usage: preload_signals same|above|below\n", stderr);
		return 2;
	}
	char *stacks = mmap(
	    NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return 1;
	pthread_barrier_init(&listening, NULL, 2);
	target_wait_go();
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, is_below ? stacks + STACK_BYTES : stacks, STACK_BYTES);
	void *alt = is_above ? stacks + STACK_BYTES : is_below ? stacks : NULL;
	if (pthread_create(&worker, &attr, worker_main, alt))
		return 1;
	send_signals(worker);
	pthread_join(worker, NULL);
	target_done();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * left_call: leaves a call of its malloc by longjmp, as an exception or a signal handler may, and goes on.
 * Truth: after go, 1 call of malloc that never returns, then 10007 mallocs and 10007 frees from the same
 * place of the stack, and one page fault that ended in SIGSEGV before a long sleep: no fault lasts as long as
 * that.
 */
#include "target.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CALLS = 10007 };

static jmp_buf out;
static bool leave;
static unsigned char arena[1 << 16];

/* The program's own allocator, which the dynamic linker binds everybody to. */
NOINLINE void *malloc(size_t size)
{
	static size_t at;

	if (leave) {
		leave = false;
		longjmp(out, 1);
	}
	at = at + size + 64 < sizeof(arena) ? at + (size + 15) / 16 * 16 : 0;
	return arena + at;
}

NOINLINE void free(void *p)
{
	if (p)
		*(volatile unsigned char *)p = 0xdd;
}

NOINLINE static void pairs(int n)
{
	for (int i = 0; i < n; i++) {
		void *p = malloc(100);

		TARGET_USE(p);
		free(p);
	}
}

static void on_segv(int signal)
{
	(void)signal;
	siglongjmp(out, 2);
}

NOINLINE static void fault_without_end(void)
{
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, on_segv);
	if (!sigsetjmp(out, 1))
		*(volatile char *)nowhere = 1;
	nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	void *fresh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDONLY);
	if (zero < 0 || read(zero, fresh, 4096) != 4096) /* a fault of the kernel's */
		_exit(1);
	close(zero);
}

int main(void)
{
	target_wait_go();
	leave = true;
	if (!setjmp(out))
		pairs(1);
	pairs(CALLS);
	fault_without_end();
	target_done();
	return 0;
}

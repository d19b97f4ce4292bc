/* SPDX-License-Identifier: MIT */
/*
 * noalloc: a process without any allocator (static, no libc), for what a recorder says when it knows none.
 * noalloc32 is the same built for i386, a process of the wrong kind altogether.
 * Prints "ready PID", then sleeps in steps of 10 ms until stdin has a line or ends; prints "done"; exits 0.
 */

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_poll = 7, SYS_nanosleep = 35, SYS_getpid = 39, SYS_exit = 60 };
#elif defined(__i386__)
enum { SYS_exit = 1, SYS_read = 3, SYS_write = 4, SYS_getpid = 20, SYS_nanosleep = 162, SYS_poll = 168 };
#elif defined(__aarch64__)
enum { SYS_read = 63, SYS_write = 64, SYS_poll = 73, SYS_exit = 93, SYS_nanosleep = 101, SYS_getpid = 172 };
#endif

static long sys(long number, long a, long b, long c)
{
	long result;

#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
#elif defined(__i386__)
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
			 x2 __asm__("x2") = c;
	/* ppoll takes more: no signal mask */
	register long x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	result = x0;
#endif
	return result;
}

static void say_ready(void)
{
	char line[32] = "ready ";
	unsigned pid = (unsigned)sys(SYS_getpid, 0, 0, 0), digits = 1;
	unsigned at = 6;

	for (unsigned rest = pid; rest >= 10; rest /= 10)
		digits++;
	for (unsigned i = digits; i-- > 0; pid /= 10)
		line[at + i] = (char)('0' + pid % 10);
	at += digits;
	line[at++] = '\n';
	sys(SYS_write, 1, (long)line, at);
}

struct pollfd {
	int fd;
	short events, revents;
};

static int stdin_speaks(void)
{
	struct pollfd p = {.events = 1 /* POLLIN */};
#if defined(__aarch64__)
	long zero[2] = {0, 0}; /* ppoll: a timespec */

	return sys(SYS_poll, (long)&p, 1, (long)zero) != 0;
#else
	return sys(SYS_poll, (long)&p, 1, 0) != 0;
#endif
}

#if defined(__x86_64__) || defined(__i386__)
__attribute__((force_align_arg_pointer)) /* the kernel jumps here: nobody pushed a return address */
#endif
__attribute__((noreturn)) void
_start(void);

void _start(void)
{
	long nap[2] = {0, 10000000};

	say_ready();
	while (!stdin_speaks())
		sys(SYS_nanosleep, (long)nap, 0, 0);
	sys(SYS_write, 1, (long)"done\n", 5);
	for (;;)
		sys(SYS_exit, 0, 0, 0);
}

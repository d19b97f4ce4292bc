/* SPDX-License-Identifier: MIT */
#include "capture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LIBGCC
#include <link.h>
#include <unwind.h>
#else
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

static FILE *out;
static char maps_name[4096];
static unsigned char *main_top;
static __thread unsigned char *thread_top;

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

void capture_begin(const char *file, void *main_frame)
{
	out = fopen(file, "w");
	if (!out)
		fatal(file);
	snprintf(maps_name, sizeof(maps_name), "%s.maps", file);
	main_top = (unsigned char *)main_frame + 1024;
	setvbuf(out, NULL, _IOFBF, 1 << 20); /* allocated now: a capture may come from inside malloc() */
	fputc(0, out);
	rewind(out);
}

void capture_thread(void *top)
{
	thread_top = top;
}

void capture_end(void)
{
	static char buf[65536];
	size_t n;

	if (fclose(out) != 0)
		fatal("stacks");
	FILE *from = fopen("/proc/self/maps", "r"), *to = fopen(maps_name, "w");
	if (!from || !to)
		fatal(maps_name);
	while ((n = fread(buf, 1, sizeof(buf), from)) > 0)
		if (fwrite(buf, 1, n, to) != n)
			fatal(maps_name);
	fclose(from);
	if (fclose(to) != 0)
		fatal(maps_name);
}

#ifdef LIBGCC
/* libgcc as built for glibc asks it for the tables of the file that holds `pc`: a static program is one file.
 */
struct dl_find_object {
	unsigned long long flags;
	void *start, *end, *map, *eh_frame;
	unsigned long long reserved[7];
};
int _dl_find_object(void *pc, struct dl_find_object *to);

static int find_eh_frame(struct dl_phdr_info *info, size_t size, void *to)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			*(void **)to = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	return 1;
}

int _dl_find_object(void *pc, struct dl_find_object *to)
{
	(void)pc;
	memset(to, 0, sizeof(*to));
	to->end = (void *)UINTPTR_MAX;
	dl_iterate_phdr(find_eh_frame, &to->eh_frame);
	return to->eh_frame ? 0 : -1;
}

struct trace {
	void **ip;
	int n;
};

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *arg)
{
	struct trace *t = arg;

	if (t->n == CAPTURE_FRAMES)
		return _URC_END_OF_STACK;
	t->ip[t->n++] = (void *)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

static __attribute__((always_inline)) inline int backtrace_here(void **ip)
{
	struct trace t = {ip, 0};

	_Unwind_Backtrace(note, &t);
	/* libgcc ends with an address 0 where the outermost frame says that it has no caller. */
	while (t.n && !ip[t.n - 1])
		t.n--;
	return t.n;
}
#else
static __attribute__((always_inline)) inline int backtrace_here(void **ip)
{
	return unw_backtrace(ip, CAPTURE_FRAMES);
}
#endif

#ifdef __x86_64__
#define CAPTURE(c)                                                                                           \
	__asm__ volatile(                                                                                    \
	    "lea 0(%%rip), %%rax\n\tmov %%rax, 16(%0)\n\tmov %%rsp, 24(%0)\n\tmov %%rbp, 32(%0)\n\t"         \
	    "mov %%rbx, 40(%0)\n\tmov %%r12, 48(%0)\n\tmov %%r13, 56(%0)\n\tmov %%r14, 64(%0)\n\t"           \
	    "mov %%r15, 72(%0)"                                                                              \
	    :                                                                                                \
	    : "r"(c)                                                                                         \
	    : "rax", "memory")
#else
#define CAPTURE(c)                                                                                           \
	__asm__ volatile("adr x9, .\n\tmov x10, sp\n\tstp x9, x10, [%0, #16]\n\tstp x29, x19, [%0, #32]\n\t" \
			 "stp x20, x21, [%0, #48]\n\tstp x22, x23, [%0, #64]\n\tstp x24, x25, [%0, #80]\n\t" \
			 "stp x26, x27, [%0, #96]\n\tstr x28, [%0, #112]"                                    \
			 :                                                                                   \
			 : "r"(c)                                                                            \
			 : "x9", "x10", "memory")
#endif

__attribute__((noinline)) int capture(int value)
{
	static struct captured c;
	static void *ref[CAPTURE_FRAMES];
	static unsigned char copy[CAPTURE_BYTES];

	memset(&c, 0, sizeof(c));
	CAPTURE(&c);
	unsigned char *sp = (unsigned char *)(uintptr_t)c.sp, *top = thread_top ? thread_top : main_top;
	size_t n = sp < top ? (size_t)(top - sp) : 0;
	c.is_cut = n > CAPTURE_BYTES || sp >= top;
	/* On a stack of its own, as that of a signal's handler: as much as there surely is. */
	c.n_bytes = sp >= top ? 512 : n > CAPTURE_BYTES ? CAPTURE_BYTES : (uint32_t)n;
	memcpy(copy, sp, c.n_bytes);
	c.magic = CAPTURED_MAGIC;
	c.n_ref = (uint32_t)backtrace_here(ref);
	if (fwrite(&c, sizeof(c), 1, out) != 1 || fwrite(ref, sizeof(*ref), c.n_ref, out) != c.n_ref ||
	    fwrite(copy, 1, c.n_bytes, out) != c.n_bytes)
		fatal("stacks");
	return value;
}

/* ---- Every instruction ---- */

static volatile unsigned steps_every, steps_left, step_count;

#ifdef __x86_64__
#define TRAP_FLAG 0x100

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig, (void)info;
	if (!steps_left) {
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	if (++step_count % steps_every == 0) {
		capture(0);
		steps_left--;
	}
}

__attribute__((noinline)) static void set_trap_flag(int on)
{
	if (on)
		__asm__ volatile(
		    "sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::
			: "memory", "cc");
	else
		__asm__ volatile(
		    "sub $128, %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::
			: "memory", "cc");
}
#endif

void capture_steps_begin(unsigned every, unsigned most)
{
	steps_every = every;
	steps_left = most;
#ifdef __x86_64__
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &sa, NULL);
	set_trap_flag(1);
#endif
}

void capture_steps_end(void)
{
#ifdef __x86_64__
	set_trap_flag(0);
#endif
}

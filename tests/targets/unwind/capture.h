/* SPDX-License-Identifier: MIT */
#ifndef MP_TARGET_UNWIND_CAPTURE_H
#define MP_TARGET_UNWIND_CAPTURE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Stacks and what they truly are: capture() writes the registers and up to 8 KiB of the stack as a recorder
 * would copy them, and beside them the return addresses that an unwinder in this very process finds at the
 * same place (libunwind's unw_backtrace(); with LIBGCC the compiler's own, for C libraries that libunwind
 * does not serve). tests/tools/check_unwind.c compares.
 */
#define CAPTURE_BYTES  8192
#define CAPTURE_FRAMES 640

/* One in the file; then n_ref addresses, the first being that in capture() itself, then n_bytes of stack. */
struct captured {
	uint32_t magic, n_ref, n_bytes;
	uint32_t is_cut; /* the stack goes on above the copy */
	uint64_t ip, sp;
	uint64_t callee_saved[12]; /* x86-64: rbp rbx r12-r15; arm64: x29 x19-x28 */
};
#define CAPTURED_MAGIC 0x4b435453u

/* Opens FILE for the stacks; capture_end() writes /proc/self/maps to FILE.maps. `main_frame` is
 * __builtin_frame_address(0) of main(): nothing is copied from far above it. */
void capture_begin(const char *file, void *main_frame);
void capture_end(void);

/* From now on `top` ends this thread's stack. Not for main(). */
void capture_thread(void *top);

/* Notes the stack here; always returns its argument, so that no call of it is a tail call. */
int capture(int value);

/* Every instruction from here on is a place (x86-64), each `every`-th, until `most` were captured; else does
 * nothing. */
void capture_steps_begin(unsigned every, unsigned most);
void capture_steps_end(void);

#ifdef __cplusplus
}
#endif
#endif

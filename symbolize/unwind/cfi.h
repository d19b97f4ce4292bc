/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_UNWIND_CFI_H
#define MP_SYMBOLIZE_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/elf/elf.h"

/*
 * Call frame information of one file, flat: a sorted row for each stretch of code that finds its caller the
 * same way, 12 bytes each. Made from .eh_frame and .debug_frame by libdwarf in a sandboxed child
 * (symbolize/unwind/sandbox.h), for the file is hostile and libdwarf was not made for that; what comes back
 * is checked. Immutable; any thread.
 */
enum mp_cfi_rule {
	MP_CFI_NONE,      /* no code here that the file describes */
	MP_CFI_SP,        /* CFA = stack pointer + cfa_offset */
	MP_CFI_FP,        /* CFA = frame pointer + cfa_offset */
	MP_CFI_FP_DEREF,  /* CFA = *(frame pointer + cfa_offset): a frame that realigns the stack */
	MP_CFI_PLT,       /* the rule of a PLT entry: CFA = sp + 8, + 8 from byte cfa_offset of its 16 on */
	MP_CFI_SIGNAL,    /* a signal's trampoline: the kernel's frame holds all registers */
	MP_CFI_OUTERMOST, /* the return address is said to be undefined: the stack ends here */
	MP_CFI_COMPLEX,   /* what does not fit here: libunwind's business */
};

#define MP_CFI_SAME INT16_MIN /* the register is still as in the callee */

struct mp_cfi_row {
	uint32_t addr;           /* from the table's base; the row holds up to the next one's */
	uint32_t rule : 4;       /* enum mp_cfi_rule */
	int32_t cfa_offset : 28; /* bytes */
	int16_t ra, fp; /* where the return address and the caller's frame pointer are: bytes from the CFA (fp
			   of MP_CFI_FP_DEREF: from the frame pointer), or MP_CFI_SAME */
};
_Static_assert(sizeof(struct mp_cfi_row) == 12, "struct mp_cfi_row");

struct mp_cfi;

/* The table of `e`, with what `debug` (its separate debug file, or NULL) says in .debug_frame besides. Looks
 * in `cache_dir` first (a folder of this user's, which nobody else may write to; NULL: none; by build-id),
 * and leaves it there. 0, -ENOENT (it has none), -ETIMEDOUT, -EBADMSG (damaged), -ENOMEM, with the reason.
 * Takes some milliseconds for libc, a second for 100 MB of code. */
int mp_cfi_build(const struct mp_elf *e, const struct mp_elf *debug, const char *cache_dir,
    struct mp_cfi **out, struct mp_err *err);
void mp_cfi_free(struct mp_cfi *c);

/* Where this user's cache belongs; made where it is not there: $XDG_CACHE_HOME/mpsample, else
 * $HOME/.cache/mpsample, each only where the folder is this user's; for root, where it is somebody else's or
 * not told, /var/cache/mpsample. 0, or -errno: there is to be no cache. Reads the environment. */
int mp_cfi_cache_dir(char *buf, size_t size);

/* The row that holds at `vaddr`, or NULL. */
const struct mp_cfi_row *mp_cfi_find(const struct mp_cfi *c, uint64_t vaddr);

size_t mp_cfi_rows(const struct mp_cfi *c);
size_t mp_cfi_bytes(const struct mp_cfi *c);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PROBE_H
#define MP_SAMPLER_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/profile.h"
#include "sampler/target.h"
#include "sampler/uprobe/shared.h"
#include "store/err.h"

/*
 * What to probe in a target, and where. For each name of the allocation family the definition that the
 * dynamic linker binds to is probed (the first in link order, so that an interposed allocator is seen and the
 * one behind it is not counted again); besides, definitions that the linker does not see: prefixed ones
 * (je_malloc) and those private to a statically linked program.
 *
 * Besides, the markers of <mpsample.h>, by their USDT notes: a place in the code each, with no return.
 */
struct mp_probe {
	unsigned int op;      /* enum mp_op, MP_OP_CALIBRATE or MP_OP_MARKER */
	unsigned int marker;  /* enum mpsample_kind; 0: a function */
	char function[128];   /* as in the symbol table; of a marker "mpsample:" and its probe's name */
	char allocator[32];   /* name of the profile, "interposed", or "markers" */
	char module[4096];    /* path as the target sees it */
	char open_path[4200]; /* what the kernel is given: below /proc/PID, so that a replaced file or another
				 mount namespace does not matter */
	uint64_t inode;       /* with the device: the file, whatever it is called */
	unsigned int dev_major, dev_minor;
	uint64_t module_offset;     /* file offset of the probed instruction */
	unsigned int skipped_bytes; /* from the function's entry to it */
	uint64_t function_bytes;    /* its size; 0: not told */
	bool is_stepped; /* the kernel single-steps it: ten times dearer, with a floor of its own */

	/* A function of a slow path (sampler/slow_path.h): `op` is that which comes by a jump, or
	 * MP_COOKIE_NO_OP. */
	bool is_slow;
	unsigned int slow;                /* its number, by which its hits are counted */
	unsigned int size_args, ptr_args; /* masks of MP_ARG */
};

struct mp_probe_set {
	struct mp_probe *probes;
	size_t n;
	char uncovered[512]; /* what of the family is defined nowhere, and modules with allocators unknown to
				us: for people */
};

/*
 * Finds the probes of a target: functions first, then markers, each by file. -ENOENT with a text that says
 * what was looked for when there is no allocator. The set is freed with mp_probe_set_free().
 */
int mp_probe_resolve(const struct mp_target *t, const struct mp_profiles *profiles, struct mp_probe_set *out,
    struct mp_err *err);
void mp_probe_set_free(struct mp_probe_set *set);

/* Where in a function that begins at file offset `offset` the probe stands, which knows its arguments
 * already. `n` bytes of the function are at hand; `whole`: they are all of it. */
void mp_probe_place(struct mp_probe *p, const unsigned char *code, size_t n, bool whole, uint64_t offset);

/* A probe on a function of the recorder itself, for calibration. */
int mp_probe_on_self(void (*function)(void), struct mp_probe *out, struct mp_err *err);

/* The cookie that tells the BPF programs what a probe is: see MP_COOKIE_NO_OP of sampler/uprobe/shared.h. */
uint64_t mp_probe_cookie(const struct mp_probe *p, enum mp_probe_group group);

#endif

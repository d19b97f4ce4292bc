/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_UPROBE_LINK_H
#define MP_SAMPLER_UPROBE_UPROBE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of linux/bpf.h since 6.6 and 6.13; the headers of the distribution may be older than the kernel. */
#define ATTACH_UPROBE_MULTI   48
#define ATTACH_UPROBE_SESSION 57
#define UPROBE_MULTI_RETURN   1u

struct bpf_program;

/* Places in one file, and what a program is to do there. */
struct mp_uprobe_places {
	const char *path;
	const uint64_t *offsets, *cookies;
	const uint64_t *ref_ctr_offsets; /* NULL: none */
	size_t n;
};

/* One link for all of them, of one process. The descriptor that keeps it; -1 with errno. */
int mp_uprobe_link(const struct bpf_program *program, uint32_t type, uint32_t multi_flags,
    const struct mp_uprobe_places *places, pid_t pid);

#endif

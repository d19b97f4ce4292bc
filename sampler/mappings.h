/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_MAPPINGS_H
#define MP_SAMPLER_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a process has mapped, as /proc/PID/maps shows it. Paths are the target's, and hostile. */
struct mp_mapping {
	uint64_t start, end, file_offset, inode;
	unsigned int dev_major, dev_minor;
	bool is_exec, is_writable;
	char *path; /* empty for anonymous memory */
};

struct mp_mappings {
	struct mp_mapping *all; /* by address */
	size_t n;
};

/* 0 or -errno: of opening the file, or -ENOMEM. */
int mp_mappings_read(pid_t pid, struct mp_mappings *out);
void mp_mappings_free(struct mp_mappings *m);

/* The mapping that holds an address, or NULL. */
const struct mp_mapping *mp_mappings_find(const struct mp_mappings *m, uint64_t addr);

#endif

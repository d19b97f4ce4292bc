/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_TARGET_H
#define MP_SAMPLER_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sampler/mappings.h"
#include "store/err.h"

/*
 * A process to be recorded, as /proc shows it: read once when it is opened, again with mp_target_refresh().
 * Nothing here stops or changes it. All texts come from the target and are hostile. One thread.
 */
struct mp_module {
	char path[4096];      /* as the target sees it */
	char open_path[4200]; /* opens the mapped file itself: below /proc/PID */
	uint64_t inode;
	unsigned int dev_major, dev_minor;
	uint64_t base; /* load bias: run-time address minus ELF address */
	unsigned int
	    link_order; /* the dynamic linker's search order, from 0; those it does not know come last */
	bool is_loader; /* the dynamic linker itself */
	bool is_exe;
};

struct mp_target {
	pid_t pid;
	int pidfd; /* readable when the process has ended */
	char comm[32];
	char command[4096]; /* its arguments, separated by spaces */
	char exe[4096];
	uid_t uid;
	bool has_seccomp_filter;
	struct mp_mappings maps;
	struct mp_module *modules; /* files with executable mappings, in link order */
	size_t n_modules;
};

/*
 * Opens a process for recording. Errors, each in one line: no such process, a thread's id, a kernel
 * thread, a zombie, a 32-bit program, no permission.
 */
int mp_target_open(pid_t pid, struct mp_target *out, struct mp_err *err);
void mp_target_close(struct mp_target *t);

/* Reads mappings and modules again. */
int mp_target_refresh(struct mp_target *t, struct mp_err *err);

/* The module that is this file, or NULL. */
const struct mp_module *mp_target_module_of(
    const struct mp_target *t, uint64_t inode, unsigned int dev_major, unsigned int dev_minor);

/* The state of the dynamic linker's list (RT_CONSISTENT, RT_ADD, RT_DELETE of <link.h>), -ENOENT when there
 * is none. */
int mp_target_link_state(const struct mp_target *t);

/* Calls `fn` for each thread that lives now, with its name and its start on the session clock. */
int mp_target_each_thread(
    pid_t pid, void (*fn)(void *ctx, pid_t tid, const char *comm, int64_t start_ns), void *ctx);

/* Reads the target's memory; -EFAULT where there is none. */
int mp_target_read(const struct mp_target *t, uint64_t addr, void *buf, size_t n);

#endif

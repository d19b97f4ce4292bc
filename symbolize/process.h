/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_PROCESS_H
#define MP_SYMBOLIZE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * What naming needs of a process besides its mappings. All is looked up once: the process may end, and its
 * PID be given to another one.
 */
struct mp_process {
	int root_fd;  /* its root folder, O_PATH; -1: not to be had */
	uid_t uid;    /* effective, as this process sees it */
	pid_t ns_pid; /* its PID in its innermost PID namespace: the one it knows itself by; 0: not known */
};

/* For `pid` 0, this host with no process. */
void mp_process_open(pid_t pid, struct mp_process *out);
void mp_process_close(struct mp_process *p);

/* The ELF image that the kernel mapped at [start, end) as [vdso], as a file descriptor of the caller's, or
 * -errno. */
int mp_process_vdso(pid_t pid, uint64_t start, uint64_t end);

#endif

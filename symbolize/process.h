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
	pid_t pid;      /* 0: none */
	int root_fd;    /* its root folder, O_PATH; -1: not to be had */
	uid_t uid;      /* effective, as this process sees it */
	unsigned looks; /* mapped.c's: how often it has searched the mappings in vain */
	pid_t ns_pid;   /* its PID in its innermost PID namespace: the one it knows itself by; 0: not known */
};

/* For `pid` 0, this host with no process. */
void mp_process_open(pid_t pid, struct mp_process *out);
void mp_process_close(struct mp_process *p);

/* The ELF image that the kernel mapped at [start, end) as [vdso], as a file descriptor of the caller's, or
 * -errno. */
int mp_process_vdso(pid_t pid, uint64_t start, uint64_t end);

/* A loaded ELF file as the process's memory shows it, where `addr` is mapped from `file_offset` of it. */
struct mp_image {
	uint64_t header; /* address of the ELF header */
	uint64_t bias;   /* run-time address minus the file's */
	uint64_t text_start, text_end,
	    text_offset;    /* its executable segment, and where that is in the file */
	char build_id[129]; /* lower-case hex; "": none */
};

/* Reads the image whose ELF header is mapped at `header`. 0, -ENOEXEC (none there), or -errno: the process is
 * gone, or not ours to read. The memory is the target's: it says what it likes, but that costs nothing here.
 * Any thread. */
int mp_process_image(pid_t pid, uint64_t header, struct mp_image *out);

/* The same for the image that `start`, mapped from `file_offset`, belongs to: its header is looked for below,
 * where linkers put it. */
int mp_process_image_of(pid_t pid, uint64_t start, uint64_t file_offset, struct mp_image *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DOCTOR_FACTS_H
#define MP_SAMPLER_DOCTOR_FACTS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of linux/capability.h since 5.8 and 5.9. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF     39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

/*
 * What `mpsample doctor` knows before it tries anything, and the texts it is read from. The parsers are pure.
 */
#define MP_FACTS_FIX 8704 /* holds a command with a path of 2047 characters, each of them quoted */

#define MP_FACTS_LEAVE_USER_NAMESPACE "run mpsample on the host, or in a container without user namespace"

struct mp_kernel_version {
	unsigned int major, minor;
};

/* Of a release such as "6.1.0-18-amd64"; false if it does not begin with two numbers. */
bool mp_kernel_parse(const char *release, struct mp_kernel_version *out);
bool mp_kernel_at_least(struct mp_kernel_version v, unsigned int major, unsigned int minor);

/* /proc/PID/status; what a line is missing for is 0. */
struct mp_privileges {
	uint64_t effective, bounding; /* bit n: capability n of linux/capability.h */
	bool no_new_privs;
	unsigned int seccomp; /* 0: none, 1: strict, 2: filter */
};

void mp_privileges_parse(const char *status, struct mp_privileges *out);

/* May it do what `capability` allows? CAP_SYS_ADMIN stands in for those that were split off from it. */
bool mp_privileges_has(const struct mp_privileges *p, unsigned int capability);

/* May perf rings of `need_bytes` be mapped? Beyond perf's own allowance, a number of KiB for each CPU that a
 * user's rings share, they count against the limit of locked memory (kernel/events/core.c, perf_mmap()).
 * `limit_bytes` UINT64_MAX: unlimited. */
bool mp_locked_memory_suffices(
    uint64_t need_bytes, uint64_t limit_bytes, uint64_t allowance_kib, unsigned int cpus);

/* `text` as one word of a shell's command line: quoted only where it has to be. */
void mp_shell_quote(const char *text, char *out, size_t size);

struct mp_facts {
	char release[72];
	struct mp_kernel_version kernel;
	struct mp_privileges privileges;
	unsigned int cpus; /* configured */
	bool in_vm, has_proc;
	bool in_user_namespace, in_pid_namespace; /* not those that exist since boot */
	/* What grants the capabilities: a command, or the step that has to come before it. */
	char rights_fix[MP_FACTS_FIX];
};

void mp_facts_gather(struct mp_facts *out);

/* Reads a small file into `buf`, terminated, without the line end; -errno. */
int mp_facts_read(const char *path, char *buf, size_t size);

/* A file that holds one number; false if it does not. */
bool mp_facts_read_number(const char *path, long long *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PHASES_MARK_SOCKET_H
#define MP_SAMPLER_PHASES_MARK_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"

/*
 * Marks from outside: `mpsample mark PID NAME` sends a datagram to the recorder of a process, at the abstract
 * Unix address @mpsample/PID, and waits for the answer. Both ends are here. Whoever can reach the address may
 * send anything: who sent it is told by the kernel (SCM_CREDENTIALS), and only root and the recorder's own
 * user are taken; what they send is bounded and checked.
 */
#define MP_MARK_NAME_BYTES   48 /* with the NUL, as of markers */
#define MP_MARK_DETAIL_BYTES 200

struct mp_mark {
	bool is_phase;
	char name[MP_MARK_NAME_BYTES];
	char detail[MP_MARK_DETAIL_BYTES]; /* "": none */
};

/* -EINVAL: there is no name, or one of them is too long or not printable. */
int mp_mark_set(struct mp_mark *m, bool is_phase, const char *name, const char *detail, struct mp_err *err);

/* The sender: 0 when the recorder has taken it, else why not. Waits for two seconds at most. */
int mp_mark_send(pid_t pid, const struct mp_mark *m, struct mp_err *err);

/* The recorder's end. -EADDRINUSE: another one has the address. */
struct mp_mark_socket;
int mp_mark_socket_open(pid_t pid, struct mp_mark_socket **out, struct mp_err *err);
void mp_mark_socket_close(struct mp_mark_socket *s);
int mp_mark_socket_fd(const struct mp_mark_socket *s);

/*
 * Takes what has come, some dozen at most, and answers each: `take` says 0, or what stands in the way.
 * `now_ns` is of the session clock: more than MP_MARKS_PER_S within a second are refused. One thread.
 */
#define MP_MARKS_PER_S 100
void mp_mark_socket_read(struct mp_mark_socket *s, int64_t now_ns,
    int (*take)(void *ctx, const struct mp_mark *m, struct mp_err *err), void *ctx);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_COMPONENTS_SCOPES_H
#define MP_SAMPLER_COMPONENTS_SCOPES_H

#include <stdint.h>
#include <sys/types.h>

#include "store/err.h"
#include "store/session.h"

/*
 * Components that the program names itself, by the markers MPSAMPLE_COMPONENT_BEGIN and _END: their names, by
 * number, and which one a thread is in, where the plane of its calls does not know.
 *
 * The target decides how many names there are: what goes beyond is in no component of its own, and counted.
 * One thread.
 */
#define MP_SCOPES_MAX 255

struct mp_scopes;

/* The session stays the caller's. NULL without memory. */
struct mp_scopes *mp_scopes_new(struct mp_session *session);
void mp_scopes_free(struct mp_scopes *s);

/* *number: of the component of this name, of which the first 47 bytes count, from 1 on; NULL: it could not be
 * read. It is written to the session at its first. 0: there are too many. 0, or as mp_append_ functions. */
int mp_scopes_number(struct mp_scopes *s, const char *name, unsigned int *number, struct mp_err *err);

/* Each thread's in the order of time, with its calls between them. */
int mp_scopes_begin(struct mp_scopes *s, pid_t tid, const char *name, struct mp_err *err);
void mp_scopes_end(struct mp_scopes *s, pid_t tid);

/* The innermost that is open; 0: none is. */
unsigned int mp_scopes_of(struct mp_scopes *s, pid_t tid);

/* What a thread was in is over: another one has its number; or what any was in, for it is not known any more.
 */
void mp_scopes_forget(struct mp_scopes *s, pid_t tid);
void mp_scopes_forget_all(struct mp_scopes *s);

/* Since the last call. */
struct mp_scopes_counts {
	uint64_t ends;       /* that nothing had begun */
	uint64_t deep;       /* begun inside too many others, or of too many threads */
	uint64_t names_lost; /* asked for names that found no room */
};
struct mp_scopes_counts mp_scopes_take_counts(struct mp_scopes *s);

#endif

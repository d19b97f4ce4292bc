/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_COMPONENTS_H
#define MP_ANALYSIS_COMPONENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/session.h"

/*
 * Which component an allocation is of (sql/views/call_component.sql says the same in SQL, which takes a
 * hundred times as long where it is asked of a million). Read once; then any thread.
 */
struct mp_components;

/* NULL in *out where the session has neither rules nor components that the program names itself. -EIO,
 * -ENOMEM. */
int mp_components_load(struct mp_session *s, struct mp_components **out, struct mp_err *err);
void mp_components_free(struct mp_components *c);

/* Whether the program names some itself: then rows of `call` and `block` may say which one they are in. */
bool mp_components_have_scopes(const struct mp_components *c);

/* Ids are 0 to this, less one. */
size_t mp_components_room(const struct mp_components *c);

/* stack_id 0: it has no stack; scope_id 0: its thread did not say. */
int64_t mp_component_of(
    const struct mp_components *c, int64_t scope_id, int64_t stack_id, int64_t size_bytes, int64_t tid);

#endif

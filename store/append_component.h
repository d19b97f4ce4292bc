/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_COMPONENT_H
#define MP_STORE_APPEND_COMPONENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session.h"

/* What parts a program has, and which of them decides for an allocation (sql/schema.sql, component_of.sql).
 * As store/append.h: the same errors, the same thread. */

/* Forgets all of it: rules are applied again. */
int mp_clear_components(struct mp_session *s, struct mp_err *err);

/* The one of id 0 is what no rule decides. */
int mp_append_component(struct mp_session *s, int64_t component_id, const char *name, struct mp_err *err);

struct mp_component_rule_row {
	int64_t rule_id, component_id;
	uint64_t min_bytes, max_bytes;
	bool is_of_threads; /* of those that mp_append_component_thread() tells */
};
int mp_append_component_rule(
    struct mp_session *s, const struct mp_component_rule_row *row, struct mp_err *err);
int mp_append_component_thread(struct mp_session *s, int64_t rule_id, int64_t tid, struct mp_err *err);

/*
 * A component that the program names itself, by the markers of its threads: rows of `call` and `block` have
 * its number (from 1 on, used once), and belong to it whatever the rules say. mp_clear_components() leaves it
 * without a component; mp_append_scoped_components() adds what the rules do not have.
 */
int mp_append_component_scope(struct mp_session *s, int64_t scope_id, const char *name, struct mp_err *err);
int mp_append_scoped_components(struct mp_session *s, struct mp_err *err);

/* For allocations of this stack, 0 of those without one, the rule of the lowest rank that is true decides. */
int mp_append_component_stack(
    struct mp_session *s, int64_t stack_id, int64_t rank, int64_t rule_id, struct mp_err *err);

#endif

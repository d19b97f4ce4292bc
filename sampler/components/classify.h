/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_COMPONENTS_CLASSIFY_H
#define MP_SAMPLER_COMPONENTS_CLASSIFY_H

#include <stddef.h>

#include "sampler/components/rules.h"
#include "store/session.h"

/*
 * Says of each stack of a session, whose frames have been named, which rules are to be asked about its
 * allocations (tables component*, sql/schema.sql); what was said before is forgotten. The text of the rules
 * stays in the session (key `components`), so that mp_components_again() can apply them to better names. The
 * session is recorded or edited; its transaction stays open. 0, -ENOMEM, or as mp_append_ functions.
 */
int mp_components_classify(struct mp_session *s, const struct mp_component_rules *rules, struct mp_err *err);

/* The rules that the session was given, applied again; nothing where there are none. */
int mp_components_again(struct mp_session *s, struct mp_err *err);

#endif

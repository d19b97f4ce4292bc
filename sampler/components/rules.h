/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_COMPONENTS_RULES_H
#define MP_SAMPLER_COMPONENTS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * Which part of the program an allocation belongs to: rules in an INI file, each a section
 *
 *     [component order_book]
 *     function = OrderBook::* book_*     ; globs, any of them; without brackets: whatever the parameters
 *     module   = libbook.so              ; of the file's name, or with a '/' of its path
 *     file     = * /book/ *.c            ; of the source, likewise (without the blanks)
 *     size     = 64-4096                 ; bytes asked for: N, N-M, N- or -M, with K, M or G behind a number
 *     thread   = engine*                 ; by the name
 *
 *     [component order_book 2]           ; another rule for order_book: what stands behind the name is for
 * people
 *
 * All that a rule says has to be true: of one frame what it says of functions, modules and files. A stack is
 * looked at from its innermost frame outwards, and at each frame the rules in their order: the first that is
 * true decides. What no frame decides goes to the rules that say nothing of frames, in their order; what
 * these do not decide is MP_COMPONENT_OTHER's.
 *
 * Blanks separate globs: a blank in a name is written as '?'. Indented lines go on with the value above.
 * Nothing of this is thread-safe but reading what does not change.
 */
#define MP_COMPONENT_RULES_MAX  1024
#define MP_GAUGES_MAX           32
#define MP_COMPONENT_NAME_BYTES 64
#define MP_COMPONENT_OTHER      "other"

struct mp_component_rule {
	char name[MP_COMPONENT_NAME_BYTES]; /* of the component */
	char *functions, *modules, *files;  /* globs, separated by blanks; NULL: it says nothing of them */
	char *threads;
	uint64_t min_bytes, max_bytes; /* 0 and UINT64_MAX where it says nothing */
	int line;
};

/*
 * What the program counts, in a variable of its own:
 *
 *     [gauge orders]
 *     value  = u64@live_orders          ; as sampler/functions/expression.h: a type and where it is
 *     module = matching_engine          ; glob; without: the program
 */
struct mp_gauge_rule {
	char name[MP_COMPONENT_NAME_BYTES];
	char *value, *module; /* NULL: not given */
	int line;
};

struct mp_component_rules {
	struct mp_component_rule *all;
	size_t n;
	struct mp_gauge_rule *gauges;
	size_t n_gauges;
	char *file; /* for messages */
	char *text; /* that they were read from */
};

/* Of a file for people to write: -EINVAL with `FILE:LINE: what is wrong`; -ENOENT and the like; -ENOMEM. */
int mp_component_rules_read(const char *path, struct mp_component_rules *out, struct mp_err *err);

/* Of a text; `file` is for messages. */
int mp_component_rules_parse(
    const char *file, const char *text, struct mp_component_rules *out, struct mp_err *err);

void mp_component_rules_free(struct mp_component_rules *rules);

/* A function of a stack, innermost first; inlined ones are frames of their own. NULL: not known. */
struct mp_component_frame {
	const char *function, *module, *file;
};

/*
 * The rules that may decide for allocations of this stack, in the order in which they are to be asked; each
 * once. The last one says nothing of sizes and threads, or all are there: those that do have to be asked of
 * each allocation. Room for `rules->n` of them in `out`; returns how many.
 */
size_t mp_component_candidates(const struct mp_component_rules *rules,
    const struct mp_component_frame *frames, size_t n_frames, size_t *out);

/* Does it say nothing of sizes and threads? */
bool mp_component_always(const struct mp_component_rule *rule);

#endif

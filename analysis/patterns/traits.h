/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_TRAITS_H
#define MP_ANALYSIS_PATTERNS_TRAITS_H

#include "analysis/patterns/kept.h"

/*
 * What a set of kept calls has in common: thread, site, operation and size, and the cause that took most of
 * the time. Of a large set an even part of MP_TRAITS_MOST calls is looked at, which tells shares to some
 * percent.
 */
#define MP_TRAITS_MOST 1024

enum mp_trait {
	MP_TRAIT_CAUSE,
	MP_TRAIT_THREAD,
	MP_TRAIT_SITE,
	MP_TRAIT_SIZE, /* operation and size class */
	MP_TRAIT_OP,
	MP_TRAIT_COUNT
};

/* The name of one: "cause". */
const char *mp_trait_name(enum mp_trait trait);

struct mp_traits {
	size_t n;
	int64_t value[MP_TRAIT_COUNT][MP_TRAITS_MOST]; /* each sorted */
};

/* What reads causes; its texts are shared by all sets. */
struct mp_traits_reader;

/* NULL with a text: out of memory, or the file cannot be read. `calls` has to stay. */
struct mp_traits_reader *mp_traits_open(const struct mp_kept_calls *calls, struct mp_err *err);
void mp_traits_close(struct mp_traits_reader *reader);

/* The traits of some calls, by index. 0 or -EIO. */
int mp_traits_read(struct mp_traits_reader *reader, const uint32_t *index, size_t n, struct mp_traits *out,
    struct mp_err *err);

/* The most frequent value, and its share of the set. */
int64_t mp_traits_top(const struct mp_traits *set, enum mp_trait trait, double *share);

/* The value whose share in one set is most above its share in another; that difference. */
double mp_traits_excess(const struct mp_traits *in, const struct mp_traits *out, enum mp_trait trait,
    int64_t *value, double *in_share, double *out_share);

/* A value in words: "irq (local_timer cpu 1)", "me-risk (22928)", "malloc 65 to 128 B". */
void mp_traits_text(
    const struct mp_traits_reader *reader, enum mp_trait trait, int64_t value, char *out, size_t size);

#endif

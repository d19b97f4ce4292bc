/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_TEXTS_H
#define MP_ANALYSIS_PATTERNS_TEXTS_H

#include <stdint.h>

/*
 * Texts as small numbers: equal texts have the same. Of a hostile file only so many are told apart: all that
 * come later are number 0, MP_TEXTS_OTHER, and so is what there is no memory for. Single thread.
 */
struct mp_texts;

#define MP_TEXTS_OTHER 0
#define MP_TEXTS_CUT   255 /* bytes of a text; the rest is cut off */

/* Tells up to `most` texts apart, at most 2^24. NULL: out of memory. */
struct mp_texts *mp_texts_new(uint32_t most);
void mp_texts_free(struct mp_texts *texts);

uint32_t mp_texts_id(struct mp_texts *texts, const char *text);

/* "(others)" for MP_TEXTS_OTHER. Owned by `texts`. */
const char *mp_texts_text(const struct mp_texts *texts, uint32_t id);

/* One more than the highest number. */
uint32_t mp_texts_count(const struct mp_texts *texts);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_NEAREST_H
#define MP_ANALYSIS_NEAREST_H

/* How far two names are apart, to suggest the one that was meant: edit distance (Levenshtein), of at most
 * their first 32 bytes. Any thread. */
int mp_name_distance(const char *a, const char *b);

#endif

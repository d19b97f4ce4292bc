/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_EMBED_H
#define MP_STORE_EMBED_H

/*
 * Text files of the source tree that the binary carries (sql/ and sampler/profiles/), made into an array at
 * build time. Sorted by path; the last entry has a NULL path. Immutable; any thread.
 */
struct mp_embedded {
	const char *path; /* as in the tree: "sql/reports/summary.sql" */
	const char *text;
};

extern const struct mp_embedded mp_embedded_files[];

/* The text of one file, or NULL. */
const char *mp_embedded_text(const char *path);

#endif

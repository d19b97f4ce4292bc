/* SPDX-License-Identifier: MIT */
#include "store/nearest.h"

#include <stdio.h>
#include <string.h>

/* What differs in more is no slip. */
static size_t limit(const char *wanted)
{
	size_t n = strlen(wanted) / 3;

	return n < 2 ? 2 : n;
}

/* The table's rows end where they cannot come below `most` any more. */
size_t mp_name_distance(const char *a, const char *b, size_t most)
{
	size_t row[MP_NEAREST_BYTES + 1], na = strlen(a), nb = strlen(b);

	if (na >= MP_NEAREST_BYTES || nb >= MP_NEAREST_BYTES || (na > nb ? na - nb : nb - na) > most)
		return most + 1;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0], least = row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
			size_t moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = replaced < moved ? replaced : moved;
			least = row[j] < least ? row[j] : least;
		}
		if (least > most)
			return most + 1;
	}
	return row[nb];
}

static const char *last_part(const char *name)
{
	const char *last = name;

	for (const char *p = name; (p = strstr(p, "::")); p += 2)
		last = p + 2;
	return last;
}

void mp_nearest_offer(struct mp_nearest *n, const char *name)
{
	size_t most = limit(n->wanted), d = mp_name_distance(n->wanted, name, most), at = n->n;
	const char *wanted_part = last_part(n->wanted), *part = last_part(name);

	/* The right name in the wrong class, or without it, is a little less near than a slip of a letter. */
	if (d > most && (part != name || wanted_part != n->wanted)) {
		most = limit(wanted_part) / 2;
		d = mp_name_distance(wanted_part, part, most);
		if (d <= most)
			d += most = limit(n->wanted);
		else
			return;
	} else if (d > most) {
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		if (!strcmp(n->best[i].name, name))
			return;
	while (at && n->best[at - 1].distance > d)
		at--;
	if (at == MP_NEAREST_N || strlen(name) >= MP_NEAREST_BYTES)
		return;
	if (n->n < MP_NEAREST_N)
		n->n++;
	memmove(&n->best[at + 1], &n->best[at], (n->n - 1 - at) * sizeof(n->best[0]));
	strcpy(n->best[at].name, name);
	n->best[at].distance = d;
}

void mp_nearest_tell(const struct mp_nearest *n, char *out, size_t size)
{
	size_t at = 0;

	out[0] = 0;
	for (size_t i = 0; i < n->n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s%s",
		    i == 0          ? "; did you mean "
		    : i + 1 == n->n ? " or "
				    : ", ",
		    n->best[i].name, i + 1 == n->n ? "?" : "");
}

/* SPDX-License-Identifier: MIT */
#include "analysis/nearest.h"

#include <string.h>

int mp_name_distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	int row[MAX + 1];
	size_t n = strnlen(b, MAX);

	for (size_t j = 0; j <= n; j++)
		row[j] = (int)j;
	for (size_t i = 0; i < MAX && a[i]; i++) {
		int diagonal = row[0];

		row[0] = (int)i + 1;
		for (size_t j = 1; j <= n; j++) {
			int best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[n];
}

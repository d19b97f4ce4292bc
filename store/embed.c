/* SPDX-License-Identifier: MIT */
#include "store/embed.h"

#include <string.h>

const char *mp_embedded_text(const char *path)
{
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++)
		if (!strcmp(f->path, path))
			return f->text;
	return NULL;
}

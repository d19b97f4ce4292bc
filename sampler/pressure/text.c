/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t mp_text_read(int fd, char *buf, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = 0;
	return n;
}

bool mp_text_stat(const char *text, struct mp_proc_stat *out)
{
	/* The name stands in brackets, and may hold any character, brackets too. */
	const char *rest = strrchr(text, ')');

	return rest && sscanf(rest + 1,
			   " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %" SCNu64
			   " %*d %*d %*d %*d %*d %*d %" SCNu64,
			   &out->minor_faults, &out->major_faults, &out->user_ticks, &out->system_ticks,
			   &out->start_ticks) == 5;
}

/* The line that begins with `key`, behind it; NULL where there is none. */
static const char *behind(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text) {
		if (!strncmp(text, key, length) && (isblank(text[length]) || text[length] == ':'))
			return text + length + 1;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

bool mp_text_value(const char *text, const char *key, uint64_t *out)
{
	const char *at = behind(text, key);

	while (at && isblank(*at))
		at++;
	if (!at || !isdigit(*at))
		return false;
	*out = strtoull(at, NULL, 10);
	return true;
}

bool mp_text_psi(const char *text, const char *line, uint64_t *total_us)
{
	static const char total[] = " total=";
	const char *at = behind(text, line), *end = at ? strchr(at, '\n') : NULL;

	at = at ? strstr(at, total) : NULL;
	if (!at || (end && at > end) || !isdigit(at[sizeof(total) - 1]))
		return false;
	*total_us = strtoull(at + sizeof(total) - 1, NULL, 10);
	return true;
}

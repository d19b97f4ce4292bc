/* SPDX-License-Identifier: MIT */
#include "sampler/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mp_text_file_open(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int mp_text_file_read(int fd, char **out, const char **why)
{
	struct stat st;

	if (fstat(fd, &st)) {
		*why = strerror(errno);
		return errno;
	}
	if (!S_ISREG(st.st_mode)) {
		*why = "it is no regular file";
		return EINVAL;
	}
	char *text = malloc(MP_TEXT_FILE_BYTES_MAX + 1);
	size_t n = 0;
	ssize_t got = text ? 1 : -1;

	while (got > 0 && n <= MP_TEXT_FILE_BYTES_MAX) {
		got = read(fd, text + n, MP_TEXT_FILE_BYTES_MAX + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	int code = got < 0 ? errno : n > MP_TEXT_FILE_BYTES_MAX ? E2BIG : memchr(text, 0, n) ? EINVAL : 0;
	*why = code == E2BIG    ? "it is too big: more than 1 MiB"
	       : code == EINVAL ? "it is no text: it has a zero byte"
				: strerror(code);
	if (code) {
		free(text);
		return code;
	}
	text[n] = 0;
	*out = text;
	return 0;
}

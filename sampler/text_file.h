/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_TEXT_FILE_H
#define MP_SAMPLER_TEXT_FILE_H

/*
 * Files that people write: of pools, components, calendars. Regular ones, texts, of at most
 * MP_TEXT_FILE_BYTES_MAX bytes. Any thread.
 */
#define MP_TEXT_FILE_BYTES_MAX (1 << 20)

/* For reading: never waits for what is a FIFO. A descriptor (close-on-exec) or -1 with errno. */
int mp_text_file_open(const char *path);

/* All of it, to be freed, with a zero at its end. 0, or an errno, with the reason as half a sentence. */
int mp_text_file_read(int fd, char **out, const char **why);

#endif

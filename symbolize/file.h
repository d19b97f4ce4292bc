/* SPDX-License-Identifier: MIT */
#ifndef MP_SYMBOLIZE_FILE_H
#define MP_SYMBOLIZE_FILE_H

/*
 * Opening files that the target names. It may have put a FIFO, a device, a symbolic link out of its container
 * or a leased file there: only regular files are opened, for reading, and opening never blocks. All return a
 * file descriptor (close-on-exec) or -errno; -EINVAL for what is no regular file. Any thread.
 */

/* The file at `path` on the host, links followed, also those of /proc/PID/map_files. */
int mp_file_open(const char *path);

/* The file that `path` (absolute or not) means to a process whose root is the folder `root_fd`: links lead
 * nowhere out of it. Kernels before 5.6 cannot keep that promise for links to absolute paths. */
int mp_file_open_in(int root_fd, const char *path);

/* The same, but the last component must not be a symbolic link. */
int mp_file_open_in_nofollow(int root_fd, const char *path);

#endif

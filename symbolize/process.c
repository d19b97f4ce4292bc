/* SPDX-License-Identifier: MIT */
#include "symbolize/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The vdso has two pages, four on some machines. */
#define VDSO_BYTES_MAX (1u << 20)

/* All of /proc/PID/status up to the lines wanted: a kernel with 8192 CPUs prints its long masks behind them.
 */
#define STATUS_BYTES_MAX 4096

/* The value of the line that starts with `key`, or NULL. The kernel escapes newlines in the process's name.
 */
static const char *status_line(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? line + strlen(key) : NULL;
}

static void read_status(pid_t pid, struct mp_process *out)
{
	char path[64], status[STATUS_BYTES_MAX + 1];
	unsigned real, effective;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, status, STATUS_BYTES_MAX);
	close(fd);
	status[n > 0 ? n : 0] = '\0';

	const char *uid = status_line(status, "\nUid:"), *pids = status_line(status, "\nNSpid:");
	if (uid && sscanf(uid, "%u %u", &real, &effective) == 2)
		out->uid = effective;
	/* "NSpid: outermost ... innermost". Kernels without PID namespaces have no such line. */
	char *end = NULL;
	for (long v; pids && *pids && *pids != '\n'; pids = end) {
		v = strtol(pids, &end, 10);
		if (end == pids)
			break;
		out->ns_pid = (pid_t)v;
		while (*end == '\t' || *end == ' ')
			end++;
	}
}

void mp_process_open(pid_t pid, struct mp_process *out)
{
	char path[64] = "/";

	*out = (struct mp_process){.pid = pid, .ns_pid = pid};
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	out->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pid)
		read_status(pid, out);
}

void mp_process_close(struct mp_process *p)
{
	if (p->root_fd >= 0)
		close(p->root_fd);
	p->root_fd = -1;
}

/* Copies [start, start + n) of the memory behind `mem` to the empty file `out`. */
static int copy_memory(int mem, uint64_t start, uint64_t n, int out)
{
	char page[4096];

	for (uint64_t done = 0; done < n;) {
		size_t want = n - done < sizeof(page) ? n - done : sizeof(page);
		ssize_t r = pread(mem, page, want, (off_t)(start + done));

		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		if (pwrite(out, page, (size_t)r, (off_t)done) != r)
			return -EIO;
		done += (uint64_t)r;
	}
	return 0;
}

int mp_process_vdso(pid_t pid, uint64_t start, uint64_t end)
{
	char path[64];

	if (start >= end || end - start > VDSO_BYTES_MAX)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return -errno;
	int out = memfd_create("mpsample-vdso", MFD_CLOEXEC);
	int rc = out < 0 ? -errno : copy_memory(mem, start, end - start, out);
	close(mem);
	if (rc < 0 && out >= 0) {
		close(out);
		return rc;
	}
	return rc < 0 ? rc : out;
}

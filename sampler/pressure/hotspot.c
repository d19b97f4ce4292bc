/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/hotspot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sampler/pressure/hotspot_rows.h"
#include "sampler/pressure/text.h"

#define FILE_MAX    (1 << 20) /* as a JVM makes it: 32 KiB */
#define ENTRIES_MAX 4096      /* of the target's /tmp that are looked at */
#define NS_PER_S    INT64_C(1000000000)
#define PAUSE_MAX   (64 * NS_PER_S)

struct mp_hotspot {
	pid_t pid;
	int fd; /* < 0: not found (any more) */
	char *bytes;
	size_t size;
	int64_t look_ns, pause_ns; /* the next look for it, and the pause after that */
	bool looked, is_young;     /* is_young: it was not there when the recording began, and counts since */
	bool has_settings;
};

struct mp_hotspot *mp_hotspot_new(pid_t pid)
{
	struct mp_hotspot *h = calloc(1, sizeof(*h));

	if (h)
		*h = (struct mp_hotspot){.pid = pid, .fd = -1, .pause_ns = NS_PER_S};
	return h;
}

static void forget(struct mp_hotspot *h)
{
	if (h->fd >= 0)
		close(h->fd);
	free(h->bytes);
	h->fd = -1;
	h->bytes = NULL;
	h->has_settings = false;
}

void mp_hotspot_free(struct mp_hotspot *h)
{
	if (!h)
		return;
	forget(h);
	free(h);
}

/* ---- Finding it ---- */

static ssize_t read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = mp_text_read(fd, text, size);
	if (fd >= 0)
		close(fd);
	return n;
}

/* The PID that the process has in its own namespace: the last one. */
static bool own_pid(pid_t pid, char *out, size_t size)
{
	char text[8192];
	ssize_t n = read_proc(pid, "status", text, sizeof(text));
	char *line = n > 0 ? strstr(text, "\nNSpid:") : NULL, *end = line ? strchr(line + 1, '\n') : NULL;

	if (!end)
		return false;
	*end = 0;
	const char *last = strrchr(line, '\t');
	return last && (size_t)snprintf(out, size, "%s", last + 1) < size;
}

/* When the process began, in s since 1970; 0: not known. */
static time_t began(pid_t pid)
{
	char text[1024];
	struct mp_proc_stat stat;
	struct timespec real, boot;

	if (read_proc(pid, "stat", text, sizeof(text)) <= 0 || !mp_text_stat(text, &stat))
		return 0;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return real.tv_sec - boot.tv_sec + (time_t)(stat.start_ticks / (uint64_t)sysconf(_SC_CLK_TCK));
}

/*
 * A file of the process, not one that another of the same number has left behind: that was last written
 * before this one began. (The clocks' seconds are cut off, each: 2 s.)
 */
static bool is_its(int fd, time_t began_s, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX)
		return false;
	*size = (size_t)st.st_size;
	return st.st_mtime >= began_s - 2;
}

/* In each of the folders of users. No link is followed: it would lead out of the target's root. */
static int find_in(int tmp, const char *pid, time_t began_s, size_t *size)
{
	DIR *dir = fdopendir(tmp);
	int found = -1;

	for (int n = 0; dir && found < 0 && n < ENTRIES_MAX; n++) {
		const struct dirent *e = readdir(dir);
		if (!e)
			break;
		if (strncmp(e->d_name, "hsperfdata_", 11))
			continue;
		int user = openat(dirfd(dir), e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (user < 0)
			continue;
		found = openat(user, pid, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		close(user);
		if (found >= 0 && !is_its(found, began_s, size)) {
			close(found);
			found = -1;
		}
	}
	if (dir)
		closedir(dir);
	else
		close(tmp);
	return found;
}

static void look_for(struct mp_hotspot *h)
{
	char path[64], pid[32];

	snprintf(path, sizeof(path), "/proc/%d/root", h->pid);
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tmp = root < 0 ? -1 : openat(root, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root >= 0)
		close(root);
	if (tmp < 0)
		return;
	if (!own_pid(h->pid, pid, sizeof(pid))) {
		close(tmp);
		return;
	}
	h->fd = find_in(tmp, pid, began(h->pid), &h->size);
	h->bytes = h->fd < 0 ? NULL : malloc(h->size);
	if (!h->bytes)
		forget(h);
}

static void look_if_due(struct mp_hotspot *h, int64_t now_ns)
{
	if (h->looked && now_ns < h->look_ns)
		return;
	look_for(h);
	h->is_young = h->looked;
	h->looked = true;
	h->look_ns = now_ns + h->pause_ns;
	h->pause_ns = h->pause_ns * 2 < PAUSE_MAX ? h->pause_ns * 2 : PAUSE_MAX;
}

/* ---- Reading it ---- */

int mp_hotspot_step(
    struct mp_hotspot *h, struct mp_series *s, struct mp_session *session, int64_t now_ns, struct mp_err *err)
{
	struct mp_hsperf figures;

	if (h->fd < 0)
		look_if_due(h, now_ns);
	if (h->fd < 0)
		return 0;
	ssize_t n = pread(h->fd, h->bytes, h->size, 0);
	int ret = n > 0 ? mp_hsperf_parse(h->bytes, (size_t)n, &figures) : -EPROTO;
	if (ret == -EPROTO)
		forget(h);
	if (ret)
		return 0;
	mp_hotspot_tell(&figures, s, h->is_young);
	/* The JVM tells its version last of these: it is done with the rest. */
	if (h->has_settings || !figures.vm_version)
		return 0;
	h->has_settings = true;
	return mp_hotspot_settings(&figures, session, err);
}

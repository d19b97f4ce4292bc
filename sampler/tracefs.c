/* SPDX-License-Identifier: MIT */
#include "sampler/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_PREFIX "mpsample_"

/* A mount of our own that no path leads to: it ends with the descriptor. Linux 5.2. */
static int mount_privately(void)
{
	int fs = fsopen("tracefs", FSOPEN_CLOEXEC), dir = -1;

	if (fs < 0)
		return -errno;
	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		dir = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	int code = errno;
	close(fs);
	return dir < 0 ? -code : dir;
}

static int open_root(void)
{
	static const char *const usual[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	int dir = mount_privately();

	for (size_t i = 0; dir < 0 && i < sizeof(usual) / sizeof(*usual); i++) {
		int fd = open(usual[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && !faccessat(fd, "uprobe_events", F_OK, AT_EACCESS))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

/* One line to uprobe_events: each write is one command. */
static int command(const struct mp_tracefs *t, const char *line)
{
	int fd = openat(t->dir, "uprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, line, strlen(line));
	int code = errno;
	close(fd);
	return n < 0 ? -code : 0;
}

/* "p:mpsample_123/entry0 ...": is it the event of a recorder that is dead? Then which name has to go? */
static int left_by_the_dead(const char *line, char *name, size_t size)
{
	const char *group = strchr(line, ':');

	if (!group || strncmp(++group, GROUP_PREFIX, sizeof(GROUP_PREFIX) - 1))
		return 0;
	pid_t pid = atoi(group + sizeof(GROUP_PREFIX) - 1);
	if (pid <= 0 || !kill(pid, 0) || errno != ESRCH)
		return 0;
	snprintf(name, size, "-:%.*s", (int)strcspn(group, " \n"), group);
	return 1;
}

int mp_tracefs_open(struct mp_tracefs *out, struct mp_err *err)
{
	int dir = open_root();

	if (dir == -EPERM || dir == -EACCES)
		return mp_err_set(err, -dir, "tracefs cannot be mounted: not permitted; run as root");
	if (dir < 0)
		return mp_err_set(err, -dir, "this kernel has no tracefs (%s): it needs CONFIG_UPROBE_EVENTS",
		    strerror(-dir));
	if (faccessat(dir, "uprobe_events", W_OK, AT_EACCESS)) {
		int code = errno;
		close(dir);
		if (code == EACCES || code == EPERM)
			return mp_err_set(err, code, "tracefs cannot be written: not permitted; run as root");
		return mp_err_set(
		    err, ENODEV, "this kernel has no uprobe events: it needs CONFIG_UPROBE_EVENTS");
	}
	*out = (struct mp_tracefs){.dir = dir};
	snprintf(out->group, sizeof(out->group), GROUP_PREFIX "%d", getpid());
	return 0;
}

void mp_tracefs_remove_leftovers(void)
{
	char line[8192], name[128];
	struct mp_tracefs t;

	if (mp_tracefs_open(&t, NULL))
		return;
	int fd = openat(t.dir, "uprobe_events", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f && fd >= 0)
		close(fd);
	while (f && fgets(line, sizeof(line), f))
		if (left_by_the_dead(line, name, sizeof(name)))
			command(&t,
			    name); /* an event of several probes has several lines: the others find it gone */
	if (f)
		fclose(f);
	mp_tracefs_close(&t);
}

int mp_tracefs_add(struct mp_tracefs *t, char type, const char *name, const char *path, uint64_t offset,
    uint64_t tag, const char *args, struct mp_err *err)
{
	char line[8192];

	snprintf(line, sizeof(line), "%c:%s/%s %s:0x%llx tag=\\%llu:u64 %s", type, t->group, name, path,
	    (unsigned long long)offset, (unsigned long long)tag, args);
	int ret = command(t, line);
	return ret ? mp_err_set(err, -ret, "cannot make the uprobe event '%s': %s", line, strerror(-ret)) : 0;
}

int mp_tracefs_event_id(const struct mp_tracefs *t, const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "events/%s/%s/id", t->group, name);
	int fd = openat(t->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? atoi(text) : -EIO;
}

void mp_tracefs_remove(struct mp_tracefs *t, const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "-:%s/%s", t->group, name);
	command(t, line);
}

void mp_tracefs_close(struct mp_tracefs *t)
{
	if (t->dir >= 0)
		close(t->dir);
	t->dir = -1;
}

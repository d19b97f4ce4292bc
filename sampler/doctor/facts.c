/* SPDX-License-Identifier: MIT */
#include "sampler/doctor/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BIT(capability) (1ULL << (capability))

#define WANTED_CAPABILITIES "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore"

static const uint64_t wanted_capabilities = BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE) |
					    BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_CHECKPOINT_RESTORE);

bool mp_kernel_parse(const char *release, struct mp_kernel_version *out)
{
	*out = (struct mp_kernel_version){0};
	return sscanf(release, "%u.%u", &out->major, &out->minor) == 2;
}

bool mp_kernel_at_least(struct mp_kernel_version v, unsigned int major, unsigned int minor)
{
	return v.major != major ? v.major > major : v.minor >= minor;
}

/* The number behind "Name:"; 0 if there is no such line. */
static uint64_t status_number(const char *status, const char *name, int base)
{
	size_t length = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ':')
			return strtoull(line + length + 1, NULL, base);
	return 0;
}

void mp_privileges_parse(const char *status, struct mp_privileges *out)
{
	out->effective = status_number(status, "CapEff", 16);
	out->bounding = status_number(status, "CapBnd", 16);
	out->no_new_privs = status_number(status, "NoNewPrivs", 10) != 0;
	out->seccomp = (unsigned int)status_number(status, "Seccomp", 10);
}

bool mp_privileges_has(const struct mp_privileges *p, unsigned int capability)
{
	uint64_t enough = BIT(capability);

	if (capability == CAP_BPF || capability == CAP_PERFMON || capability == CAP_CHECKPOINT_RESTORE)
		enough |= BIT(CAP_SYS_ADMIN);
	return (p->effective & enough) != 0;
}

bool mp_locked_memory_suffices(
    uint64_t need_bytes, uint64_t limit_bytes, uint64_t allowance_kib, unsigned int cpus)
{
	uint64_t allowance = allowance_kib * 1024 * cpus;

	return need_bytes <= allowance || need_bytes - allowance <= limit_bytes;
}

void mp_shell_quote(const char *text, char *out, size_t size)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	size_t n = 0;

	if (*text && !text[strspn(text, plain)]) {
		snprintf(out, size, "%s", text);
		return;
	}
	/* A quote inside quotes ends them, stands alone, and begins them again: '\'' */
	n += (size_t)snprintf(out, size, "'");
	for (; *text && n + 6 < size; text++)
		n += (size_t)snprintf(out + n, size - n, *text == '\'' ? "'\\''" : "%c", *text);
	snprintf(out + n, size - n, "'");
}

int mp_facts_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf[0] = 0;
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	int code = errno;
	close(fd);
	if (n < 0)
		return -code;
	buf[n] = 0;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	return 0;
}

bool mp_facts_read_number(const char *path, long long *out)
{
	char text[64], *end;

	if (mp_facts_read(path, text, sizeof(text)))
		return false;
	*out = strtoll(text, &end, 10);
	return end != text && !*end;
}

/* The namespaces that exist since boot have fixed numbers (include/linux/proc_ns.h). */
static bool in_first_namespace(const char *kind, unsigned int first)
{
	char path[64], link[64], expected[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return true; /* a kernel without them */
	link[n] = 0;
	snprintf(expected, sizeof(expected), "%s:[%u]", kind, first);
	return !strcmp(link, expected);
}

/* x86 has a CPU flag for it; elsewhere the hypervisor is in the device tree. */
static bool in_virtual_machine(void)
{
	char *line = NULL;
	size_t size = 0;
	bool found = !access("/proc/device-tree/hypervisor", F_OK);
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && !found && getline(&line, &size, f) > 0)
		found = !strncmp(line, "flags", 5) && strstr(line, " hypervisor");
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* The path of this program, also after a new build has replaced it. */
static void self_path(char *out, size_t size)
{
	static const char deleted[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	size_t tail = sizeof(deleted) - 1;

	out[n > 0 ? n : 0] = 0;
	if (n > (ssize_t)tail && !strcmp(out + n - tail, deleted))
		out[n - (ssize_t)tail] = 0;
}

static void set_rights_fix(struct mp_facts *f)
{
	char path[2048], quoted[MP_FACTS_FIX - 256];

	if (!f->has_proc) {
		snprintf(f->rights_fix, sizeof(f->rights_fix), "mount -t proc proc /proc");
		return;
	}
	if (f->in_user_namespace) {
		snprintf(f->rights_fix, sizeof(f->rights_fix), MP_FACTS_LEAVE_USER_NAMESPACE);
		return;
	}
	if ((f->privileges.bounding & wanted_capabilities) != wanted_capabilities) {
		snprintf(f->rights_fix, sizeof(f->rights_fix),
		    "start the container with --cap-add=BPF --cap-add=PERFMON --cap-add=SYS_PTRACE "
		    "--cap-add=DAC_READ_SEARCH --cap-add=CHECKPOINT_RESTORE");
		return;
	}
	if (f->privileges.no_new_privs) {
		snprintf(f->rights_fix, sizeof(f->rights_fix),
		    "start mpsample without no_new_privs, which keeps it from gaining rights (systemd: "
		    "NoNewPrivileges=no)");
		return;
	}
	self_path(path, sizeof(path));
	mp_shell_quote(path, quoted, sizeof(quoted));
	snprintf(f->rights_fix, sizeof(f->rights_fix), "%ssetcap " WANTED_CAPABILITIES "+ep %s",
	    geteuid() ? "sudo " : "", quoted);
}

void mp_facts_gather(struct mp_facts *out)
{
	struct utsname u = {0};
	char status[8192];
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	*out = (struct mp_facts){.cpus = cpus > 0 ? (unsigned int)cpus : 1};
	uname(&u);
	snprintf(out->release, sizeof(out->release), "%s", u.release);
	mp_kernel_parse(u.release, &out->kernel);
	out->has_proc = !mp_facts_read("/proc/self/status", status, sizeof(status));
	out->in_user_namespace = !in_first_namespace("user", 0xEFFFFFFDu);
	out->in_pid_namespace = !in_first_namespace("pid", 0xEFFFFFFCu);
	mp_privileges_parse(status, &out->privileges);
	out->in_vm = in_virtual_machine();
	set_rights_fix(out);
}

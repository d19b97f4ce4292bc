/* SPDX-License-Identifier: MIT */
#include "sampler/pressure/pressure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sampler/pressure/cgroup.h"
#include "sampler/pressure/hotspot.h"
#include "sampler/pressure/series.h"
#include "sampler/pressure/text.h"

#define NS_PER_S       1000000000LL
#define FOLLOW_NS      (10 * NS_PER_S) /* a process is seldom moved to another control group */
#define FILE_BYTES_MAX 16384           /* of vmstat, the longest of them: 5 KB with Linux 6.18 */

/*
 * A file is 15 to 50 us: what tells most is read in each step, the others in turns, at the first step all.
 */
#define TURNS       4
#define EACH        TURNS
#define CGROUP_TURN 0

enum file { STATM, STATUS, STAT, PSI_MEMORY, PSI_CPU, PSI_IO, VMSTAT, FILES };

static void tell_statm(struct mp_pressure *p, const char *text);
static void tell_status(struct mp_pressure *p, const char *text);
static void tell_stat(struct mp_pressure *p, const char *text);
static void tell_psi_memory(struct mp_pressure *p, const char *text);
static void tell_psi_cpu(struct mp_pressure *p, const char *text);
static void tell_psi_io(struct mp_pressure *p, const char *text);
static void tell_vmstat(struct mp_pressure *p, const char *text);

static const struct {
	const char *path; /* below /proc, or below the process there */
	void (*tell)(struct mp_pressure *p, const char *text);
	bool is_of_process; /* else of the machine */
	unsigned int turn;  /* one of TURNS, or EACH */
} files[FILES] = {
    [STATM] = {"statm", tell_statm, true, EACH},
    [STATUS] = {"status", tell_status, true, 1},
    [STAT] = {"stat", tell_stat, true, EACH},
    [PSI_MEMORY] = {"pressure/memory", tell_psi_memory, false, EACH},
    [PSI_CPU] = {"pressure/cpu", tell_psi_cpu, false, 2},
    [PSI_IO] = {"pressure/io", tell_psi_io, false, 2},
    [VMSTAT] = {"vmstat", tell_vmstat, false, 3},
};

struct mp_pressure {
	pid_t pid;
	int fd[FILES]; /* < 0: not there (any more) */
	struct mp_series *series;
	struct mp_cgroup *cgroup;
	struct mp_hotspot *hotspot;
	int64_t follow_ns; /* the control group is looked for again */
	unsigned int steps;
	uint64_t page_bytes, tick_ns;
	char text[FILE_BYTES_MAX];
};

static void open_files(struct mp_pressure *p)
{
	char path[64];

	for (int i = 0; i < FILES; i++) {
		if (files[i].is_of_process)
			snprintf(path, sizeof(path), "/proc/%d/%s", p->pid, files[i].path);
		else
			snprintf(path, sizeof(path), "/proc/%s", files[i].path);
		p->fd[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
}

struct mp_pressure *mp_pressure_new(pid_t pid)
{
	struct mp_pressure *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pid = pid;
	p->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	p->tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	open_files(p);
	p->series = mp_series_new();
	p->cgroup = mp_cgroup_new();
	p->hotspot = mp_hotspot_new(pid);
	if (p->series && p->cgroup && p->hotspot)
		return p;
	mp_pressure_free(p);
	return NULL;
}

void mp_pressure_free(struct mp_pressure *p)
{
	if (!p)
		return;
	for (int i = 0; i < FILES; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	mp_series_free(p->series);
	mp_cgroup_free(p->cgroup);
	mp_hotspot_free(p->hotspot);
	free(p);
}

/* ---- The process ---- */

/* Of a process that has ended, but is still listed, all is 0: that is not told. */
static void tell_statm(struct mp_pressure *p, const char *text)
{
	uint64_t size, resident;

	if (sscanf(text, "%" SCNu64 " %" SCNu64, &size, &resident) == 2 && size)
		mp_series_now(p->series, "rss_bytes", (double)(resident * p->page_bytes));
}

static void tell_status(struct mp_pressure *p, const char *text)
{
	uint64_t kib;

	if (mp_text_value(text, "VmSwap", &kib))
		mp_series_now(p->series, "swap_bytes", (double)kib * 1024);
}

static void tell_stat(struct mp_pressure *p, const char *text)
{
	struct mp_proc_stat s;

	if (!mp_text_stat(text, &s))
		return;
	mp_series_since(p->series, "minor_faults", (double)s.minor_faults, false);
	mp_series_since(p->series, "major_faults", (double)s.major_faults, false);
	mp_series_since(p->series, "cpu_user_ns", (double)s.user_ticks * (double)p->tick_ns, false);
	mp_series_since(p->series, "cpu_system_ns", (double)s.system_ticks * (double)p->tick_ns, false);
}

/* ---- The machine ---- */

static void tell_psi(struct mp_pressure *p, const char *text, const char *line, const char *name)
{
	uint64_t us;

	if (mp_text_psi(text, line, &us))
		mp_series_since(p->series, name, (double)us * 1000, false);
}

static void tell_psi_memory(struct mp_pressure *p, const char *text)
{
	tell_psi(p, text, "some", "psi_memory_some_ns");
	tell_psi(p, text, "full", "psi_memory_full_ns");
}

/* Of CPUs `full` has no meaning for the machine as a whole. */
static void tell_psi_cpu(struct mp_pressure *p, const char *text)
{
	tell_psi(p, text, "some", "psi_cpu_some_ns");
}

static void tell_psi_io(struct mp_pressure *p, const char *text)
{
	tell_psi(p, text, "some", "psi_io_some_ns");
	tell_psi(p, text, "full", "psi_io_full_ns");
}

static void tell_vmstat(struct mp_pressure *p, const char *text)
{
	/* What is told, and the lines that it is the sum of. */
	static const struct {
		const char *name, *line[2];
	} sums[] = {
	    {"machine_direct_scan_pages", {"pgscan_direct"}},
	    {"machine_kswapd_steal_pages", {"pgsteal_kswapd"}},
	    {"machine_swap_in_pages", {"pswpin"}},
	    {"machine_swap_out_pages", {"pswpout"}},
	    {"machine_refault_pages", {"workingset_refault_anon", "workingset_refault_file"}},
	};

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		uint64_t total = 0, n;
		bool is_told = false;

		for (int k = 0; k < 2; k++)
			if (sums[i].line[k] && mp_text_value(text, sums[i].line[k], &n)) {
				total += n;
				is_told = true;
			}
		if (is_told)
			mp_series_since(p->series, sums[i].name, (double)total, false);
	}
}

/* ---- A step ---- */

static bool is_due(const struct mp_pressure *p, unsigned int turn)
{
	return !p->steps || turn == EACH || turn == p->steps % TURNS;
}

static void tell_files(struct mp_pressure *p)
{
	for (int i = 0; i < FILES; i++) {
		if (p->fd[i] < 0 || !is_due(p, files[i].turn))
			continue;
		if (mp_text_read(p->fd[i], p->text, sizeof(p->text)) > 0) {
			files[i].tell(p, p->text);
			continue;
		}
		close(p->fd[i]);
		p->fd[i] = -1;
	}
}

static void tell_cgroup(struct mp_pressure *p, int64_t now_ns)
{
	if (now_ns >= p->follow_ns) {
		p->follow_ns = now_ns + FOLLOW_NS;
		if (mp_cgroup_follow(p->cgroup, p->pid))
			mp_series_new_source(p->series, "cgroup_");
	}
	mp_cgroup_tell(p->cgroup, p->series, is_due(p, CGROUP_TURN));
}

int mp_pressure_step(struct mp_pressure *p, struct mp_session *session, int64_t now_ns, struct mp_err *err)
{
	mp_series_begin(p->series, session, now_ns);
	tell_files(p);
	tell_cgroup(p, now_ns);
	int ret = mp_hotspot_step(p->hotspot, p->series, session, now_ns, err);
	p->steps++;
	return ret ? ret : mp_series_end(p->series, err);
}

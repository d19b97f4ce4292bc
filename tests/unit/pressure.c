/* SPDX-License-Identifier: MIT */
/* Pressure: figures out of the kernel's files, where a control group is, and what of it becomes a row. */
#include "sampler/pressure/pressure.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler/pressure/cgroup.h"
#include "sampler/pressure/series.h"
#include "sampler/pressure/text.h"

#define SECOND INT64_C(1000000000)

static char dir[] = "/tmp/mp-pressure-XXXXXX";
static char path[128];
static struct mp_err err;
static struct mp_session *session;
static struct mp_series *s;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	s = mp_series_new();
}

static void teardown(void)
{
	char command[128];

	mp_series_free(s);
	cr_assert_eq(mp_session_close(session, &err), 0, "%s", err.text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(pressure, .init = setup, .fini = teardown, .timeout = 60);

static long long here(const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(session), sql, -1, &st, NULL), SQLITE_OK, "%s", sql);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	long long value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

/* ---- Texts ---- */

Test(pressure, stat_of_a_process_with_any_name)
{
	struct mp_proc_stat st;

	cr_assert(
	    mp_text_stat("77 (a) R 1 (b)) S 1 2 3 4 -1 4194304 101 102 103 104 105 106 107 108 20 0 1 0 999 "
			 "1 2 3\n",
		&st));
	cr_assert_eq(st.minor_faults, 101);
	cr_assert_eq(st.major_faults, 103);
	cr_assert_eq(st.user_ticks, 105);
	cr_assert_eq(st.system_ticks, 106);
	cr_assert_eq(st.start_ticks, 999);
	cr_assert_not(mp_text_stat("77 (a) R 1 2", &st));
	cr_assert_not(mp_text_stat("", &st));
}

Test(pressure, values_by_whole_names_at_the_beginning_of_lines)
{
	static const char text[] = "low 1\nhigh 22\nhigher 3\nVmSwap:\t     640 kB\nword x\nlast";
	uint64_t v = 0;

	cr_assert(mp_text_value(text, "high", &v) && v == 22);
	cr_assert(mp_text_value(text, "low", &v) && v == 1);
	cr_assert(mp_text_value(text, "VmSwap", &v) && v == 640);
	cr_assert_not(mp_text_value(text, "igh", &v));
	cr_assert_not(mp_text_value(text, "word", &v));
	cr_assert_not(mp_text_value(text, "last", &v));
	cr_assert_not(mp_text_value("", "low", &v));
}

Test(pressure, psi_of_the_line_that_is_meant)
{
	static const char text[] = "some avg10=0.00 avg60=0.08 avg300=0.02 total=1234\n"
				   "full avg10=0.00 avg60=0.00 avg300=0.00 total=567\n";
	uint64_t us = 0;

	cr_assert(mp_text_psi(text, "some", &us) && us == 1234);
	cr_assert(mp_text_psi(text, "full", &us) && us == 567);
	cr_assert_not(mp_text_psi("some avg10=0.00\nfull avg10=0 total=5\n", "some", &us));
	cr_assert_not(mp_text_psi(text, "none", &us));
}

Test(pressure, a_file_that_cannot_be_read_is_empty)
{
	char text[8] = "before";

	cr_assert(mp_text_read(-1, text, sizeof(text)) < 0);
	cr_assert_str_empty(text);
}

/* ---- Control groups ---- */

static const char hybrid[] =
    "24 23 0:1 / /proc rw - proc proc rw\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,memory2\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
static const char unified[] =
    "41 31 0:38 / /sys/fs/cgroup rw,nosuid shared:4 master:2 - cgroup2 cgroup2 rw\n";

Test(pressure, where_a_control_group_is)
{
	static const struct {
		const char *cgroups, *mounts;
		int version; /* 0: nowhere */
		const char *path;
	} cases[] = {
	    {"0::/system.slice/me.service\n", unified, 2, "/sys/fs/cgroup/system.slice/me.service"},
	    {"0::/\n", unified, 2, "/sys/fs/cgroup"},
	    {"9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/c\n", hybrid, 1, "/sys/fs/cgroup/memory/a/b"},
	    {"9:name=memory:/x\n0::/c\n", hybrid, 2, "/sys/fs/cgroup/unified/c"},
	    /* Of a container, what is mounted begins below the root. */
	    {"0::/pod/c1/app\n", "1 2 0:3 /pod/c1 /sys/fs/cgroup ro - cgroup2 none rw\n", 2,
		"/sys/fs/cgroup/app"},
	    {"0::/pod/c1\n", "1 2 0:3 /pod/c1 /sys/fs/cgroup ro - cgroup2 none rw\n", 2, "/sys/fs/cgroup"},
	    {"0::/pod/c12\n", "1 2 0:3 /pod/c1 /sys/fs/cgroup ro - cgroup2 none rw\n", 0, NULL},
	    {"0::/a\n", "1 2 0:3 / /mnt/c\\040d\\134e rw - cgroup2 none rw\n", 2, "/mnt/c d\\e/a"},
	    /* Outside of the namespace of control groups that this is. */
	    {"0::/../other\n", unified, 0, NULL},
	    {"0::/a/..\n", unified, 0, NULL},
	    {"0::/a..b\n", unified, 2, "/sys/fs/cgroup/a..b"},
	    {"0::/a\n", "24 23 0:1 / /proc rw - proc proc rw\n", 0, NULL},
	    {"", unified, 0, NULL},
	    {"0::/a\n", "", 0, NULL},
	    {"0:", unified, 0, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mp_cgroup_place place = {0};
		int ret = mp_cgroup_place(cases[i].cgroups, cases[i].mounts, &place);

		cr_assert_eq(ret, cases[i].version ? 0 : -ENOENT, "case %zu: %d", i, ret);
		if (ret)
			continue;
		cr_assert_eq(place.version, cases[i].version, "case %zu", i);
		cr_assert_str_eq(place.path, cases[i].path, "case %zu: %s", i, place.path);
	}
}

static void put(const char *file, const char *text)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", dir, file);
	FILE *f = fopen(name, "w");
	cr_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static void look(struct mp_cgroup *c, int64_t t_s)
{
	mp_series_begin(s, session, t_s * SECOND);
	mp_cgroup_tell(c, s, true);
	cr_assert_eq(mp_series_end(s, &err), 0, "%s", err.text);
}

/* What version 2 says, in files of a folder. */
Test(pressure, a_control_group_of_version_2)
{
	struct mp_cgroup *c = mp_cgroup_new();
	struct mp_cgroup_place place = {.version = 2};

	snprintf(place.path, sizeof(place.path), "%s", dir);
	put("memory.current", "1048576\n");
	put("memory.high", "max\n");
	put("memory.max", "4194304\n");
	put("memory.events", "low 0\nhigh 100\nmax 10\noom 1\noom_kill 5\n");
	put("memory.pressure",
	    "some avg10=0 avg60=0 avg300=0 total=50\nfull avg10=0 avg60=0 avg300=0 total=20\n");
	mp_cgroup_open(c, &place);
	look(c, 1);
	put("memory.current", "2097152\n");
	put("memory.high", "3145728\n");
	put("memory.events", "low 0\nhigh 107\nmax 13\noom 2\noom_kill 5\n");
	put("memory.pressure",
	    "some avg10=0 avg60=0 avg300=0 total=81\nfull avg10=0 avg60=0 avg300=0 total=22\n");
	look(c, 2);
	put("memory.high", "max\n");
	look(c, 3);
	cr_assert_eq(
	    here("SELECT value FROM pressure WHERE name = 'cgroup_memory_bytes' AND t_ns = 2000000000"),
	    2097152);
	cr_assert_eq(
	    here("SELECT count(*) FROM pressure WHERE name = 'cgroup_max_bytes' AND value = 4194304"), 1);
	cr_assert_eq(
	    here("SELECT count(*) FROM pressure WHERE name = 'cgroup_max_bytes'"), 1, "it did not change");
	cr_assert_eq(here("SELECT min(t_ns) FROM pressure WHERE name = 'cgroup_high_bytes'"), 2 * SECOND);
	cr_assert_eq(
	    here("SELECT value FROM pressure WHERE name = 'cgroup_high_bytes' AND t_ns = 3000000000"), -1);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'cgroup_high_events'"), 7);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'cgroup_max_events'"), 3);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'cgroup_oom_events'"), 1);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'cgroup_psi_memory_some_ns'"), 31000);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'cgroup_psi_memory_full_ns'"), 2000);
	mp_cgroup_free(c);
}

/* ---- What becomes a row ---- */

static void tell(int64_t t_s, double now, double count)
{
	mp_series_begin(s, session, t_s * SECOND);
	mp_series_now(s, "now", now);
	mp_series_since(s, "since", count, false);
	mp_series_since(s, "all", count, true);
	cr_assert_eq(mp_series_end(s, &err), 0, "%s", err.text);
}

Test(pressure, a_value_is_written_when_it_changes_and_each_ten_seconds)
{
	for (int t = 0; t <= 25; t++)
		tell(t, t < 13 ? 5 : 6, 100 + (t >= 20));
	cr_assert_eq(
	    here("SELECT group_concat(t_ns / 1000000000, '') = '0101323' FROM pressure WHERE name = 'now'"),
	    1);
	cr_assert_eq(here("SELECT group_concat((t_ns / 1000000000) || ':' || CAST(value AS INTEGER), ' ')"
			  " = '0:0 10:0 20:1' FROM pressure WHERE name = 'since'"),
	    1);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'all'"), 101);
}

Test(pressure, a_counter_never_runs_backwards)
{
	tell(1, 0, 100);
	tell(2, 0, 150);
	tell(3, 0, 3); /* another one, from its beginning */
	tell(4, 0, 13);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'since'"), 60);
	mp_series_new_source(s, "si");
	tell(5, 0, 5000);
	tell(6, 0, 5001);
	cr_assert_eq(here("SELECT max(value) FROM pressure WHERE name = 'since'"), 61);
	cr_assert_eq(
	    here("SELECT count(*) FROM pressure AS a JOIN pressure AS b USING (name) WHERE a.t_ns < b.t_ns"
		 " AND a.value > b.value"),
	    0);
}

Test(pressure, too_much_is_not_told)
{
	char name[2 * MP_SERIES_NAME];

	mp_series_begin(s, session, SECOND);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	mp_series_now(s, name, 1);
	for (int i = 0; i < 2 * MP_SERIES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		mp_series_now(s, name, i);
	}
	cr_assert_eq(mp_series_end(s, &err), 0);
	cr_assert_eq(here("SELECT count(*) FROM pressure"), MP_SERIES_MAX);
}

/* ---- This process ---- */

#define BYTES (64UL << 20)

Test(pressure, what_this_process_touches_is_counted)
{
	struct mp_pressure *p = mp_pressure_new(getpid());
	long page = sysconf(_SC_PAGESIZE);

	cr_assert_eq(mp_pressure_step(p, session, SECOND, &err), 0, "%s", err.text);
	char *map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(map, MAP_FAILED);
	cr_assert_eq(madvise(map, BYTES, MADV_NOHUGEPAGE), 0);
	for (size_t i = 0; i < BYTES; i += (size_t)page)
		map[i] = 1;
	cr_assert_eq(mp_pressure_step(p, session, 2 * SECOND, &err), 0, "%s", err.text);
	munmap(map, BYTES);
	mp_pressure_free(p);
	/* Besides, this process takes some pages for itself; and the kernel counts what is resident by
	 * batches of each CPU. */
	long long grown = here("SELECT max(value) - min(value) FROM pressure WHERE name = 'rss_bytes'");
	cr_assert(
	    grown >= (long long)BYTES - (4 << 20) && grown <= (long long)BYTES + (4 << 20), "%lld", grown);
	long long faults = here("SELECT max(value) FROM pressure WHERE name = 'minor_faults'");
	/* With AddressSanitizer, which keeps notes of each 8 bytes, an eighth more. */
	cr_assert(faults >= (long long)BYTES / page && faults < (long long)BYTES / page * 9 / 8 + 1000,
	    "%lld", faults);
	cr_assert_eq(
	    here("SELECT count(DISTINCT name) FROM pressure WHERE name IN ('cpu_user_ns', 'cpu_system_ns',"
		 " 'major_faults', 'swap_bytes', 'machine_direct_scan_pages', 'machine_swap_in_pages')"),
	    6);
}

Test(pressure, of_a_process_that_is_gone_nothing_is_told)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	siginfo_t info;
	waitid(P_PID, (id_t)child, &info, WEXITED);
	struct mp_pressure *p = mp_pressure_new(child);
	cr_assert_eq(mp_pressure_step(p, session, SECOND, &err), 0, "%s", err.text);
	mp_pressure_free(p);
	cr_assert_eq(
	    here("SELECT count(*) FROM pressure WHERE name IN ('rss_bytes', 'minor_faults', 'swap_bytes')"),
	    0);
}

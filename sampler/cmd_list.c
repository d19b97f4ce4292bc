/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_list.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/doctor/pmu.h"
#include "sampler/doctor/rows.h"
#include "sampler/gc/profile.h"
#include "sampler/perf/event.h"
#include "sampler/phases/calendar.h"
#include "sampler/pools/profile.h"
#include "sampler/profile.h"
#include "sampler/uprobe/shared.h"
#include "store/embed.h"
#include "store/emit.h"

static const char usage[] =
    "usage: mpsample list events|profiles|reports [--format table|json|csv]\n"
    "       mpsample list phases CALENDAR [--from DATE] [--to DATE] [--format table|json|csv]\n"
    "\n"
    "  events     what a recording holds besides the calls, and what -e can ask for\n"
    "  profiles   the allocators, pools and garbage collectors that are known, and how they are recognised;\n"
    "             the trading calendars that record --phases knows\n"
    "  phases     when the phases of a calendar are: a built-in one, or a file (README: Phases)\n"
    "  reports    what can be asked of a recording with mpsample report\n"
    "\n"
    "  --format table|json|csv\n"
    "  --from DATE   of phases: the first day (default today), as 2026-03-08\n"
    "  --to DATE     likewise the last one (default: six days later)\n"
    "  -h, --help\n";

/* The names of v_kernel_event.kind. */
static const struct {
	const char *name, *about;
} kernel_events[MP_KERNEL_KINDS] = {
    [MP_KERNEL_MINOR_FAULT] = {"minor_fault",
	"a page had to be mapped, no I/O: with address, code and duration"},
    [MP_KERNEL_MAJOR_FAULT] = {"major_fault",
	"a page had to be read from a disk: with address, code and duration"},
    [MP_KERNEL_THP] = {"thp", "a page fault was given a huge page: with address, code and duration"},
    [MP_KERNEL_SYSCALL] = {"syscall",
	"a system call: with duration; as a row syscall:<name>, where it is long"},
    [MP_KERNEL_LOCK] = {"lock", "a thread waited in futex(2) for another one: likewise"},
    [MP_KERNEL_OFF_CPU] = {"off_cpu", "a thread was not running, waiting or preempted: with duration"},
    [MP_KERNEL_STOPPED] = {"stopped", "a thread was stopped by a signal, a debugger or the cgroup freezer"},
    [MP_KERNEL_MIGRATION] = {"migration", "a thread went on running on another CPU"},
    [MP_KERNEL_IRQ] = {"irq", "an interrupt came while a thread ran: with duration, where it is long"},
    [MP_KERNEL_SOFTIRQ] = {"softirq", "what interrupts leave behind was done while a thread ran: likewise"},
    [MP_KERNEL_MMAP_LOCK] = {"mmap_lock", "a thread waited for the lock of its address space: likewise"},
};

struct asked {
	const char *calendar, *from, *to; /* NULL: not told */
};

static int add_event(struct sqlite3 *db, const char *name, const char *type, const char *recorded,
    const char *about, struct mp_err *err)
{
	return mp_rows_run(db, err, "INSERT INTO event VALUES (%Q, %Q, %Q, %Q)", name, type, recorded, about);
}

struct adding {
	struct sqlite3 *db;
	struct mp_err *err;
};

static int add_hardware(void *ctx, const char *name, const char *about)
{
	const struct adding *a = ctx;

	return add_event(a->db, name, "hardware", "with -e", about, a->err);
}

static int add_perf_events(struct sqlite3 *db, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; mp_event_alias(i) && !ret; i++)
		ret =
		    add_event(db, mp_event_alias(i)->name, "alias", "with -e", mp_event_alias(i)->about, err);
	for (size_t i = 0; mp_event_perf_name(i) && !ret; i++)
		ret = add_event(
		    db, mp_event_perf_name(i)->name, "generic", "with -e", mp_event_perf_name(i)->about, err);
	if (!ret)
		ret = add_event(
		    db, "rNNN", "raw", "with -e", "an event of the CPU by its hexadecimal number", err);
	if (!ret)
		ret = add_event(db, "mem:ADDRESS[/LENGTH][:rwx]", "breakpoint", "with -e",
		    "every access to an address", err);
	return ret;
}

static int list_events(const struct asked *asked, struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	struct adding adding = {db, err};
	struct mp_pmu_known known;
	(void)asked;
	int ret =
	    mp_rows_run(db, err, "CREATE TABLE event(event TEXT, type TEXT, recorded TEXT, about TEXT)");

	for (int k = 0; k < MP_KERNEL_KINDS && !ret; k++)
		ret = add_event(db, kernel_events[k].name, "software", "yes", kernel_events[k].about, err);
	if (!ret)
		ret = add_perf_events(db, err);
	if (!ret)
		ret = mp_pmu_each_event(add_hardware, &adding);
	if (!ret)
		ret = mp_rows_emit(e, db, "rows", NULL, "SELECT * FROM event", err);

	mp_pmu_known(&known);
	if (!ret)
		ret = mp_rows_run(db, err, "CREATE TABLE hardware AS SELECT %d AS known, %Q AS pmus",
		    known.events, known.names);
	if (!ret)
		ret = mp_rows_emit_object(e, db, "hardware", "SELECT * FROM hardware", err);
	mp_emit_note(e, "%s", "");
	mp_emit_note(e,
	    "hardware: what libpfm4 knows of this CPU by its model (%s), %d events; what is really",
	    known.names, known.events);
	mp_emit_note(e, "counted here, and what the aliases come to, is told by mpsample doctor");
	return ret;
}

static int list_pool_profiles(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	int ret = mp_rows_run(db, err,
	    "CREATE TABLE pool_profile(name TEXT, about TEXT, modules TEXT, versions TEXT, known TEXT)");

	for (size_t i = 0; !ret; i++) {
		struct mp_pool_profile p;
		ret = mp_pool_profile_load(i, &p, err);
		if (ret == -ENOENT)
			break;
		if (!ret)
			ret = mp_rows_run(db, err,
			    "INSERT INTO pool_profile VALUES (%Q, %Q, %Q, nullif(%Q, ''), nullif(%Q, ''))",
			    p.name, p.about, p.modules, p.versions, p.known);
		mp_pool_profile_free(&p);
	}
	return ret && ret != -ENOENT
		   ? ret
		   : mp_rows_emit(e, db, "pools", "pools",
			 "SELECT name, about, modules, versions, known FROM pool_profile ORDER BY name", err);
}

static int list_gc_profiles(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	int ret = mp_rows_run(db, err,
	    "CREATE TABLE gc_profile(name TEXT, about TEXT, modules TEXT, symbols TEXT, variants TEXT, known "
	    "TEXT)");

	for (size_t i = 0; !ret; i++) {
		struct mp_gc_profile p;
		ret = mp_gc_profile_load(i, &p, err);
		if (ret == -ENOENT)
			break;
		if (!ret)
			ret = mp_rows_run(db, err, "INSERT INTO gc_profile VALUES (%Q, %Q, %Q, %Q, NULL, %Q)",
			    p.name, p.about, p.modules, p.symbols, p.known);
		for (size_t k = 0; !ret && k < p.n_variants; k++)
			ret = mp_rows_run(db, err,
			    "UPDATE gc_profile SET variants = coalesce(variants || ', ', '') || %Q WHERE "
			    "name = %Q",
			    p.variants[k].name, p.name);
		mp_gc_profile_free(&p);
	}
	return ret && ret != -ENOENT ? ret
				     : mp_rows_emit(e, db, "runtimes", "garbage collectors",
					   "SELECT name, about, modules, symbols, variants, known FROM "
					   "gc_profile ORDER BY name",
					   err);
}

static int list_calendars(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	const char *name;
	int ret = mp_rows_run(
	    db, err, "CREATE TABLE calendar(name TEXT, about TEXT, zone TEXT, phases TEXT, known TEXT)");

	for (size_t i = 0; !ret && (name = mp_phase_calendar_builtin(i)); i++) {
		struct mp_phase_calendar *c;
		struct mp_phase_calendar_about about;
		char from[40] = "", to[40] = "";

		if (mp_phase_calendar_load(name, &c, err)) { /* no time zones here */
			ret = mp_rows_run(
			    db, err, "INSERT INTO calendar (name, about) VALUES (%Q, %Q)", name, err->text);
			continue;
		}
		mp_phase_calendar_describe(c, &about);
		mp_phase_calendar_format(c, about.covers_from_ns, from, sizeof(from));
		mp_phase_calendar_format(c, about.covers_to_ns - 1, to, sizeof(to));
		ret = mp_rows_run(db, err, "INSERT INTO calendar VALUES (%Q, %Q, %Q, %Q, '%.10s to %.10s')",
		    name, about.about, about.zone, about.phases, from, to);
		mp_phase_calendar_free(c);
	}
	return ret ? ret
		   : mp_rows_emit(e, db, "calendars", "trading calendars",
			 "SELECT name, about, zone, phases, known FROM calendar ORDER BY name", err);
}

static int list_profiles(const struct asked *asked, struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	struct mp_profiles p;
	int ret = mp_profiles_load(&p, err);
	(void)asked;

	if (ret)
		return ret;
	ret = mp_rows_run(db, err,
	    "CREATE TABLE profile(name TEXT, covered TEXT, about TEXT, modules TEXT, symbols TEXT, prefixes "
	    "TEXT)");
	for (size_t i = 0; i < p.n_allocators && !ret; i++) {
		const struct mp_allocator *a = &p.allocators[i];

		ret = mp_rows_run(db, err, "INSERT INTO profile VALUES (%Q, %Q, %Q, %Q, %Q, %Q)", a->name,
		    a->uncovered ? "no" : "yes", a->about, a->modules, a->symbols, a->prefixes);
	}
	mp_profiles_free(&p);
	if (!ret)
		ret = mp_rows_emit(
		    e, db, "rows", NULL, "SELECT * FROM profile ORDER BY covered DESC, name", err);
	mp_emit_note(e, "%s", "");
	mp_emit_note(e, "recognised by the file name of a module, or by a symbol that it defines; whatever "
			"defines malloc");
	mp_emit_note(e, "and is none of these is probed as 'interposed'; not covered: recognised, so that a "
			"recording says so");
	if (!ret)
		ret = list_pool_profiles(e, db, err);
	if (!ret)
		ret = list_gc_profiles(e, db, err);
	return ret ? ret : list_calendars(e, db, err);
}

/* ---- Phases ---- */

#define DAY_NS         86400000000000LL
#define DAYS_OF_A_WEEK 7

static int64_t today_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Whole days of the calendar's zone. Of a day's last instants only the date counts. */
static int find_days(const struct mp_phase_calendar *c, const struct asked *asked, int64_t *from_ns,
    int64_t *to_ns, struct mp_err *err)
{
	char date[40];

	mp_phase_calendar_format(c, today_ns(), date, sizeof(date));
	date[10] = 0;
	int ret = mp_phase_calendar_date(c, "--from", asked->from ? asked->from : date, from_ns, err);
	if (!ret && asked->to)
		ret = mp_phase_calendar_date(c, "--to", asked->to, to_ns, err);
	if (ret)
		return ret;
	/* Into the next day, however long this one is, and back to its begin. */
	int64_t within = (asked->to ? *to_ns : *from_ns + (DAYS_OF_A_WEEK - 1) * DAY_NS) + DAY_NS * 3 / 2;
	mp_phase_calendar_format(c, within, date, sizeof(date));
	date[10] = 0;
	ret = mp_phase_calendar_date(c, "--to", date, to_ns, err);
	if (!ret && *to_ns <= *from_ns)
		ret = mp_err_set(err, EINVAL, "--to %s is before --from", asked->to ? asked->to : "");
	return ret;
}

static int add_windows(const struct mp_phase_calendar *c, const struct mp_phase_window *w, size_t n,
    struct sqlite3 *db, struct mp_err *err)
{
	char from[40], to[40];
	int ret = mp_rows_run(db, err,
	    "CREATE TABLE phase(phase TEXT, start TEXT, \"end\" TEXT, start_real_ns INTEGER, "
	    "end_real_ns INTEGER); BEGIN");

	for (size_t i = 0; i < n && !ret; i++) {
		mp_phase_calendar_format(c, w[i].start_ns, from, sizeof(from));
		mp_phase_calendar_format(c, w[i].end_ns, to, sizeof(to));
		ret = mp_rows_run(db, err, "INSERT INTO phase VALUES (%Q, %Q, %Q, %lld, %lld)", w[i].phase,
		    from, to, (long long)w[i].start_ns, (long long)w[i].end_ns);
	}
	return ret ? ret : mp_rows_run(db, err, "COMMIT");
}

static int list_phases(const struct asked *asked, struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	struct mp_phase_calendar *c = NULL;
	struct mp_phase_window *w = NULL;
	int64_t from_ns, to_ns;
	size_t n = 0;
	int ret = mp_phase_calendar_load(asked->calendar, &c, err);

	if (!ret)
		ret = find_days(c, asked, &from_ns, &to_ns, err);
	if (!ret)
		ret = mp_phase_calendar_windows(c, from_ns, to_ns, &w, &n, err);
	if (!ret)
		ret = add_windows(c, w, n, db, err);
	if (!ret)
		ret = mp_rows_emit(e, db, "rows", NULL, "SELECT * FROM phase", err);
	free(w);
	mp_phase_calendar_free(c);
	return ret;
}

/* "sql/reports/jitter_ops.sql" is a section of report jitter; object_*.sql are part of every report. */
static bool report_name(const char *path, char *out, size_t size)
{
	static const char folder[] = "sql/reports/", common[] = "object_";
	const char *name = path + sizeof(folder) - 1;

	if (strncmp(path, folder, sizeof(folder) - 1) || !strncmp(name, common, sizeof(common) - 1))
		return false;
	snprintf(out, size, "%.*s", (int)strcspn(name, "_."), name);
	return true;
}

/* The first paragraph of the comment that the file opens with, as one line. */
static void report_purpose(const char *sql, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	for (const char *line = sql, *next; *line == '-' && n < size; line = next) {
		size_t length = strcspn(line, "\n");

		next = line + length + (line[length] == '\n');
		if (strstr(line, "SPDX") && strstr(line, "SPDX") < next)
			continue;
		if (length <= 3)
			return;
		n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? " " : "", (int)length - 3, line + 3);
	}
}

static int list_reports(const struct asked *asked, struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	char name[64], purpose[512];
	(void)asked;
	int ret = mp_rows_run(db, err, "CREATE TABLE report(name TEXT PRIMARY KEY, purpose TEXT)");

	/* By path: of several sections the first tells what the report is for. */
	for (const struct mp_embedded *f = mp_embedded_files; f->path && !ret; f++) {
		if (!report_name(f->path, name, sizeof(name)))
			continue;
		report_purpose(f->text, purpose, sizeof(purpose));
		ret = mp_rows_run(db, err, "INSERT OR IGNORE INTO report VALUES (%Q, %Q)", name, purpose);
	}
	if (!ret)
		ret =
		    mp_rows_emit(e, db, "rows", NULL, "SELECT name, purpose FROM report ORDER BY name", err);
	return ret;
}

static const struct list {
	const char *name, *document;
	int (*run)(const struct asked *asked, struct mp_emit *e, struct sqlite3 *db, struct mp_err *err);
	bool of_calendar;
} lists[] = {
    {"events", "events", list_events, false},
    {"profiles", "profiles", list_profiles, false},
    {"reports", "reports", list_reports, false},
    {"phases", "phases", list_phases, true},
};

static const struct list *find_list(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!strcmp(lists[i].name, name))
			return &lists[i];
	return NULL;
}

static int run_list(
    const struct list *list, const struct asked *asked, enum mp_format format, struct mp_err *err)
{
	struct sqlite3 *db = NULL;
	int ret = mp_rows_open(&db, err), end;

	if (ret)
		return ret;
	struct mp_emit *e = mp_emit_new(stdout, format);
	if (!e) {
		mp_rows_close(db);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	mp_emit_begin(e, list->document);
	ret = list->run(asked, e, db, err);
	end = mp_emit_end(e, ret ? NULL : err);
	mp_rows_close(db);
	return ret ? ret : end;
}

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample list --help\n", what, word);
	return 2;
}

int mp_cmd_list(int argc, char **argv)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
	    {"from", required_argument, NULL, 'F'}, {"to", required_argument, NULL, 'T'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct asked asked = {0};
	enum mp_format format = MP_FORMAT_TABLE;
	struct mp_err err = {0};
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == '?' || opt == ':')
			return bad_usage(opt == ':' ? "this option wants a value: " : "no option of list: ",
			    argv[optind - 1]);
		if (opt == 'F')
			asked.from = optarg;
		else if (opt == 'T')
			asked.to = optarg;
		else if (mp_format_parse(optarg, &format, &err))
			return bad_usage(err.text, "");
	}
	if (optind == argc)
		return bad_usage("list what? Give events, profiles, reports or phases", "");
	const struct list *list = find_list(argv[optind]);
	if (!list)
		return bad_usage(
		    "there are lists of events, profiles, reports and phases, not of ", argv[optind]);
	if (list->of_calendar && optind + 1 == argc)
		return bad_usage("phases of which calendar? Give its name, or a file", "");
	if (!list->of_calendar && (asked.from || asked.to))
		return bad_usage("--from and --to are of phases, not of ", argv[optind]);
	if (list->of_calendar)
		asked.calendar = argv[++optind];
	if (optind + 1 < argc)
		return bad_usage("list one thing at a time, not also ", argv[optind + 1]);

	/* A reader that has seen enough (`| head`) is not a failure: the write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int ret = run_list(list, &asked, format, &err);
	if (!ret || ret == -EPIPE)
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}

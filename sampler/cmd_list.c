/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_list.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/doctor/pmu.h"
#include "sampler/doctor/rows.h"
#include "sampler/gc/profile.h"
#include "sampler/perf/event.h"
#include "sampler/pools/profile.h"
#include "sampler/profile.h"
#include "sampler/uprobe/shared.h"
#include "store/embed.h"
#include "store/emit.h"

static const char usage[] =
    "usage: mpsample list events|profiles|reports [--format table|json|csv]\n"
    "\n"
    "  events     what a recording holds besides the calls, and what -e can ask for\n"
    "  profiles   the allocators, pools and garbage collectors that are known, and how they are recognised\n"
    "  reports    what can be asked of a recording with mpsample report\n"
    "\n"
    "  --format table|json|csv\n"
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

static int list_events(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	struct adding adding = {db, err};
	struct mp_pmu_known known;
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

static int list_profiles(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	struct mp_profiles p;
	int ret = mp_profiles_load(&p, err);

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
	return ret ? ret : list_gc_profiles(e, db, err);
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

static int list_reports(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err)
{
	char name[64], purpose[512];
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
	int (*run)(struct mp_emit *e, struct sqlite3 *db, struct mp_err *err);
} lists[] = {
    {"events", "events", list_events},
    {"profiles", "profiles", list_profiles},
    {"reports", "reports", list_reports},
};

static const struct list *find_list(const char *name)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!strcmp(lists[i].name, name))
			return &lists[i];
	return NULL;
}

static int run_list(const struct list *list, enum mp_format format, struct mp_err *err)
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
	ret = list->run(e, db, err);
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
	static const struct option options[] = {
	    {"format", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
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
		if (mp_format_parse(optarg, &format, &err))
			return bad_usage(err.text, "");
	}
	if (optind == argc)
		return bad_usage("list what? Give events, profiles or reports", "");
	if (optind + 1 < argc)
		return bad_usage("list one thing at a time, not also ", argv[optind + 1]);
	const struct list *list = find_list(argv[optind]);
	if (!list)
		return bad_usage("there are lists of events, profiles and reports, not of ", argv[optind]);

	/* A reader that has seen enough (`| head`) is not a failure: the write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int ret = run_list(list, format, &err);
	if (!ret || ret == -EPIPE)
		return 0;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}

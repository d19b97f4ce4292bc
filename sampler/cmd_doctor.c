/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_doctor.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/doctor/check.h"
#include "sampler/doctor/rows.h"
#include "store/emit.h"

static const char usage[] =
    "usage: mpsample doctor [-p PID] [--format table|json|csv]\n"
    "\n"
    "Tries every prerequisite of a recording on this machine, for this user, and says what works, what is "
    "limited\n"
    "or missing, and the command that fixes it. Takes about a second; nothing is changed.\n"
    "\n"
    "  -p, --pid PID            also what could be probed in this process, without touching it\n"
    "      --format table       for people: what to do stands below the table (the default)\n"
    "      --format json|csv    every check with its fix\n"
    "  -h, --help\n"
    "\n"
    "Exit status: 0 a recording is possible here (with -p: of this process), 1 it is not, 2 usage.\n";

static const char *const state_names[] = {"works", "limited", "missing"};

/* What a recording would do, or why there can be none. */
struct verdict {
	bool possible;
	enum mp_backend backend; /* MP_BACKEND_AUTO where no probe is needed: by the library */
	char text[1024];
};

static const char *find_obstacle(const struct mp_doctor *d)
{
	if (mp_doctor_backend(d) == MP_BACKEND_AUTO)
		return d->backend_error;
	if (!d->watches_threads)
		return d->watch_error;
	return d->target ? mp_doctor_target_obstacle(d->target) : NULL;
}

/* By the library in the target, or in what can be started with it: no probe and no privilege is needed. */
static bool judge_preload(const struct mp_doctor *d, const char *obstacle, struct verdict *v)
{
	if (d->target && d->target->carries_library)
		snprintf(v->text, sizeof(v->text),
		    "process %d (%s) can be recorded by the libmpsample.so in it: mpsample record -p %d",
		    d->target->pid, d->target->process.comm, d->target->pid);
	else if (!d->target && obstacle && d->has_library)
		snprintf(v->text, sizeof(v->text),
		    "only what carries libmpsample.so can be recorded here%s: mpsample record -- COMMAND",
		    geteuid() ? " by this user" : "");
	else
		return false;
	v->possible = true;
	v->backend = MP_BACKEND_AUTO;
	return true;
}

static void judge(const struct mp_doctor *d, struct verdict *v)
{
	const char *obstacle = find_obstacle(d);

	if (judge_preload(d, obstacle, v))
		return;
	v->backend = mp_doctor_backend(d);
	v->possible = !obstacle;
	if (obstacle)
		snprintf(v->text, sizeof(v->text), "no recording is possible%s%s: %.*s%s",
		    d->target ? " of this process" : " here", geteuid() ? " by this user" : "",
		    (int)strcspn(obstacle, ";"), obstacle,
		    geteuid() ? "; run mpsample as root (sudo), or do the first step above" : "");
	else if (d->target && (d->target->unreadable || d->target->guesses))
		snprintf(v->text, sizeof(v->text),
		    "process %d (%s): a recording with backend %s may miss its calls, see its link order and "
		    "its files above",
		    d->target->pid, d->target->process.comm, mp_backend_name(v->backend));
	else if (d->target)
		snprintf(v->text, sizeof(v->text),
		    "process %d (%s) can be recorded with backend %s: mpsample record -p %d", d->target->pid,
		    d->target->process.comm, mp_backend_name(v->backend), d->target->pid);
	else
		snprintf(v->text, sizeof(v->text),
		    "this machine records with backend %s: mpsample record -p PID",
		    mp_backend_name(v->backend));
}

static int add_finding(sqlite3 *db, const char *name, const struct mp_finding *f, struct mp_err *err)
{
	return mp_rows_run(db, err,
	    "INSERT INTO finding(name, state, detail, fix, can_fix) VALUES (%Q, %Q, %Q, %Q, %d)", name,
	    state_names[f->state], f->detail, f->fix, f->can_fix);
}

static int run_checks(struct mp_doctor *d, const struct mp_check *checks, sqlite3 *db, struct mp_err *err)
{
	int ret = 0;

	for (const struct mp_check *c = checks; c->name && !ret; c++) {
		struct mp_finding f = {0};

		c->run(d, c->arg, &f);
		ret = add_finding(db, c->name, &f, err);
	}
	return ret;
}

static int add_probes(const struct mp_probe_set *set, sqlite3 *db, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; i < set->n && !ret; i++) {
		const struct mp_probe *p = &set->probes[i];

		ret = mp_rows_run(db, err, "INSERT INTO probe VALUES (%Q, %Q, %Q, %u, %Q, %Q)",
		    mp_op_name(p->op), p->function, p->allocator, p->skipped_bytes,
		    p->is_stepped ? "stepped" : "emulated", p->module);
	}
	return ret;
}

static int examine(struct mp_doctor *d, sqlite3 *db, struct mp_err *err)
{
	static const struct mp_check *const of_this_machine[] = {
	    mp_checks_kernel, mp_checks_rights, mp_checks_machine, mp_checks_counters, mp_checks_preload};
	int ret = mp_rows_run(db, err,
	    "CREATE TABLE finding(n INTEGER PRIMARY KEY, name TEXT, state TEXT, detail TEXT, fix TEXT, "
	    "can_fix INT);"
	    "CREATE TABLE probe(op TEXT, function TEXT, allocator TEXT, skipped_bytes INT, probed_insn TEXT, "
	    "module TEXT);");

	mp_facts_gather(&d->facts);
	for (size_t i = 0; i < sizeof(of_this_machine) / sizeof(*of_this_machine) && !ret; i++)
		ret = run_checks(d, of_this_machine[i], db, err);
	if (!ret && d->target)
		ret = run_checks(d, mp_doctor_target_checks(d->target), db, err);
	if (!ret && d->target)
		ret = add_probes(&d->target->probes, db, err);
	return ret;
}

/* What to do, each step once, those first that make something work that does not. Not for the table's cells,
 * which are cut: a command has to be whole. */
static int emit_steps(struct mp_emit *e, sqlite3 *db, struct mp_err *err)
{
	static const char sql[] =
	    "SELECT fix, group_concat(name, ', ') FROM finding WHERE can_fix AND state <> 'works' "
	    "GROUP BY fix ORDER BY max(state = 'missing') DESC, min(n)";
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	bool any = false;

	while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		if (!any)
			mp_emit_note(e, "%s", "");
		if (!any)
			mp_emit_note(e, "what to do:");
		any = true;
		mp_emit_note(e, "  %s", (const char *)sqlite3_column_text(stmt, 0));
		mp_emit_note(e, "      for: %s", (const char *)sqlite3_column_text(stmt, 1));
	}
	rc = sqlite3_finalize(stmt);
	return rc == SQLITE_OK ? 0 : mp_err_set(err, EIO, "cannot list what to do: %s", sqlite3_errmsg(db));
}

/* Columns for people leave out the fix, which stands below, but for the words that there is none. */
static int emit_findings(struct mp_emit *e, enum mp_format format, sqlite3 *db, struct mp_err *err)
{
	return mp_rows_emit(e, db, "rows", NULL,
	    format == MP_FORMAT_TABLE
		? "SELECT name AS \"check\", state, detail || CASE WHEN can_fix OR fix = '' THEN '' "
		  "ELSE '; ' || fix END AS detail FROM finding ORDER BY n"
		: "SELECT name AS \"check\", state, detail, fix FROM finding ORDER BY n",
	    err);
}

static const char *backend_text(const struct verdict *v)
{
	return !v->possible ? NULL : v->backend == MP_BACKEND_AUTO ? "preload" : mp_backend_name(v->backend);
}

/* The floors are 0 where no probe is put in: no backend has that number. */
static int emit_verdict(
    struct mp_emit *e, const struct mp_doctor *d, const struct verdict *v, sqlite3 *db, struct mp_err *err)
{
	const struct mp_floor *f = &d->floor[v->backend];
	int ret = mp_rows_run(db, err,
	    "CREATE TABLE verdict AS SELECT %d AS possible, %Q AS backend, nullif(%lld, 0) AS floor_ns, "
	    "nullif(%lld, 0) AS cost_ns, nullif(%lld, 0) AS stepped_floor_ns, nullif(%lld, 0) AS "
	    "stepped_cost_ns, %Q AS text",
	    v->possible, backend_text(v), (long long)f->ns[0], (long long)f->cost_ns[0], (long long)f->ns[1],
	    (long long)f->cost_ns[1], v->text);

	return ret ? ret : mp_rows_emit_object(e, db, "recording", "SELECT * FROM verdict", err);
}

static int emit(const struct mp_doctor *d, const struct verdict *v, enum mp_format format, sqlite3 *db,
    struct mp_err *err)
{
	struct mp_emit *e = mp_emit_new(stdout, format);

	if (!e)
		return mp_err_set(err, ENOMEM, "out of memory");
	mp_emit_begin(e, "doctor");
	int ret = emit_findings(e, format, db, err);
	if (!ret && d->target && (d->target->probes.n || format != MP_FORMAT_TABLE))
		ret = mp_rows_emit(e, db, "probes", "what would be probed", "SELECT * FROM probe", err);
	if (!ret)
		ret = emit_verdict(e, d, v, db, err);
	if (!ret && format == MP_FORMAT_TABLE)
		ret = emit_steps(e, db, err);
	mp_emit_note(e, "%s", "");
	mp_emit_note(e, "%s", v->text);
	int end = mp_emit_end(e, ret ? NULL : err);
	return ret ? ret : end;
}

/* Returns the exit status. */
static int doctor(pid_t pid, enum mp_format format, struct mp_err *err)
{
	struct mp_doctor d = {0};
	struct mp_doctor_target target;
	struct verdict v = {0};
	sqlite3 *db = NULL;
	int ret = pid ? mp_doctor_target_open(pid, &target, err) : 0;

	if (ret)
		return ret;
	d.target = pid ? &target : NULL;
	ret = mp_rows_open(&db, err);
	if (!ret)
		ret = examine(&d, db, err);
	if (!ret) {
		judge(&d, &v);
		ret = emit(&d, &v, format, db, err);
	}
	mp_rows_close(db);
	if (pid)
		mp_doctor_target_close(&target);
	return ret && ret != -EPIPE ? ret : v.possible ? 0 : 1;
}

static int bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "mpsample: %s%s; see mpsample doctor --help\n", what, word);
	return 2;
}

static bool parse_pid(const char *text, pid_t *out)
{
	char *end;

	errno = 0;
	long v = strtol(text, &end, 10);
	*out = (pid_t)v;
	return end != text && !*end && !errno && v > 0 && v <= INT32_MAX;
}

int mp_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"pid", required_argument, NULL, 'p'},
	    {"format", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	enum mp_format format = MP_FORMAT_TABLE;
	struct mp_err err = {0};
	pid_t pid = 0;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":p:h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == '?' || opt == ':')
			return bad_usage(opt == ':' ? "this option wants a value: " : "no option of doctor: ",
			    argv[optind - 1]);
		if (opt == 'f' && mp_format_parse(optarg, &format, &err))
			return bad_usage(err.text, "");
		if (opt == 'p' && !parse_pid(optarg, &pid))
			return bad_usage("-p wants the number of a process, not ", optarg);
	}
	if (optind < argc)
		return bad_usage("doctor takes no argument ", argv[optind]);

	/* A reader that has seen enough (`| head`) is not a failure: the write fails with EPIPE instead. */
	signal(SIGPIPE, SIG_IGN);
	int ret = doctor(pid, format, &err);
	if (ret >= 0)
		return ret;
	fprintf(stderr, "mpsample: %s\n", err.text);
	return 1;
}

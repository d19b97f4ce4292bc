/* SPDX-License-Identifier: MIT */
#include "sampler/cmd_record.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/files.h"
#include "sampler/perf/wants.h"
#include "sampler/recorder/recorder.h"
#include "store/retention.h"

/* A day of a busy back end takes six times as much, and reports on it ten seconds each. */
#define MAX_BYTES (160ULL << 20)
#define NOT_TOLD  1 /* no size that one can give */

static const char usage[] =
    "usage: mpsample record [options] -p PID\n"
    "       mpsample record [options] -- COMMAND [ARGUMENT]...\n"
    "\n"
    "Records the allocations of a process into a session database: every call is counted, slow and sampled\n"
    "calls are kept as rows with their stacks, page faults and context switches beside them.\n"
    "\n"
    "  -p, --pid PID           the process\n"
    "  -o, --output FILE       the session database (default mpsample.db)\n"
    "      --force             overwrite FILE\n"
    "  -d, --duration SECONDS  end after so long (default: at Ctrl-C, SIGTERM, or the target's end)\n"
    "      --keep-over NS      keep every call of this duration or more (default: about the slowest 0.1 %)\n"
    "      --sample-every N    keep one in N of the others, drawn at random (default: about 250 a second; 0: "
    "none)\n"
    "      --full              keep every call; without the two above\n"
    "      --stack off|fp|dwarf    stacks of kept calls: registers and up to 8 KiB of stack are copied and "
    "unwound\n"
    "                          by call frame information (dwarf, the default), or frame pointers are "
    "followed\n"
    "      --symbolize now|later   name functions at the end (default), or only note modules and addresses:\n"
    "                          mpsample symbolize does the rest, also elsewhere\n"
    "      --debug-dir DIR     look for separate debug files here first; may be given several times\n"
    "      --long-names        template arguments whole\n"
    "      --causes most|all|off   what the kernel does inside slow calls: page faults, time off the CPU, "
    "locks,\n"
    "                          interrupts, system calls that map memory or sleep (most, the default); every\n"
    "                          system call (all), which makes those of the whole machine slower; or nothing\n"
    "  -e, --event EVENT       sample a perf event, with its data address where the hardware tells one:\n"
    "                          mem-loads, cache-misses, page-faults, any name of libpfm4 or perf, rNNN,\n"
    "                          mem:ADDR (mpsample list events); NAME:period=N fixes how often. May be given\n"
    "                          several times; {A,B} are counted at the same time\n"
    "      --count EVENT       count an event by thread and second; likewise. --count default: cycles,\n"
    "                          instructions, misses, faults and switches, as far as they are there\n"
    "      --budget PERCENT    of a core that probes, and samples of -e, may cost the process (default 2)\n"
    "      --max-size SIZE     keep the session within SIZE bytes (or K, M, G, T; 16M at least), for days on "
    "end:\n"
    "                          samples are thinned evenly over the recording, outliers last, and seconds "
    "are\n"
    "                          rolled up to minutes; sums stay unbiased (default 160M, with\n"
    "                          --full none; none: no limit)\n"
    "      --spans NAME        calls of the function NAME are spans, from entry to return; * and ? match, "
    "may\n"
    "                          be given several times; at most 64 functions\n"
    "      --pools FILE        functions that take objects out of pools and put them back (README: Pools); "
    "those\n"
    "                          of libraries that are known (mpsample list profiles) need no file\n"
    "      --components FILE   which part of the program an allocation belongs to, by rules (README: "
    "Components)\n"
    "      --phases CALENDAR   phases of the trading day, by a built-in calendar (nyse, cme, lse, xetra, "
    "tokyo)\n"
    "                          or a file (README: Phases); slots end where they begin and end. More come by\n"
    "                          mpsample mark\n"
    "      --backend NAME      auto, session, multi or tracefs: how the probes are put in (default auto)\n"
    "      --plane auto|preload|uprobe\n"
    "                          how calls are seen: by libmpsample.so in the process (a command gets it by\n"
    "                          LD_PRELOAD; a process with -p has to have been started with it), by uprobes\n"
    "                          in the kernel, or (auto) by the library where that is possible\n"
    "      --follow-forks      programs that COMMAND starts keep the library, and its forks have it, too: "
    "each\n"
    "                          can then be recorded by its own PID. COMMAND itself is recorded in any case,\n"
    "                          with this option also beyond an exec\n"
    "      --probe auto|all|slow|burst\n"
    "                          which calls the probes see: all; the allocator's slow paths, so that what "
    "its\n"
    "                          thread cache serves pays nothing; all, in short windows; or (auto, the "
    "default)\n"
    "                          all while that keeps within --budget, else windows and slow paths\n"
    "      --cpu LIST          the recorder itself runs on these CPUs only, such as 0-1,7: not on those of "
    "the\n"
    "                          process's threads\n"
    "      --gc auto|off       follow the garbage collectors of runtimes in the process that are known "
    "(mpsample\n"
    "                          list profiles; default auto)\n"
    "      --predict           tell once a second when the next collection is due (it is in v_gc_prediction\n"
    "                          in any case)\n"
    "      --track BYTES|all|off\n"
    "                          follow blocks from their allocation to their end (mpsample report heap): of\n"
    "                          every BYTES that are allocated one, and so its block, on average; more BYTES\n"
    "                          where more than 2000 were born in a second or 4096 alive (default: as many\n"
    "                          that 25 to 100 are born in a second); all; none. Without libmpsample.so in "
    "the\n"
    "                          process: none (the default), and each call is told to the recorder, which\n"
    "                          draws then\n"
    "      --heap on|off       look now and then at how fragmented glibc's heaps are (default on): takes at\n"
    "                          most 1 % of a core of the recorder's own time\n"
    "  -h, --help\n";

enum {
	OPT_FORCE = 256,
	OPT_KEEP_OVER,
	OPT_SAMPLE_EVERY,
	OPT_FULL,
	OPT_STACK,
	OPT_SYMBOLIZE,
	OPT_DEBUG_DIR,
	OPT_LONG_NAMES,
	OPT_BACKEND,
	OPT_PLANE,
	OPT_PROBE,
	OPT_FOLLOW_FORKS,
	OPT_SPANS,
	OPT_POOLS,
	OPT_COMPONENTS,
	OPT_PHASES,
	OPT_CAUSES,
	OPT_COUNT,
	OPT_BUDGET,
	OPT_MAX_SIZE,
	OPT_CPU,
	OPT_HEAP,
	OPT_GC,
	OPT_PREDICT,
	OPT_TRACK,
};

static const struct option long_options[] = {
    {"pid", required_argument, NULL, 'p'},
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, OPT_FORCE},
    {"duration", required_argument, NULL, 'd'},
    {"keep-over", required_argument, NULL, OPT_KEEP_OVER},
    {"sample-every", required_argument, NULL, OPT_SAMPLE_EVERY},
    {"full", no_argument, NULL, OPT_FULL},
    {"stack", required_argument, NULL, OPT_STACK},
    {"symbolize", required_argument, NULL, OPT_SYMBOLIZE},
    {"debug-dir", required_argument, NULL, OPT_DEBUG_DIR},
    {"long-names", no_argument, NULL, OPT_LONG_NAMES},
    {"backend", required_argument, NULL, OPT_BACKEND},
    {"plane", required_argument, NULL, OPT_PLANE},
    {"probe", required_argument, NULL, OPT_PROBE},
    {"follow-forks", no_argument, NULL, OPT_FOLLOW_FORKS},
    {"spans", required_argument, NULL, OPT_SPANS},
    {"pools", required_argument, NULL, OPT_POOLS},
    {"components", required_argument, NULL, OPT_COMPONENTS},
    {"phases", required_argument, NULL, OPT_PHASES},
    {"causes", required_argument, NULL, OPT_CAUSES},
    {"event", required_argument, NULL, 'e'},
    {"count", required_argument, NULL, OPT_COUNT},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"max-size", required_argument, NULL, OPT_MAX_SIZE},
    {"cpu", required_argument, NULL, OPT_CPU},
    {"heap", required_argument, NULL, OPT_HEAP},
    {"gc", required_argument, NULL, OPT_GC},
    {"predict", no_argument, NULL, OPT_PREDICT},
    {"track", required_argument, NULL, OPT_TRACK},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* A whole number in [min, max]. */
static int parse_number(
    const char *option, const char *text, int64_t min, int64_t max, int64_t *out, struct mp_err *err)
{
	char *end;

	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || *end || errno || v < min || v > max)
		return mp_err_set(err, EINVAL, "%s: '%s' is not a whole number from %lld to %lld", option,
		    text, (long long)min, (long long)max);
	*out = v;
	return 0;
}

static int parse_seconds(const char *text, int64_t *out_ns, struct mp_err *err)
{
	char *end;
	double s = strtod(text, &end);

	/* NaN fails every comparison. */
	if (end == text || *end || !(s > 0 && s <= 1e9))
		return mp_err_set(err, EINVAL, "-d: '%s' is not a number of seconds above 0", text);
	*out_ns = (int64_t)(s * 1e9);
	return *out_ns ? 0 : mp_err_set(err, EINVAL, "-d: '%s' is less than a nanosecond", text);
}

static int parse_percent(const char *text, double *out, struct mp_err *err)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || *end || !(percent > 0 && percent <= 100))
		return mp_err_set(err, EINVAL, "--budget: '%s' is not a number above 0, up to 100", text);
	*out = percent / 100;
	return 0;
}

/* A slip of the pen would else put the recorder on the CPUs that it was to be kept from. */
static bool may_run_on(const cpu_set_t *cpus)
{
	cpu_set_t now;

	if (sched_getaffinity(0, sizeof(now), &now))
		return true; /* not known yet */
	bool may = !sched_setaffinity(0, sizeof(*cpus), cpus);
	sched_setaffinity(0, sizeof(now), &now);
	return may;
}

/* As taskset and /sys write it: numbers and ranges. */
static int parse_cpus(const char *text, cpu_set_t *out, struct mp_err *err)
{
	const char *at = text;
	char *end;

	CPU_ZERO(out);
	do {
		long from = strtol(at, &end, 10), to = from;
		if (end == at)
			break;
		if (*end == '-') {
			at = end + 1;
			to = strtol(at, &end, 10);
		}
		if (end == at || from < 0 || to < from || to >= CPU_SETSIZE)
			break;
		while (from <= to)
			CPU_SET(from++, out);
		at = end + 1;
	} while (*end == ',');
	if (end == at || *end || !CPU_COUNT(out))
		return mp_err_set(err, EINVAL, "--cpu: '%s' is no list of CPUs, such as 0-1,7", text);
	if (!may_run_on(out))
		return mp_err_set(err, EINVAL,
		    "--cpu: the recorder may run on none of the CPUs '%s': this machine has %ld, from 0 on, "
		    "and here some may be forbidden (taskset -pc $$)",
		    text, sysconf(_SC_NPROCESSORS_CONF));
	return 0;
}

/* One of two words; the first is true. */
static int parse_choice(
    const char *option, const char *text, const char *yes, const char *no, bool *out, struct mp_err *err)
{
	if (strcmp(text, yes) && strcmp(text, no))
		return mp_err_set(
		    err, EINVAL, "%s: '%s' is neither %s nor %s in this version", option, text, yes, no);
	*out = !strcmp(text, yes);
	return 0;
}

/* One of some words, by its place in a list that ends with NULL. */
static int parse_word(
    const char *option, const char *text, const char *const *words, unsigned int *out, struct mp_err *err)
{
	char all[128] = "";
	size_t n = 0;

	for (unsigned int i = 0; words[i]; i++) {
		if (!strcmp(text, words[i])) {
			*out = i;
			return 0;
		}
		n += (size_t)snprintf(
		    all + n, sizeof(all) - n, "%s%s", i ? (words[i + 1] ? ", " : " and ") : "", words[i]);
	}
	return mp_err_set(err, EINVAL, "%s: '%s' is none of %s", option, text, all);
}

static const char *const plane_words[] = {"auto", "preload", "uprobe", NULL}; /* enum mp_plane */
static const char *const watch_words[] = {"most", "all", "off", NULL};        /* enum mp_watch */
static const char *const stack_words[] = {"off", "fp", "dwarf", NULL};        /* enum mp_stack_mode */

static const char *const probe_words[] = {"auto", "all", "slow", "burst", NULL}; /* enum mp_probe_mode */

static struct mp_wants wants;

static int add_debug_dir(struct mp_record_options *o, const char *dir, struct mp_err *err)
{
	static struct mp_debug_dirs dirs;
	int ret = mp_debug_dirs_add(&dirs, dir, err);

	o->debug_dirs = dirs.dir;
	o->n_debug_dirs = dirs.n;
	return ret;
}

static int add_spans(struct mp_record_options *o, const char *glob, struct mp_err *err)
{
	static const char *globs[MP_SPANS_MAX];

	if (!*glob)
		return mp_err_set(err, EINVAL, "--spans: give the name of a function");
	if (o->n_spans == MP_SPANS_MAX)
		return mp_err_set(err, EINVAL, "--spans: more than %d names", MP_SPANS_MAX);
	globs[o->n_spans++] = glob;
	o->spans = globs;
	return 0;
}

static int parse_track(const char *text, struct mp_record_options *o, struct mp_err *err)
{
	int64_t bytes = 0;
	int ret = 0;

	o->track = !strcmp(text, "all") ? MP_TRACK_ALL : !strcmp(text, "off") ? MP_TRACK_OFF : MP_TRACK_SOME;
	if (o->track == MP_TRACK_SOME)
		ret = parse_number("--track", text, 1, 1LL << 40, &bytes, err);
	if (ret)
		return mp_err_set(err, EINVAL,
		    "--track: '%s' is none of all, off and a whole number of bytes from 1 to 2^40", text);
	o->track_bytes = (uint64_t)bytes;
	return 0;
}

static int take_option(int opt, const char *arg, struct mp_record_options *o, struct mp_err *err)
{
	unsigned int word = 0;
	int64_t pid;
	int ret;

	switch (opt) {
	case 'p':
		ret = parse_number("-p", arg, 1, INT32_MAX, &pid, err);
		o->pid = ret ? 0 : (pid_t)pid;
		return ret;
	case 'o':
		o->output = arg;
		return 0;
	case 'd':
		return parse_seconds(arg, &o->duration_ns, err);
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_KEEP_OVER:
		return parse_number("--keep-over", arg, 0, INT64_MAX, &o->keep_over_ns, err);
	case OPT_SAMPLE_EVERY:
		return parse_number("--sample-every", arg, 0, UINT32_MAX, &o->sample_every, err);
	case OPT_FULL:
		o->full = true;
		return 0;
	case OPT_STACK:
		ret = parse_word("--stack", arg, stack_words, &word, err);
		o->stack = (enum mp_stack_mode)word;
		return ret;
	case OPT_SYMBOLIZE:
		return parse_choice("--symbolize", arg, "later", "now", &o->symbolize_later, err);
	case OPT_DEBUG_DIR:
		return add_debug_dir(o, arg, err);
	case OPT_LONG_NAMES:
		o->long_names = true;
		return 0;
	case OPT_BACKEND:
		return mp_backend_parse(arg, &o->backend, err);
	case OPT_PLANE:
		ret = parse_word("--plane", arg, plane_words, &word, err);
		o->plane = (enum mp_plane)word;
		return ret;
	case OPT_CAUSES:
		ret = parse_word("--causes", arg, watch_words, &word, err);
		o->watch = (enum mp_watch)word;
		return ret;
	case 'e':
		return mp_wants_add(&wants, arg, true, err);
	case OPT_COUNT:
		return mp_wants_add(&wants, arg, false, err);
	case OPT_BUDGET:
		return parse_percent(arg, &o->budget, err);
	case OPT_MAX_SIZE:
		o->max_bytes = 0;
		return strcmp(arg, "none") ? mp_retention_parse("--max-size", arg, &o->max_bytes, err) : 0;
	case OPT_CPU:
		o->has_cpus = true;
		return parse_cpus(arg, &o->cpus, err);
	case OPT_POOLS:
		o->pools_file = arg;
		return 0;
	case OPT_COMPONENTS:
		o->components_file = arg;
		return 0;
	case OPT_PHASES:
		o->phases = arg;
		return 0;
	case OPT_SPANS:
		return add_spans(o, arg, err);
	case OPT_PREDICT:
		o->predict = true;
		return 0;
	case OPT_GC:
		return parse_choice("--gc", arg, "auto", "off", &o->gc, err);
	case OPT_HEAP:
		return parse_choice("--heap", arg, "on", "off", &o->heap, err);
	case OPT_TRACK:
		return parse_track(arg, o, err);
	case OPT_FOLLOW_FORKS:
		o->follow_forks = true;
		return 0;
	case OPT_PROBE:
		ret = parse_word("--probe", arg, probe_words, &word, err);
		o->probe = (enum mp_probe_mode)word;
		return ret;
	default:
		return mp_err_set(err, EINVAL, "see mpsample record --help");
	}
}

static int usage_error(const struct mp_err *err)
{
	fprintf(stderr, "mpsample: %s\n", err->text);
	return 2;
}

static void join(int argc, char **argv, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (int i = 0; i < argc && n < size; i++) {
		int more = snprintf(buf + n, size - n, "%s%s", i ? " " : "", argv[i]);
		n += more > 0 ? (size_t)more : 0;
	}
}

/* Options that do not go together. `--backend` says how probes are put in, so it asks for them. */
static int check_options(struct mp_record_options *o, int words, char **word, struct mp_err *err)
{
	if (o->pid && words)
		return mp_err_set(
		    err, EINVAL, "both -p %d and a command (%s): record one of them", o->pid, word[0]);
	if (!o->pid && !words)
		return mp_err_set(
		    err, EINVAL, "record what? give -p PID or -- COMMAND; see mpsample record --help");
	if (o->full && (o->keep_over_ns >= 0 || o->sample_every >= 0))
		return mp_err_set(
		    err, EINVAL, "--full keeps every call: --keep-over and --sample-every say otherwise");
	if (o->follow_forks && o->pid)
		return mp_err_set(err, EINVAL,
		    "--follow-forks is for a command that is started; start process %d with "
		    "MPSAMPLE_FOLLOW_FORKS=1 instead",
		    o->pid);
	if (o->backend != MP_BACKEND_AUTO && o->plane == MP_PLANE_PRELOAD)
		return mp_err_set(err, EINVAL, "--backend is of the uprobe plane: not with --plane preload");
	bool wants_probes = o->probe == MP_PROBE_SLOW || o->probe == MP_PROBE_BURST;
	if (wants_probes && o->plane == MP_PLANE_PRELOAD)
		return mp_err_set(err, EINVAL, "--probe %s is of the uprobe plane: not with --plane preload",
		    probe_words[o->probe]);
	if ((o->track == MP_TRACK_ALL || o->track_bytes) && wants_probes)
		return mp_err_set(
		    err, EINVAL, "--track needs every call: not with --probe %s", probe_words[o->probe]);
	if (o->backend != MP_BACKEND_AUTO || wants_probes)
		o->plane = MP_PLANE_UPROBE;
	return 0;
}

int mp_cmd_record(int argc, char **argv)
{
	struct mp_record_options o = {.output = "mpsample.db",
	    .stack = MP_STACK_COPY,
	    .keep_over_ns = -1,
	    .sample_every = -1,
	    .gc = true,
	    .heap = true,
	    .budget = 0.02,
	    .max_bytes = NOT_TOLD};
	struct mp_err err;
	char text[4096];
	int opt;

	join(argc, argv, text, sizeof(text));
	o.options_text = text;
	/* "+": options end with the first other word, which belongs to the command. */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:p:o:d:e:h", long_options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == '?' || opt == ':') {
			mp_err_set(&err, EINVAL, "%s %s; see mpsample record --help", argv[optind - 1],
			    opt == ':' ? "wants a value" : "is no option of record");
			return usage_error(&err);
		}
		if (take_option(opt, optarg, &o, &err))
			return usage_error(&err);
	}
	if (check_options(&o, argc - optind, argv + optind, &err))
		return usage_error(&err);
	o.command = argv + optind;
	o.wants = wants.all;
	o.n_wants = wants.n;
	/* Whose data an address is, is only known where every block is followed. */
	if (o.probe == MP_PROBE_AUTO &&
	    (o.track == MP_TRACK_ALL || o.track_bytes || mp_perf_wants_addresses(o.wants, o.n_wants)))
		o.probe = MP_PROBE_ALL;
	if (o.max_bytes == NOT_TOLD)
		o.max_bytes = o.full ? 0 : MAX_BYTES;
	if (mp_record(&o, &err)) {
		fprintf(stderr, "mpsample: %s\n", err.text);
		return 1;
	}
	return 0;
}

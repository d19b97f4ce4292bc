/* SPDX-License-Identifier: MIT */
/* Names of events: what they encode to, what a machine makes of them, what is refused. The machines are made
 * up, a tree of sysfs and a kernel's answers, but for the last tests, which ask this one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler/perf/event_priv.h"

static void expect_encoded(const char *text, uint32_t type, uint64_t config, uint64_t config1)
{
	struct mp_event e;
	struct mp_err err = {0};

	cr_assert_eq(mp_event_encode(text, &e, &err), 0, "%s: %s", text, err.text);
	cr_expect_eq(e.attr.type, type, "%s: type %u", text, e.attr.type);
	cr_expect_eq(e.attr.config, config, "%s: config %#llx", text, (unsigned long long)e.attr.config);
	cr_expect_eq(e.attr.config1, config1, "%s: config1 %#llx", text, (unsigned long long)e.attr.config1);
	cr_expect_str_eq(e.name, text);
	cr_expect_eq(e.attr.size, sizeof(e.attr));
}

Test(perf_event, encodings)
{
#ifdef __x86_64__
	expect_encoded("skl::MEM_LOAD_RETIRED:L3_MISS", PERF_TYPE_RAW, 0x20d1, 0);
	expect_encoded("clx::MEM_LOAD_RETIRED:L3_MISS", PERF_TYPE_RAW, 0x20d1, 0);
	expect_encoded("icx::MEM_LOAD_RETIRED:L3_MISS", PERF_TYPE_RAW, 0x20d1, 0);
	expect_encoded("spr::MEM_LOAD_RETIRED:L3_MISS", PERF_TYPE_RAW, 0x20d1, 0);
	expect_encoded("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64", PERF_TYPE_RAW, 0x1cd, 64);
	expect_encoded("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=3", PERF_TYPE_RAW, 0x1cd, 3);
	expect_encoded("spr::MEM_TRANS_RETIRED:STORE_SAMPLE", PERF_TYPE_RAW, 0x3cd, 0);
	expect_encoded("amd64_fam19h_zen4::RETIRED_INSTRUCTIONS", PERF_TYPE_RAW, 0xc0, 0);
#else
	expect_encoded("arm_n1::LL_CACHE_MISS_RD", PERF_TYPE_RAW, 0x37, 0);
#endif
	expect_encoded("perf::CACHE-MISSES", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 0);
}

Test(perf_event, the_names_of_perf)
{
	static const struct {
		const char *name;
		uint32_t type;
		uint64_t config;
	} cases[] = {
	    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
	    {"cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
	    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
	    {"cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
	    {"cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
	    {"branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	    {"branch-instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	    {"branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
	    {"bus-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES},
	    {"ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES},
	    {"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
	    {"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
	    {"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
	    {"faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
	    {"context-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
	    {"cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
	    {"cpu-migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
	    {"migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
	    {"minor-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN},
	    {"major-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ},
	    {"alignment-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS},
	    {"emulation-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS},
	    {"L1-dcache-load-misses", PERF_TYPE_HW_CACHE, 0x10000},
	    {"dTLB-load-misses", PERF_TYPE_HW_CACHE, 0x10003},
	    {"r1a8", PERF_TYPE_RAW, 0x1a8},
	    {"rFFFFFFFFFFFFFFFF", PERF_TYPE_RAW, UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_encoded(cases[i].name, cases[i].type, cases[i].config, 0);
	for (size_t i = 0; mp_event_perf_name(i); i++) {
		struct mp_event e;

		cr_expect_eq(mp_event_encode(mp_event_perf_name(i)->name, &e, NULL), 0, "%s",
		    mp_event_perf_name(i)->name);
	}
}

static struct mp_event encoded(const char *text)
{
	struct mp_event e;
	struct mp_err err = {0};

	cr_assert_eq(mp_event_encode(text, &e, &err), 0, "%s: %s", text, err.text);
	return e;
}

/* user, kernel, hypervisor: 1 where it is left out. */
static void expect_levels(const char *text, int user, int kernel, int hypervisor)
{
	struct mp_event e = encoded(text);

	cr_expect_eq(e.attr.exclude_user, user, "%s", text);
	cr_expect_eq(e.attr.exclude_kernel, kernel, "%s", text);
	cr_expect_eq(e.attr.exclude_hv, hypervisor, "%s", text);
}

Test(perf_event, for_whom_it_counts)
{
	expect_levels("cycles", 0, 1, 1);
	expect_levels("cycles:u", 0, 1, 1);
	expect_levels("cycles:k", 1, 0, 1);
	expect_levels("cycles:uk", 0, 0, 1);
	expect_levels("cycles:u:k:h", 0, 0, 0);
	expect_levels("cycles:u=1:k=1", 0, 0, 1);
	expect_levels("r1a8:k", 1, 0, 1);
	/* These happen in the kernel only: with it left out there would be none. */
	expect_levels("context-switches", 0, 0, 1);
	expect_levels("cpu-migrations", 0, 0, 1);
	expect_levels("page-faults", 0, 1, 1);
}

Test(perf_event, how_precisely_and_how_often)
{
	struct mp_event e = encoded("cycles:ppp");

	cr_expect_eq(e.attr.precise_ip, 3);
	cr_expect_eq(e.quality, MP_SAMPLE_PRECISE);
	cr_expect_not(e.has_period);
	e = encoded("cycles:ukp:period=10007");
	cr_expect_eq(e.attr.precise_ip, 1);
	cr_expect_eq(e.attr.sample_period, 10007);
	cr_expect_not(e.attr.freq);
	cr_expect(e.has_period);
	e = encoded("instructions:freq=99:precise=2");
	cr_expect_eq(e.attr.precise_ip, 2);
	cr_expect_eq(e.attr.sample_freq, 99);
	cr_expect(e.attr.freq);
	cr_expect(e.has_period);
	e = encoded("cycles");
	cr_expect_eq(e.attr.sample_period, 0);
	cr_expect_eq(e.attr.precise_ip, 0);
	cr_expect_eq(e.quality, MP_SAMPLE_COUNTER);
}

Test(perf_event, what_samples_are_worth)
{
	cr_expect_eq(encoded("minor-faults").quality, MP_SAMPLE_SOFTWARE);
	cr_expect_eq(encoded("minor-faults").attr.sample_type, PERF_SAMPLE_ADDR);
	cr_expect_eq(encoded("cpu-clock").attr.sample_type, 0);
#ifdef __x86_64__
	cr_expect_eq(encoded("skx::MEM_LOAD_RETIRED:L3_MISS:pp").quality, MP_SAMPLE_DATA);
	cr_expect_eq(encoded("skx::MEM_LOAD_RETIRED:L3_MISS").quality, MP_SAMPLE_COUNTER);
	struct mp_event e = encoded("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64:pp");
	cr_expect_eq(e.quality, MP_SAMPLE_PEBS);
	cr_expect_eq(e.attr.sample_type, PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT_STRUCT);
	cr_expect_str_eq(e.chosen, "skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64:precise=2");
#endif
}

#ifdef __x86_64__
#define CODE_BYTES 8
#else
#define CODE_BYTES 4
#endif

static void expect_breakpoint(const char *text, uint64_t addr, uint64_t len, uint32_t type)
{
	struct mp_event e = encoded(text);

	cr_expect_eq(e.attr.type, PERF_TYPE_BREAKPOINT, "%s", text);
	cr_expect_eq(e.attr.bp_addr, addr, "%s", text);
	cr_expect_eq(e.attr.bp_len, len, "%s", text);
	cr_expect_eq(e.attr.bp_type, type, "%s", text);
	cr_expect_eq(e.attr.sample_type, PERF_SAMPLE_ADDR, "%s", text);
	cr_expect_eq(e.quality, MP_SAMPLE_BREAKPOINT, "%s", text);
}

Test(perf_event, watched_addresses)
{
	expect_breakpoint("mem:0x7f0000001000", 0x7f0000001000, 4, HW_BREAKPOINT_RW);
	expect_breakpoint("mem:0x7f0000001000/8", 0x7f0000001000, 8, HW_BREAKPOINT_RW);
	expect_breakpoint("mem:0x7f0000001003/1:w:u", 0x7f0000001003, 1, HW_BREAKPOINT_W);
	expect_breakpoint("mem:4096/2:rw:uk", 4096, 2, HW_BREAKPOINT_RW);
	expect_breakpoint("mem:0x401001:x:period=7", 0x401001, CODE_BYTES, HW_BREAKPOINT_X);
}

/* Refused, with a line in which all of `words`, parted by '|', stand. */
static void expect_line(const char *text, int ret, int want, const char *line, const char *words)
{
	char copy[256], *rest = copy, *word;

	cr_expect_eq(ret, want, "%s: %d, %s", text, ret, line);
	cr_expect_null(strchr(line, '\n'), "%s", line);
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, "|")))
		cr_expect_not_null(strstr(line, word), "%s: '%s' is not in: %s", text, word, line);
}

static void expect_refused(const char *text, const char *words)
{
	struct mp_event e;
	struct mp_err err = {0};
	int ret = mp_event_encode(text, &e, &err);

	expect_line(text, ret, -EINVAL, err.text, words);
}

Test(perf_event, refused_modifiers)
{
	char text[400];

	expect_refused("", "no name");
	expect_refused(":u", "no name");
	expect_refused("cycles:", "behind a colon");
	expect_refused("cycles:pppp", "at most ppp");
	expect_refused("cycles:precise=4", "0 to 3");
	expect_refused("cycles:period=0", "period");
	expect_refused("cycles:period=", "period");
	expect_refused("cycles:period=-5", "period");
	expect_refused("cycles:period=10k", "period");
	expect_refused("cycles:period=99999999999999999999", "period");
	expect_refused("cycles:freq=0", "freq");
	expect_refused("cycles:period=7:freq=9", "not both");
	expect_refused("cycles:foo=1", "nothing called 'foo=1'");
	expect_refused("cycles:ldlat=30", "no ldlat");
	expect_refused("r1a8:ldlat=30", "no ldlat");
	expect_refused("cs:u", "in the kernel");
	expect_refused("page-faults:p", "no precise levels");
	expect_refused("emulation-faults:p", "no precise levels");
	expect_refused("r11112222333344445", "16 hexadecimal digits");
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 0;
	expect_refused(text, "at most 127 characters");
#ifdef __x86_64__
	expect_refused("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=2", "ldlat|3 to 65535");
	expect_refused("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=0", "ldlat|3 to 65535");
	expect_refused("skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=65536", "ldlat|3 to 65535");
	expect_refused("amd64_fam19h_zen4::RETIRED_INSTRUCTIONS:p", "no precise levels");
#endif
}

Test(perf_event, refused_breakpoints)
{
	expect_refused("mem", "mem:ADDRESS");
	expect_refused("mem:", "behind a colon");
	expect_refused("mem:here", "mem:ADDRESS");
	expect_refused("mem:0x1000/3", "1, 2, 4 or 8");
	expect_refused("mem:0x1000/16", "1, 2, 4 or 8");
	expect_refused("mem:0x1000/", "1, 2, 4 or 8");
	expect_refused("mem:0x1001/2", "multiple");
	expect_refused("mem:0x1004/8", "multiple");
	expect_refused("mem:0xffff888000000000/8", "user space");
	expect_refused("mem:0xffffffffffffffff/1", "user space");
	expect_refused("mem:0x1000:rwx", "r, w, rw or x");
	expect_refused("mem:0x1000:q", "r, w, rw or x");
	expect_refused("mem:0x1000:ww", "r, w, rw or x");
	expect_refused("mem:0x1000/2:x", "leave the length out");
	expect_refused("mem:0x1000:w:p", "no precise levels");
	expect_refused("mem:0x1000:w:ldlat=30", "no ldlat");
}

Test(perf_event, unknown_names_come_with_the_nearest)
{
	expect_refused("cycels", "no event is called 'cycels'|nearest are cycles,");
	expect_refused("mem-loads:ldlat=30", "depends on the machine");
	expect_refused("mem-load", "nearest are mem-loads, LLC-loads, mem-stores");
	expect_refused("branch-mises:u", "nearest are branch-misses");
	expect_refused("L1-dcache-load-mises", "nearest are L1-dcache-load-misses, L1-icache-load-misses");
	expect_refused("no_such\nthing", "no_such?thing");
#ifdef __x86_64__
	expect_refused("skx::MEM_TRANS_RETIERD:LOAD_LATENCY",
	    "nearest are skx::MEM_TRANS_RETIRED, skx::MEM_LOAD_RETIRED, skx::MEM_INST_RETIRED");
	expect_refused("skx::MEM_TRANS_RETIRED:LOAD_LATENCIES:ldlat=30",
	    "nothing called 'LOAD_LATENCIES'|nearest are LOAD_LATENCY");
	expect_refused("skz::MEM_TRANS_RETIRED", "nearest are skl, skx");
#endif
}

Test(perf_event, sample_filter)
{
	struct mp_event e = {.keep = MP_EVENT_KEEP_LOADS, .min_weight = 30, .is_user_only = true};
	struct mp_access load = {MP_LEVEL_L1, 1, 0}, store = {MP_LEVEL_L1, 1, 1},
			 none = {MP_LEVEL_NONE, -1, -1};
	struct mp_access far = {MP_LEVEL_REMOTE_DRAM, 2, 0}, l3 = {MP_LEVEL_L3, 1, 0};

	cr_expect(mp_event_keeps(&e, &load, 30, false));
	cr_expect(mp_event_keeps(&e, &load, -1, false));
	cr_expect_not(mp_event_keeps(&e, &load, 29, false));
	cr_expect_not(mp_event_keeps(&e, &load, 30, true));
	cr_expect_not(mp_event_keeps(&e, &store, 30, false));
	cr_expect_not(mp_event_keeps(&e, &none, 30, false));
	e = (struct mp_event){.keep = MP_EVENT_KEEP_STORES};
	cr_expect(mp_event_keeps(&e, &store, 0, true));
	cr_expect_not(mp_event_keeps(&e, &load, 0, true));
	e.keep = MP_EVENT_KEEP_L3_MISSES;
	cr_expect(mp_event_keeps(&e, &far, 0, false));
	cr_expect_not(mp_event_keeps(&e, &l3, 0, false));
	e.keep = MP_EVENT_KEEP_REMOTE_DRAM;
	cr_expect(mp_event_keeps(&e, &far, 0, false));
	cr_expect_not(mp_event_keeps(&e, &l3, 0, false));
	e.keep = MP_EVENT_KEEP_TLB_WALKS;
	cr_expect(mp_event_keeps(&e, &far, 0, false));
	cr_expect_not(mp_event_keeps(&e, &l3, 0, false));
	e.keep = MP_EVENT_KEEP_ALL;
	cr_expect(mp_event_keeps(&e, &none, 0, true));
}

/* A machine that is made up. */
struct made_up {
	struct mp_event_machine machine;
	char devices[64];
	/* 0, or -errno as the kernel would answer. */
	int (*answer)(const struct made_up *m, const struct perf_event_attr *a, bool of_thread);
	struct perf_event_attr leader; /* of the event that is being opened; type 0 and config 0: none */
	unsigned int max_precise;
	bool has_weight_struct; /* Linux 5.12 */
	unsigned int spe_filters;
};

static void put(const struct made_up *m, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", m->devices, file);
	for (char *slash = path + strlen(m->devices); (slash = strchr(slash + 1, '/'));) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f, "%s", path);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static int answer(void *ctx, struct perf_event_attr *a, pid_t pid, int cpu, int group_fd)
{
	struct made_up *m = ctx;

	cr_expect(a->disabled || group_fd >= 0);
	cr_expect(pid == 0 ? cpu == -1 : pid == -1 && cpu == 0);
	if (group_fd < 0)
		m->leader = (struct perf_event_attr){.size = 0};
	int ret = m->answer(m, a, pid == 0);
	if (ret)
		return ret;
	m->leader = *a;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void make(struct made_up *m, const char *core_pmu)
{
	snprintf(m->devices, sizeof(m->devices), "/tmp/perf_event.XXXXXX");
	cr_assert_not_null(mkdtemp(m->devices));
	m->machine = (struct mp_event_machine){m->devices, core_pmu, answer, m};
	put(m, "software/type", "1");
}

static void unmake(const struct made_up *m)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", m->devices);
	cr_expect_eq(system(command), 0);
}

static struct mp_event resolved(const struct made_up *m, const char *text)
{
	struct mp_event e;
	struct mp_err err = {0};

	cr_assert_eq(mp_event_resolve_on(&m->machine, text, &e, &err), 0, "%s: %s", text, err.text);
	cr_expect_str_eq(e.name, text);
	return e;
}

static void expect_not_resolved(const struct made_up *m, const char *text, int want, const char *words)
{
	struct mp_event e;
	struct mp_err err = {0};
	int ret = mp_event_resolve_on(&m->machine, text, &e, &err);

	expect_line(text, ret, want, err.text, words);
}

static void expect_attr(const struct mp_event *e, uint32_t type, uint64_t config, uint64_t config1,
    uint64_t config2, uint64_t sample_type)
{
	cr_expect_eq(e->attr.type, type, "%s: type %u", e->name, e->attr.type);
	cr_expect_eq(e->attr.config, config, "%s: config %#llx", e->name, (unsigned long long)e->attr.config);
	cr_expect_eq(
	    e->attr.config1, config1, "%s: config1 %#llx", e->name, (unsigned long long)e->attr.config1);
	cr_expect_eq(
	    e->attr.config2, config2, "%s: config2 %#llx", e->name, (unsigned long long)e->attr.config2);
	cr_expect_eq(e->attr.sample_type, sample_type, "%s: sample_type %#llx", e->name,
	    (unsigned long long)e->attr.sample_type);
}

static void expect_page_faults(const struct made_up *m, const char *text, const char *note)
{
	struct mp_event e = resolved(m, text);

	expect_attr(&e, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 0, 0, PERF_SAMPLE_ADDR);
	cr_expect_eq(e.quality, MP_SAMPLE_SOFTWARE, "%s", text);
	cr_expect_str_eq(e.chosen, "page-faults");
	cr_expect_str_eq(e.note, note);
	cr_expect_not(e.has_leader || e.is_aux || e.is_system_wide);
}

#define DATA   (PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC)
#define LOADS  0x1cd
#define STORES 0x82d0
#define AUX    0x8203

static int answer_intel(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	(void)of_thread;
	if (a->type == PERF_TYPE_SOFTWARE)
		return a->precise_ip ? -EOPNOTSUPP : 0;
	if (a->type > PERF_TYPE_RAW)
		return -ENOENT;
	if (a->precise_ip > m->max_precise)
		return -EOPNOTSUPP;
	if (a->sample_type & PERF_SAMPLE_WEIGHT_STRUCT && !m->has_weight_struct)
		return -EINVAL;
	return 0;
}

/* Since Sapphire Rapids. */
static int answer_intel_aux(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	if (a->type == PERF_TYPE_RAW && a->config == LOADS && m->leader.config != AUX)
		return -ENODATA;
	return answer_intel(m, a, of_thread);
}

static void make_intel(struct made_up *m, const char *pmu, const char *core_pmu)
{
	static const char *const files[][2] = {{"type", "4"}, {"format/event", "config:0-7"},
	    {"format/umask", "config:8-15"}, {"format/ldlat", "config1:0-15"},
	    {"events/mem-loads", "event=0xcd,umask=0x1,ldlat=3"},
	    {"events/mem-stores", "event=0xd0,umask=0x82"}, {"caps/max_precise", "3"}};
	char file[64];

	make(m, core_pmu);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(file, sizeof(file), "%s/%s", pmu, files[i][0]);
		put(m, file, files[i][1]);
	}
}

#ifdef __x86_64__
Test(perf_event, skylake)
{
	struct made_up m = {.answer = answer_intel, .max_precise = 3, .has_weight_struct = true};

	make_intel(&m, "cpu", "skx");
	struct mp_event e = resolved(&m, "mem-loads");
	expect_attr(&e, PERF_TYPE_RAW, LOADS, 30, 0, DATA | PERF_SAMPLE_WEIGHT_STRUCT);
	cr_expect_eq(e.attr.precise_ip, 3);
	cr_expect_eq(e.quality, MP_SAMPLE_PEBS);
	cr_expect_str_eq(e.chosen, "cpu/mem-loads,ldlat=30/:precise=3");
	cr_expect_str_eq(e.note, "");
	cr_expect_not(e.has_leader);
	cr_expect_eq(e.attr.exclude_kernel, 1);
	cr_expect_eq(e.attr.sample_period, 0);

	e = resolved(&m, "mem-loads:ldlat=64:k:period=101");
	expect_attr(&e, PERF_TYPE_RAW, LOADS, 64, 0, DATA | PERF_SAMPLE_WEIGHT_STRUCT);
	cr_expect_eq(e.attr.exclude_kernel, 0);
	cr_expect_eq(e.attr.exclude_user, 1);
	cr_expect_eq(e.attr.sample_period, 101);
	cr_expect(e.has_period);

	e = resolved(&m, "mem-stores");
	expect_attr(&e, PERF_TYPE_RAW, STORES, 0, 0, DATA);
	cr_expect_eq(e.quality, MP_SAMPLE_DATA);

	static const struct {
		const char *alias, *chosen;
		uint64_t config;
	} named[] = {
	    {"cache-misses", "skx::MEM_LOAD_RETIRED:L3_MISS:precise=3", 0x20d1},
	    {"l3-miss", "skx::MEM_LOAD_RETIRED:L3_MISS:precise=3", 0x20d1},
	    {"remote-dram", "skx::MEM_LOAD_L3_MISS_RETIRED:REMOTE_DRAM:precise=3", 0x2d3},
	    {"dtlb-misses", "skx::MEM_INST_RETIRED:STLB_MISS_LOADS:precise=3", 0x11d0},
	};
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		e = resolved(&m, named[i].alias);
		expect_attr(&e, PERF_TYPE_RAW, named[i].config, 0, 0, DATA);
		cr_expect_eq(e.quality, MP_SAMPLE_DATA, "%s", named[i].alias);
		cr_expect_eq(e.attr.precise_ip, 3, "%s", named[i].alias);
		cr_expect_str_eq(e.chosen, named[i].chosen);
	}
	expect_page_faults(&m, "page-faults", "");
	unmake(&m);
}

Test(perf_event, skylake_of_an_older_kernel)
{
	struct made_up m = {.answer = answer_intel, .max_precise = 2};

	make_intel(&m, "cpu", "skx");
	struct mp_event e = resolved(&m, "mem-loads:ldlat=64");
	expect_attr(&e, PERF_TYPE_RAW, LOADS, 64, 0, DATA | PERF_SAMPLE_WEIGHT);
	cr_expect_eq(e.attr.precise_ip, 2);
	e = resolved(&m, "mem-loads:p");
	cr_expect_eq(e.attr.precise_ip, 1);
	expect_not_resolved(&m, "mem-loads:ppp", -EINVAL, "precise level 3|PEBS: not supported");
	e = resolved(&m, "skx::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64");
	expect_attr(&e, PERF_TYPE_RAW, LOADS, 64, 0, DATA | PERF_SAMPLE_WEIGHT);
	cr_expect_eq(e.attr.precise_ip, 2);
	expect_not_resolved(&m, "cycles:ppp", -EINVAL, "precise level 3");
	cr_expect_eq(resolved(&m, "cycles:pp").attr.precise_ip, 2);
	unmake(&m);
}

Test(perf_event, sapphire_rapids_wants_a_leader)
{
	struct made_up m = {.answer = answer_intel_aux, .max_precise = 3, .has_weight_struct = true};

	make_intel(&m, "cpu", "spr");
	put(&m, "cpu/events/mem-loads-aux", "event=0x03,umask=0x82");
	struct mp_event e = resolved(&m, "mem-loads");
	expect_attr(&e, PERF_TYPE_RAW, LOADS, 30, 0, DATA | PERF_SAMPLE_WEIGHT_STRUCT);
	cr_assert(e.has_leader);
	cr_expect_eq(e.leader.type, PERF_TYPE_RAW);
	cr_expect_eq(e.leader.config, AUX);
	cr_expect_eq(e.leader.exclude_kernel, 1);
	cr_expect_eq(e.attr.precise_ip, 3);
	cr_expect_str_eq(e.chosen, "cpu/mem-loads,ldlat=30/ led by mem-loads-aux:precise=3");
	e = resolved(&m, "spr::MEM_TRANS_RETIRED:LOAD_LATENCY:ldlat=64");
	cr_expect(e.has_leader);
	cr_expect_eq(e.quality, MP_SAMPLE_PEBS);
	cr_expect_not(resolved(&m, "mem-stores").has_leader);
	unmake(&m);
}

Test(perf_event, hybrid_cpus_are_asked_for_their_fast_cores)
{
	struct made_up m = {.answer = answer_intel_aux, .max_precise = 3, .has_weight_struct = true};

	make_intel(&m, "cpu_core", "adl_glc");
	put(&m, "cpu_core/events/mem-loads-aux", "event=0x03,umask=0x82");
	put(&m, "cpu_atom/type", "10");
	struct mp_event e = resolved(&m, "mem-loads");
	cr_expect_eq(e.quality, MP_SAMPLE_PEBS);
	cr_expect(e.has_leader);
	unmake(&m);
}

Test(perf_event, intel_guest_without_pebs)
{
	struct made_up m = {.answer = answer_intel, .has_weight_struct = true};

	make_intel(&m, "cpu", "skx");
	put(&m, "cpu/caps/max_precise", "0");
	struct mp_event e = resolved(&m, "mem-loads:ldlat=50");
	expect_attr(&e, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 0, 0, 0);
	cr_expect_eq(e.quality, MP_SAMPLE_COUNTER);
	cr_expect_eq(e.attr.precise_ip, 0);
	cr_expect_str_eq(e.note, "ldlat has no effect; PEBS: not supported");
	expect_not_resolved(&m, "cycles:p", -EINVAL, "no precise levels");
	expect_not_resolved(&m, "mem-loads:p", -EINVAL, "no precise level 1");
	cr_expect_eq(resolved(&m, "cycles").quality, MP_SAMPLE_COUNTER);
	expect_not_resolved(&m, "spr::MEM_LOAD_RETIRED:L3_MISS", -ENOENT, "CPU is no spr");
	unmake(&m);
}

/* Takes precise levels of its generic events, and has no event with a data address. */
Test(perf_event, precise_without_an_address)
{
	struct made_up m = {.answer = answer_intel, .max_precise = 2};

	make(&m, "none");
	put(&m, "cpu/type", "4");
	put(&m, "cpu/caps/max_precise", "2");
	struct mp_event e = resolved(&m, "mem-loads");
	expect_attr(&e, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 0, 0, 0);
	cr_expect_eq(e.quality, MP_SAMPLE_PRECISE);
	cr_expect_eq(e.attr.precise_ip, 2);
	cr_expect_str_eq(e.chosen, "cache-misses:precise=2");
	cr_expect_str_eq(e.note, "no PEBS, IBS or SPE for it here");
	e = resolved(&m, "dtlb-misses");
	expect_attr(&e, PERF_TYPE_HW_CACHE, 0x10003, 0, 0, 0);
	cr_expect_eq(e.quality, MP_SAMPLE_PRECISE);
	unmake(&m);
}
#endif

#define IBS_TYPE   11
#define CNT_CTL    (1ULL << 19)
#define L3MISSONLY (1ULL << 16)

/* Linux 6.15: per thread, user space alone by a filter of the kernel's. */
static int answer_ibs(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	(void)m;
	(void)of_thread;
	if (a->type == PERF_TYPE_SOFTWARE)
		return 0;
	if (a->type != IBS_TYPE)
		return a->type <= PERF_TYPE_RAW ? 0 : -ENOENT;
	if (!a->freq && (!a->sample_period || a->sample_period & 15))
		return -EINVAL;
	if ((a->exclude_kernel || a->exclude_user || a->exclude_hv) && !(a->config2 & 1))
		return -EINVAL;
	return 0;
}

/* Before 6.2: only whole CPUs, and everything of them. */
static int answer_ibs_of_cpus(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	if (a->type == IBS_TYPE && of_thread)
		return -EINVAL;
	return answer_ibs(m, a, of_thread);
}

Test(perf_event, zen_5)
{
	struct made_up m = {.answer = answer_ibs};

	make(&m, "amd64_fam19h_zen4");
	put(&m, "ibs_op/type", "11");
	put(&m, "ibs_op/format/cnt_ctl", "config:19");
	put(&m, "ibs_op/format/l3missonly", "config:16");
	put(&m, "ibs_op/format/ldlat", "config1:0-11");
	put(&m, "ibs_op/format/swfilt", "config2:0");
	struct mp_event e = resolved(&m, "mem-loads:period=10007");
	expect_attr(&e, IBS_TYPE, CNT_CTL, 0, 1, DATA | PERF_SAMPLE_WEIGHT);
	cr_expect_eq(e.quality, MP_SAMPLE_IBS);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_LOADS);
	cr_expect_eq(e.min_weight, 30);
	cr_expect_eq(e.attr.sample_period, 10000);
	cr_expect_eq(e.attr.exclude_kernel, 1);
	cr_expect_not(e.is_system_wide);
	cr_expect_not(e.is_user_only);
	cr_expect_str_eq(e.chosen, "ibs_op/cnt_ctl=1,swfilt=1/");

	e = resolved(&m, "mem-loads:ldlat=200");
	expect_attr(&e, IBS_TYPE, CNT_CTL, 200, 1, DATA | PERF_SAMPLE_WEIGHT);
	e = resolved(&m, "mem-loads:ldlat=9999");
	expect_attr(&e, IBS_TYPE, CNT_CTL, 2048, 1, DATA | PERF_SAMPLE_WEIGHT);
	cr_expect_eq(e.min_weight, 9999);
	e = resolved(&m, "l3-miss");
	expect_attr(&e, IBS_TYPE, CNT_CTL | L3MISSONLY, 0, 1, DATA | PERF_SAMPLE_WEIGHT);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_L3_MISSES);
	cr_expect_eq(e.min_weight, 0);
	cr_expect_eq(resolved(&m, "mem-stores").keep, MP_EVENT_KEEP_STORES);
	cr_expect_eq(resolved(&m, "remote-dram").keep, MP_EVENT_KEEP_REMOTE_DRAM);
	cr_expect_eq(resolved(&m, "dtlb-misses").keep, MP_EVENT_KEEP_TLB_WALKS);
	expect_page_faults(&m, "page-faults", "");
	unmake(&m);
}

Test(perf_event, zen_2_of_an_older_kernel)
{
	struct made_up m = {.answer = answer_ibs_of_cpus};

	make(&m, "amd64_fam17h_zen2");
	put(&m, "ibs_op/type", "11");
	put(&m, "ibs_op/format/cnt_ctl", "config:19");
	struct mp_event e = resolved(&m, "l3-miss");
	expect_attr(&e, IBS_TYPE, CNT_CTL, 0, 0, PERF_SAMPLE_RAW);
	cr_expect(e.is_system_wide);
	cr_expect(e.is_user_only);
	cr_expect_eq(e.attr.exclude_kernel, 0);
	cr_expect_str_eq(e.chosen, "ibs_op/cnt_ctl=1/ of whole CPUs");
	cr_expect_not(resolved(&m, "l3-miss:uk").is_user_only);
	unmake(&m);
}

#define SPE_TYPE 9

static int answer_spe(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	(void)of_thread;
	if (a->type == PERF_TYPE_SOFTWARE || a->type == PERF_TYPE_HARDWARE)
		return 0;
	if (a->config1 & ~(uint64_t)m->spe_filters)
		return -EOPNOTSUPP;
	return a->type == SPE_TYPE && !a->freq ? 0 : -ENOENT;
}

Test(perf_event, neoverse_n1)
{
	static const char *const fields[][2] = {{"ts_enable", "config:0"}, {"pa_enable", "config:1"},
	    {"jitter", "config:16"}, {"branch_filter", "config:32"}, {"load_filter", "config:33"},
	    {"store_filter", "config:34"}, {"event_filter", "config1:0-63"}, {"min_latency", "config2:0-11"}};
	const uint64_t always = 1 | 1 << 16;
	/* What SPE of version 1.0 filters by: retired, refill, walk, mispredicted. */
	struct made_up m = {.answer = answer_spe, .spe_filters = 0xaa};
	char file[64];

	make(&m, "arm_n1");
	put(&m, "arm_spe_0/type", "9");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		snprintf(file, sizeof(file), "arm_spe_0/format/%s", fields[i][0]);
		put(&m, file, fields[i][1]);
	}
	struct mp_event e = resolved(&m, "mem-loads:ldlat=40");
	expect_attr(&e, SPE_TYPE, always | 1ULL << 33, 0, 40, 0);
	cr_expect_eq(e.quality, MP_SAMPLE_SPE);
	cr_expect(e.is_aux);
	cr_expect_str_eq(e.chosen, "arm_spe_0/ts_enable=1,jitter=1,load_filter=1,min_latency=40/");
	e = resolved(&m, "mem-loads:ldlat=5000");
	cr_expect_eq(e.attr.config2, 4095);
	e = resolved(&m, "mem-stores");
	expect_attr(&e, SPE_TYPE, always | 1ULL << 34, 0, 0, 0);
	e = resolved(&m, "cache-misses");
	expect_attr(&e, SPE_TYPE, always, 1 << 3, 0, 0);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_ALL);
	e = resolved(&m, "l3-miss");
	expect_attr(&e, SPE_TYPE, always, 1 << 3, 0, 0);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_L3_MISSES);
	e = resolved(&m, "remote-dram");
	expect_attr(&e, SPE_TYPE, always, 1 << 3, 0, 0);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_REMOTE_DRAM);
	m.spe_filters = 0x7aa;
	e = resolved(&m, "l3-miss");
	expect_attr(&e, SPE_TYPE, always, 1 << 9, 0, 0);
	cr_expect_eq(e.keep, MP_EVENT_KEEP_ALL);
	e = resolved(&m, "remote-dram");
	expect_attr(&e, SPE_TYPE, always, 1 << 10, 0, 0);
	e = resolved(&m, "dtlb-misses");
	expect_attr(&e, SPE_TYPE, always, 1 << 5, 0, 0);

	/* SPE counts no frequencies. */
	e = resolved(&m, "mem-loads:freq=99");
	cr_expect_eq(e.quality, MP_SAMPLE_COUNTER);
	cr_expect_str_eq(e.note, "SPE: not supported");
	/* Its counters know no precise levels, whatever the kernel says. */
	expect_not_resolved(&m, "cycles:p", -EINVAL, "no precise levels");
	unmake(&m);
}

static int answer_software(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	(void)m;
	(void)of_thread;
	return a->type == PERF_TYPE_SOFTWARE ? 0 : -ENOENT;
}

Test(perf_event, guest_without_counters)
{
	struct made_up m = {.answer = answer_software};

	make(&m, NULL);
	expect_page_faults(&m, "mem-loads",
	    "page faults stand in; no PEBS, IBS or SPE for it here; cache-misses: not supported");
	expect_page_faults(&m, "mem-loads:ldlat=50",
	    "page faults stand in; ldlat has no effect; no PEBS, IBS or SPE for it here; cache-misses: not "
	    "supported");
	expect_page_faults(&m, "mem-stores",
	    "page faults stand in; no PEBS, IBS or SPE for it here; L1-dcache-stores: not supported");
	expect_page_faults(&m, "page-faults", "");
	for (size_t i = 0; mp_event_alias(i); i++)
		cr_expect_eq(resolved(&m, mp_event_alias(i)->name).quality, MP_SAMPLE_SOFTWARE);
	expect_not_resolved(&m, "cycles", -ENOENT, "does not count it|doctor");
	expect_not_resolved(&m, "cycles:p", -EINVAL, "no precise levels");
	expect_not_resolved(&m, "mem-loads:p", -EINVAL, "no precise level");
	expect_not_resolved(&m, "page-faults:p", -EINVAL, "no precise levels");
	expect_not_resolved(&m, "mem-loads:ldlat=2", -EINVAL, "3 to 65535");
	expect_not_resolved(&m, "l3-miss:ldlat=30", -EINVAL, "only mem-loads has ldlat");
	unmake(&m);
}

static int answer_no(const struct made_up *m, const struct perf_event_attr *a, bool of_thread)
{
	(void)m;
	(void)a;
	(void)of_thread;
	return -EACCES;
}

Test(perf_event, without_the_right_to)
{
	struct made_up m = {.answer = answer_no};

	make(&m, NULL);
	expect_not_resolved(&m, "mem-loads", -EACCES, "not permitted|CAP_PERFMON");
	expect_not_resolved(&m, "cycles:k", -EACCES, "not permitted|CAP_PERFMON|leave :k out");
	unmake(&m);
}

/* What sysfs says is not trusted to be what it should. */
Test(perf_event, a_strange_sysfs)
{
	struct made_up m = {.answer = answer_software};

	make(&m, NULL);
	put(&m, "ibs_op/type", "eleven");
	put(&m, "cpu/type", "4");
	put(&m, "cpu/format/event", "config:7-0");
	put(&m, "cpu/format/umask", "config9:0-7");
	put(&m, "cpu/format/ldlat", "config1:0-77");
	put(&m, "cpu/events/mem-loads", "event=0xcd,umask=0x1,,=,ldlat");
	put(&m, "cpu/events/mem-stores", "umask=1");
	struct mp_event e = resolved(&m, "mem-loads");
	cr_expect_eq(e.quality, MP_SAMPLE_SOFTWARE);
	cr_expect_not_null(strstr(e.note, "PEBS: "), "%s", e.note);
	cr_expect_not_null(strstr(e.note, "IBS: "), "%s", e.note);
	e = resolved(&m, "mem-stores");
	cr_expect_eq(e.quality, MP_SAMPLE_SOFTWARE);
	unmake(&m);
}

Test(perf_event, fields_of_sysfs)
{
	struct made_up m = {.answer = answer_software};
	struct perf_event_attr a = {.config = UINT64_MAX};

	make(&m, NULL);
	put(&m, "p/format/split", "config:0-7,32-35");
	put(&m, "p/format/whole", "config1:0-63");
	put(&m, "p/format/bit", "config2:63");
	cr_expect_eq(mp_event_sysfs_put(&m.machine, "p", "split", 0xa05, &a), 0);
	cr_expect_eq(a.config, 0xfffffffaffffff05);
	cr_expect_eq(mp_event_sysfs_put(&m.machine, "p", "whole", UINT64_MAX, &a), 0);
	cr_expect_eq(a.config1, UINT64_MAX);
	cr_expect_eq(mp_event_sysfs_put(&m.machine, "p", "bit", 1, &a), 0);
	cr_expect_eq(a.config2, 1ULL << 63);
	cr_expect_eq(mp_event_sysfs_put(&m.machine, "p", "bit", 2, &a), -ERANGE);
	cr_expect_eq(mp_event_sysfs_put(&m.machine, "p", "none", 1, &a), -ENOENT);
	unmake(&m);
}

/* This machine, whatever it has. */
Test(perf_event, every_alias_is_something_here)
{
	for (size_t i = 0; mp_event_alias(i); i++) {
		struct mp_event e;
		struct mp_err err = {0};

		cr_assert_eq(mp_event_resolve(mp_event_alias(i)->name, &e, &err), 0, "%s", err.text);
		cr_expect_neq(*e.chosen, 0);
		cr_expect_eq(*e.note == 0, e.quality >= MP_SAMPLE_DATA || !strcmp(e.name, "page-faults"),
		    "%s: %s", e.name, e.note);
	}
}

Test(perf_event, watching_an_address_here)
{
	static long watched;
	struct mp_event e;
	struct mp_err err = {0};
	char text[64];

	snprintf(text, sizeof(text), "mem:%p/8:w", (void *)&watched);
	cr_assert_eq(mp_event_resolve(text, &e, &err), 0, "%s", err.text);
	cr_expect_eq(e.attr.bp_addr, (uintptr_t)&watched);
	cr_expect_eq(mp_event_resolve("cpu-clock:freq=99", &e, &err), 0, "%s", err.text);
	cr_expect_eq(e.quality, MP_SAMPLE_SOFTWARE);
	cr_expect_eq(mp_event_resolve("cpu-clcok", &e, &err), -EINVAL);
	cr_expect_not_null(strstr(err.text, "cpu-clock"));
}

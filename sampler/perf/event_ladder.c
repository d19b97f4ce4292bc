/* SPDX-License-Identifier: MIT */
/* The aliases, and the best that a machine has for each. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/perf/event_priv.h"
#include "sampler/perf/spe.h"

#define LDLAT_DEFAULT 30 /* cycles: above a hit in L1 or L2 */

/* By which SPE filters (PMSEVFR_EL1). Every SPE knows the first two, the others since SPE version 1.4. */
#define SPE_L1_REFILL (1u << MP_SPE_L1_REFILL)
#define SPE_TLB_WALK  (1u << MP_SPE_TLB_WALK)
#define SPE_LLC_MISS  (1u << MP_SPE_LLC_MISS)
#define SPE_REMOTE    (1u << MP_SPE_REMOTE_ACCESS)

#define CACHE_EVENT(cache, op, result)                                                                       \
	(PERF_COUNT_HW_CACHE_##cache | PERF_COUNT_HW_CACHE_OP_##op << 8 |                                    \
	    PERF_COUNT_HW_CACHE_RESULT_##result << 16)

struct ladder {
	struct mp_event_alias alias;
	const char *sysfs;       /* Intel's event in sysfs, with the data's address */
	bool has_latency;        /* it measures latency */
	const char *intel[4];    /* its names in libpfm4, from newer CPUs to older ones */
	enum mp_event_keep keep; /* of what IBS samples */
	const char *spe_filter;  /* load_filter, store_filter; NULL: by events */
	uint64_t spe_events;
	uint32_t type; /* the kernel's generic event; PERF_TYPE_SOFTWARE: there is no other rung */
	uint64_t config;
	const char *generic;
};

static const struct ladder ladders[] = {
    {
	.alias = {"mem-loads",
	    "loads that took long, with the data's address and level; :ldlat=N cycles, 30 unless said"},
	.sysfs = "mem-loads",
	.has_latency = true,
	.keep = MP_EVENT_KEEP_LOADS,
	.spe_filter = "load_filter",
	.type = PERF_TYPE_HARDWARE,
	.config = PERF_COUNT_HW_CACHE_MISSES,
	.generic = "cache-misses",
    },
    {
	.alias = {"mem-stores", "stores, with the data's address"},
	.sysfs = "mem-stores",
	.keep = MP_EVENT_KEEP_STORES,
	.spe_filter = "store_filter",
	.type = PERF_TYPE_HW_CACHE,
	.config = CACHE_EVENT(L1D, WRITE, ACCESS),
	.generic = "L1-dcache-stores",
    },
    {
	.alias = {"cache-misses",
	    "what the kernel means by it: misses of the last level cache, on Arm of the first"},
	.intel = {"MEM_LOAD_RETIRED:L3_MISS", "MEM_LOAD_UOPS_RETIRED:L3_MISS"},
	.keep = MP_EVENT_KEEP_L3_MISSES,
	.spe_events = SPE_L1_REFILL,
	.type = PERF_TYPE_HARDWARE,
	.config = PERF_COUNT_HW_CACHE_MISSES,
	.generic = "cache-misses",
    },
    {
	.alias = {"l3-miss", "loads that the last level cache had not"},
	.intel = {"MEM_LOAD_RETIRED:L3_MISS", "MEM_LOAD_UOPS_RETIRED:L3_MISS"},
	.keep = MP_EVENT_KEEP_L3_MISSES,
	.spe_events = SPE_LLC_MISS,
	.type = PERF_TYPE_HW_CACHE,
	.config = CACHE_EVENT(LL, READ, MISS),
	.generic = "LLC-load-misses",
    },
    {
	.alias = {"remote-dram", "loads from another socket's memory"},
	.intel = {"MEM_LOAD_L3_MISS_RETIRED:REMOTE_DRAM", "MEM_LOAD_UOPS_L3_MISS_RETIRED:REMOTE_DRAM"},
	.keep = MP_EVENT_KEEP_REMOTE_DRAM,
	.spe_events = SPE_REMOTE,
	.type = PERF_TYPE_HW_CACHE,
	.config = CACHE_EVENT(NODE, READ, MISS),
	.generic = "node-load-misses",
    },
    {
	.alias = {"dtlb-misses", "loads that no TLB translated: the page tables were walked"},
	.intel = {"MEM_INST_RETIRED:STLB_MISS_LOADS", "MEM_UOPS_RETIRED:STLB_MISS_LOADS"},
	.keep = MP_EVENT_KEEP_TLB_WALKS,
	.spe_events = SPE_TLB_WALK,
	.type = PERF_TYPE_HW_CACHE,
	.config = CACHE_EVENT(DTLB, READ, MISS),
	.generic = "dTLB-load-misses",
    },
    {
	.alias = {"page-faults", "minor and major, with the data's address: every machine has them"},
	.type = PERF_TYPE_SOFTWARE,
	.config = PERF_COUNT_SW_PAGE_FAULTS,
	.generic = "page-faults",
    },
};
#define N_LADDERS (sizeof(ladders) / sizeof(*ladders))

/* One climb down. */
struct climb {
	const struct mp_event_machine *m;
	const struct mp_event_words *w;
	const struct ladder *l;
	struct mp_event *out;
	bool tried_memory; /* PEBS, IBS or SPE are here */
	bool not_permitted;
};

static const struct ladder *find(const char *name)
{
	for (size_t i = 0; i < N_LADDERS; i++)
		if (!strcmp(ladders[i].alias.name, name))
			return &ladders[i];
	return NULL;
}

const struct mp_event_alias *mp_event_alias(size_t i)
{
	return i < N_LADDERS ? &ladders[i].alias : NULL;
}

bool mp_event_is_alias(const struct mp_event_words *w)
{
	return find(w->base) != NULL;
}

bool mp_event_is_ours_alone(const struct mp_event_words *w)
{
	const struct ladder *l = find(w->base);

	return l && strcmp(l->alias.name, l->generic) != 0;
}

static void add_note(struct mp_event *e, const char *what, const char *why)
{
	size_t n = strlen(e->note);

	snprintf(e->note + n, sizeof(e->note) - n, "%s%s: %s", n ? "; " : "", what, why);
}

/* Back to what the words say. */
static void begin_rung(struct climb *c)
{
	char note[sizeof(c->out->note)];

	memcpy(note, c->out->note, sizeof(note));
	*c->out = (struct mp_event){.has_leader = false};
	mp_event_words_apply(c->w, c->out);
	memcpy(c->out->note, note, sizeof(note));
}

/* Whether a rung is it, and if not, why. */
static bool stands(struct climb *c, const char *what, int code)
{
	if (!code)
		return true;
	c->not_permitted |= code == -EACCES || code == -EPERM;
	add_note(c->out, what, mp_event_reason(code));
	return false;
}

static uint32_t ldlat_of(const struct climb *c)
{
	return c->w->ldlat ? c->w->ldlat : LDLAT_DEFAULT;
}

static int encode_intel_sysfs(struct climb *c, const char *pmu)
{
	struct perf_event_attr *a = &c->out->attr;
	int ret = mp_event_sysfs_event(c->m, pmu, c->l->sysfs, a);

	a->sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC;
	c->out->quality = MP_SAMPLE_DATA;
	if (ret || !c->l->has_latency)
		return ret;
	a->sample_type |= PERF_SAMPLE_WEIGHT_STRUCT;
	c->out->quality = MP_SAMPLE_PEBS;
	ret = mp_event_sysfs_put(c->m, pmu, "ldlat", ldlat_of(c), a);
	return ret ? ret : mp_event_sysfs_leader(c->m, c->out);
}

static bool climb_intel_sysfs(struct climb *c)
{
	const char *pmu = mp_event_sysfs_intel(c->m);
	struct mp_event *e = c->out;
	char file[64];

	if (!c->l->sysfs)
		return false;
	snprintf(file, sizeof(file), "events/%s", c->l->sysfs);
	if (!mp_event_sysfs_has(c->m, pmu, file))
		return false;
	begin_rung(c);
	int code = encode_intel_sysfs(c, pmu);
	if (!code)
		code = mp_event_try_precise(c->m, c->w, e);
	c->tried_memory = true;
	if (!stands(c, "PEBS", code))
		return false;
	int n = snprintf(e->chosen, sizeof(e->chosen), "%s/%s", pmu, c->l->sysfs);
	if (c->l->has_latency)
		n += snprintf(e->chosen + n, sizeof(e->chosen) - (size_t)n, ",ldlat=%u", ldlat_of(c));
	snprintf(e->chosen + n, sizeof(e->chosen) - (size_t)n, "/%s",
	    e->has_leader ? " led by mem-loads-aux" : "");
	mp_event_tell_precise(e);
	return true;
}

/* One of the names, on one of the CPU's PMUs. */
static bool encode_on(void *ctx, const char *pmu)
{
	struct climb *c = ctx;
	struct mp_event_origin origin;

	for (size_t i = 0; i < sizeof(c->l->intel) / sizeof(*c->l->intel) && c->l->intel[i]; i++) {
		struct mp_event_words w = *c->w;

		w.precise = w.precise > 0 ? w.precise : 1;
		snprintf(w.base, sizeof(w.base), "%s::%s", pmu, c->l->intel[i]);
		begin_rung(c);
		if (!mp_event_pfm_encode(&w, c->out, &origin, NULL))
			return true;
	}
	return false;
}

static bool climb_intel_named(struct climb *c)
{
	struct mp_event *e = c->out;

	if (!c->l->intel[0] || !mp_event_each_core_pmu(c->m, encode_on, c))
		return false;
	e->attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC;
	e->quality = MP_SAMPLE_DATA;
	c->tried_memory = true;
	if (!stands(c, "PEBS", mp_event_try_precise(c->m, c->w, e)))
		return false;
	mp_event_tell_precise(e);
	return true;
}

/* Sets a field where the PMU has it; tells so in `chosen`. */
static bool put_if_there(struct climb *c, const char *pmu, const char *field, uint64_t value)
{
	struct mp_event *e = c->out;
	size_t n = strlen(e->chosen);

	if (mp_event_sysfs_put(c->m, pmu, field, value, &e->attr))
		return false;
	snprintf(e->chosen + n, sizeof(e->chosen) - n, "%s%s=%llu", e->chosen[n - 1] == '/' ? "" : ",", field,
	    (unsigned long long)value);
	return true;
}

/* IBS filters by latencies of 128 to 2048 cycles, and lets then pass only what missed L3: of no use for
 * less. */
static void filter_ibs(struct climb *c)
{
	struct mp_event *e = c->out;

	e->keep = c->l->keep;
	if (c->l->keep == MP_EVENT_KEEP_L3_MISSES || c->l->keep == MP_EVENT_KEEP_REMOTE_DRAM)
		put_if_there(c, "ibs_op", "l3missonly", 1);
	if (c->l->has_latency) {
		e->min_weight = ldlat_of(c);
		if (c->w->ldlat >= 128)
			put_if_there(c, "ibs_op", "ldlat", c->w->ldlat < 2048 ? c->w->ldlat : 2048);
	}
}

/* Of one thread since Linux 6.2, before that of a CPU, and then the kernel tells but the registers; user
 * space alone by "swfilt" since 6.15, before that by nothing. */
static int encode_ibs(struct climb *c, bool by_filter, bool is_system_wide)
{
	struct perf_event_attr *a = &c->out->attr;
	uint32_t type;

	begin_rung(c);
	int ret = mp_event_sysfs_number(c->m, "ibs_op", "type", &type);
	if (ret)
		return ret;
	a->type = type;
	a->sample_type |=
	    is_system_wide ? PERF_SAMPLE_RAW : PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT;
	a->sample_period &= a->freq ? UINT64_MAX : ~15ULL;
	snprintf(c->out->chosen, sizeof(c->out->chosen), "ibs_op/");
	c->out->quality = MP_SAMPLE_IBS;
	c->out->is_system_wide = is_system_wide;
	put_if_there(c, "ibs_op", "cnt_ctl", 1);
	filter_ibs(c);
	if (by_filter)
		return put_if_there(c, "ibs_op", "swfilt", 1) ? 0 : -EOPNOTSUPP;
	c->out->is_user_only = a->exclude_kernel;
	a->exclude_user = a->exclude_kernel = a->exclude_hv = 0;
	return 0;
}

static bool climb_ibs(struct climb *c)
{
	int code = -ENOENT;

	if (c->l->type == PERF_TYPE_SOFTWARE || !mp_event_sysfs_has(c->m, "ibs_op", "type"))
		return false;
	for (int way = 0; way < 4 && code; way++) {
		code = encode_ibs(c, !(way & 1), way >= 2);
		if (!code)
			code = mp_event_try(c->m, c->out);
	}
	c->tried_memory = true;
	if (!stands(c, "IBS", code))
		return false;
	size_t n = strlen(c->out->chosen);
	snprintf(c->out->chosen + n, sizeof(c->out->chosen) - n, "/%s",
	    c->out->is_system_wide ? " of whole CPUs" : "");
	return true;
}

static int encode_spe(struct climb *c, const char *pmu, uint64_t events)
{
	struct mp_event *e = c->out;
	uint32_t type;
	int ret = mp_event_sysfs_number(c->m, pmu, "type", &type);

	if (ret)
		return ret;
	e->attr.type = type;
	e->quality = MP_SAMPLE_SPE;
	e->is_aux = true;
	snprintf(e->chosen, sizeof(e->chosen), "%s/", pmu);
	put_if_there(c, pmu, "ts_enable", 1);
	put_if_there(c, pmu, "jitter", 1);
	if (c->l->spe_filter && !put_if_there(c, pmu, c->l->spe_filter, 1))
		return -EOPNOTSUPP;
	if (events && !put_if_there(c, pmu, "event_filter", events))
		return -EOPNOTSUPP;
	/* Whatever missed the last level was refilled into the first: the rest is thrown away by its level.
	 */
	if (events != c->l->spe_events)
		e->keep = c->l->keep;
	/* 12 bits of it. */
	if (c->l->has_latency &&
	    !put_if_there(c, pmu, "min_latency", ldlat_of(c) < 4095 ? ldlat_of(c) : 4095))
		return -EOPNOTSUPP;
	return 0;
}

static bool climb_spe(struct climb *c)
{
	static const char pmu[] = "arm_spe_0";

	if (c->l->type == PERF_TYPE_SOFTWARE || !mp_event_sysfs_has(c->m, pmu, "type"))
		return false;
	const uint64_t events[] = {c->l->spe_events, c->l->spe_events ? SPE_L1_REFILL : 0};
	int code = -ENOENT;
	for (size_t i = 0; i < 2 && code && code != -EACCES && code != -EPERM; i++) {
		begin_rung(c);
		code = encode_spe(c, pmu, events[i]);
		if (!code)
			code = mp_event_try(c->m, c->out);
	}
	c->tried_memory = true;
	if (!stands(c, "SPE", code))
		return false;
	size_t n = strlen(c->out->chosen);
	snprintf(c->out->chosen + n, sizeof(c->out->chosen) - n, "/");
	return true;
}

static void begin_generic(struct climb *c, enum mp_sample_quality quality)
{
	begin_rung(c);
	c->out->attr.type = c->l->type;
	c->out->attr.config = c->l->config;
	c->out->quality = quality;
	snprintf(c->out->chosen, sizeof(c->out->chosen), "%s", c->l->generic);
}

static bool climb_precise(struct climb *c)
{
	struct mp_event *e = c->out;

	if (c->l->type == PERF_TYPE_SOFTWARE || !mp_event_machine_has_precise(c->m))
		return false;
	begin_generic(c, MP_SAMPLE_PRECISE);
	if (!stands(c, "precise", mp_event_try_precise(c->m, c->w, e)))
		return false;
	mp_event_tell_precise(e);
	return true;
}

static bool climb_counter(struct climb *c)
{
	if (c->l->type == PERF_TYPE_SOFTWARE || c->w->precise > 0)
		return false;
	begin_generic(c, MP_SAMPLE_COUNTER);
	return stands(c, c->l->generic, mp_event_try(c->m, c->out));
}

static bool climb_software(struct climb *c)
{
	struct mp_event *e = c->out;

	if (c->w->precise > 0)
		return false;
	begin_rung(c);
	e->attr.type = PERF_TYPE_SOFTWARE;
	e->attr.config = PERF_COUNT_SW_PAGE_FAULTS;
	e->attr.sample_type |= PERF_SAMPLE_ADDR;
	e->quality = MP_SAMPLE_SOFTWARE;
	snprintf(e->chosen, sizeof(e->chosen), "page-faults");
	return stands(c, "page-faults", mp_event_try(c->m, e));
}

static bool (*const rungs[])(struct climb *c) = {
    climb_intel_sysfs, climb_intel_named, climb_ibs, climb_spe, climb_precise, climb_counter, climb_software};

static int refuse(const struct climb *c, struct mp_err *err)
{
	const char *note = c->out->note;

	if (c->not_permitted)
		return mp_err_set(err, EACCES,
		    "event '%s': not permitted (%s); give mpsample CAP_PERFMON, or lower "
		    "kernel.perf_event_paranoid",
		    c->w->text, note);
	if (c->w->precise > 0)
		return mp_err_set(err, EINVAL,
		    "event '%s': this machine has no precise level %d for it%s%s; leave :p and precise= out",
		    c->w->text, c->w->precise, *note ? ": " : "", note);
	return mp_err_set(err, ENOENT, "event '%s': this machine has nothing for it: %s", c->w->text, note);
}

/* What a poorer rung does not do, said before why it is not a better one. */
static void finish_note(struct climb *c)
{
	struct mp_event *e = c->out;
	bool is_own = c->l->type == PERF_TYPE_SOFTWARE, is_data = e->quality >= MP_SAMPLE_DATA;
	const char *parts[] = {
	    !is_own && e->quality == MP_SAMPLE_SOFTWARE ? "page faults stand in" : NULL,
	    c->w->ldlat && !is_data ? "ldlat has no effect" : NULL,
	    !is_own && !is_data && !c->tried_memory ? "no PEBS, IBS or SPE for it here" : NULL,
	    *e->note ? e->note : NULL,
	};
	char note[sizeof(e->note)] = "";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && n < sizeof(note); i++)
		if (parts[i])
			n += (size_t)snprintf(note + n, sizeof(note) - n, "%s%s", n ? "; " : "", parts[i]);
	memcpy(e->note, note, sizeof(note));
}

int mp_event_alias_resolve(const struct mp_event_machine *m, const struct mp_event_words *w,
    struct mp_event *out, struct mp_err *err)
{
	struct climb c = {.m = m, .w = w, .l = find(w->base), .out = out};

	if (w->ldlat && !c.l->has_latency)
		return mp_err_set(
		    err, EINVAL, "event '%s': of the aliases only mem-loads has ldlat", w->text);
	if (w->precise > 0 && c.l->type == PERF_TYPE_SOFTWARE)
		return mp_err_set(err, EINVAL,
		    "event '%s': the kernel counts it itself: it has no precise levels", w->text);
	for (size_t i = 0; i < sizeof(rungs) / sizeof(*rungs); i++)
		if (rungs[i](&c)) {
			finish_note(&c);
			return 0;
		}
	return refuse(&c, err);
}

bool mp_event_keeps(const struct mp_event *e, const struct mp_access *access, int64_t weight, bool in_kernel)
{
	if ((e->is_user_only && in_kernel) || (weight >= 0 && weight < (int64_t)e->min_weight))
		return false;
	switch (e->keep) {
	case MP_EVENT_KEEP_LOADS:
		return access->is_write == 0;
	case MP_EVENT_KEEP_STORES:
		return access->is_write == 1;
	case MP_EVENT_KEEP_L3_MISSES:
		return access->level > MP_LEVEL_L3;
	case MP_EVENT_KEEP_REMOTE_DRAM:
		return access->level == MP_LEVEL_REMOTE_DRAM;
	case MP_EVENT_KEEP_TLB_WALKS:
		return access->tlb == 2;
	default:
		return true;
	}
}

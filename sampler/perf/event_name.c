/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/event_priv.h"

/* The top byte of an address of user space is 0: on x86-64 with five levels, on arm64 with 52 bits, too. */
#define USER_END (1ULL << 56)

static bool parse_number(const char *text, int base, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, base);
	return isxdigit((unsigned char)*text) && !*end && !errno;
}

static int refuse(const struct mp_event_words *w, struct mp_err *err, const char *why)
{
	return mp_err_set(err, EINVAL, "event '%s': %s", w->text, why);
}

/* "period=1000" and the like. *is_ours: it is no attribute of libpfm4's. */
static int take_value(
    struct mp_event_words *w, const char *word, const char *equals, bool *is_ours, struct mp_err *err)
{
	static const struct {
		const char *key;
		uint64_t min, max;
		const char *why;
	} keys[] = {
	    {"u", 0, 1, "u is 0 or 1"},
	    {"k", 0, 1, "k is 0 or 1"},
	    {"h", 0, 1, "h is 0 or 1"},
	    {"precise", 0, 3, "precise is 0 to 3"},
	    {"period", 1, INT64_MAX, "period wants a number above 0"},
	    {"freq", 1, 1000000, "freq wants a number of samples a second, 1 to 1000000"},
	    {"ldlat", 3, UINT16_MAX, "ldlat wants a number of cycles, 3 to 65535: no CPU filters by less"},
	};
	uint64_t v;
	size_t k = 0;

	while (k < sizeof(keys) / sizeof(*keys) && (strlen(keys[k].key) != (size_t)(equals - word) ||
						       strncmp(word, keys[k].key, (size_t)(equals - word))))
		k++;
	*is_ours = k < sizeof(keys) / sizeof(*keys);
	if (!*is_ours)
		return 0;
	if (!parse_number(equals + 1, 0, &v) || v < keys[k].min || v > keys[k].max)
		return refuse(w, err, keys[k].why);
	switch (k) {
	case 0:
		w->user = v;
		break;
	case 1:
		w->kernel = v;
		break;
	case 2:
		w->hypervisor = v;
		break;
	case 3:
		w->precise = (int)v;
		break;
	case 4:
		w->period = v;
		break;
	case 5:
		w->freq = v;
		break;
	default:
		w->ldlat = (uint32_t)v;
	}
	return 0;
}

/* perf's way: "u", "ukpp". */
static int take_letters(struct mp_event_words *w, const char *word, struct mp_err *err)
{
	int precise = 0;

	for (; *word; word++) {
		w->user |= *word == 'u';
		w->kernel |= *word == 'k';
		w->hypervisor |= *word == 'h';
		precise += *word == 'p';
	}
	if (precise > 3)
		return refuse(w, err, "precise is at most ppp");
	if (precise)
		w->precise = precise;
	return 0;
}

static int take_word(struct mp_event_words *w, const char *word, struct mp_err *err)
{
	const char *equals = strchr(word, '=');
	bool is_ours = false;

	if (!*word)
		return refuse(w, err, "nothing stands behind a colon");
	if (!word[strspn(word, "ukhp")])
		return take_letters(w, word, err);
	int ret = equals ? take_value(w, word, equals, &is_ours, err) : 0;
	if (!ret && !is_ours) {
		size_t n = strlen(w->base);
		snprintf(w->base + n, sizeof(w->base) - n, ":%s", word);
	}
	return ret;
}

/* Where the modifiers begin: behind "pmu::EVENT". */
static size_t name_length(const char *text)
{
	const char *event = strstr(text, "::");

	event = event ? event + 2 : text;
	return (size_t)(event - text) + strcspn(event, ":");
}

int mp_event_words_parse(const char *text, struct mp_event_words *out, struct mp_err *err)
{
	char words[MP_EVENT_NAME_BYTES], *rest = words, *word;

	*out = (struct mp_event_words){.precise = -1};
	if (strlen(text) >= sizeof(out->text))
		return mp_err_set(err, EINVAL, "event '%.40s...': a name has at most %d characters", text,
		    MP_EVENT_NAME_BYTES - 1);
	snprintf(out->text, sizeof(out->text), "%s", text);
	size_t n = name_length(text);
	snprintf(out->base, sizeof(out->base), "%.*s", (int)n, text);
	if (!n)
		return refuse(out, err, "it has no name; mpsample list events shows what there is");
	if (text[n])
		snprintf(words, sizeof(words), "%s", text + n + 1);
	else
		rest = NULL;
	while ((word = strsep(&rest, ":"))) {
		int ret = take_word(out, word, err);
		if (ret)
			return ret;
	}
	if (out->period && out->freq)
		return refuse(out, err, "give period or freq, not both");
	return 0;
}

void mp_event_words_apply(const struct mp_event_words *w, struct mp_event *out)
{
	struct perf_event_attr *a = &out->attr;
	bool any = w->user || w->kernel || w->hypervisor;

	snprintf(out->name, sizeof(out->name), "%s", w->text);
	a->size = sizeof(*a);
	a->exclude_user = any && !w->user;
	a->exclude_kernel = !w->kernel;
	a->exclude_hv = !w->hypervisor;
	a->freq = w->freq != 0;
	if (w->freq || w->period)
		a->sample_period = w->freq ? w->freq : w->period;
	out->has_period = w->freq || w->period;
}

static int encode_raw(const struct mp_event_words *w, struct mp_event *out, struct mp_err *err)
{
	uint64_t config;

	if (!parse_number(w->base + 1, 16, &config))
		return refuse(w, err, "a raw event is r and at most 16 hexadecimal digits");
	out->attr.type = PERF_TYPE_RAW;
	out->attr.config = config;
	out->quality = w->precise > 0 ? MP_SAMPLE_PRECISE : MP_SAMPLE_COUNTER;
	out->attr.precise_ip = w->precise > 0 ? (unsigned int)w->precise & 3 : 0;
	snprintf(out->chosen, sizeof(out->chosen), "raw 0x%llx", (unsigned long long)config);
	return 0;
}

/* "rw": what is watched; 0: that is no access, or none that a debug register can watch for. */
static unsigned int access_of(const char *letters)
{
	unsigned int type = 0;

	for (; *letters; letters++) {
		unsigned int bit = *letters == 'r'   ? HW_BREAKPOINT_R
				   : *letters == 'w' ? HW_BREAKPOINT_W
				   : *letters == 'x' ? HW_BREAKPOINT_X
						     : 0;
		if (!bit || type & bit)
			return 0;
		type |= bit;
	}
	return type & HW_BREAKPOINT_X && type != HW_BREAKPOINT_X ? 0 : type;
}

/* On x86-64 an instruction is watched with the length of a long, on arm64 with that of an instruction. */
#ifdef __x86_64__
#define CODE_BYTES     8
#define CODE_ALIGNMENT 1
#else
#define CODE_BYTES     4
#define CODE_ALIGNMENT 4
#endif

static int parse_place(
    const struct mp_event_words *w, char *place, struct perf_event_attr *a, struct mp_err *err)
{
	char *slash = strchr(place, '/');
	uint64_t addr, len = a->bp_type == HW_BREAKPOINT_X ? CODE_BYTES : 4;

	if (slash)
		*slash++ = 0;
	if (!parse_number(place, 0, &addr))
		return refuse(w, err, "a breakpoint is mem:ADDRESS[/LENGTH][:rwx]");
	if (slash && (!parse_number(slash, 0, &len) || (len != 1 && len != 2 && len != 4 && len != 8)))
		return refuse(w, err, "a breakpoint is 1, 2, 4 or 8 bytes long");
	if (a->bp_type == HW_BREAKPOINT_X && len != CODE_BYTES)
		return refuse(w, err, "code is watched by its address alone: leave the length out");
	if (addr & ((a->bp_type == HW_BREAKPOINT_X ? CODE_ALIGNMENT : len) - 1))
		return refuse(w, err, "its address is no multiple of its length");
	if (addr >= USER_END)
		return refuse(w, err, "its address is not one of user space");
	a->bp_addr = addr;
	a->bp_len = len;
	return 0;
}

static int encode_breakpoint(const struct mp_event_words *w, struct mp_event *out, struct mp_err *err)
{
	char place[MP_EVENT_NAME_BYTES];
	struct perf_event_attr *a = &out->attr;

	snprintf(place, sizeof(place), "%s", w->base + strlen("mem:"));
	char *letters = strchr(place, ':');
	if (letters)
		*letters++ = 0;
	a->type = PERF_TYPE_BREAKPOINT;
	a->bp_type = letters ? access_of(letters) : HW_BREAKPOINT_RW;
	if (!a->bp_type)
		return refuse(w, err, "a breakpoint watches for r, w, rw or x");
#ifdef __x86_64__
	if (a->bp_type == HW_BREAKPOINT_R)
		return refuse(
		    w, err, "this CPU watches for writes (w) or for both (rw), not for reads alone");
#endif
	if (w->precise > 0)
		return refuse(w, err, "a breakpoint has no precise levels: it is exact");
	int ret = parse_place(w, place, a, err);
	if (ret)
		return ret;
	a->sample_type |= PERF_SAMPLE_ADDR;
	out->quality = MP_SAMPLE_BREAKPOINT;
	snprintf(out->chosen, sizeof(out->chosen), "breakpoint 0x%llx/%llu:%s%s%s",
	    (unsigned long long)a->bp_addr, (unsigned long long)a->bp_len,
	    a->bp_type & HW_BREAKPOINT_R ? "r" : "", a->bp_type & HW_BREAKPOINT_W ? "w" : "",
	    a->bp_type & HW_BREAKPOINT_X ? "x" : "");
	return 0;
}

/* perf's names that libpfm4 has not. */
static const struct {
	const char *name;
	uint64_t config;
} own_names[] = {
    {"alignment-faults", PERF_COUNT_SW_ALIGNMENT_FAULTS},
    {"emulation-faults", PERF_COUNT_SW_EMULATION_FAULTS},
};

static int encode_own(size_t i, const struct mp_event_words *w, struct mp_event *out, struct mp_err *err)
{
	if (w->precise > 0)
		return refuse(w, err, "the kernel counts it itself: it has no precise levels");
	out->attr.type = PERF_TYPE_SOFTWARE;
	out->attr.config = own_names[i].config;
	out->quality = MP_SAMPLE_SOFTWARE;
	snprintf(out->chosen, sizeof(out->chosen), "%s", own_names[i].name);
	return 0;
}

int mp_event_plain(const struct mp_event_words *w, struct mp_event *out, struct mp_err *err)
{
	if (w->ldlat && !strncmp(w->base, "mem:", 4))
		return refuse(w, err, "a breakpoint has no ldlat");
	if (!strncmp(w->base, "mem:", 4) || !strcmp(w->base, "mem"))
		return encode_breakpoint(w, out, err);
	if (w->base[0] == 'r' && w->base[1] && !w->base[1 + strspn(w->base + 1, "0123456789abcdefABCDEF")])
		return w->ldlat ? refuse(w, err, "a raw event has no ldlat") : encode_raw(w, out, err);
	for (size_t i = 0; i < sizeof(own_names) / sizeof(*own_names); i++)
		if (!strcmp(w->base, own_names[i].name))
			return w->ldlat ? refuse(w, err, "it has no ldlat") : encode_own(i, w, out, err);
	return -ENOENT;
}

const struct mp_event_alias *mp_event_perf_name(size_t i)
{
	static const struct mp_event_alias names[] = {
	    {"cycles", "of the CPU, at its present frequency"},
	    {"ref-cycles", "at a fixed frequency"},
	    {"bus-cycles", "of the bus"},
	    {"instructions", "completed"},
	    {"branches", "instructions that may jump"},
	    {"branch-misses", "jumps that were predicted wrongly"},
	    {"cache-references", "accesses to the last level cache, on Arm to the first"},
	    {"stalled-cycles-frontend", "cycles that waited for instructions"},
	    {"stalled-cycles-backend", "cycles that waited for data and units"},
	    {"L1-dcache-loads", "loads from the first level cache"},
	    {"L1-dcache-load-misses", "loads that it had not"},
	    {"L1-dcache-stores", "stores to it"},
	    {"L1-icache-load-misses", "instructions that the first level cache had not"},
	    {"LLC-loads", "loads from the last level cache"},
	    {"LLC-load-misses", "loads that it had not"},
	    {"dTLB-loads", "translations of loads"},
	    {"dTLB-load-misses", "loads that no TLB translated"},
	    {"iTLB-load-misses", "instructions that no TLB translated"},
	    {"node-loads", "loads from the memory of the CPU's own node"},
	    {"node-load-misses", "loads from that of another one"},
	    {"cpu-clock", "time on the CPU, sampled by a timer: every machine has it"},
	    {"task-clock", "time that the thread ran"},
	    {"context-switches", "of the thread"},
	    {"cpu-migrations", "of the thread, to another CPU"},
	    {"minor-faults", "page faults served from memory, with the data's address"},
	    {"major-faults", "page faults served from a disk, with the data's address"},
	    {"alignment-faults", "accesses that the kernel had to complete"},
	    {"emulation-faults", "instructions that the kernel had to complete"},
	};

	return i < sizeof(names) / sizeof(*names) ? &names[i] : NULL;
}

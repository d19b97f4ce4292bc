/* SPDX-License-Identifier: MIT */
/*
 * split: work that is divided between three functions as nothing else can make it, and what the CPU's own
 * counters say of it. arm64 only.
 *
 *   split ROUNDS [EVENT[=PERIOD]]...      EVENT: cycles or instructions
 *
 * Truth: between go and "done", each of ROUNDS rounds runs 140,000 instructions in a loop of hot_a(), 40,000
 * in one of hot_b() and 20,000 in one of hot_c(): 70, 20 and 10 %. All else is less than 1 of 1,000. main()
 * calls trade(), which calls session(), which calls each of them. A round is also one malloc and one free.
 *
 * With EVENT the program counts itself from go to "done", in user space, by perf_event_open(2) and nothing of
 * ours; with a period it also has samples taken. Then it prints `EVENT PERIOD COUNT SAMPLES LOST`.
 */
#include "tests/targets/target.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Two instructions a turn. */
#define SPIN(turns)                                                                                          \
	do {                                                                                                 \
		uint64_t left = (turns);                                                                     \
		__asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(left) : : "cc");                     \
	} while (0)

static NOINLINE void hot_a(void)
{
	SPIN(70000);
}

static NOINLINE void hot_b(void)
{
	SPIN(20000);
}

static NOINLINE void hot_c(void)
{
	SPIN(10000);
}

static NOINLINE void session(void)
{
	char *order = malloc(64);

	TARGET_USE(order);
	hot_a();
	hot_b();
	hot_c();
	free(order);
}

static NOINLINE void trade(unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++)
		session();
}

/* ---- The CPU's counters ---- */

enum { RING_PAGES = 1024, MAX_EVENTS = 4 };

struct counter {
	const char *name;
	uint64_t period; /* 0: only counted */
	int fd;
	struct perf_event_mmap_page *ring; /* of samples, with their page before them */
};

static void die(const char *what, const char *on)
{
	target_print("error: %s %s: %s\n", what, on, strerror(errno));
	_exit(1);
}

/* EVENT[=PERIOD]: opened, and standing still. */
static struct counter counter_open(char *text)
{
	struct counter c = {.name = text};
	struct perf_event_attr attr = {
	    .size = sizeof(attr), .disabled = 1, .exclude_kernel = 1, .exclude_hv = 1};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *period = strchr(text, '=');

	if (period) {
		*period++ = 0;
		c.period = attr.sample_period = strtoull(period, NULL, 10);
		attr.sample_type = PERF_SAMPLE_IP;
	}
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = strcmp(text, "cycles") ? PERF_COUNT_HW_INSTRUCTIONS : PERF_COUNT_HW_CPU_CYCLES;
	c.fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (c.fd < 0)
		die("perf_event_open", text);
	if (c.period) {
		c.ring = mmap(NULL, (1 + RING_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
		if (c.ring == MAP_FAILED)
			die("ring of", text);
	}
	return c;
}

static void counter_print(const struct counter *c)
{
	const char *data = (const char *)c->ring + sysconf(_SC_PAGESIZE);
	uint64_t count = 0, samples = 0, lost = 0;
	uint64_t end = c->ring ? __atomic_load_n(&c->ring->data_head, __ATOMIC_ACQUIRE) : 0;

	if (read(c->fd, &count, sizeof(count)) != sizeof(count))
		die("read", c->name);
	for (uint64_t at = 0; at < end;) { /* the ring has room for all: none wraps */
		const struct perf_event_header *record = (const void *)(data + at);

		samples += record->type == PERF_RECORD_SAMPLE;
		lost += record->type == PERF_RECORD_LOST || record->type == PERF_RECORD_THROTTLE;
		at += record->size;
	}
	target_print("%s %llu %llu %llu %llu\n", c->name, (unsigned long long)c->period,
	    (unsigned long long)count, (unsigned long long)samples, (unsigned long long)lost);
}

int main(int argc, char **argv)
{
	struct counter counters[MAX_EVENTS];
	int n = argc - 2;

	if (argc < 2 || n > MAX_EVENTS)
		return 2;
	for (int i = 0; i < n; i++)
		counters[i] = counter_open(argv[2 + i]);
	target_wait_go();
	for (int i = 0; i < n; i++)
		ioctl(counters[i].fd, PERF_EVENT_IOC_ENABLE, 0);
	trade(strtoul(argv[1], NULL, 10));
	for (int i = 0; i < n; i++)
		ioctl(counters[i].fd, PERF_EVENT_IOC_DISABLE, 0);
	for (int i = 0; i < n; i++)
		counter_print(&counters[i]);
	target_done();
	return 0;
}

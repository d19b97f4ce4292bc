/* SPDX-License-Identifier: MIT */
#include "sampler/perf/sideband.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sampler/perf/merge.h"
#include "sampler/perf/ring.h"

struct mp_sideband {
	pid_t pid;
	size_t n_rings;
	struct mp_perf_ring *rings;
	uint64_t lost;              /* so far, of all rings */
	struct mp_perf_merge merge; /* those of the target */
	uint64_t dropped_here;
	uint64_t lost_records; /* as records told, where the kernel cannot be asked */
};

/* The tail of every record when sample_id_all is set: TID, TIME, in this order (perf_event_open(2)). */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
};

struct fork_record { /* and exit */
	struct perf_event_header header;
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char comm[];
};

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

static int open_ring(int cpu, struct mp_perf_ring *out, struct mp_err *err)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_SOFTWARE,
	    .config = PERF_COUNT_SW_DUMMY,
	    .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
	    .sample_id_all = 1,
	    .read_format = mp_perf_lost_format(),
	    .task = 1,
	    .comm = 1,
	    .comm_exec = 1,
	    .mmap = 1,
	    .mmap2 = 1,
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	};
	int fd = mp_perf_open(&attr, -1, cpu, -1);

	if (fd < 0)
		return mp_err_set(err, -fd,
		    "cannot watch threads and mappings (perf_event_open on CPU %d): %s%s", cpu, strerror(-fd),
		    fd == -EACCES || fd == -EPERM ? "; run as root, or give mpsample CAP_PERFMON" : "");
	int ret = mp_perf_ring_map(fd, MP_SIDEBAND_RING_PAGES, out, err);
	if (ret)
		close(fd);
	return ret;
}

int mp_sideband_open(pid_t pid, struct mp_sideband **out, struct mp_err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct mp_sideband *s = calloc(1, sizeof(*s));

	if (s)
		s->rings = calloc((size_t)cpus, sizeof(*s->rings));
	if (!s || !s->rings) {
		free(s);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	s->pid = pid;
	for (int cpu = 0; cpu < cpus; cpu++) {
		int ret = open_ring(cpu, &s->rings[s->n_rings], err);
		if (ret == -ENODEV)
			continue; /* the CPU is offline */
		if (ret) {
			mp_sideband_close(s);
			return ret;
		}
		s->n_rings++;
	}
	*out = s;
	return 0;
}

void mp_sideband_close(struct mp_sideband *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_rings; i++)
		mp_perf_ring_close(&s->rings[i]);
	free(s->rings);
	mp_perf_merge_free(&s->merge);
	free(s);
}

static const struct sample_id *sample_id_of(const struct perf_event_header *h)
{
	return (const void *)((const char *)h + h->size - sizeof(struct sample_id));
}

/* Whose record is it? The child of a fork has its parent's PID in `ppid`. */
static bool is_of_target(const struct mp_sideband *s, const struct perf_event_header *h)
{
	const struct fork_record *f = (const void *)h;
	pid_t pid = (pid_t)f->pid; /* the first member of all records that are asked for */

	if (h->size < sizeof(*h) + 2 * sizeof(uint32_t) + sizeof(struct sample_id))
		return false;
	if (h->type == PERF_RECORD_FORK && h->size >= sizeof(*f))
		return pid == s->pid || (pid_t)f->ppid == s->pid;
	return (h->type == PERF_RECORD_EXIT || h->type == PERF_RECORD_COMM || h->type == PERF_RECORD_MMAP2) &&
	       pid == s->pid;
}

static void collect(void *ctx, const struct perf_event_header *h)
{
	struct mp_sideband *s = ctx;
	struct mp_perf_lost_record l;

	if (mp_perf_lost_record(h, &l))
		s->lost_records += l.lost;
	if (!is_of_target(s, h))
		return;
	if (!mp_perf_merge_add(&s->merge, (int64_t)sample_id_of(h)->time, 0, h))
		s->dropped_here++;
}

/* Strings in records end within them; the kernel pads them with zeros. */
static size_t text_room(const struct perf_event_header *h, const char *text)
{
	return (size_t)((const char *)sample_id_of(h) - text);
}

static void take_fork(
    const struct mp_sideband *s, const struct perf_event_header *h, int64_t t_ns, struct mp_pipeline *p)
{
	const struct fork_record *f = (const void *)h;
	char child[32];

	if ((pid_t)f->pid == s->pid) {
		mp_pipeline_thread_begin(p, (pid_t)f->tid, (pid_t)f->ptid, t_ns);
		return;
	}
	snprintf(child, sizeof(child), "child %" PRIu32 ", not recorded", f->pid);
	mp_pipeline_mark(p, t_ns, (pid_t)f->ptid, "fork", child);
}

static void take_comm(
    const struct perf_event_header *h, int64_t t_ns, struct mp_pipeline *p, struct mp_sideband_news *news)
{
	const struct comm_record *c = (const void *)h;
	char comm[32];

	snprintf(comm, sizeof(comm), "%.*s", (int)strnlen(c->comm, text_room(h, c->comm)), c->comm);
	mp_pipeline_thread(p, (pid_t)c->tid, comm, t_ns);
	if (h->misc & PERF_RECORD_MISC_COMM_EXEC) {
		mp_pipeline_mark(p, t_ns, (pid_t)c->tid, "exec", comm);
		news->exec = true;
	}
}

static void take_mmap(
    const struct perf_event_header *h, int64_t t_ns, struct mp_pipeline *p, struct mp_sideband_news *news)
{
	const struct mmap2_record *m = (const void *)h;
	char path[4096];

	if (h->size < sizeof(*m) + sizeof(struct sample_id))
		return;
	snprintf(
	    path, sizeof(path), "%.*s", (int)strnlen(m->filename, text_room(h, m->filename)), m->filename);
	mp_pipeline_map(p, m->addr, m->addr + m->len, m->pgoff, path, t_ns);
	news->new_code = news->new_code || m->ino != 0; /* memory that is compiled into holds no allocator */
}

struct drain {
	const struct mp_sideband *s;
	struct mp_pipeline *pipeline;
	struct mp_sideband_news *news;
};

static void take(void *ctx, const struct perf_event_header *h, int64_t t_ns, int ring)
{
	const struct drain *d = ctx;
	struct mp_pipeline *p = d->pipeline;

	(void)ring;
	switch (h->type) {
	case PERF_RECORD_FORK:
		take_fork(d->s, h, t_ns, p);
		break;
	case PERF_RECORD_EXIT:
		mp_pipeline_thread_end(p, (pid_t)((const struct fork_record *)(const void *)h)->tid, t_ns);
		break;
	case PERF_RECORD_COMM:
		take_comm(h, t_ns, p, d->news);
		break;
	case PERF_RECORD_MMAP2:
		take_mmap(h, t_ns, p, d->news);
		break;
	}
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void mp_sideband_drain(struct mp_sideband *s, struct mp_pipeline *p, struct mp_sideband_news *news)
{
	struct drain d = {s, p, news};
	int64_t begin = now_ns();

	*news = (struct mp_sideband_news){0};
	for (size_t i = 0; i < s->n_rings; i++)
		mp_perf_ring_read(&s->rings[i], collect, s);
	mp_perf_merge_take(&s->merge, INT64_MAX, take, &d);
	mp_pipeline_mappings_known(p, begin);
}

void mp_sideband_tell_lost(struct mp_sideband *s, struct mp_pipeline *p)
{
	uint64_t lost = s->dropped_here;

	for (size_t i = 0; i < s->n_rings; i++)
		lost += mp_perf_lost(s->rings[i].fd);
	if (!mp_perf_knows_lost())
		lost += s->lost_records;
	mp_pipeline_loss(p, now_ns(), "sideband", "events", lost - s->lost);
	s->lost = lost;
}

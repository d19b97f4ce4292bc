/* SPDX-License-Identifier: MIT */
#include "sampler/perf/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of linux/perf_event.h since 6.0. */
#define FORMAT_LOST (1u << 4)

static bool knows_lost = true;

int mp_perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd)
{
	bool wants_lost = attr->read_format & FORMAT_LOST;

	attr->size = sizeof(*attr);
	int fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 && errno == EINVAL && attr->read_format & FORMAT_LOST) {
		attr->read_format &=
		    ~(uint64_t)FORMAT_LOST; /* an older kernel: losses then come as records only */
		fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);
	}
	if (fd >= 0 && wants_lost && !(attr->read_format & FORMAT_LOST))
		knows_lost = false;
	return fd < 0 ? -errno : fd;
}

int mp_perf_ring_map(int fd, size_t data_pages, struct mp_perf_ring *out, struct mp_err *err)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	*out = (struct mp_perf_ring){.fd = fd, .data_bytes = data_pages * page_bytes};
	out->scratch = malloc(UINT16_MAX + 1); /* a record's size is 16 bits wide */
	if (!out->scratch)
		return mp_err_set(err, ENOMEM, "out of memory");
	void *p = mmap(NULL, out->data_bytes + page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		int code = errno;
		free(out->scratch);
		out->scratch = NULL;
		return mp_err_set(err, code, "cannot map a perf ring of %zu KiB: %s%s",
		    out->data_bytes / 1024, strerror(code),
		    code == EPERM
			? "; raise the limit of locked memory (ulimit -l) or give mpsample CAP_IPC_LOCK"
			: "");
	}
	out->page = p;
	return 0;
}

void mp_perf_ring_close(struct mp_perf_ring *r)
{
	if (r->page)
		munmap(r->page, r->data_bytes + (size_t)sysconf(_SC_PAGESIZE));
	free(r->scratch);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct mp_perf_ring){.fd = -1};
}

static const struct perf_event_header *record_at(struct mp_perf_ring *r, uint64_t tail)
{
	unsigned char *data = (unsigned char *)r->page + r->page->data_offset;
	size_t at = tail & (r->data_bytes - 1), to_end = r->data_bytes - at;
	/* Records are multiples of 8 bytes: the header itself never wraps. */
	const struct perf_event_header *h = (const void *)(data + at);

	if (h->size <= to_end)
		return h;
	memcpy(r->scratch, data + at, to_end);
	memcpy(r->scratch + to_end, data, h->size - to_end);
	return (const void *)r->scratch;
}

size_t mp_perf_ring_read(
    struct mp_perf_ring *r, void (*fn)(void *ctx, const struct perf_event_header *record), void *ctx)
{
	/* Pairs with the kernel's release of data_head: the records before it are complete. */
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;
	size_t n = 0;

	while (tail < head) {
		const struct perf_event_header *h = record_at(r, tail);
		if (h->size < sizeof(*h))
			break; /* never written by the kernel; it would loop */
		fn(ctx, h);
		tail += h->size;
		n++;
	}
	/* Our reads are done before the kernel may overwrite them. */
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	return n;
}

uint64_t mp_perf_lost_format(void)
{
	return FORMAT_LOST;
}

bool mp_perf_knows_lost(void)
{
	return knows_lost;
}

bool mp_perf_lost_record(const struct perf_event_header *record, struct mp_perf_lost_record *out)
{
	if (record->type != PERF_RECORD_LOST || record->size < sizeof(*record) + sizeof(*out))
		return false;
	memcpy(out, record + 1, sizeof(*out));
	return true;
}

uint64_t mp_perf_lost(int fd)
{
	struct {
		uint64_t value, lost;
	} out = {0, 0};

	return read(fd, &out, sizeof(out)) == (ssize_t)sizeof(out) ? out.lost : 0;
}

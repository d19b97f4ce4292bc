/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/level.h"
#include "sampler/perf/record.h"

/*
 * Records as they stand in a ring, with the layout that the first bytes of the input give. The records are
 * copied one by one into blocks of just their size, so that reading behind one is noticed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sum; /* so that everything is read */

static void read_words(const struct mp_perf_words *w)
{
	if (w->n > UINT16_MAX / 8 || (w->n && !w->at))
		abort();
	for (size_t i = 0; i <= w->n; i++)
		sum += mp_perf_u64(w, i);
}

static void read_bytes(const struct mp_perf_bytes *b)
{
	if (b->n > UINT16_MAX || (b->n && !b->at))
		abort();
	for (size_t i = 0; i < b->n; i++)
		sum += b->at[i];
}

static void read_all(const struct mp_perf_record *r)
{
	read_words(&r->read);
	read_words(&r->callchain);
	read_words(&r->branches);
	read_words(&r->regs_user.value);
	read_words(&r->regs_intr.value);
	read_bytes(&r->raw);
	read_bytes(&r->aux);
	read_bytes(&r->stack);
	if (r->type == PERF_RECORD_MMAP || r->type == PERF_RECORD_MMAP2) {
		read_bytes(&r->u.map.path);
		read_bytes(&r->u.map.build_id);
	}
	if (r->type == PERF_RECORD_COMM)
		read_bytes(&r->u.comm.comm);
	if (r->type == PERF_RECORD_KSYMBOL)
		read_bytes(&r->u.ksymbol.name);
	if (r->type == PERF_RECORD_NAMESPACES)
		read_words(&r->u.namespaces.links);
	struct mp_access a = mp_access_of(r->data_src);
	if ((unsigned int)a.level >= MP_LEVELS)
		abort();
}

static void read_record(const struct mp_perf_layout *l, const uint8_t *data, size_t n)
{
	static const struct mp_perf_record empty;
	struct mp_perf_record r;
	uint8_t *copy = malloc(n ? n : 1);
	uint64_t id;

	memcpy(copy, data, n);
	int ret = mp_perf_record_parse(l, copy, n, &r);
	if (ret == -EBADMSG && memcmp(&r, &empty, sizeof(r)))
		abort();
	if (ret == 0)
		read_all(&r);
	/* What both find is the same. */
	if (mp_perf_record_id(l, copy, n, &id) && ret == 0 && id != r.id &&
	    (l->sample_type & (PERF_SAMPLE_ID | PERF_SAMPLE_IDENTIFIER)) !=
		(PERF_SAMPLE_ID | PERF_SAMPLE_IDENTIFIER))
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t head[5];
	struct mp_perf_layout l = {0};

	if (size < sizeof(head) + 8)
		return 0;
	memcpy(head, data, sizeof(head));
	l.sample_type = head[0] & (2 * PERF_SAMPLE_MAX - 1);
	l.read_format = head[1] & 31;
	l.branch_sample_type = head[2];
	l.sample_regs_user = head[3];
	l.sample_regs_intr = head[4];
	l.sample_id_all = head[1] >> 32 & 1;
	l.is_swapped = head[1] >> 33 & 1;
	data += sizeof(head);
	size -= sizeof(head);
	while (size) {
		uint16_t n = 0;
		if (size >= 8)
			memcpy(&n, data + 6, sizeof(n));
		n = l.is_swapped ? __builtin_bswap16(n) : n;
		size_t step = n >= 8 && n < size ? n : size;
		read_record(&l, data, step);
		data += step;
		size -= step;
	}
	return 0;
}

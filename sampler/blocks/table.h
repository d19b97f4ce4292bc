/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_BLOCKS_TABLE_H
#define MP_SAMPLER_BLOCKS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The live blocks that are followed, by address: open addressing over an array without holes. One thread. */
struct mp_block {
	uint64_t addr, size_bytes;
	uint64_t period_bytes; /* that it was drawn with (mp_block_chance()); 0: none was drawn */
	double weight;         /* it stands for so many: 1 / the probability that it is here */
	int64_t born_ns;
	int64_t seen_ns;    /* the last time that it was known to be alive */
	int64_t missing_ns; /* since when it is not any more, though nobody told its end; 0: it is */
	int64_t stack_id;   /* 0: none */
	int64_t block_id;   /* its row; 0: none yet */
	pid_t tid;
	unsigned int op, scope;
	bool is_refused; /* it gets no row: the session is full */
};

struct mp_block_table;

struct mp_block_table *mp_block_table_new(void); /* NULL without memory */
void mp_block_table_free(struct mp_block_table *t);

size_t mp_block_table_count(const struct mp_block_table *t);

/* The block at an address, or NULL. What is returned here holds until the next one is added or removed. */
struct mp_block *mp_block_table_find(const struct mp_block_table *t, uint64_t addr);

/* A new block, all zeros but for its address, at which there must be none. NULL without memory. */
struct mp_block *mp_block_table_add(struct mp_block_table *t, uint64_t addr);
void mp_block_table_remove(struct mp_block_table *t, struct mp_block *b);

/* The i-th of them, in no order that means anything; removing it puts the last one in its place. */
struct mp_block *mp_block_table_at(const struct mp_block_table *t, size_t i);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_BLOCK_H
#define MP_STORE_APPEND_BLOCK_H

#include <stdint.h>

#include "store/session.h"

/* Rows of followed blocks (sql/schema.sql: block), as store/append.h writes others. */
struct mp_block_row {
	uint64_t addr, size_bytes;
	unsigned int op;
	int64_t tid, stack_id; /* stack_id 0: none */
	unsigned int scope;    /* as in struct mp_call */
	int64_t born_ns, died_ns;
	unsigned int end; /* 0: alive, and then died_ns is not looked at */
	int64_t free_tid; /* 0: not known */
	double weight;
};

/* *block_id: 0 where a session of limited size has no room for it: those that are let in stand for it. */
int mp_append_block(
    struct mp_session *s, const struct mp_block_row *row, int64_t *block_id, struct mp_err *err);

/* Later changes; of a row that has given way to others they do nothing. */
int mp_update_block_end(struct mp_session *s, int64_t block_id, unsigned int end, int64_t died_ns,
    int64_t free_tid, struct mp_err *err);
/* It stands for `times` as many. */
int mp_update_block_weight(struct mp_session *s, int64_t block_id, double times, struct mp_err *err);
int mp_delete_block(struct mp_session *s, int64_t block_id, struct mp_err *err);

#endif

/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_STORE_OP_H
#define MP_STORE_OP_H

/*
 * The operations that are recorded: what the allocation family offers a program. The numbers are stored in
 * sessions (table `op` maps them to names): never renumber, only add.
 *
 * MP_OPS(X): X(NAME, "name", size, ptr) where size and ptr name the call's arguments as a mask of 1-based
 * positions: the size in bytes is the product of the `size` arguments; `ptr` is the block handed in.
 */
#define MP_ARG(n) (1u << (n))

#define MP_OPS(X)                                                                                            \
	X(MALLOC, "malloc", MP_ARG(1), 0)                                                                    \
	X(CALLOC, "calloc", MP_ARG(1) | MP_ARG(2), 0)                                                        \
	X(REALLOC, "realloc", MP_ARG(2), MP_ARG(1))                                                          \
	X(REALLOCARRAY, "reallocarray", MP_ARG(2) | MP_ARG(3), MP_ARG(1))                                    \
	X(FREE, "free", 0, MP_ARG(1))                                                                        \
	X(POSIX_MEMALIGN, "posix_memalign", MP_ARG(3), MP_ARG(1))                                            \
	X(ALIGNED_ALLOC, "aligned_alloc", MP_ARG(2), 0)                                                      \
	X(MEMALIGN, "memalign", MP_ARG(2), 0)                                                                \
	X(VALLOC, "valloc", MP_ARG(1), 0)                                                                    \
	X(PVALLOC, "pvalloc", MP_ARG(1), 0)                                                                  \
	X(NEW, "new", MP_ARG(1), 0)                                                                          \
	X(DELETE, "delete", 0, MP_ARG(1))

enum mp_op {
#define MP_OP_ENUM(NAME, name, size, ptr) MP_OP_##NAME,
	MP_OPS(MP_OP_ENUM)
#undef MP_OP_ENUM
	    MP_OP_COUNT
};

/*
 * An operation's slow path, as a number beside it: calls inside the allocator that its thread cache could not
 * serve. In sessions "malloc_slow" and so on. Arrays by operation that hold both have MP_OP_ROWS.
 */
#define MP_OP_SLOW 32
#define MP_OP_ROWS (2 * MP_OP_COUNT)

static inline int mp_op_is_slow(unsigned int op)
{
	return op >= MP_OP_SLOW && op < MP_OP_SLOW + MP_OP_COUNT;
}

static inline unsigned int mp_op_base(unsigned int op)
{
	return mp_op_is_slow(op) ? op - MP_OP_SLOW : op;
}

/* Whether an operation, of all numbers, gives memory out: all but free and delete. */
static inline int mp_op_gives_memory(long long op)
{
	return op >= 0 && op < MP_OP_COUNT && op != MP_OP_FREE && op != MP_OP_DELETE;
}

/* Of an operation or its slow path. */
static inline unsigned int mp_op_row(unsigned int op)
{
	return mp_op_is_slow(op) ? op - MP_OP_SLOW + MP_OP_COUNT : op;
}

static inline unsigned int mp_op_of_row(unsigned int row)
{
	return row < MP_OP_COUNT ? row : row - MP_OP_COUNT + MP_OP_SLOW;
}

static inline int mp_op_is_known(unsigned int op)
{
	return op < MP_OP_COUNT || mp_op_is_slow(op);
}

/*
 * free(NULL) and delete of a null pointer do nothing and count as no call: glibc alone makes 17 of them for
 * each new thread, and a probe that let itself be hit by them would triple the time of pthread_create().
 */
static inline int mp_op_ignores_null(unsigned int op)
{
	return mp_op_base(op) == MP_OP_FREE || mp_op_base(op) == MP_OP_DELETE;
}

/* Why a call is kept as a row. Stored in sessions, too. */
enum mp_kept {
	MP_KEPT_OUTLIER = 1, /* slower than the keep-over limit of its time: all such calls are kept */
	MP_KEPT_SAMPLE = 2,  /* drawn at random from the rest, standing for `weight` calls */
	MP_KEPT_FULL = 3,    /* everything was kept */
};

#endif

/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_FUNCTIONS_FETCH_H
#define MP_SAMPLER_FUNCTIONS_FETCH_H

/*
 * A value of the target, fetched when a probe is hit: a constant, an argument, the returned value or a
 * register, and from there up to MP_FETCH_READS reads of memory. `u32@(u64@arg0+8)+16` is argument 0, 8 bytes
 * read at +8, and 4 bytes read 16 behind what that gave. Shared with BPF programs: spelled without libc.
 */
#define MP_FETCH_READS 3
#define MP_FETCH_ARGS  6 /* in registers, by the machine's calling convention for integers */

enum mp_fetch_from {
	MP_FETCH_NOTHING, /* the value is not known */
	MP_FETCH_CONSTANT,
	MP_FETCH_ARG, /* `number`: from 0; as they were at the function's entry */
	MP_FETCH_RETURNED,
	MP_FETCH_REGISTER, /* `number`: DWARF's; of USDT probes */
};

/* What a function returns when it has failed: an int that is not 0, a negative int, a pointer that is NULL, a
 * bool that is false. */
enum mp_function_failure {
	MP_FUNCTION_FAILURE_NONE,
	MP_FUNCTION_FAILURE_NONZERO,
	MP_FUNCTION_FAILURE_NEGATIVE,
	MP_FUNCTION_FAILURE_NULL,
	MP_FUNCTION_FAILURE_FALSE,
	MP_FUNCTION_FAILURES,
};

struct mp_fetch {
	unsigned char from; /* enum mp_fetch_from */
	unsigned char number;
	unsigned char n_reads;
	unsigned char bytes[MP_FETCH_READS]; /* 1 2 4 8 of each read, unsigned; the last: -1 -2 -4 -8 as two's
						complement when it is signed. Without reads bytes[0] says so
						of the lower part of the argument, returned value or register
						that counts; 0: all of it does */
	unsigned char pad[2];
	int add[MP_FETCH_READS + 1]; /* add[i] is added before read i; the last behind all reads */
	unsigned long long constant; /* or the address that the first read begins with */
};

#endif

/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_STORE_HISTOGRAM_H
#define MP_STORE_HISTOGRAM_H

/*
 * The log-linear latency histogram, in the shape of HdrHistogram with 64 sub-buckets per power of two
 * (https://hdrhistogram.org): values below 128 ns have a bucket each; above, a bucket is at most 1/64 of
 * its low bound wide, so any value in it is within 1.6 % of any other, and the middle within 0.8 %.
 *
 * Header-only and free of library calls: BPF programs, the recorder and its tests share this one definition.
 * All functions are pure; any thread.
 */

#define MP_HIST_SUB_BITS 6  /* 2^6 sub-buckets per power of two */
#define MP_HIST_TOP_BIT  40 /* the largest value is 2^41-1 ns, 36 minutes */
#define MP_HIST_BUCKETS  ((MP_HIST_TOP_BIT - MP_HIST_SUB_BITS + 2) << MP_HIST_SUB_BITS)
#define MP_HIST_MAX_NS   ((1ULL << (MP_HIST_TOP_BIT + 1)) - 1)

/* Of `v`, below 2^(2*half): how far it has to go right to be below 2^half. No branch: the comparison is the
 * sign of a difference, and hidden from the compiler, which would make a branch of it. */
static inline unsigned int mp_hist_halving(unsigned long long v, unsigned int half)
{
	unsigned long long less = (1ULL << half) - 1 - v;

	__asm__ volatile("" : "+r"(less));
	return (unsigned int)(less >> 63) * half;
}

/*
 * Position of the highest set bit; 0 for 0. For BPF, which cannot count leading zeros: and without branches
 * where `v` is below 2^16, for values that jitter are what no CPU foresees the branches of.
 */
static inline unsigned int mp_hist_log2_by_halves(unsigned long long v)
{
	unsigned int bit = 0, shift;

	for (; v >> 16; v >>= 16)
		bit += 16;
	bit += shift = mp_hist_halving(v, 8);
	v >>= shift;
	bit += shift = mp_hist_halving(v, 4);
	v >>= shift;
	bit += shift = mp_hist_halving(v, 2);
	v >>= shift;
	return bit + (unsigned int)(v >> 1);
}

/* The same. */
static inline unsigned int mp_hist_log2(unsigned long long v)
{
#ifdef __bpf__
	return mp_hist_log2_by_halves(v);
#else
	return v ? 63 - (unsigned int)__builtin_clzll(v) : 0;
#endif
}

/* The bucket of a value in ns; values above MP_HIST_MAX_NS go to the last one. */
static inline unsigned int mp_hist_bucket(unsigned long long ns)
{
	if (ns > MP_HIST_MAX_NS)
		ns = MP_HIST_MAX_NS;

	if (ns < (2ULL << MP_HIST_SUB_BITS))
		return (unsigned int)ns;

	unsigned int shift = mp_hist_log2(ns) - MP_HIST_SUB_BITS;
	return (shift << MP_HIST_SUB_BITS) + (unsigned int)(ns >> shift);
}

/* The lowest value of a bucket, in ns. */
static inline unsigned long long mp_hist_lo_ns(unsigned int bucket)
{
	if (bucket < (2U << MP_HIST_SUB_BITS))
		return bucket;

	unsigned int shift = (bucket >> MP_HIST_SUB_BITS) - 1;
	unsigned long long sub = bucket - ((unsigned long long)shift << MP_HIST_SUB_BITS);
	return sub << shift;
}

/*
 * So that a slot can end at an instant, and not when somebody looks, histograms come in two banks, and a word
 * says when counting goes over from one to the other: calls that begin before the instant are of `bank`, all
 * others of the other one. One word, so that whoever counts sees both or neither: an instant is taken to be
 * odd, its last bit tells the bank. A word of 0 or 1 never goes over.
 */
#define MP_HIST_BANKS 2

static inline unsigned long long mp_hist_split(unsigned long long instant, unsigned int bank)
{
	return ~(instant | 1) | bank;
}

static inline unsigned int mp_hist_bank(unsigned long long split, unsigned long long start)
{
	return (unsigned int)(split & 1) ^ (start >= (~split | 1));
}

/* The highest value of a bucket, in ns, itself included. */
static inline unsigned long long mp_hist_hi_ns(unsigned int bucket)
{
	return mp_hist_lo_ns(bucket + 1) - 1;
}

/*
 * Size classes: class 0 holds sizes of 0 to 16 bytes, class k the sizes in (2^(k+3), 2^(k+4)], the last all
 * that is larger. Operations without a size (free, delete) use class 0.
 */
#define MP_SIZE_CLASSES 24

static inline unsigned int mp_size_class(unsigned long long bytes)
{
	if (bytes <= 16)
		return 0;

	unsigned int class = mp_hist_log2(bytes - 1) - 3;
	return class < MP_SIZE_CLASSES ? class : MP_SIZE_CLASSES - 1;
}

static inline unsigned long long mp_size_class_lo(unsigned int class)
{
	return class ? (1ULL << (class + 3)) + 1 : 0;
}

/* The largest size of a class; the last class has no bound and answers with the largest SQLite integer. */
static inline unsigned long long mp_size_class_hi(unsigned int class)
{
	return class + 1 < MP_SIZE_CLASSES ? 1ULL << (class + 4) : 0x7fffffffffffffffULL;
}

/*
 * One histogram with the sums that buckets cannot give. Writers add with atomic operations and never reset;
 * `max_ns` alone is taken (exchanged with 0) by the reader. The buckets are 32 bits wide and wrap: a reader
 * that looks at least once per 2^32 calls, and the recorder looks every second, gets exact differences.
 */
struct mp_hist {
	unsigned long long bytes;
	unsigned long long max_ns;
	unsigned long long sum_ns;
	unsigned int calls;
	unsigned int pad;
	unsigned int bucket[MP_HIST_BUCKETS];
};

#endif

/* SPDX-License-Identifier: MIT */
#include "sampler/latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/profile.h"
#include "store/append.h"

/* One (operation, size class) over all shards. */
struct series {
	bool touched; /* since the last flush */
	struct mp_latency_sum sum;
	uint32_t pending[MP_HIST_BUCKETS]; /* since the last flush */
};

struct mp_latency {
	struct mp_hist_view view;
	/* Last state of each block; NULL: never used. */
	struct mp_hist *seen[MP_HIST_BANKS * MP_MAX_SHARDS * MP_HIST_BLOCKS];
	struct series *series[MP_HIST_BANKS][MP_HIST_BLOCKS]; /* NULL: never used */
	unsigned int bank;                                    /* that of the current slot */
	bool is_ahead;    /* the other one already has calls of the slot that is yet to begin */
	int64_t ended_ns; /* else, if that: the start of the slot that it has the last calls of */
	bool has_ended;
	/* By mp_op_row(). */
	uint64_t calls[MP_OP_ROWS];
	uint32_t recent[MP_OP_ROWS][MP_HIST_BUCKETS];
	uint32_t window[MP_OP_ROWS][MP_HIST_BUCKETS]; /* since window_ns */
	uint64_t window_calls[MP_OP_ROWS];
	struct mp_latency_window worst[MP_OP_ROWS]; /* since the last flush; calls 0: none */
	int64_t window_ns;
	/* Calls that ask for memory, by size class: fading as `recent`, but only where there were new ones.
	 */
	struct {
		double calls, bytes;
	} asked[MP_SIZE_CLASSES];
	bool was_asked; /* since the last fade */
};

struct mp_latency *mp_latency_new(const struct mp_hist_view *view)
{
	struct mp_latency *l = calloc(1, sizeof(*l));

	if (l)
		l->view = *view;
	return l;
}

void mp_latency_free(struct mp_latency *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < sizeof(l->seen) / sizeof(*l->seen); i++)
		free(l->seen[i]);
	for (size_t i = 0; i < MP_HIST_BLOCKS; i++) {
		free(l->series[0][i]);
		free(l->series[1][i]);
	}
	free(l);
}

static void take_sums(struct mp_hist *now, struct mp_hist *seen, struct mp_latency_sum *sum)
{
	uint64_t bytes = __atomic_load_n(&now->bytes, __ATOMIC_RELAXED);
	uint64_t sum_ns = __atomic_load_n(&now->sum_ns, __ATOMIC_RELAXED);
	uint64_t max_ns = __atomic_exchange_n(&now->max_ns, 0, __ATOMIC_RELAXED);

	sum->bytes += bytes - seen->bytes;
	sum->sum_ns += sum_ns - seen->sum_ns;
	if (max_ns > sum->max_ns)
		sum->max_ns = max_ns;
	seen->bytes = bytes;
	seen->sum_ns = sum_ns;
}

/*
 * A call adds to `calls` last: a block whose `calls` stands still may be skipped, and a call of which only a
 * part is seen yet is completed with the next change. The number of calls is the sum of the buckets, so that
 * the two can never disagree in the database.
 */
static void take_block(
    struct mp_latency *l, unsigned int block, struct series *s, struct mp_hist *now, struct mp_hist *seen)
{
	unsigned int row = mp_op_row(mp_hist_block_op(block));
	const struct mp_latency_sum before = s->sum;

	seen->calls = __atomic_load_n(&now->calls, __ATOMIC_ACQUIRE);
	take_sums(now, seen, &s->sum);

	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
		uint32_t count = __atomic_load_n(&now->bucket[b], __ATOMIC_RELAXED);
		uint32_t more = count - seen->bucket[b]; /* modulo 2^32, as the counter */
		if (!more)
			continue;
		seen->bucket[b] = count;
		s->pending[b] += more;
		s->sum.calls += more;
		l->calls[row] += more;
		l->recent[row][b] += more;
		l->window[row][b] += more;
		l->window_calls[row] += more;
	}
	if (block < MP_HIST_DIRECT_BLOCKS && mp_op_args(row).size) {
		unsigned int class = mp_hist_block_class(block);
		l->asked[class].calls += (double)(s->sum.calls - before.calls);
		l->asked[class].bytes += (double)(s->sum.bytes - before.bytes);
		l->was_asked = true;
	}
	s->touched = true;
}

void mp_latency_poll(struct mp_latency *l, bool final)
{
	unsigned int shards = l->view.shards * (l->view.banks ? l->view.banks : 1);

	for (unsigned int shard = 0; shard < shards; shard++) {
		struct series **series = l->series[shard / l->view.shards];
		for (unsigned int block = 0; block < MP_HIST_BLOCKS - 1; block++) {
			size_t i = (size_t)shard * MP_HIST_BLOCKS + block;
			struct mp_hist *now = &l->view.blocks[i];
			uint32_t calls = __atomic_load_n(&now->calls, __ATOMIC_ACQUIRE);

			if (l->seen[i] ? !final && calls == l->seen[i]->calls : !calls)
				continue;
			if (!l->seen[i] && !(l->seen[i] = calloc(1, sizeof(*l->seen[i]))))
				continue; /* out of memory: nothing is lost, the next poll finds it again */
			if (!series[block] && !(series[block] = calloc(1, sizeof(*series[block]))))
				continue;
			take_block(l, block, series[block], now, l->seen[i]);
		}
	}
}

/* ---- Windows ---- */

#define WINDOW_MIN_CALLS 100

/* Nearest rank: the smallest bucket that a share `q` of the calls lies in or below. */
static uint64_t quantile(const uint32_t *buckets, uint64_t calls, double q)
{
	uint64_t rank = (uint64_t)ceil(q * (double)calls), below = 0;

	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
		below += buckets[b];
		if (below && below >= rank)
			return mp_hist_hi_ns(b);
	}
	return 0;
}

static bool is_worse(const struct mp_latency_window *a, const struct mp_latency_window *than)
{
	bool has_many = a->calls >= WINDOW_MIN_CALLS, had_many = than->calls >= WINDOW_MIN_CALLS;

	return has_many != had_many ? has_many : a->p99_ns > than->p99_ns;
}

void mp_latency_window(struct mp_latency *l, int64_t now_ns)
{
	for (unsigned int row = 0; row < MP_OP_ROWS; row++) {
		struct mp_latency_window w = {
		    .t_ns = l->window_ns, .dur_ns = now_ns - l->window_ns, .calls = l->window_calls[row]};
		if (!w.calls)
			continue;
		w.p99_ns = quantile(l->window[row], w.calls, 0.99);
		if (l->window_ns && is_worse(&w, &l->worst[row]))
			l->worst[row] = w;
		memset(l->window[row], 0, sizeof(l->window[row]));
		l->window_calls[row] = 0;
	}
	l->window_ns = now_ns;
}

static int flush_windows(
    struct mp_latency *l, struct mp_session *session, int64_t slot_ns, struct mp_err *err)
{
	int ret = 0;

	for (unsigned int row = 0; !ret && row < MP_OP_ROWS; row++) {
		if (l->worst[row].calls)
			ret = mp_append_latency_window(
			    session, slot_ns, mp_op_of_row(row), &l->worst[row], err);
		l->worst[row] = (struct mp_latency_window){0};
	}
	return ret;
}

static int flush_series(
    struct series *s, struct mp_session *session, int64_t slot_ns, unsigned int block, struct mp_err *err)
{
	unsigned int op = mp_hist_block_op(block), class = mp_hist_block_class(block);
	int ret = mp_append_latency_sum(session, slot_ns, op, class, &s->sum, err);

	for (unsigned int b = 0; !ret && b < MP_HIST_BUCKETS; b++) {
		if (!s->pending[b])
			continue;
		ret = mp_append_latency(session, slot_ns, op, class, b, s->pending[b], err);
		s->pending[b] = 0;
	}
	s->sum = (struct mp_latency_sum){0};
	s->touched = false;
	return ret;
}

static int flush_bank(struct series **series, struct mp_session *session, int64_t slot_ns, struct mp_err *err)
{
	int ret = 0;

	for (unsigned int block = 0; !ret && block < MP_HIST_BLOCKS; block++)
		if (series[block] && series[block]->touched)
			ret = flush_series(series[block], session, slot_ns, block, err);
	return ret;
}

/* Of calls that began before the current bank's first slot. */
static int flush_ended(struct mp_latency *l, struct mp_session *session, struct mp_err *err)
{
	return l->has_ended && !l->is_ahead ? flush_bank(l->series[!l->bank], session, l->ended_ns, err) : 0;
}

int mp_latency_flush(struct mp_latency *l, struct mp_session *session, int64_t slot_ns, struct mp_err *err)
{
	int ret = flush_bank(l->series[l->bank], session, slot_ns, err);

	if (!ret)
		ret = flush_ended(l, session, err);
	return ret ? ret : flush_windows(l, session, slot_ns, err);
}

unsigned int mp_latency_bank(const struct mp_latency *l)
{
	return l->bank;
}

int mp_latency_ahead(struct mp_latency *l, struct mp_session *session, bool is_ahead, struct mp_err *err)
{
	mp_latency_poll(l, false);
	int ret = flush_ended(l, session, err);
	l->is_ahead = is_ahead;
	return ret;
}

void mp_latency_turn(struct mp_latency *l, int64_t slot_ns)
{
	l->bank = !l->bank;
	l->ended_ns = slot_ns;
	l->has_ended = true;
	l->is_ahead = false;
}

uint64_t mp_latency_calls(const struct mp_latency *l, unsigned int op)
{
	return l->calls[mp_op_row(op)];
}

uint64_t mp_latency_calls_all(const struct mp_latency *l)
{
	uint64_t all = 0;

	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		all += l->calls[op];
	return all;
}

uint64_t mp_latency_recent_calls(const struct mp_latency *l, unsigned int op)
{
	uint64_t calls = 0;

	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
		calls += l->recent[mp_op_row(op)][b];
	return calls;
}

uint64_t mp_latency_recent_quantile(const struct mp_latency *l, unsigned int op, double q)
{
	return quantile(l->recent[mp_op_row(op)], mp_latency_recent_calls(l, op), q);
}

void mp_latency_fade(struct mp_latency *l)
{
	for (unsigned int row = 0; row < MP_OP_ROWS; row++)
		for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
			l->recent[row][b] /= 2;
	for (unsigned int class = 0; l->was_asked && class < MP_SIZE_CLASSES; class ++) {
		l->asked[class].calls /= 2;
		l->asked[class].bytes /= 2;
	}
	l->was_asked = false;
}

/* A call that is seen in part only does not leave its class. */
static uint64_t mean_of_class(const struct mp_latency *l, unsigned int class)
{
	double mean = l->asked[class].bytes / l->asked[class].calls;

	if (mean >= (double)mp_size_class_hi(class))
		return mp_size_class_hi(class);
	return mean > (double)mp_size_class_lo(class) ? (uint64_t)mean : mp_size_class_lo(class);
}

struct mp_size_mix mp_latency_size_mix(const struct mp_latency *l)
{
	struct mp_size_mix mix = {0};
	double calls = 0;

	for (unsigned int class = 0; class < MP_SIZE_CLASSES; class ++)
		calls += l->asked[class].calls;
	for (unsigned int class = 0; class < MP_SIZE_CLASSES; class ++) {
		if (l->asked[class].calls <= 0)
			continue;
		mix.of[mix.n].bytes = mean_of_class(l, class);
		mix.of[mix.n++].share = l->asked[class].calls / calls;
	}
	return mix;
}

static struct mp_hist *calibration_block(const struct mp_hist_view *view, unsigned int shard)
{
	return &view->blocks[(size_t)shard * MP_HIST_BLOCKS + mp_hist_block(MP_OP_CALIBRATE, 0)];
}

struct mp_latency_calibration mp_latency_calibration(const struct mp_hist_view *view)
{
	uint32_t buckets[MP_HIST_BUCKETS] = {0};
	struct mp_latency_calibration out = {0};

	for (unsigned int shard = 0; shard < view->shards; shard++) {
		const struct mp_hist *h = calibration_block(view, shard);
		for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
			buckets[b] += h->bucket[b];
			out.calls += h->bucket[b];
		}
	}
	out.p50_ns = quantile(buckets, out.calls, 0.5);
	out.p99_ns = quantile(buckets, out.calls, 0.99);
	return out;
}

void mp_latency_calibration_reset(const struct mp_hist_view *view)
{
	for (unsigned int shard = 0; shard < view->shards; shard++)
		memset(calibration_block(view, shard), 0, sizeof(struct mp_hist));
}

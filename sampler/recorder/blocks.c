/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "sampler/preload/track.h"
#include "sampler/recorder/private.h"
#include "store/append.h"

/*
 * How many blocks are followed is steered by the period that they are drawn with: so many births a second at
 * most, and so many at a time (struct mp_blocks_options).
 */
#define BIRTHS_PER_S       50   /* of the default: 100 MB of rows a day */
#define BIRTHS_PER_S_ASKED 2000 /* where the user says how often */
/* Without a wish: where it begins, as that of tcmalloc and jemalloc, and how low it goes where little is
 * allocated. */
#define FIRST_PERIOD (512 << 10)
#define LEAST_PERIOD 4096
#define ALIVE_OF_ALL 2000000
#define PERIOD_MAX   (1ULL << 40)

static bool is_alive(void *ctx, uint64_t addr)
{
	struct mp_recorder *r = ctx;
	return mp_preload_has_block(r->preload, addr);
}

static void forget(void *ctx, uint64_t addr)
{
	struct mp_recorder *r = ctx;
	mp_preload_forget_block(r->preload, addr);
}

/* Only where every call is seen all the time are all ends. */
static bool can_follow(const struct mp_recorder *r)
{
	return r->preload || (r->keep.track && mp_recorder_follows_by_calls(r));
}

bool mp_recorder_follows_by_calls(const struct mp_recorder *r)
{
	bool draws = r->o->track == MP_TRACK_SOME && r->o->track_bytes && !r->preload;

	return r->o->track == MP_TRACK_ALL || draws;
}

int mp_recorder_follow_blocks(struct mp_recorder *r, struct mp_err *err)
{
	bool all = r->o->track == MP_TRACK_ALL;
	struct mp_blocks_options o = {.all = mp_recorder_follows_by_calls(r),
	    .max_alive = all ? ALIVE_OF_ALL : MP_TRACK_ALIVE,
	    .seed = (uint64_t)mp_recorder_now_ns() * 0x9e3779b97f4a7c15ULL,
	    .ctx = r};

	if (r->o->track == MP_TRACK_OFF || !can_follow(r))
		return mp_session_set(r->session, err, "track", "off");
	if (!o.all) {
		o.is_alive = is_alive;
		o.forget = forget;
	}
	if (!all) {
		r->blocks.tick_ns = r->blocks.second_ns = mp_recorder_now_ns();
		r->blocks.least = r->o->track_bytes ? r->o->track_bytes : LEAST_PERIOD;
		r->keep.track_bytes = r->o->track_bytes ? r->o->track_bytes : FIRST_PERIOD;
	}
	if (o.all && !all)
		o.period_bytes = r->keep.track_bytes;
	int ret = mp_pipeline_follow_blocks(r->pipeline, &o, err);
	if (ret)
		return ret;
	return all ? mp_session_set(r->session, err, "track", "all")
		   : mp_session_set(r->session, err, "track", "%" PRIu64, r->keep.track_bytes);
}

/* Up at once, down by halves and late: the next burst of an uneven load finds it high. By the time that has
 * passed: a tick may come late, and what came meanwhile is no burst. */
void mp_recorder_steer_blocks(struct mp_recorder *r, int64_t now)
{
	const struct mp_blocks *blocks = mp_pipeline_blocks(r->pipeline);
	struct mp_recorder_blocks *b = &r->blocks;
	uint64_t *period = &r->keep.track_bytes, births = mp_pipeline_births(r->pipeline);

	if (!blocks || !*period)
		return;
	double most = r->o->track_bytes ? BIRTHS_PER_S_ASKED : BIRTHS_PER_S;
	double per_s = (double)(births - b->tick_births) * 1e9 / (double)(now - b->tick_ns);
	uint64_t least = mp_blocks_period(blocks) > b->least ? mp_blocks_period(blocks) : b->least;

	for (; per_s > 2 * most && *period < PERIOD_MAX; per_s /= 2)
		*period *= 2;
	if (now - b->second_ns >= NS_PER_S) {
		if ((double)(births - b->second_births) * 1e9 / (double)(now - b->second_ns) < most / 2)
			*period /= 2;
		b->second_ns = now;
		b->second_births = births;
	}
	b->tick_ns = now;
	b->tick_births = births;
	if (*period < least)
		*period = least;
}

int mp_recorder_store_blocks(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	const struct mp_blocks *blocks = mp_pipeline_blocks(r->pipeline);
	struct mp_blocks_counts c;

	if (!blocks)
		return 0;
	mp_pipeline_look_at_blocks(r->pipeline, now);
	c = mp_blocks_counts(blocks);
	uint64_t older = c.older - r->blocks.slot_older;
	r->blocks.slot_older = c.older;
	int ret =
	    older ? mp_append_counter(r->session, r->slot_ns, "frees_of_older_blocks", (int64_t)older, err)
		  : 0;
	if (!ret && r->blocks.told_period != r->keep.track_bytes) {
		r->blocks.told_period = r->keep.track_bytes;
		ret =
		    mp_session_set(r->session, err, "track_period_bytes", "%" PRIu64, r->blocks.told_period);
	}
	return ret;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/pools/glibc_heap.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW      65536u /* as much is read at once; less holds the process's map for less long */
#define WINDOW_MIN  1024u  /* where chunks are large, only their headers are wanted */
#define NODES       64     /* blocks of a list in a step */
#define TEARS_MAX   64     /* in a walk */
#define MARKS       32     /* windows that it can go back */
#define KEYS        1024
#define HEAPS_MAX   65536 /* of an arena: 4 TB */
#define CACHE_TRIES 256   /* in a walk: blocks that may be a thread's cache */

/* Memory that others took by brk lies between two runs of the main arena's: so far the next is looked for. */
#define FOREIGN_MAX (1u << 20)
#define CHAIN       8 /* headers in a row make a beginning */

/* A chunk's header, and where a block begins. */
struct header {
	uint64_t previous_bytes; /* of the chunk before, where that is free */
	uint64_t size;
	uint64_t words[2]; /* of the block; free: the links of its list */
};

enum { PREVIOUS_IN_USE = 1, IS_MMAPPED = 2, NOT_MAIN = 4, FLAGS = 7 };

#define FENCE 16 /* bytes: "chunks" that end a heap, too small to be one */

/* struct tcache_perthread_struct, from 2.30 on: of 64 sizes. */
#define CACHE_SIZES 64

struct cache {
	uint16_t counts[CACHE_SIZES];
	uint64_t entries[CACHE_SIZES];
};

#define CACHE_CHUNK      (sizeof(struct cache) + 16)
#define CACHED_BYTES_MAX (MP_GLIBC_MIN + 16 * (CACHE_SIZES - 1))

/* A chunk: whether it is in use is known from the next one. */
struct chunk {
	uint64_t at, bytes; /* bytes 0: none */
	bool is_cached, is_marked;
};

/* Where the walk is, or was: all that has to be taken back when it goes wrong. */
struct mark {
	uint64_t at;
	struct chunk last;
	unsigned int fences;    /* that have just been passed */
	uint64_t foreign_until; /* the next run is looked for up to here; 0: it is not */
	uint64_t fence_end;
	struct mp_heap_figures figures;
};

enum phase { PHASE_HEAPS, PHASE_FAST };

struct mp_glibc_walk {
	struct mp_memory memory;
	struct mp_glibc_arena arena;
	struct {
		uint64_t chunk_bytes;
		double share; /* of requests that need more than a chunk one smaller than this */
	} need[MP_SIZE_CLASSES];
	unsigned int n_needs;

	enum phase phase;
	uint64_t heap, earlier, heap_end; /* of other arenas than the main one */
	unsigned int heaps;
	struct mark now, marks[MARKS];
	uint64_t n_marks; /* since the heap's beginning; the latest are kept */
	unsigned int tears, tears_here;
	uint64_t furthest;
	uint32_t window;

	unsigned int bin;
	uint64_t node; /* 0: the list is to begin */
	struct mp_heap_figures bin_figures;
	uint64_t nodes, bin_nodes;

	uint64_t keys[KEYS]; /* in order */
	unsigned int n_keys, cache_tries;
	bool has_global_key;
	unsigned char buf[WINDOW];
};

struct mp_glibc_walk *mp_glibc_walk_new(const struct mp_memory *m)
{
	struct mp_glibc_walk *w = calloc(1, sizeof(*w));

	if (w)
		w->memory = *m;
	return w;
}

void mp_glibc_walk_free(struct mp_glibc_walk *w)
{
	free(w);
}

void mp_glibc_walk_forget(struct mp_glibc_walk *w)
{
	w->n_keys = 0;
	w->has_global_key = false;
}

struct mp_heap_figures mp_glibc_walk_figures(const struct mp_glibc_walk *w)
{
	return w->now.figures;
}

/* ---- Figures ---- */

/* Requests of one size class stand at their mean. The share at each is that of all that need as much or
 * more. */
static void set_mix(struct mp_glibc_walk *w, const struct mp_size_mix *mix)
{
	double above = 0;

	w->n_needs = mix->n;
	for (unsigned int i = mix->n; i--;) {
		above += mix->of[i].share;
		w->need[i].chunk_bytes = mp_glibc_chunk_bytes(mix->of[i].bytes);
		w->need[i].share = above;
	}
}

/* The share of requests that do not fit into a chunk. */
static double misfits(const struct mp_glibc_walk *w, uint64_t bytes)
{
	for (unsigned int i = 0; i < w->n_needs; i++)
		if (w->need[i].chunk_bytes > bytes)
			return w->need[i].share;
	return 0;
}

static void add_free(struct mp_glibc_walk *w, uint64_t bytes)
{
	struct mp_heap_figures *f = &w->now.figures;

	f->free_bytes += bytes;
	f->free_pieces++;
	f->unfit_bytes += (double)bytes * misfits(w, bytes);
	if (bytes > f->largest_free_bytes)
		f->largest_free_bytes = bytes;
}

/* ---- Thread caches ---- */

static unsigned int key_place(const struct mp_glibc_walk *w, uint64_t key)
{
	unsigned int from = 0, to = w->n_keys;

	while (from < to) {
		unsigned int mid = from + (to - from) / 2;
		if (w->keys[mid] < key)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool is_key(const struct mp_glibc_walk *w, uint64_t word)
{
	if (!w->n_keys || word < w->keys[0] || word > w->keys[w->n_keys - 1])
		return false;
	return w->keys[key_place(w, word)] == word;
}

static void add_key(struct mp_glibc_walk *w, uint64_t key)
{
	unsigned int at = key_place(w, key);

	if (w->n_keys == KEYS || (at < w->n_keys && w->keys[at] == key))
		return;
	memmove(&w->keys[at + 1], &w->keys[at], (w->n_keys - at) * sizeof(*w->keys));
	w->keys[at] = key;
	w->n_keys++;
}

/* Since 2.32 links of lists are mixed with their own address. */
static uint64_t revealed(uint64_t link, uint64_t at)
{
	return link ^ at >> 12;
}

static bool is_link(const struct mp_glibc_walk *w, uint64_t link, uint64_t at)
{
	return !(revealed(link, at) % 16) || (!w->has_global_key && !(link % 16));
}

/* A block in a thread's cache has a link and a key. A block that is handed out again loses its key. */
static bool is_cached(const struct mp_glibc_walk *w, uint64_t chunk, uint64_t bytes, const uint64_t words[2])
{
	return bytes <= CACHED_BYTES_MAX && is_key(w, words[1]) && is_link(w, words[0], chunk + 16);
}

/* Returns the size of which there are blocks, or -1: it is not a thread's cache, or an empty one. */
static int cache_size_in_use(const struct cache *c)
{
	int in_use = -1;

	for (int i = 0; i < CACHE_SIZES; i++) {
		if (!c->counts[i] != !c->entries[i] || c->entries[i] % 16)
			return -1;
		if (c->counts[i])
			in_use = i;
	}
	return in_use;
}

/*
 * Learns the key of a thread's cache, if this chunk is one: each thread's first. Since 2.34 there is one key,
 * a random number, which only the first chunk of an arena is believed; before, each cache's own address is.
 * The cache is read again, for its thread may have taken the block meanwhile.
 */
static void learn_key(struct mp_glibc_walk *w, uint64_t chunk)
{
	struct cache c, again;
	struct header block;
	bool is_first = chunk == w->arena.start;

	if (w->has_global_key || w->cache_tries == CACHE_TRIES)
		return;
	w->cache_tries += !is_first;
	if (!mp_memory_all(&w->memory, chunk + 16, &c, sizeof(c)))
		return;
	int i = cache_size_in_use(&c);
	if (i < 0 || !mp_memory_all(&w->memory, c.entries[i] - 16, &block, sizeof(block)) ||
	    !mp_memory_all(&w->memory, chunk + 16, &again, sizeof(again)))
		return;
	bool is_own = block.words[1] == chunk + 16;
	if (again.entries[i] != c.entries[i] || !block.words[1] || (!is_own && !is_first) ||
	    (block.size & ~(uint64_t)FLAGS) != MP_GLIBC_MIN + 16ULL * (unsigned int)i)
		return;
	add_key(w, block.words[1]);
	w->has_global_key = !is_own;
}

/* ---- Chunks ---- */

static bool is_size(uint64_t bytes)
{
	return bytes >= MP_GLIBC_MIN && !(bytes % 16) && bytes < 1ULL << 48;
}

/* Only blocks that are in use tell that they are of another arena than the main one. */
static bool is_header(const struct mp_glibc_walk *w, const struct header *h)
{
	return is_size(h->size & ~(uint64_t)FLAGS) && !(h->size & IS_MMAPPED) &&
	       (!(h->size & NOT_MAIN) || !w->arena.is_main);
}

/* The chunk before is what this header says. */
static bool take_last(struct mp_glibc_walk *w, const struct header *h)
{
	const struct chunk *last = &w->now.last;

	if (!last->bytes)
		return h->size & PREVIOUS_IN_USE;
	if (!(h->size & PREVIOUS_IN_USE)) {
		if (h->previous_bytes != last->bytes)
			return false;
		add_free(w, last->bytes);
		return true;
	}
	/* What is left of a top that a heap had no room to keep is marked in no way. */
	if (!w->arena.is_main && !last->is_marked && last->bytes > MP_GLIBC_MIN)
		return false;
	if (last->is_cached)
		add_free(w, last->bytes);
	return true;
}

static uint64_t read_top(const struct mp_glibc_walk *w)
{
	struct mp_glibc_arena a;
	uint64_t top;

	return mp_memory_all(&w->memory, w->arena.address + 16 + sizeof(a.fastbin), &top, sizeof(top)) ? top
												       : 0;
}

enum taken { TAKEN, TAKEN_END, TAKEN_WRONG };

/* The top ends its heap: it is free, and what is behind it is not the arena's. */
static enum taken take_top(struct mp_glibc_walk *w, const struct header *h)
{
	uint64_t bytes = h->size & ~(uint64_t)FLAGS, end = w->now.at + bytes;

	if (!is_size(bytes) || !(h->size & PREVIOUS_IN_USE) || read_top(w) != w->now.at ||
	    (w->heap && end != w->heap_end))
		return TAKEN_WRONG;
	add_free(w, bytes);
	w->now.figures.total_bytes += end - (w->heap ? w->heap : w->arena.start);
	return TAKEN_END;
}

/*
 * Two fences end a run of the main arena's memory, behind which others took some by brk. In a heap one fence,
 * or a small chunk, and a header of size 0 are the last there is.
 */
static enum taken take_fence(struct mp_glibc_walk *w, uint64_t bytes)
{
	w->now.at += FENCE;
	w->now.last.bytes = 0;
	w->now.fences++;
	if (bytes == FENCE && w->now.fences == 1)
		return TAKEN;
	if (bytes == FENCE && !w->heap) {
		w->now.fence_end = w->now.at;
		w->now.foreign_until = w->now.at + FOREIGN_MAX;
		return TAKEN;
	}
	if (bytes || !w->heap || w->now.at != w->heap_end)
		return TAKEN_WRONG;
	w->now.figures.total_bytes += w->heap_end - w->heap;
	return TAKEN_END;
}

static enum taken take_chunk(struct mp_glibc_walk *w, const struct header *h, uint64_t top)
{
	uint64_t bytes = h->size & ~(uint64_t)FLAGS;

	if (!w->now.fences && !take_last(w, h))
		return TAKEN_WRONG;
	if (w->now.at == top)
		return take_top(w, h);
	if (bytes == FENCE || (!bytes && w->heap))
		return take_fence(w, bytes);
	if (w->now.fences || !is_header(w, h))
		return TAKEN_WRONG;
	w->now.last = (struct chunk){.at = w->now.at,
	    .bytes = bytes,
	    .is_cached = is_cached(w, w->now.at, bytes, h->words),
	    .is_marked = h->size & NOT_MAIN};
	if (bytes == CACHE_CHUNK)
		learn_key(w, w->now.at);
	w->now.at += bytes;
	return TAKEN;
}

/* ---- Memory of others between two runs ---- */

/* Some headers in a row, or all up to the top. The first chunk has none before it. */
static bool is_beginning(struct mp_glibc_walk *w, uint64_t at, uint64_t top)
{
	struct header h;

	for (unsigned int i = 0; i < CHAIN && at != top; i++) {
		if (at > top || !mp_memory_all(&w->memory, at, &h, sizeof(h)) || !is_header(w, &h) ||
		    (!i && !(h.size & PREVIOUS_IN_USE)))
			return false;
		at += h.size & ~(uint64_t)FLAGS;
	}
	return true;
}

/* Looks through the window for where the arena goes on. */
static enum taken skip_foreign(struct mp_glibc_walk *w, size_t n, uint64_t top)
{
	for (size_t i = 0; i + sizeof(struct header) <= n; i += 16) {
		struct header h;
		memcpy(&h, w->buf + i, sizeof(h));
		if ((w->now.at == top || (is_header(w, &h) && h.size & PREVIOUS_IN_USE)) &&
		    is_beginning(w, w->now.at, top)) {
			w->now.figures.total_bytes -= w->now.at - w->now.fence_end;
			w->now.fences = 0;
			w->now.foreign_until = 0;
			w->now.last.bytes = 0;
			return TAKEN;
		}
		w->now.at += 16;
	}
	return w->now.at < w->now.foreign_until && w->now.at < top ? TAKEN : TAKEN_WRONG;
}

/* ---- The heaps ---- */

static void begin_heap(struct mp_glibc_walk *w, uint64_t at)
{
	const struct mp_heap_figures so_far = w->now.figures;

	w->now = (struct mark){.at = at, .figures = so_far};
	w->n_marks = 0;
	w->furthest = 0;
	w->tears_here = 0;
	w->window = WINDOW_MIN;
}

/* Of an arena that is not the main one. */
static bool next_heap(struct mp_glibc_walk *w, uint64_t heap)
{
	uint64_t bytes = mp_glibc_heap_bytes(&w->memory, &w->arena, heap, &w->earlier);
	bool is_first = heap == mp_glibc_heap_of(w->arena.address);

	if (!bytes || is_first != !w->earlier || w->heaps++ == HEAPS_MAX)
		return false;
	w->heap = heap;
	w->heap_end = heap + bytes;
	begin_heap(w, is_first ? w->arena.start : heap + w->arena.heap_header_bytes);
	return true;
}

void mp_glibc_walk_begin(
    struct mp_glibc_walk *w, const struct mp_glibc_arena *arena, const struct mp_size_mix *mix)
{
	w->arena = *arena;
	w->now = (struct mark){0};
	w->tears = w->cache_tries = w->heaps = 0;
	w->heap = w->earlier = 0;
	w->phase = PHASE_HEAPS;
	w->bin = 0;
	w->node = w->nodes = w->bin_nodes = 0;
	set_mix(w, mix);
	if (arena->is_main)
		begin_heap(w, arena->start);
	/* One that cannot be read is torn in the first step. */
	else if (!next_heap(w, mp_glibc_heap_of(arena->top)))
		w->now.at = 0;
}

/* Where the walk was some windows ago, a chunk began not long ago. */
static enum mp_glibc_step go_back(struct mp_glibc_walk *w)
{
	uint64_t back = 1ULL << (w->tears_here < 5 ? w->tears_here : 5);

	if (w->now.at > w->furthest) {
		w->furthest = w->now.at;
		w->tears_here = 0;
		back = 1;
	}
	w->tears_here++;
	if (++w->tears > TEARS_MAX || !w->n_marks)
		return MP_GLIBC_TORN;
	if (back > MARKS - 1)
		back = MARKS - 1;
	if (back > w->n_marks)
		back = w->n_marks;
	w->n_marks -= back;
	w->now = w->marks[w->n_marks % MARKS];
	w->window = WINDOW_MIN;
	return MP_GLIBC_MORE;
}

static enum mp_glibc_step end_of_heap(struct mp_glibc_walk *w)
{
	if (w->earlier)
		return next_heap(w, w->earlier) ? MP_GLIBC_MORE : MP_GLIBC_TORN;
	/* The arena may have got a heap since the walk began. */
	if (w->heap && mp_glibc_heap_of(read_top(w)) != mp_glibc_heap_of(w->arena.top))
		return MP_GLIBC_TORN;
	w->phase = PHASE_FAST;
	return MP_GLIBC_MORE;
}

/* Where memory ends, the header of the last fence has no block behind it. */
static size_t read_window(struct mp_glibc_walk *w)
{
	size_t n = w->memory.read(w->memory.ctx, w->now.at, w->buf, w->window);

	if (!n || n == w->window)
		return n;
	size_t more = w->window - n < 16 ? w->window - n : 16;
	memset(w->buf + n, 0, more);
	return n + more;
}

static enum mp_glibc_step step_heap(struct mp_glibc_walk *w)
{
	uint64_t top = read_top(w), from = w->now.at;
	size_t n = from && top ? read_window(w) : 0, used = 0;
	enum taken taken = n ? TAKEN : TAKEN_WRONG;

	w->marks[w->n_marks++ % MARKS] = w->now;
	if (taken == TAKEN && w->now.foreign_until)
		taken = skip_foreign(w, n, top);
	while (taken == TAKEN && !w->now.foreign_until && (used = w->now.at - from) < n &&
	       n - used >= sizeof(struct header)) {
		struct header h;
		memcpy(&h, w->buf + used, sizeof(h));
		taken = take_chunk(w, &h, top);
	}
	/* At the end of memory without a top: it would stay there. */
	if (taken == TAKEN && w->now.at == from)
		taken = TAKEN_WRONG;
	if (taken != TAKEN)
		return taken == TAKEN_END ? end_of_heap(w) : go_back(w);
	w->window = used > n + 4096 ? WINDOW_MIN : w->window < WINDOW ? 2 * w->window : WINDOW;
	return MP_GLIBC_MORE;
}

/* ---- Fast bins ---- */

/* The chunk that a link leads to, 0 for the end. Since 2.32 it is mixed with its address, and before a link
 * that is not mixed is none that is. */
static uint64_t follow(uint64_t link, uint64_t chunk)
{
	uint64_t mixed = revealed(link, chunk + 16);

	return mixed % 16 ? link : mixed;
}

static enum mp_glibc_step begin_bin_again(struct mp_glibc_walk *w)
{
	w->now.figures = w->bin_figures;
	w->nodes -= w->bin_nodes;
	w->bin_nodes = 0;
	w->node = 0;
	return ++w->tears > TEARS_MAX ? MP_GLIBC_TORN : MP_GLIBC_MORE;
}

static uint64_t first_of_bin(const struct mp_glibc_walk *w)
{
	uint64_t first, at = w->arena.address + 16 + 8ULL * w->bin;

	return mp_memory_all(&w->memory, at, &first, sizeof(first)) ? first : 0;
}

static enum mp_glibc_step next_bin(struct mp_glibc_walk *w)
{
	w->bin_figures = w->now.figures;
	w->bin_nodes = 0;
	w->node = 0;
	return ++w->bin == MP_GLIBC_FASTBINS ? MP_GLIBC_DONE : MP_GLIBC_MORE;
}

/* A block may have a key from when its thread had it in its cache, and ended: then it is counted already. */
static enum mp_glibc_step step_bin(struct mp_glibc_walk *w)
{
	const uint64_t bytes = MP_GLIBC_MIN + 16ULL * w->bin;
	struct header h;

	if (!w->node) {
		w->bin_figures = w->now.figures;
		w->node = first_of_bin(w);
	}
	for (unsigned int i = 0; i < NODES && w->node; i++) {
		if (w->node % 16 || !mp_memory_all(&w->memory, w->node, &h, sizeof(h)) ||
		    (h.size & ~(uint64_t)FLAGS) != bytes)
			return begin_bin_again(w);
		if (!is_cached(w, w->node, bytes, h.words))
			add_free(w, bytes);
		if (w->now.figures.free_bytes > w->now.figures.total_bytes)
			return begin_bin_again(w); /* it is a ring */
		w->bin_nodes++;
		if (w->nodes++ == MP_GLIBC_FAST_MAX)
			return MP_GLIBC_DONE;
		w->node = follow(h.words[0], w->node);
	}
	return w->node ? MP_GLIBC_MORE : next_bin(w);
}

enum mp_glibc_step mp_glibc_walk_step(struct mp_glibc_walk *w)
{
	return w->phase == PHASE_HEAPS ? step_heap(w) : step_bin(w);
}

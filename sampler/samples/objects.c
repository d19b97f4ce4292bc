/* SPDX-License-Identifier: MIT */
#include "sampler/samples/objects.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"
#include "sampler/index.h"

/* Bounds of what a target can make us keep: about 500 MB, when it has so many blocks alive. */
#define MAX_ALIVE   4000000u
#define MAX_WAITING 1000000u
#define MAX_PAGES   2000000u

/* A thread inside a call says nothing until it returns: its questions wait at most so long, and at most so
 * many. */
#define WAIT_FOR_CALL_NS  1000000000LL
#define WAIT_FOR_CALL_MAX 4096
#define CALL_BUCKETS      64

#define PAGE_SHIFT    12
#define GRANULE_SHIFT 6 /* a bit of a page's mask */

struct node {
	RB_ENTRY(node) link;
	struct mp_object object;
};

RB_HEAD(tree, node);

static int by_addr(const struct node *a, const struct node *b)
{
	return a->object.addr < b->object.addr ? -1 : a->object.addr > b->object.addr;
}

/* cppcheck-suppress unknownMacro */
RB_GENERATE_INTERNAL(
    tree, node, link, by_addr, static __attribute__((unused))) /* not all of its functions are used */

/* In the order in which they count at one time. */
enum kind { DEATH, BIRTH, QUESTION };

struct event {
	int64_t t_ns;
	uint64_t order; /* of those at one time and of one kind */
	uint64_t addr, size_bytes, caller;
	int64_t start_ns, stack_id;
	void *question;
	pid_t tid;
	enum kind kind;
};

/* A question that no object answers yet: its thread may be inside the call that allocates one. */
struct open_question {
	struct open_question *next;
	uint64_t addr;
	int64_t t_ns;
	pid_t tid;
	void *question;
};

struct page {
	uint64_t number, covered; /* a bit for each 64 bytes that a block has held */
};

struct mp_objects {
	struct mp_objects_answers answers;
	struct tree alive;
	size_t n_alive;
	struct event *waiting;
	size_t n_waiting, waiting_room;
	uint64_t order;
	struct open_question *open[CALL_BUCKETS]; /* by thread, latest first */
	size_t n_open;
	struct page *pages; /* [number - 1] */
	size_t pages_room;
	struct mp_index page_index;
	uint64_t lost;
};

struct mp_objects *mp_objects_new(const struct mp_objects_answers *answers)
{
	struct mp_objects *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->answers = *answers;
	RB_INIT(&o->alive);
	return o;
}

void mp_objects_free(struct mp_objects *o)
{
	struct node *n, *next_node;
	struct open_question *q, *next;

	if (!o)
		return;
	for (n = RB_MIN(tree, &o->alive); n; n = next_node) {
		next_node = RB_NEXT(tree, &o->alive, n);
		RB_REMOVE(tree, &o->alive, n);
		free(n);
	}
	for (size_t i = 0; i < CALL_BUCKETS; i++)
		for (q = o->open[i]; q; q = next) {
			next = q->next;
			free(q);
		}
	mp_index_free(&o->page_index);
	free(o->pages);
	free(o->waiting);
	free(o);
}

/* ---- What blocks have held ---- */

static bool same_page(const void *owner, uint32_t value, const void *what)
{
	return ((const struct mp_objects *)owner)->pages[value - 1].number == *(const uint64_t *)what;
}

/* NULL: there is none, or (with `wants`) no room for one. */
static struct page *page_of(struct mp_objects *o, uint64_t number, bool wants)
{
	uint32_t *slot = mp_index_slot(&o->page_index, mp_index_mix(number), same_page, o, &number);

	if (slot && *slot)
		return &o->pages[*slot - 1];
	if (!slot || !wants || o->page_index.n == MAX_PAGES ||
	    !mp_grow((void **)&o->pages, &o->pages_room, o->page_index.n + 1, sizeof(*o->pages)))
		return NULL;
	*slot = (uint32_t)++o->page_index.n;
	o->pages[*slot - 1] = (struct page){.number = number};
	return &o->pages[*slot - 1];
}

/* The bits of the granules from `first` to `last` of a page. */
static uint64_t granules(uint64_t first, uint64_t last)
{
	return (last == 63 ? ~0ULL : (1ULL << (last + 1)) - 1) & ~0ULL << first;
}

static void cover(struct mp_objects *o, uint64_t addr, uint64_t size)
{
	uint64_t last = addr + (size ? size - 1 : 0);

	for (uint64_t number = addr >> PAGE_SHIFT; number <= last >> PAGE_SHIFT; number++) {
		struct page *p = page_of(o, number, true);
		uint64_t begin = number << PAGE_SHIFT, end = begin + (1 << PAGE_SHIFT) - 1;

		if (!p)
			return;
		p->covered |= granules((addr > begin ? addr - begin : 0) >> GRANULE_SHIFT,
		    ((last < end ? last : end) - begin) >> GRANULE_SHIFT);
	}
}

static bool was_covered(struct mp_objects *o, uint64_t addr)
{
	const struct page *p = page_of(o, addr >> PAGE_SHIFT, false);

	return p && p->covered >> (addr >> GRANULE_SHIFT & 63) & 1;
}

/* ---- The live ones ---- */

static struct node *at_or_before(struct mp_objects *o, uint64_t addr)
{
	struct node *n = RB_ROOT(&o->alive), *best = NULL;

	while (n) {
		if (n->object.addr <= addr)
			best = n;
		n = n->object.addr <= addr ? RB_RIGHT(n, link) : RB_LEFT(n, link);
	}
	return best;
}

/* A block of no bytes still has an address. */
static bool holds(const struct mp_object *o, uint64_t addr)
{
	return addr >= o->addr && addr - o->addr < (o->size_bytes ? o->size_bytes : 1);
}

/* What an allocator keeps of a block stands right before it and behind it. */
#define BOOKKEEPING_BYTES 64

static bool is_around(const struct mp_object *o, uint64_t addr)
{
	uint64_t begin = o->addr > BOOKKEEPING_BYTES ? o->addr - BOOKKEEPING_BYTES : 0;

	return addr >= begin && addr - begin < o->size_bytes + 2 * BOOKKEEPING_BYTES;
}

static struct mp_object *find(struct mp_objects *o, uint64_t addr)
{
	struct node *n = at_or_before(o, addr);

	return n && holds(&n->object, addr) ? &n->object : NULL;
}

static void remove_node(struct mp_objects *o, struct node *n, int64_t t_ns)
{
	if (n->object.object_id)
		o->answers.died(o->answers.ctx, &n->object, t_ns);
	RB_REMOVE(tree, &o->alive, n);
	o->n_alive--;
	free(n);
}

/* What is in the way of a new block has been released, and that was not seen. */
static void clear(struct mp_objects *o, uint64_t addr, uint64_t size, int64_t t_ns)
{
	uint64_t last = addr + (size ? size - 1 : 0);
	struct node *n;

	while ((n = at_or_before(o, last)) && (n->object.addr >= addr || holds(&n->object, addr))) {
		remove_node(o, n, t_ns);
		o->lost++;
	}
}

/* ---- Questions ---- */

static void answer(struct mp_objects *o, uint64_t addr, void *question, struct mp_object *object)
{
	enum mp_no_object why = object || was_covered(o, addr) ? MP_NOT_COVERED : MP_NEVER_COVERED;

	o->answers.answer(o->answers.ctx, question, object, why);
}

static struct open_question **bucket_of(struct mp_objects *o, pid_t tid)
{
	return &o->open[(unsigned int)tid % CALL_BUCKETS];
}

static void ask_now(struct mp_objects *o, const struct event *e)
{
	struct mp_object *object = find(o, e->addr);
	struct open_question *q = object || o->n_open == WAIT_FOR_CALL_MAX ? NULL : malloc(sizeof(*q));

	if (!q) {
		answer(o, e->addr, e->question, object);
		return;
	}
	struct open_question **bucket = bucket_of(o, e->tid);
	*q = (struct open_question){*bucket, e->addr, e->t_ns, e->tid, e->question};
	*bucket = q;
	o->n_open++;
}

/* A call of a thread says of all that the thread asked before whether it was inside that call. */
static void call_returned(struct mp_objects *o, pid_t tid, int64_t start_ns, struct mp_object *born)
{
	struct open_question **at = bucket_of(o, tid), *q;

	while ((q = *at)) {
		if (q->tid != tid) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		answer(o, q->addr, q->question,
		    born && q->t_ns >= start_ns && is_around(born, q->addr) ? born : NULL);
		free(q);
		o->n_open--;
	}
}

static void give_up_waiting(struct mp_objects *o, int64_t before_ns)
{
	for (size_t i = 0; i < CALL_BUCKETS && o->n_open; i++) {
		struct open_question **at = &o->open[i], *q;

		while ((q = *at)) {
			if (q->t_ns >= before_ns) {
				at = &q->next;
				continue;
			}
			*at = q->next;
			answer(o, q->addr, q->question, find(o, q->addr));
			free(q);
			o->n_open--;
		}
	}
}

/* ---- Births and deaths ---- */

static void be_born(struct mp_objects *o, const struct event *e)
{
	struct node *n = o->n_alive < MAX_ALIVE ? malloc(sizeof(*n)) : NULL;

	clear(o, e->addr, e->size_bytes, e->t_ns);
	if (!n) {
		o->lost++;
		call_returned(o, e->tid, e->start_ns, NULL);
		return;
	}
	n->object = (struct mp_object){.addr = e->addr,
	    .size_bytes = e->size_bytes,
	    .born_ns = e->t_ns,
	    .tid = e->tid,
	    .stack_id = e->stack_id,
	    .caller = e->caller};
	RB_INSERT(tree, &o->alive, n);
	o->n_alive++;
	call_returned(o, e->tid, e->start_ns, &n->object);
	cover(o, e->addr, e->size_bytes);
}

static void die(struct mp_objects *o, const struct event *e)
{
	struct node *n = at_or_before(o, e->addr);

	if (n && n->object.addr == e->addr)
		remove_node(o, n, e->t_ns);
	call_returned(o, e->tid, e->t_ns, NULL);
}

static bool put(struct mp_objects *o, struct event *e)
{
	if (o->n_waiting == MAX_WAITING ||
	    !mp_grow((void **)&o->waiting, &o->waiting_room, o->n_waiting + 1, sizeof(*o->waiting))) {
		o->lost += e->kind != QUESTION;
		return false;
	}
	e->order = o->order++;
	o->waiting[o->n_waiting++] = *e;
	return true;
}

bool mp_objects_born(struct mp_objects *o, const struct mp_birth *b)
{
	uint64_t room = UINT64_MAX - b->addr; /* the end of a block is an address, too */

	return put(o, &(struct event){.kind = BIRTH,
			  .t_ns = b->end_ns,
			  .start_ns = b->start_ns,
			  .addr = b->addr,
			  .size_bytes = b->size_bytes < room ? b->size_bytes : room,
			  .caller = b->caller,
			  .stack_id = b->stack_id,
			  .tid = b->tid});
}

bool mp_objects_died(struct mp_objects *o, uint64_t addr, int64_t t_ns, pid_t tid)
{
	return put(o, &(struct event){.kind = DEATH, .t_ns = t_ns, .addr = addr, .tid = tid});
}

bool mp_objects_ask(struct mp_objects *o, uint64_t addr, int64_t t_ns, pid_t tid, void *question)
{
	return put(o,
	    &(struct event){.kind = QUESTION, .t_ns = t_ns, .addr = addr, .tid = tid, .question = question});
}

/* ---- In order ---- */

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static bool is_in_order(const struct mp_objects *o)
{
	for (size_t i = 1; i < o->n_waiting; i++)
		if (by_time(&o->waiting[i - 1], &o->waiting[i]) > 0)
			return false;
	return true;
}

void mp_objects_settle(struct mp_objects *o, int64_t up_to_ns)
{
	size_t done = 0;

	if (!is_in_order(o))
		qsort(o->waiting, o->n_waiting, sizeof(*o->waiting), by_time);
	for (; done < o->n_waiting && o->waiting[done].t_ns <= up_to_ns; done++) {
		const struct event *e = &o->waiting[done];

		if (e->kind == BIRTH)
			be_born(o, e);
		else if (e->kind == DEATH)
			die(o, e);
		else
			ask_now(o, e);
	}
	o->n_waiting -= done;
	memmove(o->waiting, o->waiting + done, o->n_waiting * sizeof(*o->waiting));
	if (o->n_open)
		give_up_waiting(o, up_to_ns == INT64_MAX ? INT64_MAX : up_to_ns - WAIT_FOR_CALL_NS);
}

size_t mp_objects_alive(const struct mp_objects *o)
{
	return o->n_alive;
}

uint64_t mp_objects_lost(struct mp_objects *o)
{
	uint64_t lost = o->lost;

	o->lost = 0;
	return lost;
}

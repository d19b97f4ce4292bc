/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_APPEND_H
#define MP_STORE_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/op.h"
#include "store/session.h"

/*
 * Batched append: one prepared statement per table, rows collected in the session's open transaction until
 * mp_session_commit(). Strings are copied. All return 0 or -errno; a full disk is -ENOSPC, and what was
 * committed stays readable. A slot that is appended again (latency, latency_sum, counter, overhead) is added
 * to. Sizes and counts above the largest SQLite integer become that one.
 */

struct mp_call {
	int64_t t_ns;
	int64_t tid;
	uint32_t op; /* enum mp_op */
	uint32_t kept;
	uint32_t weight;
	uint64_t size_bytes;
	uint64_t addr;
	int64_t dur_ns;
	int64_t stack_id; /* 0: none */
	uint32_t scope;   /* number of mp_append_component_scope(); 0: none */
};

struct mp_kernel_event {
	int64_t t_ns;
	int64_t tid;
	const char *kind;
	int64_t dur_ns; /* < 0: not known */
	uint64_t addr;  /* 0: none */
	uint64_t ip;    /* 0: none */
};

struct mp_module_row {
	int64_t module_id; /* the caller's, used once */
	const char *path;
	const char *build_id; /* hex, or NULL */
	uint64_t start, end, file_offset;
	int64_t t_ns;
	bool bias_known;
	uint64_t bias;    /* run-time address minus the file's own */
	const char *note; /* what is known to be missing, or NULL */
};

struct mp_probe_row {
	uint32_t op;
	const char *function, *module, *allocator;
	uint64_t file_offset;
	uint32_t skipped_bytes;
};

/* Begin to end of a named piece of work. The parts of its time: < 0 is not known. */
struct mp_span_row {
	const char *name;
	uint64_t id;
	int64_t tid; /* the thread that began it */
	int64_t t_ns, dur_ns;
	int64_t alloc_ns, alloc_calls, fault_ns, off_cpu_ns, gc_ns;
};

/* A part of a call's duration (sql/views/v_cause.sql). */
struct mp_cause_row {
	int64_t call_id;
	const char *kind, *detail; /* detail may be NULL */
	int64_t dur_ns;
	uint64_t n;
};

/* How good a sample is: the later, the better. */
enum mp_sample_quality {
	MP_SAMPLE_SOFTWARE,   /* the kernel counts it itself, exactly */
	MP_SAMPLE_COUNTER,    /* a counter overflowed: the instruction is near */
	MP_SAMPLE_PRECISE,    /* the instruction is right (PEBS and its like), no data address */
	MP_SAMPLE_BREAKPOINT, /* a watched address: instruction and data are right */
	MP_SAMPLE_DATA,       /* with the data's address, not how long it took */
	MP_SAMPLE_SPE,        /* ARM SPE: address, latency and source */
	MP_SAMPLE_IBS,        /* AMD IBS: likewise */
	MP_SAMPLE_PEBS,       /* Intel's load latency: likewise */
	MP_SAMPLE_QUALITIES
};

/* From where the data came. */
enum mp_sample_level {
	MP_LEVEL_NONE, /* not told */
	MP_LEVEL_L1,
	MP_LEVEL_LFB, /* a line that was on its way already */
	MP_LEVEL_L2,
	MP_LEVEL_L3,
	MP_LEVEL_OTHER_CACHE, /* another core's or socket's */
	MP_LEVEL_LOCAL_DRAM,
	MP_LEVEL_REMOTE_DRAM,
	MP_LEVEL_OTHER_MEMORY, /* persistent, CXL, I/O, uncached */
	MP_LEVELS
};

/* What a data address lies in. */
enum mp_sample_place {
	MP_PLACE_UNKNOWN,
	MP_PLACE_OBJECT, /* a tracked allocation that was alive then */
	MP_PLACE_POOL,   /* a slot of a pool */
	MP_PLACE_STACK,
	MP_PLACE_DATA,      /* of a module */
	MP_PLACE_FILE,      /* a mapping of another file */
	MP_PLACE_OLDER,     /* the heap, where nothing was allocated since the recording began: an older
			       allocation */
	MP_PLACE_UNTRACKED, /* the heap, in no allocation that was seen */
	MP_PLACES
};

/* A perf event that is sampled or counted. */
struct mp_event_row {
	int64_t event_id;                 /* the caller's, used once */
	const char *name, *chosen, *note; /* the last two may be NULL */
	bool is_sampled;
	enum mp_sample_quality quality;
};

struct mp_sample_row {
	int64_t t_ns, tid;
	int64_t cpu; /* < 0: not known */
	int64_t event_id;
	uint64_t ip;
	bool has_addr;
	uint64_t addr, period;
	int64_t weight;    /* < 0: not told */
	uint64_t data_src; /* 0: not told */
	enum mp_sample_level level;
	int tlb, is_write; /* as in the table; < 0: not known */
	enum mp_sample_quality quality;
	enum mp_sample_place place;
	const char *place_name; /* NULL: none */
	int64_t object_id;      /* 0: none */
	int64_t offset;         /* < 0: not known */
	int64_t stack_id;       /* 0: none */
};

struct mp_object_row {
	int64_t object_id; /* the caller's, used once */
	uint64_t addr, size_bytes;
	int64_t born_ns, tid, stack_id;
};

/* What a thread's counter counted in a slot: `value` as it would be, had it counted all the time. */
struct mp_thread_counter {
	int64_t tid, event_id;
	uint64_t value, enabled_ns, running_ns;
};

struct mp_latency_sum {
	uint64_t calls, bytes, sum_ns, max_ns;
};

int mp_append_clock(struct mp_session *s, int64_t mono_ns, int64_t real_ns, struct mp_err *err);
/* A slot, which has ended: all that is counted by it has been appended, but for what a marker brings late. */
int mp_append_slot(struct mp_session *s, int64_t slot_ns, int64_t dur_ns, struct mp_err *err);
int mp_append_thread(struct mp_session *s, int64_t tid, const char *comm, int64_t start_ns,
    int64_t *thread_id, struct mp_err *err);
int mp_append_module(struct mp_session *s, const struct mp_module_row *m, struct mp_err *err);
int mp_append_probe(struct mp_session *s, const struct mp_probe_row *p, struct mp_err *err);

/* A code address in a mapping (0: in none), first seen at t_ns. A frame_id is used once. */
int mp_append_frame(struct mp_session *s, int64_t frame_id, uint64_t addr, int64_t module_id, int64_t t_ns,
    struct mp_err *err);

/* A stack of return addresses, innermost first; `quality` and `ended` as in symbolize/unwind/unwind.h. A
 * stack_id is used once. */
struct mp_stack_row {
	int64_t stack_id;
	const int64_t *frame_ids;
	size_t n;
	int quality, ended;
};
int mp_append_stack(struct mp_session *s, const struct mp_stack_row *row, struct mp_err *err);

int mp_append_latency(struct mp_session *s, int64_t slot_ns, uint32_t op, uint32_t size_class,
    uint32_t bucket, uint64_t calls, struct mp_err *err);
/* The worst of the windows that the slot was watched by. */
struct mp_latency_window {
	int64_t t_ns, dur_ns;
	uint64_t calls, p99_ns;
};
int mp_append_latency_window(struct mp_session *s, int64_t slot_ns, uint32_t op,
    const struct mp_latency_window *w, struct mp_err *err);
int mp_append_latency_sum(struct mp_session *s, int64_t slot_ns, uint32_t op, uint32_t size_class,
    const struct mp_latency_sum *sum, struct mp_err *err);
/* *call_id may be NULL. The row is written with others, at the latest by the next commit. */
int mp_append_call(struct mp_session *s, const struct mp_call *c, int64_t *call_id, struct mp_err *err);
int mp_append_cause(struct mp_session *s, const struct mp_cause_row *c, struct mp_err *err);
int mp_append_kernel_event(struct mp_session *s, const struct mp_kernel_event *e, struct mp_err *err);
int mp_append_counter(
    struct mp_session *s, int64_t slot_ns, const char *name, int64_t value, struct mp_err *err);
int mp_append_mark(struct mp_session *s, int64_t t_ns, int64_t tid, const char *name, const char *detail,
    struct mp_err *err);
int mp_append_span(struct mp_session *s, const struct mp_span_row *row, struct mp_err *err);

/* A phase without an end, which mp_update_phase() gives it. */
int mp_append_phase(struct mp_session *s, const char *name, int64_t start_ns, const char *source,
    int64_t *phase_id, struct mp_err *err);
int mp_append_loss(struct mp_session *s, int64_t t_ns, const char *source, const char *what, uint64_t lost,
    struct mp_err *err);
/* What probes of a slot cost, and for how much of it they were in. */
struct mp_overhead_row {
	int64_t slot_ns;
	const char *plane;
	uint64_t events, cost_ns;
	uint64_t window_cost_ns; /* of cost_ns, what came of watching every call */
	const char *mode;        /* NULL, with the rest: this is nothing that comes and goes */
	int64_t watched_ns;      /* so long every call was watched, */
	unsigned int windows;    /* which began so often */
	int64_t cpu_ns,
	    watched_cpu_ns; /* CPU time of the target, the probes' included: all, and while watched */
	uint64_t spans, watched_spans; /* that ended, likewise */
};
int mp_append_overhead(struct mp_session *s, const struct mp_overhead_row *row, struct mp_err *err);

int mp_append_event(struct mp_session *s, const struct mp_event_row *e, struct mp_err *err);
/* *sample_id may be NULL. */
int mp_append_sample(
    struct mp_session *s, const struct mp_sample_row *row, int64_t *sample_id, struct mp_err *err);
int mp_append_object(struct mp_session *s, const struct mp_object_row *row, struct mp_err *err);
int mp_append_thread_counter(
    struct mp_session *s, int64_t slot_ns, const struct mp_thread_counter *c, struct mp_err *err);

/* Later changes to rows. */
int mp_update_object_death(struct mp_session *s, int64_t object_id, int64_t died_ns, struct mp_err *err);
int mp_update_sample_stack(struct mp_session *s, int64_t sample_id, int64_t stack_id, struct mp_err *err);
int mp_update_thread(
    struct mp_session *s, int64_t thread_id, const char *comm, int64_t end_ns, struct mp_err *err);
int mp_update_phase(struct mp_session *s, int64_t phase_id, int64_t end_ns, struct mp_err *err);

/* What a frame is called. `functions` where some are inlined there: all of them, innermost first, the frame's
 * own last. */
struct mp_function_name {
	const char *function, *file; /* NULL: not known */
	int line;                    /* 0: not known */
};
struct mp_frame_names {
	const char *module; /* NULL: not known */
	uint64_t offset;
	const struct mp_function_name *functions; /* at least one */
	size_t n;
	int quality;
};
int mp_update_frame(
    struct mp_session *s, int64_t frame_id, const struct mp_frame_names *n, struct mp_err *err);
/* A stack that comes after its call. */
int mp_update_call_stack(struct mp_session *s, int64_t call_id, int64_t stack_id, struct mp_err *err);
/* Where a frame stands in v_stack, where inlined functions count. */
int mp_update_stack_frame(
    struct mp_session *s, int64_t stack_id, int64_t depth, int64_t shown, struct mp_err *err);
int mp_update_site(struct mp_session *s, int64_t stack_id, const char *site, struct mp_err *err);
int mp_update_module_note(struct mp_session *s, int64_t module_id, const char *note, struct mp_err *err);

#endif

/* SPDX-License-Identifier: MIT */
#include "store/append.h"

#include <stdio.h>
#include <string.h>

#include "store/bind.h"
#include "store/retention_priv.h"
#include "store/session_priv.h"

/*
 * One statement a table, prepared on first use and kept. Slots are added to when they are written twice: the
 * recorder may hand over a second in parts. CAST keeps a sum that leaves 64 bits (a target that asks for
 * SIZE_MAX bytes again and again) an integer, at the largest one.
 */
enum statement {
	CLOCK,
	SLOT,
	THREAD,
	MODULE,
	PROBE,
	FRAME,
	INLINE,
	STACK,
	STACK_FRAME,
	LATENCY,
	LATENCY_SUM,
	LATENCY_WINDOW,
	CALL,
	CALLS, /* MP_SESSION_CALLS rows: its text is made from that of CALL */
	NEXT_CALL,
	CAUSE,
	KERNEL_EVENT,
	COUNTER,
	MARK,
	SPAN,
	PHASE,
	LOSS,
	OVERHEAD,
	EVENT,
	SAMPLE,
	OBJECT,
	THREAD_COUNTER,
	UPDATE_THREAD,
	UPDATE_PHASE,
	UPDATE_FRAME,
	CLEAR_INLINE,
	UPDATE_CALL,
	UPDATE_STACK_FRAME,
	UPDATE_SITE,
	UPDATE_MODULE,
	UPDATE_OBJECT,
	UPDATE_SAMPLE,
	STATEMENTS,
};

_Static_assert(STATEMENTS <= MP_SESSION_FIRST_OF_POOLS, "struct mp_session has room for all statements");

#define CALL_VALUES  "(?,?,?,?,?,?,?,?,?,?)"
#define CALL_COLUMNS 10

static const char *const sql[STATEMENTS] = {
    [CLOCK] = "INSERT OR REPLACE INTO clock (mono_ns, real_ns) VALUES (?,?)",
    [SLOT] = "INSERT OR REPLACE INTO slot (slot_ns, dur_ns) VALUES (?,?)",
    [THREAD] = "INSERT INTO thread (tid, comm, start_ns) VALUES (?,?,?)",
    [MODULE] =
	"INSERT INTO module (module_id, path, build_id, start_addr, end_addr, file_offset, t_ns, bias, note)"
	" VALUES (?,?,?,?,?,?,?,?,?)",
    [PROBE] = "INSERT INTO probe (op_id, function, module, allocator, file_offset, skipped_bytes)"
	      " VALUES (?,?,?,?,?,?)",
    [FRAME] = "INSERT INTO frame (frame_id, addr, module_id, t_ns) VALUES (?,?,?,?)",
    [INLINE] = "INSERT INTO frame_inline (frame_id, level, function, file, line) VALUES (?,?,?,?,?)",
    [STACK] = "INSERT INTO stack (stack_id, quality, ended) VALUES (?,?,?)",
    [STACK_FRAME] = "INSERT INTO stack_frame (stack_id, depth, frame_id) VALUES (?,?,?)",
    [LATENCY] = "INSERT INTO latency (slot_ns, op_id, size_class, bucket, calls) VALUES (?,?,?,?,?)"
		" ON CONFLICT DO UPDATE SET calls = calls + excluded.calls",
    [LATENCY_SUM] = "INSERT INTO latency_sum (slot_ns, op_id, size_class, calls, bytes, sum_ns, max_ns)"
		    " VALUES (?,?,?,?,?,?,?)"
		    " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,"
		    " bytes = CAST(bytes + excluded.bytes AS INTEGER),"
		    " sum_ns = CAST(sum_ns + excluded.sum_ns AS INTEGER),"
		    " max_ns = max(max_ns, excluded.max_ns)",
    [LATENCY_WINDOW] = "INSERT OR REPLACE INTO latency_window (slot_ns, op_id, t_ns, dur_ns, calls, p99_ns)"
		       " VALUES (?,?,?,?,?,?)",
    [CALL] = "INSERT INTO call (t_ns, tid, op_id, size_bytes, addr, dur_ns, kept, weight, stack_id,"
	     " scope_id) VALUES " CALL_VALUES,
    [NEXT_CALL] = "SELECT coalesce(max(call_id), 0) + 1 FROM call",
    [CAUSE] = "INSERT INTO cause (call_id, kind, dur_ns, n, detail) VALUES (?,?,?,?,?)"
	      " ON CONFLICT DO UPDATE SET dur_ns = dur_ns + excluded.dur_ns, n = n + excluded.n",
    [KERNEL_EVENT] = "INSERT INTO kernel_event (t_ns, tid, kind, dur_ns, addr, ip) VALUES (?,?,?,?,?,?)",
    [COUNTER] = "INSERT INTO counter (slot_ns, name, value) VALUES (?,?,?)"
		" ON CONFLICT DO UPDATE SET value = value + excluded.value",
    [MARK] = "INSERT INTO mark (t_ns, tid, name, detail) VALUES (?,?,?,?)",
    [SPAN] =
	"INSERT INTO span (name, id, tid, t_ns, dur_ns, alloc_ns, alloc_calls, fault_ns, off_cpu_ns, gc_ns)"
	" VALUES (?,?,?,?,?,?,?,?,?,?)",
    [PHASE] = "INSERT INTO phase (name, start_ns, source) VALUES (?,?,?)",
    [LOSS] = "INSERT INTO loss (t_ns, source, what, lost) VALUES (?,?,?,?)",
    [OVERHEAD] =
	"INSERT INTO overhead (slot_ns, plane, events, cost_ns, mode, watched_ns, windows, window_cost_ns,"
	" cpu_ns, watched_cpu_ns, spans, watched_spans) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
	" ON CONFLICT DO UPDATE SET events = events + excluded.events, cost_ns = cost_ns + excluded.cost_ns",
    [EVENT] = "INSERT INTO event (event_id, name, chosen, is_sampled, quality, note) VALUES (?,?,?,?,?,?)",
    [SAMPLE] = "INSERT INTO sample (t_ns, tid, cpu, event_id, ip, addr, period, weight, data_src, level, tlb,"
	       " is_write, quality, place, place_name, object_id, offset, stack_id)"
	       " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [OBJECT] =
	"INSERT INTO object (object_id, addr, size_bytes, born_ns, tid, stack_id) VALUES (?,?,?,?,?,?)",
    [THREAD_COUNTER] = "INSERT INTO thread_counter (slot_ns, tid, event_id, value, enabled_ns, running_ns) "
		       "VALUES (?,?,?,?,?,?)"
		       " ON CONFLICT DO UPDATE SET value = value + excluded.value, enabled_ns = enabled_ns + "
		       "excluded.enabled_ns,"
		       " running_ns = running_ns + excluded.running_ns",
    [UPDATE_OBJECT] = "UPDATE object SET died_ns = ?2 WHERE object_id = ?1",
    [UPDATE_SAMPLE] = "UPDATE sample SET stack_id = ?2 WHERE sample_id = ?1",
    [UPDATE_THREAD] = "UPDATE thread SET comm = coalesce(?2, comm), end_ns = coalesce(?3, end_ns)"
		      " WHERE thread_id = ?1",
    [UPDATE_PHASE] = "UPDATE phase SET end_ns = ?2 WHERE phase_id = ?1",
    [UPDATE_FRAME] = "UPDATE frame SET module = ?2, function = ?3, file = ?4, line = ?5, offset = ?6,"
		     " quality = ?7 WHERE frame_id = ?1",
    [CLEAR_INLINE] = "DELETE FROM frame_inline WHERE frame_id = ?",
    [UPDATE_CALL] = "UPDATE call SET stack_id = ?2 WHERE call_id = ?1",
    [UPDATE_STACK_FRAME] = "UPDATE stack_frame SET shown = ?3 WHERE stack_id = ?1 AND depth = ?2",
    [UPDATE_MODULE] = "UPDATE module SET note = ?2 WHERE module_id = ?1",
    [UPDATE_SITE] = "UPDATE stack SET site = ?2 WHERE stack_id = ?1",
};

static sqlite3_stmt *get(struct mp_session *s, enum statement which)
{
	char many[sizeof(CALL_VALUES) * MP_SESSION_CALLS + 256];

	if (s->statement[which])
		return s->statement[which];
	if (which == CALLS) {
		int n = snprintf(many, sizeof(many), "%s", sql[CALL]);
		for (int i = 1; i < MP_SESSION_CALLS; i++)
			n += snprintf(many + n, sizeof(many) - (size_t)n, "," CALL_VALUES);
	}
	sqlite3_prepare_v3(s->db, which == CALLS ? many : sql[which], -1, SQLITE_PREPARE_PERSISTENT,
	    &s->statement[which], NULL);
	return s->statement[which];
}

int mp_append_clock(struct mp_session *s, int64_t mono_ns, int64_t real_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, CLOCK);

	bind_int(st, 1, mono_ns);
	bind_int(st, 2, real_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_slot(struct mp_session *s, int64_t slot_ns, int64_t dur_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, SLOT);

	mp_retention_count(s, MP_AREA_SLOT, 200);
	bind_int(st, 1, slot_ns);
	bind_int(st, 2, dur_ns);
	int rc = mp_statement_run(s, st, err);
	return !rc && s->retention ? mp_retention_slot(s, slot_ns, err) : rc;
}

int mp_append_thread(struct mp_session *s, int64_t tid, const char *comm, int64_t start_ns,
    int64_t *thread_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, THREAD);

	bind_int(st, 1, tid);
	bind_text(st, 2, comm);
	bind_int(st, 3, start_ns);
	int rc = mp_statement_run(s, st, err);
	if (thread_id)
		*thread_id = rc ? 0 : sqlite3_last_insert_rowid(s->db);
	return rc;
}

int mp_append_module(struct mp_session *s, const struct mp_module_row *m, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, MODULE);

	bind_int(st, 1, m->module_id);
	bind_text(st, 2, m->path);
	bind_text(st, 3, m->build_id);
	bind_addr(st, 4, m->start);
	bind_addr(st, 5, m->end);
	bind_addr(st, 6, m->file_offset);
	bind_int(st, 7, m->t_ns);
	bind_known(st, 8, m->bias_known, (int64_t)m->bias);
	bind_text(st, 9, m->note);
	return mp_statement_run(s, st, err);
}

int mp_append_probe(struct mp_session *s, const struct mp_probe_row *p, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, PROBE);

	bind_int(st, 1, p->op);
	bind_text(st, 2, p->function);
	bind_text(st, 3, p->module);
	bind_text(st, 4, p->allocator);
	bind_addr(st, 5, p->file_offset);
	bind_int(st, 6, p->skipped_bytes);
	return mp_statement_run(s, st, err);
}

int mp_append_frame(struct mp_session *s, int64_t frame_id, uint64_t addr, int64_t module_id, int64_t t_ns,
    struct mp_err *err)
{
	sqlite3_stmt *st = get(s, FRAME);

	mp_retention_count(s, MP_AREA_STACK, 250);
	bind_int(st, 1, frame_id);
	bind_addr(st, 2, addr);
	bind_known(st, 3, module_id != 0, module_id);
	bind_int(st, 4, t_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_stack(struct mp_session *s, const struct mp_stack_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, STACK);

	bind_int(st, 1, row->stack_id);
	bind_int(st, 2, row->quality);
	bind_int(st, 3, row->ended);
	mp_retention_count(s, MP_AREA_STACK, 60 + 14 * (double)row->n);
	int rc = mp_statement_run(s, st, err);
	st = get(s, STACK_FRAME);
	for (size_t i = 0; !rc && i < row->n; i++) {
		bind_int(st, 1, row->stack_id);
		bind_int(st, 2, (int64_t)i);
		bind_int(st, 3, row->frame_ids[i]);
		rc = mp_statement_run(s, st, err);
	}
	return rc;
}

int mp_append_latency(struct mp_session *s, int64_t slot_ns, uint32_t op, uint32_t size_class,
    uint32_t bucket, uint64_t calls, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (rc)
		return rc;
	sqlite3_stmt *st = get(s, LATENCY);
	mp_retention_count(s, MP_AREA_SLOT, 18);
	bind_int(st, 1, slot_ns);
	bind_int(st, 2, op);
	bind_int(st, 3, size_class);
	bind_int(st, 4, bucket);
	bind_count(st, 5, calls);
	return mp_statement_run(s, st, err);
}

int mp_append_latency_sum(struct mp_session *s, int64_t slot_ns, uint32_t op, uint32_t size_class,
    const struct mp_latency_sum *sum, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, LATENCY_SUM);

	bind_int(st, 1, slot_ns);
	bind_int(st, 2, op);
	bind_int(st, 3, size_class);
	bind_count(st, 4, sum->calls);
	bind_count(st, 5, sum->bytes);
	bind_count(st, 6, sum->sum_ns);
	bind_count(st, 7, sum->max_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_latency_window(
    struct mp_session *s, int64_t slot_ns, uint32_t op, const struct mp_latency_window *w, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, LATENCY_WINDOW);

	bind_int(st, 1, slot_ns);
	bind_int(st, 2, op);
	bind_int(st, 3, w->t_ns);
	bind_int(st, 4, w->dur_ns);
	bind_count(st, 5, w->calls);
	bind_count(st, 6, w->p99_ns);
	return mp_statement_run(s, st, err);
}

/* ---- Calls: many by one statement, for a step of SQLite costs as much as the row ---- */

static void bind_call(sqlite3_stmt *st, int first, const struct mp_call *c)
{
	bind_int(st, first, c->t_ns);
	bind_int(st, first + 1, c->tid);
	bind_int(st, first + 2, c->op);
	bind_count(st, first + 3, c->size_bytes);
	bind_addr(st, first + 4, c->addr);
	bind_int(st, first + 5, c->dur_ns);
	bind_int(st, first + 6, c->kept);
	bind_int(st, first + 7, c->weight);
	bind_known(st, first + 8, c->stack_id != 0, c->stack_id);
	bind_known(st, first + 9, c->scope != 0, c->scope);
}

static int write_calls(struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, s->n_calls == MP_SESSION_CALLS ? CALLS : CALL);
	int rc = 0;

	if (s->n_calls == MP_SESSION_CALLS) {
		for (int i = 0; i < MP_SESSION_CALLS; i++)
			bind_call(st, 1 + i * CALL_COLUMNS, &s->calls[i]);
		return mp_statement_run(s, st, err);
	}
	for (unsigned int i = 0; !rc && i < s->n_calls; i++) {
		bind_call(st, 1, &s->calls[i]);
		rc = mp_statement_run(s, st, err);
	}
	return rc;
}

/* SQLite numbers rows on from the largest: nobody else writes here, and the last rows are never deleted. */
int mp_session_flush(struct mp_session *s, struct mp_err *err)
{
	if (!s->n_calls)
		return 0;
	int rc = write_calls(s, err);
	if (!rc) {
		s->next_call_id += s->n_calls;
		s->n_calls = 0;
	}
	return rc;
}

static int ask_next_call(struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, NEXT_CALL);
	int rc = st && sqlite3_step(st) == SQLITE_ROW ? 0 : mp_session_fail(s, "write", err);

	if (!rc)
		s->next_call_id = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc;
}

int mp_append_call(struct mp_session *s, const struct mp_call *c, int64_t *call_id, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (!rc && s->n_calls == MP_SESSION_CALLS)
		rc = mp_session_flush(s, err);
	if (!rc && !s->next_call_id)
		rc = ask_next_call(s, err);
	if (!rc) {
		s->calls[s->n_calls] = *c;
		mp_retention_count_call(s, c);
	}
	if (call_id)
		*call_id = rc ? 0 : s->next_call_id + s->n_calls;
	s->n_calls += !rc;
	return rc;
}

int mp_append_cause(struct mp_session *s, const struct mp_cause_row *c, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, CAUSE);

	mp_retention_count(s, MP_AREA_CALL, 45);
	bind_int(st, 1, c->call_id);
	bind_text(st, 2, c->kind);
	bind_int(st, 3, c->dur_ns);
	bind_count(st, 4, c->n);
	bind_text(st, 5, c->detail);
	return mp_statement_run(s, st, err);
}

int mp_append_kernel_event(struct mp_session *s, const struct mp_kernel_event *e, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (rc || !mp_retention_takes(s, MP_AREA_KERNEL_EVENT))
		return rc;
	sqlite3_stmt *st = get(s, KERNEL_EVENT);
	bind_int(st, 1, e->t_ns);
	bind_int(st, 2, e->tid);
	bind_text(st, 3, e->kind);
	bind_known(st, 4, e->dur_ns >= 0, e->dur_ns);
	/* CPU 0 is a CPU. */
	bind_known(st, 5, e->addr != 0 || !strcmp(e->kind, "migration"), (int64_t)e->addr);
	bind_known(st, 6, e->ip != 0, (int64_t)e->ip);
	return mp_statement_run(s, st, err);
}

int mp_append_counter(
    struct mp_session *s, int64_t slot_ns, const char *name, int64_t value, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, COUNTER);

	mp_retention_count(s, MP_AREA_SLOT, 30);
	bind_int(st, 1, slot_ns);
	bind_text(st, 2, name);
	bind_int(st, 3, value);
	return mp_statement_run(s, st, err);
}

int mp_append_mark(
    struct mp_session *s, int64_t t_ns, int64_t tid, const char *name, const char *detail, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (rc || !mp_retention_takes(s, MP_AREA_MARK))
		return rc;
	sqlite3_stmt *st = get(s, MARK);
	bind_int(st, 1, t_ns);
	bind_known(st, 2, tid != 0, tid);
	bind_text(st, 3, name);
	bind_text(st, 4, detail);
	return mp_statement_run(s, st, err);
}

int mp_append_span(struct mp_session *s, const struct mp_span_row *row, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (rc || !mp_retention_takes(s, MP_AREA_SPAN))
		return rc;
	sqlite3_stmt *st = get(s, SPAN);
	bind_text(st, 1, row->name);
	bind_addr(st, 2, row->id);
	bind_int(st, 3, row->tid);
	bind_int(st, 4, row->t_ns);
	bind_int(st, 5, row->dur_ns);
	bind_known(st, 6, row->alloc_ns >= 0, row->alloc_ns);
	bind_known(st, 7, row->alloc_calls >= 0, row->alloc_calls);
	bind_known(st, 8, row->fault_ns >= 0, row->fault_ns);
	bind_known(st, 9, row->off_cpu_ns >= 0, row->off_cpu_ns);
	bind_known(st, 10, row->gc_ns >= 0, row->gc_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_phase(struct mp_session *s, const char *name, int64_t start_ns, const char *source,
    int64_t *phase_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, PHASE);

	bind_text(st, 1, name);
	bind_int(st, 2, start_ns);
	bind_text(st, 3, source);
	int rc = mp_statement_run(s, st, err);
	*phase_id = rc ? 0 : sqlite3_last_insert_rowid(s->db);
	return rc;
}

int mp_append_loss(struct mp_session *s, int64_t t_ns, const char *source, const char *what, uint64_t lost,
    struct mp_err *err)
{
	sqlite3_stmt *st = get(s, LOSS);

	bind_int(st, 1, t_ns);
	bind_text(st, 2, source);
	bind_text(st, 3, what);
	bind_count(st, 4, lost);
	return mp_statement_run(s, st, err);
}

int mp_append_overhead(struct mp_session *s, const struct mp_overhead_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, OVERHEAD);

	bind_int(st, 1, row->slot_ns);
	bind_text(st, 2, row->plane);
	bind_count(st, 3, row->events);
	bind_count(st, 4, row->cost_ns);
	bind_text(st, 5, row->mode);
	bind_known(st, 6, row->mode, row->watched_ns);
	bind_known(st, 7, row->mode, row->windows);
	bind_known(st, 8, row->mode, (int64_t)row->window_cost_ns);
	bind_known(st, 9, row->cpu_ns, row->cpu_ns);
	bind_known(st, 10, row->cpu_ns, row->watched_cpu_ns);
	bind_known(st, 11, row->cpu_ns, (int64_t)row->spans);
	bind_known(st, 12, row->cpu_ns, (int64_t)row->watched_spans);
	return mp_statement_run(s, st, err);
}

int mp_append_event(struct mp_session *s, const struct mp_event_row *e, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, EVENT);

	bind_int(st, 1, e->event_id);
	bind_text(st, 2, e->name);
	bind_text(st, 3, e->chosen);
	bind_int(st, 4, e->is_sampled);
	bind_int(st, 5, e->quality);
	bind_text(st, 6, e->note);
	return mp_statement_run(s, st, err);
}

int mp_append_sample(
    struct mp_session *s, const struct mp_sample_row *row, int64_t *sample_id, struct mp_err *err)
{
	int ret = mp_session_breathe(s, err);

	if (sample_id)
		*sample_id = 0;
	if (ret || !mp_retention_takes(s, MP_AREA_SAMPLE))
		return ret;
	sqlite3_stmt *st = get(s, SAMPLE);

	bind_int(st, 1, row->t_ns);
	bind_int(st, 2, row->tid);
	bind_known(st, 3, row->cpu >= 0, row->cpu);
	bind_int(st, 4, row->event_id);
	bind_int(st, 5, (int64_t)row->ip);
	bind_known(st, 6, row->has_addr, (int64_t)row->addr);
	bind_count(st, 7, mp_retention_period(s, row->period));
	bind_known(st, 8, row->weight >= 0, row->weight);
	bind_known(st, 9, row->data_src != 0, (int64_t)row->data_src);
	bind_known(st, 10, row->level != MP_LEVEL_NONE, row->level);
	bind_known(st, 11, row->tlb >= 0, row->tlb);
	bind_known(st, 12, row->is_write >= 0, row->is_write);
	bind_int(st, 13, row->quality);
	bind_known(st, 14, row->has_addr, row->place);
	bind_text(st, 15, row->place_name);
	bind_known(st, 16, row->object_id != 0, row->object_id);
	bind_known(st, 17, row->offset >= 0, row->offset);
	bind_known(st, 18, row->stack_id != 0, row->stack_id);
	ret = mp_statement_run(s, st, err);
	if (!ret && sample_id)
		*sample_id = sqlite3_last_insert_rowid(s->db);
	return ret;
}

int mp_append_object(struct mp_session *s, const struct mp_object_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, OBJECT);

	bind_int(st, 1, row->object_id);
	bind_int(st, 2, (int64_t)row->addr);
	bind_count(st, 3, row->size_bytes);
	bind_int(st, 4, row->born_ns);
	bind_int(st, 5, row->tid);
	bind_known(st, 6, row->stack_id != 0, row->stack_id);
	return mp_statement_run(s, st, err);
}

int mp_append_thread_counter(
    struct mp_session *s, int64_t slot_ns, const struct mp_thread_counter *c, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, THREAD_COUNTER);

	mp_retention_count(s, MP_AREA_SLOT, 35);
	bind_int(st, 1, slot_ns);
	bind_int(st, 2, c->tid);
	bind_int(st, 3, c->event_id);
	bind_count(st, 4, c->value);
	bind_count(st, 5, c->enabled_ns);
	bind_count(st, 6, c->running_ns);
	return mp_statement_run(s, st, err);
}

int mp_update_object_death(struct mp_session *s, int64_t object_id, int64_t died_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_OBJECT);

	bind_int(st, 1, object_id);
	bind_int(st, 2, died_ns);
	return mp_statement_run(s, st, err);
}

int mp_update_sample_stack(struct mp_session *s, int64_t sample_id, int64_t stack_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_SAMPLE);

	bind_int(st, 1, sample_id);
	bind_int(st, 2, stack_id);
	return mp_statement_run(s, st, err);
}

int mp_update_thread(
    struct mp_session *s, int64_t thread_id, const char *comm, int64_t end_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_THREAD);

	bind_int(st, 1, thread_id);
	bind_text(st, 2, comm);
	bind_known(st, 3, end_ns != 0, end_ns);
	return mp_statement_run(s, st, err);
}

int mp_update_phase(struct mp_session *s, int64_t phase_id, int64_t end_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_PHASE);

	bind_int(st, 1, phase_id);
	bind_int(st, 2, end_ns);
	return mp_statement_run(s, st, err);
}

/* The functions of a frame, in place of those that it had. One alone is the frame's own, and needs no row. */
static int replace_inlined(
    struct mp_session *s, int64_t frame_id, const struct mp_frame_names *n, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, CLEAR_INLINE);

	bind_int(st, 1, frame_id);
	int rc = mp_statement_run(s, st, err);
	st = get(s, INLINE);
	for (size_t i = 0; !rc && n->n > 1 && i < n->n; i++) {
		bind_int(st, 1, frame_id);
		bind_int(st, 2, (int64_t)i);
		bind_text(st, 3, n->functions[i].function);
		bind_text(st, 4, n->functions[i].file);
		bind_known(st, 5, n->functions[i].line != 0, n->functions[i].line);
		rc = mp_statement_run(s, st, err);
	}
	return rc;
}

int mp_update_frame(
    struct mp_session *s, int64_t frame_id, const struct mp_frame_names *n, struct mp_err *err)
{
	const struct mp_function_name *own = &n->functions[n->n - 1];
	sqlite3_stmt *st = get(s, UPDATE_FRAME);

	bind_int(st, 1, frame_id);
	bind_text(st, 2, n->module);
	bind_text(st, 3, own->function);
	bind_text(st, 4, own->file);
	bind_known(st, 5, own->line != 0, own->line);
	bind_known(st, 6, n->module || own->function, (int64_t)n->offset);
	bind_int(st, 7, n->quality);
	int rc = mp_statement_run(s, st, err);
	return rc ? rc : replace_inlined(s, frame_id, n, err);
}

int mp_update_call_stack(struct mp_session *s, int64_t call_id, int64_t stack_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_CALL);

	if (s->n_calls && call_id >= s->next_call_id) {
		if (call_id - s->next_call_id < s->n_calls)
			s->calls[call_id - s->next_call_id].stack_id = stack_id;
		return 0;
	}
	bind_int(st, 1, call_id);
	bind_int(st, 2, stack_id);
	return mp_statement_run(s, st, err);
}

int mp_update_stack_frame(
    struct mp_session *s, int64_t stack_id, int64_t depth, int64_t shown, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_STACK_FRAME);

	bind_int(st, 1, stack_id);
	bind_int(st, 2, depth);
	bind_int(st, 3, shown);
	return mp_statement_run(s, st, err);
}

int mp_update_site(struct mp_session *s, int64_t stack_id, const char *site, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_SITE);

	bind_int(st, 1, stack_id);
	bind_text(st, 2, site);
	return mp_statement_run(s, st, err);
}

int mp_update_module_note(struct mp_session *s, int64_t module_id, const char *note, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_MODULE);

	bind_int(st, 1, module_id);
	bind_text(st, 2, note);
	return mp_statement_run(s, st, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * Spikes are found by the view v_spike, which plain SQL has too. Here its text is asked with other phases:
 * those that the report tells of, also found ones, and only the slots that were asked for.
 */
#include <sqlite3.h>
#include <stdio.h>

#include "analysis/session/private.h"

/* Where the program's own markers tell of phases, slots end a moment later: what is of two phases stands out
 * of either. */
static bool is_mixed(const struct filling *f, const struct slot *s)
{
	int64_t end_ns = s->slot_ns + s->dur_ns;

	for (size_t i = 0; i < f->n; i++) {
		const struct phase *p = &f->phase[i];
		if ((p->start_ns > s->slot_ns && p->start_ns < end_ns) ||
		    (p->end_ns > s->slot_ns && p->end_ns < end_ns))
			return true;
	}
	return false;
}

static int insert_slots(struct filling *f)
{
	sqlite3_stmt *st = NULL;
	int ret = 0;

	if (sqlite3_prepare_v2(mp_session_db(f->session), "INSERT INTO temp.session_slot VALUES (?,?,?,?)",
		-1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	for (size_t i = 0; !ret && i < f->n_slots; i++) {
		sqlite3_bind_int64(st, 1, f->slot[i].slot_ns);
		sqlite3_bind_int64(st, 2, f->slot[i].dur_ns);
		sqlite3_bind_int64(st, 3, (int64_t)f->slot[i].phase);
		sqlite3_bind_int(st, 4, is_mixed(f, &f->slot[i]));
		sqlite3_step(st);
		ret = sqlite3_reset(st) == SQLITE_OK ? 0 : session_failed(f);
	}
	sqlite3_finalize(st);
	return ret;
}

static int ask_view(struct filling *f)
{
	char rest[64];

	snprintf(rest, sizeof(rest), "ORDER BY (1 + peak) / (1 + level) DESC LIMIT %d)", SPIKES_MAX);
	return session_ask_view(f, "v_spike",
	    "INSERT INTO temp.session_spike WITH slot_phase AS ("
	    "SELECT slot_ns, dur_ns, n AS phase_no, n AS phase_id, '' AS phase, is_mixed FROM "
	    "temp.session_slot)"
	    " SELECT row_number() OVER (ORDER BY start_ns, spike_id) - 1, series, phase_id, start_ns, end_ns,"
	    " peak_ns, level, peak FROM (SELECT *",
	    rest);
}

/* From when to when kept calls are to be told apart by spike. */
static int read_spikes(struct filling *f)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE;

	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT start_ns, end_ns, start_ns + dur_ns FROM temp.session_spike"
		" JOIN temp.session_slot ON slot_ns = start_ns ORDER BY spike",
		-1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	while (f->n_spikes < SPIKES_MAX && (step = sqlite3_step(st)) == SQLITE_ROW)
		f->spike[f->n_spikes++] = (struct spike){.start_ns = sqlite3_column_int64(st, 0),
		    .end_ns = sqlite3_column_int64(st, 1),
		    .first_end_ns = sqlite3_column_int64(st, 2)};
	sqlite3_finalize(st);
	return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : session_failed(f);
}

int session_find_spikes(struct filling *f)
{
	int ret = insert_slots(f);

	if (!ret)
		ret = ask_view(f);
	return ret ? ret : read_spikes(f);
}

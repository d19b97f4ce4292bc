/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SESSION_H
#define MP_ANALYSIS_SESSION_H

#include "analysis/report.h"

/*
 * What report session says: a card for each time that a phase was (v_phase; where there are none, those that
 * the data show, analysis/session/found.h), and one for the whole recording, side by side. Fills the
 * temporary tables of sql/session/tables.sql. A slot of the histograms is of each phase that its middle lies
 * in; phases beyond the first 255 are passed over. -EIO, -ENOMEM.
 */
int mp_session_report_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* Of these the cards alone, without what the kept calls tell: session_phase, and the views beside it. */
int mp_session_cards_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/*
 * For report advice, and the rules sql/advice/session_*.sql: temp.session_advice, first empty, then with what
 * v_session_advice says of the whole recording. -EIO, -ENOMEM.
 */
int mp_session_advice_begin(struct mp_session *s, struct mp_err *err);
int mp_session_advice_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif

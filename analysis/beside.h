/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_BESIDE_H
#define MP_ANALYSIS_BESIDE_H

#include "analysis/report.h"

/*
 * Two fills of a report at the same time: the second one in a thread of its own, with a connection of its own
 * to the same file. Where that cannot be had, one after the other. The temporary tables that the second one
 * makes are copied to the session at the end; they should be small. Their names must differ from those of the
 * first.
 */
typedef int mp_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

int mp_fill_beside(struct mp_session *s, const struct mp_report_scope *scope, mp_fill *first, mp_fill *second,
    struct mp_err *err);

#endif

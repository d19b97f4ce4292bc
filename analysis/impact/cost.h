/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_IMPACT_COST_H
#define MP_ANALYSIS_IMPACT_COST_H

#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * What being late costs, in whatever currency the user counts: so much per microsecond, or a curve through
 * points of a file. Immutable once made; any thread.
 */
struct mp_cost;

/*
 * `text` is a number, the cost of each microsecond, or else the path of a CSV file: a point a line,
 *
 *   lateness_us,cost
 *   5,0
 *   50,120.5
 *
 * by rising lateness; the header may be missing, empty lines and such as begin with # are skipped. Between
 * points the cost is on the line that joins them; before the first on the line from no lateness and no cost;
 * behind the last on the line through the last two, but never below 0. Costs and lateness are finite and
 * not negative. -EINVAL, -ENOMEM, or what opening and reading it gave, with the line in the text.
 */
int mp_cost_parse(const char *text, struct mp_cost **out, struct mp_err *err);

/* Of one piece of work that was late by so much; 0 when it was not. */
double mp_cost_of(const struct mp_cost *c, int64_t late_ns);

/* NULL is allowed. */
void mp_cost_free(struct mp_cost *c);

#endif

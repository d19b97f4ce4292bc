/* SPDX-License-Identifier: MIT */
#include "analysis/diff/private.h"

#define RATE(name, value, unit)                                                                              \
	{                                                                                                    \
		name, unit, MP_DIFF_RATE, value, 0                                                           \
	}
#define QUANTILE(name, tail)                                                                                 \
	{                                                                                                    \
		name, MP_UNIT_DURATION, MP_DIFF_QUANTILE, 0, tail                                            \
	}

const struct mp_diff_table mp_diff_tables[] = {
    {.name = "operations",
	.title = "Every call, by operation",
	.items = "operations_items",
	.rows = "operations_rows",
	.is_main = true,
	.is_watched = true,
	.is_amount = {false, true, true},
	.metric = {RATE("calls_per_s", 0, MP_UNIT_COUNT), RATE("bytes_per_s", 1, MP_UNIT_BYTES),
	    RATE("time_ns_per_s", 2, MP_UNIT_DURATION), QUANTILE("p50_ns", MP_TAIL_P50),
	    QUANTILE("p90_ns", MP_TAIL_P90), QUANTILE("p99_ns", MP_TAIL_P99),
	    QUANTILE("p999_ns", MP_TAIL_P999), {"max_ns", MP_UNIT_DURATION, MP_DIFF_MOST, 0, 0}}},
    {.name = "sizes",
	.title = "Every call, by operation and size",
	.items = "sizes_items",
	.rows = "sizes_rows",
	.is_watched = true,
	.is_amount = {false, true, true},
	.metric = {RATE("calls_per_s", 0, MP_UNIT_COUNT), QUANTILE("p50_ns", MP_TAIL_P50),
	    QUANTILE("p99_ns", MP_TAIL_P99)}},
    {.name = "sites",
	.title = "Places in the code, from the kept calls",
	.items = "sites_items",
	.rows = "sites_rows",
	.is_watched = true,
	.is_amount = {false, true, true},
	.metric = {RATE("calls_per_s", 0, MP_UNIT_COUNT), RATE("bytes_per_s", 1, MP_UNIT_BYTES),
	    QUANTILE("p50_ns", MP_TAIL_P50), QUANTILE("p99_ns", MP_TAIL_P99)}},
    {.name = "causes",
	.title = "Why slow calls were slow",
	.items = "causes_items",
	.rows = "causes_rows",
	.is_watched = true,
	.is_amount = {false, true, false},
	.metric = {RATE("time_ns_per_s", 1, MP_UNIT_DURATION),
	    {"time_share", MP_UNIT_SHARE, MP_DIFF_SHARE, 1, 0}}},
    {.name = "pools",
	.title = "Pools",
	.items = "pools_items",
	.rows = "pools_rows",
	.metric = {RATE("gets_per_s", 0, MP_UNIT_COUNT), RATE("failures", 1, MP_UNIT_COUNT),
	    {"in_use", MP_UNIT_COUNT, MP_DIFF_MEAN, 2, 0},
	    {"high_water", MP_UNIT_COUNT, MP_DIFF_MOST, 0, 0}}},
    {.name = "gc",
	.title = "Pauses for garbage collection",
	.items = "gc_items",
	.rows = "gc_rows",
	.is_amount = {false, false, true},
	.metric = {RATE("pauses_per_s", 0, MP_UNIT_COUNT), RATE("time_ns_per_s", 2, MP_UNIT_DURATION),
	    QUANTILE("p50_ns", MP_TAIL_P50), QUANTILE("p99_ns", MP_TAIL_P99)}},
    {.name = "spans",
	.title = "Spans",
	.items = "spans_items",
	.rows = "spans_rows",
	.metric = {RATE("spans_per_s", 0, MP_UNIT_COUNT), QUANTILE("p50_ns", MP_TAIL_P50),
	    QUANTILE("p99_ns", MP_TAIL_P99)}},
    {.name = "counters",
	.title = "Counters",
	.items = "counters_items",
	.rows = "counters_rows",
	.metric = {RATE("value_per_s", 0, MP_UNIT_COUNT)}},
    {0}};

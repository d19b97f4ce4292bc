/* SPDX-License-Identifier: MIT */
/* The table of reports. */
#include "analysis/explain.h"
#include "analysis/impact.h"
#include "analysis/jitter.h"
#include "analysis/patterns.h"
#include "analysis/report.h"

static int fill_jitter(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	int rc = mp_jitter_fill(s, scope, err);

	return rc ? rc : mp_patterns_fill(s, scope, err);
}

const struct mp_report mp_reports[] = {
    {.name = "summary",
	.purpose = "how long each memory operation takes: percentiles over every call",
	.histogram = true,
	.section = {{.name = "rows", .title = "Every call, by operation", .sql = "sql/reports/summary.sql"}}},
    {.name = "jitter",
	.purpose = "how evenly operations are served: spread, tail, by size, phase, thread and time; "
		   "rhythms, bursts",
	.histogram = true,
	.fill = fill_jitter,
	.section =
	    {{.name = "ops",
		 .title = "Spread, by operation",
		 .sql = "sql/reports/jitter.sql",
		 .note = "(cv: stddev / mean; masd: from one call to the next; gap_cv: of the times between "
			 "outliers, 1 is chance, above 1 bursts; worst: the second, and the 100 ms, of the "
			 "highest p99)"},
		{.name = "percentiles",
		    .title = "Percentiles, and what they stand on",
		    .sql = "sql/reports/jitter_percentiles.sql",
		    .note = "(lo, hi: it is between them with 95 % confidence; beyond_calls: how many were "
			    "slower. Percentiles that no call lies beyond are left out)"},
		{.name = "phases",
		    .title = "By phase",
		    .sql = "sql/reports/jitter_phases.sql",
		    .is_optional = true},
		{.name = "sizes", .title = "By size", .sql = "sql/reports/jitter_sizes.sql"},
		{.name = "threads",
		    .title = "By thread, the highest p99.9 first, estimated from the kept rows",
		    .sql = "sql/reports/jitter_threads.sql",
		    .is_optional = true},
		{.name = "strip",
		    .title = "p99 over time, a digit a step",
		    .sql = "sql/reports/jitter_strip.sql",
		    .note = "(digit d: p99 is 2^d times the calmest step's; '.': no calls. All sizes and "
			    "threads: --table sizes, threads; further tables: histogram, seconds)"},
		{.name = "rhythm",
		    .title = "Rhythm of the outliers",
		    .sql = "sql/reports/jitter_rhythm.sql",
		    .none = "no period from 1 ms on in the times of the outliers (p < 0.001)"},
		{.name = "rhythm_traits",
		    .title = "What the outliers of a rhythm have in common",
		    .sql = "sql/reports/jitter_rhythm_traits.sql",
		    .data_only = true},
		{.name = "clusters",
		    .title = "Bursts of outliers",
		    .sql = "sql/reports/jitter_clusters.sql",
		    .none = "none: outliers come one by one (p < 0.001)"},
		{.name = "changes",
		    .title = "Sites that changed",
		    .sql = "sql/reports/jitter_changes.sql",
		    .none = "no site's rate, sizes or latency changed (p < 0.001)"},
		{.name = "modes",
		    .title = "Sites with two modes of latency",
		    .sql = "sql/reports/jitter_modes.sql",
		    .none = "none (p < 0.001)"},
		{.name = "gc",
		    .title = "In garbage collections and 10 ms after, against outside",
		    .sql = "sql/reports/jitter_gc.sql",
		    .none = "no collections were recorded, or too few calls in them"},
		{.name = "histogram",
		    .title = "Durations, a power of two a line",
		    .sql = "sql/reports/jitter_histogram.sql",
		    .note = "(bar: a # more each time that the calls double)",
		    .data_only = true},
		{.name = "seconds",
		    .title = "p99, by second",
		    .sql = "sql/reports/jitter_seconds.sql",
		    .data_only = true}}},
    {.name = "outliers",
	.purpose = "the slowest calls, with thread, size, site and stack",
	.limit = 20,
	.is_of_rows = true,
	.section = {{.name = "rows", .title = "Slowest calls", .sql = "sql/reports/outliers.sql"}}},
    {.name = "impact",
	.purpose = "what memory operations cost the spans of work: what they would have taken without",
	.limit = 30,
	.is_of_rows = true,
	.is_of_spans = true,
	.fill = mp_impact_fill,
	.section = {{.name = "spans", .title = "Spans", .sql = "sql/reports/impact_spans.sql"},
	    {.name = "sentences", .title = "In words", .sql = "sql/reports/impact_sentences.sql"},
	    {.name = "what_if",
		.title = "What if",
		.sql = "sql/reports/impact_what_if.sql",
		.note = "(alloc: each allocation takes its site's median; with a site: from kept calls "
			"alone, so that much is gained at least)"},
	    {.name = "parts",
		.title = "Parts of them",
		.sql = "sql/reports/impact_parts.sql",
		.note = "(parts overlap: a fault may be in an allocation; tail: of the spans at or above "
			"their p99)"},
	    {.name = "outliers",
		.title = "With and without an allocation outlier in them",
		.sql = "sql/reports/impact_outliers.sql"},
	    {.name = "corrected",
		.title = "Corrected for coordinated omission",
		.sql = "sql/reports/impact_corrected.sql",
		.note = "(corrected: with the spans that could not begin at the interval, because one before "
			"them took longer)",
		.needs = MP_NEEDS_INTERVAL},
	    {.name = "loss",
		.title = "What lateness cost, by cause and site",
		.sql = "sql/reports/impact_loss.sql",
		.note = "(late: beyond the median of the name; spans that nest are late together: do not add "
			"up their names)",
		.needs = MP_NEEDS_COST}}},
    {.name = "sites",
	.purpose = "where memory operations come from, the most time first",
	.limit = 30,
	.is_of_rows = true,
	.section = {{.name = "rows",
	    .title = "Sites, by time spent",
	    .sql = "sql/reports/sites.sql",
	    .note = "(calls, bytes and time are estimated from the kept rows and their weights)"}}},
    {.name = "advice",
	.purpose = "what to change: each finding with its figures, the one that costs most first",
	.is_of_rows = true,
	.fill = mp_advice_fill,
	.lines = "sql/reports/advice_lines.sql",
	.section = {{.name = "rows",
	    .title = "Findings, by the time that they cost in slow calls",
	    .sql = "sql/reports/advice.sql",
	    .note = "(why single calls were slow: mpsample explain; each rule is a file in sql/advice/)"}}},
    {.name = "loss",
	.purpose = "what the recording lost, where and when, and how much of the truth is left",
	.section = {{.name = "rows",
	    .title = "Losses",
	    .sql = "sql/reports/loss.sql",
	    .note = "(calls: missing in every figure; rows: counted, but not kept; events: others, such as "
		    "stacks, "
		    "markers, page faults)"}}},
    {.name = NULL},
};

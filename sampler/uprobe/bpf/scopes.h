/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
#ifndef MP_SAMPLER_UPROBE_BPF_SCOPES_H
#define MP_SAMPLER_UPROBE_BPF_SCOPES_H

/* Which component a thread says it is in. Part of uprobe.bpf.c. */
#include "sampler/uprobe/bpf/state.h"

/* What it said before an exec is over. */
static __always_inline void look_at_program(struct thread_state *t)
{
	u64 mm = (u64)bpf_get_current_task_btf()->mm;

	if (t->scopes_of == mm)
		return;
	t->scopes_of = mm;
	t->scope = t->scopes_open = 0;
}

static __always_inline u32 scope_now(const struct mp_bpf_control *c)
{
	struct thread_state *t = c->has_scopes ? state_of(bpf_get_current_task_btf()) : 0;

	if (!t)
		return 0;
	look_at_program(t);
	return t->scope;
}

/* 0: no room. */
static __always_inline u32 scope_number(const struct mp_bpf_name *name)
{
	u32 *known = bpf_map_lookup_elem(&scope_names, name);

	if (known)
		return *known;
	u32 next = __sync_fetch_and_add(&scope_numbers, 1) + 1;
	if (next < MP_BPF_SCOPE_NUMBERS && !bpf_map_update_elem(&scope_names, name, &next, BPF_NOEXIST))
		return next;
	known = bpf_map_lookup_elem(&scope_names, name); /* another CPU was first */
	return known ? *known : 0;
}

static __always_inline void begin_scope(struct thread_state *t, const struct mp_bpf_name *name)
{
	u32 number = scope_number(name), open = t->scopes_open;

	if (!number)
		COUNT(scopes_lost);
	t->scopes_open = open + 1;
	if (open >= MP_BPF_SCOPES_DEEP) {
		COUNT(scopes_deep);
		return;
	}
	t->scopes[open & (MP_BPF_SCOPES_DEEP - 1)] = t->scope;
	if (number) /* else what is around it counts */
		t->scope = number;
}

static __always_inline void end_scope(struct thread_state *t)
{
	u32 open = t->scopes_open;

	if (!open) {
		COUNT(scope_ends);
		return;
	}
	t->scopes_open = --open;
	if (open < MP_BPF_SCOPES_DEEP)
		t->scope = t->scopes[open & (MP_BPF_SCOPES_DEEP - 1)];
}

static __always_inline void set_gauge(const struct mp_bpf_name *name, u64 value)
{
	u64 *known = bpf_map_lookup_elem(&gauges, name);

	COUNT(gauge_sets);
	if (known)
		*(volatile u64 *)known = value;
	else if (bpf_map_update_elem(&gauges, name, &value, BPF_ANY))
		COUNT(gauges_lost);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/backend_bpf_scopes.h"

#include <bpf/bpf.h>
#include <string.h>

struct walk {
	struct mp_bpf_scopes *scopes; /* NULL: gauges */
	struct mp_pipeline *pipeline;
};

static void take(const struct walk *w, int fd, const struct mp_bpf_name *name)
{
	char text[MP_MARKER_NAME_BYTES + 1] = "";
	uint32_t number;
	uint64_t value;

	memcpy(text, name->text, MP_MARKER_NAME_BYTES);
	if (!w->scopes && !bpf_map_lookup_elem(fd, name, &value))
		mp_pipeline_gauge(w->pipeline, text, (int64_t)value);
	else if (w->scopes && !bpf_map_lookup_elem(fd, name, &number) && number < MP_BPF_SCOPE_NUMBERS &&
		 !w->scopes->known[number])
		w->scopes->known[number] = mp_pipeline_scope(w->pipeline, text) + 1;
}

/* Nothing is taken out of these maps: each name comes once. */
static void each_name(const struct walk *w, int fd, size_t max)
{
	struct mp_bpf_name name, next;

	for (size_t i = 0; i < max && !bpf_map_get_next_key(fd, i ? &name : NULL, &next); i++) {
		name = next;
		take(w, fd, &name);
	}
}

unsigned int mp_bpf_scope(struct mp_bpf_scopes *s, struct mp_pipeline *p, unsigned int number)
{
	const struct walk w = {s, p};

	if (!number || number >= MP_BPF_SCOPE_NUMBERS)
		return 0;
	if (!s->known[number])
		each_name(&w, s->names_fd, MP_BPF_SCOPES);
	return s->known[number] ? s->known[number] - 1 : 0;
}

void mp_bpf_gauges(const struct mp_bpf_scopes *s, struct mp_pipeline *p)
{
	const struct walk w = {NULL, p};

	each_name(&w, s->gauges_fd, MP_BPF_GAUGES);
}

/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_BACKEND_BPF_SCOPES_H
#define MP_SAMPLER_UPROBE_BACKEND_BPF_SCOPES_H

#include "sampler/pipeline.h"
#include "sampler/uprobe/shared.h"

/* The part of the BPF backends that is about components that threads say they are in, and gauges
 * (bpf/scopes.h). One thread. */
struct mp_bpf_scopes {
	int names_fd, gauges_fd;                  /* the programs' maps */
	unsigned int known[MP_BPF_SCOPE_NUMBERS]; /* what mp_pipeline_scope() says of a number, and one; 0:
						     not asked */
};

/* The pipeline's number for that of a program. */
unsigned int mp_bpf_scope(struct mp_bpf_scopes *s, struct mp_pipeline *p, unsigned int number);

void mp_bpf_gauges(const struct mp_bpf_scopes *s, struct mp_pipeline *p);

#endif

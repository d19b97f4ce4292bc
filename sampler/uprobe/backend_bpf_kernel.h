/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_BACKEND_BPF_KERNEL_H
#define MP_SAMPLER_UPROBE_BACKEND_BPF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/uprobe/uprobe.h"

/*
 * The part of the BPF backends that is about what the kernel does to the target's threads: page faults, time
 * off CPU, interrupts (bpf/context.h). One thread.
 */
struct bpf_object;
struct bpf_link;

#define MP_BPF_KERNEL_PROGRAMS 27

struct mp_bpf_kernel_events {
	bool has[MP_BPF_KERNEL_PROGRAMS]; /* to be loaded: this kernel knows the tracepoint */
	struct bpf_link **links;          /* tracepoints and software events */
	size_t n_links;
	uint32_t sees; /* MP_SEES() of what is linked */
};

/* Of all zeros. Which of those that `watch` asks for this kernel has. */
void mp_bpf_kernel_events_find(struct mp_bpf_kernel_events *e, enum mp_watch watch);

/* Before the object is loaded: which programs it takes. */
void mp_bpf_kernel_events_prepare(const struct mp_bpf_kernel_events *e, struct bpf_object *object);

/* After a kernel has refused to load: one program less, that which `words` (libbpf's) name, or the last if
 * they name none. False: it refuses another one, which is not to be missed. */
bool mp_bpf_kernel_events_give_up_one(struct mp_bpf_kernel_events *e, const char *words);

/* Puts them in. What cannot be is left out of `sees`. 0, or -ENOMEM. */
int mp_bpf_kernel_events_link(struct mp_bpf_kernel_events *e, struct bpf_object *object, struct mp_err *err);

/* Takes them out. May be called again, or without that any were put in. */
void mp_bpf_kernel_events_close(struct mp_bpf_kernel_events *e);

#endif

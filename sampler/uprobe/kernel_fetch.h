/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_KERNEL_FETCH_H
#define MP_SAMPLER_UPROBE_KERNEL_FETCH_H

#include "sampler/functions/fetch.h"

/* A fetch as the BPF programs take it: registers by their place in the kernel's struct pt_regs. */
struct mp_fetch mp_kernel_fetch(const struct mp_fetch *f);

#endif

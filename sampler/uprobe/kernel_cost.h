/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_UPROBE_KERNEL_COST_H
#define MP_SAMPLER_UPROBE_KERNEL_COST_H

#include "sampler/uprobe/uprobe.h"

/* What a system call, a page fault and a switch to another thread take now: the best of some rounds, in CPU
 * time. Takes about 15 ms. For that long the calling thread stays on its CPU, and there is one more. Before
 * and after the kernel's events are watched, the difference is what that costs. */
struct mp_kernel_cost mp_kernel_cost_now(void);

/* after - before, not below 0. */
struct mp_kernel_cost mp_kernel_cost_added(struct mp_kernel_cost before, struct mp_kernel_cost after);

#endif

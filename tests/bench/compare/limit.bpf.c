// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/* Programs that do nothing: what is left is the kernel's own cost of a probe (limit.c). */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("kprobe")
int empty(void *ctx)
{
	return 0;
}

SEC("kprobe")
int empty_too(void *ctx)
{
	return 0;
}

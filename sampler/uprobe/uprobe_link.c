/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/uprobe_link.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The part of union bpf_attr that links uprobes (kernel: include/uapi/linux/bpf.h). */
struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

int mp_uprobe_link(const struct bpf_program *program, uint32_t type, uint32_t multi_flags,
    const struct mp_uprobe_places *places, pid_t pid)
{
	struct link_create_uprobe_multi attr = {
	    .prog_fd = (uint32_t)bpf_program__fd(program),
	    .attach_type = type,
	    .path = (uintptr_t)places->path,
	    .offsets = (uintptr_t)places->offsets,
	    .ref_ctr_offsets = (uintptr_t)places->ref_ctr_offsets,
	    .cookies = (uintptr_t)places->cookies,
	    .cnt = (uint32_t)places->n,
	    .multi_flags = multi_flags,
	    .pid = (uint32_t)pid,
	};

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

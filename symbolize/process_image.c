/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "symbolize/process.h"

/* Linkers make a dozen. */
#define SEGMENTS_MAX 64

/* Build-ids stand among the first notes; .note.gnu.property and .note.ABI-tag are small. */
#define NOTES_BYTES_MAX 4096

static int read_memory(pid_t pid, uint64_t addr, void *buf, size_t n)
{
	struct iovec local = {buf, n}, remote = {(void *)(uintptr_t)addr, n};
	ssize_t r = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return r < 0 ? -errno : (size_t)r == n ? 0 : -EFAULT;
}

static bool find_build_id(const char *notes, size_t n, struct mp_image *out)
{
	Elf64_Nhdr h;

	for (size_t at = 0; n - at >= sizeof(h);) {
		memcpy(&h, notes + at, sizeof(h));
		at += sizeof(h);
		size_t name = ((size_t)h.n_namesz + 3) & ~(size_t)3,
		       desc = ((size_t)h.n_descsz + 3) & ~(size_t)3;
		if (name > n - at || desc > n - at - name)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(notes + at, "GNU", 4) == 0 &&
		    h.n_descsz && h.n_descsz <= (sizeof(out->build_id) - 1) / 2) {
			for (size_t i = 0; i < h.n_descsz; i++)
				snprintf(out->build_id + 2 * i, 3, "%02x", (uint8_t)notes[at + name + i]);
			return true;
		}
		at += name + desc;
	}
	return false;
}

static void read_build_id(pid_t pid, const Elf64_Phdr *segments, size_t n, struct mp_image *out)
{
	char notes[NOTES_BYTES_MAX];

	for (size_t i = 0; i < n; i++) {
		const Elf64_Phdr *p = &segments[i];
		size_t size = p->p_memsz < sizeof(notes) ? p->p_memsz : sizeof(notes);

		if (p->p_type == PT_NOTE && read_memory(pid, out->bias + p->p_vaddr, notes, size) == 0 &&
		    find_build_id(notes, size, out))
			return;
	}
}

int mp_process_image(pid_t pid, uint64_t header, struct mp_image *out)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr h;
	bool has_bias = false;

	*out = (struct mp_image){.header = header};
	int rc = read_memory(pid, header, &h, sizeof(h));
	if (rc < 0)
		return rc;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_phentsize != sizeof(segments[0]) || !h.e_phnum || h.e_phnum > SEGMENTS_MAX)
		return -ENOEXEC;
	/* They stand behind the header in all that is loaded: in its first segment. */
	rc = read_memory(pid, header + h.e_phoff, segments, h.e_phnum * sizeof(segments[0]));
	if (rc < 0)
		return rc == -EFAULT ? -ENOEXEC : rc;
	for (size_t i = 0; i < h.e_phnum; i++) {
		const Elf64_Phdr *p = &segments[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (!has_bias && p->p_offset == 0)
			out->bias = header - p->p_vaddr;
		has_bias |= p->p_offset == 0;
		if ((p->p_flags & PF_X) && !out->text_end) {
			out->text_start = p->p_vaddr;
			out->text_end = p->p_vaddr + p->p_memsz;
			out->text_offset = p->p_offset;
		}
	}
	if (!has_bias || out->text_end <= out->text_start)
		return -ENOEXEC;
	out->text_start += out->bias;
	out->text_end += out->bias;
	read_build_id(pid, segments, h.e_phnum, out);
	return 0;
}

/* Whether `start` is where this image has `file_offset`. Segments are mapped by pages: the first one of the
 * text may begin before it. */
static bool holds(const struct mp_image *image, uint64_t start, uint64_t file_offset)
{
	return start - file_offset == image->text_start - image->text_offset;
}

/*
 * In a file of GNU ld the distance of addresses is that of offsets. Others (lld, prelinked files) leave
 * pages between the segments, whole ones of what the file was linked for: the address is further up than the
 * offset by some of these.
 */
int mp_process_image_of(pid_t pid, uint64_t start, uint64_t file_offset, struct mp_image *out)
{
	static const struct {
		uint64_t bytes;
		unsigned n;
	} steps[] = {{0x1000, 16}, {0x10000, 16}, {0x200000, 8}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (unsigned k = i ? 1 : 0; k <= steps[i].n; k++) {
			uint64_t below = file_offset + k * steps[i].bytes;
			int rc = below <= start ? mp_process_image(pid, start - below, out) : -ENOEXEC;

			if (rc == 0 && holds(out, start, file_offset))
				return 0;
			if (rc < 0 && rc != -ENOEXEC && rc != -EFAULT)
				return rc;
		}
	}
	return -ENOEXEC;
}

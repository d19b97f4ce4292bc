/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/unwind/cfi_private.h"

/* An ELF file's call frame information, through the sandbox; and, where the input begins with 'P', programs
 * of a CIE and an FDE in this process: [1] the CIE's length, [2] flags, the CIE's, the FDE's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a search finds is what going through the rows finds. */
static void search(const struct mp_cfi *c, const struct mp_cfi_row *row, size_t n, uint64_t base)
{
	for (size_t i = 0; i < n; i++) {
		for (uint64_t at = (uint64_t)row[i].addr;
		     at + 1 >= row[i].addr && at < (uint64_t)row[i].addr + 2; at++) {
			const struct mp_cfi_row *found = mp_cfi_find(c, base + at);
			size_t want = i + (i + 1 < n && row[i + 1].addr <= at);

			if (found ? memcmp(found, &row[want], sizeof(*found)) != 0
				  : row[want].rule != MP_CFI_NONE)
				abort();
		}
	}
	mp_cfi_find(c, base - 1);
	mp_cfi_find(c, UINT64_MAX);
}

static void run_programs(const uint8_t *data, size_t size)
{
	struct cfi_rows rows = {0};
	struct mp_cfi *c;
	size_t n_cie = data[1] < size - 3 ? data[1] : size - 3;
	struct cfi_cie cie = {.machine = data[2] & 1 ? EM_AARCH64 : EM_X86_64,
	    .code_align = data[2] & 2 ? 1 : UINT64_C(1) << (data[2] >> 2 & 63),
	    .data_align = data[2] & 64 ? INT64_MIN : -8,
	    .ra_reg = data[2] & 1 ? 30 : 16,
	    .is_signal = data[2] & 128,
	    .program = data + 3,
	    .n_program = n_cie};

	if (mp_cfi_program_run(&cie, data + 3 + n_cie, size - 3 - n_cie, 4096, 4096 + 65536, &rows) < 0 ||
	    !rows.n || !mp_cfi_rows_valid(rows.row, rows.n))
		abort();
	struct mp_cfi_row *copy = malloc(rows.n * sizeof(*copy));
	memcpy(copy, rows.row, rows.n * sizeof(*copy));
	if (mp_cfi_from_rows(1 << 20, rows.row, rows.n, &c) < 0)
		abort();
	search(c, copy, rows.n, 1 << 20);
	mp_cfi_free(c);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_elf *e;
	struct mp_cfi *c;

	if (size >= 3 && data[0] == 'P') {
		run_programs(data, size);
		return 0;
	}
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (mp_elf_open(fd, "fuzz", &e, NULL) == 0) {
		if (mp_cfi_build(e, e, NULL, &c, NULL) == 0) {
			for (size_t i = 0; i + 8 <= size && i < 4096; i += 8) {
				uint64_t vaddr;

				memcpy(&vaddr, data + i, sizeof(vaddr));
				mp_cfi_find(c, vaddr);
				mp_cfi_find(c, vaddr & 0xffff);
			}
			mp_cfi_free(c);
		}
		mp_elf_close(e);
	}
	close(fd);
	return 0;
}

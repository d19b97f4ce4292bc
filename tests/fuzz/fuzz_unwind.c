/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/unwind/cfi_private.h"
#include "symbolize/unwind/unwind_private.h"

/*
 * Copied stacks. [0] is the way: 0 by a table whose rows are the input's, 1 by libunwind over an ELF file
 * whose .eh_frame is the input, else by libunwind over a good CIE and FDE whose programs are the input's. [1]
 * is how much of it is that, in units of 8 bytes; what follows is the stack.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CODE       UINT64_C(0x10000)
#define CODE_BYTES 4096
#define STACK      UINT64_C(0x7ffff000)
#define ROOM       200

static struct {
	const struct mp_cfi *table;
	const struct mp_elf *elf;
} now;

static bool in_code(uint64_t addr)
{
	return addr >= CODE && addr < CODE + CODE_BYTES;
}

static bool is_code(void *ctx, uint64_t addr, int64_t t_ns)
{
	(void)ctx, (void)t_ns;
	return in_code(addr);
}

static const struct mp_cfi *find_table(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias, bool *is_there)
{
	(void)ctx, (void)t_ns;
	*bias = 0;
	*is_there = in_code(addr);
	return *is_there ? now.table : NULL;
}

static const struct mp_elf *find_elf(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias)
{
	(void)ctx, (void)t_ns;
	*bias = 0;
	return in_code(addr) ? now.elf : NULL;
}

static bool is_jit(void *ctx, uint64_t addr, int64_t t_ns)
{
	(void)ctx, (void)t_ns;
	return addr % 3 == 0;
}

static struct mp_unwinder *unwinder(void)
{
	static struct mp_unwinder *u;
	struct mp_unwind_code code = {
	    .table = find_table, .elf = find_elf, .is_code = is_code, .is_jit = is_jit};

	if (!u)
		u = mp_unwinder_new(&code);
	if (!u)
		abort();
	return u;
}

static void walk(const uint8_t *stack, size_t n, bool reference)
{
	struct mp_stack_state s = {.ip = CODE + 100,
	    .known = UINT64_MAX >> 32,
	    .bytes_at = STACK,
	    .bytes = stack,
	    .n_bytes = n < 8192 ? n : 8192};
	static uint64_t ip[ROOM];

	for (int i = 0; i < MP_REGS; i++)
		s.reg[i] = STACK + 64;
	s.reg[MP_REG_SP] = STACK;
	if (n >= 16) {
		s.ip = CODE + stack[0] * 16;
		s.reg[MP_REG_FP] = STACK + stack[1] * 8;
		s.ip_is_return = stack[2] & 1;
		s.known &= ~(uint64_t)(stack[2] >> 1 & 3) << 6;
	}
	struct mp_unwound u = reference ? mp_unwind_reference(unwinder(), &s, false, ip, ROOM)
					: mp_unwind(unwinder(), &s, ip, ROOM);
	if (u.n > ROOM || (u.end == MP_STACK_FULL) != (u.n == ROOM && u.end == MP_STACK_FULL))
		abort();
}

static void by_table(const uint8_t *data, size_t n, const uint8_t *stack, size_t n_stack)
{
	size_t n_rows = n / 8;
	struct mp_cfi_row *row = calloc(n_rows + 1, sizeof(*row));
	struct mp_cfi *c;

	for (size_t i = 0; i < n_rows; i++) {
		const uint8_t *d = data + 8 * i;

		row[i].addr = (uint32_t)(i * CODE_BYTES / n_rows);
		row[i].rule = d[0] % (MP_CFI_COMPLEX + 1);
		row[i].cfa_offset =
		    d[1] & 1 ? (int8_t)d[2] * 8 : (int32_t)(d[2] | d[3] << 8 | d[4] << 16) - (1 << 23);
		row[i].ra = d[1] & 2 ? (int16_t)((int8_t)d[5] * 8) : (int16_t)(d[5] | d[6] << 8);
		row[i].fp = d[1] & 4 ? MP_CFI_SAME : (int16_t)((int8_t)d[7] * 8);
	}
	if (!n_rows)
		row[0].rule = MP_CFI_COMPLEX;
	if (!mp_cfi_rows_valid(row, n_rows ? n_rows : 1) ||
	    mp_cfi_from_rows(CODE, row, n_rows ? n_rows : 1, &c) < 0)
		abort();
	now.table = c;
	walk(stack, n_stack, false);
	now.table = NULL;
	mp_cfi_free(c);
}

/* ---- libunwind ---- */

/* The file is one segment at CODE: headers, index, code that is all zero, and .eh_frame behind it. */
#define HDR_AT      512
#define EH_FRAME_AT 2048

static struct {
	Elf64_Ehdr h;
	Elf64_Phdr p[2];
} const headers = {
    .h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	.e_type = ET_DYN,
	.e_machine = EM_X86_64,
	.e_version = EV_CURRENT,
	.e_phoff = sizeof(Elf64_Ehdr),
	.e_ehsize = sizeof(Elf64_Ehdr),
	.e_phentsize = sizeof(Elf64_Phdr),
	.e_phnum = 2},
    .p = {{.p_type = PT_LOAD,
	      .p_flags = PF_R | PF_X,
	      .p_vaddr = CODE,
	      .p_filesz = 1 << 16,
	      .p_memsz = 1 << 16},
	{.p_type = PT_GNU_EH_FRAME,
	    .p_flags = PF_R,
	    .p_offset = HDR_AT,
	    .p_vaddr = CODE + HDR_AT,
	    .p_filesz = 20}},
};

/* One function, which is all of the code: its entry is the last one that fits. */
static const struct {
	uint8_t form[4];
	int32_t eh_frame;
	uint32_t count;
	int32_t start, entry;
} index_of_one = {{1, 0x1b, 3, 0x3b}, EH_FRAME_AT - HDR_AT - 4, 1, -HDR_AT, EH_FRAME_AT - HDR_AT};

static size_t put_entry(uint8_t *to, const void *head, size_t n_head, const uint8_t *program, size_t n)
{
	uint32_t length = (uint32_t)(n_head + n);

	memcpy(to, &length, 4);
	memcpy(to + 4, head, n_head);
	memcpy(to + 4 + n_head, program, n);
	return 4 + length;
}

/* A good FDE and, behind it, its CIE: the first half of the input is the CIE's program. */
static void put_programs(uint8_t *to, const uint8_t *data, size_t n)
{
	static const uint8_t cie[] = {0, 0, 0, 0, 1, 0, 1, 0x78, 16};
	struct {
		int32_t cie;
		uint64_t start, bytes;
	} __attribute__((packed)) fde = {0, CODE, CODE_BYTES};
	size_t n_cie = n / 2;

	fde.cie = -(int32_t)(sizeof(fde) + n - n_cie);
	size_t at = put_entry(to, &fde, sizeof(fde), data + n_cie, n - n_cie);
	put_entry(to + at, cie, sizeof(cie), data, n_cie);
}

static void by_libunwind(const uint8_t *data, size_t n, bool raw, const uint8_t *stack, size_t n_stack)
{
	static uint8_t file[1 << 16];
	struct mp_elf *e;

	memset(file, 0, sizeof(file));
	memcpy(file, &headers, sizeof(headers));
	memcpy(file + HDR_AT, &index_of_one, sizeof(index_of_one));
	if (raw)
		memcpy(file + EH_FRAME_AT, data, n);
	else
		put_programs(file + EH_FRAME_AT, data, n);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, file, sizeof(file)) != (ssize_t)sizeof(file) ||
	    mp_elf_open(fd, "fuzz", &e, NULL) < 0)
		abort();
	now.elf = e;
	walk(stack, n_stack, true);
	now.elf = NULL;
	mp_elf_close(e);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	size_t n = (size_t)data[1] * 8 < size - 2 ? (size_t)data[1] * 8 : size - 2;
	const uint8_t *stack = data + 2 + n;
	size_t n_stack = size - 2 - n;

	if (data[0] == 0)
		by_table(data + 2, n, stack, n_stack);
	else
		by_libunwind(data + 2, n, data[0] == 1, stack, n_stack);
	return 0;
}

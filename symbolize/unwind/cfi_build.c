/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"
#include "symbolize/unwind/cfi_private.h"

#include <errno.h>
#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The part that runs in the sandbox: libdwarf takes the CIEs and FDEs out of a section, cfi_program.c
 * executes them. libdwarf sees no ELF file, only the one section that it is handed, through its interface for
 * other object formats: names, sizes and bytes come from the bounded reader of the ELF file.
 */

/* ---- The sections ---- */

struct eh_frame_hdr {
	uint8_t version, eh_frame_enc, count_enc, table_enc;
	int32_t eh_frame; /* as DW_EH_PE_pcrel | DW_EH_PE_sdata4, which is what linkers write */
};

/* The length of the entries at `s`, up to a zero one, which ends them, or one too short to be one. */
static uint64_t entries_bytes(const struct mp_section *s)
{
	uint64_t at = 0, from = 0;
	uint8_t buf[16384];
	uint32_t length;
	size_t n = 0;

	for (;; at += sizeof(length) + length) {
		if (at - from + sizeof(length) > n) {
			from = at;
			n = mp_section_read(s, at, buf, sizeof(buf));
		}
		if (n < sizeof(length))
			return at;
		memcpy(&length, buf + (at - from), sizeof(length));
		if (length < sizeof(uint32_t) || length >= 0xfffffff0 ||
		    length > s->size - at - sizeof(length))
			return at;
	}
}

/* A file without section headers has .eh_frame all the same: a segment says where its index is. */
static void eh_frame_by_segment(const struct mp_elf *e, struct mp_section *out)
{
	struct eh_frame_hdr h;

	for (size_t i = 0; i < e->nsegments && !out->size; i++) {
		const Elf64_Phdr *p = &e->segments[i];
		uint64_t vaddr = p->p_vaddr + offsetof(struct eh_frame_hdr, eh_frame), offset;

		if (p->p_type != PT_GNU_EH_FRAME || mp_elf_read(e, p->p_offset, &h, sizeof(h)) != sizeof(h) ||
		    h.version != 1 || h.eh_frame_enc != (DW_EH_PE_pcrel | DW_EH_PE_sdata4))
			continue;
		vaddr += (uint64_t)(int64_t)h.eh_frame;
		if (!mp_elf_vaddr_to_offset(e, vaddr, &offset) || offset >= e->file_size)
			continue;
		*out = (struct mp_section){
		    .fd = e->fd, .offset = offset, .size = e->file_size - offset, .vaddr = vaddr};
		if (out->size > CFI_SECTION_BYTES_MAX)
			out->size = CFI_SECTION_BYTES_MAX;
		out->size = entries_bytes(out);
	}
}

static void set_code(const struct mp_elf *e, struct cfi_source *s)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < e->nsegments; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || !p->p_memsz ||
		    p->p_memsz > UINT64_MAX - p->p_vaddr)
			continue;
		low = p->p_vaddr < low ? p->p_vaddr : low;
		high = p->p_vaddr + p->p_memsz > high ? p->p_vaddr + p->p_memsz : high;
	}
	s->base = low;
	s->size = high > low ? high - low : 0;
	if (s->size > UINT32_MAX)
		s->size = UINT32_MAX;
}

static void open_section(const struct mp_elf *e, const char *name, struct mp_section *out)
{
	if (mp_section_open_within(e, name, CFI_SECTION_BYTES_MAX, out) < 0)
		*out = (struct mp_section){.fd = -1};
}

int mp_cfi_source_open(const struct mp_elf *e, const struct mp_elf *debug, struct cfi_source *out)
{
	*out = (struct cfi_source){
	    .machine = mp_elf_machine(e), .eh_frame = {.fd = -1}, .debug_frame = {.fd = -1}};
	set_code(e, out);
	if (!out->size)
		return -EINVAL;
	open_section(e, ".eh_frame", &out->eh_frame);
	if (!out->eh_frame.size)
		eh_frame_by_segment(e, &out->eh_frame);
	open_section(e, ".debug_frame", &out->debug_frame);
	if (debug && !out->debug_frame.size)
		open_section(debug, ".debug_frame", &out->debug_frame);
	return out->eh_frame.size || out->debug_frame.size ? 0 : -ENOENT;
}

void mp_cfi_source_close(struct cfi_source *s)
{
	mp_section_close(&s->eh_frame);
	mp_section_close(&s->debug_frame);
}

/* A copy of `from` in memory, which goes into the sum, too. */
static int copy_section(const struct mp_section *from, struct cfi_siphash *h, struct mp_section *to)
{
	char buf[16384];
	size_t n;

	mp_cfi_siphash_add(h, &from->vaddr, sizeof(from->vaddr));
	mp_cfi_siphash_add(h, &from->size, sizeof(from->size));
	*to = (struct mp_section){.fd = -1};
	if (!from->size)
		return 0;
	int fd = memfd_create("mpsample-cfi", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*to = (struct mp_section){.fd = fd, .size = from->size, .vaddr = from->vaddr, .is_unpacked = true};
	for (uint64_t at = 0; at < from->size; at += n) {
		n = mp_section_read(from, at, buf, sizeof(buf));
		mp_cfi_siphash_add(h, buf, n);
		if (!n || pwrite(fd, buf, n, (off_t)at) != (ssize_t)n) {
			mp_section_close(to);
			return n ? -ENOSPC : -EBADMSG; /* truncated since */
		}
	}
	return 0;
}

int mp_cfi_source_own(struct cfi_source *s, const uint8_t key[static CFI_KEY_BYTES], uint64_t *sum)
{
	const uint64_t code[] = {s->machine, s->base, s->size};
	struct mp_section eh_frame, debug_frame;
	struct cfi_siphash h;

	if (s->eh_frame.size > CFI_OWN_BYTES_MAX || s->debug_frame.size > CFI_OWN_BYTES_MAX)
		return -E2BIG;
	mp_cfi_siphash_begin(&h, key);
	mp_cfi_siphash_add(&h, code, sizeof(code));
	int rc = copy_section(&s->eh_frame, &h, &eh_frame);
	if (rc < 0)
		return rc;
	rc = copy_section(&s->debug_frame, &h, &debug_frame);
	if (rc < 0) {
		mp_section_close(&eh_frame);
		return rc;
	}
	mp_cfi_source_close(s);
	s->eh_frame = eh_frame;
	s->debug_frame = debug_frame;
	*sum = mp_cfi_siphash_end(&h);
	return 0;
}

/* ---- A section as libdwarf sees it ---- */

struct object {
	const struct mp_section *section;
	const char *name;
	uint8_t *bytes;
};

/* Number 0 is, as in ELF, no section. */
static int section_info(void *obj, Dwarf_Half number, Dwarf_Obj_Access_Section *out, int *error)
{
	const struct object *o = obj;

	(void)error;
	*out = (Dwarf_Obj_Access_Section){.name = ""};
	if (number == 1)
		*out = (Dwarf_Obj_Access_Section){.name = o->name,
		    .addr = o->section->vaddr,
		    .size = o->section->size,
		    .type = SHT_PROGBITS};
	return DW_DLV_OK;
}

static Dwarf_Endianness byte_order(void *obj)
{
	(void)obj;
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? DW_OBJECT_LSB : DW_OBJECT_MSB;
}

static Dwarf_Small eight(void *obj)
{
	(void)obj;
	return 8;
}

static Dwarf_Unsigned section_count(void *obj)
{
	(void)obj;
	return 2;
}

static int load_section(void *obj, Dwarf_Half number, Dwarf_Small **out, int *error)
{
	struct object *o = obj;

	if (number != 1)
		return DW_DLV_NO_ENTRY;
	if (!o->bytes) {
		o->bytes = calloc(1, o->section->size); /* zero where the file was truncated since */
		if (!o->bytes) {
			*error = DW_DLE_ALLOC_FAIL;
			return DW_DLV_ERROR;
		}
		mp_section_read(o->section, 0, o->bytes, o->section->size);
	}
	*out = o->bytes;
	return DW_DLV_OK;
}

static const Dwarf_Obj_Access_Methods methods = {.get_section_info = section_info,
    .get_byte_order = byte_order,
    .get_length_size = eight,
    .get_pointer_size = eight,
    .get_section_count = section_count,
    .load_section = load_section};

/* ---- Entries to rows ---- */

struct function {
	uint32_t start, end;
	Dwarf_Fde fde;
};

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

/* Where the FDE's function is from the table's base; false when that is in no code. A linker that drops a
 * function leaves 0 or -1 as its address. */
static bool locate(const struct cfi_source *s, Dwarf_Fde fde, struct function *out)
{
	Dwarf_Addr low;
	Dwarf_Unsigned length;
	Dwarf_Error error;

	if (dwarf_get_fde_range(fde, &low, &length, NULL, NULL, NULL, NULL, NULL, &error) != DW_DLV_OK)
		return false;
	if (!low || !length || low < s->base || low - s->base >= s->size)
		return false;
	out->start = (uint32_t)(low - s->base);
	out->end = length < s->size - out->start ? out->start + (uint32_t)length : (uint32_t)s->size;
	out->fde = fde;
	return true;
}

static bool read_cie(const struct cfi_source *s, Dwarf_Fde fde, struct cfi_cie *out)
{
	Dwarf_Unsigned bytes, code_align, n;
	Dwarf_Signed data_align;
	Dwarf_Half ra_reg, offset_size;
	Dwarf_Error error;
	Dwarf_Ptr program;
	Dwarf_Small version;
	char *augmentation;
	Dwarf_Cie cie;

	if (dwarf_get_cie_of_fde(fde, &cie, &error) != DW_DLV_OK ||
	    dwarf_get_cie_info_b(cie, &bytes, &version, &augmentation, &code_align, &data_align, &ra_reg,
		&program, &n, &offset_size, &error) != DW_DLV_OK)
		return false;
	*out = (struct cfi_cie){.machine = s->machine,
	    .code_align = code_align,
	    .data_align = data_align,
	    .ra_reg = ra_reg,
	    .is_signal = augmentation && strchr(augmentation, 'S'),
	    .program = program,
	    .n_program = n};
	return true;
}

static int add_none(struct cfi_rows *rows, uint32_t at)
{
	return mp_cfi_rows_add(rows, &(struct mp_cfi_row){.addr = at, .rule = MP_CFI_NONE});
}

/* Where functions overlap, the one that starts later has the say, as in a search of .eh_frame_hdr. */
static int add_functions(
    const struct cfi_source *s, const struct function *f, size_t n, struct cfi_rows *rows)
{
	uint32_t covered = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		uint32_t end = i + 1 < n && f[i + 1].start < f[i].end ? f[i + 1].start : f[i].end;
		struct cfi_cie cie;
		Dwarf_Ptr program;
		Dwarf_Unsigned bytes;
		Dwarf_Error error;

		if (end == f[i].start)
			continue;
		if (covered < f[i].start)
			rc = add_none(rows, covered);
		covered = end;
		if (rc < 0)
			break;
		if (read_cie(s, f[i].fde, &cie) &&
		    dwarf_get_fde_instr_bytes(f[i].fde, &program, &bytes, &error) == DW_DLV_OK)
			rc = mp_cfi_program_run(&cie, program, bytes, f[i].start, end, rows);
		else
			rc = add_none(rows, f[i].start);
	}
	return rc == 0 && n ? add_none(rows, covered) : rc;
}

static int add_entries(const struct cfi_source *s, Dwarf_Fde *fde, size_t n, struct cfi_rows *rows)
{
	struct function *f = malloc((n + 1) * sizeof(*f));
	size_t kept = 0;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		kept += locate(s, fde[i], &f[kept]);
	qsort(f, kept, sizeof(*f), by_start);
	return add_functions(s, f, kept, rows);
}

/* Nothing is freed here and below: the process ends with the work. */
static int read_section(
    const struct cfi_source *s, const struct mp_section *section, bool is_eh, struct cfi_rows *rows)
{
	struct object object = {.section = section, .name = is_eh ? ".eh_frame" : ".debug_frame"};
	Dwarf_Obj_Access_Interface interface = {&object, &methods};
	Dwarf_Signed n_cies, n_fdes;
	Dwarf_Error error;
	Dwarf_Debug dbg;
	Dwarf_Cie *cies;
	Dwarf_Fde *fdes;

	dwarf_set_de_alloc_flag(0); /* it would keep a tree of all that it allocates */
	int rc = dwarf_object_init_b(&interface, NULL, NULL, DW_GROUPNUMBER_ANY, &dbg, &error);
	if (rc == DW_DLV_OK)
		rc = is_eh ? dwarf_get_fde_list_eh(dbg, &cies, &n_cies, &fdes, &n_fdes, &error)
			   : dwarf_get_fde_list(dbg, &cies, &n_cies, &fdes, &n_fdes, &error);
	if (rc != DW_DLV_OK)
		return rc == DW_DLV_NO_ENTRY ? -ENOENT : -EBADMSG;
	return add_entries(s, fdes, (size_t)n_fdes, rows);
}

/* Where `first` says nothing, `second` does. */
static int merge(const struct cfi_rows *first, const struct cfi_rows *second, struct cfi_rows *out)
{
	struct mp_cfi_row a = {.rule = MP_CFI_NONE}, b = a;
	size_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0 && (i < first->n || j < second->n)) {
		uint32_t at = UINT32_MAX;

		if (i < first->n)
			at = first->row[i].addr;
		if (j < second->n && second->row[j].addr < at)
			at = second->row[j].addr;
		while (i < first->n && first->row[i].addr == at)
			a = first->row[i++];
		while (j < second->n && second->row[j].addr == at)
			b = second->row[j++];
		struct mp_cfi_row row = a.rule != MP_CFI_NONE ? a : b;
		row.addr = at;
		rc = mp_cfi_rows_add(out, &row);
	}
	return rc;
}

static int write_rows(int fd, const struct cfi_rows *rows)
{
	const char *at = (const char *)rows->row;
	size_t left = rows->n * sizeof(*rows->row);

	while (left) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

int mp_cfi_build_rows(void *ctx, int out_fd)
{
	const struct cfi_source *s = ctx;
	struct cfi_rows eh = {0}, debug = {0}, both = {0};
	int eh_rc = -ENOENT, debug_rc = -ENOENT;

	if (s->eh_frame.size)
		eh_rc = read_section(s, &s->eh_frame, true, &eh);
	if (s->debug_frame.size)
		debug_rc = read_section(s, &s->debug_frame, false, &debug);
	if (eh_rc < 0 && debug_rc < 0)
		return eh_rc != -ENOENT ? eh_rc : debug_rc;
	if (!debug.n || !eh.n)
		return write_rows(out_fd, eh.n ? &eh : &debug);
	int rc = merge(&eh, &debug, &both);
	return rc < 0 ? rc : write_rows(out_fd, &both);
}

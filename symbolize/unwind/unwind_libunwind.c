/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"
#include "symbolize/unwind/unwind_private.h"

#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

/*
 * libunwind's remote unwinding over a copied stack: the reference, and what reads the rules that do not fit
 * into a flat table. Everything it reads goes through access_mem() below, which counts: a DWARF expression
 * may jump back and go on for ever.
 */

/* A frame takes some hundred reads. */
#define READS_MAX 100000

/* Files are read in blocks, which are kept for one stack. A power of two. */
#define BLOCK_BYTES 512
#define N_BLOCKS    64

/* Files whose unwind tables are being read: of their mappings only that with code is known to the caller. */
#define N_SEEN 16

/* What libunwind remembers by itself is 128, fewer than a program's call places. */
#define CACHED_FRAMES 4096

/* Not declared in its headers, but exported for its users that have tables of their own. */
int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di,
    unw_proc_info_t *pi, int need_unwind_info, void *arg);

struct block {
	const struct mp_elf *elf; /* NULL: empty */
	uint64_t number;
	size_t n;
	unsigned char bytes[BLOCK_BYTES];
};

/* What dwarf_search_unwind_table() makes of an entry: libunwind's struct dwarf_cie_info, the same since its
 * version 1.1. Its size is checked. */
struct entry {
	uint64_t cie_program, cie_program_end, fde_program, fde_program_end;
	uint64_t code_align, data_align, ra_reg, handler;
	uint16_t abi, tag;
	uint8_t fde_encoding, lsda_encoding;
	uint8_t flags;
};

#ifdef __aarch64__
#define RA_REG 30
#else
#define RA_REG 16
#endif

/* The longest program looked at. Functions of 10,000 lines have some thousand bytes. */
#define PROGRAM_BYTES_MAX 16384

/* A vetted program, from which libunwind reads it: the file may be written to meanwhile. */
struct pin {
	uint64_t addr;
	size_t n;
	uint8_t bytes[PROGRAM_BYTES_MAX];
};

struct space {
	unw_addr_space_t as;
	struct {
		const struct mp_elf *elf; /* NULL: none */
		uint64_t bias;
	} seen[N_SEEN]; /* kept with libunwind's cache, which remembers addresses of expressions */
	size_t last, n; /* the one asked about last; how many there were */
};

struct unwind_remote {
	struct mp_unwind_code code;
	struct space plain, caching;
	/* Of the stack that is unwound: */
	struct space *space;
	const struct mp_stack_state *s;
	unsigned reads;
	bool no_info;       /* a frame was found without unwind information */
	bool above;         /* a read went above the copy */
	struct pin pins[2]; /* of the CIE and the FDE looked at last */
	struct block blocks[N_BLOCKS];
};

static bool read_file(struct unwind_remote *r, const struct mp_elf *e, uint64_t offset, uint64_t *word)
{
	uint64_t number = offset / BLOCK_BYTES;
	struct block *b = &r->blocks[number % N_BLOCKS];

	if (b->elf != e || b->number != number) {
		b->n = mp_elf_read(e, number * BLOCK_BYTES, b->bytes, BLOCK_BYTES);
		b->elf = e;
		b->number = number;
	}
	size_t at = offset % BLOCK_BYTES;
	*word = 0;
	if (at + sizeof(*word) > BLOCK_BYTES)
		return mp_elf_read(e, offset, word, sizeof(*word)) > 0;
	if (at >= b->n)
		return false;
	memcpy(word, b->bytes + at, b->n - at < sizeof(*word) ? b->n - at : sizeof(*word));
	return true;
}

static bool read_in(struct unwind_remote *r, const struct mp_elf *e, uint64_t vaddr, uint64_t *word)
{
	uint64_t offset;

	return e && mp_elf_vaddr_to_offset(e, vaddr, &offset) && read_file(r, e, offset, word);
}

static bool read_code(struct unwind_remote *r, uint64_t addr, uint64_t *word)
{
	uint64_t bias = 0;

	for (size_t i = 0; i < N_SEEN; i++) {
		size_t at = (r->space->last + N_SEEN - i) % N_SEEN;

		if (read_in(r, r->space->seen[at].elf, addr - r->space->seen[at].bias, word))
			return true;
	}
	const struct mp_elf *e = r->code.elf ? r->code.elf(r->code.ctx, addr, r->s->t_ns, &bias) : NULL;
	return read_in(r, e, addr - bias, word);
}

static void note_seen(struct space *s, const struct mp_elf *e, uint64_t bias)
{
	size_t i = 0;

	while (i < N_SEEN && (s->seen[i].elf != e || s->seen[i].bias != bias))
		i++;
	s->last = i < N_SEEN ? i : s->n++ % N_SEEN;
	s->seen[s->last].elf = e;
	s->seen[s->last].bias = bias;
}

static bool read_word(struct unwind_remote *r, uint64_t addr, uint64_t *word)
{
	enum stack_read read = mp_stack_read(r->s, addr, word);

	if (read == READ_DONE || read_code(r, addr, word))
		return true;
	r->above |= read == READ_ABOVE;
	return false;
}

static int access_mem(unw_addr_space_t as, unw_word_t addr, unw_word_t *value, int write, void *arg)
{
	struct unwind_remote *r = arg;
	uint64_t word = 0;

	(void)as;
	if (write || ++r->reads > READS_MAX || !read_word(r, addr, &word))
		return -UNW_EINVAL;
	for (size_t i = 0; i < 2; i++) {
		const struct pin *p = &r->pins[i];

		for (uint64_t b = 0; b < sizeof(word); b++)
			if (addr + b - p->addr < p->n)
				((uint8_t *)&word)[b] = p->bytes[addr + b - p->addr];
	}
	*value = word;
	return 0;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write, void *arg)
{
	struct unwind_remote *r = arg;

	(void)as;
	if (write || reg < 0)
		return -UNW_EREADONLYREG;
	if (reg == UNW_REG_IP) {
		/* In the call, not behind it. */
		*value = r->s->ip - r->s->ip_is_return;
		return 0;
	}
	/* libunwind's numbers of general registers are DWARF's on both machines. */
	if (reg >= MP_REGS || !(r->s->known >> reg & 1))
		return -UNW_EBADREG;
	*value = r->s->reg[reg];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
	(void)as, (void)reg, (void)value, (void)write, (void)arg;
	return -UNW_EBADREG;
}

/* The search table of .eh_frame_hdr, in the form that linkers write. False: there is none. */
static bool search_table(const struct mp_elf *e, uint64_t bias, unw_dyn_info_t *di)
{
	struct {
		uint8_t version, eh_frame_enc, count_enc, table_enc;
		int32_t eh_frame;
		uint32_t count;
	} h;

	for (size_t i = 0; i < e->nsegments; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type != PT_GNU_EH_FRAME || p->p_filesz < sizeof(h) ||
		    mp_elf_read(e, p->p_offset, &h, sizeof(h)) != sizeof(h))
			continue;
		if (h.version != 1 || h.eh_frame_enc != 0x1b || h.count_enc != 0x03 || h.table_enc != 0x3b ||
		    !h.count || h.count > (p->p_filesz - sizeof(h)) / 8)
			continue;
		*di = (unw_dyn_info_t){.format = UNW_INFO_FORMAT_REMOTE_TABLE, .end_ip = UINT64_MAX};
		di->u.rti.segbase = p->p_vaddr + bias;
		di->u.rti.table_data = p->p_vaddr + bias + sizeof(h);
		di->u.rti.table_len = h.count * 8 / sizeof(unw_word_t);
		return true;
	}
	return false;
}

static bool vet_program(struct unwind_remote *r, struct pin *pin, uint64_t from, uint64_t to)
{
	pin->n = 0;
	if (to < from || to - from > sizeof(pin->bytes))
		return false;
	for (uint64_t at = 0; at < to - from; at += 8) {
		uint64_t word, n = to - from - at < sizeof(word) ? to - from - at : sizeof(word);

		if (!read_code(r, from + at, &word))
			return false;
		memcpy(pin->bytes + at, &word, n);
	}
	pin->addr = from;
	pin->n = to - from;
	return mp_unwind_vet(pin->bytes, pin->n, pin == &r->pins[0]);
}

/* libunwind takes the return address's number for an index without a look at it. */
static bool vet(struct unwind_remote *r, const unw_proc_info_t *pi)
{
	const struct entry *e = pi->unwind_info;

	return e && pi->unwind_info_size == sizeof(*e) && e->ra_reg == RA_REG &&
	       vet_program(r, &r->pins[0], e->cie_program, e->cie_program_end) &&
	       vet_program(r, &r->pins[1], e->fde_program, e->fde_program_end);
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need, void *arg)
{
	struct unwind_remote *r = arg;
	unw_dyn_info_t di;
	uint64_t bias = 0;
	int rc = -UNW_ENOINFO;

	const struct mp_elf *e = r->code.elf ? r->code.elf(r->code.ctx, ip, r->s->t_ns, &bias) : NULL;
	if (e && search_table(e, bias, &di)) {
		note_seen(r->space, e, bias);
		rc = UNW_OBJ(dwarf_search_unwind_table)(as, ip, &di, pi, need, arg);
		if (rc == 0 && need && !vet(r, pi))
			return -UNW_EINVAL;
	}
	r->no_info |= rc == -UNW_ENOINFO;
	return rc;
}

/* The library takes back what dwarf_search_unwind_table() allocated by itself. */
static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as, (void)pi, (void)arg;
}

static int no_dyn_info(unw_addr_space_t as, unw_word_t *list, void *arg)
{
	(void)as, (void)list, (void)arg;
	return -UNW_ENOINFO;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as, (void)cursor, (void)arg;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t ip, char *buf, size_t n, unw_word_t *offset, void *arg)
{
	(void)as, (void)ip, (void)buf, (void)n, (void)offset, (void)arg;
	return -UNW_ENOINFO;
}

/* ---- The walk ---- */

static unw_addr_space_t new_space(unw_caching_policy_t policy)
{
	unw_accessors_t accessors = {.find_proc_info = find_proc_info,
	    .put_unwind_info = put_unwind_info,
	    .get_dyn_info_list_addr = no_dyn_info,
	    .access_mem = access_mem,
	    .access_reg = access_reg,
	    .access_fpreg = access_fpreg,
	    .resume = no_resume,
	    .get_proc_name = no_name};
	unw_addr_space_t as = unw_create_addr_space(&accessors, 0);

	if (as)
		unw_set_caching_policy(as, policy);
	if (as && policy != UNW_CACHE_NONE)
		unw_set_cache_size(as, CACHED_FRAMES, 0);
	return as;
}

struct unwind_remote *mp_unwind_remote_new(const struct mp_unwind_code *code)
{
	struct unwind_remote *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->code = *code;
	r->plain.as = new_space(UNW_CACHE_NONE);
	r->caching.as = new_space(UNW_CACHE_GLOBAL);
	if (r->plain.as && r->caching.as)
		return r;
	mp_unwind_remote_free(r);
	return NULL;
}

void mp_unwind_remote_free(struct unwind_remote *r)
{
	if (!r)
		return;
	if (r->plain.as)
		unw_destroy_addr_space(r->plain.as);
	if (r->caching.as)
		unw_destroy_addr_space(r->caching.as);
	free(r);
}

static void begin(struct unwind_remote *r, const struct mp_stack_state *state, bool keep_cache)
{
	r->s = state;
	r->reads = 0;
	r->pins[0].n = r->pins[1].n = 0;
	r->space = keep_cache ? &r->caching : &r->plain;
	if (!keep_cache)
		memset(r->space->seen, 0, sizeof(r->space->seen));
	for (size_t i = 0; i < N_BLOCKS; i++)
		r->blocks[i].elf = NULL;
}

/* One step, which must go up. False at the end, with its reason. */
static bool step(struct unwind_remote *r, unw_cursor_t *cursor, uint64_t *ip, struct mp_unwound *out)
{
	unw_word_t before = 0, sp = 0, at = 0;

	r->no_info = r->above = false;
	unw_get_reg(cursor, UNW_REG_SP, &before);
	int rc = unw_step(cursor);
	out->end = r->above ? MP_STACK_CUT : MP_STACK_LOST;
	if (rc == 0)
		out->end = r->no_info ? MP_STACK_LOST : MP_STACK_OUTERMOST;
	if (rc <= 0 || unw_get_reg(cursor, UNW_REG_IP, &at) < 0)
		return false;
	if (!at) {
		out->end = MP_STACK_OUTERMOST;
		return false;
	}
	if (unw_get_reg(cursor, UNW_REG_SP, &sp) < 0 || sp < before)
		return false;
	if (r->no_info) /* it went by the frame pointer */
		out->quality = MP_STACK_FP;
	*ip = at;
	return true;
}

struct mp_unwound mp_unwind_remote(
    struct unwind_remote *r, const struct mp_stack_state *state, bool keep_cache, uint64_t *ip, size_t room)
{
	struct mp_unwound out = {.quality = MP_STACK_CFI, .end = MP_STACK_LOST};
	unw_cursor_t cursor;
	uint64_t next;

	if (!room || !state->ip)
		return (struct mp_unwound){.quality = MP_STACK_NONE, .end = MP_STACK_FULL};
	begin(r, state, keep_cache);
	ip[out.n++] = state->ip;
	if (unw_init_remote(&cursor, r->space->as, r) < 0)
		return out;
	while (step(r, &cursor, &next, &out)) {
		if (out.n == room) {
			out.end = MP_STACK_FULL;
			break;
		}
		ip[out.n++] = next;
	}
	return out;
}

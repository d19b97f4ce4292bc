/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "symbolize/unwind/cfi_private.h"
#include "symbolize/unwind/unwind_private.h"

TestSuite(unwind, .timeout = 60);

/*
 * Synthetic code at CODE, one row for each 256 bytes of it, and stacks written by hand. The whole of it is
 * the machine's own: registers' numbers come from unwind_private.h.
 */
#define CODE  UINT64_C(0x400000)
#define JIT   UINT64_C(0x7000000)
#define STACK UINT64_C(0x7fff0000)
#define AT(n) (CODE + 256 * (n) + 16) /* a place in the code of row n */

enum {
	ROW_SP16,
	ROW_SP32_FP,
	ROW_FP16,
	ROW_DEREF,
	ROW_SIGNAL,
	ROW_OUTERMOST,
	ROW_COMPLEX,
	ROW_STILL,
	ROW_PLT,
	N_ROWS
};

static const struct mp_cfi_row rules[N_ROWS] = {
    [ROW_SP16] = {.rule = MP_CFI_SP, .cfa_offset = 16, .ra = -8, .fp = MP_CFI_SAME},
    [ROW_SP32_FP] = {.rule = MP_CFI_SP, .cfa_offset = 32, .ra = -8, .fp = -16},
    [ROW_FP16] = {.rule = MP_CFI_FP, .cfa_offset = 16, .ra = -8, .fp = -16},
    [ROW_DEREF] = {.rule = MP_CFI_FP_DEREF, .cfa_offset = -8, .ra = -8, .fp = 0},
    [ROW_SIGNAL] = {.rule = MP_CFI_SIGNAL},
    [ROW_OUTERMOST] = {.rule = MP_CFI_OUTERMOST},
    [ROW_COMPLEX] = {.rule = MP_CFI_COMPLEX},
    [ROW_STILL] = {.rule = MP_CFI_SP, .cfa_offset = 0, .ra = 0, .fp = MP_CFI_SAME},
    [ROW_PLT] = {.rule = MP_CFI_PLT, .cfa_offset = 11, .ra = -8, .fp = MP_CFI_SAME},
};

static struct mp_cfi *table;
static struct mp_unwinder *unwinder;
static uint64_t words[1024];
static struct mp_stack_state state;
static uint64_t ip[64];

/* Code without a table begins behind the rows: assembly, then nothing, then a JIT compiler's. */
static bool is_code(void *ctx, uint64_t addr, int64_t t_ns)
{
	(void)ctx, (void)t_ns;
	return (addr >= CODE && addr < CODE + 0x10000) || (addr >= JIT && addr < JIT + 0x1000);
}

static const struct mp_cfi *find_table(void *ctx, uint64_t addr, int64_t t_ns, uint64_t *bias, bool *in_code)
{
	*bias = CODE - 0x1000;
	*in_code = is_code(ctx, addr, t_ns);
	return addr >= CODE && addr < CODE + 256 * N_ROWS ? table : NULL;
}

static bool is_jit(void *ctx, uint64_t addr, int64_t t_ns)
{
	(void)ctx, (void)t_ns;
	return addr >= JIT && addr < JIT + 0x1000;
}
#define ASSEMBLY (CODE + 0x8000)

static void setup(void)
{
	struct mp_cfi_row *rows = malloc(sizeof(rules));
	struct mp_unwind_code code = {.table = find_table, .is_code = is_code, .is_jit = is_jit};

	memcpy(rows, rules, sizeof(rules));
	for (uint32_t i = 0; i < N_ROWS; i++)
		rows[i].addr = 256 * i;
	cr_assert_eq(mp_cfi_from_rows(0x1000, rows, N_ROWS, &table), 0);
	unwinder = mp_unwinder_new(&code);
	cr_assert(unwinder);
	memset(words, 0, sizeof(words));
	state = (struct mp_stack_state){
	    .known = UINT64_C(1) << MP_REG_SP | UINT64_C(1) << MP_REG_FP,
	    .bytes_at = STACK,
	    .bytes = (const unsigned char *)words,
	    .n_bytes = sizeof(words),
	};
	state.reg[MP_REG_SP] = STACK;
}

static void teardown(void)
{
	mp_unwinder_free(unwinder);
	mp_cfi_free(table);
}

/* The address of the n-th word of the stack. */
static uint64_t word_at(size_t n)
{
	return STACK + 8 * n;
}

static struct mp_unwound expect(size_t n, enum mp_stack_end end, enum mp_stack_quality quality)
{
	struct mp_unwound u = mp_unwind(unwinder, &state, ip, sizeof(ip) / sizeof(*ip));

	cr_expect_eq(u.n, n, "%zu frames, not %zu", u.n, n);
	cr_expect_eq(u.end, end, "end %d, not %d", (int)u.end, (int)end);
	cr_expect_eq(u.quality, quality, "quality %d, not %d", (int)u.quality, (int)quality);
	return u;
}

Test(unwind, by_stack_and_frame_pointer, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_SP16);
	words[1] = AT(ROW_SP32_FP);  /* 16 bytes of the first frame */
	words[2 + 3] = AT(ROW_FP16); /* 32 of the second: return address, and below it */
	words[2 + 2] = word_at(20);  /* the caller's frame pointer */
	words[20] = word_at(40);     /* the third: by that frame pointer */
	words[21] = AT(ROW_FP16);
	words[40] = 0;
	words[41] = AT(ROW_OUTERMOST);
	expect(5, MP_STACK_OUTERMOST, MP_STACK_CFI);
	static const uint64_t want[] = {
	    AT(ROW_SP16), AT(ROW_SP32_FP), AT(ROW_FP16), AT(ROW_FP16), AT(ROW_OUTERMOST)};
	cr_expect_arr_eq(ip, want, sizeof(want));
}

Test(unwind, return_address_zero_ends, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_SP16);
	expect(1, MP_STACK_OUTERMOST, MP_STACK_CFI);
}

/* A return address behind a call at a function's end belongs to that function, not to the next one; what was
 * interrupted is where it is. */
Test(unwind, return_addresses_mean_the_code_before, .init = setup, .fini = teardown)
{
	state.ip = CODE + 256 * ROW_OUTERMOST;
	expect(1, MP_STACK_OUTERMOST, MP_STACK_CFI);

	state.ip_is_return = true; /* in ROW_SIGNAL's */
	words[0] = 1;
	mp_unwind(unwinder, &state, ip, 64);
	state.ip = CODE + 256 * ROW_SP32_FP; /* behind ROW_SP16's last byte */
	words[1] = CODE + 256 * ROW_COMPLEX; /* behind ROW_OUTERMOST's */
	expect(2, MP_STACK_OUTERMOST, MP_STACK_CFI);
}

Test(unwind, realigned_frame, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_DEREF);
	state.reg[MP_REG_FP] = word_at(10);
	words[9] = word_at(50);  /* the CFA */
	words[10] = word_at(60); /* the caller's frame pointer */
	words[49] = AT(ROW_FP16);
	words[61] = AT(ROW_OUTERMOST);
	expect(3, MP_STACK_OUTERMOST, MP_STACK_CFI);
	cr_expect_eq(ip[2], AT(ROW_OUTERMOST));
}

Test(unwind, plt_entry, .init = setup, .fini = teardown)
{
	words[0] = AT(ROW_OUTERMOST);
	words[1] = AT(ROW_SP16);
	state.ip = CODE + 256 * ROW_PLT + 6;
	expect(2, MP_STACK_OUTERMOST, MP_STACK_CFI);
	cr_expect_eq(ip[1], AT(ROW_OUTERMOST));
	state.ip = CODE + 256 * ROW_PLT + 11; /* it has pushed its number */
	words[3] = AT(ROW_OUTERMOST);
	expect(3, MP_STACK_OUTERMOST, MP_STACK_CFI);
	cr_expect_eq(ip[1], AT(ROW_SP16));
}

static void write_context(ucontext_t *uc, uint64_t at_ip, uint64_t sp, uint64_t fp)
{
#ifdef __aarch64__
	uc->uc_mcontext.pc = at_ip;
	uc->uc_mcontext.sp = sp;
	uc->uc_mcontext.regs[MP_REG_FP] = fp;
#else
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)at_ip;
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
	uc->uc_mcontext.gregs[REG_RBP] = (greg_t)fp;
#endif
}

#ifdef __aarch64__
#define CONTEXT_WORD (sizeof(siginfo_t) / 8)
#else
#define CONTEXT_WORD 0
#endif

Test(unwind, signal_frame, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_SIGNAL);
	state.ip_is_return = true;
	/* The first byte of its row: interrupted there, not called from there. */
	write_context((ucontext_t *)&words[CONTEXT_WORD], CODE + 256 * ROW_FP16, word_at(800), word_at(900));
	words[900] = 1;
	words[901] = AT(ROW_OUTERMOST);
	expect(3, MP_STACK_OUTERMOST, MP_STACK_CFI);
	cr_expect_eq(ip[1], CODE + 256 * ROW_FP16);

	/* On a stack of its own: what it interrupted is known, but not in the copy. */
	write_context((ucontext_t *)&words[CONTEXT_WORD], AT(ROW_SP16), STACK + (1 << 30), 0);
	expect(2, MP_STACK_CUT, MP_STACK_CFI);
	/* Down the same stack: nonsense. */
	write_context((ucontext_t *)&words[CONTEXT_WORD], AT(ROW_SP16), STACK, 0);
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
}

Test(unwind, copy_that_ends_is_cut, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_SP16);
	for (size_t i = 1; i < 8; i += 2)
		words[i] = AT(ROW_SP16);
	state.n_bytes = 8 * 8;
	expect(5, MP_STACK_CUT, MP_STACK_CFI);
	for (size_t n = 0; n < 16; n++) { /* not even one frame */
		state.n_bytes = n;
		expect(1, MP_STACK_CUT, MP_STACK_CFI);
	}
}

Test(unwind, no_more_frames_than_room, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_SP16);
	for (size_t i = 1; i < 1024; i += 2)
		words[i] = AT(ROW_SP16);
	expect(64, MP_STACK_FULL, MP_STACK_CFI);
	cr_expect_eq(mp_unwind(unwinder, &state, ip, 0).n, 0);
	cr_expect_eq(mp_unwind(unwinder, &state, ip, 1).n, 1);
}

/* A frame that takes nothing, or goes down, would go round for ever. */
Test(unwind, upwards_only, .init = setup, .fini = teardown)
{
	state.ip = AT(ROW_STILL);
	words[0] = AT(ROW_STILL);
	expect(1, MP_STACK_LOST, MP_STACK_CFI);

	state.ip = AT(ROW_FP16);
	static const uint64_t bad[] = {
	    0, 8, STACK - 64, STACK - 17, UINT64_MAX, UINT64_MAX - 15, UINT64_MAX / 2};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		state.reg[MP_REG_FP] = bad[i];
		struct mp_unwound u = mp_unwind(unwinder, &state, ip, 64);
		cr_expect_eq(u.n, 1, "frame pointer %#lx", (unsigned long)bad[i]);
	}
	/* A whole copy at the end of all addresses. */
	state.bytes_at = UINT64_MAX - 63;
	state.n_bytes = 64;
	state.reg[MP_REG_SP] = UINT64_MAX - 23;
	state.ip = AT(ROW_SP32_FP);
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
}

Test(unwind, registers_that_are_not_known, .init = setup, .fini = teardown)
{
	words[1] = AT(ROW_OUTERMOST);
	state.ip = AT(ROW_SP16);
	state.known = UINT64_C(1) << MP_REG_FP;
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
}

Test(unwind, assembly_by_frame_pointer, .init = setup, .fini = teardown)
{
	state.ip = ASSEMBLY;
	state.reg[MP_REG_FP] = word_at(10);
	words[10] = word_at(30);
	words[11] = AT(ROW_FP16);
	words[31] = AT(ROW_OUTERMOST);
	expect(3, MP_STACK_OUTERMOST, MP_STACK_FP);

	words[11] = 0x1234; /* no code */
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
	words[11] = AT(ROW_FP16);
	state.reg[MP_REG_FP] = word_at(10) + 4;
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
	state.reg[MP_REG_FP] = STACK - 8;
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
	state.ip = 0x1234; /* no code at all */
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
}

Test(unwind, jit_code_by_scan, .init = setup, .fini = teardown)
{
	state.ip = JIT + 8;
	state.reg[MP_REG_FP] = 4711; /* a register as any other */
	words[7] = STACK;            /* what is no code is passed over */
	words[20] = JIT + 64;
	words[100] = AT(ROW_SP16);
	words[102] = AT(ROW_OUTERMOST);
	expect(4, MP_STACK_OUTERMOST, MP_STACK_GUESS);
	static const uint64_t want[] = {JIT + 8, JIT + 64, AT(ROW_SP16), AT(ROW_OUTERMOST)};
	cr_expect_arr_eq(ip, want, sizeof(want));

	/* Not further than 2 KiB, and not where there is a frame pointer. */
	words[100] = words[102] = 0;
	words[400] = AT(ROW_SP16);
	expect(2, MP_STACK_LOST, MP_STACK_GUESS);
	state.reg[MP_REG_FP] = word_at(50);
	words[51] = AT(ROW_OUTERMOST);
	expect(2, MP_STACK_OUTERMOST, MP_STACK_FP);
	/* The same code, made by no JIT compiler, is not scanned. */
	state.reg[MP_REG_FP] = 4711;
	state.ip = ASSEMBLY;
	expect(1, MP_STACK_LOST, MP_STACK_CFI);
}

Test(unwind, complex_without_a_file_is_lost, .init = setup, .fini = teardown)
{
	words[1] = AT(ROW_COMPLEX);
	state.ip = AT(ROW_SP16);
	expect(2, MP_STACK_LOST, MP_STACK_CFI);
}

/* ---- What libunwind may execute ---- */

#define VET(is_cie, ...)                                                                                     \
	mp_unwind_vet((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), is_cie)

Test(unwind, vetted_programs)
{
	cr_expect(VET(true, 0x0c, 7, 8, 0x90, 1));
	cr_expect(VET(false, 0x41, 0x0a, 0x0e, 16, 0x44, 0x0b, 0xc3));
	cr_expect(VET(false, 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22));
	cr_expect_not(VET(true, 0xc3), "restored before there is anything");
	cr_expect_not(VET(false, 0x0b), "restored without being remembered");
	cr_expect_not(VET(false, 0x0f, 3, 0x31, 0x31, 0x1b), "division: INT64_MIN / -1 is a signal");
	cr_expect_not(VET(false, 0x0f, 4, 0x31, 0x2f, 0xfd, 0xff), "a jump back");
	cr_expect_not(VET(false, 0x0f, 2, 0x08), "longer than the program");
	cr_expect_not(VET(false, 0x0f, 1, 0x08), "an operand outside the block");
	cr_expect_not(VET(false, 0x09, 16, 0xff, 0x7f), "a register that there is not");
	cr_expect_not(VET(false, 0x3f), "unknown");
	cr_expect_not(VET(false, 0x0c, 0x80), "a number that does not end");
}

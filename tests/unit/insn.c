/* SPDX-License-Identifier: MIT */
/* Where probes are placed, on the prologues that allocators really have. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/insn.h"
#include "store/op.h"

#ifdef __x86_64__

#define ARGS (MP_ARG(1) | MP_ARG(2) | MP_ARG(3))
#define BYTES(...)                                                                                           \
	(const unsigned char[])                                                                              \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define PLACE(null_is_no_call, ...)                                                                          \
	mp_insn_placement(BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)), ARGS, null_is_no_call)

Test(insn, stands_at_a_push_at_the_entry)
{
	cr_assert_eq(PLACE(false, 0x55, 0x48, 0x89, 0xe5, 0xc3), 0); /* push rbp; mov rbp, rsp; ret */
}

Test(insn, skips_endbr64_and_a_test)
{
	/* endbr64; test rdi, rdi; push rbx; ret */
	cr_assert_eq(PLACE(false, 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x53, 0xc3), 7);
}

Test(insn, stands_at_the_null_test_or_behind_it)
{
	/* glibc 2.36 free: test rdi, rdi; je +6; push rbp; lea rsi, [rdi - 16]; pop rbp; ret */
	static const unsigned char code[] = {
	    0x48, 0x85, 0xff, 0x74, 0x06, 0x55, 0x48, 0x8d, 0x77, 0xf0, 0x5d, 0xc3};

	cr_assert_eq(mp_insn_placement(code, sizeof(code), ARGS, false), 3);
	cr_assert_eq(mp_insn_placement(code, sizeof(code), ARGS, true), 5);
}

Test(insn, only_the_null_test_may_be_passed)
{
	/* test rsi, rsi; je +1; push rbp; ret: calls with a second argument of 0 are calls */
	cr_assert_eq(PLACE(true, 0x48, 0x85, 0xf6, 0x74, 0x01, 0x55, 0xc3), 3);
	/* test rdi, rdi; jne: the other way round */
	cr_assert_eq(PLACE(true, 0x48, 0x85, 0xff, 0x75, 0x01, 0x55, 0xc3), 3);
}

Test(insn, keeps_the_test_when_nothing_good_comes_behind_it)
{
	/* test rdi, rdi; je; lea rdi, [rdi - 1] (changes the argument); push rbp; ret */
	cr_assert_eq(PLACE(true, 0x48, 0x85, 0xff, 0x74, 0x05, 0x48, 0x8d, 0x7f, 0xff, 0x55, 0xc3), 3);
}

Test(insn, never_skips_a_change_of_the_stack_pointer)
{
	cr_assert_eq(PLACE(false, 0x48, 0x83, 0xec, 0x18, 0x55, 0xc3), 0); /* sub rsp, 24; push rbp */
	cr_assert_eq(PLACE(false, 0x58, 0x55, 0xc3), 0);                   /* pop rax; push rbp */
	cr_assert_eq(PLACE(false, 0x6a, 0x01, 0x55, 0xc3), 0);             /* push 1 (stepped); push rbp */
}

Test(insn, never_skips_a_change_of_an_argument)
{
	cr_assert_eq(PLACE(false, 0x89, 0xff, 0x55, 0xc3), 0); /* mov edi, edi: clears the upper half */
	cr_assert_eq(PLACE(false, 0x48, 0x0f, 0xaf, 0xfe, 0x55, 0xc3), 0); /* imul rdi, rsi; push rbp */
	cr_assert_eq(
	    PLACE(false, 0x48, 0x89, 0xf9, 0x55, 0xc3), 3); /* mov rcx, rdi; push rbp: no argument we read */
}

Test(insn, only_wanted_arguments_are_kept)
{
	/* jemalloc 5.3 free: mov rdx, [rip + n]; jne: the third argument of free is none */
	static const unsigned char code[] = {0x48, 0x8b, 0x15, 0, 0, 0, 0, 0x75, 0x01, 0x55, 0xc3};

	cr_assert_eq(mp_insn_placement(code, sizeof(code), MP_ARG(1), true), 7);
	cr_assert_eq(mp_insn_placement(code, sizeof(code), ARGS, true), 0);
}

Test(insn, tells_emulated_from_stepped)
{
	cr_assert(mp_insn_is_emulated((const unsigned char[]){0x55}, 1));
	cr_assert(mp_insn_is_emulated((const unsigned char[]){0x75, 0x01}, 2));
	cr_assert_not(mp_insn_is_emulated((const unsigned char[]){0x48, 0x89, 0xf8}, 3));
	cr_assert_not(mp_insn_is_emulated((const unsigned char[]){0xc3}, 1));
	cr_assert_not(mp_insn_is_emulated((const unsigned char[]){0x0f}, 1), "cut short");
}

Test(insn, never_stands_behind_a_jump_target)
{
	/* mov rax, rdi; push rbp; jmp to the push: a loop into the place itself would be a second hit */
	cr_assert_eq(PLACE(false, 0x48, 0x89, 0xf8, 0x55, 0xeb, 0xfd), 0);
	/* the same with a jump to the entry */
	cr_assert_eq(PLACE(false, 0x48, 0x89, 0xf8, 0x55, 0xeb, 0xfa), 3);
}

Test(insn, ret_and_indirect_jumps_end_the_search)
{
	cr_assert_eq(PLACE(false, 0xc3, 0x55), 0);
	cr_assert_eq(PLACE(false, 0xff, 0xe0, 0x55), 0); /* jmp rax */
}

Test(insn, reads_nothing_behind_the_end)
{
	const unsigned char cut[] = {0x48, 0x85, 0xff, 0x0f, 0x84};

	for (size_t n = 0; n <= sizeof(cut); n++)
		cr_assert_eq(mp_insn_placement(cut, n, ARGS, true), 0);
}

/* As text: "+107(1..)" is a call of what lies so far from the beginning that hands the first argument on as
 * the first,
 * "+107>(.1.)" a jump there. */
static int note(void *ctx, const struct mp_insn_exit *exit)
{
	char *text = (char *)ctx + strlen(ctx);

	text += sprintf(text, "+%x%s(", (unsigned int)(exit->to - 0x1000), exit->is_jump ? ">" : "");
	for (int i = 0; i < 3; i++)
		*text++ = exit->hands_on[i] ? (char)('0' + exit->hands_on[i]) : '.';
	strcpy(text, ") ");
	return 0;
}

static const char *exits(const unsigned char *code, size_t n)
{
	static char text[256];

	*text = '\0';
	cr_assert_eq(mp_insn_each_exit(code, n, 0x1000, note, text), 0);
	return text;
}
#define EXITS(...) exits(BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))

Test(insn, finds_calls_out_of_the_function)
{
	/* jmp short inside; call rel32 +0x100 behind it */
	cr_assert_str_eq(EXITS(0xeb, 0x00, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xc3), "+107(123) ");
}

Test(insn, follows_arguments_through_registers_and_calls)
{
	/* mov rbx, rdi; call +100; mov rsi, rbx; xor edi, edi; jmp +200 */
	cr_assert_str_eq(EXITS(0x48, 0x89, 0xfb, 0xe8, 0x00, 0x01, 0x00, 0x00, 0x48, 0x89, 0xde, 0x31, 0xff,
			     0xe9, 0x00, 0x02, 0x00, 0x00),
	    "+108(123) +212>(.1.) ");
}

Test(insn, forgets_an_argument_that_one_of_two_ways_changes)
{
	/* je over; mov rdi, rsi; over: jmp +100 */
	cr_assert_str_eq(EXITS(0x74, 0x03, 0x48, 0x89, 0xf7, 0xe9, 0x00, 0x01, 0x00, 0x00), "+10a>(.23) ");
}

Test(insn, a_call_that_may_not_return_changes_nothing_behind_a_jump)
{
	/* je over; xor edi, edi; call +100; over: jmp +200 */
	cr_assert_str_eq(
	    EXITS(0x74, 0x07, 0x31, 0xff, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xe9, 0x00, 0x02, 0x00, 0x00),
	    "+109(.23) +20e>(123) ");
}

static bool passes_far(void *ctx, uint64_t to)
{
	(void)ctx;
	return to > 0x2000;
}

static bool returns_alone(bool null_is_no_call, const unsigned char *code, size_t n)
{
	return mp_insn_returns_alone(code, n, 0x1000, null_is_no_call, passes_far, NULL);
}
#define ALONE(null, ...) returns_alone(null, BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))

Test(insn, knows_a_function_that_may_return_without_a_call)
{
	cr_assert(ALONE(false, 0x90, 0xc3));
	/* jne past; call +100; ret; past: ret */
	cr_assert(ALONE(false, 0x75, 0x06, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xc3, 0xc3));
	cr_assert_not(ALONE(false, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xc3));
	cr_assert(ALONE(false, 0xe8, 0x00, 0x20, 0x00, 0x00, 0xc3), "one that passes");
	cr_assert_not(ALONE(false, 0xe9, 0x00, 0x01, 0x00, 0x00, 0xc3), "a jump out");
	cr_assert_not(ALONE(false, 0xeb, 0xfe), "a loop that never ends");
	/* jmp forward; back: ret; forward: jmp back */
	cr_assert(ALONE(false, 0xeb, 0x01, 0xc3, 0xeb, 0xfd));
}

Test(insn, the_way_of_a_null_is_no_way)
{
	/* test rdi, rdi; je past; call +100; past: ret */
	cr_assert_not(ALONE(true, 0x48, 0x85, 0xff, 0x74, 0x05, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xc3));
	cr_assert(ALONE(false, 0x48, 0x85, 0xff, 0x74, 0x05, 0xe8, 0x00, 0x01, 0x00, 0x00, 0xc3));
}

Test(insn, follows_a_conditional_jump_out)
{
	/* jne +100; ret */
	cr_assert_str_eq(EXITS(0x0f, 0x85, 0x00, 0x01, 0x00, 0x00, 0xc3), "+106>(123) ");
}

/* The ends of code at 0x1000, as text: "+3 " is a return three bytes from its beginning, "+3>0 " a jump out
 * of it to 0. */
static int take_end(void *ctx, uint64_t vaddr, bool is_jump, uint64_t to)
{
	char *text = (char *)ctx + strlen(ctx);

	sprintf(text, is_jump ? "+%x>%x " : "+%x ", (unsigned int)(vaddr - 0x1000), (unsigned int)to);
	return 0;
}

static const char *ends(const unsigned char *code, size_t n)
{
	static char text[256];
	struct mp_insn_ends out = {.end = take_end, .ctx = text};

	*text = '\0';
	int ret = mp_insn_each_end(code, n, 0x1000, &out);
	return ret ? strerror(-ret) : text;
}
#define ENDS(...) ends(BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))
#define DATA      strerror(EINVAL)

Test(insn, ends_are_returns_and_jumps_out)
{
	/* je +2; ret; nop; jmp +0x10 */
	cr_assert_str_eq(ENDS(0x74, 0x02, 0xc3, 0x90, 0xeb, 0x10), "+2 +4>1016 ");
	/* jmp +1; nop; ret: inside */
	cr_assert_str_eq(ENDS(0xeb, 0x01, 0x90, 0xc3), "+3 ");
	/* jmp *0x100(%rip) through the GOT; jmp *8(%rax) of a virtual function */
	cr_assert_str_eq(ENDS(0xff, 0x25, 0x00, 0x01, 0x00, 0x00, 0xff, 0x60, 0x08), "+0>0 +6>0 ");
	/* mov (%rdi), %rax; jmp *%rax */
	cr_assert_str_eq(ENDS(0x48, 0x8b, 0x07, 0xff, 0xe0), "+3>0 ");
}

Test(insn, the_table_of_a_switch_is_no_end)
{
	/* movslq (%rdx,%rax,4), %rax; add %rdx, %rax; jmp *%rax; ret */
	cr_assert_str_eq(ENDS(0x48, 0x63, 0x04, 0x82, 0x48, 0x01, 0xd0, 0xff, 0xe0, 0xc3), "+9 ");
	/* notrack jmp *%rax; ret */
	cr_assert_str_eq(ENDS(0x3e, 0xff, 0xe0, 0xc3), "+3 ");
	/* jmp *0x500000(,%rax,8); ret */
	cr_assert_str_eq(ENDS(0xff, 0x24, 0xc5, 0x00, 0x00, 0x50, 0x00, 0xc3), "+7 ");
	/* mov (%rdx,%rax,8), %rax; jmp *%rax; ret */
	cr_assert_str_eq(ENDS(0x48, 0x8b, 0x04, 0xc2, 0xff, 0xe0, 0xc3), "+6 ");
}

Test(insn, ends_are_not_sworn_where_data_may_be)
{
	/* lea 1(%rip), %rax; ret; .byte 0xc3 */
	cr_assert_str_eq(ENDS(0x48, 0x8d, 0x05, 0x01, 0x00, 0x00, 0x00, 0xc3, 0xc3), DATA);
	/* jmp +1; the first byte of a long mov; ret: in the middle of what was decoded */
	cr_assert_str_eq(ENDS(0xeb, 0x01, 0xb8, 0xc3, 0x00, 0x00, 0x00, 0xc3), DATA);
	/* no instruction of 64-bit code: push %es */
	cr_assert_str_eq(ENDS(0x06, 0xc3), DATA);
	/* ret; an instruction that is cut off */
	cr_assert_str_eq(ENDS(0xc3, 0x48, 0x8d), DATA);
}

Test(insn, finds_the_slot_of_a_plt_entry)
{
	const unsigned char plt[] = {0xff, 0x25, 0x10, 0x00, 0x00, 0x00}; /* jmp [rip + 16] */
	const unsigned char ibt[] = {
	    0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0x10, 0, 0, 0}; /* endbr64; bnd jmp */

	cr_assert_eq(mp_insn_stub_slot(plt, sizeof(plt), 0x1000), 0x1000 + 6 + 16);
	cr_assert_eq(mp_insn_stub_slot(ibt, sizeof(ibt), 0x1000), 0x1000 + 11 + 16);
	cr_assert_eq(mp_insn_stub_slot((const unsigned char[]){0x55, 0xc3}, 2, 0x1000), 0);
}

#else

Test(insn, stands_at_the_entry)
{
	cr_assert_eq(mp_insn_placement((const unsigned char[]){0xfd, 0x7b, 0xbf, 0xa9}, 4, 2, false), 0);
}

#endif

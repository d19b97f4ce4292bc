/* SPDX-License-Identifier: MIT */
#include "sampler/functions/expression.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static int variable(void *ctx, const char *name, uint64_t *address, struct mp_err *err)
{
	(void)ctx;
	*address = 0x5000;
	return strcmp(name, "table") ? mp_err_set(err, ENOENT, "no variable '%s'", name) : 0;
}

static bool is_mapped(void *ctx, uint64_t address, size_t n)
{
	(void)ctx;
	return address >= 0x5000 && address + n <= 0x6000;
}

static const struct mp_expression_names names = {
    .has_return = true, .variable = variable, .is_mapped = is_mapped};

static struct mp_fetch parsed(const char *text)
{
	struct mp_fetch f;
	struct mp_err err = {0};

	cr_assert_eq(mp_expression_parse(text, &names, &f, &err), 0, "%s: %s", text, err.text);
	return f;
}

static void same(const char *text, struct mp_fetch wanted)
{
	struct mp_fetch f = parsed(text);

	cr_assert_arr_eq(&f, &wanted, sizeof(f), "%s", text);
}

Test(function_expression, values)
{
	same("128", (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = 128});
	same("0x10 + 2", (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = 18});
	same("arg5", (struct mp_fetch){.from = MP_FETCH_ARG, .number = 5});
	same("ret-16", (struct mp_fetch){.from = MP_FETCH_RETURNED, .add = {-16}});
	same("u32(arg1)", (struct mp_fetch){.from = MP_FETCH_ARG, .number = 1, .bytes = {4}});
	same("u64(ret)", (struct mp_fetch){.from = MP_FETCH_RETURNED});
	same("u32@arg0+16", (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 1, .bytes = {4}, .add = {16}});
	same("s16 @ ( arg0 + 8 )",
	    (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 1, .bytes = {(unsigned char)-2}, .add = {8}});
	same("u32@(u64@arg0+8)+16",
	    (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 2, .bytes = {8, 4}, .add = {8, 16}});
	same("(u32@arg0+16)-1",
	    (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 1, .bytes = {4}, .add = {16, -1}});
	same("*arg0", (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 1, .bytes = {8}});
	same("**arg0", (struct mp_fetch){.from = MP_FETCH_ARG, .n_reads = 2, .bytes = {8, 8}});
	same("table+8", (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = 0x5008});
	same("@table+8",
	    (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = 0x5008, .n_reads = 1, .bytes = {8}});
	same("u8@0x5fff",
	    (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = 0x5fff, .n_reads = 1, .bytes = {1}});
}

Test(function_expression, errors)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} bad[] = {
	    {"", -EINVAL,
		"'': expected a number, arg0 to arg5, ret, a type with @, or a variable at its end"},
	    {"arg6", -EINVAL, "unknown argument arg6: functions get theirs in registers as arg0 to arg5"},
	    {"arg99999", -EINVAL, "unknown argument arg99999"},
	    {"u32@", -EINVAL, "at its end"},
	    {"u32", -EINVAL, "'u32': expected '@' behind a type at its end"},
	    {"u32@arg0+", -EINVAL, "'u32@arg0+': expected a number at its end"},
	    {"arg0 arg1", -EINVAL, "'arg0 arg1': expected nothing more at 'arg1'"},
	    {"(arg0", -EINVAL, "expected ')' at its end"},
	    {"12x", -EINVAL, "expected a number at '12x'"},
	    {"0x", -EINVAL, "expected a number"},
	    {"99999999999999999999", -ERANGE, "number out of range: it has more than 64 bits"},
	    {"u8@arg0+4294967296", -ERANGE, "number out of range: offsets are of 31 bits"},
	    {"u8@arg0+2147483647+1", -ERANGE, "number out of range"},
	    {"u8@(u64@(u64@(u64@arg0)))", -E2BIG, "more than 3 reads in one another"},
	    {"u8@(u32@arg0)", -EINVAL, "read it with u64 before something is read there"},
	    {"u8@u32(arg0)", -EINVAL, "an address has 64 bits"},
	    {"u8(u8@arg0)", -EINVAL, "in brackets behind a type there is an argument or ret"},
	    {"*arg0+8", -EINVAL, "write u64@... + N or (*...) + N"},
	    {"((((((((((((((((((1))))))))))))))))))", -E2BIG, "more than 16 brackets"},
	    {"*****************arg0", -E2BIG, "reads in one another"},
	    {"u64@0x4fff", -EFAULT, "address outside the target: nothing is mapped at 0x4fff"},
	    {"u64@table+0x1000", -EFAULT, "address outside the target"},
	    {"tabel", -ENOENT, "no variable 'tabel'"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mp_fetch f;
		struct mp_err err = {0};
		cr_expect_eq(
		    mp_expression_parse(bad[i].text, &names, &f, &err), bad[i].code, "%s", bad[i].text);
		cr_expect(strstr(err.text, bad[i].says), "%s: %s", bad[i].text, err.text);
	}
}

Test(function_expression, a_probe_returns_nothing)
{
	const struct mp_expression_names probe = {.has_return = false};
	struct mp_fetch f;
	struct mp_err err = {0};

	cr_assert_eq(mp_expression_parse("ret", &probe, &f, &err), -EINVAL);
	cr_assert_str_eq(err.text, "'ret': ret: a USDT probe is a place in the code, which returns nothing");
}

#ifdef __x86_64__
Test(function_expression, arguments_of_usdt_probes)
{
	static const char args[] =
	    "8@%rdi -4@12(%rbp) 4@$3 1@%r9b 8@(%rsp) 4@sym(%rip) 8@%ah -8@-8(%rax,%rdx,4)";
	static const struct mp_fetch wanted[] = {
	    {.from = MP_FETCH_REGISTER, .number = 5},
	    {.from = MP_FETCH_REGISTER, .number = 6, .n_reads = 1, .bytes = {(unsigned char)-4}, .add = {12}},
	    {.from = MP_FETCH_CONSTANT, .constant = 3},
	    {.from = MP_FETCH_REGISTER, .number = 9, .bytes = {1}},
	    {.from = MP_FETCH_REGISTER, .number = 7, .n_reads = 1, .bytes = {8}},
	};
	struct mp_fetch f;
	struct mp_err err = {0};

	for (unsigned int i = 0; i < 5; i++) {
		cr_assert_eq(mp_expression_usdt_argument(args, i, &f, &err), 0, "%u: %s", i, err.text);
		cr_assert_arr_eq(&f, &wanted[i], sizeof(f), "%u", i);
	}
	for (unsigned int i = 5; i < 8; i++)
		cr_assert_eq(mp_expression_usdt_argument(args, i, &f, &err), -EINVAL, "%u", i);
	cr_assert_eq(mp_expression_usdt_argument(args, 8, &f, &err), -EINVAL);
	cr_assert_str_eq(err.text, "unknown argument arg8: the probe has 8, the last is arg7");
	cr_assert_eq(mp_expression_usdt_argument("", 0, &f, &err), -EINVAL);
	cr_assert_str_eq(err.text, "unknown argument arg0: the probe has none");
}
#endif

/* SPDX-License-Identifier: MIT */
#include "sampler/functions/expression.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/insn.h"
#include "store/op.h"

#define DEPTH_MAX 16 /* of brackets */

struct parser {
	const char *text, *at;
	const struct mp_expression_names *names;
	unsigned int depth;
	struct mp_err *err;
};

static int value(struct parser *p, struct mp_fetch *out);
static int place(struct parser *p, struct mp_fetch *out);

static void skip_space(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

static bool take_char(struct parser *p, char c)
{
	skip_space(p);
	if (*p->at != c)
		return false;
	p->at++;
	return true;
}

/* Identifiers, those of C++ in namespaces also. */
static size_t word_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("_$.", s[n])) ||
	       (s[n] == ':' && s[n + 1] == ':') || (n && s[n] == ':' && s[n - 1] == ':'))
		n++;
	return n;
}

static int not_understood(const struct parser *p, const char *expected)
{
	return *p->at ? mp_err_set(p->err, EINVAL, "'%s': expected %s at '%s'", p->text, expected, p->at)
		      : mp_err_set(p->err, EINVAL, "'%s': expected %s at its end", p->text, expected);
}

/* 1 2 4 8, negative for signed ones; 0: no type. */
static int type_bytes(const char *word, size_t n)
{
	static const struct {
		const char *name;
		int bytes;
	} types[] = {
	    {"u8", 1}, {"u16", 2}, {"u32", 4}, {"u64", 8}, {"s8", -1}, {"s16", -2}, {"s32", -4}, {"s64", -8}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strlen(types[i].name) == n && !strncmp(word, types[i].name, n))
			return types[i].bytes;
	return 0;
}

static int number(struct parser *p, uint64_t *out)
{
	char *end;
	int base = p->at[0] == '0' && (p->at[1] == 'x' || p->at[1] == 'X') ? 16 : 10;

	errno = 0;
	*out = strtoull(p->at, &end, base);
	if (errno == ERANGE)
		return mp_err_set(
		    p->err, ERANGE, "'%s': number out of range: it has more than 64 bits", p->text);
	if (isalnum((unsigned char)*end) || *end == '_' || *end == '.' || (base == 16 && end == p->at + 1))
		return not_understood(p, "a number");
	p->at = end;
	return 0;
}

static int add(struct parser *p, struct mp_fetch *f, uint64_t n, bool is_minus)
{
	int64_t sum;

	if (f->from == MP_FETCH_CONSTANT && !f->n_reads) {
		f->constant += is_minus ? -n : n;
		return 0;
	}
	if (n > INT_MAX || (sum = f->add[f->n_reads] + (is_minus ? -(int64_t)n : (int64_t)n)) > INT_MAX ||
	    sum < INT_MIN)
		return mp_err_set(
		    p->err, ERANGE, "'%s': number out of range: offsets are of 31 bits", p->text);
	f->add[f->n_reads] = (int)sum;
	return 0;
}

static int offsets(struct parser *p, struct mp_fetch *f)
{
	int ret = 0;

	for (bool is_minus; !ret;) {
		uint64_t n = 0;
		is_minus = take_char(p, '-');
		if (!is_minus && !take_char(p, '+'))
			break;
		skip_space(p);
		ret = isdigit((unsigned char)*p->at) ? number(p, &n) : not_understood(p, "a number");
		if (!ret)
			ret = add(p, f, n, is_minus);
	}
	return ret;
}

/* One more read behind what the fetch gives so far. */
static int read_there(struct parser *p, struct mp_fetch *f, int bytes)
{
	size_t n = (size_t)abs(bytes);

	if (f->n_reads == 0 && f->bytes[0])
		return mp_err_set(
		    p->err, EINVAL, "'%s': an address has 64 bits: the lower part of one is none", p->text);
	if (f->n_reads == MP_FETCH_READS)
		return mp_err_set(
		    p->err, E2BIG, "'%s': more than %d reads in one another", p->text, MP_FETCH_READS);
	if (f->from == MP_FETCH_CONSTANT && !f->n_reads && p->names->is_mapped &&
	    !p->names->is_mapped(p->names->ctx, f->constant, n))
		return mp_err_set(p->err, EFAULT,
		    "'%s': address outside the target: nothing is mapped at 0x%llx", p->text, f->constant);
	/* What is read of an address is all of it. */
	if (f->n_reads && f->bytes[f->n_reads - 1] != 8)
		return mp_err_set(p->err, EINVAL,
		    "'%s': an address has 64 bits: read it with u64 before something is read there", p->text);
	f->bytes[f->n_reads++] = (unsigned char)bytes;
	return 0;
}

/* `type @ value`: the offsets belong to the address. */
static int typed_read(struct parser *p, struct mp_fetch *out, int bytes)
{
	int ret = place(p, out);

	if (!ret)
		ret = offsets(p, out);
	return ret ? ret : read_there(p, out, bytes);
}

/* `* place`: C would add what follows to what was read, and `@` to the address. */
static int starred(struct parser *p, struct mp_fetch *out)
{
	int ret = place(p, out);

	if (!ret)
		ret = read_there(p, out, 8);
	skip_space(p);
	if (!ret && (*p->at == '+' || *p->at == '-'))
		return mp_err_set(p->err, EINVAL,
		    "'%s': an offset behind * may be meant of the address or of the value: write u64@... %c "
		    "N or "
		    "(*...) %c N",
		    p->text, *p->at, *p->at);
	return ret;
}

static int bracketed(struct parser *p, struct mp_fetch *out)
{
	if (p->depth++ == DEPTH_MAX)
		return mp_err_set(
		    p->err, E2BIG, "'%s': more than %d brackets in one another", p->text, DEPTH_MAX);
	int ret = value(p, out);
	p->depth--;
	if (!ret && !take_char(p, ')'))
		ret = not_understood(p, "')'");
	return ret;
}

/* `type ( place )`: the upper part of a register is not told by the ABI where an argument has fewer bytes. */
static int lower_part(struct parser *p, struct mp_fetch *out, int bytes)
{
	int ret = bracketed(p, out);

	if (ret)
		return ret;
	if (out->n_reads || out->add[0] || out->bytes[0] || out->from == MP_FETCH_CONSTANT)
		return mp_err_set(p->err, EINVAL,
		    "'%s': in brackets behind a type there is an argument or ret; memory is read with @",
		    p->text);
	out->bytes[0] = bytes == 8 || bytes == -8 ? 0 : (unsigned char)bytes;
	return 0;
}

static int argument(struct parser *p, const char *digits, size_t n, struct mp_fetch *out)
{
	unsigned int i = n < 4 ? (unsigned int)strtoul(digits, NULL, 10) : UINT_MAX;

	if (p->names->argument)
		return p->names->argument(p->names->ctx, i, out, p->err);
	if (i >= MP_FETCH_ARGS)
		return mp_err_set(p->err, EINVAL,
		    "'%s': unknown argument arg%.*s: functions get theirs in registers as arg0 to arg%d "
		    "here, "
		    "what comes "
		    "on the stack is not seen",
		    p->text, (int)n, digits, MP_FETCH_ARGS - 1);
	*out = (struct mp_fetch){.from = MP_FETCH_ARG, .number = (unsigned char)i};
	return 0;
}

static int variable(struct parser *p, const char *word, size_t n, struct mp_fetch *out)
{
	char name[256];
	uint64_t address = 0;
	int ret = 0;

	if (n >= sizeof(name))
		return mp_err_set(
		    p->err, EINVAL, "'%s': a name of more than %zu bytes", p->text, sizeof(name) - 1);
	memcpy(name, word, n);
	name[n] = 0;
	if (p->names->variable)
		ret = p->names->variable(p->names->ctx, name, &address, p->err);
	*out = (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = address};
	return ret;
}

static int named(struct parser *p, struct mp_fetch *out)
{
	const char *word = p->at;
	size_t n = word_length(word);
	int bytes = type_bytes(word, n);

	p->at += n;
	if (bytes && take_char(p, '@'))
		return typed_read(p, out, bytes);
	if (bytes && take_char(p, '('))
		return lower_part(p, out, bytes);
	if (bytes)
		return not_understood(p, "'@' behind a type");
	if (n > 3 && !strncmp(word, "arg", 3) && strspn(word + 3, "0123456789") >= n - 3)
		return argument(p, word + 3, n - 3, out);
	if (n != 3 || strncmp(word, "ret", 3))
		return variable(p, word, n, out);
	if (!p->names->has_return)
		return mp_err_set(p->err, EINVAL,
		    "'%s': ret: a USDT probe is a place in the code, which returns nothing", p->text);
	*out = (struct mp_fetch){.from = MP_FETCH_RETURNED};
	return 0;
}

static int place(struct parser *p, struct mp_fetch *out)
{
	skip_space(p);
	if (take_char(p, '('))
		return bracketed(p, out);
	if (*p->at == '@' || *p->at == '*') {
		if (p->depth++ == DEPTH_MAX)
			return mp_err_set(p->err, E2BIG, "'%s': more than %d reads in one another", p->text,
			    MP_FETCH_READS);
		int ret = *p->at++ == '@' ? typed_read(p, out, 8) : starred(p, out);
		p->depth--;
		return ret;
	}
	if (isdigit((unsigned char)*p->at)) {
		uint64_t n;
		int ret = number(p, &n);
		*out = (struct mp_fetch){.from = MP_FETCH_CONSTANT, .constant = ret ? 0 : n};
		return ret;
	}
	return word_length(p->at)
		   ? named(p, out)
		   : not_understood(p, "a number, arg0 to arg5, ret, a type with @, or a variable");
}

static int value(struct parser *p, struct mp_fetch *out)
{
	int ret = place(p, out);

	return ret ? ret : offsets(p, out);
}

int mp_expression_parse(
    const char *text, const struct mp_expression_names *names, struct mp_fetch *out, struct mp_err *err)
{
	struct parser p = {.text = text, .at = text, .names = names, .err = err};

	*out = (struct mp_fetch){0};
	int ret = value(&p, out);
	skip_space(&p);
	if (!ret && *p.at)
		ret = not_understood(&p, "nothing more");
	return ret;
}

unsigned int mp_expression_needs(const struct mp_fetch *f)
{
	return (f->from == MP_FETCH_ARG ? MP_ARG(f->number + 1u) : 0) | (f->n_reads ? MP_INSN_MEMORY : 0);
}

/* ---- Arguments of USDT probes ---- */

#ifdef __x86_64__

/* DWARF's numbers (System V ABI, AMD64 supplement, figure 3.36), and the names of the lower parts. */
static const struct {
	const char *names[5];
} registers[] = {
    {{"rax", "eax", "ax", "al", "ah"}},
    {{"rdx", "edx", "dx", "dl", "dh"}},
    {{"rcx", "ecx", "cx", "cl", "ch"}},
    {{"rbx", "ebx", "bx", "bl", "bh"}},
    {{"rsi", "esi", "si", "sil"}},
    {{"rdi", "edi", "di", "dil"}},
    {{"rbp", "ebp", "bp", "bpl"}},
    {{"rsp", "esp", "sp", "spl"}},
    {{"r8", "r8d", "r8w", "r8b"}},
    {{"r9", "r9d", "r9w", "r9b"}},
    {{"r10", "r10d", "r10w", "r10b"}},
    {{"r11", "r11d", "r11w", "r11b"}},
    {{"r12", "r12d", "r12w", "r12b"}},
    {{"r13", "r13d", "r13w", "r13b"}},
    {{"r14", "r14d", "r14w", "r14b"}},
    {{"r15", "r15d", "r15w", "r15b"}},
};

#define HIGH_BYTE 4 /* index of ah and its like, which are no lower part */

static int register_number(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++)
		for (size_t k = 0; k < HIGH_BYTE; k++)
			if (strlen(registers[i].names[k]) == n && !strncmp(registers[i].names[k], name, n))
				return (int)i;
	return -1;
}

/* "%rdi", "12(%rbp)", "$3" (GNU assembler, AT&T). */
static bool operand(const char *s, size_t n, struct mp_fetch *out, bool *is_memory)
{
	char *end = NULL;
	long long at = 0;

	*is_memory = false;
	if (n > 1 && s[0] == '$') {
		out->from = MP_FETCH_CONSTANT;
		out->constant = (unsigned long long)strtoll(s + 1, &end, 0);
		return end == s + n;
	}
	if (s[0] != '%') {
		at = strtoll(s, &end, 0);
		if (at < INT_MIN || at > INT_MAX || (size_t)(end - s) + 3 > n || end[0] != '(' ||
		    s[n - 1] != ')')
			return false;
		n -= (size_t)(end - s) + 2;
		s = end + 1;
		*is_memory = true;
		out->add[0] = (int)at;
	}
	int number = n && s[0] == '%' ? register_number(s + 1, n - 1) : -1;
	out->from = MP_FETCH_REGISTER;
	out->number = (unsigned char)number;
	return number >= 0;
}

#else

/* DWARF's numbers (DWARF for the Arm 64-bit architecture, 4.1): x0 to x30, sp. */
static int register_number(const char *name, size_t n)
{
	char *end;

	if (n == 2 && !strncmp(name, "sp", 2))
		return 31;
	if (n < 2 || n > 3 || (name[0] != 'x' && name[0] != 'w') || !isdigit((unsigned char)name[1]))
		return -1;
	unsigned long i = strtoul(name + 1, &end, 10);
	return end == name + n && i <= 30 ? (int)i : -1;
}

/* "x0", "[sp, 12]", "3" (as GCC and Clang write them into notes). */
static bool operand(const char *s, size_t n, struct mp_fetch *out, bool *is_memory)
{
	char *end = NULL;
	long long at = 0;

	*is_memory = n > 2 && s[0] == '[' && s[n - 1] == ']';
	if (!*is_memory && (isdigit((unsigned char)s[0]) || s[0] == '-')) {
		out->from = MP_FETCH_CONSTANT;
		out->constant = (unsigned long long)strtoll(s, &end, 0);
		return end == s + n;
	}
	if (*is_memory) {
		const char *comma = memchr(s, ',', n);
		s++;
		n -= 2;
		if (comma) {
			at = strtoll(comma + 1, &end, 0);
			if (end != s + n || at < INT_MIN || at > INT_MAX)
				return false;
			n = (size_t)(comma - s);
		}
		out->add[0] = (int)at;
	}
	int number = register_number(s, n);
	out->from = MP_FETCH_REGISTER;
	out->number = (unsigned char)number;
	return number >= 0;
}

#endif

/* The length of the argument at the beginning of `s`: to the next space that is in no brackets. */
static size_t argument_length(const char *s)
{
	size_t n = 0;

	for (bool in = false; s[n] && (in || s[n] != ' '); n++)
		in = s[n] == '[' || (in && s[n] != ']');
	return n;
}

static bool usdt_argument(const char *s, size_t n, struct mp_fetch *out)
{
	char *end;
	bool is_memory;
	long bytes = strtol(s, &end, 10), width = labs(bytes);
	size_t head = (size_t)(end - s) + 1;

	if (end == s || *end != '@' || head >= n || (width != 1 && width != 2 && width != 4 && width != 8) ||
	    !operand(s + head, n - head, out, &is_memory))
		return false;
	if (is_memory || (width != 8 && out->from == MP_FETCH_REGISTER))
		out->bytes[0] = (unsigned char)bytes;
	out->n_reads = is_memory;
	return true;
}

int mp_expression_usdt_argument(
    const char *args, unsigned int number, struct mp_fetch *out, struct mp_err *err)
{
	unsigned int i = 0;

	*out = (struct mp_fetch){0};
	for (const char *s = args + strspn(args, " "); *s; i++) {
		size_t n = argument_length(s);
		if (i == number && usdt_argument(s, n, out))
			return 0;
		if (i == number)
			return mp_err_set(err, EINVAL,
			    "unknown argument arg%u: it is at '%.*s', where a probe does not look", number,
			    (int)n, s);
		s += n;
		s += strspn(s, " ");
	}
	return i ? mp_err_set(err, EINVAL, "unknown argument arg%u: the probe has %u, the last is arg%u",
		       number, i, i - 1)
		 : mp_err_set(err, EINVAL, "unknown argument arg%u: the probe has none", number);
}

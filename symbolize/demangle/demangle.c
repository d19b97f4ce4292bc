/* SPDX-License-Identifier: MIT */
#include "symbolize/demangle/demangle_private.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

/* A longer mangled name stays as it is. (libiberty's own limit for C++ is lower: its DMGL_NO_RECURSE_LIMIT,
 * never set here, would let a name overflow the stack.) */
#define MANGLED_MAX 4096

/* What a demangled name may expand to before it is shortened: one of 1000 characters whose substitutions
 * double each other would fill any memory. */
#define EXPANDED_MAX 32768

struct expansion {
	size_t n;
	jmp_buf too_long;
	char text[EXPANDED_MAX];
};

static void append(const char *s, size_t n, void *opaque)
{
	struct expansion *x = opaque;

	if (!n)
		return; /* `s` may be NULL */
	/* The demanglers have no way to be stopped by their output. They hold no resource that matters at
	 * this point (in one Rust case, a few bytes are lost), so they are jumped out of. */
	if (n >= sizeof(x->text) - x->n)
		longjmp(x->too_long, 1);
	memcpy(x->text + x->n, s, n);
	x->n += n;
}

static bool demangle(const char *mangled, struct expansion *x)
{
	x->n = 0;
	if (setjmp(x->too_long))
		return false;
	if (mangled[0] == '_' && mangled[1] == 'D')
		return mp_demangle_d(mangled, x->text, sizeof(x->text));
	/* Legacy Rust names are valid C++ ones with a hash at the end: Rust first. */
	bool done = rust_demangle_callback(mangled, DMGL_ANSI, append, x);
	if (!done) {
		x->n = 0;
		done = mangled[0] == '_' && mangled[1] == 'Z' &&
		       cplus_demangle_v3_callback(mangled, DMGL_ANSI, append, x);
	}
	x->text[x->n] = '\0';
	return done && x->n;
}

/* Behind "operator": the length of an operator's own angle brackets and arrows, which are no template. */
static size_t operator_length(const char *s)
{
	static const char *const signs[] = {
	    "<=>", "<<=", ">>=", "->*", "->", "<<", ">>", "<=", ">=", "<", ">"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strncmp(s, signs[i], strlen(signs[i])) == 0)
			return strlen(signs[i]);
	return 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

/* The length of an operator's name at `s`, which stands at `at` in a name, with its signs; 0 for others. */
static size_t operator_name(const char *name, size_t at)
{
	static const char word[] = "operator";

	if (strncmp(name + at, word, sizeof(word) - 1) != 0 || (at && is_word(name[at - 1])))
		return 0;
	size_t signs = operator_length(name + at + sizeof(word) - 1);
	return signs ? sizeof(word) - 1 + signs : 0;
}

/* The length of the bracketed arguments that begin at `at`, brackets included; 0 when unbalanced. */
static size_t args_length(const char *name, size_t at)
{
	bool round = name[at] == '(';
	int angles = 0, parens = 0;

	for (size_t i = at; name[i];) {
		size_t op = round ? 0 : operator_name(name, i);

		if (op) {
			i += op;
			continue;
		}
		char c = name[i++];
		if (c == '-' && name[i] == '>')
			i++;
		else if (c == '(' || c == '[' || c == '{')
			parens++;
		else if (c == ')' || c == ']' || c == '}')
			parens--;
		else if (parens == 0 && c == '<')
			angles++;
		else if (parens == 0 && c == '>')
			angles--;
		else
			continue;
		if (parens == 0 && (round || angles == 0))
			return i - at;
	}
	return 0;
}

/*
 * Whether template arguments begin at `at`: with '<' behind a name, "operator()", "operator<< ", or in Rust
 * "::"; with '(' behind D's '!'. "<T as Trait>::f", which tells whose f it is, has nothing or punctuation
 * before it.
 */
static bool opens_arguments(const char *name, size_t at)
{
	char before = at ? name[at - 1] : 0;

	if (name[at] == '(')
		return before == '!';
	if (name[at] != '<' || !at)
		return false;
	if (before == ' ')
		return at > 1 && strchr("<>=", name[at - 2]);
	return is_word(before) || before == ':' || before == ')';
}

void mp_shorten_templates(char *name)
{
	size_t in = 0, out = 0;

	while (name[in]) {
		size_t copy = operator_name(name, in);

		if (!copy && opens_arguments(name, in)) {
			copy = args_length(name, in);
			if (copy > MP_TEMPLATE_ARGS_MAX + 2) {
				memcpy(name + out, name[in] == '(' ? "(...)" : "<...>", 5);
				out += 5;
				in += copy;
				continue;
			}
			if (!copy)
				copy = strlen(name + in);
		}
		if (!copy)
			copy = 1;
		memmove(name + out, name + in, copy);
		out += copy;
		in += copy;
	}
	name[out] = '\0';
}

/* Copies `n` characters of `s`, cut to what fits, with control characters replaced. */
static void copy_bounded(char *out, const char *s, size_t n, bool long_names)
{
	size_t room = long_names ? MP_DEMANGLED_MAX : MP_SHORT_NAME_MAX;
	bool cut = n >= room;

	if (cut)
		n = room - 4;
	while (cut && n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not within a UTF-8 character */
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
	strcpy(out + n, cut ? "..." : "");
}

/*
 * The length without what compilers append to their clones of a function ("insert.isra.0",
 * "insert.part.0.cold"): for a reader it is the function that he wrote. Rust's legacy names hold dots of
 * other kinds.
 */
static size_t without_clone_suffix(const char *raw, size_t n)
{
	static const char *const clones[] = {
	    ".isra.", ".constprop.", ".part.", ".cold", ".lto_priv.", ".llvm."};
	const char *dot = n > 1 ? memchr(raw + 1, '.', n - 1) : NULL;

	for (size_t i = 0; dot && i < sizeof(clones) / sizeof(*clones); i++)
		if (!strncmp(dot, clones[i], strlen(clones[i])))
			return (size_t)(dot - raw);
	return n;
}

void mp_demangle(const char *raw, bool long_names, char out[static MP_DEMANGLED_MAX])
{
	char mangled[MANGLED_MAX + 1];
	struct expansion x;
	size_t n = strnlen(raw, MANGLED_MAX + 1);

	/* "name@VERSION" and "name@@VERSION"; JavaScript names hold '@' too, but no perf map comes through
	 * here. */
	const char *version = n ? memchr(raw + 1, '@', n - 1) : NULL;
	if (version)
		n = (size_t)(version - raw);
	n = without_clone_suffix(raw, n);
	if (n > MANGLED_MAX) {
		copy_bounded(out, raw, n, long_names);
		return;
	}
	memcpy(mangled, raw, n);
	mangled[n] = '\0';
	/* Debug information has names with template arguments, too, that were never mangled. */
	if (raw[0] != '_' || !demangle(mangled, &x))
		memcpy(x.text, mangled, n + 1);
	if (!long_names)
		mp_shorten_templates(x.text);
	copy_bounded(out, x.text, strlen(x.text), long_names);
}

/* Where the parameters begin: at the bracket that the last one closes, "operator()" aside. NULL: there are
 * none. */
static const char *parameters(const char *full)
{
	const char *end = strrchr(full, ')');
	int depth = 0;

	for (const char *p = end; p && p >= full; p--) {
		depth += (*p == ')') - (*p == '(');
		if (depth == 0)
			return p;
	}
	return NULL;
}

void mp_demangle_parameters(const char *raw, char out[static MP_DEMANGLED_MAX])
{
	char mangled[MANGLED_MAX + 1];
	struct expansion x = {.n = 0};
	size_t n = without_clone_suffix(raw, strcspn(raw, "@"));

	out[0] = '\0';
	if (n > MANGLED_MAX || n < 2 || raw[0] != '_' || raw[1] != 'Z')
		return;
	memcpy(mangled, raw, n);
	mangled[n] = '\0';
	if (setjmp(x.too_long) || !cplus_demangle_v3_callback(mangled, DMGL_ANSI | DMGL_PARAMS, append, &x))
		return;
	x.text[x.n] = '\0';
	const char *found = parameters(x.text);
	if (found)
		copy_bounded(out, found, strlen(found), true);
}

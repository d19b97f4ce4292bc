/* SPDX-License-Identifier: MIT */
#include "sampler/functions/text.h"
#include "store/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t trimmed(const char **s, size_t n)
{
	while (n && (**s == ' ' || **s == '\t'))
		++*s, n--;
	while (n && ((*s)[n - 1] == ' ' || (*s)[n - 1] == '\t'))
		n--;
	return n;
}

static void copy_trimmed(char *out, const char *s, size_t n)
{
	n = trimmed(&s, n);
	memcpy(out, s, n);
	out[n] = 0;
}

/* Where the bracket opens that the last character closes; `n`: it is none, or nothing opens it. */
static size_t last_bracket(const char *s, size_t n)
{
	int depth = 0;

	for (size_t i = n; i--;) {
		depth += (s[i] == ')') - (s[i] == '(');
		if (depth == 0)
			return i == n - 1 ? n : i;
	}
	return n;
}

/* "a, b and c" */
static void list_names(const char *const *names, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; names[i] && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s",
		    !i             ? ""
		    : names[i + 1] ? ", "
				   : " and ",
		    names[i]);
}

static int set_value(
    struct mp_function_text *out, const char *const *names, const char *s, size_t n, struct mp_err *err)
{
	const char *equals = memchr(s, '=', n);
	struct mp_nearest nearest;
	char key[32], hint[160], list[160] = "";

	if (!equals)
		return mp_err_set(err, EINVAL, "'%.*s': expected NAME=VALUE in the brackets", (int)n, s);
	const char *begin = s;
	size_t length = trimmed(&begin, (size_t)(equals - s));
	snprintf(key, sizeof(key), "%.*s", (int)length, begin);
	nearest = (struct mp_nearest){.wanted = key};
	for (size_t v = 0; names[v]; v++) {
		mp_nearest_offer(&nearest, names[v]);
		if (strcmp(names[v], key))
			continue;
		if (out->values[v][0])
			return mp_err_set(err, EINVAL, "%s= is given twice", key);
		copy_trimmed(out->values[v], equals + 1, n - (size_t)(equals + 1 - s));
		return out->values[v][0] ? 0 : mp_err_set(err, EINVAL, "%s= without a value", key);
	}
	mp_nearest_tell(&nearest, hint, sizeof(hint));
	list_names(names, list, sizeof(list));
	return mp_err_set(err, EINVAL, "unknown value '%s=': there are %s%s", key, list, hint);
}

/* "pool=arg0, ptr=u64@(arg1+8)" */
static int set_values(
    struct mp_function_text *out, const char *const *names, const char *s, size_t n, struct mp_err *err)
{
	int ret = 0;

	for (size_t begin = 0, i = 0, depth = 0; !ret && i <= n; i++) {
		if (i == n || (s[i] == ',' && !depth)) {
			ret = set_value(out, names, s + begin, i - begin, err);
			begin = i + 1;
		} else {
			depth += s[i] == '(';
			depth -= s[i] == ')' && depth;
		}
	}
	return ret;
}

/* What follows parameters: "() const &". */
static size_t without_qualifiers(const char *s, size_t n)
{
	static const char *const words[] = {"const", "volatile", "&&", "&"};

	for (bool again = true; again;) {
		again = false;
		n = trimmed(&s, n);
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			size_t length = strlen(words[i]);
			const char *before = s + n - length - 1;
			if (n > length && !strncmp(s + n - length, words[i], length) &&
			    (*before == ' ' || *before == ')')) {
				n -= length;
				again = true;
				break;
			}
		}
	}
	return n;
}

/* Both brackets of "operator()" belong to its name. */
static bool is_call_operator(const char *s, size_t open)
{
	static const char word[] = "operator";
	size_t n = trimmed(&s, open);

	return n >= sizeof(word) - 1 && !strncmp(s + n - (sizeof(word) - 1), word, sizeof(word) - 1);
}

/* "CLASS:2" */
static int split_virtual(struct mp_function_text *out, struct mp_err *err)
{
	char *colon = strrchr(out->name, ':');

	if (!colon || colon == out->name || colon[-1] == ':' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] || strlen(colon + 1) > 4)
		return mp_err_set(err, EINVAL, "a virtual function is written virtual:CLASS:NUMBER(...)");
	out->is_virtual = true;
	out->slot = (unsigned int)strtoul(colon + 1, NULL, 10);
	*colon = 0;
	return 0;
}

/* A number behind `mark`, at `*s`, which it moves on. */
static bool take_number(char **s, char mark, unsigned int least, unsigned int most, unsigned int *out)
{
	char *end;

	if (**s != mark || !isdigit((unsigned char)(*s)[1]))
		return false;
	errno = 0;
	unsigned long n = strtoul(*s + 1, &end, strncmp(*s + 1, "0x", 2) ? 10 : 16);
	**s = 0;
	*s = end;
	*out = (unsigned int)n;
	return !errno && n >= least && n <= most;
}

/* "VARIABLE", "VARIABLE+112", "VARIABLE+112:128:16" */
static int split_pointer(struct mp_function_text *out, struct mp_err *err)
{
	/* The colons of C++ come two at a time. */
	char *at = strchr(out->name, '+'), *end = out->name + strlen(out->name);

	out->is_pointer = true;
	out->slots = 1;
	if (!at)
		for (at = strchr(out->name, ':'); at && at[1] == ':';)
			at = strchr(at + 2, ':');
	if (!at)
		at = end;
	bool has_name = at != out->name;
	bool is_right = *at != '+' || take_number(&at, '+', 0, INT_MAX, &out->offset);
	if (is_right && *at)
		is_right = take_number(&at, ':', 8, 1u << 20, &out->step) &&
			   take_number(&at, ':', 1, MP_FUNCTION_SLOTS_MAX, &out->slots);
	if (is_right && has_name && at == end)
		return 0;
	return mp_err_set(err, EINVAL,
	    "a function that a variable leads to is written pointer:VARIABLE+OFFSET(...), and a table of "
	    "them pointer:VARIABLE+OFFSET:BYTES:COUNT(...), with at least 8 bytes and 1 to %d of them",
	    MP_FUNCTION_SLOTS_MAX);
}

static int split_usdt(struct mp_function_text *out, struct mp_err *err)
{
	const char *colon = strchr(out->name, ':');

	out->is_usdt = true;
	return colon && colon != out->name && colon[1] && !strchr(colon + 1, ':')
		   ? 0
		   : mp_err_set(err, EINVAL, "a USDT probe is written usdt:PROVIDER:NAME(...)");
}

/* A name that begins with what says how the function is found. */
static bool split_prefixed(
    struct mp_function_text *out, const char *s, size_t n, int *ret, struct mp_err *err)
{
	static const struct {
		const char *prefix;
		int (*split)(struct mp_function_text *out, struct mp_err *err);
	} forms[] = {{"virtual:", split_virtual}, {"pointer:", split_pointer}, {"usdt:", split_usdt}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		size_t length = strlen(forms[i].prefix);
		if (n < length || strncmp(s, forms[i].prefix, length))
			continue;
		copy_trimmed(out->name, s + length, n - length);
		*ret = forms[i].split(out, err);
		return true;
	}
	return false;
}

static int split_name(struct mp_function_text *out, const char *s, size_t n, struct mp_err *err)
{
	size_t all, open;
	int ret;

	n = trimmed(&s, n);
	all = n;
	if (split_prefixed(out, s, n, &ret, err))
		return ret;
	n = without_qualifiers(s, n);
	open = last_bracket(s, n);
	if (open < n && !is_call_operator(s, open)) {
		copy_trimmed(out->name, s, open);
		copy_trimmed(out->parameters, s + open, all - open);
	} else {
		copy_trimmed(out->name, s, all);
	}
	return out->name[0] ? 0 : mp_err_set(err, EINVAL, "no name of a function before the brackets");
}

int mp_function_text_parse(
    const char *text, const char *const *names, struct mp_function_text *out, struct mp_err *err)
{
	size_t n = strlen(text), open = last_bracket(text, n);
	int depth = 0;

	memset(out, 0, sizeof(*out));
	if (n >= MP_FUNCTION_TEXT_MAX)
		return mp_err_set(
		    err, EINVAL, "a function's text of more than %d bytes", MP_FUNCTION_TEXT_MAX - 1);
	for (size_t i = 0; i < n && depth >= 0; i++)
		depth += (text[i] == '(') - (text[i] == ')');
	if (depth)
		return mp_err_set(
		    err, EINVAL, "'%s': a bracket is not %s", text, depth > 0 ? "closed" : "opened");
	if (open == n || !memchr(text + open, '=', n - open))
		return split_name(out, text, n, err);
	int ret = split_name(out, text, open, err);
	return ret ? ret : set_values(out, names, text + open + 1, n - open - 2, err);
}

/* The next character that is no space. */
static char next_char(const char **s)
{
	*s += strspn(*s, " \t");
	return **s ? *(*s)++ : 0;
}

bool mp_function_same_parameters(const char *wanted, const char *found)
{
	if (!strcmp(wanted, "(void)"))
		wanted = "()";
	for (;;) {
		char a = next_char(&wanted), b = next_char(&found);
		if (!a)
			return !b || b == 'c' || b == 'v' || b == '&';
		if (a != b)
			return false;
	}
}

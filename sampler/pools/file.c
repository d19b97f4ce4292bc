/* SPDX-License-Identifier: MIT */
#include "sampler/pools/file.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler/pools/function.h"
#include "sampler/text_file.h"
#include "store/nearest.h"

#define LINE_BYTES_MAX 197 /* what inih takes of a line at once (INI_MAX_LINE, less its end) */

static const struct {
	const char *name;
	bool in_pool, in_profile;
} keys[MP_POOL_KEY_COUNT] = {
    [MP_POOL_KEY_GET] = {"get", true, false},
    [MP_POOL_KEY_PUT] = {"put", true, false},
    [MP_POOL_KEY_CREATE] = {"create", true, false},
    [MP_POOL_KEY_DESTROY] = {"destroy", true, false},
    [MP_POOL_KEY_CLEAR] = {"clear", true, false},
    [MP_POOL_KEY_EMPTY] = {"empty", true, false},
    [MP_POOL_KEY_MODULE] = {"module", true, true},
    [MP_POOL_KEY_CAPACITY] = {"capacity", true, false},
    [MP_POOL_KEY_OBJECT_BYTES] = {"object_bytes", true, false},
    [MP_POOL_KEY_USDT] = {"usdt", true, false},
    [MP_POOL_KEY_INSTANCES] = {"instances", true, false},
    [MP_POOL_KEY_SIZE_STEP] = {"size_step", true, false},
    [MP_POOL_KEY_NULL] = {"null", true, false},
    [MP_POOL_KEY_CLEAR_IS_RETURN] = {"clear_is_return", true, false},
    [MP_POOL_KEY_LATENCY] = {"latency", true, false},
    [MP_POOL_KEY_EXCEPTIONS] = {"exceptions", true, false},
    [MP_POOL_KEY_NAME] = {"name", true, true},
    [MP_POOL_KEY_ABOUT] = {"about", false, true},
    [MP_POOL_KEY_VERSIONS] = {"versions", false, true},
    [MP_POOL_KEY_VARIABLE] = {"variable", false, true},
    [MP_POOL_KEY_KNOWN] = {"known", false, true},
};

const char *mp_pool_key_name(enum mp_pool_key key)
{
	return keys[key].name;
}

/* A file that is being read: with those that include it, a chain. */
struct reading {
	struct mp_pool_file *out;
	const struct reading *includer;
	const char *name; /* in out->names */
	dev_t device;
	ino_t inode;
	bool is_builtin;
	const char *rest; /* of the text */
	int line;         /* that was read last */
	bool is_indented;
	bool in_section; /* that this file has opened */
	int failed;
	struct mp_err *err;
};

int mp_pool_error(struct mp_err *err, const struct mp_pool_place *at, int code, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return mp_err_set(err, code, "%s:%d: %s", at->file, at->line, text);
}

#define FAIL(r, code, ...)                                                                                   \
	((r)->failed =                                                                                       \
		mp_pool_error((r)->err, &(struct mp_pool_place){(r)->name, (r)->line}, code, __VA_ARGS__))

static int read_file(const char *path, const struct mp_pool_place *from, const struct reading *includer,
    struct mp_pool_file *out, struct mp_err *err);

/* ---- Sections ---- */

static bool is_own_text(struct reading *r, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return !FAIL(r, EINVAL, "a name of a pool has control characters");
	return true;
}

static void add_section(struct reading *r, const char *name)
{
	struct mp_pool_file *f = r->out;

	for (size_t i = 0; i < f->n; i++) {
		const struct mp_pool_section *s = &f->sections[i];
		if (name && s->name && !strcmp(s->name, name)) {
			FAIL(r, EINVAL, "duplicate section [pool %s]: the first is at %s:%d", name,
			    s->place.file, s->place.line);
			return;
		}
	}
	if (f->n == MP_POOL_SECTIONS_MAX) {
		FAIL(r, E2BIG, "more than %d sections", MP_POOL_SECTIONS_MAX);
		return;
	}
	struct mp_pool_section *more = reallocarray(f->sections, f->n + 1, sizeof(*more));
	char *copy = name ? strdup(name) : NULL;
	if (more)
		f->sections = more;
	if (!more || (name && !copy)) {
		free(copy);
		FAIL(r, ENOMEM, "out of memory");
		return;
	}
	more[f->n++] = (struct mp_pool_section){.name = copy, .place = {r->name, r->line}};
	r->in_section = true;
}

/* inih cuts long names, and does not tell of a section in which nothing stands: it is taken here. */
static void take_section(struct reading *r, const char *line, size_t n)
{
	const char *end = memchr(line, ']', n);
	char name[LINE_BYTES_MAX + 1];

	if (!end) {
		FAIL(r, EINVAL, "a section without its ']'");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - line - 1), line + 1);
	char *at = name + strspn(name, " \t");
	for (size_t last = strlen(at); last && (at[last - 1] == ' ' || at[last - 1] == '\t');)
		at[--last] = 0;
	size_t word = strcspn(at, " \t");
	char *rest = at + word + strspn(at + word, " \t");
	if (r->is_builtin && !strcmp(at, "profile")) {
		add_section(r, NULL);
	} else if (word != 4 || strncmp(at, "pool", 4)) {
		FAIL(r, EINVAL, "unknown section [%s]; did you mean [pool %s]?", at,
		    *rest ? rest
		    : *at ? at
			  : "NAME");
	} else if (!*rest) {
		FAIL(r, EINVAL, "a pool without a name: write [pool NAME]");
	} else if (strlen(rest) >= MP_POOL_NAME_BYTES) {
		FAIL(
		    r, EINVAL, "the name of a pool has more than %d bytes: %s", MP_POOL_NAME_BYTES - 1, rest);
	} else if (is_own_text(r, rest, strlen(rest))) {
		add_section(r, rest);
	}
}

/* ---- Keys ---- */

static int unknown_key(struct reading *r, const char *name)
{
	struct mp_nearest nearest = {.wanted = name};
	char hint[256];

	for (int i = 0; i < MP_POOL_KEY_COUNT; i++)
		if (keys[i].in_pool)
			mp_nearest_offer(&nearest, keys[i].name);
	mp_nearest_offer(&nearest, "include");
	mp_nearest_tell(&nearest, hint, sizeof(hint));
	return FAIL(r, EINVAL, "unknown key '%s'%s", name, hint);
}

static int key_of(const struct mp_pool_section *s, const char *name)
{
	for (int i = 0; i < MP_POOL_KEY_COUNT; i++)
		if ((s->name ? keys[i].in_pool : keys[i].in_profile) && !strcmp(keys[i].name, name))
			return i;
	return -1;
}

static int go_on(struct reading *r, struct mp_pool_entry *e, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s %s", e->value, value) < 0)
		return FAIL(r, ENOMEM, "out of memory");
	free(e->value);
	e->value = longer;
	return 0;
}

static int add_entry(struct reading *r, struct mp_pool_section *s, enum mp_pool_key key, const char *value)
{
	size_t all = 0;

	for (size_t i = 0; i < r->out->n; i++)
		all += r->out->sections[i].n;
	if (all == MP_POOL_ENTRIES_MAX)
		return FAIL(r, E2BIG, "more than %d keys", MP_POOL_ENTRIES_MAX);
	struct mp_pool_entry *more = reallocarray(s->entries, s->n + 1, sizeof(*more));
	char *copy = strdup(value);
	if (more)
		s->entries = more;
	if (!more || !copy) {
		free(copy);
		return FAIL(r, ENOMEM, "out of memory");
	}
	more[s->n++] = (struct mp_pool_entry){.key = key, .value = copy, .place = {r->name, r->line}};
	return 0;
}

static int take_include(struct reading *r, const char *value)
{
	const char *slash = value[0] == '/' ? NULL : strrchr(r->name, '/');
	struct mp_pool_place from = {r->name, r->line};
	char path[4096];

	if (r->is_builtin)
		return FAIL(r, EINVAL, "a profile includes no file");
	int n = slash ? snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - r->name), r->name, value)
		      : snprintf(path, sizeof(path), "%s", value);
	if ((size_t)n >= sizeof(path))
		return FAIL(r, ENAMETOOLONG, "the name of an included file is too long");
	return r->failed = read_file(path, &from, r, r->out, r->err);
}

/* The section that this file is in: an included one may have opened others behind it. */
static struct mp_pool_section *section_of(const struct reading *r)
{
	for (size_t i = r->out->n; r->in_section && i--;)
		if (r->out->sections[i].place.file == r->name)
			return &r->out->sections[i];
	return NULL;
}

/* inih's callback: 0 is an error of the file. After an error it goes on to the file's end: nothing more is
 * taken. */
static int take_key(void *user, const char *section_name, const char *name, const char *value)
{
	struct reading *r = user;
	struct mp_pool_section *s = section_of(r);

	(void)section_name;
	if (r->failed)
		return 0;
	if (!*value)
		return !FAIL(r, EINVAL, "key '%s' without value", name);
	if (!strcmp(name, "include") && !r->is_indented)
		return !take_include(r, value);
	if (!s)
		return !FAIL(r, EINVAL, "key '%s' outside a section: begin with [pool NAME]", name);
	if (r->is_indented && s->n)
		return !go_on(r, &s->entries[s->n - 1], value);
	int key = key_of(s, name);
	return key < 0 ? !unknown_key(r, name) : !add_entry(r, s, (enum mp_pool_key)key, value);
}

/* ---- Texts ---- */

static bool is_open(const char *value)
{
	int depth = 0;

	for (; *value; value++)
		depth += (*value == '(') - (*value == ')');
	return depth > 0;
}

/* An indented line goes on with the value before it where a bracket is open, or where it opens one, or has no
 * '='; of [profile], in whose texts there may be one, always. inih would take any. */
static bool goes_on(const struct reading *r, const char *line, size_t n)
{
	const struct mp_pool_section *s = section_of(r);

	return s && s->n &&
	       (!s->name || is_open(s->entries[s->n - 1].value) || *line == '(' || !memchr(line, '=', n));
}

/* inih's reader: gives it a line at a time, so that lines can be counted. */
static char *next_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	size_t n = strcspn(r->rest, "\n");

	if (!*r->rest || r->failed)
		return NULL;
	r->line++;
	r->is_indented = r->rest[0] == ' ' || r->rest[0] == '\t';
	if (n > LINE_BYTES_MAX || n + 2 > (size_t)size) {
		FAIL(r, EINVAL, "a line of more than %d bytes: go on in an indented one", LINE_BYTES_MAX);
		return NULL;
	}
	const char *begin = r->rest + strspn(r->rest, " \t");
	if (*begin == '[') {
		if (r->is_indented)
			FAIL(r, EINVAL, "a section begins in the first column");
		else
			take_section(r, r->rest, n);
		if (r->failed)
			return NULL;
	}
	if (r->is_indented && !goes_on(r, begin, n - (size_t)(begin - r->rest))) {
		n -= (size_t)(begin - r->rest);
		r->rest = begin;
		r->is_indented = false;
	}
	memcpy(buf, r->rest, n);
	r->rest += n;
	if (*r->rest == '\n')
		buf[n++] = *r->rest++;
	buf[n] = 0;
	return buf;
}

/* The text of a line, for a message about it. */
static int bad_line(struct reading *r, const char *text, int line)
{
	for (int i = 1; i < line && *text; i++)
		text += strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n');
	r->line = line;
	size_t n = strcspn(text, ";\n");
	while (n && strchr(" \t\r", text[n - 1]))
		n--;
	return FAIL(r, EINVAL, "key without value: '%.*s' is no KEY = VALUE", (int)n, text);
}

static int parse(struct reading *r, const char *text)
{
	r->rest = text;
	int line = ini_parse_stream(next_line, r, take_key, r);

	if (!r->failed && line > 0)
		bad_line(r, text, line);
	return r->failed;
}

/* Keeps a file's name for the places in it. */
static const char *keep_name(struct mp_pool_file *f, const char *name)
{
	char *copy = f->n_names <= MP_POOL_FILES_MAX ? strdup(name) : NULL;

	if (copy)
		f->names[f->n_names++] = copy;
	return copy;
}

/* ---- Files ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* "a.ini -> b.ini", the outermost first. */
static void tell_chain(const struct reading *r, const struct reading *first, char *out, size_t size)
{
	size_t n;

	if (r != first)
		tell_chain(r->includer, first, out, size);
	n = strlen(out);
	snprintf(out + n, size - n, "%s%s", n ? " -> " : "", base_name(r->name));
}

static int check_cycle(const struct stat *st, const char *path, const struct mp_pool_place *from,
    const struct reading *includer, struct mp_err *err)
{
	char chain[400] = "";

	for (const struct reading *r = includer; r; r = r->includer) {
		if (r->device != st->st_dev || r->inode != st->st_ino)
			continue;
		tell_chain(includer, r, chain, sizeof(chain));
		return mp_pool_error(err, from, ELOOP, "cyclic include: %s -> %s", chain, base_name(path));
	}
	return 0;
}

/* Errors of a file are told where it is included, or of itself. */
static int cannot_read(
    const char *path, const struct mp_pool_place *from, int code, const char *why, struct mp_err *err)
{
	return from ? mp_pool_error(err, from, code, "cannot include %s: %s", path, why)
		    : mp_err_set(err, code, "cannot read %s: %s", path, why);
}

static int read_open_file(int fd, const char *path, const struct mp_pool_place *from,
    const struct reading *includer, struct mp_pool_file *out, struct mp_err *err)
{
	struct stat st;
	char *text;
	const char *why;

	if (fstat(fd, &st))
		return cannot_read(path, from, errno, strerror(errno), err);
	int ret = check_cycle(&st, path, from, includer, err);
	if (ret)
		return ret;
	if (out->n_names > MP_POOL_FILES_MAX)
		return cannot_read(path, from, E2BIG, "more than 32 files are included", err);
	int code = mp_text_file_read(fd, &text, &why);
	if (code)
		return cannot_read(path, from, code, why, err);
	struct reading r = {.out = out,
	    .includer = includer,
	    .name = keep_name(out, path),
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .err = err};
	ret = r.name ? parse(&r, text) : cannot_read(path, from, ENOMEM, "out of memory", err);
	free(text);
	return ret;
}

static int read_file(const char *path, const struct mp_pool_place *from, const struct reading *includer,
    struct mp_pool_file *out, struct mp_err *err)
{
	int fd = mp_text_file_open(path);

	if (fd < 0)
		return cannot_read(path, from, errno, strerror(errno), err);
	int ret = read_open_file(fd, path, from, includer, out, err);
	close(fd);
	return ret;
}

int mp_pool_file_read(const char *path, struct mp_pool_file *out, struct mp_err *err)
{
	*out = (struct mp_pool_file){0};
	int ret = read_file(path, NULL, NULL, out, err);

	if (!ret && !out->n)
		ret = mp_err_set(err, EINVAL, "%s: no section [pool NAME] in it", path);
	if (ret)
		mp_pool_file_free(out);
	return ret;
}

int mp_pool_file_parse(const char *name, const char *text, struct mp_pool_file *out, struct mp_err *err)
{
	*out = (struct mp_pool_file){0};
	struct reading r = {.out = out, .name = keep_name(out, name), .is_builtin = true, .err = err};
	int ret = r.name ? parse(&r, text) : mp_err_set(err, ENOMEM, "out of memory");

	if (ret)
		mp_pool_file_free(out);
	return ret;
}

void mp_pool_file_free(struct mp_pool_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		for (size_t k = 0; k < f->sections[i].n; k++)
			free(f->sections[i].entries[k].value);
		free(f->sections[i].entries);
		free(f->sections[i].name);
	}
	free(f->sections);
	for (size_t i = 0; i < f->n_names; i++)
		free(f->names[i]);
	*f = (struct mp_pool_file){0};
}

const struct mp_pool_entry *mp_pool_section_get(const struct mp_pool_section *s, enum mp_pool_key key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i].key == key)
			return &s->entries[i];
	return NULL;
}

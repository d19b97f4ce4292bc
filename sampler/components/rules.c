/* SPDX-License-Identifier: MIT */
#include "sampler/components/rules.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/profile.h"
#include "sampler/text_file.h"
#include "store/nearest.h"

#define LINE_BYTES_MAX 197 /* what inih takes of a line at once (INI_MAX_LINE, less its end) */

struct parsing {
	struct mp_component_rules *out;
	int line;         /* of the file, as far as inih has read it */
	const char *rest; /* of the text */
	bool in_gauge;    /* the section that is being read */
	char error[256];
	int code, error_line;
};

static int wrong(struct parsing *p, int code, const char *what, const char *word)
{
	if (!p->code) {
		p->code = code;
		p->error_line = p->line;
		snprintf(p->error, sizeof(p->error), "%s%s%.80s%s", what, *word ? " '" : "", word,
		    *word ? "'" : "");
	}
	return 0;
}

/* ---- Values ---- */

static bool take_globs(struct parsing *p, char **list, const char *value)
{
	char *all = NULL;

	/* An indented line, or a key that is there twice: one more of them. */
	if (asprintf(&all, "%s%s%s", *list ? *list : "", *list ? " " : "", value) < 0)
		return wrong(p, ENOMEM, "out of memory", "");
	free(*list);
	*list = all;
	return true;
}

/* 64, 4K, 2M: at most UINT64_MAX. */
static bool take_bytes(const char **text, uint64_t *bytes)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	unsigned long long n = strtoull(*text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (errno || n > UINT64_MAX >> shift)
		return false;
	*bytes = (uint64_t)n << shift;
	*text = end + (shift != 0);
	return true;
}

static bool take_size(struct parsing *p, struct mp_component_rule *r, const char *value)
{
	static const char want[] = "size is bytes as N, N-M, N- or -M, not";
	const char *s = value;
	uint64_t least = 0, most = UINT64_MAX;
	bool has_least = take_bytes(&s, &least), has_most = false;

	s += strspn(s, " \t");
	if (!*s && has_least)
		most = least;
	if (*s == '-') {
		s += 1 + strspn(s + 1, " \t");
		has_most = take_bytes(&s, &most);
	}
	if (*s || (!has_least && !has_most) || least > most)
		return wrong(p, EINVAL, want, value);
	if (r->min_bytes || r->max_bytes != UINT64_MAX)
		return wrong(p, EINVAL, "a rule has one size; another one is for another section:", value);
	r->min_bytes = least;
	r->max_bytes = most;
	return true;
}

/* ---- Sections and keys ---- */

static const char *const keys[] = {"function", "module", "file", "size", "thread"};
static const char *const gauge_keys[] = {"value", "module"};

static bool unknown_key(struct parsing *p, const char *name)
{
	char near[160];
	struct mp_nearest n = {.wanted = name};

	for (size_t i = 0; !p->in_gauge && i < sizeof(keys) / sizeof(*keys); i++)
		mp_nearest_offer(&n, keys[i]);
	for (size_t i = 0; p->in_gauge && i < sizeof(gauge_keys) / sizeof(*gauge_keys); i++)
		mp_nearest_offer(&n, gauge_keys[i]);
	mp_nearest_tell(&n, near, sizeof(near));
	wrong(p, EINVAL, "unknown key", name);
	snprintf(p->error + strlen(p->error), sizeof(p->error) - strlen(p->error), "%s", near);
	return false;
}

/* The name in "[WORD NAME ...]", one word of what can be printed. */
static bool take_name(struct parsing *p, const char *begin, char out[static MP_COMPONENT_NAME_BYTES])
{
	const char *name = begin + strspn(begin, " \t");
	size_t length = strcspn(name, " \t]");

	if (!length || length >= MP_COMPONENT_NAME_BYTES)
		return wrong(
		    p, EINVAL, length ? "a name of more than 63 bytes" : "a section without a name", "");
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return wrong(p, EINVAL, "a name with control characters", "");
	memcpy(out, name, length);
	return true;
}

static bool add_rule(struct parsing *p, const char *begin)
{
	struct mp_component_rules *rules = p->out;

	if (rules->n == MP_COMPONENT_RULES_MAX)
		return wrong(p, E2BIG, "more than 1024 rules", "");
	struct mp_component_rule *r = reallocarray(rules->all, rules->n + 1, sizeof(*r));
	if (!r)
		return wrong(p, ENOMEM, "out of memory", "");
	rules->all = r;
	r += rules->n++;
	*r = (struct mp_component_rule){.max_bytes = UINT64_MAX, .line = p->line};
	return take_name(p, begin, r->name);
}

static bool add_gauge(struct parsing *p, const char *begin)
{
	struct mp_component_rules *rules = p->out;

	if (rules->n_gauges == MP_GAUGES_MAX)
		return wrong(p, E2BIG, "more than 32 gauges", "");
	struct mp_gauge_rule *g = reallocarray(rules->gauges, rules->n_gauges + 1, sizeof(*g));
	if (!g)
		return wrong(p, ENOMEM, "out of memory", "");
	rules->gauges = g;
	g += rules->n_gauges++;
	*g = (struct mp_gauge_rule){.line = p->line};
	if (!take_name(p, begin, g->name))
		return false;
	for (size_t i = 0; i + 1 < rules->n_gauges; i++)
		if (!strcmp(rules->gauges[i].name, g->name))
			return wrong(p, EINVAL, "there is a gauge of this name already:", g->name);
	return true;
}

/* "[component NAME ...]" or "[gauge NAME]". */
static bool take_section(struct parsing *p, const char *line, size_t n)
{
	static const char component[] = "[component", gauge[] = "[gauge";
	bool is_gauge = !strncmp(line, gauge, sizeof(gauge) - 1);
	const char *name = line + (is_gauge ? sizeof(gauge) : sizeof(component)) - 1;

	if (!memchr(line, ']', n) || (!is_gauge && strncmp(line, component, sizeof(component) - 1)) ||
	    !strchr(" \t]", *name))
		return wrong(p, EINVAL, "a section is [component NAME] or [gauge NAME]", "");
	p->in_gauge = is_gauge;
	return is_gauge ? add_gauge(p, name) : add_rule(p, name);
}

static bool take_gauge_key(struct parsing *p, struct mp_gauge_rule *g, const char *name, const char *value)
{
	char **to = !strcmp(name, "value") ? &g->value : !strcmp(name, "module") ? &g->module : NULL;

	if (!to)
		return unknown_key(p, name);
	if (*to)
		return wrong(p, EINVAL, "a gauge has one", name);
	*to = strdup(value);
	return *to || wrong(p, ENOMEM, "out of memory", "");
}

/* inih's callback: 0 is an error of the line, after which it goes on. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct parsing *p = user;

	(void)section; /* next_line() has taken it: inih does not tell of one without keys, or of one that
			  comes twice */
	if (p->code)
		return 0;
	if (!p->out->n && !p->out->n_gauges)
		return wrong(p, EINVAL, "a key outside a section; begin with [component NAME]:", name);
	if (!*value)
		return wrong(p, EINVAL, "a key without a value:", name);
	if (p->in_gauge)
		return take_gauge_key(p, &p->out->gauges[p->out->n_gauges - 1], name, value);

	struct mp_component_rule *r = &p->out->all[p->out->n - 1];
	if (!strcmp(name, "function"))
		return take_globs(p, &r->functions, value);
	if (!strcmp(name, "module"))
		return take_globs(p, &r->modules, value);
	if (!strcmp(name, "file"))
		return take_globs(p, &r->files, value);
	if (!strcmp(name, "thread"))
		return take_globs(p, &r->threads, value);
	return !strcmp(name, "size") ? take_size(p, r, value) : unknown_key(p, name);
}

/* How much of a line is no comment: inih knows none in lines that go on. */
static size_t without_comment(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] == ';' && (!i || isblank((unsigned char)line[i - 1])))
			return i;
	return n;
}

/* inih's reader. */
static char *next_line(char *buf, int size, void *user)
{
	struct parsing *p = user;
	const char *line = p->rest;
	size_t n = strcspn(line, "\n"), blanks = strspn(line, " \t");

	if (!*line || p->code)
		return NULL;
	p->line++;
	if (n > LINE_BYTES_MAX || n + 2 > (size_t)size)
		wrong(p, EINVAL, "a line of more than 197 bytes: go on in an indented one", "");
	else if (line[blanks] == '[' && blanks)
		wrong(p, EINVAL, "a section begins in the first column", "");
	else if (*line == '[')
		take_section(p, line, n);
	if (p->code)
		return NULL;
	p->rest += n + (line[n] == '\n');
	n = without_comment(line, n);
	memcpy(buf, line, n);
	buf[n] = '\n';
	buf[n + 1] = 0;
	return buf;
}

static bool says_something(const struct mp_component_rule *r)
{
	return r->functions || r->modules || r->files || !mp_component_always(r);
}

int mp_component_rules_parse(
    const char *file, const char *text, struct mp_component_rules *out, struct mp_err *err)
{
	struct parsing p = {.out = out, .rest = text};

	*out = (struct mp_component_rules){0};
	int line = ini_parse_stream(next_line, &p, take_key, &p);
	if (!p.code && line > 0) {
		p.line = line;
		wrong(&p, EINVAL, "no KEY = VALUE, and no section", "");
	}
	for (size_t i = 0; !p.code && i < out->n; i++) {
		p.line = out->all[i].line;
		if (!says_something(&out->all[i]))
			wrong(&p, EINVAL, "a rule that says nothing", out->all[i].name);
	}
	for (size_t i = 0; !p.code && i < out->n_gauges; i++) {
		p.line = out->gauges[i].line;
		if (!out->gauges[i].value)
			wrong(&p, EINVAL, "a gauge without a value", out->gauges[i].name);
	}
	if (!p.code && !out->n && !out->n_gauges)
		wrong(&p, EINVAL, "no section [component NAME] or [gauge NAME] in it", "");
	if (!p.code && (!(out->text = strdup(text)) || !(out->file = strdup(file))))
		wrong(&p, ENOMEM, "out of memory", "");
	if (!p.code)
		return 0;
	mp_component_rules_free(out);
	return mp_err_set(err, p.code, "%s:%d: %s", file, p.error_line, p.error);
}

/* ---- Files ---- */

int mp_component_rules_read(const char *path, struct mp_component_rules *out, struct mp_err *err)
{
	int fd = mp_text_file_open(path), code = fd < 0 ? errno : 0;
	const char *why = strerror(code);
	char *text = NULL;

	*out = (struct mp_component_rules){0};
	if (!code) {
		code = mp_text_file_read(fd, &text, &why);
		close(fd);
	}
	int ret = code ? mp_err_set(err, code, "cannot read %s: %s", path, why)
		       : mp_component_rules_parse(path, text, out, err);
	free(text);
	return ret;
}

void mp_component_rules_free(struct mp_component_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		free(rules->all[i].functions);
		free(rules->all[i].modules);
		free(rules->all[i].files);
		free(rules->all[i].threads);
	}
	for (size_t i = 0; i < rules->n_gauges; i++) {
		free(rules->gauges[i].value);
		free(rules->gauges[i].module);
	}
	free(rules->all);
	free(rules->gauges);
	free(rules->text);
	free(rules->file);
	*rules = (struct mp_component_rules){0};
}

/* ---- Matching ---- */

bool mp_component_always(const struct mp_component_rule *r)
{
	return !r->threads && !r->min_bytes && r->max_bytes == UINT64_MAX;
}

/*
 * Where the parameters of a demangled name begin, or its end. Not every bracket opens them: those of
 * "(anonymous namespace)", of "operator()", and what is in template arguments do not.
 */
static size_t name_length(const char *name)
{
	static const char nameless[] = "(anonymous namespace)", call[] = "operator()";
	int angles = 0;

	for (size_t i = 0; name[i]; i++) {
		if (!strncmp(name + i, "operator", 8) && strchr("<>-(", name[i + 8]) && name[i + 8]) {
			i += !strncmp(name + i, call, sizeof(call) - 1) ? sizeof(call) - 2
									: 7 + strspn(name + i + 8, "<>-=");
			continue;
		}
		if (!strncmp(name + i, nameless, sizeof(nameless) - 1)) {
			i += sizeof(nameless) - 2;
			continue;
		}
		if (name[i] == '(' && angles <= 0)
			return i;
		angles += (name[i] == '<') - (name[i] == '>');
	}
	return strlen(name);
}

static bool function_matches(const char *globs, const char *name)
{
	if (!name)
		return false;
	if (mp_profile_glob(globs, name))
		return true;
	char *bare = strndup(name, name_length(name));
	bool matches = bare && mp_profile_glob(globs, bare);
	free(bare);
	return matches;
}

struct path {
	const char *whole, *base;
};

static bool path_glob_matches(void *ctx, const char *glob)
{
	const struct path *p = ctx;

	return mp_profile_glob(glob, strchr(glob, '/') ? p->whole : p->base);
}

static bool path_matches(const char *globs, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	struct path p = {path, slash ? slash + 1 : path};

	return path && mp_profile_each_word(globs, path_glob_matches, &p);
}

static bool is_of_frames(const struct mp_component_rule *r)
{
	return r->functions || r->modules || r->files;
}

static bool frame_matches(const struct mp_component_rule *r, const struct mp_component_frame *f)
{
	return is_of_frames(r) && (!r->functions || function_matches(r->functions, f->function)) &&
	       (!r->modules || path_matches(r->modules, f->module)) &&
	       (!r->files || path_matches(r->files, f->file));
}

/* Takes a rule once; true if no other one has to be asked after it. */
static bool take_candidate(const struct mp_component_rules *rules, size_t rule, size_t *out, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		if (out[i] == rule)
			return false;
	out[(*n)++] = rule;
	return mp_component_always(&rules->all[rule]);
}

size_t mp_component_candidates(const struct mp_component_rules *rules,
    const struct mp_component_frame *frames, size_t n_frames, size_t *out)
{
	size_t n = 0;

	for (size_t f = 0; f < n_frames; f++)
		for (size_t i = 0; i < rules->n; i++)
			if (frame_matches(&rules->all[i], &frames[f]) && take_candidate(rules, i, out, &n))
				return n;
	for (size_t i = 0; i < rules->n; i++)
		if (!is_of_frames(&rules->all[i]) && take_candidate(rules, i, out, &n))
			return n;
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/components/gauges.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/functions/expression.h"
#include "sampler/functions/lookup.h"
#include "sampler/functions/read.h"
#include "sampler/profile.h"
#include "store/append_gc.h"

#define AGAIN_NS 1000000000 /* what has not changed is written no more often */

struct resolving {
	struct mp_function_lookup lookup;
	const struct mp_target *target;
	const struct mp_gauge_rule *rule;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_chosen(const struct resolving *r, size_t module)
{
	const struct mp_module *m = &r->target->modules[module];

	return r->rule->module ? mp_profile_glob(r->rule->module, base_name(m->path)) : m->is_exe;
}

/* In the first of the modules that are meant and have it. */
static int variable(void *ctx, const char *name, uint64_t *address, struct mp_err *err)
{
	struct resolving *r = ctx;
	bool is_any = false;
	int ret = -ENOENT;

	for (size_t i = 0; ret && i < r->target->n_modules; i++) {
		const struct mp_function_table *table =
		    is_chosen(r, i) ? mp_function_lookup_table(&r->lookup, i) : NULL;
		is_any |= table != NULL;
		if (table)
			ret = mp_function_find_variable(&r->lookup, table, name, address, err);
	}
	return ret && !is_any ? mp_err_set(err, ENOENT, "no module of the target is %s",
				    r->rule->module ? r->rule->module : "the program")
			      : ret;
}

static int resolve(struct resolving *r, const char *file, struct mp_gauge *out, struct mp_err *err)
{
	const struct mp_expression_names names = {.variable = variable, .ctx = r};
	struct mp_err why;

	snprintf(out->name, sizeof(out->name), "%s", r->rule->name);
	int ret = mp_expression_parse(r->rule->value, &names, &out->value, &why);
	if (!ret && (out->value.from != MP_FETCH_CONSTANT || !out->value.n_reads))
		ret = mp_err_set(
		    &why, EINVAL, "'%s': a gauge is read from memory, as u64@VARIABLE", r->rule->value);
	if (ret)
		return mp_err_set(
		    err, -ret, "%s:%d: gauge %s: %s", file, r->rule->line, r->rule->name, why.text);
	out->is_signed = (signed char)out->value.bytes[out->value.n_reads - 1] < 0;
	return 0;
}

int mp_gauges_resolve(const struct mp_target *t, const struct mp_component_rules *rules,
    struct mp_gauge_set *out, struct mp_err *err)
{
	struct resolving r = {.target = t};

	out->n = 0;
	if (!rules->n_gauges)
		return 0;
	int ret = mp_function_lookup_open(t, &r.lookup, err);
	if (ret)
		return ret;
	for (size_t i = 0; !ret && i < rules->n_gauges; i++) {
		r.rule = &rules->gauges[i];
		ret = resolve(&r, rules->file, &out->all[out->n], err);
		out->n += !ret;
	}
	mp_function_lookup_close(&r.lookup);
	return ret;
}

int mp_gauges_step(struct mp_gauge_set *set, const struct mp_target *t, struct mp_session *s, int64_t now_ns,
    struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < set->n; i++) {
		struct mp_gauge *g = &set->all[i];
		char name[sizeof(g->name) + sizeof("gauge.")];
		uint64_t value;

		if (!mp_fetch_read(t, &g->value, &value))
			continue;
		if (g->said_ns && value == g->said && now_ns - g->said_ns < AGAIN_NS)
			continue;
		g->said = value;
		g->said_ns = now_ns;
		snprintf(name, sizeof(name), "gauge.%s", g->name);
		ret = mp_append_pressure(
		    s, now_ns, name, g->is_signed ? (double)(int64_t)value : (double)value, err);
	}
	return ret;
}

/* ---- Told ---- */

void mp_told_gauge(struct mp_told_gauges *set, const char *name, int64_t value)
{
	char text[sizeof(set->all->name)];
	size_t i = 0;

	snprintf(text, sizeof(text), "%s", name && *name ? name : "(unreadable)");
	while (i < set->n && strcmp(set->all[i].name, text))
		i++;
	if (i == MP_TOLD_GAUGES_MAX) {
		set->lost++;
		return;
	}
	if (i == set->n) {
		set->all[set->n++] = (struct mp_told_gauge){0};
		memcpy(set->all[i].name, text, sizeof(text));
	}
	set->all[i].value = value;
}

static bool is_read(const struct mp_gauge_set *read, const char *name)
{
	for (size_t i = 0; i < read->n; i++)
		if (!strcmp(read->all[i].name, name))
			return true;
	return false;
}

int mp_told_gauges_step(struct mp_told_gauges *set, const struct mp_gauge_set *read, struct mp_session *s,
    int64_t now_ns, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < set->n; i++) {
		struct mp_told_gauge *g = &set->all[i];
		char name[sizeof(g->name) + sizeof("gauge.")];

		if (g->said_ns && g->value == g->said && now_ns - g->said_ns < AGAIN_NS)
			continue;
		if (is_read(read, g->name))
			continue;
		g->said = g->value;
		g->said_ns = now_ns;
		snprintf(name, sizeof(name), "gauge.%s", g->name);
		ret = mp_append_pressure(s, now_ns, name, (double)g->value, err);
	}
	return ret;
}

/* SPDX-License-Identifier: MIT */
#include "sampler/pools/profile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sampler/profile.h"
#include "store/embed.h"

static const char *text_of(const struct mp_pool_section *s, enum mp_pool_key key)
{
	const struct mp_pool_entry *e = s ? mp_pool_section_get(s, key) : NULL;
	return e ? e->value : "";
}

static const struct mp_embedded *embedded(size_t i)
{
	static const char prefix[] = "sampler/profiles/pool-";

	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++)
		if (!strncmp(f->path, prefix, sizeof(prefix) - 1) && !i--)
			return f;
	return NULL;
}

int mp_pool_profile_load(size_t i, struct mp_pool_profile *out, struct mp_err *err)
{
	const struct mp_embedded *f = embedded(i);
	const struct mp_pool_section *s = NULL;

	*out = (struct mp_pool_profile){0};
	if (!f)
		return -ENOENT;
	int ret = mp_pool_file_parse(f->path, f->text, &out->file, err);
	for (size_t k = 0; k < out->file.n && !s; k++)
		if (!out->file.sections[k].name)
			s = &out->file.sections[k];
	out->name = text_of(s, MP_POOL_KEY_NAME);
	out->about = text_of(s, MP_POOL_KEY_ABOUT);
	out->versions = text_of(s, MP_POOL_KEY_VERSIONS);
	out->known = text_of(s, MP_POOL_KEY_KNOWN);
	for (size_t k = 0; s && k < s->n; k++) {
		size_t n = strlen(out->modules);
		if (s->entries[k].key == MP_POOL_KEY_MODULE)
			snprintf(out->modules + n, sizeof(out->modules) - n, "%s%s", n ? " " : "",
			    s->entries[k].value);
	}
	return ret;
}

void mp_pool_profile_free(struct mp_pool_profile *p)
{
	mp_pool_file_free(&p->file);
}

bool mp_pool_profile_match(struct mp_pool_profile *p, const struct mp_target *t, bool *chosen)
{
	size_t n = 0;

	p->chosen = chosen;
	for (size_t i = 0; i < t->n_modules; i++) {
		const char *slash = strrchr(t->modules[i].path, '/');
		const char *name = slash ? slash + 1 : t->modules[i].path;
		chosen[i] = mp_profile_glob(p->modules, name);
		if (!chosen[i])
			continue;
		snprintf(p->where + n, sizeof(p->where) - n, "%s%s", n ? ", " : "", name);
		n = strlen(p->where);
		if (p->versions[0] && !mp_profile_glob(p->versions, name))
			snprintf(p->unknown_version, sizeof(p->unknown_version), "%.255s", name);
	}
	return n;
}

/* SPDX-License-Identifier: MIT */
/* The target maps code, moves files, or becomes another program: what is recorded follows it. */
#include <stdio.h>
#include <string.h>

#include "sampler/recorder/gc.h"
#include "sampler/recorder/pools.h"
#include "sampler/recorder/private.h"

#define RESOLVE_SHARE 20 /* new mappings are searched for at most one part in so many of the time */

int mp_recorder_read_target_anew(struct mp_recorder *r, bool *moved)
{
	struct mp_err ignored;
	int ret = mp_target_refresh(&r->target, &ignored);

	for (size_t i = 0; !ret && i < r->probes.n; i++) {
		struct mp_probe *p = &r->probes.probes[i];
		const struct mp_module *m =
		    mp_target_module_of(&r->target, p->inode, p->dev_major, p->dev_minor);
		if (!m || !strcmp(m->open_path, p->open_path))
			continue;
		memcpy(p->open_path, m->open_path, sizeof(p->open_path));
		*moved = true;
	}
	if (*moved && r->switcher)
		mp_switcher_grow(r->switcher, &r->probes, r->probes.n, r->latency, &ignored);
	return ret;
}

/* Allocation functions, unless the library sees calls. Returns how many; a target that defines none (yet) is
 * no error here. */
static int attach_new_functions(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_probe_set found;
	struct mp_err none;

	if (r->preload || mp_probe_resolve(&r->target, &r->profiles, &found, &none))
		return 0;
	int n = mp_recorder_attach_new(r, &found, err);
	mp_probe_set_free(&found);
	return n;
}

/* The library may be gone again: no reason to end. */
static void go_on_without(struct mp_recorder *r, int64_t now, const struct mp_err *why)
{
	fprintf(stderr, "mpsample: %s; the recording goes on without these probes\n", why->text);
	mp_pipeline_mark(r->pipeline, now, 0, "probes failed", why->text);
}

int mp_recorder_look_at_new_code(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_err why;
	bool moved = false;
	size_t before = r->probes.n;

	r->new_code = false;
	r->resolved_ns = now;
	if (mp_recorder_read_target_anew(r, &moved))
		return 0;
	int n = attach_new_functions(r, &why);
	if (n < 0)
		go_on_without(r, now, &why);
	if (mp_recorder_attach_new_pools(r, &why))
		go_on_without(r, now, &why);
	if (mp_recorder_attach_new_gc(r, &why))
		go_on_without(r, now, &why);
	r->resolve_pause_ns = (mp_recorder_now_ns() - now) * RESOLVE_SHARE;
	if (n > 0)
		fprintf(stderr, "mpsample: %d more probes, first %s in %s\n", n,
		    r->probes.probes[before].function, r->probes.probes[before].module);
	return mp_recorder_store_probes(r, before, err);
}

void mp_recorder_tell_not_followed(struct mp_recorder *r, int64_t now)
{
	r->follow_until_ns = 0;
	r->missed_program = true;
	fprintf(stderr,
	    "mpsample: process %d runs another program now, without libmpsample.so: its calls are not "
	    "recorded; start it with --follow-forks, or record it by its PID\n",
	    r->target.pid);
	mp_pipeline_mark(r->pipeline, now, 0, "not recorded", "the new program is without libmpsample.so");
}

/* The target is another program: its region is another one, which comes with its first allocation, or none.
 */
void mp_recorder_follow_exec(struct mp_recorder *r, int64_t now)
{
	struct mp_err why;
	int ret = mp_preload_follow(r->preload, r->pipeline, &why);

	if (!ret) {
		r->follow_until_ns = 0;
		fprintf(stderr,
		    "mpsample: process %d runs another program now, which carries libmpsample.so as well: "
		    "the recording goes on\n",
		    r->target.pid);
		return;
	}
	if (now >= r->follow_until_ns)
		mp_recorder_tell_not_followed(r, now);
}

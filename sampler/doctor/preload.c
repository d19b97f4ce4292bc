/* SPDX-License-Identifier: MIT */
/* libmpsample.so: whether it is here, and whether the process of `doctor -p` carries it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "sampler/doctor/check.h"
#include "sampler/preload_plane/library.h"
#include "sampler/preload_plane/region.h"

#define MODE_OF(word) ((word)&MP_WORD_MODE)

static void check_library(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	char path[PATH_MAX];
	struct mp_err why;

	(void)arg;
	d->has_library = !mp_preload_library_path(path, sizeof(path), &why);
	if (d->has_library)
		mp_finding_set(out, MP_CHECK_WORKS, "%s", path);
	else
		mp_finding_error(out, MP_CHECK_LIMITED, why.text);
}

/* The path to give to LD_PRELOAD: the name alone where it is not known. */
static void tell_how(struct mp_finding *out)
{
	char path[PATH_MAX];

	if (mp_preload_library_path(path, sizeof(path), NULL))
		snprintf(path, sizeof(path), MP_PRELOAD_LIBRARY);
	mp_finding_fix(out, "at its next start: LD_PRELOAD=%s in its environment", path);
}

static void tell_state(struct mp_doctor *d, const struct mp_preload_region *r, struct mp_finding *out)
{
	pid_t recorder = mp_preload_region_recorder(r);
	struct mp_err why;

	if (mp_preload_library_in(&d->target->process) &&
	    mp_preload_library_check(&d->target->process, &d->target->probes, &why)) {
		mp_finding_error(out, MP_CHECK_LIMITED, why.text);
		return;
	}
	d->target->carries_library = true;
	if (recorder) {
		mp_finding_set(
		    out, MP_CHECK_LIMITED, "carries it, and is being recorded by process %d", recorder);
		mp_finding_fix(out, "wait for that recording, or end it: kill %d", recorder);
	} else if (MODE_OF(__atomic_load_n(&r->header->word, __ATOMIC_RELAXED)) != MP_MODE_DORMANT) {
		mp_finding_set(out, MP_CHECK_WORKS,
		    "carries it, awake though nobody records: its last recorder died, the next takes over");
	} else {
		mp_finding_set(out, MP_CHECK_WORKS, "carries it, dormant: a recording wakes it");
	}
}

void mp_doctor_check_target_library(struct mp_doctor *d, const void *arg, struct mp_finding *out)
{
	struct mp_preload_region r;
	struct mp_err why;

	(void)arg;
	int ret = mp_preload_region_open(d->target->pid, &r, &why);
	if (!ret) {
		tell_state(d, &r, out);
		mp_preload_region_close(&r);
	} else if (ret == -ENOENT) {
		mp_finding_set(out, MP_CHECK_LIMITED,
		    "does not carry it: recorded by uprobes, at more than a microsecond a call");
		tell_how(out);
	} else {
		mp_finding_error(out, MP_CHECK_LIMITED, why.text);
	}
}

const struct mp_check mp_checks_preload[] = {
    {"preload library", check_library, NULL},
    {NULL, NULL, NULL},
};

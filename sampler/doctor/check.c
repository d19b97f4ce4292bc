/* SPDX-License-Identifier: MIT */
#include "sampler/doctor/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mp_finding_set(struct mp_finding *out, enum mp_check_state state, const char *fmt, ...)
{
	va_list ap;

	out->state = state;
	va_start(ap, fmt);
	vsnprintf(out->detail, sizeof(out->detail), fmt, ap);
	va_end(ap);
}

void mp_finding_fix(struct mp_finding *out, const char *fmt, ...)
{
	va_list ap;

	out->can_fix = true;
	va_start(ap, fmt);
	vsnprintf(out->fix, sizeof(out->fix), fmt, ap);
	va_end(ap);
}

void mp_finding_no_fix(struct mp_finding *out, const char *fmt, ...)
{
	va_list ap;

	out->can_fix = false;
	va_start(ap, fmt);
	vsnprintf(out->fix, sizeof(out->fix), fmt, ap);
	va_end(ap);
}

void mp_finding_error(struct mp_finding *out, enum mp_check_state state, const char *text)
{
	const char *end = strstr(text, "; ");

	mp_finding_set(out, state, "%.*s", end ? (int)(end - text) : (int)strlen(text), text);
	if (end)
		mp_finding_fix(out, "%s", end + 2);
	else
		mp_finding_no_fix(out, "no remedy is known");
}

enum mp_backend mp_doctor_backend(const struct mp_doctor *d)
{
	for (enum mp_backend b = MP_BACKEND_SESSION; b <= MP_BACKEND_TRACEFS; b++)
		if (d->backend_works[b])
			return b;
	return MP_BACKEND_AUTO;
}

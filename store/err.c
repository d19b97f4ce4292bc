/* SPDX-License-Identifier: MIT */
#include "store/err.h"

#include <stdarg.h>
#include <stdio.h>

int mp_err_set(struct mp_err *err, int code, const char *fmt, ...)
{
	if (!err)
		return -code;

	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	for (unsigned char *c = (unsigned char *)err->text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	return -code;
}

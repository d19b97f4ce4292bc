/* SPDX-License-Identifier: MIT */
/* Loading and forking: the order in which the parts are set up. */
#include <pthread.h>

#include "sampler/preload/environment.h"
#include "sampler/preload/markers.h"
#include "sampler/preload/operators.h"
#include "sampler/preload/thread.h"

/* A signal handler may run between any two of these. */
static void in_child(void)
{
	mp_markers_ignore();
	mp_thread_in_child();
	mp_markers_listen();
}

static __attribute__((constructor)) void load(void)
{
	mp_thread_init();
	pthread_atfork(NULL, NULL, in_child);
	if (!mp_thread_is_known(&mp_self)) /* most programs have allocated before this */
		mp_thread_first_call(&mp_self);
	mp_operators_init();
	mp_markers_listen();
	/* Programs that this one starts run without the library, unless they were asked for. */
	if (!mp_environment_is_set("MPSAMPLE_FOLLOW_FORKS"))
		mp_environment_forget_preload();
}

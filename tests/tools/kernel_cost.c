/* SPDX-License-Identifier: MIT */
/* kernel_cost SECONDS: what a system call and a page fault take now, in ns of CPU time, a line every tenth of
 * a second. */
#include "sampler/uprobe/kernel_cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	long lines = argc > 1 ? strtol(argv[1], NULL, 10) * 10 : 10;
	void *p = malloc(100); /* a process that never allocates cannot be recorded */

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < lines; i++) {
		const struct timespec pause = {.tv_nsec = 80000000};
		struct mp_kernel_cost cost = mp_kernel_cost_now();

		printf("syscall %" PRIu64 " fault %" PRIu64 "\n", cost.syscall_ns, cost.fault_ns);
		nanosleep(&pause, NULL);
	}
	free(p);
	return 0;
}

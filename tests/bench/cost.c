/* SPDX-License-Identifier: MIT */
/* cost COMMAND ARGUMENT...: runs it without its output; prints its seconds and the most memory that it had,
 * in KiB. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double start = now_s();
	struct rusage used;
	int status = 0;
	pid_t pid = argc > 1 ? fork() : -1;

	if (!pid) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0 || status) {
		fprintf(stderr, "cost: %s failed\n", argc > 1 ? argv[1] : "nothing to run");
		return 1;
	}
	printf("%.3f %ld\n", now_s() - start, used.ru_maxrss);
	return 0;
}

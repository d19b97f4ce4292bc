/* SPDX-License-Identifier: MIT */
/*
 * quiet ROUNDS [loud]: a thread that makes 200,003 calls a round of the malloc family from a fixed working
 * set, after it has given up all system calls: a filter ends the process at any but write to stdout and exit.
 *
 * Truth: `malloc`, `calloc`, `realloc` and `free` are all calls since go, those of the first round, which
 * warms up and is not under the filter, among them; `faults` and `major` the thread's page faults in the
 * rounds after it, as the kernel counts them. Without anything preloaded they are 0. `loud` makes one system
 * call more, by which the process ends.
 */
#include "target.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { CALLS = 200003, BLOCKS = 509, SIZE_MAX_BYTES = 4000, POOL_BYTES = 16 << 20 };

static void *block[BLOCKS];
static unsigned long mallocs, callocs, reallocs, frees, rounds;
static bool is_loud;
static atomic_int step; /* of the worker: 1 warm, 2 told to go on, 3 done, 4 told to end */
static atomic_int worker_tid;

/* Without a system call. */
static void wait_for(int wanted)
{
	while (atomic_load(&step) != wanted)
		;
}

/* The same sequence in each round, so that after the first one all memory is there. */
static NOINLINE void work(void)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < CALLS; i++) {
		unsigned at = target_random(&random) % BLOCKS;
		size_t size = 1 + target_random(&random) % SIZE_MAX_BYTES;

		if (!block[at] && size % 4) {
			block[at] = malloc(size);
			mallocs++;
		} else if (!block[at]) {
			block[at] = calloc(size, 1);
			callocs++;
		} else if (size % 4 == 1) {
			block[at] = realloc(block[at], size);
			reallocs++;
		} else {
			free(block[at]);
			block[at] = NULL;
			frees++;
		}
		TARGET_USE(block[at]);
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		frees += block[i] != NULL;
		free(block[i]);
		block[i] = NULL;
	}
}

/* The allocator gets all memory it will need, and touches it; it gives nothing back. */
static void prepare(void)
{
	mallopt(M_MMAP_THRESHOLD, POOL_BYTES * 2);
	mallopt(M_TRIM_THRESHOLD, POOL_BYTES * 4);
	void *pool = malloc(POOL_BYTES);

	mallocs++;
	if (pool)
		memset(pool, 1, POOL_BYTES);
	TARGET_USE(pool);
	free(pool);
	frees++;
}

static void give_up_system_calls(void)
{
	struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 3, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STDOUT_FILENO, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		target_print("error: cannot set the filter\n");
		_exit(1);
	}
}

static void *worker_main(void *arg)
{
	atomic_store(&worker_tid, (int)syscall(SYS_gettid));
	prepare();
	work();
	give_up_system_calls();
	atomic_store(&step, 1);
	wait_for(2);
	for (unsigned long i = 0; i < rounds; i++)
		work();
	if (is_loud)
		syscall(SYS_getppid);
	atomic_store(&step, 3);
	wait_for(4);
	syscall(SYS_exit, 0); /* the C library's way out makes other system calls */
	return arg;
}

/* Page faults of a thread: fields 10 and 12 of its stat. */
static void faults_of(int tid, unsigned long *minor, unsigned long *major)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	close(fd);
	const char *after_name = strrchr(text, ')');
	if (!after_name ||
	    sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu", minor, major) != 2) {
		target_print("error: cannot read %s\n", path);
		_exit(1);
	}
}

static void nap_until(int wanted)
{
	while (atomic_load(&step) != wanted)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

int main(int argc, char **argv)
{
	unsigned long minor[2], major[2];
	pthread_t worker;

	is_loud = argc == 3 && !strcmp(argv[2], "loud");
	if (argc != 2 && !is_loud) {
		fputs("usage: quiet ROUNDS [loud]\n", stderr);
		return 2;
	}
	rounds = target_number(argv[1]);
	target_wait_go();
	if (pthread_create(&worker, NULL, worker_main, NULL))
		return 1;
	nap_until(1);
	faults_of(worker_tid, &minor[0], &major[0]);
	atomic_store(&step, 2);
	nap_until(3);
	faults_of(worker_tid, &minor[1], &major[1]);
	atomic_store(&step, 4);
	pthread_join(worker, NULL);
	target_print("malloc %lu\ncalloc %lu\nrealloc %lu\nfree %lu\n", mallocs, callocs, reallocs, frees);
	target_print("faults %lu\nmajor %lu\n", minor[1] - minor[0], major[1] - major[0]);
	target_done();
	return 0;
}

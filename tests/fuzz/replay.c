/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Stands in for libFuzzer where clang has none: runs a fuzz target over files and folders of files, and over
 * each of them cut short. Options of libFuzzer (-runs=N ...) are accepted, and mean nothing. Exits with 0, or
 * crashes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (1u << 20)
#define CUTS            16

static unsigned long runs;

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_BYTES_MAX);

	if (!f || !data) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	size_t n = fread(data, 1, INPUT_BYTES_MAX, f);
	fclose(f);
	for (size_t i = 0; i <= CUTS; i++) {
		size_t size = n * i / CUTS;
		uint8_t *exact = malloc(size ? size : 1); /* so that a read behind it is seen */

		if (!exact)
			exit(1);
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
		runs++;
	}
	free(data);
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		if (stat(argv[i], &st) == 0 && !S_ISDIR(st.st_mode)) {
			run_file(argv[i]);
			continue;
		}
		DIR *dir = opendir(argv[i]);
		for (struct dirent *d; dir && (d = readdir(dir));) {
			snprintf(path, sizeof(path), "%s/%s", argv[i], d->d_name);
			if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
				run_file(path);
		}
		if (dir)
			closedir(dir);
	}
	printf("Done %lu runs\n", runs);
	return 0;
}

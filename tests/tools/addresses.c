/* SPDX-License-Identifier: MIT */
/*
 * Prints what `addr2line -fip` prints, from the project's own reader:
 *
 *   addresses [-m] FILE < ADDRESSES          hexadecimal, one a line
 *
 * DWARF is that of FILE, or of its separate debug file; a function that DWARF does not know is named by the
 * symbol table. -m: at the end, to stderr, the memory that the reader holds, the most that the process had,
 * and the first damage.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "symbolize/debug_file.h"
#include "symbolize/dwarf/dwarf.h"
#include "symbolize/functions.h"

#define FRAMES_MAX 256

struct reader {
	struct mp_elf *elf;
	struct mp_debug_file debug;
	struct mp_debug_files *files;
	struct mp_debug_source source;
	struct mp_dwarf_files callbacks;
	struct mp_dwarf *dwarf; /* NULL: none */
	struct mp_functions *symbols;
};

static int open_reader(struct reader *r, const char *path)
{
	struct mp_debug_files_options options = {.root_fd = -1};
	struct mp_err err = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || mp_elf_open(fd, path, &r->elf, &err) < 0) {
		fprintf(stderr, "addresses: cannot open %s: %s\n", path, err.text);
		return -1;
	}
	close(fd);
	r->files = mp_debug_files_new(&options);
	mp_debug_files_find(r->files, r->elf, path, &r->debug);
	r->source = (struct mp_debug_source){r->files, path, NULL};
	if (mp_dwarf_open(r->elf, NULL, &r->dwarf, NULL) == 0) {
		/* Opened only to see that it is there: the callbacks differ by where it is. */
		mp_dwarf_close(r->dwarf);
		r->dwarf = NULL;
	} else if (r->debug.elf) {
		r->source.debug = &r->debug;
	}
	r->callbacks = mp_debug_source_files(&r->source);
	if (mp_dwarf_open(r->source.debug ? r->debug.elf : r->elf, &r->callbacks, &r->dwarf, &err) < 0)
		fprintf(stderr, "addresses: %s: %s\n", path, err.text);
	r->symbols = mp_functions_new(r->elf, r->debug.elf);
	return 0;
}

static void close_reader(struct reader *r)
{
	mp_functions_free(r->symbols);
	mp_dwarf_close(r->dwarf);
	mp_debug_file_close(&r->debug);
	mp_debug_files_free(r->files);
	mp_elf_close(r->elf);
}

static bool is_mangled(const char *name)
{
	return name && name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

/* As addr2line: the symbol names what DWARF does not, and the function that begins where the symbol does and
 * has only a plain name in DWARF. */
static const char *name_of(
    const struct mp_dwarf_frame *f, bool is_outermost, const struct mp_function *symbol)
{
	bool is_same = is_outermost && symbol->raw && symbol->vaddr == f->start;

	if (!f->function || (is_same && is_mangled(symbol->raw) && !is_mangled(f->function)))
		return symbol->raw ? symbol->raw : "??";
	return f->function;
}

static void print(struct reader *r, uint64_t vaddr)
{
	struct mp_dwarf_frame frames[FRAMES_MAX];
	size_t n = r->dwarf ? mp_dwarf_find(r->dwarf, vaddr, frames, FRAMES_MAX) : 0;
	struct mp_function symbol = {0};

	if (n == 0 || !frames[0].function || !is_mangled(frames[n - 1].function))
		mp_functions_find(r->symbols, vaddr, &symbol);
	if (n == 0)
		printf(symbol.raw ? "%s at ??:?\n" : "%s ??:0\n", symbol.raw ? symbol.raw : "??");
	for (size_t i = 0; i < n; i++) {
		if (i)
			fputs(" (inlined by) ", stdout);
		fputs(name_of(&frames[i], i + 1 == n, &symbol), stdout);
		fputs(" at ", stdout);
		fputs(frames[i].file ? frames[i].file : "??", stdout);
		if (frames[i].line)
			printf(":%d\n", frames[i].line);
		else
			fputs(":?\n", stdout);
	}
}

static void print_memory(const struct reader *r)
{
	const char *damage = r->dwarf ? mp_dwarf_damage(r->dwarf) : NULL;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "held_bytes %zu\npeak_kib %ld\ndamage %s\n", r->dwarf ? mp_dwarf_bytes(r->dwarf) : 0,
	    usage.ru_maxrss, damage ? damage : "none");
}

int main(int argc, char **argv)
{
	bool tells_memory = argc > 1 && strcmp(argv[1], "-m") == 0;
	struct reader r = {0};
	char line[64];

	if (argc != 2 + tells_memory) {
		fprintf(stderr, "usage: addresses [-m] FILE < ADDRESSES\n");
		return 2;
	}
	if (open_reader(&r, argv[argc - 1]) < 0)
		return 1;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (fgets(line, sizeof(line), stdin))
		print(&r, strtoull(line, NULL, 16));
	if (tells_memory)
		print_memory(&r);
	close_reader(&r);
	return 0;
}

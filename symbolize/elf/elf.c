/* SPDX-License-Identifier: MIT */
#include "symbolize/elf/private.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libelf allocates by these counts before it looks at the file's size. Linkers make some dozens. */
#define SEGMENTS_MAX 4096
#define SECTIONS_MAX 65536

/* Names of sections are a few hundred bytes; of an object file with a section a function, some MiB. */
#define SECTION_NAMES_BYTES_MAX (4u << 20)

/* Notes and dynamic entries are a few hundred bytes; a longer part is not looked at. */
#define NOTES_BYTES_MAX  65536
#define DYNAMIC_READ_MAX 4096

uint64_t mp_elf_section_stored_bytes(const struct mp_elf *e, size_t number)
{
	const Elf64_Shdr *s = &e->sections[number];

	/* The debug file of a stripped one keeps the headers of sections that it does not hold. */
	if (s->sh_type == SHT_NOBITS || s->sh_offset >= e->file_size)
		return 0;
	return s->sh_size < e->file_size - s->sh_offset ? s->sh_size : e->file_size - s->sh_offset;
}

uint64_t mp_elf_section_bytes(const struct mp_elf *e, size_t number)
{
	return e->sections[number].sh_flags & SHF_COMPRESSED ? 0 : mp_elf_section_stored_bytes(e, number);
}

size_t mp_elf_read(const struct mp_elf *e, uint64_t offset, void *buf, size_t n)
{
	size_t done = 0;

	if (offset >= e->file_size)
		return 0;
	if (n > e->file_size - offset)
		n = e->file_size - offset;
	while (done < n) {
		ssize_t r = pread(e->fd, (char *)buf + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break; /* the file may have been truncated since it was opened */
		done += (size_t)r;
	}
	return done;
}

/*
 * Refuses what libelf must not see: archives, other classes, and header counts that would make it allocate
 * without limit. The extended counts (PN_XNUM, e_shnum == 0) stand in section header 0.
 */
static bool headers_sane(const struct mp_elf *e)
{
	static const uint8_t data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	Elf64_Ehdr h;
	Elf64_Shdr first = {0};

	if (mp_elf_read(e, 0, &h, sizeof(h)) != sizeof(h) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != data)
		return false;
	if (h.e_shoff)
		mp_elf_read(e, h.e_shoff, &first, sizeof(first));

	uint64_t sections = h.e_shnum ? h.e_shnum : first.sh_size;
	uint64_t segments = h.e_phnum == PN_XNUM ? first.sh_info : h.e_phnum;
	return sections <= SECTIONS_MAX && segments <= SEGMENTS_MAX;
}

static int read_segments(struct mp_elf *e, Elf *elf)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0 || n > SEGMENTS_MAX)
		return -ENOEXEC;
	e->segments = calloc(n + 1, sizeof(*e->segments));
	if (!e->segments)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p))
			return -ENOEXEC;
		e->segments[e->nsegments++] = p;
		if (p.p_type == PT_INTERP)
			e->has_interp = true;
	}
	return 0;
}

size_t mp_elf_find_section(const struct mp_elf *e, const char *name)
{
	uint64_t size = e->names ? mp_elf_section_bytes(e, e->names) : 0, length = strlen(name) + 1;
	size_t found = 0;

	if (size > SECTION_NAMES_BYTES_MAX)
		size = SECTION_NAMES_BYTES_MAX;
	char *names = size ? malloc(size) : NULL;
	if (!names)
		return 0;
	size = mp_elf_read(e, e->sections[e->names].sh_offset, names, size);
	for (size_t i = 1; i < e->nsections && !found; i++) {
		uint64_t at = e->sections[i].sh_name;

		if (at < size && length <= size - at && memcmp(names + at, name, length) == 0)
			found = i;
	}
	free(names);
	return found;
}

/* Copies the section headers. A file without them, or with damaged ones, still has its segments. */
static int read_sections(struct mp_elf *e, Elf *elf)
{
	size_t n, names;

	if (elf_getshdrnum(elf, &n) < 0 || n < 2 || n > SECTIONS_MAX)
		return 0;
	e->sections = calloc(n, sizeof(*e->sections));
	if (!e->sections)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		Elf_Scn *scn = elf_getscn(elf, i);
		GElf_Shdr s;

		if (!scn || !gelf_getshdr(scn, &s))
			break;
		e->sections[e->nsections++] = s;
	}
	for (size_t i = 1; i < e->nsections; i++) {
		if (e->sections[i].sh_type == SHT_SYMTAB && !e->symtab)
			e->symtab = i;
		if (e->sections[i].sh_type == SHT_DYNSYM && !e->dynsym)
			e->dynsym = i;
	}
	if (elf_getshdrstrndx(elf, &names) < 0 || names >= e->nsections)
		return 0;
	e->names = names;
	e->debugdata = mp_elf_find_section(e, ".gnu_debugdata");
	return 0;
}

/* Looks for NT_GNU_BUILD_ID among the notes at a file offset. */
static bool find_build_id(struct mp_elf *e, Elf *elf, uint64_t offset, uint64_t size, uint64_t align)
{
	if (size > NOTES_BYTES_MAX || offset >= e->file_size || size > e->file_size - offset)
		return false;

	Elf_Data *data =
	    elf_getdata_rawchunk(elf, (int64_t)offset, size, align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	GElf_Nhdr h;
	size_t at = 0, name, desc;
	while (data && (at = gelf_getnote(data, at, &h, &name, &desc)) > 0) {
		const uint8_t *bytes = (const uint8_t *)data->d_buf;

		if (h.n_type != NT_GNU_BUILD_ID || h.n_namesz != 4 || memcmp(bytes + name, "GNU", 4) != 0)
			continue;
		if (!h.n_descsz || h.n_descsz > ELF_BUILD_ID_BYTES_MAX)
			continue;
		for (size_t i = 0; i < h.n_descsz; i++)
			snprintf(e->build_id + 2 * i, 3, "%02x", bytes[desc + i]);
		return true;
	}
	return false;
}

/* Sections first: in a separate debug file the program headers may still describe the file it came from. */
static void read_build_id(struct mp_elf *e, Elf *elf)
{
	for (size_t i = 1; i < e->nsections; i++) {
		const Elf64_Shdr *s = &e->sections[i];

		if (s->sh_type == SHT_NOTE &&
		    find_build_id(e, elf, s->sh_offset, s->sh_size, s->sh_addralign))
			return;
	}
	for (size_t i = 0; i < e->nsegments; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type == PT_NOTE && find_build_id(e, elf, p->p_offset, p->p_filesz, p->p_align))
			return;
	}
}

static void read_dynamic(struct mp_elf *e)
{
	const Elf64_Phdr *dynamic = NULL;
	Elf64_Dyn d;

	for (size_t i = 0; i < e->nsegments && !dynamic; i++)
		if (e->segments[i].p_type == PT_DYNAMIC)
			dynamic = &e->segments[i];
	for (size_t i = 0; dynamic && i < DYNAMIC_READ_MAX && i < dynamic->p_filesz / sizeof(d); i++) {
		if (mp_elf_read(e, dynamic->p_offset + i * sizeof(d), &d, sizeof(d)) != sizeof(d) ||
		    d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_NEEDED)
			e->has_needed = true;
	}
}

/* Reads all that is read at open. libelf goes again before this returns. */
static int read_headers(struct mp_elf *e, const char *name, struct mp_err *err)
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return mp_err_set(err, ENOSYS, "cannot read %s: libelf is older than its header", name);
	if (!headers_sane(e))
		return mp_err_set(
		    err, ENOEXEC, "%s is no 64-bit ELF file of this machine's byte order", name);

	Elf *elf = elf_begin(e->fd, ELF_C_READ, NULL);
	if (!elf)
		return mp_err_set(err, ENOEXEC, "cannot read the ELF file %s: %s", name, elf_errmsg(-1));
	int rc = read_segments(e, elf);
	if (rc == 0)
		rc = read_sections(e, elf);
	if (rc == 0)
		read_build_id(e, elf);
	elf_end(elf);

	if (rc == -ENOMEM)
		return mp_err_set(err, ENOMEM, "no memory to read %s", name);
	if (rc < 0)
		return mp_err_set(err, ENOEXEC, "the program headers of %s are damaged", name);
	read_dynamic(e);
	return 0;
}

int mp_elf_open_nested(int fd, const char *name, bool nested, struct mp_elf **out, struct mp_err *err)
{
	struct stat st;
	int rc;

	struct mp_elf *e = calloc(1, sizeof(*e));
	struct elf_lazy *lazy = calloc(1, sizeof(*lazy));
	if (!e || !lazy) {
		free(e);
		free(lazy);
		return mp_err_set(err, ENOMEM, "no memory to read %s", name);
	}
	pthread_mutex_init(&lazy->lock, NULL);
	e->lazy = lazy;
	e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (e->fd < 0 || fstat(e->fd, &st) < 0) {
		rc = mp_err_set(err, errno, "cannot read %s: %m", name);
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = mp_err_set(err, ENOEXEC, "%s is no regular file", name);
		goto fail;
	}
	e->file_size = (uint64_t)st.st_size;
	rc = read_headers(e, name, err);
	if (rc < 0)
		goto fail;

	Elf64_Ehdr h = {0};
	mp_elf_read(e, 0, &h, sizeof(h));
	e->machine = h.e_machine;
	if (nested)
		e->debugdata = 0;
	*out = e;
	return 0;
fail:
	mp_elf_close(e);
	return rc;
}

int mp_elf_open(int fd, const char *name, struct mp_elf **out, struct mp_err *err)
{
	return mp_elf_open_nested(fd, name, false, out, err);
}

void mp_elf_close(struct mp_elf *e)
{
	if (!e)
		return;
	mp_elf_close(e->lazy->debugdata);
	free(e->lazy->symtab_strings.text);
	free(e->lazy->dynsym_strings.text);
	free(e->lazy->slots);
	pthread_mutex_destroy(&e->lazy->lock);
	free(e->lazy);
	free(e->sections);
	free(e->segments);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

uint16_t mp_elf_machine(const struct mp_elf *e)
{
	return e->machine;
}

bool mp_elf_is_static(const struct mp_elf *e)
{
	return !e->has_interp && !e->has_needed;
}

bool mp_elf_has_symtab(const struct mp_elf *e)
{
	return e->symtab != 0;
}

const char *mp_elf_build_id(const struct mp_elf *e)
{
	return e->build_id[0] ? e->build_id : NULL;
}

bool mp_elf_offset_to_vaddr(const struct mp_elf *e, uint64_t offset, uint64_t *vaddr)
{
	for (size_t i = 0; i < e->nsegments; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type == PT_LOAD && offset >= p->p_offset && offset - p->p_offset < p->p_filesz) {
			*vaddr = p->p_vaddr + (offset - p->p_offset);
			return true;
		}
	}
	return false;
}

bool mp_elf_vaddr_to_offset(const struct mp_elf *e, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; i < e->nsegments; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type == PT_LOAD && vaddr >= p->p_vaddr && vaddr - p->p_vaddr < p->p_filesz) {
			*offset = p->p_offset + (vaddr - p->p_vaddr);
			return true;
		}
	}
	return false;
}

uint64_t mp_elf_code_end(const struct mp_elf *e, uint64_t vaddr)
{
	static const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;

	for (size_t i = 1; i < e->nsections; i++) {
		const Elf64_Shdr *s = &e->sections[i];

		if ((s->sh_flags & code) == code && vaddr >= s->sh_addr && vaddr - s->sh_addr < s->sh_size)
			return s->sh_addr + s->sh_size;
	}
	for (size_t i = 0; i < e->nsegments && !e->nsections; i++) {
		const Elf64_Phdr *p = &e->segments[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && vaddr >= p->p_vaddr &&
		    vaddr - p->p_vaddr < p->p_memsz)
			return p->p_vaddr + p->p_memsz;
	}
	return 0;
}

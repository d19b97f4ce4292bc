/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_RECORD_H
#define MP_SAMPLER_PERF_RECORD_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The records of perf events (perf_event_open(2); tools/perf/Documentation/perf.data-file-format.txt of the
 * kernel), as they stand in a ring and in perf.data files of either byte order: bytes to values. Whatever the
 * bytes are, nothing outside them is read. Pointers into the record are valid as long as its bytes are.
 */

/* What the attributes of an event say of its records. */
struct mp_perf_layout {
	uint64_t sample_type, read_format, branch_sample_type, sample_regs_user, sample_regs_intr;
	bool sample_id_all; /* records that are no samples end with the identity of one */
	bool is_swapped;    /* of the other byte order */
};

/* An array of u64 in the record, of the record's byte order: mp_perf_u64() reads one. */
struct mp_perf_words {
	const unsigned char *at; /* NULL: none */
	size_t n;
	bool is_swapped;
};
uint64_t mp_perf_u64(const struct mp_perf_words *w, size_t i);

struct mp_perf_bytes {
	const unsigned char *at; /* NULL: none */
	size_t n;
};

struct mp_perf_regs {
	uint64_t abi, mask;         /* mask: which registers, from the layout; abi 0: none */
	struct mp_perf_words value; /* in the order of their numbers */
};

struct mp_perf_record {
	uint32_t type; /* PERF_RECORD_*; above those of the kernel also what perf itself writes into files */
	uint16_t misc;

	/* Of whom and when: of a sample its own, of other records the identity at their end. `has` are the
	 * bits PERF_SAMPLE_* of what follows; what is missing is 0. */
	uint64_t has;
	uint64_t id, stream_id, time, ip, addr, period, data_src, transaction, phys_addr, cgroup;
	uint64_t data_page_size, code_page_size;
	uint64_t weight;           /* the whole latency; of WEIGHT_STRUCT the first part */
	uint16_t weight2, weight3; /* of WEIGHT_STRUCT: instruction latency and the third */
	uint32_t pid, tid, cpu;
	struct mp_perf_words read;      /* PERF_SAMPLE_READ, and PERF_RECORD_READ: as read_format says */
	struct mp_perf_words callchain; /* with the marks PERF_CONTEXT_* */
	struct mp_perf_words branches;  /* triples: from, to, flags; in those, bit-fields begin at the other
					   end of the word where is_swapped */
	struct mp_perf_bytes raw, aux;
	struct mp_perf_regs regs_user, regs_intr;
	struct mp_perf_bytes stack; /* PERF_SAMPLE_STACK_USER: what was copied of it */

	/* What kind of thing happened, by type. Texts end within the record, or are cut there by `n`. */
	union {
		struct {
			uint32_t pid, tid;
			uint64_t addr, len, pgoff;
			uint64_t ino;      /* MMAP2 without a build-id; else 0 */
			uint32_t maj, min; /* likewise */
			uint32_t prot; /* MMAP2; of MMAP: PROT_EXEC, or 0 with PERF_RECORD_MISC_MMAP_DATA */
			struct mp_perf_bytes path, build_id; /* build_id.n 0: not told */
		} map;                                       /* MMAP, MMAP2 */
		struct {
			uint32_t pid, tid;
			struct mp_perf_bytes comm;
			bool is_exec;
		} comm; /* COMM */
		struct {
			uint32_t pid, ppid, tid, ptid;
			uint64_t time;
		} task; /* FORK, EXIT */
		struct {
			uint64_t id, lost;
		} lost; /* LOST; LOST_SAMPLES with id 0 */
		struct {
			uint64_t time, id, stream_id;
		} throttle; /* THROTTLE, UNTHROTTLE */
		struct {
			bool is_out, is_preempt;
			uint32_t pid, tid; /* SWITCH_CPU_WIDE: the next one or the one before; else 0 */
		} cpu_switch;              /* SWITCH, SWITCH_CPU_WIDE */
		struct {
			uint64_t offset, size, flags;
		} aux_data; /* AUX */
		struct {
			uint32_t pid, tid;
		} itrace; /* ITRACE_START */
		struct {
			uint64_t addr;
			uint32_t len;
			uint16_t ksym_type, flags;
			struct mp_perf_bytes name;
		} ksymbol; /* KSYMBOL */
		struct {
			uint32_t pid, tid;
			uint64_t n;
			struct mp_perf_words links; /* pairs: device, inode */
		} namespaces;                       /* NAMESPACES */
	} u;
};

/* 0; -EBADMSG: the record is shorter than its layout says, and *out is empty; -ENOTSUP: of a kind that is
 * skipped knowingly (TEXT_POKE, BPF_EVENT, CGROUP, AUX_OUTPUT_HW_ID) or not known at all: type and misc are
 * there, and of the former the identity at their end. `bytes` are of the whole record with its header,
 * aligned to 8. */
int mp_perf_record_parse(
    const struct mp_perf_layout *layout, const void *bytes, size_t n_bytes, struct mp_perf_record *out);

/*
 * The id by which a record of several events with different layouts is told apart (PERF_SAMPLE_IDENTIFIER has
 * it at a fixed place). False: the layout has none.
 */
bool mp_perf_record_id(const struct mp_perf_layout *layout, const void *bytes, size_t n_bytes, uint64_t *id);

#endif

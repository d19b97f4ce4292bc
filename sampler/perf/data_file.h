/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_DATA_FILE_H
#define MP_SAMPLER_PERF_DATA_FILE_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/perf/record.h"
#include "store/err.h"

/*
 * Recordings of perf(1): perf.data in file and pipe mode, of either byte order, as perf has written them
 * since Linux 3.4 (tools/perf/Documentation/perf.data-file-format.txt of the kernel), also with compressed
 * records (perf record -z). Records are handed out in the order of their times (data_order.h); those without
 * a time, such as what perf itself tells at the beginning, as they come. Of the file's features those below
 * are read, the others passed by. Data of the aux area is passed by.
 *
 * The file may be anybody's: memory is bounded (some 64 MiB of records that wait, zstd's window, and what
 * describes events and build-ids, of which there are at most so many), and of a file that is damaged or cut
 * off what is whole is read and the rest told. One thread.
 */
struct mp_perf_data;

#define MP_PERF_EVENTS_MAX 4096

struct mp_perf_data_event {
	struct perf_event_attr attr; /* 0 where the file's is shorter */
	struct mp_perf_layout layout;
	char name[128]; /* as the recording calls it; empty: it does not */
};

/* Empty where the file does not say. */
struct mp_perf_data_about {
	char host[128], kernel[128], arch[64], cpu[128], cpu_id[128], version[128], command[1024];
	bool is_pipe, is_swapped, has_clock;
	/* has_clock: when the recording's clock (clockid, see clock_gettime(2)) was at clock_ns,
	 * CLOCK_REALTIME was at real_ns. */
	uint32_t clock_id;
	uint64_t clock_ns, real_ns;
};

struct mp_perf_data_totals {
	uint64_t records;    /* handed out */
	uint64_t unknown;    /* of kinds that are not known: passed by */
	uint64_t broken;     /* shorter than they should be: passed by */
	uint64_t no_event;   /* samples of events that the file does not describe: passed by */
	uint64_t late;       /* handed out after later ones */
	uint64_t compressed; /* compressed records that were unpacked */
	uint64_t aux_bytes;  /* of the aux area, passed by */
	bool is_cut;         /* it ends before its end, or cannot be read on */
	char why[160];       /* ... in words */
};

/* `fd` stays the caller's; what is no regular file is read from front to back, and has to be of pipe mode.
 * `path` is for messages. -EINVAL: no perf.data that this version reads, with the reason. */
int mp_perf_data_open(int fd, const char *path, struct mp_perf_data **out, struct mp_err *err);
void mp_perf_data_close(struct mp_perf_data *d);

/*
 * Calls `fn` with each record and its event (MP_PERF_NO_EVENT: none is known), also with those of the
 * kernel's kinds that are not looked into, until it returns something else than 0, which is returned. Once.
 * A damaged file is no error: the totals tell.
 */
#define MP_PERF_NO_EVENT SIZE_MAX
typedef int mp_perf_data_fn(void *ctx, const struct mp_perf_record *r, size_t event, struct mp_err *err);
int mp_perf_data_read(struct mp_perf_data *d, mp_perf_data_fn *fn, void *ctx, struct mp_err *err);

/* The events so far: of pipe mode some may come between records. */
size_t mp_perf_data_events(const struct mp_perf_data *d);
const struct mp_perf_data_event *mp_perf_data_event(const struct mp_perf_data *d, size_t i);

/* All is known when the file was read. */
const struct mp_perf_data_about *mp_perf_data_about(const struct mp_perf_data *d);
const struct mp_perf_data_totals *mp_perf_data_totals(const struct mp_perf_data *d);
/* Of at most 20 bytes; `hex` has room for two characters each and the end. */
void mp_perf_build_id_hex(const unsigned char *id, size_t n, char *hex);
/* Lower-case hex, or NULL. */
const char *mp_perf_data_build_id(struct mp_perf_data *d, const char *path);
/* What a type of perf_event_attr was called in /sys/bus/event_source/devices, or NULL. */
const char *mp_perf_data_pmu(const struct mp_perf_data *d, uint32_t type);
/* How far it is, in percent; -1: the end is not known. */
int mp_perf_data_percent(const struct mp_perf_data *d);

#endif

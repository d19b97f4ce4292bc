/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DOCTOR_PMU_H
#define MP_SAMPLER_DOCTOR_PMU_H

/*
 * What libpfm4 knows about the hardware counters of this machine's CPU. It goes by the CPU's model: in a
 * virtual machine it knows events of counters that the guest does not have. What counts for a whole socket is
 * left out: it cannot be of one process.
 */
struct mp_pmu_known {
	char names[256]; /* of the PMUs, separated by ", " */
	int pmus, events;
};

/* Zeros, and the reason in `names`, where libpfm4 knows nothing about this CPU. */
void mp_pmu_known(struct mp_pmu_known *out);

/* Calls `fn` with each event of them, "pmu::EVENT:UMASK" where it has unit masks, until it returns non-zero,
 * which is returned. The texts live during the call. */
int mp_pmu_each_event(int (*fn)(void *ctx, const char *name, const char *about), void *ctx);

#endif

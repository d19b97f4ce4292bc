/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DOCTOR_PMU_H
#define MP_SAMPLER_DOCTOR_PMU_H

/*
 * What libpfm4 knows about the hardware counters of this machine. It goes by the CPU's model: in a virtual
 * machine it knows events of counters that the guest does not have.
 */
struct mp_pmu_known {
	char names[256]; /* of the PMUs, separated by ", " */
	int pmus, events;
};

/* Zeros, and the reason in `names`, where libpfm4 knows nothing about this CPU. */
void mp_pmu_known(struct mp_pmu_known *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_STUDENT_H
#define MP_ANALYSIS_STATS_STUDENT_H

/*
 * Student's distribution of t, by the normal one: Hill, Communications of the ACM 13(10), 1970, algorithm
 * 395. The probability beyond a t of up to 30 is within 0.4 % from 5 degrees of freedom on, within 1.6 %
 * at 3. Pure; any thread.
 */

/* The normal variable that has the same probability beyond it as `t`, of the same sign. df >= 3, also no
 * whole number; INFINITY is the normal distribution. */
double mp_student_z(double t, double df);

/* And back: the t of z. */
double mp_student_t(double z, double df);

#endif

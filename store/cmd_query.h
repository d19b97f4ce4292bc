/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_CMD_QUERY_H
#define MP_STORE_CMD_QUERY_H

/*
 * `mpsample query SESSION [SQL | -] [--format table|json|csv]`: any SQL over a session, read-only. argv[0] is
 * "query". Prints to stdout, and one line to stderr if it fails. Returns the exit status: 0 done, 1 failed, 2
 * usage.
 */
int mp_cmd_query(int argc, char **argv);

#endif

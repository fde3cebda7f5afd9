/* SPDX-License-Identifier: MIT */
/* Whatever happens to the benchmark, nothing of it stays: no process, no file. */
#ifndef NETSPLIT_BENCH_GUARD_H
#define NETSPLIT_BENCH_GUARD_H

/* Runs body(context, directory) in a child process and returns its status. The directory
 * is a temporary one, passable for other users, and TMPDIR for the child. When the child
 * has ended, by SIGINT or SIGTERM to us, too, all that it started is ended and the
 * directory removed; after a signal we die of it. */
int guard_run(int (*body)(void *context, const char *directory), void *context);

#endif

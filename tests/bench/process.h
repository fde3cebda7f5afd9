/* SPDX-License-Identifier: MIT */
/* Child processes of the benchmark: they die with it. */
#ifndef NETSPLIT_BENCH_PROCESS_H
#define NETSPLIT_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Is there such a program on PATH? */
bool process_finds(const char *program);

/* Starts argv, found on PATH. output, errors: descriptors for its standard output and
 * error; -1 = ours. Exits with a message when there can be no more processes. */
pid_t process_start(const char *const *argv, int output, int errors);

/* Runs it to its end and keeps the beginning of what it prints, errors too, as a string.
 * Returns whether it ended well. */
bool process_capture(const char *const *argv, char *text, size_t text_bytes);

/* Ends it and waits for that. */
void process_stop(pid_t pid);

#endif

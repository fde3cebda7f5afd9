/* SPDX-License-Identifier: MIT */
/* The program under test ($NETSPLIT, which make sets) as a process. */
#ifndef NETSPLIT_TESTS_PROGRAM_H
#define NETSPLIT_TESTS_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

/* What is lacking for network namespaces, of root or, if the user is not 0, of that one
 * in a user namespace of its own; NULL = nothing. */
const char *program_lacks_namespaces(unsigned user);

/* In a child, between fork and exec: it dies with its parent, the test, and begins with
 * the signals of a program that was started at a terminal. (What a shell runs in the
 * background has SIGINT ignored, and so have its children.) */
void program_in_child(pid_t parent);

/* Runs `netsplit ARGUMENTS` by the shell in the directory, to its end. Returns its
 * status; said is what it wrote on both streams, but for what ARGUMENTS redirect. */
int program_run(const char *directory, const char *arguments, char *said,
                size_t said_bytes);

#endif

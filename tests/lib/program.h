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

/* The program at work, or at its end. */
struct program_run {
    pid_t pid;
    int output; /* a pipe from its stdout and stderr */
    size_t n;
    char text[16384]; /* what it has said so far, of n bytes */
};

/* Starts `netsplit` with the words (NULL-terminated) after it has called prepare, which
 * may be NULL, in its process. */
struct program_run program_start(const char *const *words, void (*prepare)(void));

/* Reads what it says until it has said the text, or, if that is NULL, to its end. The
 * test fails when it ends without having said it, or is silent for 20 s. */
void program_await(struct program_run *run, const char *text);

/* Sends it the signal (0: none), reads to its end, and returns its exit status, or
 * 128 + the signal that it died of. */
int program_end(struct program_run *run, int number);

/* Runs `netsplit ARGUMENTS` by the shell in the directory, to its end. Returns its
 * status; said is what it wrote on both streams, but for what ARGUMENTS redirect. */
int program_run(const char *directory, const char *arguments, char *said,
                size_t said_bytes);

#endif

/* SPDX-License-Identifier: MIT */
/* `netsplit proxy` as a process in a directory of its own, for tests that are hard on
 * it: what it says goes to a file, so that it never waits for us, and every answer of
 * its API is timed. */
#ifndef NETSPLIT_TESTS_PROXY_PROCESS_H
#define NETSPLIT_TESTS_PROXY_PROCESS_H

#include "proxy/base/tempdir.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct proxy_process {
    pid_t pid; /* 0 = it does not run */
    char directory[TEMPDIR_PATH_MAX];
    char rules[TEMPDIR_PATH_MAX + 16];   /* the rule file's path */
    char said[TEMPDIR_PATH_MAX + 16];    /* where stdout and stderr go */
    char control[TEMPDIR_PATH_MAX + 16]; /* the socket */
    uint64_t slowest_ns;                 /* of the answers of its API so far */
    uint64_t slowest_cpu_ns; /* the time that it computed during one of them */
};

/* Makes the directory. */
void proxy_process_open(struct proxy_process *proxy);

/* Writes the rule file, at once as a whole. */
void proxy_process_write_rules(struct proxy_process *proxy, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs it on the rule file with more words (NULL-terminated) until it is ready. It may
 * be started again when it has ended; what it said before is forgotten then. */
void proxy_process_start(struct proxy_process *proxy, const char *const *words);

/* The port behind NAME= in its line `ready`. */
uint16_t proxy_process_port(struct proxy_process *proxy, const char *name);

/* Waits until it has said the text, on stdout or stderr; how often it has said it. */
void proxy_process_await(struct proxy_process *proxy, const char *text);
size_t proxy_process_count_said(struct proxy_process *proxy, const char *text);

/* Asks its API. The status; *body, if it is not NULL, gets what the caller owns. */
int proxy_process_ask(struct proxy_process *proxy, const char *method,
                      const char *target, const char *text, json_t **body);

/* The number NAME of its budget or of its totals, as its status says. */
uint64_t proxy_process_budget(struct proxy_process *proxy, const char *budget,
                              const char *name);
uint64_t proxy_process_total(struct proxy_process *proxy, const char *name);

/* Ends it with the signal. Returns its exit status, or 128 + the signal that it died
 * of. What a sanitizer has said fails the test. */
int proxy_process_end(struct proxy_process *proxy, int signal);

/* Waits for its end likewise. */
int proxy_process_wait(struct proxy_process *proxy);

/* Kills it, if it runs, and removes the directory. */
void proxy_process_close(struct proxy_process *proxy);

#endif

/* SPDX-License-Identifier: MIT */
/* The process that keeps a lab. */
#ifndef NETSPLIT_SCENARIOS_LAB_LAB_HOLDER_H
#define NETSPLIT_SCENARIOS_LAB_LAB_HOLDER_H

#include "scenarios/lab/lab_home.h"

/* From fork to its end, in a process of its own. It tells how making
 * it went on the socket and waits there for a byte: without it, it undoes everything;
 * with it, it closes the socket when it stands on its own. */
struct lab_holder_news {
    int status; /* 0 or a negative errno */
    struct errmsg err;
};
__attribute__((noreturn)) void lab_holder_run(const struct lab_home_options *options,
                                              int socket, pid_t parent);

#endif

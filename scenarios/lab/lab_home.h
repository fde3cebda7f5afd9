/* SPDX-License-Identifier: MIT */
/* Labs that stay: made by `netsplit lab up` and found again by their names, until `lab
 * down`. A process, the holder, keeps a lab's namespaces open and its record in the
 * user's runtime directory; a rootless lab's user namespace is that process's. For root
 * they also have names that ip-netns(8) finds: netsplit-LAB-NODE. */
#ifndef NETSPLIT_SCENARIOS_LAB_LAB_HOME_H
#define NETSPLIT_SCENARIOS_LAB_LAB_HOME_H

#include "scenarios/lab/lab.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

enum { LAB_HOME_NAME_BYTES = 32, LAB_HOME_PATH_BYTES = 128 };

struct lab_home {
    char name[LAB_HOME_NAME_BYTES];
    pid_t holder;
    bool is_rootless;
    struct lab lab; /* its descriptors are numbers in the holder */
};

struct lab_home_options {
    const char *name;
    const char *const *nodes;
    size_t n_nodes;
    bool has_bridge;
    uint64_t for_ns; /* it goes by itself after that; UINT64_MAX: never */
};

/* Makes a lab and leaves it there. 0; -EEXIST (there is such a lab), or another negative
 * errno, with err: then nothing is left. A signal that comes meanwhile takes effect
 * when all is undone. */
int lab_home_up(const struct lab_home_options *options, struct errmsg *err);

/* The user's labs, sorted by their names; free() them. */
int lab_home_list(struct lab_home **out, size_t *n, struct errmsg *err);

/* The path of a namespace of the lab, for setns(2) and rule files; fd is the
 * descriptor's number in the holder, name the node's (or the middle's). */
void lab_home_path(const struct lab_home *home, const char *name, int fd,
                   char path[static LAB_HOME_PATH_BYTES]);

/* Moves this process, which must have one thread only, into that namespace. */
int lab_home_enter(const struct lab_home *home, int fd, struct errmsg *err);

/* Ends what runs in the lab, and the lab. 0, or a negative errno with err. */
int lab_home_down(const struct lab_home *home, struct errmsg *err);

#endif

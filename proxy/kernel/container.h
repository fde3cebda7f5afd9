/* SPDX-License-Identifier: MIT */
/* Containers, as far as they are of interest here: the first process of each. */
#ifndef NETSPLIT_KERNEL_CONTAINER_H
#define NETSPLIT_KERNEL_CONTAINER_H

#include <stdint.h>

struct errmsg;

/* The process id of the running container of that name or id. Asks the engine that
 * $DOCKER_HOST or $CONTAINER_HOST names (unix:///PATH); without them Docker's socket,
 * then Podman's, the user's own last. Waits two seconds for each at most. 0; or
 * -ECONNREFUSED (no engine), -ENOENT (no such container), -ESRCH (it does not run),
 * -EPROTO, or what connecting said, with a sentence in err. */
int container_find(const char *name, uint32_t *pid, struct errmsg *err);

#endif

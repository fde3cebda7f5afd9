/* SPDX-License-Identifier: MIT */
/* The environment of a command that is to use a proxy's listeners. */
#ifndef NETSPLIT_PROXY_LISTENER_ENV_H
#define NETSPLIT_PROXY_LISTENER_ENV_H

#include <jansson.h>

struct errmsg;

/* Our own environment with NETSPLIT_NAME=ADDR:PORT for each listener of the answer to
 * GET /v1/status, its name in upper case and with _ for all but letters and digits, and
 * with NETSPLIT_CONTROL=control. NULL if two of them would be called the same: err
 * names them. Aborts without memory. */
char **listener_env_make(const json_t *status, const char *control, struct errmsg *err);

/* NULL is fine. */
void listener_env_free(char **env);

#endif

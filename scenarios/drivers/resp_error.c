/* SPDX-License-Identifier: MIT */
/* What is known of error replies is a table; a word that is not in it says nothing about
 * whether the write was done. */
#include "scenarios/drivers/resp_error.h"

#include <stddef.h>
#include <string.h>

/* Error replies whose meaning is known, by how they begin: but for one the write was
 * not done and never will be. They are Redis's (7.0, server.c, createSharedObjects) and
 * the reference store's. A bare ERR is not among them: proxies in front of a server use
 * it for their own timeouts. */
static const struct {
    const char *prefix;
    enum driver_error error;
} resp_errors[] = {
    {"INDOUBT", DRIVER_UNCLEAR},     /* no primary any more while it waited */
    {"READONLY", DRIVER_READ_ONLY},  /* the node is a replica */
    {"MOVED", DRIVER_READ_ONLY},     /* the key is another node's */
    {"NOREPLICAS", DRIVER_REFUSED},  /* min-replicas-to-write */
    {"CLUSTERDOWN", DRIVER_REFUSED}, /* from here on: before execution */
    {"MASTERDOWN", DRIVER_REFUSED},
    {"LOADING", DRIVER_REFUSED},
    {"TRYAGAIN", DRIVER_REFUSED},
    {"BUSY", DRIVER_REFUSED},
    {"OOM", DRIVER_REFUSED},
    {"MISCONF", DRIVER_REFUSED},
    {"NOAUTH", DRIVER_REFUSED},
    {"NOPERM", DRIVER_REFUSED},
    {"WRONGPASS", DRIVER_REFUSED},
    {"DENIED", DRIVER_REFUSED},
    {"WRONGTYPE", DRIVER_REFUSED},
    {"ERR unknown command", DRIVER_REFUSED},
    {"ERR wrong number", DRIVER_REFUSED},
    {"ERR syntax error", DRIVER_REFUSED},
    {"ERR value is not", DRIVER_REFUSED},
    {"ERR string exceeds", DRIVER_REFUSED},
    {"ERR max number of", DRIVER_REFUSED},
    {"ERR invalid", DRIVER_REFUSED},
};

enum driver_error resp_error_of(const char *text)
{
    for (size_t i = 0; i < sizeof resp_errors / sizeof *resp_errors; i++) {
        size_t length = strlen(resp_errors[i].prefix);
        if (!strncmp(text, resp_errors[i].prefix, length) &&
            (text[length] == '\0' || text[length] == ' '))
            return resp_errors[i].error;
    }
    return DRIVER_UNCLEAR;
}

/* SPDX-License-Identifier: MIT */
/* A PostgreSQL primary and its streaming standby, as somebody else would have started
 * them: netsplit knows nothing of them but what a test tells it. */
#ifndef NETSPLIT_TESTS_POSTGRES_PAIR_H
#define NETSPLIT_TESTS_POSTGRES_PAIR_H

#include "tests/lib/server_process.h"

struct postgres_pair {
    struct server_process primary, standby;
};

/* Starts both and returns when the standby streams; its application_name is the name,
 * and the way to its primary is further described by the conninfo words ("" = nothing).
 * False if PostgreSQL is not installed; what else goes wrong aborts. See
 * server_process.h for users, directories and ports. */
bool postgres_pair_open(struct postgres_pair *pair, const char *name,
                        const char *words);

/* What a node answers to the statement: its first value, "" if there is none. Valid
 * until the next call. An error aborts. */
const char *postgres_pair_ask(const struct server_process *node, const char *sql);

void postgres_pair_close(struct postgres_pair *pair);

#endif

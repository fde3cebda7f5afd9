/* SPDX-License-Identifier: MIT */
/* What netsplit explain found, and telling it: cmd_explain.c finds, explain_print.c
 * tells. */
#ifndef NETSPLIT_PROXY_EXPLAIN_H
#define NETSPLIT_PROXY_EXPLAIN_H

#include "rules/plan/match.h"

struct option_command;

/* One end of the connection that was asked for. */
struct explain_end {
    const char *text; /* as it was written, without a port: a name or an address */
    const char *name; /* the node's, or "any" */
    const struct plan_node *node; /* NULL: any */
    bool is_address;              /* the text is one, and the node was found by it */
};

struct explaining {
    const struct option_command *command;
    const char *file;
    char *to_text; /* owned: what to.text points into */
    struct explain_end from, to;
    uint16_t port; /* 0: not said */
    struct diag diag;
    struct rules *rules;
    struct plan *plan; /* of a kernel that can do everything */
    struct paths *paths;
    const struct match *match;
};

/* Prints which way the connection takes, if it comes to the proxy at all; what becomes
 * of the attempt; of the bytes in each direction; and which rules are about others. */
void explain_print(const struct explaining *explaining);

#endif

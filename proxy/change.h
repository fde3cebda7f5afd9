/* SPDX-License-Identifier: MIT */
/* From one set of layers to the next, all or nothing: the one way in which the rules of
 * an instance ever change. */
#ifndef NETSPLIT_PROXY_CHANGE_H
#define NETSPLIT_PROXY_CHANGE_H

#include "proxy/layers.h"

#include <stdint.h>

struct diag;
struct errmsg;
struct proxy;
struct proxy_commit;

struct change {
    struct layers next; /* consumed in any case */
    const char *what;   /* for the journal, a literal: "applied", "cleared", ... */
    const char *origin; /* the layer it was done to, interned; NULL = all */
};

/* Compiles the layers, binds new listeners, and only then lets the new plan take the
 * place of the old: rules, listeners, connections, journal. 0, or nothing changed and
 * as proxy.h says. commit may be NULL. */
int change_commit(struct proxy *proxy, struct change *change,
                  struct proxy_commit *commit, struct diag *diag, struct errmsg *err);

/* Windows have opened or closed: listeners, connections and journal follow, and the
 * timer is set for the next edge. */
void change_pass_edges(struct proxy *proxy, uint64_t now_ns);

#endif

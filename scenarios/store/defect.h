/* SPDX-License-Identifier: MIT */
/* Known bugs that can be switched on, to prove that checkers find them. Each is a few
 * lines in the module that its help speaks of, guarded by store_node_has. */
#ifndef NETSPLIT_STORE_DEFECT_H
#define NETSPLIT_STORE_DEFECT_H

#include <stdint.h>

enum store_defect {
    STORE_DEFECT_ACKNOWLEDGE_EARLY = 0,
    STORE_DEFECT_FORGET_FENCE,
    STORE_DEFECT_APPLY_OUT_OF_ORDER,
    STORE_DEFECT_LOSE_ON_RESTART,
    STORE_DEFECT_STALE_READS,
    STORE_DEFECT_APPLY_TWICE,
    STORE_DEFECT_KEEP_DIVERGENT,
    STORE_DEFECT_DROP_WRITES,
    STORE_DEFECT_SKIP_TAKEOVER,
    STORE_DEFECTS, /* how many there are */
};

struct store_defect_row {
    const char *name; /* as in --defect NAME */
    const char *help; /* one sentence, no full stop */
};

extern const struct store_defect_row store_defects[STORE_DEFECTS];

/* Adds the bug to the set. Returns 0 or -ENOENT. */
int store_defect_add(uint32_t *set, const char *name);

/* The name nearest to a misspelt one, or NULL. */
const char *store_defect_nearest(const char *name);

#endif

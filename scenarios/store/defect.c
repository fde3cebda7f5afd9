/* SPDX-License-Identifier: MIT */
#include "scenarios/store/defect.h"
#include "rules/nearest.h"

#include <errno.h>
#include <string.h>

const struct store_defect_row store_defects[STORE_DEFECTS] = {
    [STORE_DEFECT_ACKNOWLEDGE_EARLY] =
        {"acknowledge-early",
         "the primary acknowledges before any replica has the write, in every mode"},
    [STORE_DEFECT_FORGET_FENCE] =
        {"forget-fence", "a primary that hears of a higher term goes on as primary"},
    [STORE_DEFECT_APPLY_OUT_OF_ORDER] =
        {"apply-out-of-order",
         "a replica applies neighbouring writes in swapped order"},
    [STORE_DEFECT_LOSE_ON_RESTART] =
        {"lose-on-restart", "a restarted node skips the log it had, but counts it"},
    [STORE_DEFECT_STALE_READS] =
        {"stale-reads", "a replica shows what it received only once a second"},
    [STORE_DEFECT_APPLY_TWICE] =
        {"apply-twice", "a replica applies the last write again at each reconnect"},
    [STORE_DEFECT_KEEP_DIVERGENT] =
        {"keep-divergent", "a rejoining node keeps what its discarded writes had done"},
    [STORE_DEFECT_DROP_WRITES] =
        {"drop-writes", "the primary acknowledges every 50th write and drops it"},
    [STORE_DEFECT_SKIP_TAKEOVER] =
        {"skip-takeover", "PROMOTE never takes over the longest log of a majority"},
};

int store_defect_add(uint32_t *set, const char *name)
{
    for (unsigned i = 0; i < STORE_DEFECTS; i++) {
        if (strcmp(store_defects[i].name, name) != 0)
            continue;
        *set |= UINT32_C(1) << i;
        return 0;
    }
    return -ENOENT;
}

const char *store_defect_nearest(const char *name)
{
    const char *names[STORE_DEFECTS];
    for (unsigned i = 0; i < STORE_DEFECTS; i++)
        names[i] = store_defects[i].name;
    return nearest_word(name, names, STORE_DEFECTS);
}

/* SPDX-License-Identifier: MIT */
/* Ours is what has our mark, our mask and our routing table with one number in all
 * three; nobody else's is touched. The table of nftables that an instance owns goes
 * with it, so that a number without a table is of the dead; a live one makes its table
 * first and removes it last. */
#include "proxy/kernel/intercept_clean.h"
#include "proxy/base/errmsg.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/policy_route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NUMBERS = 256 };

struct sweep {
    bool found[NUMBERS][2]; /* by number, and whether IPv6 */
    intercept_clean_fn on_removed;
    void *arg;
    int n_removed;
};

static void note_rule(void *context, int family, uint32_t mark, uint32_t mask,
                      uint32_t table)
{
    struct sweep *sweep = context;
    unsigned number = table & 0xff;
    if ((table & INTERCEPT_MARK_MASK) != INTERCEPT_ROUTE_TABLE ||
        mark != intercept_mark(number, INTERCEPT_MARK_DIVERTED) ||
        mask != (INTERCEPT_MARK_MASK | INTERCEPT_MARK_DIVERTED))
        return;
    sweep->found[number][family == AF_INET6] = true;
}

static void remove_one(struct sweep *sweep, unsigned number, bool six)
{
    char line[128], name[32];
    uint32_t mark = intercept_mark(number, INTERCEPT_MARK_DIVERTED);
    (void)snprintf(name, sizeof name, INTERCEPT_TABLE_PREFIX "%u", number);
    int status = nft_exists(name);
    if (status > 0)
        return; /* it lives */
    if (status == 0)
        status = policy_route_remove(six ? AF_INET6 : AF_INET, mark,
                                     INTERCEPT_MARK_MASK | INTERCEPT_MARK_DIVERTED,
                                     INTERCEPT_ROUTE_TABLE | number);
    (void)snprintf(line, sizeof line,
                   "%s the policy rule and route of mark 0x%08x, %s%s%s",
                   status == 0 ? "removed" : "left", mark, six ? "IPv6" : "IPv4",
                   status == 0 ? "" : ": ",
                   status == 0        ? ""
                   : status == -EPERM ? "needs CAP_NET_ADMIN"
                                      : strerror(-status));
    sweep->n_removed += status == 0;
    sweep->on_removed(sweep->arg, line);
}

int intercept_clean(intercept_clean_fn on_removed, void *arg, struct errmsg *err)
{
    struct sweep sweep = {.on_removed = on_removed, .arg = arg};
    int status = policy_route_each(note_rule, &sweep);
    if (status != 0) {
        errmsg_set(err, "reading policy rules: %s", strerror(-status));
        return status;
    }
    for (unsigned number = 0; number < NUMBERS; number++)
        for (int six = 0; six < 2; six++)
            if (sweep.found[number][six])
                remove_one(&sweep, number, six);
    return sweep.n_removed;
}

/* SPDX-License-Identifier: MIT */
/* A root of ours says of which instance it is (tc.c), so that no record is needed. The
 * table of nftables that an instance owns goes with it; a live one makes its table
 * first and removes it last.
 *
 * Namespaces without a name, such as a container's, are not looked for: what is left
 * there goes with them, or is replaced by the next instance. */
#include "proxy/kernel/qdisc_clean.h"
#include "proxy/base/errmsg.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/netns.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/tc.h"

#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define NAMES "/run/netns"

enum { LINE_BYTES = PATH_MAX + 128 };

struct sweep {
    qdisc_clean_fn on_removed;
    void *arg;
    const char *where; /* the namespace's path; NULL: ours */
    struct nl_sock *socket;
    int n_removed;
};

static void remove_one(struct sweep *sweep, const struct tc_root *root)
{
    char name[IF_NAMESIZE] = "?", line[LINE_BYTES];
    int status = tc_remove_root(sweep->socket, root->device, root->number);
    (void)if_indextoname((unsigned)root->device, name); /* it may have gone */
    (void)snprintf(line, sizeof line, "%s the queueing discipline on %s%s%s%s%s",
                   status == 0 ? "removed" : "left", name, sweep->where ? " in " : "",
                   sweep->where ? sweep->where : "", status == 0 ? "" : ": ",
                   status == 0 ? "" : strerror(-status));
    sweep->n_removed += status == 0;
    sweep->on_removed(sweep->arg, line);
}

static void look_at(void *context, const struct tc_root *root)
{
    char table[32];
    (void)snprintf(table, sizeof table, INTERCEPT_TABLE_PREFIX "%u", root->number);
    if (root->is_ours && nft_exists(table) == 0)
        remove_one(context, root);
}

static int look_here(void *context)
{
    struct sweep *sweep = context;
    int status = tc_open(&sweep->socket);
    if (status != 0)
        return status;
    status = tc_each_root(sweep->socket, look_at, sweep);
    tc_close(sweep->socket);
    return status;
}

/* One that cannot be entered is passed by. */
static void look_in(struct sweep *sweep, const char *path)
{
    const struct place place = {.kind = PLACE_NETNS, .text = path};
    struct netns *netns;
    if (netns_open(&netns, &place, NULL) != 0)
        return;
    sweep->where = path;
    if (!netns_is_same(netns, NULL))
        (void)netns_run(netns, look_here, sweep); /* it says what it removed */
    sweep->where = NULL;
    netns_close(netns);
}

static void look_in_named(struct sweep *sweep)
{
    DIR *names = opendir(NAMES);
    if (!names)
        return; /* there are none */
    for (const struct dirent *each; (each = readdir(names));) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, NAMES "/%s", each->d_name);
        if (each->d_name[0] != '.')
            look_in(sweep, path);
    }
    (void)closedir(names); /* only read */
}

int qdisc_clean(qdisc_clean_fn on_removed, void *arg, struct errmsg *err)
{
    struct sweep sweep = {.on_removed = on_removed, .arg = arg};
    int status = look_here(&sweep);
    if (status != 0) {
        errmsg_set(err, "reading queueing disciplines: %s", strerror(-status));
        return status;
    }
    look_in_named(&sweep);
    return sweep.n_removed;
}

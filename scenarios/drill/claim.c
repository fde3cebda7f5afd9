/* SPDX-License-Identifier: MIT */
/* Claims are Unix sockets in the abstract namespace, one a node, called
 * "netsplit/drill/ADDRESS:PORT": the kernel lets one process have the name, whatever the
 * cluster files of two people have in common besides it, and takes it back when the
 * process ends, by kill -9 too. Nothing lies in a directory where somebody could have
 * put a symbolic link, or would have to remove it. And it says who: a connection to the
 * socket, which nobody needs to accept, has the credentials of its owner.
 *
 * Names are taken in order, so that of two drills that begin at the same moment one has
 * them all.
 *
 * Nodes that a dead drill owes something are not given out (claim_debt.c).
 *
 * Not seen from here are drills from other machines and other network namespaces: for
 * these there is the mark in the system's data (claim_mark.h). */
#include "scenarios/drill/claim.h"

#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "scenarios/drill/claim_debt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TRIES = 3 }; /* the one who had the name may be ending */

struct name {
    char text[96]; /* "127.0.0.1:6379" */
    size_t node;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Where its address means something, if that is not here: two containers may have the
 * same. */
static void tell_place(const struct place *place, char *text, size_t text_bytes)
{
    switch (place->kind) {
    case PLACE_NONE:
        text[0] = '\0';
        return;
    case PLACE_NETNS:
    case PLACE_CONTAINER:
        (void)snprintf(text, text_bytes, " in %s", place->text);
        return;
    case PLACE_PID:
        (void)snprintf(text, text_bytes, " in %" PRIu32, place->pid);
        return;
    }
}

/* One address may be written in several ways. */
static void set_name(const struct cluster_place *place, struct name *name)
{
    unsigned char bytes[16];
    char address[INET6_ADDRSTRLEN] = "", where[32];
    int family = strchr(place->address, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, place->address, bytes) == 1)
        (void)inet_ntop(family, bytes, address, sizeof address); /* there is room */
    tell_place(&place->netns, where, sizeof where);
    (void)snprintf(name->text, sizeof name->text,
                   family == AF_INET ? "%s:%u%s" : "[%s]:%u%s",
                   address[0] ? address : place->address, place->port, where);
}

static socklen_t set_address(const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1,
                     "netsplit/drill/%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* A socket that has the name, or a negative errno. */
static int bind_name(const char *name)
{
    struct sockaddr_un address;
    socklen_t size = set_address(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int why = errno;
    (void)close(fd); /* nothing was written */
    return -why;
}

/* Who has the name; false when nobody has, or it is not known. */
static bool ask_owner(const char *name, struct ucred *owner)
{
    struct sockaddr_un address;
    socklen_t size = set_address(name, &address), owner_size = sizeof *owner;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool told = connect(fd, (struct sockaddr *)&address, size) == 0 &&
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, owner, &owner_size) == 0;
    (void)close(fd); /* nothing was sent */
    return told;
}

/* ", by alice, pid 4711, since 2026-11-25T02:31:07Z", as far as it is known. */
static void tell_owner(const struct ucred *owner, char *text, size_t text_bytes)
{
    const struct passwd *user = getpwuid(owner->uid);
    char since[32] = "", id[24];
    uint64_t ticks;
    (void)snprintf(id, sizeof id, "user %u", (unsigned)owner->uid);
    if (rundir_start_time(owner->pid, &ticks) == 0)
        now_format_utc(now_wall_of_ticks(ticks), since, sizeof since);
    (void)snprintf(text, text_bytes, ", by %s, pid %d%s%s", user ? user->pw_name : id,
                   (int)owner->pid, since[0] ? ", since " : "", since);
}

static int take_one(const struct cluster *cluster, const struct name *name, int *out_fd,
                    struct errmsg *err)
{
    char who[128] = "";
    int fd = bind_name(name->text);
    for (int i = 1; i < TRIES && fd == -EADDRINUSE && !who[0]; i++) {
        struct ucred owner;
        if (ask_owner(name->text, &owner))
            tell_owner(&owner, who, sizeof who);
        else
            fd = bind_name(name->text);
    }
    if (fd >= 0) {
        *out_fd = fd;
        return 0;
    }
    if (fd == -EADDRINUSE)
        errmsg_set(
            err,
            "%s (%s) is being drilled already%s; nothing was touched: wait until "
            "that drill has ended",
            cluster->nodes[name->node], name->text, who);
    else
        errmsg_set(err, "claiming %s (%s): %s", cluster->nodes[name->node], name->text,
                   strerror(-fd));
    return fd == -EADDRINUSE ? -EBUSY : fd;
}

json_t *claim_list(const struct cluster *cluster)
{
    json_t *list = json_array();
    for (size_t i = 0; cluster->places && i < cluster->n_nodes; i++) {
        struct name name = {.node = i};
        set_name(&cluster->places[i], &name);
        (void)json_array_append_new(list, json_string(name.text)); /* memory: shorter */
    }
    return list;
}

int claim_take(const struct cluster *cluster, struct claim *out, struct errmsg *err)
{
    struct name names[CLUSTER_NODES_MAX] = {0};
    struct claim claim = {.n = 0};
    size_t n = cluster->places ? cluster->n_nodes : 0;
    int e = 0;
    for (size_t i = 0; i < n; i++) {
        set_name(&cluster->places[i], &names[i]);
        names[i].node = i;
    }
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n && e == 0; i++) {
        if (i > 0 && strcmp(names[i].text, names[i - 1].text) == 0)
            continue; /* two names of one server */
        e = take_one(cluster, &names[i], &claim.fds[claim.n], err);
        claim.n += e == 0;
    }
    if (e == 0 && n > 0) {
        json_t *claims = claim_list(cluster);
        e = claim_debt_check(claims, err);
        json_decref(claims);
    }
    if (e != 0)
        claim_release(&claim);
    else
        *out = claim;
    return e;
}

void claim_release(struct claim *claim)
{
    for (size_t i = 0; i < claim->n; i++)
        (void)close(claim->fds[i]); /* nothing was written */
    claim->n = 0;
}

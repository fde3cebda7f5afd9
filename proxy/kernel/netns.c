/* SPDX-License-Identifier: MIT */
/* A namespace is a descriptor of its file. The happy path: open it, setns, make a
 * socket, setns back to where we were, which is a descriptor too; the socket stays in
 * the namespace it was made in, whoever uses it.
 *
 * setns moves the calling thread only, so that no other thread notices. What fails
 * inside is the caller's; failing to come back is the end of the process, because
 * everything it did from then on would happen in somebody else's network.
 *
 * Not done here: making namespaces (netsplit lab does), or waiting for one to appear.
 */
#include "proxy/kernel/netns.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/kernel/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN "/proc/thread-self/ns/net"

struct netns {
    int fd;              /* owned */
    int home;            /* owned: of the namespace that opened it */
    struct place place;  /* its text: owned */
    char path[PATH_MAX]; /* of its file */
    char text[PATH_MAX];
};

static int copy_place(struct netns *netns, const struct place *place)
{
    netns->place = *place;
    netns->place.text = place->text ? strdup(place->text) : NULL;
    return !place->text || netns->place.text ? 0 : -ENOMEM;
}

static int get_place(struct netns *netns, const struct place *place, struct errmsg *err)
{
    uint32_t pid = place->pid;
    int status = 0;
    switch (place->kind) {
    case PLACE_NETNS:
        (void)snprintf(netns->path, sizeof netns->path, "%s", place->text);
        (void)snprintf(netns->text, sizeof netns->text, "%s", place->text);
        return 0;
    case PLACE_CONTAINER:
        status = container_find(place->text, &pid, err);
        (void)snprintf(netns->text, sizeof netns->text, "container %s (pid %u)",
                       place->text, pid);
        break;
    case PLACE_PID:
    case PLACE_NONE:
        (void)snprintf(netns->text, sizeof netns->text, "pid %u", pid);
        break;
    }
    (void)snprintf(netns->path, sizeof netns->path, "/proc/%u/ns/net", pid);
    return status;
}

static int enter_nothing(void *context)
{
    (void)context;
    return 0;
}

static int open_both(struct netns *netns)
{
    netns->home = open(OWN, O_RDONLY | O_CLOEXEC);
    netns->fd = open(netns->path, O_RDONLY | O_CLOEXEC);
    if (netns->home < 0 || netns->fd < 0)
        return -errno;
    return netns_run(netns, enter_nothing, NULL);
}

static void explain(const struct netns *netns, int status, struct errmsg *err)
{
    if (status == -EPERM || status == -EACCES)
        errmsg_set(err,
                   "entering the network namespace of %s needs CAP_SYS_ADMIN: run as "
                   "root, or let it listen (intercept: listen)",
                   netns->text);
    else if (status == -EINVAL)
        errmsg_set(err, "%s is not a network namespace", netns->text);
    else
        errmsg_set(err, "opening the network namespace of %s: %s", netns->text,
                   strerror(-status));
}

int netns_open(struct netns **out, const struct place *place, struct errmsg *err)
{
    struct netns *netns = calloc(1, sizeof *netns);
    if (!netns) {
        errmsg_set(err, "out of memory");
        return -ENOMEM;
    }
    netns->fd = netns->home = -1;
    int status = copy_place(netns, place);
    if (status == 0)
        status = get_place(netns, place, err);
    else
        errmsg_set(err, "out of memory");
    if (status == 0) {
        status = open_both(netns);
        if (status != 0)
            explain(netns, status, err);
    }
    if (status != 0) {
        netns_close(netns);
        return status;
    }
    *out = netns;
    return 0;
}

int netns_run(const struct netns *netns, netns_call_fn call, void *context)
{
    if (!netns)
        return call(context);
    if (setns(netns->fd, CLONE_NEWNET) != 0)
        return -errno;
    int result = call(context);
    if (setns(netns->home, CLONE_NEWNET) != 0) {
        log_line(LOG_ERROR, "proxy cannot leave the network namespace of %s: %s",
                 netns->text, strerror(errno));
        abort();
    }
    return result;
}

struct socket_wish {
    int family, type, protocol;
};

static int make_socket(void *context)
{
    const struct socket_wish *wish = context;
    int fd =
        socket(wish->family, wish->type | SOCK_NONBLOCK | SOCK_CLOEXEC, wish->protocol);
    return fd < 0 ? -errno : fd;
}

int netns_socket(const struct netns *netns, int family, int type, int protocol)
{
    struct socket_wish wish = {family, type, protocol};
    return netns_run(netns, make_socket, &wish);
}

static bool identify(const struct netns *netns, struct stat *out)
{
    return netns ? fstat(netns->fd, out) == 0 : stat(OWN, out) == 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool netns_is_same(const struct netns *a, const struct netns *b)
{
    struct stat of_a, of_b;
    return identify(a, &of_a) && identify(b, &of_b) && same_file(&of_a, &of_b);
}

bool netns_is_of(const struct netns *netns, const struct place *place)
{
    const struct place *own = &netns->place;
    return own->kind == place->kind && own->pid == place->pid &&
           !own->text == !place->text &&
           (!own->text || strcmp(own->text, place->text) == 0);
}

bool netns_is_current(const struct netns *netns)
{
    struct stat there, held;
    return stat(netns->path, &there) == 0 && identify(netns, &held) &&
           same_file(&there, &held);
}

const char *netns_text(const struct netns *netns)
{
    return netns->text;
}

void netns_close(struct netns *netns)
{
    if (!netns)
        return;
    if (netns->fd >= 0)
        (void)close(netns->fd); /* only read from */
    if (netns->home >= 0)
        (void)close(netns->home);
    free((char *)(uintptr_t)netns->place.text);
    free(netns);
}

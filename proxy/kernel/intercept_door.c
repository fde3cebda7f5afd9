/* SPDX-License-Identifier: MIT */
/* Accept sockets of interception. A connection that arrives here was on its way to some
 * server; the mode knows where that was, and the endpoints whose node it is. A server
 * that is no node any more (the plan changed while the connection waited) is passed on
 * to without faults. Whoever connects to the socket itself is reset. */
#include "proxy/wire/acceptor.h"
#include "proxy/base/errmsg.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/tcp_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

static void close_with_reset(int fd)
{
    static const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* a socket has it */
    (void)close(fd);
}

static struct path *find_path(const struct intercept_door *door,
                              const struct sockaddr_storage *client,
                              const struct sockaddr_storage *server)
{
    const struct interceptor *interceptor = door->site->interceptor;
    const char *to = endpoints_server(&interceptor->endpoints, server);
    const char *from = door->opener ? door->opener : door->site->node;
    if (!from)
        from = endpoints_opener(&interceptor->endpoints, client);
    return paths_find(interceptor->proxy->paths, from, to ? to : "any",
                      sockaddress_port(server));
}

/* What the connection was; NULL: it was made to the door itself, or there is no memory.
 */
static struct intercepted *identify(const struct intercept_door *door, int fd,
                                    const struct sockaddr_storage *client)
{
    struct intercepted *intercepted = calloc(1, sizeof *intercepted);
    if (!intercepted || door->site->mode->find_server(door, fd, intercepted) != 0) {
        free(intercepted);
        return NULL;
    }
    intercepted->site = door->site;
    intercepted->client = *client;
    return intercepted;
}

static bool take_client(void *context, int fd, const struct sockaddr_storage *client)
{
    struct intercept_door *door = context;
    struct intercept_site *site = door->site;
    struct intercepted *intercepted = identify(door, fd, client);
    if (!intercepted) {
        close_with_reset(fd);
        return false;
    }
    site->n_connections++;
    const struct connection_target target = {
        .intercepted = intercepted,
        .through = site->mode->name,
        .path = find_path(door, client, &intercepted->server),
    };
    return connection_open(site->interceptor->proxy, &target, fd, client);
}

static void on_acceptable(void *context, int events, bool failed)
{
    (void)events;
    (void)failed; /* a listening socket has no errors of its own */
    struct intercept_door *door = context;
    acceptor_run(door->site->interceptor->proxy, door->watch, take_client, door);
}

/* Binds and listens. 0 and the port it got, or a negative errno. */
static int open_socket(const struct intercept_door *door, int fd, uint16_t *port)
{
    const struct intercept_mode *mode = door->site->mode;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    const int on = 1;
    if (door->family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    int status = mode->transparent ? tcp_socket_set_transparent(fd, door->family) : 0;
    if (status != 0)
        return status;
    mode->door_address(door->family, &address);
    if (bind(fd, (struct sockaddr *)&address, sockaddress_length(&address)) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return -errno;
    *port = sockaddress_port(&address);
    return 0;
}

int door_create(struct intercept_door **out, struct intercept_site *site, int family,
                struct errmsg *err)
{
    struct intercept_door *door = calloc(1, sizeof *door);
    int fd = door ? tcp_socket_make(site->netns, family) : -ENOMEM;
    int status = fd < 0 ? fd : 0;
    if (status == 0) {
        door->site = site;
        door->family = family;
        status = open_socket(door, fd, &door->port);
    }
    if (status == 0)
        status = watch_create(&door->watch, site->interceptor->proxy->watches, fd, 0,
                              on_acceptable, door);
    if (status == 0) {
        *out = door;
        return 0;
    }
    errmsg_set(err, "opening the accept socket of interception: %s%s",
               strerror(-status), status == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
    if (fd >= 0)
        (void)close(fd);
    free(door);
    return status;
}

void door_destroy(struct intercept_door *door)
{
    watch_close(door->watch);
    free(door);
}

/* SPDX-License-Identifier: MIT */
/* hiredis on libuv, for one client.
 *
 * Happy path: resp_link_open() connects; what hiredis wants to hear of its socket is what
 * the poll waits for; answers come to the callback of each command.
 *
 * Failures: hiredis calls every callback that waits with a NULL reply when its
 * connection ends, for whatever reason, and then frees itself; on_gone() is where that
 * is learned. A connection that ends while nothing is open is made anew by the next
 * operation.
 *
 * hiredis's own libuv adapter ignores a poll with an error status, which is how libuv
 * reports a refused or reset socket, so that nobody would ever hear of it; the one here
 * lets hiredis read and write then, and find the error itself. */
#include "scenarios/drivers/resp_link.h"

#include "proxy/base/memory.h"
#include "proxy/base/namespace.h"

#include <fcntl.h>
#include <stdlib.h>

void resp_link_abandon(struct driver_client *base)
{
    struct resp_client *client = (struct resp_client *)base;
    struct resp_link *link = client->link;
    client->link = NULL;
    if (!link)
        return;
    link->client = NULL;
    redisAsyncFree(link->context); /* calls on_gone(), at once or after its callback */
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct resp_link *link = poll->data;
    bool failed = status < 0; /* hiredis asks the socket what it was */
    if (link->client && link->client->base.state != DRIVER_BUSY) {
        resp_link_abandon(&link->client->base); /* closed, or answering unasked */
        return;
    }
    if (link->context && (failed || events & (UV_READABLE | UV_DISCONNECT)))
        redisAsyncHandleRead(link->context);
    if (link->context && (failed || events & UV_WRITABLE))
        redisAsyncHandleWrite(link->context);
}

static void watch(struct resp_link *link, int events)
{
    link->events = events;
    if (events)
        (void)uv_poll_start(&link->poll, events, on_poll); /* fails only if closing */
    else
        (void)uv_poll_stop(&link->poll); /* cannot fail */
}

static void add_read(void *data)
{
    struct resp_link *link = data;
    watch(link, link->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct resp_link *link = data;
    watch(link, link->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct resp_link *link = data;
    watch(link, link->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct resp_link *link = data;
    watch(link, link->events & ~UV_WRITABLE);
}

static void on_link_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* hiredis is about to free the context and to close its socket. */
static void on_gone(void *data)
{
    struct resp_link *link = data;
    link->context = NULL;
    if (link->client)
        link->client->link = NULL;
    uv_close((uv_handle_t *)&link->poll, on_link_closed);
}

static void on_connect(const redisAsyncContext *context, int status)
{
    struct resp_link *link = context->ev.data;
    if (status == REDIS_OK && link->client)
        link->client->base.sent = true; /* what was queued leaves now */
}

/* A link whose callbacks are set, or NULL when the socket could not be watched. */
static struct resp_link *attach(struct resp_client *client, redisAsyncContext *context)
{
    struct resp_link *link = xcalloc(1, sizeof *link);
    link->context = context;
    link->client = client;
    if (uv_poll_init(client->base.loop, &link->poll, context->c.fd) < 0) {
        free(link);
        return NULL;
    }
    link->poll.data = link;
    context->ev.data = link;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = on_gone;
    (void)redisAsyncSetConnectCallback(context, on_connect); /* it is the first */
    return link;
}

/* Begins to connect; false after driver_broke(). */
bool resp_link_open(struct resp_client *client)
{
    const struct driver_endpoint *endpoint = &client->base.target.endpoint;
    int home = namespace_visit(endpoint->netns_fd);
    if (home < 0) {
        driver_broke(&client->base, "its network namespace cannot be entered");
        return false;
    }
    redisAsyncContext *context = redisAsyncConnect(endpoint->address, endpoint->port);
    namespace_return(home);
    if (!context || context->err) {
        driver_broke(&client->base, context ? context->errstr : "out of memory");
        if (context)
            redisAsyncFree(context);
        return false;
    }
    /* hiredis lets it through to every command, and the server would not see it end. */
    (void)fcntl(context->c.fd, F_SETFD, FD_CLOEXEC); /* of a descriptor that is open */
    client->link = attach(client, context);
    if (!client->link) {
        driver_broke(&client->base, "the socket cannot be watched");
        redisAsyncFree(context);
        return false;
    }
    const char *password = getenv("REDISCLI_AUTH");
    if (password)
        (void)redisAsyncCommand(context, NULL, NULL, "AUTH %s", password);
    return true;
}

struct resp_client *resp_link_hear(redisAsyncContext *context, const redisReply *reply)
{
    struct resp_link *link = context->ev.data;
    struct resp_client *client = link->client;
    if (!client || reply)
        return client;
    link->client = NULL;
    client->link = NULL; /* hiredis is closing it */
    driver_broke(&client->base, context->err ? context->errstr : "closed");
    return NULL;
}

/* SPDX-License-Identifier: MIT */
/* The driver for what speaks RESP: netsplit's reference store and Redis, by hiredis.
 *
 * Lists and sets are texts ("3,17,") that APPEND grows and GET reads whole, registers
 * are SET, GET and CAS; keys are named "SCHEMA:KEY". CAS key from to, answered 1 or 0,
 * is the reference store's; Redis refuses it as unknown, which is definite.
 *
 * Happy path: start() connects if there is no connection, queues the command, hiredis
 * sends it when the socket is writable, on_reply() reads the answer.
 *
 * With ?wait=N in the setting a write is ok only when N replicas have acknowledged it:
 * WAIT is asked on the same connection, after the write was answered; a write that too
 * few have is not definite, for the primary has it.
 *
 * Failures: hiredis calls every callback that waits with a NULL reply when its
 * connection ends, for whatever reason, and then frees itself; on_gone() is where that
 * is learned. A connection that ends while nothing is open is made anew by the next
 * operation. Error replies are judged by the first word, by the table below; a word
 * that is not in it is not definite.
 *
 * hiredis's own libuv adapter ignores a poll with an error status, which is how libuv
 * reports a refused or reset socket, so that nobody would ever hear of it; the one here
 * lets hiredis read and write then, and find the error itself.
 *
 * A system that is somebody's has the drill's mark at SCHEMA:drill, which setup sets
 * where there is none (SET NX) and teardown removes.
 *
 * It does not pipeline (an operation is open alone) and does not subscribe. A password
 * comes from $REDISCLI_AUTH, as with redis-cli; a server that wants another answers
 * -NOAUTH to the operations, which is definite. */
#include "proxy/base/memory.h"
#include "proxy/base/namespace.h"
#include "scenarios/drill/claim_mark.h"
#include "scenarios/drivers/client.h"
#include "scenarios/drivers/elements.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/async.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One connection. It outlives its client's interest by the time libuv needs. */
struct resp_link {
    uv_poll_t poll;
    redisAsyncContext *context; /* hiredis frees it; NULL once it has */
    struct resp_client *client; /* borrowed; NULL when nobody wants to hear any more */
    int events;                 /* what hiredis waits for */
};

struct resp_client {
    struct driver_client base;
    struct resp_link *link; /* owned, until it is abandoned; NULL = not connected */
    uint64_t open_replies;  /* of the request */
    struct driver_outcome outcome; /* of setup and teardown: the first error */
    struct elements elements;      /* of the last list read */
};

/* Error replies whose meaning is known, by how they begin: but for one the write was
 * not done and never will be. They are Redis's (7.0, server.c, createSharedObjects) and
 * the reference store's. A bare ERR is not among them: proxies in front of a server use
 * it for their own timeouts. */
static const struct {
    const char *prefix;
    enum driver_error error;
} resp_errors[] = {
    {"INDOUBT", DRIVER_UNCLEAR},     /* no primary any more while it waited */
    {"READONLY", DRIVER_READ_ONLY},  /* the node is a replica */
    {"MOVED", DRIVER_READ_ONLY},     /* the key is another node's */
    {"NOREPLICAS", DRIVER_REFUSED},  /* min-replicas-to-write */
    {"CLUSTERDOWN", DRIVER_REFUSED}, /* from here on: before execution */
    {"MASTERDOWN", DRIVER_REFUSED},
    {"LOADING", DRIVER_REFUSED},
    {"TRYAGAIN", DRIVER_REFUSED},
    {"BUSY", DRIVER_REFUSED},
    {"OOM", DRIVER_REFUSED},
    {"MISCONF", DRIVER_REFUSED},
    {"NOAUTH", DRIVER_REFUSED},
    {"NOPERM", DRIVER_REFUSED},
    {"WRONGPASS", DRIVER_REFUSED},
    {"DENIED", DRIVER_REFUSED},
    {"WRONGTYPE", DRIVER_REFUSED},
    {"ERR unknown command", DRIVER_REFUSED},
    {"ERR wrong number", DRIVER_REFUSED},
    {"ERR syntax error", DRIVER_REFUSED},
    {"ERR value is not", DRIVER_REFUSED},
    {"ERR string exceeds", DRIVER_REFUSED},
    {"ERR max number of", DRIVER_REFUSED},
    {"ERR invalid", DRIVER_REFUSED},
};

static enum driver_error classify(const char *text)
{
    for (size_t i = 0; i < sizeof resp_errors / sizeof *resp_errors; i++) {
        size_t length = strlen(resp_errors[i].prefix);
        if (!strncmp(text, resp_errors[i].prefix, length) &&
            (text[length] == '\0' || text[length] == ' '))
            return resp_errors[i].error;
    }
    return DRIVER_UNCLEAR;
}

/* --- hiredis on libuv --- */

static void resp_abandon(struct driver_client *base)
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
        resp_abandon(&link->client->base); /* closed, or answering unasked */
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

/* --- the connection --- */

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
static bool connect_link(struct resp_client *client)
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

static void resp_finish(struct driver_client *base)
{
    elements_free(&((struct resp_client *)base)->elements);
}

/* --- answers --- */

static void answer_unclear(struct resp_client *client, const char *what)
{
    driver_refused(&client->base, DRIVER_UNCLEAR, what);
}

static void answer_ok(struct resp_client *client, struct history_value value)
{
    driver_answer(&client->base, &(struct driver_outcome){
                                     .type = HISTORY_OK,
                                     .value = value,
                                     .reusable = true,
                                 });
}

static void on_reply(redisAsyncContext *context, void *data, void *privdata);

static void answer_read(struct resp_client *client, const redisReply *reply)
{
    struct history_value value = {.kind = HISTORY_NIL};
    if (reply->type == REDIS_REPLY_NIL)
        answer_ok(client, value);
    else if (reply->type == REDIS_REPLY_STRING &&
             elements_parse(&client->elements, reply->str, reply->len, &value) == 0)
        answer_ok(client, value);
    else
        answer_unclear(client, "the value read is neither an integer nor a list");
}

/* "redis://?wait=2" is 2; 0 = no WAIT; negative: it is no such setting. */
static int read_wait(const char *setting)
{
    int replicas = 0;
    char more = '\0';
    if (strcmp(setting, "") == 0 || strcmp(setting, "redis://") == 0)
        return 0;
    bool ok = sscanf(setting, "redis://?wait=%1d%c", &replicas, &more) == 1;
    return ok && replicas > 0 ? replicas : -EINVAL;
}

static void on_waited(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_link *link = context->ev.data;
    struct resp_client *client = link->client;
    if (!reply || context->c.reader->pos < context->c.reader->len) {
        on_reply(context, data, privdata); /* as if the write had been answered so */
        return;
    }
    if (!client)
        return; /* it was abandoned */
    int wanted = read_wait(client->base.target.setting);
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= wanted)
        answer_ok(client, (struct history_value){.kind = HISTORY_NIL});
    else
        answer_unclear(client, reply->type == REDIS_REPLY_ERROR
                                   ? reply->str
                                   : "too few replicas acknowledged it");
}

/* Done at the primary: and elsewhere? Without an end of its own: the operation has a
 * deadline. */
static void done(struct resp_client *client)
{
    int replicas = read_wait(client->base.target.setting);
    if (replicas > 0)
        (void)redisAsyncCommand(client->link->context, on_waited, NULL, "WAIT %d 0",
                                replicas);
    else
        answer_ok(client, (struct history_value){.kind = HISTORY_NIL});
}

/* Whether the reply is the one that the operation has when it was done. */
static void answer_write(struct resp_client *client, const redisReply *reply)
{
    enum history_f f = client->base.request.operation.f;
    int expected = f == HISTORY_WRITE ? REDIS_REPLY_STATUS : REDIS_REPLY_INTEGER;
    if (reply->type != expected)
        answer_unclear(client, "the answer is not one to this command");
    else if (f == HISTORY_CAS && reply->integer == 0)
        driver_refused(&client->base, DRIVER_CONFLICT, "another value is there");
    else
        done(client);
}

static void on_reply(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_link *link = context->ev.data;
    struct resp_client *client = link->client;
    (void)privdata;
    if (!client)
        return; /* it was abandoned */
    if (!reply) {
        link->client = NULL;
        client->link = NULL; /* hiredis is closing it */
        driver_broke(&client->base, context->err ? context->errstr : "closed");
    } else if (context->c.reader->pos < context->c.reader->len) {
        resp_abandon(
            &client->base); /* hiredis aborts on an answer without a question */
        driver_broke(&client->base, "more was answered than asked");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        driver_refused(&client->base, classify(reply->str), reply->str);
    } else if (driver_reads(&client->base)) {
        answer_read(client, reply);
    } else {
        answer_write(client, reply);
    }
}

/* One of the DELs of a setup or teardown; the last of them answers the request. */
static void on_deleted(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_link *link = context->ev.data;
    struct resp_client *client = link->client;
    if (!reply) {
        on_reply(context, NULL, privdata);
        return;
    }
    if (!client)
        return;
    if (reply->type == REDIS_REPLY_ERROR && client->outcome.type == HISTORY_OK) {
        client->outcome.type = HISTORY_FAIL;
        client->outcome.error = classify(reply->str);
        (void)snprintf(client->base.text, sizeof client->base.text, "%s", reply->str);
        client->outcome.text = client->base.text;
    }
    if (--client->open_replies == 0)
        driver_answer(&client->base, &client->outcome);
}

/* --- requests --- */

static void send_operation(struct resp_client *client)
{
    const struct driver_operation *operation = &client->base.request.operation;
    const struct history_value *value = &operation->value;
    redisAsyncContext *context = client->link->context;
    char key[80], element[24];
    (void)snprintf(key, sizeof key, "%s:%" PRId64, client->base.target.schema,
                   operation->key);
    switch (operation->f) {
    case HISTORY_READ:
        (void)redisAsyncCommand(context, on_reply, NULL, "GET %s", key);
        break;
    case HISTORY_APPEND:
    case HISTORY_ADD:
        (void)redisAsyncCommand(
            context, on_reply, NULL, "APPEND %s %s", key,
            elements_format(value->integer, element, sizeof element));
        break;
    case HISTORY_WRITE:
        (void)redisAsyncCommand(context, on_reply, NULL, "SET %s %lld", key,
                                (long long)value->integer);
        break;
    case HISTORY_CAS:
        (void)redisAsyncCommand(context, on_reply, NULL, "CAS %s %lld %lld", key,
                                (long long)value->pair.from, (long long)value->pair.to);
        break;
    case HISTORY_EVENT:
        break; /* driver_can() says no */
    }
}

static void send_deletes(struct resp_client *client)
{
    const struct driver_target *target = &client->base.target;
    bool unmarks = target->mark && client->base.request.verb == DRIVER_TEARDOWN;
    uint64_t keys = unmarks && target->keeps_data ? 0 : client->base.request.keys;
    client->open_replies = keys + unmarks;
    client->outcome = (struct driver_outcome){.type = HISTORY_OK, .reusable = true};
    for (uint64_t key = 0; key < keys; key++)
        (void)redisAsyncCommand(client->link->context, on_deleted, NULL, "DEL %s:%llu",
                                target->schema, (unsigned long long)key);
    if (unmarks)
        (void)redisAsyncCommand(client->link->context, on_deleted, NULL, "DEL %s:drill",
                                target->schema);
}

/* --- the mark: who drills here --- */

static void on_looked(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_client *client = ((struct resp_link *)context->ev.data)->client;
    char text[CLAIM_TEXT_BYTES] = "";
    if (!reply || !client) {
        on_reply(context, data, privdata);
        return;
    }
    const struct driver_target *target = &client->base.target;
    if (reply->type == REDIS_REPLY_STRING &&
        !claim_mark_yields(reply->str, target->take_over, text)) {
        driver_refused(&client->base, DRIVER_REFUSED, text);
        return;
    }
    if (client->base.request.verb == DRIVER_SETUP)
        (void)redisAsyncCommand(context, NULL, NULL, "SET %s:drill %s", target->schema,
                                target->mark); /* what hinders it hinders all else */
    send_deletes(client);
    (void)snprintf(client->base.text, sizeof client->base.text, "%s", text);
    client->outcome.text = text[0] ? client->base.text : NULL;
}

static void look(struct resp_client *client)
{
    (void)redisAsyncCommand(client->link->context, on_looked, NULL, "GET %s:drill",
                            client->base.target.schema);
}

/* A server that does not know how to set what is free is not marked. */
static void on_marked(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_client *client = ((struct resp_link *)context->ev.data)->client;
    if (!reply || !client)
        on_reply(context, data, privdata);
    else if (reply->type == REDIS_REPLY_NIL)
        look(client);
    else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR ", 4) != 0)
        driver_refused(&client->base, classify(reply->str), reply->str);
    else
        send_deletes(client);
}

static void send_marked(struct resp_client *client)
{
    const struct driver_target *target = &client->base.target;
    if (!target->mark)
        send_deletes(client);
    else if (client->base.request.verb == DRIVER_TEARDOWN)
        look(client);
    else
        (void)redisAsyncCommand(client->link->context, on_marked, NULL,
                                "SET %s:drill %s NX", target->schema, target->mark);
}

static void resp_start(struct driver_client *base)
{
    struct resp_client *client = (struct resp_client *)base;
    if (client->link)
        base->sent = true; /* hiredis may write at any moment */
    else if (!connect_link(client))
        return;
    if (base->request.verb == DRIVER_OPERATION)
        send_operation(client);
    else
        send_marked(client);
}

static int resp_check(const char *setting, struct errmsg *err)
{
    if (read_wait(setting) >= 0)
        return 0;
    errmsg_set(err,
               "\"%s\": the nodes say where the servers are, so the setting of resp is "
               "\"redis://\", or \"redis://?wait=1\" for writes that are waited for "
               "(WAIT); a password goes into $REDISCLI_AUTH",
               setting);
    return -EINVAL;
}

const struct driver driver_resp = {
    .name = "resp",
    .help = "the reference store and Redis: APPEND, SET, GET and CAS over RESP",
    .setting = "\"redis://\", or \"redis://?wait=N\": N replicas have a write before "
               "it is ok (a password comes from $REDISCLI_AUTH)",
    .operations = 1u << HISTORY_READ | 1u << HISTORY_APPEND | 1u << HISTORY_WRITE |
                  1u << HISTORY_CAS | 1u << HISTORY_ADD,
    .client_bytes = sizeof(struct resp_client),
    .check = resp_check,
    .start = resp_start,
    .abandon = resp_abandon,
    .finish = resp_finish,
};

/* SPDX-License-Identifier: MIT */
/* The driver for what speaks RESP: netsplit's reference store and Redis, by hiredis.
 *
 * Lists and sets are texts ("3,17,") that APPEND grows and GET reads whole, registers
 * are SET, GET and CAS; keys are named "SCHEMA:KEY". CAS key from to, answered 1 or 0,
 * is the reference store's; Redis refuses it as unknown, which is definite.
 *
 * Happy path: start() connects if there is no connection (resp_link.c), queues the
 * command, hiredis sends it when the socket is writable, on_reply() reads the answer.
 *
 * With ?wait=N in the setting a write is ok only when N replicas have acknowledged it:
 * WAIT is asked on the same connection, after the write was answered; a write that too
 * few have is not definite, for the primary has it.
 *
 * Failures: a connection that ends answers what is open with that (resp_link.c). Error
 * replies are judged by how they begin (resp_error.c). Setup, teardown and the mark of
 * whose drill it is are resp_schema.c's.
 *
 * It does not pipeline (an operation is open alone) and does not subscribe. A password
 * comes from $REDISCLI_AUTH, as with redis-cli; a server that wants another answers
 * -NOAUTH to the operations, which is definite. */
#include "scenarios/drivers/elements.h"
#include "scenarios/drivers/resp_error.h"
#include "scenarios/drivers/resp_link.h"
#include "scenarios/drivers/resp_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void resp_finish(struct driver_client *base)
{
    elements_free(&((struct resp_client *)base)->elements);
}

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

/* Whether more has come than was asked for, which ends the connection: hiredis aborts on
 * an answer without a question. */
static bool has_answered_unasked(struct resp_client *client)
{
    const redisReader *reader = client->link->context->c.reader;
    if (reader->pos >= reader->len)
        return false;
    resp_link_abandon(&client->base);
    driver_broke(&client->base, "more was answered than asked");
    return true;
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
    struct resp_client *client = resp_link_hear(context, reply);
    (void)privdata;
    if (!client || has_answered_unasked(client))
        return; /* as if the write had been answered so */
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
    struct resp_client *client = resp_link_hear(context, reply);
    (void)privdata;
    if (!client || has_answered_unasked(client))
        return;
    if (reply->type == REDIS_REPLY_ERROR)
        driver_refused(&client->base, resp_error_of(reply->str), reply->str);
    else if (driver_reads(&client->base))
        answer_read(client, reply);
    else
        answer_write(client, reply);
}

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

static void resp_start(struct driver_client *base)
{
    struct resp_client *client = (struct resp_client *)base;
    if (client->link)
        base->sent = true; /* hiredis may write at any moment */
    else if (!resp_link_open(client))
        return;
    if (base->request.verb == DRIVER_OPERATION)
        send_operation(client);
    else
        resp_schema_send(client);
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
    .abandon = resp_link_abandon,
    .finish = resp_finish,
};

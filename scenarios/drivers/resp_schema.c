/* SPDX-License-Identifier: MIT */
/* Setup and teardown: the keys of a schema are deleted, all at once, and the last answer
 * is the request's. A system that is somebody's has the drill's mark at SCHEMA:drill,
 * which setup sets where there is none (SET NX) and teardown removes; a mark that does
 * not yield refuses the request, and nothing is deleted. */
#include "scenarios/drivers/resp_schema.h"

#include "scenarios/drill/claim_mark.h"
#include "scenarios/drivers/resp_error.h"

#include <stdio.h>
#include <string.h>

/* One of the DELs of a setup or teardown; the last of them answers the request. */
static void on_deleted(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_client *client = resp_link_hear(context, reply);
    (void)privdata;
    if (!client)
        return;
    if (reply->type == REDIS_REPLY_ERROR && client->outcome.type == HISTORY_OK) {
        client->outcome.type = HISTORY_FAIL;
        client->outcome.error = resp_error_of(reply->str);
        (void)snprintf(client->base.text, sizeof client->base.text, "%s", reply->str);
        client->outcome.text = client->base.text;
    }
    if (--client->open_replies == 0)
        driver_answer(&client->base, &client->outcome);
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

static void on_looked(redisAsyncContext *context, void *data, void *privdata)
{
    const redisReply *reply = data;
    struct resp_client *client = resp_link_hear(context, reply);
    char text[CLAIM_TEXT_BYTES] = "";
    (void)privdata;
    if (!client)
        return;
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
    struct resp_client *client = resp_link_hear(context, reply);
    (void)privdata;
    if (!client)
        return;
    if (reply->type == REDIS_REPLY_NIL)
        look(client);
    else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR ", 4) != 0)
        driver_refused(&client->base, resp_error_of(reply->str), reply->str);
    else
        send_deletes(client);
}

void resp_schema_send(struct resp_client *client)
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

/* SPDX-License-Identifier: MIT */
/* A place in the pool.
 *
 * Happy path: slot_invoke() writes the invocation down and asks the client; on_done()
 * writes the completion down and tells the owner.
 *
 * Failures: after info the process is retired. A client whose outcome says so is
 * closed, and the next operation makes another; if the connection could not be made or
 * broke, not before a pause that doubles from 5 ms to 50 ms and is drawn from half to
 * one and a half of that: short, for it is an error in the time at which a system is
 * seen to be back. It never asks anything twice. */
#include "scenarios/workloads/slot.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "rules/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_DOUBLINGS = 4 };
#define PAUSE_FIRST_NS (5 * NS_PER_MS)
#define PAUSE_MOST_NS  (50 * NS_PER_MS)

void slot_init(struct slot *slot, struct slot_pool *pool, int32_t process,
               slot_done_fn on_done)
{
    *slot = (struct slot){.pool = pool, .process = process, .on_done = on_done};
    slot->clients = xcalloc(pool->nodes, sizeof *slot->clients);
}

bool slot_ready(const struct slot *slot, size_t node, uint64_t now_ns)
{
    return !slot->open && now_ns >= slot->clients[node].pause_until_ns;
}

static struct history_record record_of(const struct slot *slot, enum history_type type)
{
    return (struct history_record){
        .time_ns = history_time_ns(slot->pool->history, now_ns()),
        .process = slot->process,
        .type = type,
        .f = slot->operation.f,
        .final = slot->final,
        .probe = slot->probe,
        .node = (int16_t)slot->node,
        .key = slot->operation.key,
        .value = slot->operation.value,
    };
}

/* The node that answered; a name that is none of the cluster's says nothing. */
static int16_t node_of(const struct slot *slot, const struct driver_outcome *outcome)
{
    const struct slot_pool *pool = slot->pool;
    for (size_t i = 0; outcome->node && i < pool->nodes; i++)
        if (strcmp(history_node_name(pool->history, (int)i), outcome->node) == 0)
            return (int16_t)i;
    return (int16_t)slot->node;
}

/* Writes the completion down; the successor sits here afterwards if it was info. */
static void complete(struct slot *slot, const struct driver_outcome *outcome)
{
    struct history_record record = record_of(slot, outcome->type);
    if (slot->operation.f == HISTORY_READ)
        record.value = outcome->value;
    record.node = node_of(slot, outcome);
    record.error = outcome->text;
    (void)history_record(slot->pool->history, &record); /* its index is not needed */
    slot->open = false;
    if (outcome->type == HISTORY_INFO)
        slot->process += slot->pool->width;
}

static void close_client(struct slot_client *client)
{
    driver_close(client->client);
    client->client = NULL;
}

/* The connection failed: none is made for a while. */
static void begin_pause(struct slot *slot, struct slot_client *client)
{
    unsigned doublings =
        client->failures < PAUSE_DOUBLINGS ? client->failures : PAUSE_DOUBLINGS;
    uint64_t pause_ns = PAUSE_FIRST_NS << doublings;
    if (pause_ns > PAUSE_MOST_NS)
        pause_ns = PAUSE_MOST_NS;
    struct rng_key key = rng_mix_text(rng_seed(slot->pool->seed), "pause");
    key = rng_mix(key, (uint64_t)(slot->process % slot->pool->width));
    pause_ns = pause_ns / 2 + rng_below(key, slot->draws++, pause_ns);
    client->failures++;
    client->pause_until_ns = now_ns() + pause_ns;
}

static bool is_broken(enum driver_error error)
{
    return error == DRIVER_UNREACHABLE || error == DRIVER_LOST ||
           error == DRIVER_DEFECT;
}

static void on_done(void *context, const struct driver_outcome *outcome)
{
    struct slot *slot = context;
    struct slot_client *client = &slot->clients[slot->node];
    complete(slot, outcome);
    if (!outcome->reusable)
        close_client(client);
    if (is_broken(outcome->error)) {
        begin_pause(slot, client);
    } else {
        client->failures = 0;
        client->pause_until_ns = 0;
    }
    slot->on_done(slot, outcome);
}

static struct driver_client *open_client(struct slot_pool *pool, size_t node,
                                         const struct driver_endpoint *endpoint,
                                         const struct driver_endpoint *direct)
{
    pool->connects++;
    return driver_open(pool->driver, pool->loop,
                       &(struct driver_target){
                           .node = history_node_name(pool->history, (int)node),
                           .endpoint = *endpoint,
                           .direct = *direct,
                           .writes = pool->writes,
                           .setting = pool->setting,
                           .schema = pool->schema,
                           .program = pool->program,
                       });
}

void slot_invoke(struct slot *slot, size_t node, const struct driver_endpoint *endpoint,
                 const struct driver_endpoint *direct,
                 const struct driver_operation *operation, uint64_t within_ns)
{
    assert(!slot->open);
    struct slot_client *client = &slot->clients[node];
    if (!client->client)
        client->client = open_client(slot->pool, node, endpoint, direct);
    slot->open = true;
    slot->node = node;
    slot->operation = *operation;
    slot->operation.process = slot->process;
    struct history_record record = record_of(slot, HISTORY_INVOKE);
    (void)history_record(slot->pool->history, &record); /* its index is not needed */
    driver_invoke(client->client, &slot->operation, within_ns, on_done, slot);
}

void slot_abandon(struct slot *slot, const char *why)
{
    if (!slot->open)
        return;
    bool reads = slot->operation.f == HISTORY_READ;
    close_client(&slot->clients[slot->node]);
    complete(slot, &(struct driver_outcome){
                       .type = reads ? HISTORY_FAIL : HISTORY_INFO,
                       .error = DRIVER_LOST,
                       .text = why,
                   });
}

void slot_disconnect(struct slot *slot)
{
    assert(!slot->open);
    for (size_t i = 0; i < slot->pool->nodes; i++) {
        close_client(&slot->clients[i]);
        slot->clients[i] = (struct slot_client){0};
    }
}

void slot_close(struct slot *slot, const char *why)
{
    slot_abandon(slot, why);
    slot_disconnect(slot);
    free(slot->clients);
    slot->clients = NULL;
}

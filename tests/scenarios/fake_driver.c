/* SPDX-License-Identifier: MIT */
/* Answers come from a timer of the client, as those of a real server would come from
 * the loop. Nothing is replicated: a test copies what it wants copied. */
#include "tests/scenarios/fake_driver.h"

#include "scenarios/drivers/client.h"

#include <assert.h>
#include <stdio.h>

struct fake_client {
    struct driver_client base;
    uv_timer_t timer;
    bool has_timer;
    bool counted; /* in fake_open_now */
};

struct fake_node fake_nodes[FAKE_NODES];
size_t fake_open_now, fake_open_most;
unsigned fake_paths_used[FAKE_NODES];

static struct fake_node *node_of(const struct fake_client *client)
{
    unsigned port = client->base.target.endpoint.port;
    if (port < 1000)
        return &fake_nodes[port - 1];
    fake_paths_used[(port - 1000) % 10] |= 1u << (port - 1000) / 10;
    return &fake_nodes[(port - 1000) % 10];
}

static void uncount(struct fake_client *client)
{
    if (client->counted)
        fake_open_now--;
    client->counted = false;
}

static void answer_read(struct fake_client *client, struct fake_node *node)
{
    int64_t key = client->base.request.operation.key;
    if (node->reads_to_fail[key] > 0) {
        node->reads_to_fail[key]--;
        driver_refused(&client->base, DRIVER_REFUSED, "not now");
        return;
    }
    struct driver_outcome outcome = {
        .type = HISTORY_OK, .node = node->answers_as, .reusable = true};
    if (node->n[key] > 0)
        outcome.value = (struct history_value){
            .kind = HISTORY_LIST,
            .list = {.items = node->items[key], .n = node->n[key]},
        };
    driver_answer(&client->base, &outcome);
}

static void answer_write(struct fake_client *client, struct fake_node *node)
{
    const struct driver_operation *operation = &client->base.request.operation;
    if (node->mood == FAKE_READ_ONLY) {
        driver_refused(&client->base, DRIVER_READ_ONLY, "read only");
        return;
    }
    int64_t key = operation->key;
    assert(node->n[key] < FAKE_ROOM);
    node->items[key][node->n[key]++] = operation->value.integer;
    driver_answer(&client->base,
                  &(struct driver_outcome){.type = HISTORY_OK, .reusable = true});
}

static void on_timer(uv_timer_t *timer)
{
    struct fake_client *client = timer->data;
    struct fake_node *node = node_of(client);
    uncount(client);
    if (node->mood == FAKE_DEFECT)
        driver_defect(&client->base, "the program ended");
    else if (node->mood == FAKE_BREAKS)
        driver_broke(&client->base, "broken");
    else if (driver_reads(&client->base))
        answer_read(client, node);
    else
        answer_write(client, node);
}

static void fake_start(struct driver_client *base)
{
    struct fake_client *client = (struct fake_client *)base;
    struct fake_node *node = node_of(client);
    node->asked++;
    node->asked_by = base->request.operation.process;
    (void)snprintf(node->asked_as, sizeof node->asked_as, "%s", base->target.node);
    if (node->mood == FAKE_REFUSES) {
        driver_broke(base, "refused");
        return;
    }
    base->sent = true;
    client->counted = true;
    if (++fake_open_now > fake_open_most)
        fake_open_most = fake_open_now;
    if (!client->has_timer) {
        (void)uv_timer_init(base->loop, &client->timer);
        client->timer.data = client;
        client->has_timer = true;
        driver_hold(base);
    }
    if (node->mood != FAKE_SILENT)
        (void)uv_timer_start(&client->timer, on_timer, node->latency_ms, 0);
}

static void on_closed(uv_handle_t *handle)
{
    driver_release(handle->data);
}

static void fake_abandon(struct driver_client *base)
{
    struct fake_client *client = (struct fake_client *)base;
    uncount(client);
    if (client->has_timer)
        uv_close((uv_handle_t *)&client->timer, on_closed);
    client->has_timer = false;
}

static int fake_check(const char *setting, struct errmsg *err)
{
    (void)setting;
    (void)err;
    return 0;
}

const struct driver driver_fake = {
    .name = "fake",
    .help = "servers in memory",
    .setting = "nothing",
    .operations = 1u << HISTORY_READ | 1u << HISTORY_APPEND | 1u << HISTORY_ADD,
    .client_bytes = sizeof(struct fake_client),
    .check = fake_check,
    .start = fake_start,
    .abandon = fake_abandon,
};

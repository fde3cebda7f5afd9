/* SPDX-License-Identifier: MIT */
/* Connections that others opened to us: clients, and nodes that said REPLHELLO.
 *
 * A client's answers keep the order of its commands. A write is appended to the log and
 * answered when it is acknowledged; more writes may follow it at once, any other
 * command waits until all of them are answered. So a read that was pipelined behind a
 * write sees it. A client that leaves does not cancel its writes: its struct lives on
 * until the last one is answered to nobody. */
#include "scenarios/store/inside.h"
#include "proxy/base/log.h"
#include "proxy/base/memory.h"

#include <stdlib.h>

static void free_if_unused(struct store_client *client)
{
    if (client->gone && client->pending == 0)
        free(client);
}

void store_client_touch(struct store_client *client)
{
    if (client->touched || client->gone)
        return;
    client->touched = true;
    TAILQ_INSERT_TAIL(&client->node->touched, client, touch);
}

void store_client_settle(struct store_node *node)
{
    struct store_client *client;
    while ((client = TAILQ_FIRST(&node->touched)) != NULL) {
        TAILQ_REMOVE(&node->touched, client, touch);
        client->touched = false;
        store_channel_resume(&client->channel);
    }
}

void store_client_add_pending(struct store_client *client, uint64_t index)
{
    struct store_pending *pending = xcalloc(1, sizeof *pending);
    pending->index = index;
    pending->client = client;
    client->pending++;
    client->node->n_pending++;
    STAILQ_INSERT_TAIL(&client->node->pending, pending, entry);
}

/* Removes the first pending write; where its answer goes, NULL if its client left. */
static struct store_buffer *pop_pending(struct store_node *node)
{
    struct store_pending *pending = STAILQ_FIRST(&node->pending);
    struct store_client *client = pending->client;
    STAILQ_REMOVE_HEAD(&node->pending, entry);
    free(pending);
    node->n_pending--;
    client->pending--;
    if (client->gone) {
        free_if_unused(client);
        return NULL;
    }
    store_client_touch(client);
    return &client->channel.out;
}

struct store_buffer *store_client_answer(struct store_node *node, uint64_t index)
{
    const struct store_pending *first = STAILQ_FIRST(&node->pending);
    return first && first->index == index ? pop_pending(node) : NULL;
}

void store_client_fail_pending(struct store_node *node, const char *error)
{
    while (!STAILQ_EMPTY(&node->pending)) {
        struct store_buffer *out = pop_pending(node);
        if (out)
            store_resp_error(out, "%s", error);
    }
}

static enum store_verdict on_command(struct store_channel *channel,
                                     const struct store_command *command)
{
    return store_command_run((struct store_client *)channel, command);
}

static enum store_verdict on_garbage(struct store_channel *channel, const char *why)
{
    struct store_client *client = (struct store_client *)channel;
    if (client->pending > 0 || client->promoting)
        return STORE_WAIT;
    if (client->peer >= 0)
        log_line(LOG_WARN, "node=%s closes the connection of %s: %s",
                 client->node->config.name, client->node->peers[client->peer].name,
                 why);
    store_resp_error(&channel->out, "ERR Protocol error: %s", why);
    return STORE_CLOSE;
}

static void on_end(struct store_channel *channel)
{
    const struct store_client *client = (const struct store_client *)channel;
    if (client->pending == 0 && !client->promoting)
        store_channel_finish(channel);
}

static void on_failed(struct store_channel *channel, int error)
{
    const struct store_client *client = (const struct store_client *)channel;
    log_line(LOG_DEBUG, "node=%s lost a connection: %s", client->node->config.name,
             uv_strerror(error));
}

static void on_closed(struct store_channel *channel)
{
    struct store_client *client = (struct store_client *)channel;
    struct store_node *node = client->node;
    LIST_REMOVE(client, entry);
    if (client->touched)
        TAILQ_REMOVE(&node->touched, client, touch);
    if (node->feeder == client)
        node->feeder = NULL;
    node->n_clients--;
    client->gone = true;
    free_if_unused(client);
    store_node_forget_handle(node);
}

static const struct store_channel_events client_events = {on_command, on_garbage,
                                                          on_end, on_failed, on_closed};

void store_client_accept(struct store_node *node)
{
    struct store_client *client = xcalloc(1, sizeof *client);
    struct store_channel *channel = &client->channel;
    store_channel_init(channel, node->loop, &client_events,
                       node->config.max_command_bytes);
    client->node = node;
    client->peer = -1;
    LIST_INSERT_HEAD(&node->clients, client, entry);
    node->n_clients++;
    node->handles++;
    int e = uv_accept((uv_stream_t *)&node->listener, (uv_stream_t *)&channel->tcp);
    if (e) {
        log_line(LOG_WARN, "node=%s accepting: %s", node->config.name, uv_strerror(e));
        store_channel_close(channel, false);
        return;
    }
    if (node->n_clients > node->config.max_clients) {
        store_resp_error(&channel->out, "ERR max number of clients reached");
        channel->finishing = true;
    }
    store_channel_start(channel);
}

void store_client_close_all(struct store_node *node)
{
    while (!STAILQ_EMPTY(&node->pending))
        (void)pop_pending(node); /* nobody is told: the connections close */
    for (struct store_client *client = LIST_FIRST(&node->clients); client;
         client = LIST_NEXT(client, entry)) {
        store_channel_close(&client->channel, false);
    }
}

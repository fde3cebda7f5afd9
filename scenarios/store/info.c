/* SPDX-License-Identifier: MIT */
/* INFO and ROLE, in the words and shapes of Redis (master and slave), so that what
 * reads those reads these; lines that Redis does not have use ours. */
#include "scenarios/store/inside.h"
#include "scenarios/store/term.h"
#include "proxy/base/now.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

extern const char netsplit_version[];

static const char *role_word(const struct store_node *node)
{
    return node->role == STORE_PRIMARY ? "master" : "slave";
}

static void address_text(const struct sockaddr_storage *address, char *host,
                         size_t host_bytes, char *port, size_t port_bytes)
{
    if (getnameinfo((const struct sockaddr *)address, sizeof *address, host,
                    (socklen_t)host_bytes, port, (socklen_t)port_bytes,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        return;
    (void)snprintf(host, host_bytes, "?");
    (void)snprintf(port, port_bytes, "0");
}

static void write_members(const struct store_node *node, struct store_buffer *text)
{
    const bool *member = store_role_members(node);
    const char *comma = "";
    store_buffer_format(text, "members:");
    for (size_t rank = 0; rank < node->n; rank++) {
        if (!member[rank])
            continue;
        store_buffer_format(text, "%s%s", comma, node->peers[rank].name);
        comma = ",";
    }
    store_buffer_format(text, "\r\n");
}

static size_t count_ready(const struct store_node *node)
{
    size_t n = 0;
    for (size_t rank = 0; rank < node->n; rank++)
        n += node->role == STORE_PRIMARY && node->peers[rank].state == STORE_PEER_READY;
    return n;
}

static void write_replicas(const struct store_node *node, struct store_buffer *text)
{
    char host[64], port[16];
    size_t n = 0;
    store_buffer_format(text, "connected_slaves:%zu\r\n", count_ready(node));
    for (size_t rank = 0; rank < node->n; rank++) {
        const struct store_peer *peer = &node->peers[rank];
        if (node->role != STORE_PRIMARY || peer->state != STORE_PEER_READY)
            continue;
        address_text(&peer->address, host, sizeof host, port, sizeof port);
        uint64_t silent_ms = (now_ns() - peer->heard_at_ns) / NS_PER_MS;
        store_buffer_format(text,
                            "slave%zu:name=%s,ip=%s,port=%s,state=online,"
                            "offset=%" PRIu64 ",silent_ms=%" PRIu64 "\r\n",
                            n++, peer->name, host, port, peer->acked_index, silent_ms);
    }
}

static void write_numbers(const struct store_node *node, struct store_buffer *text)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"term", node->meta.term},
        {"last_index", store_wal_last_index(&node->wal)},
        {"last_term", store_wal_last_term(&node->wal)},
        {"commit_index",
         node->role == STORE_PRIMARY ? node->committed : store_apply_target(node)},
        {"applied_index", node->applied},
        {"master_repl_offset", store_wal_last_index(&node->wal)},
        {"loading", node->loading},
        {"pending_writes", node->n_pending},
        {"discarded_writes", node->discarded_writes},
        {"torn_bytes", node->cut_bytes},
        {"connected_clients", node->n_clients},
        {"keys", store_state_keys(node->state)},
        {"uptime_ms", (now_ns() - node->started_at_ns) / NS_PER_MS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        store_buffer_format(text, "%s:%" PRIu64 "\r\n", rows[i].name, rows[i].value);
}

void store_info_write(const struct store_node *node, struct store_buffer *text)
{
    store_buffer_format(text,
                        "# Store\r\nversion:%s\r\nname:%s\r\nmode:%s\r\nrole:%s\r\n"
                        "primary:%s\r\n",
                        netsplit_version, node->config.name, node->config.mode->name,
                        role_word(node), store_role_primary_name(node));
    write_numbers(node, text);
    write_members(node, text);
    write_replicas(node, text);
    for (unsigned i = 0; i < STORE_DEFECTS; i++)
        if (store_node_has(node, (enum store_defect)i))
            store_buffer_format(text, "defect:%s\r\n", store_defects[i].name);
}

static void write_primary_role(const struct store_node *node,
                               struct store_buffer *reply)
{
    char host[64], port[16];
    store_resp_array(reply, 3);
    store_resp_text(reply, role_word(node));
    store_resp_integer(reply, (int64_t)store_wal_last_index(&node->wal));
    store_resp_array(reply, count_ready(node));
    for (size_t rank = 0; rank < node->n; rank++) {
        const struct store_peer *peer = &node->peers[rank];
        if (peer->state != STORE_PEER_READY)
            continue;
        address_text(&peer->address, host, sizeof host, port, sizeof port);
        store_resp_array(reply, 3);
        store_resp_text(reply, host);
        store_resp_text(reply, port);
        store_resp_number(reply, peer->acked_index);
    }
}

void store_info_role(const struct store_node *node, struct store_buffer *reply)
{
    char host[64] = "?", port[16] = "0";
    if (node->role == STORE_PRIMARY) {
        write_primary_role(node, reply);
        return;
    }
    size_t owner =
        node->meta.term ? store_term_owner(node->meta.term, node->n) : node->self;
    uint64_t number = 0;
    if (owner != node->self)
        address_text(&node->peers[owner].address, host, sizeof host, port, sizeof port);
    (void)store_slice_number((struct store_slice){port, strlen(port)}, &number);
    store_resp_array(reply, 5);
    store_resp_text(reply, role_word(node));
    store_resp_text(reply, host);
    store_resp_integer(reply, (int64_t)number);
    store_resp_text(reply, node->feeder ? "connected" : "connect");
    store_resp_integer(reply, (int64_t)store_wal_last_index(&node->wal));
}

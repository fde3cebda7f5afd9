/* SPDX-License-Identifier: MIT */
/* Two lists, searched from end to end: nodes are few, and a search is made once a
 * connection. Nothing here asks the system for anything. */
#include "proxy/kernel/endpoints.h"
#include "proxy/wire/sockaddress.h"
#include "rules/buffer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more. Grows by doubling: n is a power of two when it is full. */
static void *grow(void *items, size_t n, size_t bytes)
{
    if (n & (n - 1))
        return items;
    return reallocarray(items, n ? 2 * n : 1, bytes);
}

int endpoints_add_address(struct endpoints *endpoints, const char *node,
                          const struct address *address, bool owned)
{
    struct endpoint_address *items =
        grow(endpoints->addresses, endpoints->n_addresses, sizeof *items);
    if (!items)
        return -ENOMEM;
    endpoints->addresses = items;
    items[endpoints->n_addresses] = (struct endpoint_address){node, *address, owned};
    items[endpoints->n_addresses++].address.text = NULL;
    return 0;
}

static int add_server(struct endpoints *endpoints, const struct endpoint_address *at,
                      uint16_t port, bool named)
{
    struct endpoint_server *items =
        grow(endpoints->servers, endpoints->n_servers, sizeof *items);
    if (!items)
        return -ENOMEM;
    endpoints->servers = items;
    items[endpoints->n_servers++] =
        (struct endpoint_server){at->node, at->address, port, named};
    return 0;
}

int endpoints_add_servers(struct endpoints *endpoints, const struct plan *plan)
{
    int status = 0;
    for (size_t i = 0; i < endpoints->n_addresses; i++) {
        const struct endpoint_address *at = &endpoints->addresses[i];
        plan_node_id id = plan_find_node(plan, at->node);
        bool named = id != PLAN_ANY && plan->nodes[id - 1].ports.n > 0;
        const struct ports *ports = named ? &plan->nodes[id - 1].ports : &plan->ports;
        for (size_t k = 0; k < ports->n && status == 0; k++)
            status = add_server(endpoints, at, ports->items[k], named);
    }
    return status;
}

bool endpoints_contains(const struct address *network, const struct address *address)
{
    size_t whole = network->prefix / 8;
    unsigned rest = network->prefix % 8;
    if (network->kind != address->kind || network->prefix > address->prefix ||
        memcmp(network->bytes, address->bytes, whole) != 0)
        return false;
    unsigned differ = rest ? network->bytes[whole] ^ address->bytes[whole] : 0;
    return differ >> (8 - rest) == 0;
}

static bool is_better(const struct endpoint_server *one,
                      const struct endpoint_server *than)
{
    if (!than || one->address.prefix != than->address.prefix)
        return !than || one->address.prefix > than->address.prefix;
    return one->named && !than->named;
}

const char *endpoints_server(const struct endpoints *endpoints,
                             const struct sockaddr_storage *address)
{
    const struct address wanted = sockaddress_address(address);
    const struct endpoint_server *best = NULL;
    for (size_t i = 0; i < endpoints->n_servers; i++) {
        const struct endpoint_server *each = &endpoints->servers[i];
        if (each->port == sockaddress_port(address) &&
            endpoints_contains(&each->address, &wanted) && is_better(each, best))
            best = each;
    }
    return best ? best->node : NULL;
}

const char *endpoints_opener(const struct endpoints *endpoints,
                             const struct sockaddr_storage *address)
{
    const struct address wanted = sockaddress_address(address);
    const struct endpoint_address *best = NULL;
    for (size_t i = 0; i < endpoints->n_addresses; i++) {
        const struct endpoint_address *each = &endpoints->addresses[i];
        if (!each->owned && endpoints_contains(&each->address, &wanted) &&
            (!best || each->address.prefix > best->address.prefix))
            best = each;
    }
    return best ? best->node : NULL;
}

bool endpoints_has(const struct endpoints *endpoints, const char *node,
                   const struct sockaddr_storage *address)
{
    const struct address wanted = sockaddress_address(address);
    for (size_t i = 0; i < endpoints->n_addresses; i++)
        if (strcmp(endpoints->addresses[i].node, node) == 0 &&
            endpoints_contains(&endpoints->addresses[i].address, &wanted))
            return true;
    return false;
}

static bool is_left_out(const struct endpoint_server *server, const char *but)
{
    return but && strcmp(server->node, but) == 0;
}

/* Does another one that is written contain it? Of equal ones the first does. */
static bool is_inside_another(const struct endpoints *endpoints, size_t place,
                              const char *but)
{
    const struct endpoint_server *inner = &endpoints->servers[place];
    for (size_t i = 0; i < endpoints->n_servers; i++) {
        const struct endpoint_server *outer = &endpoints->servers[i];
        if (i == place || is_left_out(outer, but) || outer->port != inner->port ||
            !endpoints_contains(&outer->address, &inner->address))
            continue;
        if (outer->address.prefix < inner->address.prefix || i < place)
            return true;
    }
    return false;
}

size_t endpoints_write(const struct endpoints *endpoints, enum address_kind kind,
                       const char *but, struct buffer *out)
{
    size_t n = 0;
    int family = kind == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    unsigned whole = kind == ADDRESS_IPV6 ? 128 : 32;
    for (size_t i = 0; i < endpoints->n_servers; i++) {
        const struct endpoint_server *each = &endpoints->servers[i];
        char text[INET6_ADDRSTRLEN];
        if (each->address.kind != kind || is_left_out(each, but) ||
            is_inside_another(endpoints, i, but))
            continue;
        (void)inet_ntop(family, each->address.bytes, text, sizeof text); /* it fits */
        buffer_print(out, "%s%s", n++ ? ", " : "", text);
        if (each->address.prefix < whole)
            buffer_print(out, "/%u", each->address.prefix);
        buffer_print(out, " . %u", each->port);
    }
    return n;
}

const struct endpoint_server *endpoints_overlap(const struct endpoints *endpoints,
                                                const char *but,
                                                const struct address *address,
                                                uint16_t port)
{
    for (size_t i = 0; i < endpoints->n_servers; i++) {
        const struct endpoint_server *each = &endpoints->servers[i];
        if (!is_left_out(each, but) && each->port == port &&
            (endpoints_contains(&each->address, address) ||
             endpoints_contains(address, &each->address)))
            return each;
    }
    return NULL;
}

void endpoints_close(struct endpoints *endpoints)
{
    free(endpoints->addresses);
    free(endpoints->servers);
    *endpoints = (struct endpoints){0};
}

/* SPDX-License-Identifier: MIT */
/* Two ways to know them.
 *
 * Where their sockets are, the kernel lists them. A connection that was redirected
 * looks the same from its client's side, because NAT is not seen there; but then its
 * other end is in the same list, at a door, and the two name each other.
 *
 * Where they only come through, packets tell: those to a server that are no first ones
 * and belong to nothing that was intercepted put their connection into a set of the
 * table, `passing`, where it stays for a minute. To be ended it is put into another,
 * `ending`, and its packets are answered with RST from then on; a new connection from
 * the same port is not met, because it is intercepted before. */
#include "proxy/kernel/bypass.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "rules/buffer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who bears a mark like this is some instance's connection to a server. */
#define ANY_OWN_MASK UINT32_C(0xffff0001)

/* Room for one more is made by doubling: n is a power of two when it is full. */
static void append(struct bypass_list *list, const struct bypass *bypass)
{
    if ((list->n & (list->n - 1)) == 0) {
        size_t room = list->n ? 2 * list->n : 1;
        struct bypass *items = reallocarray(list->items, room, sizeof *items);
        if (!items)
            return; /* it is one less */
        list->items = items;
    }
    list->items[list->n++] = *bypass;
}

void bypass_list_close(struct bypass_list *list)
{
    free(list->items);
    *list = (struct bypass_list){0};
}

static bool is_at_a_door(const struct intercept_site *site,
                         const struct sock_diag *socket)
{
    for (const struct intercept_door *each = site->doors; each; each = each->next)
        if (each->family == socket->own.ss_family &&
            each->port == sockaddress_port(&socket->own))
            return true;
    return false;
}

/* The far ends of what was intercepted, in order. */
struct taken {
    const struct sockaddr_storage **ends; /* owned; into the list of sockets */
    size_t n;
};

static int compare_ends(const void *one, const void *other)
{
    const struct sockaddr_storage *a = *(const struct sockaddr_storage *const *)one;
    const struct sockaddr_storage *b = *(const struct sockaddr_storage *const *)other;
    const uint8_t *of_a = NULL, *of_b = NULL;
    enum address_kind kind_a = sockaddress_bytes(a, &of_a);
    enum address_kind kind_b = sockaddress_bytes(b, &of_b);
    int ports = (int)sockaddress_port(a) - (int)sockaddress_port(b);
    if (kind_a != kind_b)
        return (int)kind_a - (int)kind_b;
    return ports ? ports : memcmp(of_a, of_b, kind_a == ADDRESS_IPV6 ? 16 : 4);
}

/* Without memory ends is NULL. */
static struct taken find_taken(const struct intercept_site *site,
                               const struct sock_diag_list *sockets)
{
    struct taken taken = {.ends = calloc(sockets->n + 1, sizeof *taken.ends)};
    for (size_t i = 0; taken.ends && i < sockets->n; i++)
        if (is_at_a_door(site, &sockets->items[i]))
            taken.ends[taken.n++] = &sockets->items[i].peer;
    if (taken.n > 0)
        qsort(taken.ends, taken.n, sizeof *taken.ends, compare_ends);
    return taken;
}

static bool is_intercepted(const struct taken *taken, const struct sock_diag *client)
{
    const struct sockaddr_storage *end = &client->own;
    return taken->n > 0 && bsearch(&end, taken->ends, taken->n, sizeof *taken->ends,
                                   compare_ends) != NULL;
}

static const char *find_opener(const struct intercept_site *site,
                               const struct sock_diag *client)
{
    if (site->node)
        return site->node;
    for (const struct intercept_door *each = site->doors; each; each = each->next)
        if (each->has_uid && !each->cgroup && each->uid == client->uid)
            return each->opener;
    const char *node = endpoints_opener(&site->interceptor->endpoints, &client->own);
    return node ? node : "any";
}

static void add_client(const struct intercept_site *site, const struct taken *taken,
                       const struct sock_diag *client, struct bypass_list *out)
{
    const char *to = endpoints_server(&site->interceptor->endpoints, &client->peer);
    if (!to || (site->node && strcmp(site->node, to) == 0) ||
        (client->mark & ANY_OWN_MASK) == intercept_mark(0, INTERCEPT_MARK_OWN) ||
        is_intercepted(taken, client))
        return;
    const struct bypass bypass = {
        .site = (struct intercept_site *)(uintptr_t)site,
        .from = find_opener(site, client),
        .to = to,
        .client = client->own,
        .server = client->peer,
        .is_here = true,
        .socket = *client,
    };
    append(out, &bypass);
}

static void list_here(const struct intercept_site *site, struct bypass_list *out)
{
    struct sock_diag_list sockets = {0};
    int status = sock_diag_list(site->netns, AF_INET, &sockets);
    if (status == 0 && site_door(site, AF_INET6))
        status = sock_diag_list(site->netns, AF_INET6, &sockets);
    if (status != 0)
        log_line(LOG_WARN, "proxy cannot list the connections that bypass it: %s",
                 strerror(-status));
    struct taken taken = find_taken(site, &sockets);
    for (size_t i = 0; i < sockets.n && taken.ends; i++)
        add_client(site, &taken, &sockets.items[i], out);
    free(taken.ends);
    sock_diag_list_close(&sockets);
}

/* An address and a port of an element. 0 or -EINVAL. */
static int read_end(const json_t *words, size_t first, struct sockaddr_storage *out)
{
    struct address address;
    const char *text = json_string_value(json_array_get(words, first));
    if (!text || address_parse(text, strlen(text), &address, NULL) != 0)
        return -EINVAL;
    json_int_t port = json_integer_value(json_array_get(words, first + 1));
    (void)sockaddress_make(&address, (uint16_t)port, out);
    return 0;
}

/* {"elem": {"val": {"concat": [...]}, "timeout": 60, ...}} */
static void add_passing(const struct intercept_site *site, const json_t *element,
                        struct bypass_list *out)
{
    const json_t *value = json_object_get(json_object_get(element, "elem"), "val");
    const json_t *words = json_object_get(value ? value : element, "concat");
    const struct endpoints *endpoints = &site->interceptor->endpoints;
    struct bypass bypass = {.site = (struct intercept_site *)(uintptr_t)site};
    if (read_end(words, 0, &bypass.client) != 0 ||
        read_end(words, 2, &bypass.server) != 0)
        return;
    bypass.to = endpoints_server(endpoints, &bypass.server);
    bypass.from = endpoints_opener(endpoints, &bypass.client);
    if (!bypass.from)
        bypass.from = "any";
    if (bypass.to)
        append(out, &bypass);
}

static void list_passing(const struct intercept_site *site, int version,
                         struct bypass_list *out)
{
    char command[128], *text;
    struct errmsg err = {0};
    (void)snprintf(command, sizeof command, "list set inet %s passing%d",
                   nft_table(site->nft), version);
    if (nft_list(site->nft, command, &text, &err) != 0) {
        log_line(LOG_WARN, "proxy cannot list the connections that bypass it: %s",
                 err.text);
        return;
    }
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "nftables");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *set = json_object_get(json_array_get(rows, i), "set");
        const json_t *elements = json_object_get(set, "elem");
        for (size_t k = 0; k < json_array_size(elements); k++)
            add_passing(site, json_array_get(elements, k), out);
    }
    json_decref(answer);
    free(text);
}

void bypass_list(const struct interceptor *interceptor, struct bypass_list *out)
{
    const struct intercept_site *site = interceptor ? interceptor->sites : NULL;
    if (!site || interceptor->stopping)
        return; /* nothing would be intercepted */
    for (; site; site = site->next) {
        if (site->mode->sees_clients)
            list_here(site, out);
        if (site->mode->sees_passing) {
            list_passing(site, 4, out);
            list_passing(site, 6, out);
        }
    }
}

/* "10.77.1.2 . 4711" */
static void write_end(const struct sockaddr_storage *end, struct buffer *out)
{
    char text[SOCKADDRESS_TEXT_BYTES];
    sockaddress_format(end, text);
    char *colon = strrchr(text, ':');
    *colon = '\0';
    size_t skip = text[0] == '[';
    buffer_print(out, "%.*s . %s", (int)strcspn(text + skip, "]"), text + skip,
                 colon + 1);
}

static int end_passing(const struct bypass *bypass, struct errmsg *err)
{
    struct buffer command = {0};
    int version = bypass->client.ss_family == AF_INET6 ? 6 : 4;
    const char *table = nft_table(bypass->site->nft);
    buffer_print(&command, "add element inet %s ending%d { ", table, version);
    write_end(&bypass->client, &command);
    buffer_print(&command, " . ");
    write_end(&bypass->server, &command);
    buffer_print(&command, " }\ndelete element inet %s passing%d { ", table, version);
    write_end(&bypass->client, &command);
    buffer_print(&command, " . ");
    write_end(&bypass->server, &command);
    buffer_print(&command, " }\n");
    int status = command.out_of_memory
                     ? -ENOMEM
                     : nft_run(bypass->site->nft, buffer_text(&command), err);
    buffer_close(&command);
    return status;
}

int bypass_end(const struct bypass *bypass, struct errmsg *err)
{
    if (!bypass->is_here)
        return end_passing(bypass, err);
    int status = sock_diag_destroy(bypass->site->netns, &bypass->socket);
    if (status == -EOPNOTSUPP)
        errmsg_set(err, "this kernel cannot end connections of others (it lacks "
                        "CONFIG_INET_DIAG_DESTROY): restart their clients");
    else if (status != 0)
        errmsg_set(err, "ending a connection: %s", strerror(-status));
    return status;
}

static void write_sets(const char *table, int version, struct buffer *out)
{
    buffer_print(
        out,
        "add set inet %s passing%d { type ipv%d_addr . inet_service . ipv%d_addr . "
        "inet_service; flags dynamic,timeout; size 4096; timeout 1m; }\n"
        "add set inet %s ending%d { type ipv%d_addr . inet_service . ipv%d_addr . "
        "inet_service; flags timeout; timeout 1h; }\n",
        table, version, version, version, table, version, version, version);
}

static void write_family(const char *table, const char *chain, int version,
                         struct buffer *out)
{
    const char *ip = version == 6 ? "ip6" : "ip";
    char there[64], ends[128], back[128];
    (void)snprintf(there, sizeof there, "%s daddr . tcp dport @servers%d", ip, version);
    (void)snprintf(ends, sizeof ends, "%s saddr . tcp sport . %s daddr . tcp dport", ip,
                   ip);
    (void)snprintf(back, sizeof back, "%s daddr . tcp dport . %s saddr . tcp sport", ip,
                   ip);
    buffer_print(out,
                 "add rule inet %s %s " INTERCEPT_NOT_SYN
                 "%s @ending%d reject with tcp reset\n"
                 "add rule inet %s %s %s @ending%d reject with tcp reset\n"
                 "add rule inet %s %s tcp flags & (fin|rst) != 0x0 %s "
                 "delete @passing%d { %s }\n"
                 "add rule inet %s %s tcp flags & (fin|syn|rst) == 0x0 %s "
                 "update @passing%d { %s }\n",
                 table, chain, ends, version, table, chain, back, version, table, chain,
                 there, version, ends, table, chain, there, version, ends);
}

void bypass_write_rules(const struct intercept_site *site, const char *chain,
                        struct buffer *out)
{
    const char *table = nft_table(site->nft);
    write_sets(table, 4, out);
    write_sets(table, 6, out);
    buffer_print(out, "add rule inet %s %s iif lo return\n", table, chain);
    write_family(table, chain, 4, out);
    write_family(table, chain, 6, out);
}

/* SPDX-License-Identifier: MIT */
/* One namespace: a table with sets of servers and the mode's chains, accept sockets,
 * and the transactions that bring them in line.
 *
 * A transaction writes everything anew: sets are emptied and filled, chains emptied and
 * filled. The kernel applies it at one moment, so that no packet sees half of it, and
 * the text that held before undoes it.
 *
 * IPv6 may be absent; then nothing of it is intercepted, and a plan with IPv6 servers
 * fails where the kernel says why. */
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/netns.h"
#include "proxy/kernel/netns_addresses.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/qdisc.h"
#include "rules/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS = 256, NAME_BYTES = 32 };

uint32_t intercept_mark(unsigned number, enum intercept_mark mark)
{
    return UINT32_C(0x4e530000) | number << 8 | mark;
}

void intercept_say_lacking(const char *mode, struct errmsg *err)
{
    errmsg_set(err,
               "intercept: %s needs CAP_NET_ADMIN: run as root or in a lab (netsplit "
               "lab); intercept: listen, with `listen:` entries, needs no privilege",
               mode);
}

struct table_wish {
    struct intercept_site *site;
    struct errmsg *err;
};

/* In the site's namespace. */
static int make_table(void *context)
{
    struct table_wish *wish = context;
    int status = -EEXIST;
    for (unsigned number = 0; number < NUMBERS && status == -EEXIST; number++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof name, INTERCEPT_TABLE_PREFIX "%u", number);
        status = nft_create(&wish->site->nft, name, wish->err);
        wish->site->number = number;
    }
    return status;
}

static void link_door(struct intercept_site *site, struct intercept_door *door)
{
    door->next = site->doors;
    site->doors = door;
}

/* The doors for all who are told by their address. */
static int make_common_doors(struct intercept_site *site, struct errmsg *err)
{
    struct intercept_door *door;
    int status = door_create(&door, site, AF_INET, err);
    if (status != 0)
        return status;
    link_door(site, door);
    if (door_create(&door, site, AF_INET6, NULL) == 0)
        link_door(site, door);
    return 0;
}

int site_create(struct intercept_site **out, struct interceptor *interceptor,
                const char *node, struct netns *netns, struct errmsg *err)
{
    struct intercept_site *site = calloc(1, sizeof *site);
    if (!site) {
        netns_close(netns);
        return -ENOMEM;
    }
    *site = (struct intercept_site){
        .interceptor = interceptor,
        .mode = interceptor->mode,
        .node = node,
        .netns = netns,
        .is_new = true,
    };
    struct table_wish wish = {site, err};
    int status = netns_run(netns, make_table, &wish);
    if (status == 0)
        status = make_common_doors(site, err);
    if (status == 0 && site->mode->begin) {
        site->begun = true; /* also half of it is to be ended */
        status = site->mode->begin(site, err);
    }
    if (status != 0) {
        if (status == -EPERM)
            intercept_say_lacking(site->mode->name, err);
        site_give_up(site);
        return status;
    }
    *out = site;
    return 0;
}

const struct intercept_door *site_door(const struct intercept_site *site, int family)
{
    for (const struct intercept_door *each = site->doors; each; each = each->next)
        if (each->family == family && !each->opener)
            return each;
    return NULL;
}

void site_close_family(struct intercept_site *site, int family)
{
    for (struct intercept_door **at = &site->doors; *at;) {
        struct intercept_door *door = *at;
        if (door->family == family) {
            *at = door->next;
            door_destroy(door);
        } else {
            at = &door->next;
        }
    }
}

void site_watch(struct intercept_site *site, bool watched)
{
    for (struct intercept_door *each = site->doors; each; each = each->next)
        watch_set(each->watch, watched ? UV_READABLE : 0);
}

static bool same_addresses(const struct endpoints *a, const struct endpoints *b)
{
    if (a->n_addresses != b->n_addresses)
        return false;
    for (size_t i = 0; i < a->n_addresses; i++)
        if (memcmp(a->addresses[i].address.bytes, b->addresses[i].address.bytes,
                   sizeof a->addresses[i].address.bytes) != 0)
            return false;
    return true;
}

int site_learn(struct intercept_site *site)
{
    struct endpoints found = {0};
    int status = netns_addresses(site->netns, site->node, &found);
    if (status != 0 || same_addresses(&found, &site->own)) {
        endpoints_close(&found);
        return status;
    }
    endpoints_close(&site->own);
    site->own = found;
    return 1;
}

static void write_set(const struct intercept_site *site,
                      const struct endpoints *endpoints, enum address_kind kind,
                      struct buffer *out)
{
    const char *table = nft_table(site->nft);
    int version = kind == ADDRESS_IPV6 ? 6 : 4;
    buffer_print(
        out,
        "add set inet %s servers%d "
        "{ type ipv%d_addr . inet_service; flags interval; comment \"pid %d\"; }\n"
        "flush set inet %s servers%d\n",
        table, version, version, (int)getpid(), table, version);
    if (!endpoints)
        return;
    size_t start = out->length;
    buffer_print(out, "add element inet %s servers%d { ", table, version);
    if (endpoints_write(endpoints, kind, site->node, out) > 0)
        buffer_print(out, " }\n");
    else
        buffer_cut(out, start);
}

/* What sockets of ours are to send in vain is marked (packet.h). */
static void write_drops(const struct intercept_site *site, struct buffer *out)
{
    nft_write_chain(site->nft, "drop-marked", "type filter hook output priority raw",
                    out);
    buffer_print(out,
                 "add rule inet %s drop-marked meta mark & 0x%08x == 0x%08x "
                 "counter drop\n",
                 nft_table(site->nft), INTERCEPT_MARK_MASK | INTERCEPT_MARK_DROPPED,
                 intercept_mark(site->number, INTERCEPT_MARK_DROPPED));
}

static int write_text(const struct intercept_site *site,
                      const struct endpoints *endpoints, char **out)
{
    struct buffer text = {0};
    write_set(site, endpoints, ADDRESS_IPV4, &text);
    write_set(site, endpoints, ADDRESS_IPV6, &text);
    write_drops(site, &text);
    site->mode->write_chains(site, &text);
    *out = text.out_of_memory ? NULL : strdup(buffer_text(&text));
    buffer_close(&text);
    return *out ? 0 : -ENOMEM;
}

/* In our own namespace all servers are to be reached; a node's may lack IPv6. */
static int check_families(const struct intercept_site *site,
                          const struct endpoints *endpoints, struct errmsg *err)
{
    if (!endpoints || site->node || site_door(site, AF_INET6))
        return 0;
    for (size_t i = 0; i < endpoints->n_servers; i++)
        if (endpoints->servers[i].address.kind == ADDRESS_IPV6) {
            errmsg_set(err, "node \"%s\" has an IPv6 address, and IPv6 is off here",
                       endpoints->servers[i].node);
            return -EAFNOSUPPORT;
        }
    return 0;
}

int site_install(struct intercept_site *site, const struct endpoints *endpoints,
                 struct errmsg *err)
{
    char *text;
    int status = check_families(site, endpoints, err);
    if (status == 0)
        status = write_text(site, endpoints, &text);
    if (status != 0)
        return status;
    status = nft_run(site->nft, text, err);
    if (status != 0) {
        free(text);
        return status;
    }
    site->undo = site->text;
    site->text = text;
    return 0;
}

void site_keep(struct intercept_site *site)
{
    free(site->undo);
    site->undo = NULL;
}

void site_restore(struct intercept_site *site)
{
    struct errmsg why = {0};
    if (!site->undo)
        return; /* it was not changed, or is new and goes as a whole */
    (void)nft_run(site->nft, site->undo, &why); /* it held a moment ago */
    free(site->text);
    site->text = site->undo;
    site->undo = NULL;
}

static void close_doors(struct intercept_site *site)
{
    while (site->doors) {
        struct intercept_door *door = site->doors;
        site->doors = door->next;
        door_destroy(door);
    }
}

void site_stop(struct intercept_site *site)
{
    struct errmsg why = {0};
    close_doors(site);
    if (site_install(site, NULL, &why) == 0)
        site_keep(site);
    else
        log_line(LOG_ERROR, "proxy intercepts until it has ended: %s", why.text);
}

static void destroy(struct intercept_site *site)
{
    close_doors(site);
    if (site->begun)
        site->mode->end(site);
    qdisc_remove(site);
    nft_destroy(site->nft);
    netns_close(site->netns);
    endpoints_close(&site->own);
    free(site->text);
    free(site->undo);
    free(site->packet_text);
    packet_sets_close(&site->packet_sets);
    free(site);
}

/* Leaves only what carries the connections on that were taken. */
static void empty_table(struct intercept_site *site)
{
    struct errmsg why = {0};
    char command[64];
    (void)snprintf(command, sizeof command, "flush table inet %s\n",
                   nft_table(site->nft));
    if (nft_run(site->nft, command, &why) == 0)
        site_stop(site);
    else
        log_line(LOG_ERROR, "proxy cannot stop intercepting at %s: %s", site->node,
                 why.text);
}

void site_give_up(struct intercept_site *site)
{
    site->interceptor = NULL;
    if (site->n_connections == 0) {
        destroy(site);
        return;
    }
    close_doors(site);
    empty_table(site);
}

uint32_t intercepted_drop_mark(const struct intercepted *intercepted)
{
    return intercept_mark(intercepted->site->number, INTERCEPT_MARK_DROPPED);
}

void intercepted_release(struct intercepted *intercepted)
{
    if (!intercepted)
        return;
    struct intercept_site *site = intercepted->site;
    if (--site->n_connections == 0 && !site->interceptor)
        destroy(site);
    free(intercepted);
}

/* SPDX-License-Identifier: MIT */
/* Each link of a rule has a counter in the kernel; reading sets it back to zero, so that
 * nothing is counted twice, whatever is written anew meanwhile. Counters that the next
 * text does not make are deleted with it.
 *
 * Reading costs about a millisecond of the loop, and so is done each second and before
 * each change; the sampling of sockets, which costs little, is done oftener.
 *
 * A namespace where the rules cannot be installed keeps those it had: attempts then meet
 * the proxy, which answers as well as it can. */
#include "proxy/packet_tables.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/intercept_internal.h"
#include "proxy/nft.h"
#include "proxy/packet_rules.h"
#include "proxy/touch.h"
#include "rules/buffer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *node_name(const struct plan *plan, plan_node_id node)
{
    return node == PLAN_ANY ? "any" : plan->nodes[node - 1].name;
}

static const struct plan_rule *find_rule(const struct plan *plan, uint32_t slot)
{
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].slot == slot)
            return &plan->rules[i];
    return NULL;
}

static void count(struct proxy *proxy, const char *name, uint64_t packets)
{
    struct packet_counted counted;
    if (packets == 0 || !packet_rules_read(name, &counted))
        return;
    const struct plan_rule *rule = find_rule(proxy->plan, counted.slot);
    if (!rule || counted.link >= rule->n_links)
        return;
    const struct plan_link *link = &rule->links[counted.link];
    struct counters *counters = proxy->config.counters;
    struct counters_rule *counts = touch_rule(proxy, rule);
    struct counters_link *on = counters_link(
        counters, node_name(proxy->plan, link->from), node_name(proxy->plan, link->to));
    struct counters_touch *touch =
        counts && on ? counters_touch(counters, counts, on) : NULL;
    if (!touch)
        return; /* no memory: it is not counted */
    if (counted.refused)
        touch_refused(proxy, touch, packets);
    else
        touch_unanswered(proxy, touch, packets);
}

/* Counts what one namespace's counters say. deletes, if not NULL, gets commands that
 * delete them. */
static void read_counters(struct proxy *proxy, const struct intercept_site *site,
                          struct buffer *deletes)
{
    char command[64], *text;
    struct errmsg err = {0};
    (void)snprintf(command, sizeof command, "reset counters table inet %s",
                   nft_table(site->nft));
    if (nft_list(site->nft, command, &text, &err) != 0)
        return; /* the next time, then */
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "nftables");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *counter = json_object_get(json_array_get(rows, i), "counter");
        const char *name = json_string_value(json_object_get(counter, "name"));
        if (!name)
            continue;
        count(proxy, name,
              (uint64_t)json_integer_value(json_object_get(counter, "packets")));
        if (deletes)
            buffer_print(deletes, "delete counter inet %s %s\n", nft_table(site->nft),
                         name);
    }
    json_decref(answer);
    free(text);
}

static struct intercept_site *first_site(const struct proxy *proxy)
{
    return proxy->interceptor ? proxy->interceptor->sites : NULL;
}

void packet_tables_read(struct proxy *proxy, uint64_t now_ns)
{
    for (const struct intercept_site *site = first_site(proxy); site; site = site->next)
        if (site->packet_text)
            read_counters(proxy, site, NULL);
    proxy->tables_read_ns = now_ns;
}

bool packet_tables_sample(struct proxy *proxy, uint64_t now_ns)
{
    bool any = false;
    for (const struct intercept_site *site = first_site(proxy); site; site = site->next)
        any |= site->packet_text != NULL;
    if (any && now_ns - proxy->tables_read_ns >= NS_PER_S)
        packet_tables_read(proxy, now_ns);
    return any;
}

/* Takes the chains away, with what they refer to, and writes them anew. */
static int install(struct proxy *proxy, const struct intercept_site *site,
                   const char *text, struct errmsg *err)
{
    static const char *const chains[] = {"packet-in", "packet-out", "packet-rest",
                                         "packet-all"};
    struct buffer all = {0};
    const char *table = nft_table(site->nft);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        if (site->packet_text && strstr(site->packet_text, chains[i]))
            buffer_print(&all, "flush chain inet %s %s\n", table, chains[i]);
    if (site->packet_text)
        read_counters(proxy, site, &all);
    buffer_print(&all, "%s", text);
    int status =
        all.out_of_memory ? -ENOMEM : nft_run(site->nft, buffer_text(&all), err);
    buffer_close(&all);
    return status;
}

static void follow(struct proxy *proxy, struct intercept_site *site, uint64_t now_ns)
{
    struct buffer text = {0};
    struct errmsg err = {0};
    bool any = packet_rules_write(site, proxy->plan, &proxy->interceptor->endpoints,
                                  now_ns, &text);
    bool is_same =
        any ? site->packet_text && strcmp(site->packet_text, buffer_text(&text)) == 0
            : !site->packet_text;
    char *kept = any && !is_same ? strdup(buffer_text(&text)) : NULL;
    int status = is_same ? 0 : install(proxy, site, buffer_text(&text), &err);
    if (status != 0) {
        log_line(LOG_ERROR, "proxy cannot drop packets%s%s: %s",
                 site->node ? " at " : "", site->node ? site->node : "", err.text);
        free(kept);
    } else if (!is_same) {
        free(site->packet_text);
        site->packet_text = kept;
    }
    buffer_close(&text);
}

void packet_tables_follow(struct proxy *proxy, uint64_t now_ns)
{
    for (struct intercept_site *site = first_site(proxy); site; site = site->next)
        follow(proxy, site, now_ns);
}

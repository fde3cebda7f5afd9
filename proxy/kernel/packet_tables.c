/* SPDX-License-Identifier: MIT */
/* Each link of a rule has counters in the kernel, on the elements of a set. Another
 * rule, or other links, have another set, so that what one caught is never another's;
 * the one before goes. (They are not set back by reading: `reset` leaks memory of
 * libnftables 1.0.6.)
 *
 * Reading costs the loop a millisecond for few links and 30 for 2,000, and so is done
 * each second or more rarely, and before each change; the sampling of sockets, which
 * costs little, is done oftener.
 *
 * A namespace where the rules cannot be installed keeps those it had: attempts then
 * meet the proxy, which answers as well as it can. */
#include "proxy/kernel/packet_tables.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/packet_rules.h"
#include "proxy/kernel/packet_sets.h"
#include "proxy/kernel/qdisc.h"
#include "proxy/record/touch.h"
#include "rules/buffer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHEAP_NS (10 * NS_PER_MS)

/* Counts what a set's links have had since the last time. */
static void count_set(struct proxy *proxy, struct packet_set *set)
{
    for (size_t i = 0; i < set->n_links; i++) {
        struct packet_counted *link = &set->links[i];
        uint64_t packets = link->packets - link->seen;
        struct counters_touch *touch =
            packets > 0 ? touch_link(proxy, set->slot, i) : NULL;
        link->seen = link->packets;
        if (!touch)
            continue;
        if (set->refused)
            touch_refused(proxy, touch, packets);
        else
            touch_unanswered(proxy, touch, packets);
    }
}

/* What the kernel says of a set: each element, whose comment is the place of its link.
 */
static void read_set(struct packet_set *set, const json_t *elements)
{
    for (size_t i = 0; i < set->n_links; i++)
        set->links[i].packets = 0;
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *element = json_object_get(json_array_get(elements, i), "elem");
        const char *place = json_string_value(json_object_get(element, "comment"));
        const json_t *counter = json_object_get(element, "counter");
        size_t link = place ? strtoul(place, NULL, 10) : SIZE_MAX;
        if (link < set->n_links)
            set->links[link].packets +=
                (uint64_t)json_integer_value(json_object_get(counter, "packets"));
    }
}

/* Counts what one namespace's sets say. */
static void read_counters(struct proxy *proxy, struct intercept_site *site)
{
    struct errmsg err = {0};
    char command[64], *text;
    (void)snprintf(command, sizeof command, "list sets table inet %s",
                   nft_table(site->nft));
    if (nft_list(site->nft, command, &text, &err) != 0)
        return; /* the next time, then */
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "nftables");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_object_get(json_array_get(rows, i), "set");
        const char *name = json_string_value(json_object_get(row, "name"));
        struct packet_set *set =
            name ? packet_sets_find_name(&site->packet_sets, name) : NULL;
        if (!set)
            continue;
        read_set(set, json_object_get(row, "elem"));
        count_set(proxy, set);
    }
    json_decref(answer);
    free(text);
}

static struct intercept_site *first_site(const struct proxy *proxy)
{
    return proxy->interceptor ? proxy->interceptor->sites : NULL;
}

void packet_tables_read(struct proxy *proxy)
{
    uint64_t begin_ns = now_ns();
    for (struct intercept_site *site = first_site(proxy); site; site = site->next) {
        if (site->packet_text)
            read_counters(proxy, site);
        qdisc_read(proxy, site);
    }
    proxy->tables_read_ns = begin_ns;
    proxy->tables_cost_ns = now_ns() - begin_ns;
}

/* So that no more than a hundredth of the time goes into it. */
static bool is_affordable(const struct proxy *proxy, uint64_t now_ns)
{
    return now_ns - proxy->tables_read_ns >= 100 * proxy->tables_cost_ns;
}

bool packet_tables_sample(struct proxy *proxy, uint64_t now_ns)
{
    bool any = false;
    for (const struct intercept_site *site = first_site(proxy); site; site = site->next)
        any |= site->packet_text || site->qdiscs.n > 0;
    if (any && now_ns - proxy->tables_read_ns >= NS_PER_S &&
        is_affordable(proxy, now_ns))
        packet_tables_read(proxy);
    return any;
}

void packet_tables_look(struct proxy *proxy, uint64_t now_ns)
{
    if (proxy->tables_cost_ns < CHEAP_NS || is_affordable(proxy, now_ns))
        packet_tables_read(proxy);
}

/* What is to take the place of what a site has. */
struct wanted {
    struct buffer text;
    struct packet_sets sets;
    bool any; /* there is something to do; else what there was goes */
};

static int write_wanted(const struct proxy *proxy, const struct intercept_site *site,
                        uint64_t now_ns, struct wanted *out)
{
    *out = (struct wanted){.sets = {.next = site->packet_sets.next}};
    int status = packet_rules_write(site, proxy->plan, &proxy->interceptor->endpoints,
                                    now_ns, &out->text, &out->sets);
    out->any = status > 0;
    return status < 0 ? status : 0;
}

static void close_wanted(struct wanted *wanted)
{
    buffer_close(&wanted->text);
    packet_sets_close(&wanted->sets);
}

/* Is it there already? The same rules of the same sets do the same. */
static bool is_there(const struct intercept_site *site, const struct wanted *wanted)
{
    if (!wanted->any || !site->packet_text)
        return !wanted->any && !site->packet_text;
    return strcmp(site->packet_text, buffer_text(&wanted->text)) == 0;
}

static bool has_rule(const struct plan *plan, uint32_t slot)
{
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].slot == slot)
            return true;
    return false;
}

/* Does a set go whose rule is there? Others were read before theirs went. */
static bool is_to_be_read(const struct proxy *proxy, const struct packet_sets *old,
                          const struct packet_sets *sets)
{
    for (size_t i = 0; i < old->n; i++)
        if (has_rule(proxy->plan, old->items[i].slot) &&
            !packet_sets_find(sets, old->items[i].number))
            return true;
    return false;
}

/* One transaction: the new sets, the chains, and then the old sets are in no use. */
static int exchange(const struct intercept_site *site, struct wanted *wanted,
                    struct errmsg *err)
{
    struct buffer *commands = &wanted->sets.made;
    buffer_add(commands, buffer_text(&wanted->text), wanted->text.length);
    packet_sets_delete(&wanted->sets, &site->packet_sets, nft_table(site->nft),
                       commands);
    return commands->out_of_memory ? -ENOMEM
                                   : nft_run(site->nft, buffer_text(commands), err);
}

/* 0 or a negative errno, and then what was there stays. */
static int install(struct proxy *proxy, struct intercept_site *site,
                   struct wanted *wanted, struct errmsg *err)
{
    char *kept = wanted->any ? strdup(buffer_text(&wanted->text)) : NULL;
    if (wanted->any && !kept)
        return -ENOMEM;
    if (is_to_be_read(proxy, &site->packet_sets, &wanted->sets))
        read_counters(proxy, site); /* for the last time */
    int status = exchange(site, wanted, err);
    if (status != 0) {
        free(kept);
        return status;
    }
    free(site->packet_text);
    site->packet_text = kept;
    packet_sets_take(&wanted->sets, &site->packet_sets);
    packet_sets_close(&site->packet_sets);
    buffer_close(&wanted->sets.made);
    site->packet_sets = wanted->sets;
    wanted->sets = (struct packet_sets){0};
    return 0;
}

static int follow(struct proxy *proxy, struct intercept_site *site, uint64_t now_ns,
                  struct errmsg *err)
{
    struct wanted wanted;
    int status = write_wanted(proxy, site, now_ns, &wanted);
    if (status == 0 && !is_there(site, &wanted))
        status = install(proxy, site, &wanted, err);
    close_wanted(&wanted);
    return status;
}

void packet_tables_follow(struct proxy *proxy, uint64_t now_ns)
{
    for (struct intercept_site *site = first_site(proxy); site; site = site->next) {
        struct errmsg err = {.text = "out of memory"};
        if (follow(proxy, site, now_ns, &err) != 0)
            log_line(LOG_ERROR, "proxy cannot drop packets%s%s: %s",
                     site->node ? " at " : "", site->node ? site->node : "", err.text);
        if (qdisc_follow(proxy, site, now_ns, &err) != 0)
            log_line(LOG_ERROR, "proxy cannot shape packets%s%s: %s",
                     site->node ? " at " : "", site->node ? site->node : "", err.text);
    }
}

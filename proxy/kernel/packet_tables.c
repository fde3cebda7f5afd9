/* SPDX-License-Identifier: MIT */
/* Each link of a rule has a counter in the kernel. A new text has new ones, so that what
 * one rule caught is never another's; those of the text before go with it. (They are
 * not set back by reading: `reset counters` leaks memory of libnftables 1.0.6.)
 *
 * Reading costs the loop a millisecond for few links and 0.2 s for 2,000, and so is done
 * each second or more rarely, and before each change; the sampling of sockets, which
 * costs little, is done oftener.
 *
 * A namespace where the rules cannot be installed keeps those it had: attempts then meet
 * the proxy, which answers as well as it can. */
#include "proxy/kernel/packet_tables.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/packet_rules.h"
#include "proxy/kernel/qdisc.h"
#include "proxy/touch.h"
#include "rules/buffer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHEAP_NS (10 * NS_PER_MS)

/* total: what the counter says. */
static void count(struct proxy *proxy, struct packet_counted *counted, uint64_t total)
{
    uint64_t packets = total - counted->seen;
    struct counters_touch *touch =
        packets > 0 ? touch_link(proxy, counted->slot, counted->link) : NULL;
    counted->seen = total;
    if (!touch)
        return;
    if (counted->refused)
        touch_refused(proxy, touch, packets);
    else
        touch_unanswered(proxy, touch, packets);
}

/* Counts what one namespace's counters say. */
static void read_counters(struct proxy *proxy, struct intercept_site *site)
{
    char command[64], *text;
    struct errmsg err = {0};
    (void)snprintf(command, sizeof command, "list counters table inet %s",
                   nft_table(site->nft));
    if (nft_list(site->nft, command, &text, &err) != 0)
        return; /* the next time, then */
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "nftables");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *counter = json_object_get(json_array_get(rows, i), "counter");
        const char *name = json_string_value(json_object_get(counter, "name"));
        struct packet_counted *counted =
            name ? packet_counters_find(&site->packet_counters, name) : NULL;
        if (counted)
            count(proxy, counted,
                  (uint64_t)json_integer_value(json_object_get(counter, "packets")));
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
    struct packet_counters counters;
    bool any; /* there is something to do; else what there was goes */
};

static int write_wanted(const struct proxy *proxy, const struct intercept_site *site,
                        uint64_t now_ns, size_t first, struct wanted *out)
{
    *out = (struct wanted){.counters = {.first = first}};
    int status = packet_rules_write(site, proxy->plan, &proxy->interceptor->endpoints,
                                    now_ns, &out->text, &out->counters);
    out->any = status > 0;
    return status < 0 ? status : 0;
}

static void close_wanted(struct wanted *wanted)
{
    buffer_close(&wanted->text);
    packet_counters_close(&wanted->counters);
}

/* Is it there already, but for whose packets are counted? */
static bool is_there(const struct intercept_site *site, const struct wanted *wanted)
{
    if (!wanted->any || !site->packet_text)
        return !wanted->any && !site->packet_text;
    return strcmp(site->packet_text, buffer_text(&wanted->text)) == 0;
}

/* 0 or a negative errno, and then what was there stays. */
static int install(struct proxy *proxy, struct intercept_site *site,
                   struct wanted *wanted, struct errmsg *err)
{
    char *kept = wanted->any ? strdup(buffer_text(&wanted->text)) : NULL;
    if (wanted->any && !kept)
        return -ENOMEM;
    packet_counters_delete(&site->packet_counters, nft_table(site->nft), &wanted->text);
    if (site->packet_text)
        read_counters(proxy, site); /* for the last time */
    int status = wanted->text.out_of_memory
                     ? -ENOMEM
                     : nft_run(site->nft, buffer_text(&wanted->text), err);
    if (status != 0) {
        free(kept);
        return status;
    }
    free(site->packet_text);
    site->packet_text = kept;
    return 0;
}

/* Takes over whose packets are counted, and leaves what was. */
static void exchange_counters(struct intercept_site *site, struct wanted *wanted)
{
    struct packet_counters old = site->packet_counters;
    site->packet_counters = wanted->counters;
    wanted->counters = old;
}

static int follow(struct proxy *proxy, struct intercept_site *site, uint64_t now_ns,
                  struct errmsg *err)
{
    const struct packet_counters *old = &site->packet_counters;
    struct wanted wanted;
    int status = write_wanted(proxy, site, now_ns, old->first, &wanted);
    bool there = status == 0 && is_there(site, &wanted);
    if (status == 0 && !there) {
        close_wanted(&wanted);
        status = write_wanted(proxy, site, now_ns, old->first + old->n, &wanted);
        if (status == 0)
            status = install(proxy, site, &wanted, err);
    }
    if (there) /* the same counters, perhaps for other rules */
        for (size_t i = 0; i < old->n; i++)
            wanted.counters.items[i].seen = old->items[i].seen;
    if (status == 0)
        exchange_counters(site, &wanted);
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

/* SPDX-License-Identifier: MIT */
/* A link has a class on each device by which packets leave for its `to`: one as a rule.
 * To anybody they may leave by any, but the loopback. With netns the packets leave in
 * the namespace of `from`, and nowhere else is anything done for the link.
 *
 * Packets are told by address and port (packet_match.h), as they leave: those of our
 * own sockets and those that pass. The first rule of the file that wants them has them.
 */
#include "proxy/kernel/qdisc_classes.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/packet_match.h"
#include "rules/buffer.h"
#include "rules/faults/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where source addresses are still those of the sockets: NAT undoes itself at 100. */
#define PRIORITY "50"

#define CHAIN    "shape"
#define LOOPBACK 1 /* its index in every namespace */

#define LEAST_BURST_BYTES (UINT64_C(64) * 1024) /* one packet that is not cut up yet */
#define MOST_BYTES        (UINT64_C(1) << 31)

/* The queue of a bottleneck that is neither starved nor bloated: 200 ms of its rate. */
static void shape_rate(const struct packet_rate_params *params, struct tc_shape *out)
{
    uint64_t burst = params->burst_bytes;
    if (burst == 0)
        burst = params->bytes_per_s / 100;
    if (burst < LEAST_BURST_BYTES && params->burst_bytes == 0)
        burst = LEAST_BURST_BYTES;
    uint64_t queue = params->bytes_per_s / 5 + LEAST_BURST_BYTES;
    out->bytes_per_s = params->bytes_per_s;
    out->burst_bytes = burst < MOST_BYTES ? burst : MOST_BYTES;
    out->queue_bytes = queue < MOST_BYTES ? queue : MOST_BYTES;
}

bool qdisc_rule_shape(const struct plan_rule *rule, struct tc_shape *out)
{
    bool found = false;
    *out = (struct tc_shape){0};
    for (size_t i = 0; i < rule->n_faults; i++) {
        const void *params = rule->faults[i].params;
        if (rule->faults[i].fault == &fault_packet_rate) {
            shape_rate(params, out);
            found = true;
        } else if (rule->faults[i].fault == &fault_packet_delay) {
            const struct packet_delay_params *delay = params;
            out->delay_ns = delay->delay_ns;
            out->jitter_ns = delay->jitter_ns;
            found = true;
        }
    }
    return found;
}

static int add(struct qdisc_classes *classes, const struct qdisc_class *class)
{
    for (size_t i = 0; i < classes->n; i++)
        if (classes->items[i].slot == class->slot &&
            classes->items[i].link == class->link &&
            classes->items[i].device == class->device)
            return 0;
    if (classes->n == classes->capacity) {
        size_t capacity = classes->capacity ? 2 * classes->capacity : 8;
        struct qdisc_class *items =
            reallocarray(classes->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        classes->items = items;
        classes->capacity = capacity;
    }
    classes->items[classes->n++] = *class;
    return 0;
}

/* What is being looked for. */
struct search {
    struct nl_sock *socket;
    const struct intercept_site *site;
    const struct plan *plan;
    const struct endpoints *endpoints;
    struct qdisc_classes *out;
    struct qdisc_class class; /* the next one, but for its device */
    int status;
};

static void add_on_root(void *context, const struct tc_root *root)
{
    struct search *search = context;
    search->class.device = root->device;
    if (root->device != LOOPBACK && search->status == 0)
        search->status = add(search->out, &search->class);
}

static int add_on_all(struct search *search)
{
    search->status = 0;
    int status = tc_each_root(search->socket, add_on_root, search);
    return status != 0 ? status : search->status;
}

static int add_towards(struct search *search, const char *node)
{
    int status = 0;
    for (size_t i = 0; i < search->endpoints->n_addresses && status >= 0; i++) {
        const struct endpoint_address *each = &search->endpoints->addresses[i];
        if (strcmp(each->node, node) != 0)
            continue;
        status = tc_find_device(search->socket, &each->address);
        if (status <= 0)
            continue; /* nothing leaves for there */
        search->class.device = status;
        status = add(search->out, &search->class);
    }
    return status < 0 ? status : 0;
}

/* Is the node, or whoever it is, the one whose namespace it is? */
static bool is_at(const struct search *search, plan_node_id node, bool any)
{
    const char *own = search->site->node;
    if (!own || node == PLAN_ANY)
        return any;
    return strcmp(own, search->plan->nodes[node - 1].name) == 0;
}

static int add_link(struct search *search, const struct plan_link *link)
{
    if (!is_at(search, link->from, true) || is_at(search, link->to, false))
        return 0;
    return link->to == PLAN_ANY
               ? add_on_all(search)
               : add_towards(search, search->plan->nodes[link->to - 1].name);
}

int qdisc_classes_want(struct nl_sock *socket, const struct intercept_site *site,
                       const struct plan *plan, const struct endpoints *endpoints,
                       uint64_t now_ns, struct qdisc_classes *out)
{
    struct search search = {.socket = socket,
                            .site = site,
                            .plan = plan,
                            .endpoints = endpoints,
                            .out = out};
    int status = 0;
    *out = (struct qdisc_classes){0};
    for (size_t i = 0; i < plan->n_rules; i++) {
        const struct plan_rule *rule = &plan->rules[i];
        search.class = (struct qdisc_class){.slot = rule->slot};
        if (!qdisc_rule_shape(rule, &search.class.shape) ||
            (now_ns != FAULT_NEVER && !plan_rule_is_active(rule, now_ns)))
            continue;
        for (size_t k = 0; k < rule->n_links && status == 0; k++) {
            search.class.link = k;
            status = add_link(&search, &rule->links[k]);
        }
    }
    if (status != 0)
        qdisc_classes_close(out);
    return status;
}

static bool is_alike(const struct qdisc_class *a, const struct qdisc_class *b)
{
    return a->slot == b->slot && a->link == b->link &&
           a->shape.bytes_per_s == b->shape.bytes_per_s &&
           a->shape.burst_bytes == b->shape.burst_bytes &&
           a->shape.delay_ns == b->shape.delay_ns &&
           a->shape.jitter_ns == b->shape.jitter_ns;
}

static uint32_t minor_of(const struct qdisc_classes *classes, size_t n,
                         const struct qdisc_class *like)
{
    for (size_t i = 0; i < n; i++)
        if (is_alike(&classes->items[i], like))
            return classes->items[i].minor;
    return 0;
}

static bool is_taken(const struct qdisc_classes *classes, uint32_t minor)
{
    for (size_t i = 0; i < classes->n; i++)
        if (classes->items[i].minor == minor)
            return true;
    return false;
}

/* O(n * n), fine: n is links of shaping rules, and devices. */
int qdisc_classes_number(struct qdisc_classes *wanted, struct qdisc_classes *old)
{
    uint32_t next = 1;
    for (size_t i = 0; i < old->n; i++)
        old->items[i].is_kept = false;
    for (size_t i = 0; i < wanted->n; i++) {
        struct qdisc_class *class = &wanted->items[i];
        for (size_t k = 0; k < old->n; k++)
            if (is_alike(&old->items[k], class) &&
                old->items[k].device == class->device) {
                old->items[k].is_kept = true;
                *class = old->items[k];
            }
        if (class->minor == 0)
            class->minor = minor_of(old, old->n, class);
        if (class->minor == 0)
            class->minor = minor_of(wanted, i, class);
        while (class->minor == 0 && (is_taken(old, next) || is_taken(wanted, next)))
            next++;
        if (class->minor == 0)
            class->minor = next;
        if (class->minor > TC_LAST_MINOR)
            return -ENOSPC;
    }
    return 0;
}

bool qdisc_classes_have(const struct qdisc_classes *classes, int device)
{
    for (size_t i = 0; i < classes->n; i++)
        if (classes->items[i].device == device)
            return true;
    return false;
}

static const struct qdisc_class *find(const struct qdisc_classes *classes,
                                      uint32_t slot, size_t link)
{
    for (size_t i = 0; i < classes->n; i++)
        if (classes->items[i].slot == slot && classes->items[i].link == link)
            return &classes->items[i];
    return NULL;
}

/* Either end of the link may be the server. */
static void write_link(struct packet_writer *writer, const struct qdisc_class *class)
{
    const struct plan_link *link = &writer->rule->links[class->link];
    writer->link = class->link;
    packet_match_pair(writer, link->from, link->to, true);
    packet_match_pair(writer, link->to, link->from, false);
    writer->out->out_of_memory |= writer->groups.out_of_memory;
    for (size_t i = 0; i < writer->groups.n; i++) {
        const struct packet_group *group = &writer->groups.items[i];
        buffer_print(writer->out,
                     "add rule inet %s " CHAIN " %s%s { %s } meta priority set %x:%x "
                     "accept\n",
                     nft_table(writer->site->nft), buffer_text(&group->conditions),
                     buffer_text(&group->key), buffer_text(&group->elements), TC_MAJOR,
                     class->minor);
    }
    packet_groups_close(&writer->groups);
}

static void write_devices(const struct qdisc_classes *classes, const char *table,
                          struct buffer *out)
{
    buffer_print(out, "add rule inet %s " CHAIN " oif != { ", table);
    for (size_t i = 0; i < classes->n; i++)
        buffer_print(out, "%s%d", i ? ", " : "", classes->items[i].device);
    buffer_print(out, " } return\n");
}

int qdisc_classes_write(const struct qdisc_classes *classes,
                        const struct intercept_site *site, const struct plan *plan,
                        const struct endpoints *endpoints, struct buffer *out)
{
    struct packet_writer writer = {
        .site = site, .plan = plan, .endpoints = endpoints, .chain = CHAIN, .out = out};
    const char *table = nft_table(site->nft);
    nft_write_chain(site->nft, CHAIN, "type filter hook postrouting priority " PRIORITY,
                    out);
    if (classes->n == 0)
        buffer_print(out, "delete chain inet %s " CHAIN "\n", table);
    else
        write_devices(classes, table, out);
    for (size_t i = 0; i < plan->n_rules; i++) {
        writer.rule = &plan->rules[i];
        for (size_t k = 0; k < writer.rule->n_links; k++) {
            const struct qdisc_class *class = find(classes, writer.rule->slot, k);
            if (class)
                write_link(&writer, class);
        }
    }
    packet_told_close(&writer.told);
    return out->out_of_memory ? -ENOMEM : 0;
}

void qdisc_classes_close(struct qdisc_classes *classes)
{
    free(classes->items);
    *classes = (struct qdisc_classes){0};
}

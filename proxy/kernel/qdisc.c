/* SPDX-License-Identifier: MIT */
/* The happy path of a change: what is new is made, roots first; then one transaction of
 * nftables changes what goes where; then what nobody gets packets for any more is
 * removed, and the device has its default again. Up to the transaction all is undone
 * where something fails.
 *
 * Only the chain in the instance's table, which goes with the process, puts packets
 * into a class. What a killed one leaves on a device lets everything pass; the next
 * instance that wants the device replaces it, and `netsplit clean` removes it.
 *
 * What it does not do: look again when routes or devices change, but with a change of
 * the rules, at the edge of a window, or when a node has moved. */
#include "proxy/kernel/qdisc.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/netns.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/qdisc_classes.h"
#include "proxy/kernel/tc.h"
#include "proxy/record/touch.h"
#include "rules/buffer.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qdisc_probe(bool *has_rate, bool *has_delay)
{
    struct nl_sock *socket;
    *has_rate = *has_delay = false;
    if (tc_open(&socket) != 0)
        return;
    bool has_classes = tc_knows(socket, "htb");
    *has_rate = has_classes && tc_knows(socket, "tbf");
    *has_delay = has_classes && tc_knows(socket, "netem");
    tc_close(socket);
}

static bool plan_shapes(const struct plan *plan)
{
    struct tc_shape shape;
    for (size_t i = 0; i < plan->n_rules; i++)
        if (qdisc_rule_shape(&plan->rules[i], &shape))
            return true;
    return false;
}

/* A piece of work in the site's namespace. */
struct work {
    const struct intercept_site *site;
    const struct plan *plan;
    const struct endpoints *endpoints;
    uint64_t now_ns;
    struct errmsg *err;
    struct nl_sock *socket;
    struct qdisc_classes wanted; /* owned */
    struct qdisc_classes *old;   /* the site's; NULL: only looking */
    struct buffer text;
};

/* May we have the root of the device? */
struct judgement {
    const struct work *work;
    int device;
    int status; /* 0: it is the default; 1: a dead instance's; else a negative errno */
    struct tc_root root;
};

static bool is_of_dead(const struct work *work, unsigned number)
{
    char name[32];
    if (number == work->site->number)
        return true; /* that had the number before us */
    (void)snprintf(name, sizeof name, INTERCEPT_TABLE_PREFIX "%u", number);
    return nft_exists(name) == 0;
}

static void judge(void *context, const struct tc_root *root)
{
    struct judgement *judgement = context;
    if (root->device != judgement->device)
        return;
    judgement->root = *root;
    judgement->status = root->is_default ? 0
                        : root->is_ours && is_of_dead(judgement->work, root->number)
                            ? 1
                            : -EBUSY;
}

static void say_foreign(const struct work *work, const struct tc_root *root)
{
    char name[IF_NAMESIZE] = "?";
    (void)if_indextoname((unsigned)root->device, name); /* it may have gone */
    if (root->is_ours)
        errmsg_set(work->err,
                   "packets cannot be shaped on %s, where another netsplit does so "
                   "(table inet " INTERCEPT_TABLE_PREFIX "%u)",
                   name, root->number);
    else
        errmsg_set(
            work->err,
            "packets cannot be shaped on %s, which has a queueing discipline of "
            "its own (%s): remove it (tc qdisc del dev %s root), or use rate and "
            "delay instead of packet_rate and packet_delay",
            name, root->kind, name);
}

/* number: of the dead. */
static int judge_root(const struct work *work, int device, unsigned *number)
{
    struct judgement judgement = {.work = work, .device = device};
    int status = tc_each_root(work->socket, judge, &judgement);
    if (status == 0)
        status = judgement.status;
    if (status == -EBUSY)
        say_foreign(work, &judgement.root);
    *number = judgement.root.number;
    return status;
}

static const struct plan_rule *find_rule(const struct plan *plan, uint32_t slot)
{
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].slot == slot)
            return &plan->rules[i];
    return NULL;
}

/* A rule that runs already is no reason to refuse a change, such as a heal. */
static bool was_accepted(const struct work *work, uint32_t slot)
{
    const struct plan *running = work->site->interceptor->proxy->plan;
    const struct plan_rule *before = running ? find_rule(running, slot) : NULL;
    return before && before->content == find_rule(work->plan, slot)->content;
}

/* Whose wish it was that is refused. */
static void say_rule(const struct work *work, uint32_t slot)
{
    const struct errmsg why = work->err ? *work->err : (struct errmsg){0};
    errmsg_set(work->err, "rule \"%s\": %s", find_rule(work->plan, slot)->name,
               why.text);
}

static int check_devices(void *context)
{
    struct work *work = context;
    unsigned number;
    int status = tc_open(&work->socket);
    if (status == 0)
        status = qdisc_classes_want(work->socket, work->site, work->plan,
                                    work->endpoints, FAULT_NEVER, &work->wanted);
    for (size_t i = 0; i < work->wanted.n && status >= 0; i++) {
        const struct qdisc_class *each = &work->wanted.items[i];
        if (!qdisc_classes_have(&work->site->qdiscs, each->device) &&
            !was_accepted(work, each->slot))
            status = judge_root(work, each->device, &number);
        if (status == -EBUSY)
            say_rule(work, each->slot);
    }
    tc_close(work->socket);
    return status < 0 ? status : 0;
}

static void end_work(struct work *work)
{
    qdisc_classes_close(&work->wanted);
    buffer_close(&work->text);
}

int qdisc_check(const struct intercept_site *site, const struct plan *plan,
                const struct endpoints *endpoints, struct errmsg *err)
{
    struct work work = {.site = site, .plan = plan, .endpoints = endpoints, .err = err};
    if (!plan_shapes(plan))
        return 0;
    int status = netns_run(site->netns, check_devices, &work);
    if (status != 0 && status != -EBUSY)
        errmsg_set(err, "looking for the devices to shape: %s", strerror(-status));
    end_work(&work);
    return status;
}

/* Removes what is in the list and not in the other one, roots without classes too. */
static void remove_but(const struct work *work, const struct qdisc_classes *classes,
                       const struct qdisc_classes *other)
{
    for (size_t i = 0; i < classes->n; i++) {
        const struct qdisc_class *each = &classes->items[i];
        /* What cannot be removed gets no packets. */
        if (!qdisc_classes_have(other, each->device))
            (void)tc_remove_root(work->socket, each->device, work->site->number);
        else if (!each->is_kept)
            (void)tc_remove_class(work->socket, each->device, each->minor);
    }
}

static int add_root(const struct work *work, int device)
{
    unsigned number;
    int status = judge_root(work, device, &number);
    if (status == 1)
        status = tc_remove_root(work->socket, device, number);
    return status == 0 ? tc_add_root(work->socket, device, work->site->number) : status;
}

/* The classes before i are there. */
static bool has_root(const struct work *work, size_t i)
{
    int device = work->wanted.items[i].device;
    const struct qdisc_classes done = {.items = work->wanted.items, .n = i};
    return qdisc_classes_have(work->old, device) || qdisc_classes_have(&done, device);
}

static int add_new(const struct work *work)
{
    int status = 0;
    for (size_t i = 0; i < work->wanted.n && status == 0; i++) {
        const struct qdisc_class *each = &work->wanted.items[i];
        if (each->is_kept)
            continue;
        if (!has_root(work, i))
            status = add_root(work, each->device);
        if (status == 0)
            status =
                tc_add_class(work->socket, each->device, each->minor, &each->shape);
    }
    return status;
}

static bool is_there(const struct work *work)
{
    const char *text = work->site->qdisc_text;
    for (size_t i = 0; i < work->wanted.n; i++)
        if (!work->wanted.items[i].is_kept)
            return false;
    return work->wanted.n == work->old->n &&
           (work->old->n == 0 || (text && strcmp(text, buffer_text(&work->text)) == 0));
}

/* 1: it was all there already. */
static int exchange(struct work *work)
{
    int status = qdisc_classes_want(work->socket, work->site, work->plan,
                                    work->endpoints, work->now_ns, &work->wanted);
    if (status == 0)
        status = qdisc_classes_number(&work->wanted, work->old);
    if (status == 0)
        status = qdisc_classes_write(&work->wanted, work->site, work->plan,
                                     work->endpoints, &work->text);
    if (status != 0 || is_there(work))
        return status != 0 ? status : 1;
    status = add_new(work);
    if (status == 0)
        status = nft_run(work->site->nft, buffer_text(&work->text), work->err);
    if (status == 0)
        remove_but(work, work->old, &work->wanted);
    else
        remove_but(work, &work->wanted, work->old);
    return status;
}

static int run_exchange(void *context)
{
    struct work *work = context;
    int status = tc_open(&work->socket);
    if (status == 0)
        status = exchange(work);
    tc_close(work->socket);
    return status;
}

/* The work is done: it is the site's now. */
static void keep(struct intercept_site *site, struct work *work)
{
    struct qdisc_classes old = site->qdiscs;
    free(site->qdisc_text);
    site->qdisc_text = strdup(buffer_text(&work->text)); /* NULL: written again */
    site->qdiscs = work->wanted;
    work->wanted = old;
    for (size_t i = 0; i < site->qdiscs.n; i++)
        site->qdiscs.items[i].is_kept = false;
}

int qdisc_follow(struct proxy *proxy, struct intercept_site *site, uint64_t now_ns,
                 struct errmsg *err)
{
    struct work work = {.site = site,
                        .plan = proxy->plan,
                        .endpoints = &proxy->interceptor->endpoints,
                        .now_ns = now_ns,
                        .err = err,
                        .old = &site->qdiscs};
    if (site->qdiscs.n == 0 && !plan_shapes(proxy->plan))
        return 0;
    qdisc_read(proxy, site); /* for some the last time */
    err->text[0] = '\0';
    int status = netns_run(site->netns, run_exchange, &work);
    if (status == 0)
        keep(site, &work);
    else if (status < 0 && !err->text[0])
        errmsg_set(err, "%s", strerror(-status));
    end_work(&work);
    return status < 0 ? status : 0;
}

struct reading {
    struct proxy *proxy;
    struct intercept_site *site;
};

static void read_count(void *context, const struct tc_count *count)
{
    const struct reading *reading = context;
    struct qdisc_classes *classes = &reading->site->qdiscs;
    for (size_t i = 0; i < classes->n; i++) {
        struct qdisc_class *each = &classes->items[i];
        if (each->device != count->device || each->minor != count->minor)
            continue;
        struct counters_touch *touch =
            touch_link(reading->proxy, each->slot, each->link);
        if (touch)
            touch_shaped(reading->proxy, touch, count->bytes - each->seen_bytes,
                         count->dropped - each->seen_dropped);
        each->seen_bytes = count->bytes;
        each->seen_dropped = count->dropped;
    }
}

static int read_counts(void *context)
{
    struct nl_sock *socket;
    int status = tc_open(&socket);
    if (status != 0)
        return status;
    status = tc_each_count(socket, read_count, context);
    tc_close(socket);
    return status;
}

void qdisc_read(struct proxy *proxy, struct intercept_site *site)
{
    struct reading reading = {proxy, site};
    if (site->qdiscs.n > 0)
        (void)netns_run(site->netns, read_counts, &reading); /* else the next time */
}

static int remove_all(void *context)
{
    const struct intercept_site *site = context;
    const struct qdisc_classes none = {0};
    struct work work = {.site = site};
    int status = tc_open(&work.socket);
    if (status == 0)
        remove_but(&work, &site->qdiscs, &none);
    tc_close(work.socket);
    return status;
}

void qdisc_remove(struct intercept_site *site)
{
    if (site->qdiscs.n > 0 && netns_run(site->netns, remove_all, site) != 0)
        log_line(LOG_WARN, "proxy leaves queueing disciplines behind, which nothing "
                           "passes through: netsplit clean removes them");
    qdisc_classes_close(&site->qdiscs);
    free(site->qdisc_text);
    site->qdisc_text = NULL;
}

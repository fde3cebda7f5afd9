/* SPDX-License-Identifier: MIT */
/* From one plan to the next. The happy path of a change: find the namespaces that the
 * plan wants and make what is new there, learn where the nodes are, then install what
 * is to be taken, namespace by namespace, each in one transaction. Only then do those
 * that are not wanted go. What fails before the last transaction is undone.
 *
 * Nodes are where the plan says. With netns a node without an address is where its
 * namespace says, and that is looked at each second: a container may get its network
 * late, and may go. Its namespace lives while we hold it, so that what counts is
 * whether its path or process still leads there.
 *
 * A node that went away is said, and journalled, and does not disturb the others. One
 * that comes back in another namespace is taken up again, as is one that was not there
 * at a reload. */
#include "proxy/kernel/intercept.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/wire/dial.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/record/journal.h"
#include "proxy/kernel/netns.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/packet_tables.h"
#include "proxy/kernel/qdisc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS   NS_PER_S
#define SEARCH_NS (5 * NS_PER_S)

static const struct intercept_mode *mode_of(const struct plan *plan)
{
    static const struct intercept_mode *const modes[] = {
        [INTERCEPT_LISTEN] = NULL,
        [INTERCEPT_REDIRECT] = &intercept_redirect,
        [INTERCEPT_TPROXY] = &intercept_tproxy,
        [INTERCEPT_NETNS] = &intercept_netns,
    };
    return modes[plan->intercept];
}

const char *intercept_mode_name(const struct interceptor *interceptor)
{
    return interceptor ? interceptor->mode->name : NULL;
}

void intercepted_source(const struct intercepted *intercepted, struct dial_source *out)
{
    const struct intercept_site *site = intercepted->site;
    *out = (struct dial_source){
        .netns = site->netns,
        .mark = intercept_mark(site->number, INTERCEPT_MARK_OWN),
    };
    site->mode->fill_source(intercepted, out);
}

static void journal_node(const struct interceptor *interceptor,
                         const struct intercept_site *site, enum journal_type type)
{
    struct journal *journal = interceptor->proxy->config.journal;
    struct journal_event event = {
        .type = type,
        .from = site->node,
        .text = journal_text(journal, netns_text(site->netns)),
    };
    (void)journal_add(journal, &event);
}

static void link_site(struct interceptor *interceptor, struct intercept_site *site)
{
    site->wanted = true;
    site->next = interceptor->sites;
    interceptor->sites = site;
}

/* The site in our own namespace is wanted. */
static int want_own_site(struct interceptor *interceptor, struct errmsg *err)
{
    struct intercept_site *site = interceptor->sites;
    if (site) {
        site->wanted = true;
        return 0;
    }
    int status = site_create(&site, interceptor, NULL, NULL, err);
    if (status == 0)
        link_site(interceptor, site);
    return status;
}

/* The node's site, if its place is what it was and still leads there. */
static struct intercept_site *find_site(const struct interceptor *interceptor,
                                        const struct plan_node *node)
{
    for (struct intercept_site *each = interceptor->sites; each; each = each->next)
        if (strcmp(each->node, node->name) == 0 &&
            netns_is_of(each->netns, &node->place) && netns_is_current(each->netns))
            return each;
    return NULL;
}

/* Another node's wanted site in the same namespace; NULL: none. */
static const struct intercept_site *find_lodger(const struct interceptor *interceptor,
                                                const struct netns *netns)
{
    for (const struct intercept_site *each = interceptor->sites; each;
         each = each->next)
        if (each->wanted && netns_is_same(each->netns, netns))
            return each;
    return NULL;
}

/* The site of a node is wanted, in the namespace that it is in now. */
static int want_site_of(struct interceptor *interceptor, const struct plan_node *node,
                        struct errmsg *err)
{
    struct journal *journal = interceptor->proxy->config.journal;
    struct intercept_site *site = find_site(interceptor, node);
    struct netns *netns;
    if (site) {
        site->wanted = true;
        return 0;
    }
    int status = netns_open(&netns, &node->place, err);
    if (status != 0)
        return status;
    const struct intercept_site *lodger = find_lodger(interceptor, netns);
    if (lodger) {
        errmsg_set(err,
                   "it is in one network namespace with \"%s\", which is to have "
                   "its own",
                   lodger->node);
        netns_close(netns);
        return -EINVAL;
    }
    status = site_create(&site, interceptor, journal_intern(journal, node->name), netns,
                         err);
    if (status != 0)
        return status;
    link_site(interceptor, site);
    if (interceptor->looking)
        journal_node(interceptor, site, JOURNAL_NODE_FOUND);
    return 0;
}

/* Is there no such place (any more)? */
static bool is_absence(int status)
{
    return status == -ENOENT || status == -ESRCH;
}

/* Once it runs, one node more or less is no reason to refuse a reload. */
static int want_site_if_there(struct interceptor *interceptor,
                              const struct plan_node *node, struct errmsg *err)
{
    struct errmsg why = {0};
    int status = want_site_of(interceptor, node, &why);
    if (status == 0)
        return 0;
    if (is_absence(status) && interceptor->proxy->started_ns != 0) {
        if (!interceptor->looking)
            log_line(LOG_WARN, "proxy netns: node %s is not there: %s", node->name,
                     why.text);
        return 0;
    }
    errmsg_set(err, "node \"%s\": %s", node->name, why.text);
    return status;
}

static int want_sites(struct interceptor *interceptor, const struct plan *plan,
                      struct errmsg *err)
{
    for (struct intercept_site *each = interceptor->sites; each; each = each->next)
        each->wanted = false;
    if (interceptor->mode != &intercept_netns)
        return want_own_site(interceptor, err);
    int status = 0;
    for (size_t i = 0; i < plan->n_nodes && status == 0; i++)
        if (plan->nodes[i].place.kind != PLACE_NONE)
            status = want_site_if_there(interceptor, &plan->nodes[i], err);
    return status;
}

/* The addresses that the namespace of the node told. */
static int add_learned(const struct interceptor *interceptor,
                       struct endpoints *endpoints, const char *node)
{
    for (const struct intercept_site *site = interceptor->sites; site;
         site = site->next)
        for (size_t i = 0; site->wanted && i < site->own.n_addresses; i++) {
            const struct endpoint_address *each = &site->own.addresses[i];
            if (strcmp(each->node, node) == 0 &&
                endpoints_add_address(endpoints, node, &each->address, false) != 0)
                return -ENOMEM;
        }
    return 0;
}

/* Parsing has seen to it that addresses are numeric in modes of the kernel. */
static int add_node(const struct interceptor *interceptor, struct endpoints *endpoints,
                    const struct plan_node *node)
{
    const char *name = journal_intern(interceptor->proxy->config.journal, node->name);
    bool owned = node->owner.uid || node->owner.cgroup;
    if (node->address.kind == ADDRESS_NONE)
        return add_learned(interceptor, endpoints, name);
    return endpoints_add_address(endpoints, name, &node->address, owned);
}

static int find_endpoints(const struct interceptor *interceptor,
                          const struct plan *plan, struct endpoints *out)
{
    int status = 0;
    for (size_t i = 0; i < plan->n_nodes && status == 0; i++)
        status = add_node(interceptor, out, &plan->nodes[i]);
    return status == 0 ? endpoints_add_servers(out, plan) : status;
}

/* Installs the endpoints everywhere, or nowhere. */
static int install(struct interceptor *interceptor, const struct endpoints *endpoints,
                   struct errmsg *err)
{
    int status = 0;
    for (struct intercept_site *each = interceptor->sites; each && status == 0;
         each = each->next) {
        if (!each->wanted)
            continue;
        status = site_check_others(each, endpoints, err);
        if (status == 0)
            status = site_install(each, endpoints, err);
    }
    for (struct intercept_site *each = interceptor->sites; each; each = each->next)
        if (status == 0)
            site_keep(each);
        else
            site_restore(each);
    return status;
}

/* Gives up what is not wanted (or, of a change that failed, what it made). */
static void drop_sites(struct interceptor *interceptor, bool failed)
{
    for (struct intercept_site **at = &interceptor->sites; *at;) {
        struct intercept_site *site = *at;
        bool goes = failed ? site->is_new : !site->wanted;
        site->is_new = false;
        if (goes) {
            *at = site->next;
            site_give_up(site);
        } else {
            at = &site->next;
        }
    }
}

static int check_shaping(const struct interceptor *interceptor, const struct plan *plan,
                         const struct endpoints *endpoints, struct errmsg *err)
{
    int status = 0;
    for (const struct intercept_site *each = interceptor->sites; each && status == 0;
         each = each->next)
        if (each->wanted)
            status = qdisc_check(each, plan, endpoints, err);
    return status;
}

static int prepare(struct interceptor *interceptor, const struct plan *plan,
                   struct endpoints *endpoints, struct errmsg *err)
{
    int status = want_sites(interceptor, plan, err);
    for (struct intercept_site *each = interceptor->sites; each && status == 0;
         each = each->next) {
        if (each->node)
            (void)site_learn(each); /* without an answer it is where it was */
        if (each->wanted)
            status = site_prepare_doors(each, plan, err);
    }
    if (status == 0)
        status = find_endpoints(interceptor, plan, endpoints);
    if (status == 0)
        status = check_shaping(interceptor, plan, endpoints, err);
    return status == 0 ? install(interceptor, endpoints, err) : status;
}

/* Of what listeners dial, which would be intercepted again in our own namespace. */
static uint32_t find_own_mark(const struct interceptor *interceptor)
{
    for (const struct intercept_site *each = interceptor->sites; each;
         each = each->next)
        if (netns_is_same(each->netns, NULL))
            return intercept_mark(each->number, INTERCEPT_MARK_OWN);
    return 0;
}

static int follow(struct interceptor *interceptor, const struct plan *plan,
                  struct errmsg *err)
{
    struct endpoints endpoints = {0};
    int status = prepare(interceptor, plan, &endpoints, err);
    drop_sites(interceptor, status != 0);
    if (status != 0) {
        endpoints_close(&endpoints);
        return status;
    }
    for (struct intercept_site *each = interceptor->sites; each; each = each->next)
        site_drop_doors(each);
    interceptor->proxy->own_mark = find_own_mark(interceptor);
    endpoints_close(&interceptor->endpoints);
    interceptor->endpoints = endpoints;
    return 0;
}

/* Has a node gone, come back, or moved? */
static bool nodes_have_moved(struct interceptor *interceptor)
{
    bool moved = false;
    for (struct intercept_site *each = interceptor->sites; each; each = each->next) {
        bool is_there = netns_is_current(each->netns);
        if (!is_there && !each->missed) {
            log_line(LOG_WARN, "proxy netns: node %s is gone: %s leads elsewhere",
                     each->node, netns_text(each->netns));
            journal_node(interceptor, each, JOURNAL_NODE_GONE);
        }
        moved |= is_there != !each->missed;
        each->missed = !is_there;
        moved |= site_learn(each) > 0;
    }
    return moved;
}

static bool nodes_are_missing(const struct interceptor *interceptor)
{
    const struct plan *plan = interceptor->proxy->plan;
    size_t places = 0, sites = 0;
    for (size_t i = 0; i < plan->n_nodes; i++)
        places += plan->nodes[i].place.kind != PLACE_NONE;
    for (const struct intercept_site *each = interceptor->sites; each;
         each = each->next)
        sites++;
    return places > sites;
}

/* Looking for one may take its engine a moment, so that it is not done each time. */
static bool is_time_to_search(struct interceptor *interceptor, uint64_t now_ns)
{
    if (now_ns < interceptor->search_ns || !nodes_are_missing(interceptor))
        return false;
    interceptor->search_ns = now_ns + SEARCH_NS;
    return true;
}

static void on_look(struct timer *timer, uint64_t now_ns)
{
    struct interceptor *interceptor = timer->owner;
    struct proxy *proxy = interceptor->proxy;
    struct errmsg err = {0};
    bool moved = nodes_have_moved(interceptor);
    interceptor->looking = true;
    if (moved || is_time_to_search(interceptor, now_ns)) {
        if (follow(interceptor, proxy->plan, &err) != 0)
            log_line(LOG_ERROR, "proxy netns: following the nodes: %s", err.text);
        packet_tables_follow(proxy, now_ns);
        intercept_resume(interceptor);
    }
    interceptor->looking = false;
    timer_set(proxy->timers, timer, now_ns + LOOK_NS);
}

static struct interceptor *interceptor_create(struct proxy *proxy,
                                              const struct intercept_mode *mode)
{
    struct interceptor *interceptor = calloc(1, sizeof *interceptor);
    if (!interceptor || timers_reserve(proxy->timers, 1) != 0) {
        free(interceptor);
        return NULL;
    }
    interceptor->proxy = proxy;
    interceptor->mode = mode;
    timer_init(&interceptor->look, on_look, interceptor);
    return interceptor;
}

int intercept_check_permitted(const char *mode, struct errmsg *err)
{
    if (nft_is_permitted())
        return 0;
    intercept_say_lacking(mode, err);
    return -EPERM;
}

int intercept_check(const struct proxy *proxy, const struct plan *plan,
                    struct errmsg *err)
{
    const struct interceptor *interceptor = proxy->interceptor;
    return interceptor ? check_shaping(interceptor, plan, &interceptor->endpoints, err)
                       : 0;
}

int intercept_change(struct proxy *proxy, const struct plan *plan, struct errmsg *err)
{
    const struct intercept_mode *mode = mode_of(plan);
    struct interceptor *interceptor = proxy->interceptor;
    if (!mode)
        return 0;
    if (!interceptor)
        interceptor = interceptor_create(proxy, mode);
    if (!interceptor)
        return -ENOMEM;
    int status = follow(interceptor, plan, err);
    if (status != 0 && !proxy->interceptor)
        intercept_destroy(interceptor);
    if (status != 0)
        return status;
    proxy->interceptor = interceptor;
    if (mode == &intercept_netns)
        timer_set(proxy->timers, &interceptor->look, now_ns() + LOOK_NS);
    return 0;
}

static void watch_all(struct interceptor *interceptor, bool watched)
{
    for (struct intercept_site *each = interceptor ? interceptor->sites : NULL; each;
         each = each->next)
        site_watch(each, watched);
}

void intercept_resume(struct interceptor *interceptor)
{
    if (interceptor && !interceptor->proxy->paused)
        watch_all(interceptor, true);
}

void intercept_pause(struct interceptor *interceptor)
{
    watch_all(interceptor, false);
}

void intercept_stop(struct interceptor *interceptor)
{
    if (!interceptor || interceptor->stopping)
        return;
    interceptor->stopping = true;
    timer_clear(interceptor->proxy->timers, &interceptor->look);
    for (struct intercept_site *each = interceptor->sites; each; each = each->next)
        site_stop(each);
}

void intercept_destroy(struct interceptor *interceptor)
{
    if (!interceptor)
        return;
    interceptor->proxy->own_mark = 0;
    while (interceptor->sites) {
        struct intercept_site *site = interceptor->sites;
        interceptor->sites = site->next;
        site_give_up(site);
    }
    timer_clear(interceptor->proxy->timers, &interceptor->look);
    timers_give_back(interceptor->proxy->timers, 1);
    endpoints_close(&interceptor->endpoints);
    free(interceptor);
}

void intercept_each_table(const struct interceptor *interceptor,
                          intercept_table_fn visit, void *context)
{
    const struct intercept_site *site = interceptor ? interceptor->sites : NULL;
    for (; site; site = site->next) {
        const struct intercept_table table = {
            .netns = site->netns,
            .nft = site->nft,
            .number = site->number,
            .node = site->node,
        };
        visit(context, &table);
    }
}

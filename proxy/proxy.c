/* SPDX-License-Identifier: MIT */
/* An instance from proxy_create to on_stopped. The happy path: create, proxy_start with
 * the base rules, any number of changes (each a copy of the layers, see change.c),
 * proxy_stop; when the last socket is closed, on_stopped. With several threads each has
 * such an instance, and the first one, the front, does to all what it does to itself.
 *
 * What fails before the commit of a change leaves no trace. Stopping cannot fail:
 * faults are lifted (without memory for a new plan they stay, and the connections under
 * them are reset when patience ends), listeners close, connections end by themselves or
 * by reset. */
#include "proxy/proxy.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "proxy/wire/budget.h"
#include "proxy/change.h"
#include "proxy/wire/connection.h"
#include "proxy/fleet.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/wire/listener.h"
#include "proxy/wire/pipes.h"
#include "proxy/kernel/packet.h"
#include "proxy/kernel/packet_tables.h"
#include "rules/diag.h"
#include "rules/plan/shared.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define SAMPLE_NS (100 * NS_PER_MS)

enum { TIMERS_OF_INSTANCE = 5 };

#define BASE "base"

static uint64_t or_default(uint64_t value, uint64_t standard)
{
    return value != 0 ? value : standard;
}

/* The time is taken anew: other threads have run on until they froze, and a stream's
 * time never goes back. */
static void on_edge(struct timer *timer, uint64_t due_ns)
{
    (void)due_ns;
    struct proxy *proxy = timer->owner;
    fleet_freeze(proxy->fleet);
    change_pass_edges(proxy, now_ns());
    fleet_thaw(proxy->fleet);
}

/* Ends the overlays whose lease is over. One that cannot be ended for want of memory is
 * tried again in a second. */
static void on_lease(struct timer *timer, uint64_t now_ns)
{
    struct proxy *proxy = timer->owner;
    struct layers *layers = &proxy->layers;
    for (size_t i = layers->n; i-- > 1;)
        if (layers->items[i].ends_ns <= now_ns &&
            proxy_remove_overlay(proxy, layers->items[i].name, NULL) != 0)
            break;
    uint64_t next_ns = layers_next_end(layers);
    timer_set(proxy->timers, timer, next_ns <= now_ns ? now_ns + NS_PER_S : next_ns);
}

/* While something is behind a partition, what waits there grows unseen by poll, and so
 * does what the kernel drops. */
static bool sample_sockets(struct proxy *proxy)
{
    bool again = false;
    for (struct connection *each = proxy->oldest; each; each = each->newer)
        again |= connection_sample_unread(each);
    for (struct listener *each = proxy->listeners; each; each = each->next)
        again |= unanswered_sample(each);
    return again;
}

static void on_sample(struct timer *timer, uint64_t now_ns)
{
    struct proxy *proxy = timer->owner;
    bool again = sample_sockets(proxy);
    again |= packet_tables_sample(proxy, now_ns);
    if (again)
        timer_set(proxy->timers, timer, now_ns + SAMPLE_NS);
}

void proxy_sample(struct proxy *proxy)
{
    packet_tables_look(proxy, now_ns());
    fleet_freeze(proxy->fleet);
    for (size_t i = 0; i < fleet_size(proxy); i++)
        (void)sample_sockets(fleet_shard(proxy, i)); /* its timer goes on as it is */
    fleet_thaw(proxy->fleet);
}

static void on_resume(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    listener_resume_all(timer->owner);
}

/* The end: no socket is left. */
static void on_watches_empty(void *context)
{
    struct proxy *proxy = context;
    intercept_destroy(proxy->interceptor);
    proxy->interceptor = NULL;
    timers_close(proxy->timers, NULL, NULL);
    proxy->timers = NULL;
    watch_group_destroy(proxy->watches);
    proxy->watches = NULL;
    proxy->config.on_stopped(proxy->config.context);
}

static void on_drained(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    struct proxy *proxy = timer->owner;
    while (proxy->oldest)
        connection_stop(proxy->oldest); /* the last brings on_watches_empty */
}

static int make_parts(struct proxy *proxy)
{
    proxy->buffer = malloc(PROXY_READ_BYTES);
    proxy->pipes = pipes_create(proxy);
    proxy->paths =
        proxy->front->shared ? paths_create(NULL, proxy->front->shared) : NULL;
    if (!proxy->buffer || !proxy->pipes || !proxy->paths)
        return -ENOMEM;
    int status = watch_group_create(&proxy->watches, proxy->config.loop);
    if (status == 0)
        status = timers_create(&proxy->timers, proxy->config.loop);
    if (status != 0)
        return status;
    return timers_reserve(proxy->timers, TIMERS_OF_INSTANCE);
}

static void fill_in_defaults(struct proxy_config *own)
{
    own->connect_timeout_ns = or_default(own->connect_timeout_ns, 10 * NS_PER_S);
    own->max_bytes = or_default(own->max_bytes, UINT64_C(1) << 30);
    own->max_hold_bytes = or_default(own->max_hold_bytes, UINT64_C(8) << 20);
    own->max_connections = own->max_connections ? own->max_connections : 10000;
    own->threads = own->threads ? own->threads : 1;
}

/* An instance: the front, or one beside it, for another loop, which has no rules of its
 * own; change.c gives it the front's. As proxy_create. */
static int create_shard(const struct proxy_config *config, struct proxy *front,
                        struct proxy **out)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy)
        return -ENOMEM;
    proxy->config = *config;
    proxy->front = front ? front : proxy;
    if (!front)
        proxy->shared = shared_create(NULL);
    int status = make_parts(proxy);
    if (status != 0) {
        proxy_destroy(proxy);
        return status;
    }
    timer_init(&proxy->edge, on_edge, proxy);
    timer_init(&proxy->lease, on_lease, proxy);
    timer_init(&proxy->sample, on_sample, proxy);
    timer_init(&proxy->resume, on_resume, proxy);
    timer_init(&proxy->drain, on_drained, proxy);
    *out = proxy;
    return 0;
}

int proxy_create(const struct proxy_config *config, struct proxy **out)
{
    static const struct fleet_work work = {
        .create = create_shard, .run = proxy_run, .destroy = proxy_destroy};
    struct proxy_config own = *config;
    struct proxy *proxy;
    fill_in_defaults(&own);
    int status = create_shard(&own, NULL, &proxy);
    if (status != 0)
        return status;
    budget_init(proxy);
    if (own.threads > 1)
        status = fleet_create(&proxy->fleet, proxy, &work);
    if (status != 0) {
        proxy_destroy(proxy);
        return status;
    }
    *out = proxy;
    return 0;
}

void proxy_destroy(struct proxy *proxy)
{
    if (!proxy)
        return;
    assert(!proxy->oldest && !proxy->listeners && !proxy->retired);
    fleet_destroy(proxy->fleet);
    if (proxy->timers)
        timers_close(proxy->timers, NULL, NULL);
    static const struct layers none = {0};
    layers_close_but(&proxy->layers, &none);
    plan_put(proxy->plan);
    watch_group_destroy(proxy->watches);
    paths_destroy(proxy->paths);
    shared_destroy(proxy->shared);
    packet_destroy(proxy->packet);
    free(proxy->notes);
    pipes_destroy(proxy->pipes);
    free(proxy->buffer);
    free(proxy);
}

static uint64_t choose_seed(const struct proxy *proxy, const struct rules *rules)
{
    uint64_t seed = 0;
    if (proxy->config.has_seed)
        return proxy->config.seed;
    if (rules->has_seed)
        return rules->seed;
    if (proxy->started_ns != 0)
        return proxy->seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = now_ns(); /* a kernel without it: any seed will do, it is printed */
    return seed >> 32;   /* short enough to be typed again */
}

/* Reads the text of the change's origin, over the rules of `below`, and copies the
 * layers that there are, for it to be put among them. */
static int draft(struct proxy *proxy, const struct proxy_source *source,
                 const struct rules *below, struct change *change, struct layer *layer,
                 struct diag *diag, struct errmsg *err)
{
    int status = layer_read(layer, change->origin, source, below, diag);
    if (status == 0) {
        status = layers_copy(&proxy->layers, &change->next);
        if (status != 0)
            layer_close(layer);
    }
    if (status == -ENOMEM)
        errmsg_set(err, "out of memory");
    return status;
}

static int apply_base(struct proxy *proxy, const struct proxy_source *source,
                      struct proxy_commit *commit, struct diag *diag,
                      struct errmsg *err)
{
    struct change change = {.what = "base applied", .origin = BASE};
    struct layer layer;
    int status = draft(proxy, source, NULL, &change, &layer, diag, err);
    if (status != 0)
        return status;
    uint64_t old_seed = proxy->seed;
    proxy->seed = choose_seed(proxy, layer.rules);
    layer.committed_ns = now_ns();
    layers_put(&change.next, &layer);
    status = change_commit(proxy, &change, commit, diag, err);
    if (status != 0)
        proxy->seed = old_seed;
    return status;
}

int proxy_start(struct proxy *proxy, const struct proxy_source *source,
                struct diag *diag, struct errmsg *err)
{
    assert(proxy->started_ns == 0);
    int status = apply_base(proxy, source, NULL, diag, err);
    if (status == 0)
        proxy->started_ns = now_ns();
    return status;
}

static bool is_running(const struct proxy *proxy)
{
    return proxy->started_ns != 0 && !proxy->stopping;
}

int proxy_apply_base(struct proxy *proxy, const struct proxy_source *source,
                     struct proxy_commit *commit, struct diag *diag, struct errmsg *err)
{
    if (!is_running(proxy))
        return -ESHUTDOWN;
    return apply_base(proxy, source, commit, diag, err);
}

int proxy_apply_overlay(struct proxy *proxy, const char *name,
                        const struct proxy_source *source, uint64_t lease_ns,
                        struct proxy_commit *commit, struct diag *diag,
                        struct errmsg *err)
{
    if (!is_running(proxy))
        return -ESHUTDOWN;
    struct change change = {.what = "overlay applied",
                            .origin = journal_intern(proxy->config.journal, name)};
    struct layer layer;
    int status =
        draft(proxy, source, proxy->layers.items[0].rules, &change, &layer, diag, err);
    if (status != 0)
        return status;
    layer.committed_ns = now_ns();
    if (lease_ns < UINT64_MAX - layer.committed_ns)
        layer.ends_ns = layer.committed_ns + lease_ns;
    layers_put(&change.next, &layer);
    return change_commit(proxy, &change, commit, diag, err);
}

/* Commits a change that reads no new text. */
static int commit_quietly(struct proxy *proxy, struct change *change,
                          struct proxy_commit *commit)
{
    struct diag diag;
    diag_init(&diag, NULL);
    int status = change_commit(proxy, change, commit, &diag, NULL);
    diag_close(&diag);
    return status;
}

int proxy_remove_overlay(struct proxy *proxy, const char *name,
                         struct proxy_commit *commit)
{
    if (!is_running(proxy))
        return -ESHUTDOWN;
    struct layer *layer = layers_find(&proxy->layers, name);
    if (!layer || layer == proxy->layers.items)
        return -ENOENT;
    struct change change = {.what = "overlay removed", .origin = layer->name};
    int status = layers_copy(&proxy->layers, &change.next);
    if (status != 0)
        return status;
    layers_remove(&change.next, layers_find(&change.next, name));
    return commit_quietly(proxy, &change, commit);
}

/* Removes every overlay and switches the base's rules off. */
static int lift_all(struct proxy *proxy, const char *what, struct proxy_commit *commit)
{
    struct change change = {.what = what};
    int status = layers_copy(&proxy->layers, &change.next);
    if (status != 0)
        return status;
    change.next.n = 1;
    change.next.items[0].rules_off = true;
    return commit_quietly(proxy, &change, commit);
}

int proxy_clear(struct proxy *proxy, struct proxy_commit *commit)
{
    return is_running(proxy) ? lift_all(proxy, "cleared", commit) : -ESHUTDOWN;
}

int proxy_heal(struct proxy *proxy, struct proxy_commit *commit)
{
    if (!is_running(proxy))
        return -ESHUTDOWN;
    struct change change = {.what = "healed"};
    int status = layers_copy(&proxy->layers, &change.next);
    if (status != 0)
        return status;
    for (size_t i = 0; i < change.next.n; i++)
        change.next.items[i].links_off = true;
    return commit_quietly(proxy, &change, commit);
}

static void close_listeners(struct proxy *proxy)
{
    while (proxy->listeners) {
        struct listener *listener = proxy->listeners;
        proxy->listeners = listener->next;
        listener_retire(listener);
        listener->next = proxy->retired;
        proxy->retired = listener;
        listener_keep(listener); /* freed by the release, now or with its last */
        listener_release(listener);
    }
}

/* Of one shard. */
static void end_listening(struct proxy *proxy)
{
    proxy->stopping = true;
    close_listeners(proxy);
    intercept_stop(proxy->interceptor);
    timer_clear(proxy->timers, &proxy->resume);
    watch_group_when_empty(proxy->watches, on_watches_empty, proxy);
}

static void begin_stop(struct proxy *proxy)
{
    if (proxy->plan)
        (void)lift_all(proxy, "stopped", NULL); /* out of memory: the faults stay */
    timer_clear(proxy->timers, &proxy->edge);
    timer_clear(proxy->timers, &proxy->lease);
    for (size_t i = 0; i < fleet_size(proxy); i++)
        end_listening(fleet_shard(proxy, i));
}

/* Of one shard. */
static void set_patience(struct proxy *proxy, uint64_t drain_ns, uint64_t now_ns)
{
    if (!proxy->timers)
        return; /* has stopped */
    if (watch_group_count(proxy->watches) == 0)
        drain_ns = 0; /* nothing to wait for; on_stopped comes from the loop still */
    uint64_t until_ns = drain_ns < UINT64_MAX - now_ns ? now_ns + drain_ns : UINT64_MAX;
    if (proxy->drain.place == 0 || until_ns < proxy->drain.due_ns)
        timer_set(proxy->timers, &proxy->drain, until_ns);
}

void proxy_stop(struct proxy *proxy, uint64_t drain_ns)
{
    uint64_t now = now_ns();
    fleet_freeze(proxy->fleet);
    if (proxy->timers && !proxy->stopping)
        begin_stop(proxy);
    for (size_t i = 0; i < fleet_size(proxy); i++)
        set_patience(fleet_shard(proxy, i), drain_ns, now);
    fleet_thaw(proxy->fleet);
}

void proxy_run(struct proxy *proxy)
{
    watch_group_run(proxy->watches);
}

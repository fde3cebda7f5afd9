/* SPDX-License-Identifier: MIT */
/* Threads, and how they are frozen: a uv_async wakes each loop, whose callback waits
 * until the front has done. So the data path pays nothing for being changed from
 * outside, and needs no lock: while a shard runs nobody else touches it, and while it
 * is frozen its thread does not.
 *
 * Events go the other way. Every shard, the front too, writes to a branch of the
 * journal (proxy/record/event_queue.h), and wakes the front, which takes them to the journal
 * in the order of their times; within one shard they keep their order in any case. At a
 * thaw they are taken at once: so a change, and all that came before it, is in the
 * journal when the change is answered. What several shards tell separately though it is
 * one thing, the first touch of a rule on a link, is told once.
 *
 * The end: each shard stops by itself and says so; when the last has, the front's
 * on_stopped is called. The threads still answer until fleet_destroy, at which each
 * closes what is left of its shard and ends when its loop is empty.
 *
 * Starting can fail, and then what was started is ended again. Nothing else can: an
 * event that finds its queue full is counted, and the journal tells how many were.
 *
 * A connection stays with the shard that accepted it, which the kernel chose by a hash:
 * none is moved for balance. What is intercepted is the front's alone. */
#include "proxy/fleet.h"
#include "proxy/record/counters.h"
#include "proxy/record/event_queue.h"
#include "proxy/instance.h"
#include "proxy/record/journal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { QUEUE_EVENTS = 4096 };

/* One shard; of the front's, only what is said. */
struct member {
    struct fleet *fleet;       /* borrowed */
    struct proxy *shard;       /* owned; borrowed for the front */
    struct event_queue *queue; /* owned; the front's too */
    struct journal *branch;    /* owned, likewise */
    uv_loop_t loop;            /* in its thread */
    uv_async_t call;           /* to freeze, or to leave */
    uv_thread_t thread;
    struct counters counters;
    bool has_loop, has_counters, has_call, runs;
};

struct fleet {
    const struct fleet_work *work; /* borrowed */
    struct member *members;        /* owned: n; [0] is the front's */
    size_t n;
    struct journal *journal; /* borrowed: where events go in the end */
    uv_async_t news;         /* on the front's loop: events, or a shard has stopped */
    void (*on_stopped)(void *context);
    void *context; /* borrowed, of on_stopped */
    _Atomic size_t n_stopped;
    struct counters told; /* touches that the journal knows */
    struct counters sums; /* of fleet_counters */
    unsigned depth;       /* of freezes */
    bool closing_news, has_news, orphan;

    uv_mutex_t mutex; /* of what follows */
    uv_cond_t arrived, released;
    size_t n_frozen; /* threads that wait */
    bool freezing, leaving;
};

size_t fleet_size(const struct proxy *front)
{
    return front->fleet ? front->fleet->n : 1;
}

struct proxy *fleet_shard(const struct proxy *front, size_t i)
{
    return front->fleet ? front->fleet->members[i].shard : front->front;
}

/* Of any thread. */
static void on_event(void *context)
{
    struct fleet *fleet = context;
    (void)uv_async_send(&fleet->news); /* cannot fail */
}

/* Is it something that another shard has told already? */
static bool is_old(struct fleet *fleet, const struct journal_event *event)
{
    if (event->type != JOURNAL_TOUCHED)
        return false;
    struct counters_rule *rule =
        counters_rule(&fleet->told, event->origin, event->rule);
    struct counters_link *link = counters_link(&fleet->told, event->from, event->to);
    struct counters_touch *touch =
        rule && link ? counters_touch(&fleet->told, rule, link) : NULL;
    if (!touch) /* out of memory: rather twice than never */
        return false;
    bool old = touch->first_ns != 0;
    touch->first_ns = event->at_ns;
    return old;
}

/* The event as one of the journal, whose names live longer than a shard's. */
static void tell(struct fleet *fleet, const struct journal_event *event)
{
    struct journal *journal = fleet->journal;
    struct journal_event own = *event;
    if (is_old(fleet, event))
        return;
    own.rule = journal_intern(journal, event->rule);
    own.origin = journal_intern(journal, event->origin);
    own.from = journal_intern(journal, event->from);
    own.to = journal_intern(journal, event->to);
    if (event->text)
        own.text = journal_text(journal, event->text);
    (void)journal_add(journal, &own);
}

/* The queue whose oldest event is the oldest; NULL: all are empty. */
static struct event_queue *find_oldest(const struct fleet *fleet)
{
    struct event_queue *oldest = NULL;
    uint64_t oldest_ns = UINT64_MAX;
    for (size_t i = 0; i < fleet->n; i++) {
        const struct journal_event *front = event_queue_front(fleet->members[i].queue);
        if (front && front->at_ns < oldest_ns) {
            oldest = fleet->members[i].queue;
            oldest_ns = front->at_ns;
        }
    }
    return oldest;
}

/* Takes what the queues hold to the journal; the rest in another turn, if the others
 * write as fast as that. */
static void gather(struct fleet *fleet)
{
    struct event_queue *queue;
    size_t most = fleet->n * QUEUE_EVENTS;
    while (most > 0 && (queue = find_oldest(fleet))) {
        tell(fleet, event_queue_front(queue));
        event_queue_pop(queue);
        most--;
    }
    if (most == 0)
        on_event(fleet);
    for (size_t i = 0; i < fleet->n; i++) {
        struct journal_event missed = {
            .type = JOURNAL_MISSED,
            .count = event_queue_take_missed(fleet->members[i].queue)};
        if (missed.count > 0)
            (void)journal_add(fleet->journal, &missed);
    }
}

static void free_fleet(struct fleet *fleet)
{
    uv_cond_destroy(&fleet->arrived);
    uv_cond_destroy(&fleet->released);
    uv_mutex_destroy(&fleet->mutex);
    counters_close(&fleet->told);
    counters_close(&fleet->sums);
    free(fleet->members);
    free(fleet);
}

static void on_news_closed(uv_handle_t *handle)
{
    struct fleet *fleet = handle->data;
    fleet->has_news = false;
    if (fleet->orphan)
        free_fleet(fleet);
    else
        fleet->on_stopped(fleet->context);
}

static void close_news(struct fleet *fleet)
{
    if (fleet->closing_news)
        return;
    fleet->closing_news = true;
    uv_close((uv_handle_t *)&fleet->news, on_news_closed);
}

static void on_news(uv_async_t *news)
{
    struct fleet *fleet = news->data;
    gather(fleet);
    if (fleet->n_stopped == fleet->n)
        close_news(fleet);
}

static void on_shard_stopped(void *context)
{
    struct fleet *fleet = context;
    fleet->n_stopped++;
    on_event(fleet);
}

/* Closes all that is on the member's loop. */
static void close_shard(struct member *member)
{
    if (member->shard) /* not so where making it failed */
        member->fleet->work->destroy(member->shard);
    member->shard = NULL;
    if (member->has_call)
        uv_close((uv_handle_t *)&member->call, NULL);
    member->has_call = false;
}

/* In the member's thread: waits until the front lets it go on. */
static void on_call(uv_async_t *call)
{
    struct member *member = call->data;
    struct fleet *fleet = member->fleet;
    uv_mutex_lock(&fleet->mutex);
    if (fleet->freezing) {
        fleet->n_frozen++;
        uv_cond_signal(&fleet->arrived);
        while (fleet->freezing)
            uv_cond_wait(&fleet->released, &fleet->mutex);
        fleet->n_frozen--;
    }
    bool leaves = fleet->leaving;
    uv_mutex_unlock(&fleet->mutex);
    if (leaves)
        close_shard(member);
}

static void call_all(struct fleet *fleet)
{
    for (size_t i = 1; i < fleet->n; i++)
        if (fleet->members[i].runs)
            (void)uv_async_send(&fleet->members[i].call); /* cannot fail */
}

void fleet_freeze(struct fleet *fleet)
{
    if (!fleet || fleet->depth++ > 0)
        return;
    uv_mutex_lock(&fleet->mutex);
    fleet->freezing = true;
    uv_mutex_unlock(&fleet->mutex);
    call_all(fleet);
    uv_mutex_lock(&fleet->mutex);
    while (fleet->n_frozen < fleet->n - 1)
        uv_cond_wait(&fleet->arrived, &fleet->mutex);
    uv_mutex_unlock(&fleet->mutex);
}

void fleet_thaw(struct fleet *fleet)
{
    if (!fleet || --fleet->depth > 0)
        return;
    gather(fleet);
    uv_mutex_lock(&fleet->mutex);
    fleet->freezing = false;
    uv_cond_broadcast(&fleet->released);
    uv_mutex_unlock(&fleet->mutex);
}

struct journal *fleet_journal(const struct fleet *fleet)
{
    return fleet->journal;
}

struct counters *fleet_counters(struct fleet *fleet)
{
    counters_close(&fleet->sums);
    int status = counters_init(&fleet->sums);
    fleet_freeze(fleet);
    for (size_t i = 0; i < fleet->n && status == 0; i++)
        status = counters_add(&fleet->sums, fleet->members[i].shard->config.counters);
    fleet_thaw(fleet);
    return status == 0 ? &fleet->sums : NULL;
}

static void run_loop(void *arg)
{
    struct member *member = arg;
    member->fleet->work->run(member->shard); /* until close_shard */
}

/* Signals are for the front's loop: the thread is born with all of them blocked. */
static int start_thread(struct member *member)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = uv_thread_create(&member->thread, run_loop, member);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    member->runs = status == 0;
    return status;
}

static int make_branch(struct member *member)
{
    member->queue = event_queue_create(QUEUE_EVENTS);
    if (member->queue)
        member->branch = journal_create_branch(member->queue, on_event, member->fleet);
    return member->branch ? 0 : -ENOMEM;
}

/* A shard beside the front, on a loop of its own. */
static int make_shard(struct member *member, struct proxy *front)
{
    int status = counters_init(&member->counters);
    member->has_counters = status == 0;
    if (status == 0)
        status = uv_loop_init(&member->loop);
    if (status != 0)
        return status;
    member->has_loop = true;
    status = uv_async_init(&member->loop, &member->call, on_call);
    if (status != 0)
        return status;
    member->has_call = true;
    member->call.data = member;
    struct proxy_config config = front->config;
    config.loop = &member->loop;
    config.counters = &member->counters;
    config.journal = member->branch;
    config.on_stopped = on_shard_stopped;
    config.context = member->fleet;
    return member->fleet->work->create(&config, front, &member->shard);
}

/* The front's own share: its journal becomes a branch, its end one of several. */
static void take_front(struct fleet *fleet, struct proxy *front)
{
    fleet->members[0].shard = front;
    fleet->journal = front->config.journal;
    fleet->on_stopped = front->config.on_stopped;
    fleet->context = front->config.context;
    front->config.journal = fleet->members[0].branch;
    front->config.on_stopped = on_shard_stopped;
    front->config.context = fleet;
}

static int make_members(struct fleet *fleet, struct proxy *front)
{
    int status = uv_async_init(front->config.loop, &fleet->news, on_news);
    if (status != 0)
        return status;
    fleet->news.data = fleet;
    fleet->has_news = true;
    for (size_t i = 0; i < fleet->n && status == 0; i++) {
        fleet->members[i].fleet = fleet;
        status = make_branch(&fleet->members[i]);
        if (status == 0 && i > 0)
            status = make_shard(&fleet->members[i], front);
    }
    for (size_t i = 1; i < fleet->n && status == 0; i++)
        status = start_thread(&fleet->members[i]);
    return status;
}

static struct fleet *allocate(size_t n)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet)
        return NULL;
    fleet->members = calloc(n, sizeof *fleet->members);
    fleet->n = n;
    if (!fleet->members || counters_init(&fleet->told) != 0) {
        free(fleet->members);
        free(fleet);
        return NULL;
    }
    (void)uv_mutex_init(&fleet->mutex); /* on Linux these cannot fail */
    (void)uv_cond_init(&fleet->arrived);
    (void)uv_cond_init(&fleet->released);
    return fleet;
}

int fleet_create(struct fleet **out, struct proxy *front, const struct fleet_work *work)
{
    struct fleet *fleet = allocate(front->config.threads);
    if (!fleet)
        return -ENOMEM;
    fleet->work = work;
    int status = make_members(fleet, front);
    if (status != 0) {
        fleet_destroy(fleet);
        return status;
    }
    take_front(fleet, front);
    *out = fleet;
    return 0;
}

/* Its thread has ended, or never began. */
static void close_member(struct member *member)
{
    if (!member->runs)
        close_shard(member);
    if (member->has_loop) {
        (void)uv_run(&member->loop, UV_RUN_DEFAULT);
        int status = uv_loop_close(&member->loop);
        assert(status == 0); /* its handles were the shard's, and the call */
        (void)status;
    }
    if (member->has_counters)
        counters_close(&member->counters);
}

void fleet_destroy(struct fleet *fleet)
{
    if (!fleet)
        return;
    uv_mutex_lock(&fleet->mutex);
    fleet->leaving = true;
    uv_mutex_unlock(&fleet->mutex);
    call_all(fleet);
    for (size_t i = 0; i < fleet->n; i++) {
        struct member *member = &fleet->members[i];
        if (member->runs)
            (void)uv_thread_join(&member->thread);
        if (i > 0)
            close_member(member);
        journal_destroy(member->branch);
        event_queue_destroy(member->queue);
    }
    fleet->orphan = true;
    if (fleet->has_news)
        close_news(fleet);
    else
        free_fleet(fleet);
}

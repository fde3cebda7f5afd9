/* SPDX-License-Identifier: MIT */
/* The counting itself is counters.h's, so that status pages see it; here is what the
 * data path does about a limit. Held bytes are counted when they enter a ring and when
 * they leave it; what the kernel's socket buffers hold is the kernel's budget.
 *
 * All threads share the front's budgets. One that had to wait hears of a place that
 * another has freed only when it asks again (listener.c). */
#include "proxy/wire/budget.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/record/journal.h"

#include <stdatomic.h>
#include <sys/resource.h>

#define SAY_AGAIN_NS NS_PER_S

enum {
    BUDGET_LEAST_BYTES = 4096,
    DESCRIPTORS_EACH = 2, /* of a connection */
    DESCRIPTORS_OF_PIPE = 2,
    PIPES_SHARE = 4, /* a quarter: who holds much must not keep newcomers out */
    /* For the loop, the journal, lookups, and above all the control socket: who has run
     * out of descriptors must still be able to say `ctl clear`. */
    DESCRIPTORS_KEPT = 24,
    DESCRIPTORS_A_THREAD = 8, /* its loop's */
};

static struct counters_budget *budget_of(const struct proxy *proxy,
                                         enum counters_budget_kind kind)
{
    return &proxy->front->config.counters->budgets[kind];
}

void budget_init(struct proxy *proxy)
{
    struct rlimit descriptors = {0};
    (void)getrlimit(RLIMIT_NOFILE, &descriptors); /* cannot fail */
    uint64_t most = DESCRIPTORS_EACH, kept = DESCRIPTORS_KEPT;
    kept += DESCRIPTORS_A_THREAD * (proxy->config.threads - 1);
    if (descriptors.rlim_cur > kept + DESCRIPTORS_EACH)
        most = descriptors.rlim_cur - kept;
    budget_of(proxy, BUDGET_HELD_BYTES)->limit = proxy->config.max_bytes;
    budget_of(proxy, BUDGET_CONNECTIONS)->limit = proxy->config.max_connections;
    budget_of(proxy, BUDGET_DESCRIPTORS)->limit = most;
    budget_of(proxy, BUDGET_STREAM_BYTES)->limit = proxy->config.max_hold_bytes;
}

static void say_reached(struct proxy *proxy, enum counters_budget_kind kind,
                        uint64_t limit)
{
    static const char *const outcomes[BUDGET_KINDS] = {
        [BUDGET_HELD_BYTES] = "reading slows down",
        [BUDGET_CONNECTIONS] = "accepting waits for connections to end",
        [BUDGET_DESCRIPTORS] = "accepting waits for connections to end",
        [BUDGET_STREAM_BYTES] = "a sender waits for its bytes to leave",
    };
    _Atomic uint64_t *said_ns = &proxy->front->said_ns[kind];
    uint64_t now = now_ns(), last_ns = *said_ns;
    if (last_ns != 0 && now < last_ns + SAY_AGAIN_NS)
        return; /* a storm must not push everything else out of the journal */
    if (!atomic_compare_exchange_strong(said_ns, &last_ns, now))
        return; /* another thread says it */
    const char *name = budget_of(proxy, kind)->name;
    struct journal_event event = {
        .type = JOURNAL_BUDGET_REACHED, .text = name, .count = limit};
    (void)journal_add(proxy->config.journal, &event);
    if (last_ns == 0)
        log_line(LOG_WARN, "proxy budget=%s limit=%llu reached: %s (said once)", name,
                 (unsigned long long)limit, outcomes[kind]);
}

void budget_say_reached(struct proxy *proxy, enum counters_budget_kind kind)
{
    say_reached(proxy, kind, budget_of(proxy, kind)->limit);
}

void budget_note_full_stream(struct proxy *proxy, size_t held_bytes,
                             uint64_t limit_bytes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_STREAM_BYTES);
    uint64_t peak = budget->peak;
    while (held_bytes > peak &&
           !atomic_compare_exchange_weak(&budget->peak, &peak, held_bytes))
        ; /* another thread's stream was full too */
    budget->reached++;
    say_reached(proxy, BUDGET_STREAM_BYTES, limit_bytes);
}

size_t budget_room(struct proxy *proxy, size_t held_bytes)
{
    const struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    uint64_t used = budget->used_now;
    if (used < budget->limit)
        return budget->limit - used;
    return held_bytes == 0 ? BUDGET_LEAST_BYTES : 0;
}

void budget_hold(struct proxy *proxy, size_t bytes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    uint64_t used = counters_budget_hold(budget, bytes);
    if (used < budget->limit || atomic_exchange(&proxy->front->over_budget, true))
        return;
    budget->reached++;
    budget_say_reached(proxy, BUDGET_HELD_BYTES);
}

void budget_release(struct proxy *proxy, size_t bytes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    uint64_t used = counters_budget_release(budget, bytes);
    /* A tenth of slack, so that a full budget is one event and not thousands. */
    if (used < budget->limit - budget->limit / 10 && proxy->front->over_budget)
        proxy->front->over_budget = false;
}

void budget_note_exhausted(struct proxy *proxy)
{
    budget_of(proxy, BUDGET_DESCRIPTORS)->reached++;
}

bool budget_take_connection(struct proxy *proxy, enum counters_budget_kind *lacking)
{
    struct counters_budget *connections = budget_of(proxy, BUDGET_CONNECTIONS);
    *lacking = BUDGET_CONNECTIONS;
    if (!counters_budget_take(connections, 1))
        return false;
    *lacking = BUDGET_DESCRIPTORS;
    if (counters_budget_take(budget_of(proxy, BUDGET_DESCRIPTORS), DESCRIPTORS_EACH))
        return true;
    (void)counters_budget_release(connections, 1);
    return false;
}

bool budget_take_pipe(struct proxy *proxy, size_t n_pipes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_DESCRIPTORS);
    uint64_t share = budget->limit / PIPES_SHARE / proxy->config.threads;
    uint64_t most = share / DESCRIPTORS_OF_PIPE;
    return n_pipes < most && budget->used_now + DESCRIPTORS_OF_PIPE <= budget->limit &&
           counters_budget_take(budget, DESCRIPTORS_OF_PIPE);
}

void budget_release_pipe(struct proxy *proxy)
{
    counters_budget_release(budget_of(proxy, BUDGET_DESCRIPTORS), DESCRIPTORS_OF_PIPE);
}

void budget_release_connection(struct proxy *proxy)
{
    (void)counters_budget_release(budget_of(proxy, BUDGET_CONNECTIONS), 1);
    (void)counters_budget_release(budget_of(proxy, BUDGET_DESCRIPTORS),
                                  DESCRIPTORS_EACH);
}

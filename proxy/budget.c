/* SPDX-License-Identifier: MIT */
/* The counting itself is counters.h's, so that status pages see it; here is what the
 * data path does about a limit. Held bytes are counted when they enter a ring and when
 * they leave it; what the kernel's socket buffers hold is the kernel's budget. */
#include "proxy/budget.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/journal.h"

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
};

static struct counters_budget *budget_of(const struct proxy *proxy,
                                         enum counters_budget_kind kind)
{
    return &proxy->config.counters->budgets[kind];
}

void budget_init(struct proxy *proxy)
{
    struct rlimit descriptors = {0};
    (void)getrlimit(RLIMIT_NOFILE, &descriptors); /* cannot fail */
    uint64_t most = DESCRIPTORS_EACH;
    if (descriptors.rlim_cur > DESCRIPTORS_KEPT + DESCRIPTORS_EACH)
        most = descriptors.rlim_cur - DESCRIPTORS_KEPT;
    budget_of(proxy, BUDGET_HELD_BYTES)->limit = proxy->config.max_bytes;
    budget_of(proxy, BUDGET_CONNECTIONS)->limit = proxy->config.max_connections;
    budget_of(proxy, BUDGET_DESCRIPTORS)->limit = most;
}

void budget_say_reached(struct proxy *proxy, enum counters_budget_kind kind)
{
    const struct counters_budget *budget = budget_of(proxy, kind);
    uint64_t now = now_ns(), last_ns = proxy->said_ns[kind];
    if (last_ns != 0 && now - last_ns < SAY_AGAIN_NS)
        return; /* a storm must not push everything else out of the journal */
    struct journal_event event = {
        .type = JOURNAL_BUDGET_REACHED, .text = budget->name, .count = budget->limit};
    (void)journal_add(proxy->config.journal, &event);
    proxy->said_ns[kind] = now;
    if (last_ns != 0)
        return;
    log_line(LOG_WARN, "proxy budget=%s limit=%llu reached: %s (said once)",
             budget->name, (unsigned long long)budget->limit,
             kind == BUDGET_HELD_BYTES ? "reading slows down"
                                       : "accepting waits for connections to end");
}

size_t budget_room(struct proxy *proxy, size_t held_bytes)
{
    const struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    if (budget->used_now < budget->limit)
        return budget->limit - budget->used_now;
    return held_bytes == 0 ? BUDGET_LEAST_BYTES : 0;
}

void budget_hold(struct proxy *proxy, size_t bytes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    budget->used_now += bytes;
    if (budget->used_now > budget->peak)
        budget->peak = budget->used_now;
    if (budget->used_now < budget->limit || proxy->over_budget)
        return;
    proxy->over_budget = true;
    budget->reached++;
    budget_say_reached(proxy, BUDGET_HELD_BYTES);
}

void budget_release(struct proxy *proxy, size_t bytes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_HELD_BYTES);
    counters_budget_release(budget, bytes);
    /* A tenth of slack, so that a full budget is one event and not thousands. */
    if (budget->used_now < budget->limit - budget->limit / 10)
        proxy->over_budget = false;
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
    counters_budget_release(connections, 1);
    return false;
}

bool budget_take_pipe(struct proxy *proxy, size_t n_pipes)
{
    struct counters_budget *budget = budget_of(proxy, BUDGET_DESCRIPTORS);
    uint64_t most = budget->limit / PIPES_SHARE / DESCRIPTORS_OF_PIPE;
    return n_pipes < most && budget->used_now + DESCRIPTORS_OF_PIPE <= budget->limit &&
           counters_budget_take(budget, DESCRIPTORS_OF_PIPE);
}

void budget_release_pipe(struct proxy *proxy)
{
    counters_budget_release(budget_of(proxy, BUDGET_DESCRIPTORS), DESCRIPTORS_OF_PIPE);
}

void budget_release_connection(struct proxy *proxy)
{
    counters_budget_release(budget_of(proxy, BUDGET_CONNECTIONS), 1);
    counters_budget_release(budget_of(proxy, BUDGET_DESCRIPTORS), DESCRIPTORS_EACH);
}

/* SPDX-License-Identifier: MIT */
/* Clocks, each compared with ours. A clock that was read between two moments is ahead
 * by an interval, not by a number: it is called wrong only where the whole interval
 * says so, and what a slow answer leaves open is told as that.
 *
 * A history is of one clock, ours: its verdict holds whatever these say. Logs, leases
 * and timestamps of the system under test do not. */
#include "proxy/base/now.h"
#include "scenarios/preflight/preflight.h"

#include <inttypes.h>
#include <string.h>

#define SKEW_NOTED_NS (INT64_C(100) * 1000 * 1000)

struct preflight_clock preflight_compare_clock(uint64_t said_ns, uint64_t granular_ns,
                                               uint64_t asked_ns, uint64_t answered_ns)
{
    if (said_ns == 0 || answered_ns < asked_ns) /* ours was set meanwhile */
        return (struct preflight_clock){.known = false};
    return (struct preflight_clock){
        .known = true,
        .least_ns = (int64_t)(said_ns - answered_ns),
        .most_ns = (int64_t)(said_ns + granular_ns - asked_ns),
    };
}

/* How far from ours it is at least; negative = behind, 0 = it may be the same. */
static int64_t sure_skew(const struct preflight_clock *clock)
{
    return clock->least_ns > 0 ? clock->least_ns
                               : (clock->most_ns < 0 ? clock->most_ns : 0);
}

static int64_t width_of(const struct preflight_clock *clock)
{
    return clock->most_ns - clock->least_ns;
}

static int64_t magnitude(int64_t skew_ns)
{
    return skew_ns < 0 ? -skew_ns : skew_ns;
}

static const char *const clock_names[] = {"its host's clock (date)",
                                          "its server's clock"};

static void tell_skew(struct preflight *preflight, size_t node, size_t which,
                      int64_t skew_ns)
{
    preflight_add(preflight, PREFLIGHT_NOTE, node,
                  "%s is at least %" PRId64 " ms %s ours: a drill's verdict holds, it "
                  "has one clock; the system's logs and leases do not agree with it",
                  clock_names[which], magnitude(skew_ns) / (int64_t)NS_PER_MS,
                  skew_ns > 0 ? "ahead of" : "behind");
    preflight_mend(preflight, "chronyc makestep # on %s; or timedatectl set-ntp true",
                   preflight->cluster->nodes[node]);
}

/* The clock of the node that is known best, or NULL. */
static const struct preflight_clock *best_of(const struct preflight_node *node)
{
    const struct preflight_clock *best = NULL;
    for (size_t i = 0; i < 2; i++)
        if (node->clocks[i].known &&
            (!best || width_of(&node->clocks[i]) < width_of(best)))
            best = &node->clocks[i];
    return best;
}

static void judge_node(struct preflight *preflight, size_t i)
{
    const struct preflight_node *node = &preflight->nodes[i];
    const struct preflight_clock *best = best_of(node);
    bool noted = false;
    for (size_t which = 0; which < 2; which++) {
        int64_t skew = node->clocks[which].known ? sure_skew(&node->clocks[which]) : 0;
        if (magnitude(skew) <= SKEW_NOTED_NS)
            continue;
        tell_skew(preflight, i, which, skew);
        noted = true;
    }
    if (!best || noted)
        return;
    int64_t most = magnitude(best->most_ns) > magnitude(best->least_ns)
                       ? magnitude(best->most_ns)
                       : magnitude(best->least_ns);
    preflight_add(preflight, PREFLIGHT_OK, i, "within %" PRId64 " ms of ours%s",
                  most / (int64_t)NS_PER_MS + 1,
                  most > SKEW_NOTED_NS ? ", as far as slow answers can tell" : "");
}

/* Neither may be far from ours, and both from each other. */
static void judge_pair(struct preflight *preflight, size_t i, size_t k)
{
    const struct preflight_clock *a = best_of(&preflight->nodes[i]);
    const struct preflight_clock *b = best_of(&preflight->nodes[k]);
    if (!a || !b || magnitude(sure_skew(a)) > SKEW_NOTED_NS ||
        magnitude(sure_skew(b)) > SKEW_NOTED_NS)
        return; /* it was told of one of them */
    int64_t apart =
        a->least_ns > b->most_ns ? a->least_ns - b->most_ns : b->least_ns - a->most_ns;
    if (apart <= SKEW_NOTED_NS)
        return;
    preflight_add(preflight, PREFLIGHT_NOTE, PREFLIGHT_HERE,
                  "the clocks of %s and %s are at least %" PRId64 " ms apart",
                  preflight->cluster->nodes[i], preflight->cluster->nodes[k],
                  apart / (int64_t)NS_PER_MS);
    preflight_mend(preflight, "chronyc tracking # on both");
}

void preflight_clocks(struct preflight *preflight)
{
    for (size_t i = 0; i < preflight->cluster->n_nodes; i++) {
        struct preflight_node *node = &preflight->nodes[i];
        if (node->session && !preflight_is_over(preflight)) {
            uint64_t asked_ns = now_wall_ns();
            uint64_t said_ns = preflight->system->ask_clock(preflight, i);
            node->clocks[1] =
                preflight_compare_clock(said_ns, NS_PER_US, asked_ns, now_wall_ns());
        }
        judge_node(preflight, i);
    }
    for (size_t i = 0; i < preflight->cluster->n_nodes; i++)
        for (size_t k = 0; k < i; k++)
            judge_pair(preflight, k, i);
}

/* SPDX-License-Identifier: MIT */
/* What the page tells of the links of a mode, and of the writes that were lost on them:
 * for each lost write its story, where it was acknowledged, and which fault was in force
 * then. */
#include "scenarios/report/report_page.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

json_t *report_page_links(const struct run_mode *mode)
{
    static const char *const periods[] = {"before", "during", "after"};
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_links; i++) {
        const struct run_link *link = &mode->links[i];
        json_t *one = report_object();
        report_put(one, "from", report_text(link->from));
        report_put(one, "to", report_text(link->to));
        for (int p = 0; p < RUN_PERIODS; p++) {
            json_t *period = report_object();
            report_put(period, "passed", report_number(link->period[p].passed_bytes));
            report_put(period, "held", report_number(link->period[p].held_bytes));
            report_put(period, "discarded",
                       report_number(link->period[p].discarded_bytes));
            report_put(one, periods[p], period);
        }
        report_push(all, one);
    }
    return all;
}

/* Bytes that were on their way when the cut came count as carried under it. */
static bool is_cut(const struct run_link *link)
{
    uint64_t before = link->period[RUN_BEFORE].passed_bytes;
    return before > 0 && link->period[RUN_DURING].passed_bytes <= before / 20;
}

/* The nodes to which a node's link carried bytes before the fault, and hardly any under
 * it. */
static json_t *list_cut_from(const struct run *run, const struct run_mode *mode,
                             int node)
{
    json_t *cut = report_array();
    for (size_t i = 0; node >= 0 && i < mode->n_links; i++) {
        const struct run_link *link = &mode->links[i];
        if (strcmp(link->from, run->nodes[node]) == 0 && is_cut(link))
            report_push(cut, report_text(link->to));
    }
    return cut;
}

static const struct run_window *window_at(const struct run_mode *mode, uint64_t at_ns)
{
    for (size_t i = 0; i < mode->n_windows; i++) {
        const struct run_window *window = &mode->windows[i];
        if (window->from_ns <= at_ns && (window->to_ns == 0 || at_ns <= window->to_ns))
            return window;
    }
    return NULL;
}

static char *tell_story(const struct run *run, const struct run_mode *mode,
                        const struct operation *write)
{
    uint64_t acked_ns = mode->base_ns + write->complete_ns;
    const struct run_window *window = window_at(mode, acked_ns);
    char *story = xasprintf(
        "%s %" PRId64 " to %" PRId64
        ": invoked at %.4f s by process %d%s%s, acknowledged "
        "%.1f ms later",
        history_f_name(write->f), write->argument.integer, write->key,
        (double)write->invoke_ns / (double)NS_PER_S, write->process,
        write->node >= 0 ? " on " : "", write->node >= 0 ? run->nodes[write->node] : "",
        (double)(write->complete_ns - write->invoke_ns) / (double)NS_PER_MS);
    if (window) {
        char *with = xasprintf("%s, while `%s` (%s) was in force", story, window->name,
                               *window->how ? window->how : window->kind);
        free(story);
        story = with;
    }
    for (size_t i = 0; i < mode->n_primaries; i++) {
        const struct run_primary *primary = &mode->primaries[i];
        if (primary->from_ns <= acked_ns || primary->node == write->node)
            continue;
        char *with = xasprintf("%s; %s was promoted at %.4f s without it", story,
                               run->nodes[primary->node],
                               report_ms(mode, primary->from_ns) / 1000);
        free(story);
        story = with;
        break;
    }
    char *whole = xasprintf("%s; in no node's final read.", story);
    free(story);
    return whole;
}

static json_t *describe_lost(const struct run *run, const struct run_mode *mode,
                             const struct operation *write)
{
    json_t *one = report_object();
    char *story = tell_story(run, mode, write);
    report_put(one, "text", report_text(story));
    report_put(one, "invoked_ms",
               report_real((double)write->invoke_ns / (double)NS_PER_MS));
    report_put(one, "acked_ms",
               report_real((double)write->complete_ns / (double)NS_PER_MS));
    report_put(one, "node",
               report_text(write->node >= 0 ? run->nodes[write->node] : NULL));
    report_put(one, "cut", list_cut_from(run, mode, write->node));
    free(story);
    return one;
}

json_t *report_page_lost(const struct run *run, const struct run_mode *mode)
{
    json_t *lost = report_object(), *items = report_array();
    const struct judgement *judgement = &mode->judgement;
    for (size_t i = 0; mode->judged && i < judgement->evidence.n; i++) {
        const struct finding *finding = &judgement->evidence.items[i];
        if (finding->kind == FINDING_LOST &&
            finding->operation < judgement->operations.n)
            report_push(
                items, describe_lost(run, mode,
                                     &judgement->operations.items[finding->operation]));
    }
    uint64_t total = mode->judged ? judgement->evidence.total[FINDING_LOST] : 0;
    report_put(lost, "total", report_number(total));
    report_put(lost, "items", items);
    return lost;
}

/* SPDX-License-Identifier: MIT */
/* What the page draws of one mode over its time: operations, who was primary, when two
 * were, and how recovery went. Everything is taken from the run; nothing is found out
 * here. */
#include "scenarios/report/report_page.h"

#include "proxy/base/now.h"

#include <string.h>

static void put_operation(json_t *lists[4], const struct run_mode *mode, size_t i)
{
    const struct operation *operation = &mode->judgement.operations.items[i];
    uint64_t end_ns = operation->complete_ns;
    if (end_ns == HISTORY_NEVER)
        end_ns = history_time_ns(mode->history, mode->end_of_reads_ns);
    uint64_t took_ns =
        end_ns > operation->invoke_ns ? end_ns - operation->invoke_ns : 0;
    double invoked_ms = (double)operation->invoke_ns / (double)NS_PER_MS;
    report_push(lists[0], report_real(invoked_ms));
    report_push(lists[1], report_real((double)took_ns / (double)NS_PER_MS));
    report_push(lists[2], report_number((uint64_t)operation->type - HISTORY_OK));
    report_push(lists[3], report_number(mode->judgement.fates[i]));
}

static json_t *list_operations(const struct run_mode *mode)
{
    static const char *const names[] = {"invoked", "latency", "type", "fate"};
    json_t *all = report_object(), *lists[4];
    for (int i = 0; i < 4; i++) {
        lists[i] = report_array();
        report_put(all, names[i], lists[i]);
    }
    for (size_t i = 0; mode->judged && i < mode->judgement.operations.n; i++)
        if (operation_is_workload(&mode->judgement.operations.items[i]))
            put_operation(lists, mode, i);
    return all;
}

static json_t *list_roles(const struct run *run, const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; i < mode->n_roles; i++) {
        json_t *one = report_object();
        report_put(one, "node", report_text(run->nodes[mode->roles[i].node]));
        report_put(one, "start_ms",
                   report_real(report_ms(mode, mode->roles[i].from_ns)));
        report_put(one, "end_ms", report_real(report_ms(mode, mode->roles[i].to_ns)));
        report_push(all, one);
    }
    return all;
}

static json_t *list_split_brains(const struct run_mode *mode)
{
    json_t *all = report_array();
    for (size_t i = 0; mode->judged && i < mode->judgement.evidence.n; i++) {
        const struct finding *finding = &mode->judgement.evidence.items[i];
        if (finding->kind != FINDING_SPLIT_BRAIN)
            continue;
        double start_ms = (double)finding->at_ns / (double)NS_PER_MS;
        json_t *one = report_object();
        report_put(one, "start_ms", report_real(start_ms));
        report_put(
            one, "end_ms",
            report_real(start_ms + (double)finding->span_ns / (double)NS_PER_MS));
        report_push(all, one);
    }
    return all;
}

static void push_recovery(json_t *all, const char *name, double start_ms, double end_ms,
                          bool reached)
{
    json_t *one = report_object();
    report_put(one, "name", report_text(name));
    report_put(one, "human", json_boolean(strcmp(name, "decide") == 0));
    report_put(one, "start_ms", report_real(start_ms));
    report_put(one, "end_ms", report_real(end_ms));
    report_put(one, "reached", json_boolean(reached));
    report_push(all, one);
}

/* A measure that counts from the fault, as a bar from where the one before ended. */
static void push_measured(json_t *all, const struct run_mode *mode, const char *name,
                          enum measure measure, double *from_ms)
{
    struct measure_value value = mode->judgement.measures.values[measure];
    if (!value.known)
        return;
    bool reached = value.value != MEASURE_NEVER;
    double whole_ms = report_ms(mode, mode->end_ns) - report_ms(mode, mode->fault_ns);
    double end_ms = reached ? (double)value.value / (double)NS_PER_MS : whole_ms;
    push_recovery(all, name, *from_ms < end_ms ? *from_ms : end_ms, end_ms, reached);
    *from_ms = end_ms;
}

/* Where the time went between the fault and a service as good as before. */
static json_t *list_recovery(const struct run_mode *mode)
{
    json_t *all = report_array();
    double from_ms = 0, fault_ms = report_ms(mode, mode->fault_ns);
    bool acted = false; /* what comes before the first act is for people to decide */
    if (!mode->judged || mode->fault_ns == 0)
        return all;
    push_measured(all, mode, "detect", MEASURE_DETECTION, &from_ms);
    for (size_t i = 0; i < mode->n_steps; i++) {
        const struct run_step *step = &mode->steps[i];
        bool moves =
            strcmp(step->verb, "promote") == 0 || strcmp(step->verb, "clients") == 0;
        if (!moves || step->start_ns < mode->fault_ns)
            continue;
        double start_ms = report_ms(mode, step->start_ns) - fault_ms;
        if (!acted && from_ms < start_ms)
            push_recovery(all, "decide", from_ms, start_ms, true);
        acted = true;
        from_ms = report_ms(mode, step->end_ns) - fault_ms;
        push_recovery(all, step->verb, start_ms, from_ms,
                      step->status == RUN_STEP_DONE);
    }
    push_measured(all, mode, "first write", MEASURE_RTO_FIRST, &from_ms);
    push_measured(all, mode, "steady", MEASURE_RTO_STEADY, &from_ms);
    return all;
}

json_t *report_page_mode(const struct run *run, const struct run_mode *mode)
{
    json_t *json = report_mode(mode);
    uint64_t end_ns = mode->end_of_reads_ns ? mode->end_of_reads_ns : mode->end_ns;
    report_put(json, "name", report_text(mode->name));
    report_put(json, "systems", report_systems(run, mode));
    report_put(json, "end_ms", report_real(report_ms(mode, end_ns)));
    report_put(json, "started_wall_ms", report_number(mode->base_wall_ns / NS_PER_MS));
    report_put(json, "operations", list_operations(mode));
    report_put(json, "roles", list_roles(run, mode));
    report_put(json, "split", list_split_brains(mode));
    report_put(json, "recovery", list_recovery(mode));
    report_put(json, "links", report_page_links(mode));
    report_put(json, "lost", report_page_lost(run, mode));
    return json;
}

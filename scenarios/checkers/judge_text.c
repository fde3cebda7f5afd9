/* SPDX-License-Identifier: MIT */
/* A judgement as sentences and as JSON. */
#include "proxy/base/now.h"
#include "scenarios/checkers/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ABOUT_BYTES = 160 };

static const char *node_name(const struct judgement *judgement, int node)
{
    const char *name = history_node_name(judgement->input.history, node);
    return name ? name : "a node";
}

static double seconds(uint64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* "append 4711 to key 3 by process 3 on n1" */
static void describe(const struct judgement *judgement, size_t index, char *text)
{
    if (index == SIZE_MAX) {
        (void)snprintf(text, ABOUT_BYTES, "an operation");
        return;
    }
    const struct operation *operation = &judgement->operations.items[index];
    if (operation_writes(operation))
        (void)snprintf(text, ABOUT_BYTES,
                       "%s %" PRId64 " to key %" PRId64 " by process %" PRId32 " on %s",
                       history_f_name(operation->f), view_element(operation),
                       operation->key, operation->process,
                       node_name(judgement, operation->node));
    else
        (void)snprintf(
            text, ABOUT_BYTES,
            "read of key %" PRId64 " by process %" PRId32 " on %s, begun at %.4f s,",
            operation->key, operation->process, node_name(judgement, operation->node),
            seconds(operation->invoke_ns));
}

static void format_missed(const struct judgement *judgement,
                          const struct finding *finding, const char *missed_how,
                          char *text, size_t text_bytes)
{
    char read[ABOUT_BYTES], write[ABOUT_BYTES];
    describe(judgement, finding->operation, read);
    describe(judgement, finding->other, write);
    (void)snprintf(text, text_bytes, "%s misses %s, %s", read, write, missed_how);
}

static void format_write(const struct judgement *judgement,
                         const struct finding *finding, char *text, size_t text_bytes)
{
    char write[ABOUT_BYTES], read[ABOUT_BYTES];
    describe(judgement, finding->operation, write);
    describe(judgement, finding->other, read);
    if (finding->kind == FINDING_LOST)
        (void)snprintf(text, text_bytes, "%s, acknowledged at %.4f s: in no final read",
                       write, seconds(finding->at_ns));
    else if (finding->kind == FINDING_RECOVERED)
        (void)snprintf(text, text_bytes, "%s, outcome unknown: in a final read", write);
    else
        (void)snprintf(text, text_bytes, "%s failed, and yet a %s shows it", write,
                       read);
}

static void format_read(const struct judgement *judgement,
                        const struct finding *finding, char *text, size_t text_bytes)
{
    char read[ABOUT_BYTES], other[ABOUT_BYTES];
    describe(judgement, finding->operation, read);
    describe(judgement, finding->other, other);
    if (finding->kind == FINDING_UNEXPECTED)
        (void)snprintf(text, text_bytes,
                       "%s shows %" PRId64 ", that nobody had written", read,
                       finding->element);
    else if (finding->kind == FINDING_DUPLICATE)
        (void)snprintf(text, text_bytes, "%s shows %" PRId64 " more than once", read,
                       finding->element);
    else if (finding->kind == FINDING_ORDER)
        (void)snprintf(text, text_bytes,
                       "%s and %s order %" PRId64 " and what is before it differently",
                       read, other, finding->element);
    else
        (void)snprintf(text, text_bytes, "%s fits no order with what was seen before",
                       read);
}

const char *finding_format(const struct judgement *judgement,
                           const struct finding *finding, char *text, size_t text_bytes)
{
    char span[64];
    switch (finding->kind) {
    case FINDING_LOST:
    case FINDING_RECOVERED:
    case FINDING_GHOST:
        format_write(judgement, finding, text, text_bytes);
        break;
    case FINDING_UNEXPECTED:
    case FINDING_DUPLICATE:
    case FINDING_ORDER:
    case FINDING_NOT_LINEARIZABLE:
        format_read(judgement, finding, text, text_bytes);
        break;
    case FINDING_STALE:
        (void)snprintf(span, sizeof span, "acknowledged %.4f s before",
                       seconds(finding->span_ns));
        format_missed(judgement, finding, span, text, text_bytes);
        break;
    case FINDING_READ_YOUR_WRITES:
        format_missed(judgement, finding, "its own", text, text_bytes);
        break;
    case FINDING_MONOTONIC_READS:
        format_missed(judgement, finding, "which the process had read before", text,
                      text_bytes);
        break;
    case FINDING_MONOTONIC_WRITES:
        format_missed(judgement, finding,
                      "though a later write of that process had been read", text,
                      text_bytes);
        break;
    case FINDING_WRITES_FOLLOW_READS:
        format_missed(judgement, finding,
                      "which the writer of a known write had read first", text,
                      text_bytes);
        break;
    case FINDING_NOT_CONVERGED:
        format_missed(judgement, finding, "and it is the last look at this node", text,
                      text_bytes);
        break;
    case FINDING_SPLIT_BRAIN:
        (void)snprintf(text, text_bytes,
                       "%s and %s both acknowledged writes for %.3f s from %.3f s",
                       node_name(judgement, finding->node),
                       node_name(judgement, finding->other_node),
                       seconds(finding->span_ns), seconds(finding->at_ns));
        break;
    }
    return text;
}

static json_t *or_abort(json_t *json)
{
    if (json)
        return json;
    fputs("netsplit: out of memory\n", stderr);
    abort();
}

static json_t *or_null(json_t *json)
{
    return json ? json : json_null();
}

/* The record in history.edn (:index) at which an operation was invoked. */
static json_t *index_to_json(const struct judgement *judgement, size_t operation)
{
    if (operation == SIZE_MAX)
        return json_null();
    return json_integer(
        (json_int_t)judgement->operations.items[operation].invoke_index);
}

static json_t *finding_to_json(const struct judgement *judgement,
                               const struct finding *finding)
{
    char text[512];
    const char *node = history_node_name(judgement->input.history, finding->node);
    const char *other =
        history_node_name(judgement->input.history, finding->other_node);
    return or_abort(json_pack(
        "{s:o, s:o, s:I, s:I, s:o, s:o, s:f, s:f, s:s}", "index",
        index_to_json(judgement, finding->operation), "other_index",
        index_to_json(judgement, finding->other), "key", (json_int_t)finding->key,
        "element", (json_int_t)finding->element, "node", or_null(json_string(node)),
        "other_node", or_null(json_string(other)), "at_ms",
        (double)finding->at_ns / (double)NS_PER_MS, "span_ms",
        (double)finding->span_ns / (double)NS_PER_MS, "text",
        finding_format(judgement, finding, text, sizeof text)));
}

static json_t *findings_to_json(const struct judgement *judgement)
{
    const struct evidence *evidence = &judgement->evidence;
    json_t *object = or_abort(json_object());
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        if (!evidence->total[kind])
            continue;
        json_t *items = or_abort(json_array());
        for (size_t i = 0; i < evidence->n; i++)
            if ((int)evidence->items[i].kind == kind)
                (void)json_array_append_new(
                    items, finding_to_json(judgement, &evidence->items[i]));
        json_t *entry = or_abort(json_pack(
            "{s:I, s:o}", "total", (json_int_t)evidence->total[kind], "items", items));
        (void)json_object_set_new(object, finding_name((enum finding_kind)kind), entry);
    }
    return object;
}

json_t *judgement_to_json(const struct judgement *judgement, const struct model *model)
{
    json_t *checkers = or_abort(json_array());
    for (size_t i = 0; i < judgement->checker_count; i++) {
        const struct judged_checker *judged = &judgement->checkers[i];
        json_t *entry = json_pack("{s:s, s:s, s:b, s:s}", "name", judged->checker->name,
                                  "verdict", verdict_name(judged->result.verdict),
                                  "counts", judged->counts, "why", judged->result.why);
        (void)json_array_append_new(checkers, or_abort(entry));
    }
    return or_abort(json_pack("{s:s, s:s, s:o, s:o, s:o}", "verdict",
                              verdict_name(judgement->verdict), "model", model->name,
                              "checkers", checkers, "measures",
                              measures_to_json(&judgement->measures), "findings",
                              findings_to_json(judgement)));
}

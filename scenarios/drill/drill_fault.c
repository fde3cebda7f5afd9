/* SPDX-License-Identifier: MIT */
/* Faults in force. A fault step's rules are written out as an overlay, with primary,
 * standbys and clients replaced by the nodes that they are at this moment, and given to
 * the proxy; when it answers, they are committed, and the answer says when. Faults by
 * command are drill_act.c's. Healing removes all overlays, the operator's own (netsplit
 * ctl in a step) included, then undoes the faults by command; then an old primary
 * rejoins, if the cluster has a command for that. At a proxy that is not the drill's own
 * only its own overlays are touched. */
#include "scenarios/drill/drill_inside.h"

#include "rules/buffer.h"
#include "rules/faults/fault.h"
#include "scenarios/playbook/between.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint64_t fault_committed_ns(const json_t *body)
{
    json_int_t at = json_integer_value(json_object_get(body, "committed_ns"));
    return at > 0 ? (uint64_t)at : now_ns();
}

struct renaming {
    const struct drill_mode *mode;
    char names[2 * CLUSTER_NODES_MAX][80];
    const char *list[2 * CLUSTER_NODES_MAX];
    size_t n;
};

/* Clients of several homes may have one name at a proxy that is not ours. */
static bool is_added(const struct renaming *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static void add_name(struct renaming *names, bool is_client, size_t node)
{
    const char *theirs =
        names->mode->theirs && is_client ? theirs_clients(names->mode, node) : NULL;
    if (theirs) {
        if (!is_added(names, theirs))
            names->list[names->n++] = theirs;
        return;
    }
    (void)snprintf(names->names[names->n], sizeof names->names[0], "%s%s",
                   is_client ? "clients." : "",
                   names->mode->drill->cluster->nodes[node]);
    names->list[names->n] = names->names[names->n];
    names->n++;
}

static size_t rename_word(void *context, const char *name, const char *const **out)
{
    struct renaming *names = context;
    const struct drill_mode *mode = names->mode;
    bool is_client = strncmp(name, "clients", 7) == 0;
    const char *word = name;
    if (is_client)
        word = name[7] == '.' ? name + 8 : "";
    names->n = 0;
    for (size_t i = 0; i < mode->drill->cluster->n_nodes; i++)
        if ((is_client && !word[0]) ||
            (is_client && mode->theirs &&
             strcmp(word, mode->drill->cluster->nodes[i]) == 0) ||
            (strcmp(word, "primary") == 0 && i == mode->primary) ||
            (strcmp(word, "standbys") == 0 && i != mode->primary))
            add_name(names, is_client, i);
    *out = names->list;
    return names->n;
}

/* "partition n1, clients.n1 / n2, n3": for people. */
static void add_words(struct buffer *text, struct renaming *names,
                      const struct words *words)
{
    bool first = true;
    for (size_t i = 0; i < words->n; i++) {
        const char *const *list = NULL;
        size_t n = rename_word(names, words->items[i].text, &list);
        for (size_t k = 0; k < (n ? n : 1); k++) {
            buffer_print(text, "%s%s", first ? "" : ", ",
                         n ? list[k] : words->items[i].text);
            first = false;
        }
    }
    if (words->n == 0)
        buffer_print(text, "any");
}

static const char *summarise(const struct drill_mode *mode, const struct rule *rule)
{
    struct renaming names = {.mode = mode};
    struct buffer text = {0};
    buffer_print(&text, "%s ", rule_kind_name(rule->kind));
    if (rule->kind == RULE_INJECT) {
        for (size_t i = 0; i < rule->n_faults; i++)
            buffer_print(&text, "%s%s", i ? ", " : "", rule->faults[i].fault->name);
        buffer_print(&text, " from ");
        add_words(&text, &names, &rule->from);
        buffer_print(&text, rule->both_ways ? " and back from " : " to ");
        add_words(&text, &names, &rule->to);
    }
    if (rule->kind == RULE_SHAPE)
        buffer_print(&text, "%s of ", rule_shape_name(rule->shape));
    for (size_t i = 0; i < rule->n_parts; i++) {
        buffer_print(&text, "%s", i ? (rule->kind == RULE_CUT ? " to " : " / ") : "");
        add_words(&text, &names, &rule->parts[i]);
    }
    const char *kept = drill_keep(mode->drill, buffer_text(&text));
    buffer_close(&text);
    return kept;
}

static void add_windows(struct drill_mode *mode, const struct step *step)
{
    struct drill_fault *fault = &mode->faults[mode->n_faults - 1];
    struct run_mode *out = mode->out;
    fault->first_window = out->n_windows;
    fault->n_windows = step->rules->n_rules;
    out->windows = xreallocarray(out->windows, out->n_windows + fault->n_windows,
                                 sizeof *out->windows);
    for (size_t i = 0; i < fault->n_windows; i++) {
        const struct rule *rule = &step->rules->rules[i];
        out->windows[out->n_windows++] = (struct run_window){
            .name = drill_keep(mode->drill, rule->name.text),
            .kind = rule_kind_name(rule->kind),
            .how = rule->kind == RULE_INJECT ? "" : rule_how_name(rule->how),
            .summary = summarise(mode, rule),
            .is_between = mode->drill->cluster->places &&
                          between_is_meant(mode->drill->cluster, rule, mode->primary),
        };
    }
    out->steps[mode->step].summary = out->windows[fault->first_window].summary;
}

/* The first thing that is wrong with the rules, where that is it. */
static const char *why_refused(const json_t *body, const struct errmsg *err)
{
    const json_t *first = json_array_get(json_object_get(body, "diagnostics"), 0);
    const char *text = json_string_value(json_object_get(first, "text"));
    return text ? text : err->text;
}

struct drill_fault *fault_add(struct drill_mode *mode)
{
    mode->faults =
        xreallocarray(mode->faults, mode->n_faults + 1, sizeof *mode->faults);
    struct drill_fault *fault = &mode->faults[mode->n_faults++];
    *fault = (struct drill_fault){.step = mode->step};
    return fault;
}

void fault_begin(struct drill_mode *mode, struct drill_fault *fault, uint64_t at_ns)
{
    fault->in_force = true;
    mode->period = RUN_DURING;
    if (mode->out->fault_ns == 0)
        mode->out->fault_ns = at_ns;
    for (size_t i = 0; i < fault->n_windows; i++) {
        struct run_window *window = &mode->out->windows[fault->first_window + i];
        char event[64];
        window->from_ns = at_ns;
        (void)snprintf(event, sizeof event, HISTORY_EVENT_FAULT "%s", window->kind);
        step_record(mode, at_ns, event, window->summary);
    }
}

/* It was refused. At a proxy that is not ours it stays in the list: without an answer it
 * may be in force all the same, and is withdrawn. */
static void drop_fault(struct drill_mode *mode)
{
    if (mode->theirs)
        return;
    free(mode->faults[--mode->n_faults].text);
}

static void on_applied(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    if (mode->theirs)
        theirs_applied(mode, status);
    if (mode->state == MODE_DOWN)
        return;
    if (status != 200) {
        drop_fault(mode);
        if (mode->state == MODE_STEPS)
            step_end(mode, why_refused(body, err));
        return;
    }
    struct drill_fault *fault = &mode->faults[mode->n_faults - 1];
    add_windows(mode, &mode->drill->playbook->steps[fault->step]);
    fault_begin(mode, fault, fault_committed_ns(body));
    if (mode->state == MODE_STEPS)
        step_end(mode, NULL);
}

/* How long the proxy keeps a fault of which nobody is heard any more: where it could
 * outlive the drill's attention on a system that matters, as long as the drill may last;
 * one that is not ours outlives the drill itself, which goes on renewing what it wants.
 */
static void write_lease(const struct drill_mode *mode, char *text, size_t text_bytes)
{
    uint64_t most_ns = mode->drill->playbook->duration_ns;
    if (mode->theirs)
        (void)snprintf(text, text_bytes, "%ds", (int)CLUSTER_LEASE_S);
    else if (mode->drill->cluster->places && most_ns)
        (void)snprintf(text, text_bytes, "%" PRIu64 "ms", most_ns / NS_PER_MS);
    else
        (void)snprintf(text, text_bytes, "ever");
}

/* The step's rules as an overlay; at a proxy that is not ours, under names of ours. */
static char *write_overlay(const struct drill_mode *mode, const struct step *step)
{
    struct renaming names = {.mode = mode};
    struct buffer text = {0};
    struct rules named = *step->rules; /* borrows all */
    struct rule *copies = xcalloc(named.n_rules, sizeof *copies);
    for (size_t i = 0; i < named.n_rules; i++) {
        copies[i] = step->rules->rules[i];
        copies[i].name.text =
            drill_print(mode->drill, "%s%s", mode->theirs ? mode->theirs->prefix : "",
                        copies[i].name.text);
    }
    named.rules = copies;
    rules_write(&named, rename_word, &names, &text);
    char *kept = xstrdup(buffer_text(&text));
    buffer_close(&text);
    free(copies);
    return kept;
}

static void apply(struct drill_mode *mode)
{
    const struct step *step = mode_step(mode);
    struct drill_fault *fault = fault_add(mode);
    char target[160], lease[32];
    (void)snprintf(fault->overlay, sizeof fault->overlay, "%s%u",
                   mode->theirs ? mode->theirs->prefix : "drill-", step->at.line);
    write_lease(mode, lease, sizeof lease);
    (void)snprintf(target, sizeof target, "/v1/overlays/%s?for=%s&file=playbook.yaml",
                   fault->overlay, lease);
    fault->text = write_overlay(mode, step);
    fault->applied = mode->theirs != NULL;
    if (mode->theirs)
        mode->theirs->applying = true;
    if (!control_request(mode->control, "PUT", target, fault->text, DRILL_CONTROL_NS,
                         on_applied, mode))
        abort(); /* out of memory: as xcalloc */
}

/* Whether what it says depends on who the primary is. Rules may, in many places. */
static bool needs_roles(const struct step *step)
{
    bool needs = step->by == STEP_BY_RULES;
    for (size_t i = 0; i < step->n_targets; i++)
        needs |= strcmp(step->targets[i], "primary") == 0 ||
                 strcmp(step->targets[i], "standbys") == 0;
    return needs;
}

static void on_resolved(struct drill_mode *mode)
{
    const struct step *step = mode_step(mode);
    if (mode->resolved < 0 && needs_roles(step)) {
        step_end(mode, mode->error);
        return;
    }
    step_record(mode, now_ns(), "resolved", mode->drill->cluster->nodes[mode->primary]);
    /* The period before it ends here. */
    proxy_ask(mode, step->by == STEP_BY_RULES ? apply : act_start);
}

void fault_start(struct drill_mode *mode)
{
    roles_resolve(mode, on_resolved);
}

bool fault_in_force(const struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->n_faults; i++)
        if (mode->faults[i].in_force)
            return true;
    return false;
}

void fault_end(struct drill_mode *mode, struct drill_fault *fault, uint64_t at_ns)
{
    for (size_t k = 0; fault->in_force && k < fault->n_windows; k++) {
        struct run_window *window = &mode->out->windows[fault->first_window + k];
        char event[64];
        window->to_ns = at_ns;
        (void)snprintf(event, sizeof event, HISTORY_EVENT_UNDO "%s", window->kind);
        step_record(mode, at_ns, event, window->name);
    }
    fault->in_force = false;
    mode->healed_ns = at_ns;
}

static void end_rules(struct drill_mode *mode, uint64_t at)
{
    for (size_t i = 0; i < mode->n_faults; i++)
        if (mode->drill->playbook->steps[mode->faults[i].step].by == STEP_BY_RULES)
            fault_end(mode, &mode->faults[i], at);
    mode->healed_ns = at;
}

/* All is as it was before. */
static void on_undone(struct drill_mode *mode)
{
    if (mode->state == MODE_DOWN || !mode->chain_then)
        return;
    if (mode->healed_ns) {
        mode->period = RUN_AFTER;
        mode->out->heal_ns = mode->healed_ns;
        step_record(mode, mode->healed_ns, HISTORY_EVENT_HEAL, NULL);
    }
    if (mode->processes && !mode->probing && mode->state == MODE_STEPS) {
        processes_probe_start(mode->processes); /* convergence is measured from here */
        mode->probing = true;
    }
    drill_then_fn then = mode->chain_then;
    mode->chain_then = NULL;
    then(mode);
}

static void on_cleared(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    if (mode->state == MODE_DOWN || !mode->chain_then)
        return;
    (void)snprintf(mode->error, sizeof mode->error, "%s",
                   status == 200 ? "" : err->text);
    mode->healed_ns = 0;
    if (status == 200)
        end_rules(mode, fault_committed_ns(body));
    act_undo_all(mode, on_undone);
}

static void on_withdrawn(struct drill_mode *mode)
{
    if (mode->state != MODE_DOWN && mode->chain_then)
        act_undo_all(mode, on_undone);
}

static void clear(struct drill_mode *mode)
{
    if (mode->theirs) {
        mode->error[0] = '\0';
        mode->healed_ns = 0;
        theirs_withdraw(mode, on_withdrawn);
        return;
    }
    if (!control_request(mode->control, "DELETE", "/v1/overlays", NULL,
                         DRILL_CONTROL_NS, on_cleared, mode))
        abort(); /* out of memory: as xcalloc */
}

void fault_heal(struct drill_mode *mode, drill_then_fn then)
{
    mode->chain_then = then;
    proxy_ask(mode, clear); /* the period under the fault ends here */
}

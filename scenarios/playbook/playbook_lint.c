/* SPDX-License-Identifier: MIT */
/* Two kinds of finding. Errors: what the drill could not run, or would run to no end.
 * Warnings: what people who work through failures for a living would miss. */
#include "scenarios/playbook/playbook_lint.h"

#include "scenarios/playbook/between.h"
#include "scenarios/drivers/driver.h"

#include <string.h>

static const struct step *find_kind(const struct playbook *playbook,
                                    enum step_kind kind, size_t from)
{
    for (size_t i = from; i < playbook->n_steps; i++)
        if (playbook->steps[i].verb->kind == kind)
            return &playbook->steps[i];
    return NULL;
}

static bool needs_workload(enum step_kind kind)
{
    return kind == STEP_RUN || kind == STEP_FAULT || kind == STEP_CLIENTS ||
           kind == STEP_EXPECT;
}

static void check_order(const struct playbook *playbook, struct diag *diag)
{
    bool has_workload = false, has_expect = false;
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        enum step_kind kind = step->verb->kind;
        if (kind == STEP_WORKLOAD && has_workload)
            diag_lacking(diag, &step->at,
                         "a second workload is not available in this version");
        if (needs_workload(kind) && !has_workload)
            diag_error(diag, &step->at, "there is no workload before this %s",
                       step->verb->name);
        if (has_expect && kind != STEP_EXPECT)
            diag_error(diag, &step->at,
                       "nothing runs after expect, which ends the drill");
        has_workload |= kind == STEP_WORKLOAD;
        has_expect |= kind == STEP_EXPECT;
    }
}

/* Only `run` lets time pass: a fault without one behind it was not tried. */
static void check_faults(const struct playbook *playbook, struct diag *diag)
{
    bool has_baseline = false;
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        bool is_tried = false;
        has_baseline |= step->verb->kind == STEP_RUN;
        if (step->verb->kind != STEP_FAULT)
            continue;
        for (size_t k = i + 1; k < playbook->n_steps && !is_tried; k++) {
            if (playbook->steps[k].verb->kind == STEP_HEAL)
                break;
            is_tried = playbook->steps[k].verb->kind == STEP_RUN;
        }
        if (!is_tried)
            diag_error(diag, &step->at,
                       "nothing is tried under this fault: no run "
                       "between it and the heal");
        if (!has_baseline)
            diag_warning(diag, &step->at,
                         "there is no run before the first fault, so "
                         "nothing to compare with");
        has_baseline = true;
        if (step->by == STEP_BY_RUN && !step->felt) {
            diag_warning(diag, &step->at, "nothing shows that this fault is felt");
            diag_hint(diag, "add felt: COMMAND, whose status 0 shows it");
        }
    }
}

static bool is_about_loss(enum measure measure)
{
    return measure == MEASURE_LOST_WRITES || measure == MEASURE_RECOVERED_WRITES ||
           measure == MEASURE_GHOST_WRITES || measure == MEASURE_DUPLICATES ||
           measure == MEASURE_RPO;
}

static void check_expectations(const struct playbook *playbook,
                               const struct workload *workload, struct diag *diag)
{
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        for (size_t k = 0; k < step->n_expectations; k++) {
            enum measure measure = step->expectations[k].expectation.measure;
            struct mark at = {step->at.source, step->expectations[k].line, 1,
                              step->expectations[k].line, 2};
            if (workload->shows_loss || !is_about_loss(measure))
                continue;
            diag_error(diag, &at, "the workload \"%s\" cannot show %s", workload->name,
                       measure_row(measure)->name);
            diag_hint(diag, "an overwritten value looks like a lost one; use append");
        }
    }
}

static void check_driver(const struct step *step, const struct cluster *cluster,
                         struct diag *diag)
{
    struct errmsg err = {""};
    if (cluster && cluster->driver &&
        workload_check(&step->workload, cluster->driver, &err) != 0)
        diag_error(diag, &step->at, "%s", err.text);
}

static void check_promotes(const struct playbook *playbook,
                           const struct cluster *cluster, struct diag *diag)
{
    const struct step *step = find_kind(playbook, STEP_PROMOTE, 0);
    if (step && cluster && !cluster->commands.promote)
        diag_error(diag, &step->at, "the cluster \"%s\" has no promote command",
                   cluster->name);
}

/* A drill does nothing to a node that it did not start and that has no command. */
static void check_commands(const struct playbook *playbook,
                           const struct cluster *cluster, struct diag *diag)
{
    for (size_t i = 0; cluster && cluster->places && i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        const struct cluster_commands *commands = &cluster->commands;
        if (step->by == STEP_BY_KILL && (!commands->kill || !commands->start))
            diag_error(diag, &step->at,
                       "the cluster \"%s\" has no commands kill and start, without "
                       "which nothing is killed there",
                       cluster->name);
        if (step->by == STEP_BY_PAUSE && !commands->pause)
            diag_error(diag, &step->at,
                       "the cluster \"%s\" has no commands pause and resume, without "
                       "which nothing is paused there",
                       cluster->name);
        if (step->verb->kind == STEP_WAIT && step->until == STEP_UNTIL_READY &&
            !commands->ready)
            diag_error(diag, &step->at, "the cluster \"%s\" has no command ready",
                       cluster->name);
    }
}

static bool passes_nothing(void *context, size_t a, size_t b)
{
    (void)context, (void)a, (void)b;
    return false;
}

static void check_path(const struct step *step, const struct cluster *cluster,
                       struct diag *diag)
{
    size_t a = 0, b = 0;
    if (between_find(cluster, step->rules, 0, passes_nothing, NULL, &a, &b)) {
        diag_error(diag, &step->at,
                   "what %s and %s say to each other does not pass the drill's proxy, "
                   "which is between the clients and the nodes only: this fault would "
                   "not be felt there",
                   cluster->nodes[a], cluster->nodes[b]);
        diag_hint(diag, "give the cluster intercept: netns, redirect or tproxy, or "
                        "control: PATH of a proxy that stands there; or name clients");
    } else if (between_is_implied(cluster, step->rules)) {
        diag_warning(diag, &step->at,
                     "only clients feel this: what nodes say to each other does not "
                     "pass the drill's proxy");
        diag_hint(diag, "if that is meant: from: clients, or to: clients");
    }
}

/* Nodes that were there before the drill do not ask its proxy for the way. */
static void check_paths(const struct playbook *playbook, const struct cluster *cluster,
                        struct diag *diag)
{
    if (!cluster || !cluster->places || cluster->control ||
        cluster->intercept != INTERCEPT_LISTEN)
        return;
    for (size_t i = 0; i < playbook->n_steps; i++)
        if (playbook->steps[i].rules)
            check_path(&playbook->steps[i], cluster, diag);
}

static bool has_control(const struct playbook *playbook)
{
    for (size_t i = 0; i < playbook->n_steps; i++)
        for (size_t k = 0; k < playbook->steps[i].n_expectations; k++)
            if (expect_demands_harm(&playbook->steps[i].expectations[k].expectation))
                return true;
    return false;
}

static void warn_steps(const struct playbook *playbook,
                       const struct playbook_front *front, struct diag *diag)
{
    struct mark top = {&playbook->source, 1, 1, 1, 4};
    if (playbook->n_steps == 0) {
        diag_error(diag, &top, "the playbook has no step: there is nothing to run");
        diag_hint(diag, "a step is a fenced block such as ```yaml run");
        return;
    }
    if (!find_kind(playbook, STEP_EXPECT, 0)) {
        diag_warning(diag, &top, "nothing is expected: there is no expect block");
    } else if (!front->control && !has_control(playbook)) {
        diag_warning(diag, &top,
                     "there is no positive control: nothing shows that this "
                     "drill can find harm");
        diag_hint(diag, "expect a mode to lose something, or say "
                        "control: none because ...");
    }
    if (front->control && strncmp(front->control, "none because ", 13) != 0)
        diag_warning(diag, &top, "\"control\" says \"none because\" and the reason");
    if (!find_kind(playbook, STEP_FAULT, 0))
        diag_warning(diag, &top, "there is no fault in this playbook");
}

static void warn_front(const struct playbook *playbook,
                       const struct playbook_front *front, struct diag *diag)
{
    struct mark top = {&playbook->source, 1, 1, 1, 4};
    if (!front->owner)
        diag_warning(diag, &top, "the playbook names no owner: who keeps it true?");
    if (!front->assumptions)
        diag_warning(diag, &top, "the playbook states no assumptions");
    if (!front->risk)
        diag_warning(diag, &top,
                     "the playbook states no risk: what is the worst, what shows it?");
    if (!front->no_ok_write_ns && !front->duration_ns)
        diag_warning(diag, &top, "the playbook has no stop condition (abort)");
}

/* Viewers of Markdown show a block, but not what follows its language. */
void playbook_lint_block(const struct source *source,
                         const struct playbook_block *block, struct diag *diag)
{
    const char *header = block->header;
    size_t verb = strcspn(header, " \t");
    size_t options = verb + strspn(header + verb, " \t");
    if (header[options] == '\0' || block->header_line != block->line)
        return;
    uint32_t column = block->header_column + (uint32_t)options;
    struct mark at = {source, block->line, column, block->line,
                      column + (uint32_t)strlen(header + options)};
    diag_warning(diag, &at, "who reads the rendered page does not see this");
    diag_hint(diag, "make it the block's first line: # netsplit: %.*s %s", (int)verb,
              header, header + options);
}

void playbook_lint(const struct playbook *playbook, const struct playbook_front *front,
                   const struct cluster *cluster, bool whole, struct diag *diag)
{
    if (front->title)
        warn_front(playbook, front, diag);
    const struct step *workload = find_kind(playbook, STEP_WORKLOAD, 0);
    if (workload && workload->workload.workload) {
        check_driver(workload, cluster, diag);
        check_expectations(playbook, workload->workload.workload, diag);
    }
    check_promotes(playbook, cluster, diag);
    check_commands(playbook, cluster, diag);
    check_paths(playbook, cluster, diag);
    if (!whole)
        return;
    check_order(playbook, diag);
    check_faults(playbook, diag);
    warn_steps(playbook, front, diag);
}

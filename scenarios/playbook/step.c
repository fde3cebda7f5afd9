/* SPDX-License-Identifier: MIT */
/* The table of verbs. How the blocks themselves are read is step_read.c. */
#include "scenarios/playbook/step.h"

#include "scenarios/drivers/driver.h"

#include <string.h>

#define STEP(member) offsetof(struct step, member)

static const char *const fail_words[] = {"stop", "continue", NULL};
static const char *const mark_words[] = {"nothing", "detected", NULL};

#define WITHIN                                                                         \
    {                                                                                  \
        .name = "within", .kind = FIELD_DURATION, .offset = STEP(within_ns), .min = 1, \
        .standard = "30s", .help = "how long it may take"                              \
    }
#define ON_FAIL                                                                        \
    {                                                                                  \
        .name = "on-fail", .kind = FIELD_WORD, .offset = STEP(on_fail),                \
        .words = fail_words, .standard = "stop", .help = "what a failure means"        \
    }
#define MARK                                                                           \
    {                                                                                  \
        .name = "mark", .kind = FIELD_WORD, .offset = STEP(detects),                   \
        .words = mark_words, .standard = "nothing",                                    \
        .help = "what its good end is: the moment the fault was detected"              \
    }
#define ON                                                                             \
    {                                                                                  \
        .name = "on", .kind = FIELD_TEXT, .offset = STEP(on),                          \
        .help = "the node it runs on; the first unless said"                           \
    }

static const struct field no_options[] = {{0}};
static const struct field shell_options[] = {ON, WITHIN, ON_FAIL, MARK, {0}};
static const struct field other_options[] = {WITHIN, ON_FAIL, {0}};
static const struct field clients_options[] = {ON_FAIL, {0}};

static const struct field probe_options[] = {
    {.name = "every",
     .kind = FIELD_DURATION,
     .offset = STEP(every_ns),
     .min = UINT64_C(200000000),
     .standard = "1s",
     .help = "from one sample to the next"},
    ON,
    {.name = "within",
     .kind = FIELD_DURATION,
     .offset = STEP(within_ns),
     .min = 1,
     .standard = "5s",
     .help = "how long a sample may take; else it is a gap"},
    {.name = "name",
     .kind = FIELD_TEXT,
     .offset = STEP(name),
     .help = "what the chart is called; the heading unless said"},
    {.name = "alarm",
     .kind = FIELD_TEXT,
     .offset = STEP(alarm_text),
     .help = "10 (or more), >10, <3 or <=3: under a fault, the moment of detection"},
    {.name = "abort",
     .kind = FIELD_TEXT,
     .offset = STEP(abort_text),
     .help = "likewise: a stop condition, which heals and ends the drill"},
    {0},
};

static const struct field manual_options[] = {
    {.name = "within",
     .kind = FIELD_DURATION,
     .offset = STEP(within_ns),
     .min = 1,
     .standard = "10m",
     .help = "how long it waits for the answer"},
    ON_FAIL,
    MARK,
    {0},
};

static const struct field run_fields[] = {
    {.name = "for",
     .kind = FIELD_DURATION,
     .offset = STEP(for_ns),
     .required = true,
     .min = 1,
     .help = "how long the workload runs"},
    {0},
};

static const char *const needs_run[] = {"run", NULL};

static const struct field fault_fields[] = {
    {.name = "kill",
     .kind = FIELD_NODE,
     .offset = STEP(kill_value),
     .help = "nodes that end at once, and are started again at heal"},
    {.name = "pause",
     .kind = FIELD_NODE,
     .offset = STEP(pause_value),
     .help = "nodes that stand still until heal"},
    {.name = "run",
     .kind = FIELD_TEXT,
     .offset = STEP(run),
     .help = "a shell script that breaks something"},
    {.name = "undo",
     .kind = FIELD_TEXT,
     .offset = STEP(undo),
     .needs = needs_run,
     .help = "mends it, at heal and on every way out; may run more than once"},
    {.name = "felt",
     .kind = FIELD_TEXT,
     .offset = STEP(felt),
     .needs = needs_run,
     .help = "run before undo; status 0 shows that it was felt"},
    {.name = "on",
     .kind = FIELD_TEXT,
     .offset = STEP(on),
     .needs = needs_run,
     .help = "the node the scripts run on; the first unless said"},
    WITHIN,
    {0},
};

static const struct field wait_fields[] = {
    {.name = "until",
     .kind = FIELD_SCALAR,
     .offset = STEP(until_value),
     .required = true,
     .help = "ready | converged | writable | acked N | role NODE primary or standby"},
    WITHIN,
    {0},
};

static const struct field promote_fields[] = {
    {.name = "node",
     .kind = FIELD_TEXT,
     .offset = STEP(node),
     .required = true,
     .help = "the node that becomes the primary"},
    WITHIN,
    {0},
};

static const struct field clients_fields[] = {
    {.name = "move",
     .kind = FIELD_TREE,
     .offset = STEP(move_value),
     .required = true,
     .help = "{ to: NODE, of: clients or clients.NODE }"},
    {0},
};

const struct step_verb step_verbs[] = {
    {"workload", STEP_WORKLOAD, STEP_YAML, no_options, NULL,
     "says what the processes do from here on; they start at once"},
    {"run", STEP_RUN, STEP_YAML, no_options, run_fields,
     "lets it run a while; the first one is the baseline"},
    {"fault", STEP_FAULT, STEP_YAML, no_options, fault_fields,
     "puts rules in force (netsplit schema), or one of kill, pause and run; primary, "
     "standbys and clients stand for nodes"},
    {"heal", STEP_HEAL, STEP_YAML, other_options, NULL,
     "ends every fault; an old primary rejoins if the cluster has a command for it"},
    {"step", STEP_SHELL, STEP_SH, shell_options, NULL,
     "runs a shell script once; fails on a status other than 0"},
    {"wait", STEP_WAIT, STEP_YAML | STEP_SH, shell_options, wait_fields,
     "waits for a condition; a shell script is run until its status is 0"},
    {"promote", STEP_PROMOTE, STEP_YAML, other_options, promote_fields,
     "runs the cluster's promote command on a node"},
    {"clients", STEP_CLIENTS, STEP_YAML, clients_options, clients_fields,
     "moves processes to another primary"},
    {"probe", STEP_PROBE, STEP_SH, probe_options, NULL,
     "samples a shell script from here on; the last number it prints is charted"},
    {"manual", STEP_MANUAL, STEP_TEXT, manual_options, NULL,
     "shows the text and waits for Enter; keeps the answer, who gave it and when"},
    {"expect", STEP_EXPECT, STEP_YAML, no_options, NULL,
     "ends the drill and says what must be seen, for each mode"},
    {.name = NULL},
};

const char *step_name_languages(unsigned languages)
{
    static const char *const names[] = {
        [STEP_YAML] = "yaml",
        [STEP_SH] = "sh",
        [STEP_YAML | STEP_SH] = "yaml, sh",
        [STEP_TEXT] = "text",
    };
    return names[languages];
}

const char *step_by_name(enum step_by by)
{
    static const char *const names[] = {
        [STEP_BY_RULES] = "rules",
        [STEP_BY_KILL] = "kill",
        [STEP_BY_PAUSE] = "pause",
        [STEP_BY_RUN] = "run",
    };
    return names[by];
}

const struct step_verb *step_find_verb(const char *name)
{
    for (const struct step_verb *verb = step_verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

static void print_fields(const struct field *fields, const char *lead, FILE *to)
{
    for (const struct field *field = fields; field && field->name; field++) {
        char value[64];
        fprintf(to, "    %s%-10s %-24s %s", lead, field->name,
                field_describe(field, value, sizeof value), field->help);
        if (field->standard)
            fprintf(to, " (%s)", field->standard);
        fputs(field->required ? " (required)\n" : "\n", to);
    }
}

void step_print_verbs(FILE *to)
{
    fputs(
        "The steps of a playbook: a fenced block whose first line is ```LANGUAGE VERB\n"
        "OPTION=VALUE..., or whose text begins with # netsplit: VERB "
        "OPTION=VALUE...\n"
        "$NAME stands for a variable of the front matter (vars: { NAME: VALUE }, --set "
        "NAME=VALUE)\n"
        "in values of YAML blocks and of headers, and is in every script's "
        "environment.\n\n",
        to);
    for (const struct step_verb *verb = step_verbs; verb->name; verb++) {
        fprintf(to, "%-9s %-8s %s\n", verb->name, step_name_languages(verb->languages),
                verb->help);
        print_fields(verb->options, "", to);
        print_fields(verb->fields, "  ", to);
    }
    fputs("\nWorkloads:\n", to);
    for (size_t i = 0; workload_get(i); i++) {
        fprintf(to, "%-18s %s\n", workload_get(i)->name, workload_get(i)->help);
        print_fields(workload_get(i)->fields, "  ", to);
    }
    fputs("\nDrivers of a cluster file, driver: { NAME: SETTING }:\n", to);
    for (size_t i = 0; driver_get(i); i++)
        fprintf(to, "%-18s %s\n  %s\n", driver_name(driver_get(i)),
                driver_help(driver_get(i)), driver_setting(driver_get(i)));
}

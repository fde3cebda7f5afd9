/* SPDX-License-Identifier: MIT */
/* Everything in it is static or owned by this file, so run_destroy() is not used. */
#include "tests/scenarios/fake_run.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECOND_OPERATIONS = 100,
    PROCESSES = 6,
    FAULT_S = 5,
    PROMOTED_S = 10,
    HEAL_S = 12
};
enum { END_S = 15, KEY = 3 };

static const char *const node_names[] = {"n1", "n2", "n3"};
static const uint64_t base_ns = 1000 * NS_PER_S;

static const char playbook_text[] =
    "---\nplaybook: The primary is cut off\nowner: platform on-call\n---\n"
    "# The primary is cut off\n\nProse with <script>alert(1)</script> in it.\n\n"
    "## The fault\n\n```yaml fault\npartition: [[primary], [standbys]]\n```\n\n"
    "## Promote\n\n```yaml promote\nnode: n2\nwithin: 15s\n```\n";

static struct run_phase phases[] = {
    {"Before", 0, 1000 * NS_PER_S + 1, 1005 * NS_PER_S},
    {"The fault", 9, 1005 * NS_PER_S, 1010 * NS_PER_S},
    {"Promote", 15, 1010 * NS_PER_S, 1011 * NS_PER_S},
    {"Heal", 20, 1012 * NS_PER_S, 1015 * NS_PER_S},
};

static struct run_step steps[] = {
    {.verb = "fault",
     .line = 11,
     .heading = "The fault",
     .summary = "partition n1 / n2, n3",
     .start_ns = 1005 * NS_PER_S,
     .end_ns = 1005 * NS_PER_S + 3 * NS_PER_MS,
     .status = RUN_STEP_DONE},
    {.verb = "promote",
     .line = 17,
     .heading = "Promote",
     .node = "n2",
     .allowance_ns = 15 * NS_PER_S,
     .start_ns = 1010 * NS_PER_S,
     .end_ns = 1010 * NS_PER_S + 800 * NS_PER_MS,
     .status = RUN_STEP_DONE,
     .output = "OK </pre><b>not bold</b>\n"},
};

static struct run_window windows[] = {{.name = "partition-1",
                                       .kind = "partition",
                                       .how = "stall",
                                       .summary = "partition n1 / n2, n3",
                                       .from_ns = 1005 * NS_PER_S,
                                       .to_ns = 1012 * NS_PER_S,
                                       .bytes = 1900000,
                                       .connections = 14,
                                       .attempts = 3}};
static struct run_role roles[] = {
    {0, 1000 * NS_PER_S, 1011 * NS_PER_S},
    {1, 1010 * NS_PER_S + 800 * NS_PER_MS, 1015 * NS_PER_S}};
static struct run_primary primaries[] = {{0, 1000 * NS_PER_S},
                                         {1, 1010 * NS_PER_S + 800 * NS_PER_MS}};
static struct run_link links[] = {
    {"n1", "n2", {{180000, 0, 0}, {0, 42000, 0}, {90000, 0, 0}}},
    {"n1", "n3", {{181000, 0, 0}, {0, 41000, 0}, {91000, 0, 0}}},
    {"n2", "n1", {{20000, 0, 0}, {0, 800, 0}, {30000, 0, 0}}},
};

static void record(struct history *history, uint64_t time_ns, int process,
                   enum history_type type, int64_t element, int node)
{
    struct history_record one = {
        .time_ns = time_ns,
        .process = process,
        .type = type,
        .f = HISTORY_APPEND,
        .node = (int16_t)node,
        .key = KEY,
        .value = {.kind = HISTORY_INTEGER, .integer = element},
        .error = type == HISTORY_INFO ? "deadline" : NULL,
    };
    (void)history_record(history, &one);
}

/* Appends in turn, 10 ms apart, and what became of each. */
static void fill_history(struct run_mode *mode, bool async, enum fate *fates)
{
    int process = 0;
    for (int64_t i = 0; i < (int64_t)END_S * SECOND_OPERATIONS; i++, process++) {
        uint64_t at_ns = (uint64_t)i * NS_PER_S / SECOND_OPERATIONS;
        bool cut = at_ns >= FAULT_S * NS_PER_S && at_ns < PROMOTED_S * NS_PER_S;
        bool answered = async || !cut;
        uint64_t took_ns =
            answered ? (200 + (uint64_t)i * 7919 % 1800) * NS_PER_US : 9 * NS_PER_MS;
        record(mode->history, at_ns, process, HISTORY_INVOKE, i,
               cut                    ? 0
               : at_ns < 5 * NS_PER_S ? 0
                                      : 1);
        record(mode->history, at_ns + took_ns, process,
               answered ? HISTORY_OK : HISTORY_INFO, i,
               at_ns < PROMOTED_S * NS_PER_S ? 0 : 1);
        bool lost = async && cut && i >= 960 && i < 960 + FAKE_RUN_LOST;
        fates[i] = lost ? FATE_LOST : answered ? FATE_KEPT : FATE_UNKNOWN;
    }
}

static void set_measures(struct measures *measures, bool async)
{
    measure_set(measures, MEASURE_ACKED, async ? 1500 : 1000);
    measure_set(measures, MEASURE_LOST_WRITES, async ? FAKE_RUN_LOST : 0);
    measure_set(measures, MEASURE_RECOVERED_WRITES, async ? 0 : 12);
    measure_set(measures, MEASURE_GHOST_WRITES, 0);
    measure_set(measures, MEASURE_RPO, async ? 400 * NS_PER_MS : 0);
    measure_set(measures, MEASURE_STALE_READS, async ? 7 : 0);
    measure_set(measures, MEASURE_UNAVAILABLE,
                async ? 12 * NS_PER_MS : 5800 * NS_PER_MS);
    measure_set(measures, MEASURE_RTO_FIRST, 5900 * NS_PER_MS);
    measure_set(measures, MEASURE_RTO_STEADY, async ? 6500 * NS_PER_MS : MEASURE_NEVER);
    measure_set(measures, MEASURE_SPLIT_BRAIN, async ? 200 * NS_PER_MS : 0);
    measure_set(measures, MEASURE_WRITE_LATENCY_DURING_P99, 9 * NS_PER_MS);
}

static struct run_expectation *expect(const char *text, enum measure measure,
                                      const struct measures *measures)
{
    struct run_expectation *row = xcalloc(1, sizeof *row);
    char sentence[200];
    struct expect_error why;
    if (expect_parse(measure, text, &row->expectation, &why) != 0)
        abort();
    row->result = expect_evaluate(&row->expectation, measures);
    row->control = expect_demands_harm(&row->expectation);
    row->sentence =
        xstrdup(expect_format(&row->expectation, measures, sentence, sizeof sentence));
    return row;
}

static void fill_mode(struct run_mode *mode, const char *name, bool async)
{
    size_t n = (size_t)END_S * SECOND_OPERATIONS;
    struct errmsg err = {""};
    mode->name = name;
    mode->setting = async ? "async · acknowledge at once" : "sync · FIRST 1 (*)";
    mode->how = "stall";
    mode->felt = (struct run_felt){1900000, 14, 2, 0, 0};
    mode->base_ns = base_ns;
    mode->base_wall_ns = UINT64_C(1795228267) * NS_PER_S;
    mode->fault_ns = base_ns + FAULT_S * NS_PER_S;
    mode->heal_ns = base_ns + HEAL_S * NS_PER_S;
    mode->end_ns = mode->end_of_reads_ns = base_ns + END_S * NS_PER_S;
    mode->history = history_create();
    history_begin(mode->history, base_ns, node_names, 3);
    mode->judgement.fates = xcalloc(n, sizeof *mode->judgement.fates);
    fill_history(mode, async, mode->judgement.fates);
    if (history_pair(mode->history, &mode->judgement.operations, &err) != 0)
        abort();
    set_measures(&mode->judgement.measures, async);
    for (size_t i = 0; i < n; i++)
        if (mode->judgement.fates[i] == FATE_LOST)
            evidence_add(&mode->judgement.evidence,
                         &(struct finding){.kind = FINDING_LOST, .operation = i});
    mode->judged = true;
    mode->expectations = expect(async ? "at least 1" : "none", MEASURE_LOST_WRITES,
                                &mode->judgement.measures);
    mode->n_expectations = 1;
    mode->phases = phases;
    mode->n_phases = sizeof phases / sizeof *phases;
    mode->steps = steps;
    mode->n_steps = sizeof steps / sizeof *steps;
    mode->windows = windows;
    mode->n_windows = 1;
    mode->roles = roles;
    mode->n_roles = 2;
    mode->primaries = primaries;
    mode->n_primaries = 2;
    mode->links = links;
    mode->n_links = sizeof links / sizeof *links;
}

struct run *fake_run_create(void)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->playbook_path = "playbooks/primary-cut-off.md";
    run->title = "The primary is cut off";
    run->text = playbook_text;
    run->owner = "platform on-call";
    run->cluster_name = "store";
    run->cluster_path = "scenarios/clusters/store.yaml";
    run->driver = "resp";
    run->workload = "append: keys 20, processes 6";
    run->version = "0.0-test";
    run->seed = 42;
    run->command = "netsplit drill playbooks/primary-cut-off.md --seed 42";
    run->nodes = node_names;
    run->n_nodes = 3;
    run->started_wall_ns = UINT64_C(1795228260) * NS_PER_S;
    run->started_ns = base_ns;
    run->ended_ns = base_ns + 40 * NS_PER_S;
    run->n_modes = 2;
    run->modes = xcalloc(2, sizeof *run->modes);
    fill_mode(&run->modes[0], "async", true);
    fill_mode(&run->modes[1], "sync", false);
    return run;
}

void fake_run_destroy(struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++) {
        struct run_mode *mode = &run->modes[i];
        history_destroy(mode->history);
        operations_free(&mode->judgement.operations);
        evidence_free(&mode->judgement.evidence);
        free(mode->judgement.fates);
        free((char *)(uintptr_t)mode->expectations->sentence);
        free(mode->expectations);
    }
    free(run->modes);
    free(run);
}

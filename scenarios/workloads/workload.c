/* SPDX-License-Identifier: MIT */
/* The list of workloads, the reading of their parameters, and the draws they are made
 * of.
 *
 * Happy path: workload_read() finds the row that a playbook names and fills the
 * settings by its table; workload_next() draws the operation of a position.
 *
 * What it draws depends on the position alone, never on what the network did: two runs
 * with one seed ask the same of each slot in the same order, though not at the same
 * times, and a run that is slower asks less of it. */
#include "scenarios/workloads/workload.h"

#include "rules/nearest.h"
#include "rules/rng.h"
#include "rules/language/yaml.h"
#include "scenarios/workloads/row.h"

#include <errno.h>
#include <string.h>

enum {
    MOST_PER_PROCESS = 1000 * 1000
}; /* operations of a process in 1000 s: one timer
       of 1 ms each */

const char *const workload_reads_words[] = {"home", "primary", "any", NULL};

static const struct workload *const workloads[] = {
    &workload_append,
    &workload_register,
    &workload_set,
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

const struct workload *workload_get(size_t i)
{
    return i < WORKLOADS ? workloads[i] : NULL;
}

static void list_names(const char **names)
{
    for (size_t i = 0; i < WORKLOADS; i++)
        names[i] = workloads[i]->name;
}

const struct workload *workload_find(const char *name, const char **near)
{
    const char *names[WORKLOADS];
    list_names(names);
    for (size_t i = 0; i < WORKLOADS; i++)
        if (!strcmp(name, names[i]))
            return workloads[i];
    if (near)
        *near = nearest_word(name, names, WORKLOADS);
    return NULL;
}

void workload_default(const struct workload *workload, struct workload_plan *out)
{
    *out = (struct workload_plan){.workload = workload};
    field_store_standards(workload->fields, &out->settings);
}

/* What no single parameter can say. */
static bool check_together(const struct workload_plan *plan,
                           const struct yaml_node *value, struct diag *diag)
{
    const struct workload_settings *settings = &plan->settings;
    if (settings->rate <= settings->processes * MOST_PER_PROCESS)
        return true;
    const struct yaml_node *rate = yaml_find(value, "rate");
    diag_error(diag, rate ? &rate->at : &value->at,
               "the rate is more than 1000/s for each of %llu processes",
               (unsigned long long)settings->processes);
    diag_hint(diag, "more processes, or a lower rate");
    return false;
}

bool workload_read(const struct yaml_node *block, struct workload_plan *out,
                   struct diag *diag)
{
    const char *names[WORKLOADS];
    list_names(names);
    if (block->kind != YAML_MAP || block->n != 1) {
        diag_error(diag, &block->at, "a workload block holds one workload");
        diag_hint(diag, "as in \"append: { keys: 20 }\"");
        return false;
    }
    const struct yaml_node *key = block->pairs[0].key, *value = block->pairs[0].value;
    const struct workload *workload = workload_find(key->text, NULL);
    if (!workload) {
        diag_error(diag, &key->at, "unknown workload \"%s\"", key->text);
        diag_suggest(diag, key->text, names, WORKLOADS);
        return false;
    }
    struct workload_plan plan;
    workload_default(workload, &plan);
    const struct yaml_table table = {.what = workload->name,
                                     .fields = workload->fields};
    bool good =
        yaml_is_empty(value) || yaml_read_map(value, &table, &plan.settings, diag);
    good = good && check_together(&plan, value, diag);
    if (good)
        *out = plan;
    return good;
}

int workload_check(const struct workload_plan *plan, const struct driver *driver,
                   struct errmsg *err)
{
    enum history_f needed[] = {
        HISTORY_READ,
        plan->workload->write,
        plan->settings.cas_ppm > 0 ? HISTORY_CAS : HISTORY_READ,
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (driver_can(driver, needed[i]))
            continue;
        errmsg_set(err, "the driver %s cannot %s, which the workload %s does",
                   driver_name(driver), history_f_name(needed[i]),
                   plan->workload->name);
        return -ENOTSUP;
    }
    return 0;
}

static struct rng_key draw_key(struct workload_position position,
                               enum workload_draw draw)
{
    struct rng_key key = rng_mix_text(rng_seed(position.seed), "workload");
    return rng_mix(rng_mix(key, position.slot), draw);
}

bool workload_chance(struct workload_position position, enum workload_draw draw,
                     uint32_t ppm)
{
    return rng_chance(draw_key(position, draw), position.ordinal, ppm);
}

int64_t workload_key(const struct workload_plan *plan,
                     struct workload_position position)
{
    struct rng_key key = draw_key(position, WORKLOAD_DRAW_KEY);
    return (int64_t)rng_below(key, position.ordinal, plan->settings.keys);
}

int64_t workload_value(const struct workload_plan *plan,
                       struct workload_position position)
{
    return (int64_t)(position.ordinal * plan->settings.processes + position.slot + 1);
}

size_t workload_any_node(struct workload_position position, size_t nodes)
{
    return rng_below(draw_key(position, WORKLOAD_DRAW_NODE), position.ordinal, nodes);
}

void workload_read_or_write(const struct workload_plan *plan,
                            struct workload_position position, const int64_t *known,
                            struct driver_operation *out)
{
    (void)known; /* what is written does not depend on it */
    bool reads =
        workload_chance(position, WORKLOAD_DRAW_READ, plan->settings.reads_ppm);
    *out = (struct driver_operation){.key = workload_key(plan, position)};
    if (reads) {
        out->f = HISTORY_READ;
        return;
    }
    out->f = plan->workload->write;
    out->value = (struct history_value){
        .kind = HISTORY_INTEGER,
        .integer = workload_value(plan, position),
    };
}

void workload_next(const struct workload_plan *plan, struct workload_position position,
                   const int64_t *known, struct driver_operation *out)
{
    plan->workload->next(plan, position, known, out);
}

uint64_t workload_turn_ns(const struct workload_plan *plan, uint64_t seed,
                          uint32_t slot, uint64_t n)
{
    const struct workload_settings *settings = &plan->settings;
    struct workload_position position = {.seed = seed, .slot = slot};
    struct rng_key key = draw_key(position, WORKLOAD_DRAW_TURN);
    uint64_t period_ns =
        settings->processes * (UINT64_C(1000) * 1000000000) / settings->rate;
    uint64_t phase_ns = period_ns / settings->processes * slot;
    double drawn = 0.25 + 0.5 * rng_uniform(key, n);
    return n * period_ns + phase_ns + (uint64_t)(drawn * (double)period_ns);
}

/* SPDX-License-Identifier: MIT */
#include "scenarios/workloads/workload.h"

#include "proxy/base/now.h"
#include "rules/language/yaml.h"
#include "tests/scenarios/fake_driver.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct diag diag;
static struct source source;

/* Reads a block as a playbook's would be; whether it was good. */
static bool read_block(const char *text, struct workload_plan *out)
{
    source = (struct source){.name = "p.md", .text = text, .length = strlen(text)};
    arena_init(&arena, NULL);
    diag_init(&diag, NULL);
    struct yaml_input input = {&source, text, strlen(text), 1, 0};
    const struct yaml_node *block = yaml_read(&arena, &input, &diag);
    cr_assert(block);
    return workload_read(block, out, &diag);
}

static void drop(void)
{
    diag_close(&diag);
    arena_close(&arena);
}

static struct workload_plan plan_of(const char *name)
{
    struct workload_plan plan;
    workload_default(workload_find(name, NULL), &plan);
    return plan;
}

Test(workload, reads_every_parameter)
{
    struct workload_plan plan;
    cr_assert(read_block("register: { keys: 3, processes: 9, rate: 50/s, reads: 25%, "
                         "cas: 10%, reads_from: any, deadline: 250ms }",
                         &plan));
    cr_expect_str_eq(plan.workload->name, "register");
    cr_expect_eq(plan.settings.keys, 3);
    cr_expect_eq(plan.settings.processes, 9);
    cr_expect_eq(plan.settings.rate, 50 * 1000);
    cr_expect_eq(plan.settings.reads_ppm, 250000);
    cr_expect_eq(plan.settings.cas_ppm, 100000);
    cr_expect_eq(plan.settings.reads_from, WORKLOAD_READS_ANY);
    cr_expect_eq(plan.settings.deadline_ns, 250 * NS_PER_MS);
    drop();
}

Test(workload, has_a_default_for_every_parameter)
{
    struct workload_plan plan;
    cr_assert(read_block("append:", &plan));
    cr_expect_eq(plan.settings.keys, 20);
    cr_expect_eq(plan.settings.processes, 6);
    cr_expect_eq(plan.settings.rate, 400 * 1000);
    cr_expect_eq(plan.settings.reads_ppm, 500000);
    cr_expect_eq(plan.settings.reads_from, WORKLOAD_READS_HOME);
    cr_expect_eq(plan.settings.deadline_ns, NS_PER_S);
    drop();
    for (size_t i = 0; workload_get(i); i++)
        for (const struct field *field = workload_get(i)->fields; field->name; field++)
            cr_expect(field->standard, "%s", field->name);
}

static void expect_errors(const char *text, size_t n, const char *const *texts)
{
    struct workload_plan plan;
    cr_expect_not(read_block(text, &plan));
    cr_assert_eq(diag.n_errors, n, "%s: %zu errors", text, diag.n_errors);
    for (size_t i = 0; i < n; i++)
        cr_expect(strstr(diag.items[i]->text, texts[i]) ||
                      (diag.items[i]->hint && strstr(diag.items[i]->hint, texts[i])),
                  "%s: %s (%s)", text, diag.items[i]->text,
                  diag.items[i]->hint ? diag.items[i]->hint : "");
    drop();
}

Test(workload, says_all_that_is_wrong_with_a_block)
{
    expect_errors("appendd: {}", 1, (const char *[]){"did you mean \"append\""});
    expect_errors("{ append: {}, set: {} }", 1, (const char *[]){"one workload"});
    expect_errors(
        "append: { key: 3, rate: 400, processes: 0, cas: 1% }", 4,
        (const char *[]){"did you mean \"keys\"", "unit", "at least 1", "cas"});
    expect_errors("append: { processes: 2, rate: 5000/s }", 1,
                  (const char *[]){"more than 1000/s"});
    expect_errors("append: { reads_from: hoem }", 1,
                  (const char *[]){"did you mean \"home\""});
}

Test(workload, is_the_same_in_every_run)
{
    struct workload_plan plan = plan_of("append");
    struct driver_operation first, again;
    for (uint64_t i = 0; i < 200; i++) {
        struct workload_position position = {.seed = 7, .slot = 3, .ordinal = i};
        workload_next(&plan, position, NULL, &first);
        workload_next(&plan, position, NULL, &again);
        cr_expect_eq(first.f, again.f);
        cr_expect_eq(first.key, again.key);
        cr_expect_eq(first.value.integer, again.value.integer);
    }
}

Test(workload, differs_by_seed_and_by_slot)
{
    struct workload_plan plan = plan_of("append");
    size_t same_seed = 0, same_slot = 0;
    for (uint64_t i = 0; i < 200; i++) {
        struct driver_operation a, b, c;
        workload_next(&plan, (struct workload_position){7, 3, i}, NULL, &a);
        workload_next(&plan, (struct workload_position){8, 3, i}, NULL, &b);
        workload_next(&plan, (struct workload_position){7, 4, i}, NULL, &c);
        same_seed += a.key == b.key && a.f == b.f;
        same_slot += a.key == c.key && a.f == c.f;
    }
    cr_expect_lt(same_seed, 30); /* 5 of 200 by chance */
    cr_expect_lt(same_slot, 30);
}

Test(workload, writes_each_value_once_and_reads_its_share)
{
    static bool seen[7000];
    struct workload_plan plan = plan_of("set");
    size_t reads = 0, keys[20] = {0};
    for (uint32_t slot = 0; slot < 6; slot++)
        for (uint64_t i = 0; i < 1000; i++) {
            struct driver_operation operation;
            workload_next(&plan, (struct workload_position){1, slot, i}, NULL,
                          &operation);
            cr_assert(operation.key >= 0 && operation.key < 20);
            keys[operation.key]++;
            if (operation.f == HISTORY_READ) {
                reads++;
                continue;
            }
            cr_assert_eq(operation.f, HISTORY_ADD);
            int64_t value = operation.value.integer;
            cr_assert(value >= 1 && value < 7000);
            cr_expect_not(seen[value]);
            seen[value] = true;
        }
    cr_expect(reads > 2800 && reads < 3200, "%zu of 6000 read", reads); /* 5 sigma */
    for (size_t i = 0; i < 20; i++)
        cr_expect(keys[i] > 215 && keys[i] < 385, "key %zu: %zu", i, keys[i]);
}

Test(workload, compares_and_sets_from_what_the_process_knows)
{
    struct workload_plan plan = plan_of("register");
    int64_t known[20];
    plan.settings.reads_ppm = 0;
    plan.settings.cas_ppm = 1000000;
    for (size_t i = 0; i < 20; i++)
        known[i] = i < 10 ? (int64_t)i + 100 : INT64_MIN;
    for (uint64_t i = 0; i < 200; i++) {
        struct driver_operation operation;
        workload_next(&plan, (struct workload_position){1, 2, i}, known, &operation);
        if (operation.key < 10) {
            cr_expect_eq(operation.f, HISTORY_CAS);
            cr_expect_eq(operation.value.pair.from, operation.key + 100);
            cr_expect_eq(operation.value.pair.to, (int64_t)i * 6 + 3);
        } else {
            cr_expect_eq(operation.f, HISTORY_WRITE);
            cr_expect_eq(operation.value.integer, (int64_t)i * 6 + 3);
        }
        workload_next(&plan, (struct workload_position){1, 2, i}, NULL, &operation);
        cr_expect_eq(operation.f, HISTORY_WRITE);
    }
}

Test(workload, spreads_turns_evenly_over_time_and_slots)
{
    struct workload_plan plan = plan_of("append"); /* 400/s of 6: one in 15 ms each */
    for (uint32_t slot = 0; slot < 6; slot++) {
        uint64_t last_ns = 0, phase_ns = slot * 2500 * NS_PER_US;
        for (uint64_t n = 0; n < 1000; n++) {
            uint64_t turn_ns = workload_turn_ns(&plan, 1, slot, n);
            uint64_t from_ns = phase_ns + n * 15 * NS_PER_MS;
            cr_expect_geq(turn_ns, from_ns + 3750 * NS_PER_US);
            cr_expect_leq(turn_ns, from_ns + 11250 * NS_PER_US);
            cr_expect(n == 0 || turn_ns > last_ns);
            last_ns = turn_ns;
        }
    }
}

Test(workload, is_refused_with_a_driver_that_lacks_its_operations)
{
    struct errmsg err = {""};
    for (size_t i = 0; workload_get(i); i++) {
        struct workload_plan plan = plan_of(workload_get(i)->name);
        for (size_t j = 0; driver_get(j); j++)
            cr_expect_eq(workload_check(&plan, driver_get(j), &err), 0, "%s", err.text);
    }
    struct workload_plan plan = plan_of("register");
    cr_expect_lt(workload_check(&plan, &driver_fake, &err), 0);
    cr_expect_str_eq(err.text,
                     "the driver fake cannot write, which the workload register does");
}

Test(workload, reads_any_node_when_told_to)
{
    size_t seen[3] = {0};
    for (uint64_t i = 0; i < 300; i++) {
        size_t node = workload_any_node((struct workload_position){1, 1, i}, 3);
        cr_assert_lt(node, 3);
        seen[node]++;
    }
    for (size_t i = 0; i < 3; i++)
        cr_expect(seen[i] > 60, "node %zu: %zu", i, seen[i]);
}

/* SPDX-License-Identifier: MIT */
/* What a rule becomes where the kernel can or cannot do what it says. */
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct world world;

static void begin(void)
{
    world_init(&world, "a b c");
}

static void end(void)
{
    world_close(&world);
}

TestSuite(fallback, .init = begin, .fini = end);

static const struct plan_kernel none = {.why = "needs CAP_NET_ADMIN"};
static const struct plan_kernel only_drop = {.drop = true, .why = "mode listen"};

/* Link rules: what is done. */
static const struct {
    enum rule_intercept mode;
    int how; /* -1: not written */
    const char *what;
    const struct plan_kernel *kernel;
    int status;
    enum rule_how done;
    bool all, fell_back;
} rows[] = {
    {INTERCEPT_LISTEN, -1, "", &none, 0, HOW_STALL, false, false},
    {INTERCEPT_LISTEN, -1, "", &world_able_kernel, 0, HOW_STALL, false, false},
    {INTERCEPT_TPROXY, -1, "", &world_able_kernel, 0, HOW_DROP, false, false},
    {INTERCEPT_TPROXY, -1, "", &none, -ENOTSUP, 0, false, false},
    {INTERCEPT_NETNS, -1, "fallback=stall", &none, 0, HOW_STALL, false, true},
    {INTERCEPT_REDIRECT, HOW_RESET, "", &none, 0, HOW_RESET, false, false},
    {INTERCEPT_LISTEN, HOW_DROP, "", &none, -ENOTSUP, 0, false, false},
    {INTERCEPT_LISTEN, HOW_DROP, "", &only_drop, 0, HOW_DROP, false, false},
    {INTERCEPT_LISTEN, HOW_DROP, "fallback=refuse", &none, 0, HOW_REFUSE, false, true},
    {INTERCEPT_LISTEN, HOW_DROP, "fallback=stall", &only_drop, 0, HOW_DROP, false,
     false},
    {INTERCEPT_TPROXY, HOW_DROP, "ports=all", &world_able_kernel, 0, HOW_DROP, true,
     false},
    {INTERCEPT_TPROXY, HOW_DROP, "ports=all", &only_drop, -ENOTSUP, 0, false, false},
    {INTERCEPT_TPROXY, HOW_DROP, "ports=all fallback=reset", &only_drop, 0, HOW_RESET,
     false, true},
};

static int try(const struct plan_kernel *kernel, enum rule_intercept mode,
               uint64_t now_ns, struct diag *diag)
{
    world.kernel = *kernel;
    world.intercept = mode;
    diag_init(diag, NULL);
    return world_try(&world, diag, now_ns);
}

static struct rule *last_rule(void)
{
    struct rules *rules = &world_layer(&world, "base")->rules;
    return (struct rule *)&rules->rules[rules->n_rules - 1];
}

Test(fallback, a_link_is_cut_as_the_rule_says_or_as_its_fallback_or_not_at_all)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct diag diag;
        world_link_rule(&world, "base", "rule", RULE_PARTITION, "a / b",
                        rows[i].how < 0 ? HOW_RESET : (enum rule_how)rows[i].how,
                        rows[i].what);
        last_rule()->how_given = rows[i].how >= 0;
        int status = try(rows[i].kernel, rows[i].mode, 0, &diag);
        cr_expect_eq(status, rows[i].status, "row %zu: %d", i, status);
        cr_expect_eq(diag.n_lacking, status ? 1 : 0, "row %zu", i);
        diag_close(&diag);
        if (status != 0)
            continue;
        const struct plan_rule *rule = world_rule(&world, "rule");
        cr_expect_eq(rule->how, rows[i].done, "row %zu: %s", i,
                     rule_how_name(rule->how));
        cr_expect_eq(rule->ports_all, rows[i].all, "row %zu", i);
        cr_expect_eq(rule->fell_back != NULL, rows[i].fell_back, "row %zu", i);
        if (rule->fell_back)
            cr_expect_str_eq(rule->fell_back, rows[i].kernel->why);
    }
}

Test(fallback, a_fault_of_packets_becomes_its_model_in_the_order_of_the_catalogue)
{
    struct diag diag;
    world_inject(&world, "base", "rule", "a", "b",
                 "packet_loss=2% packet_rate=1MB/s packet_burst=10kB packet_delay=5ms "
                 "packet_jitter=1ms slice.size=10B fallback=model");
    cr_assert_eq(try(&none, INTERCEPT_LISTEN, 0, &diag), 0);
    const struct plan_rule *rule = world_rule(&world, "rule");
    cr_assert_eq(rule->n_faults, 4);
    static const char *const names[] = {"slice", "delay", "loss", "rate"};
    for (size_t i = 0; i < 4; i++)
        cr_expect_str_eq(rule->faults[i].fault->name, names[i]);
    const struct delay_params *delay = rule->faults[1].params;
    cr_expect_eq(delay->delay_ns, 5 * MS);
    cr_expect_eq(delay->jitter_ns, MS);
    cr_expect_eq(delay->distribution, DISTRIBUTION_UNIFORM);
    cr_expect_eq(((const struct loss_params *)rule->faults[2].params)->loss_ppm, 20000);
    const struct rate_params *rate = rule->faults[3].params;
    cr_expect_eq(rate->bytes_per_s, 1000000);
    cr_expect_eq(rate->burst_bytes, 10000);
    cr_expect_eq(rate->scope, RATE_SCOPE_LINK);
    cr_expect_str_eq(rule->fell_back, "needs CAP_NET_ADMIN");
    diag_close(&diag);
}

Test(fallback, only_what_the_kernel_cannot_do_becomes_a_model)
{
    struct diag diag;
    const struct plan_kernel no_netem = {
        .packet_loss = true, .packet_rate = true, .why = "this kernel has no netem"};
    world_inject(&world, "base", "rule", "a", "b",
                 "packet_loss=2% packet_delay=5ms fallback=model");
    cr_assert_eq(try(&no_netem, INTERCEPT_TPROXY, 0, &diag), 0);
    const struct plan_rule *rule = world_rule(&world, "rule");
    cr_expect_str_eq(rule->faults[0].fault->name, "delay");
    cr_expect_str_eq(rule->faults[1].fault->name, "packet_loss");
    cr_expect_str_eq(rule->fell_back, "this kernel has no netem");
    diag_close(&diag);
    world.kernel = world_able_kernel;
    world_compile(&world, 0);
    cr_expect_null(world_rule(&world, "rule")->fell_back);
}

Test(fallback, without_one_the_plan_is_refused_with_a_reason_for_each_fault)
{
    struct diag diag;
    world_inject(&world, "base", "rule", "a", "b", "packet_loss=2% packet_delay=5ms");
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b", HOW_DROP, "");
    cr_expect_eq(try(&none, INTERCEPT_LISTEN, 0, &diag), -ENOTSUP);
    cr_assert_eq(diag.n_lacking, 3);
    for (size_t i = 0; i < diag.n; i++)
        cr_expect(strstr(diag.items[i]->text, "needs CAP_NET_ADMIN"), "%s",
                  diag.items[i]->text);
    diag_close(&diag);
    world_inject(&world, "base", "lost", "nobody", "b", "delay=1ms");
    world_inject(&world, "base", "last", "a", "b", "packet_rate=1MB/s");
    cr_expect_eq(try(&none, INTERCEPT_LISTEN, 0, &diag), -EINVAL,
                 "a wrong name is worse than a lack");
    diag_close(&diag);
}

Test(fallback, what_falls_back_and_to_what_leaves_the_rule_the_same)
{
    static const char *const links[] = {"fallback=stall", "fallback=reset", ""};
    struct diag diag;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        bool able = i != 1;
        world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b", HOW_DROP,
                        links[i]);
        world_inject(&world, "base", "lossy", "a", "b",
                     "packet_loss=1% fallback=model");
        cr_assert_eq(
            try(able ? &world_able_kernel : &none, INTERCEPT_LISTEN, i + 1, &diag), 0);
        diag_close(&diag);
        cr_expect_eq(world_rule(&world, "split")->since_ns, 1, "%zu", i);
        cr_expect_eq(world_rule(&world, "lossy")->since_ns, 1, "%zu", i);
    }
    world_link_rule(&world, "base", "split", RULE_PARTITION, "a / b", HOW_STALL, "");
    world_compile(&world, 9);
    cr_expect_eq(world_rule(&world, "split")->since_ns, 9,
                 "another how is another rule");
}

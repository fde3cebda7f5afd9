/* SPDX-License-Identifier: MIT */
/* Entries by name, sums of threads, and budgets that threads share. */
#include "proxy/record/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

static struct counters counters;

static void setup(void)
{
    cr_assert_eq(counters_init(&counters), 0);
}

static void teardown(void)
{
    counters_close(&counters);
}

TestSuite(counters, .init = setup, .fini = teardown);

Test(counters, the_same_rule_is_found_again_whatever_text_names_it)
{
    char origin[] = "base";
    char name[] = "slow";
    struct counters_rule *rule = counters_rule(&counters, origin, name);
    rule->touched_bytes = 7;
    origin[0] = name[0] = 'X'; /* the entry has copies */
    cr_assert_eq(counters_rule(&counters, "base", "slow"), rule);
    cr_assert_str_eq(rule->name, "slow");
    cr_assert_str_eq(rule->origin, "base");
    cr_assert_neq(counters_rule(&counters, "cut", "slow"), rule);
}

Test(counters, texts_that_join_alike_are_different_keys)
{
    cr_assert_neq(counters_link(&counters, "ab", "c"),
                  counters_link(&counters, "a", "bc"));
}

Test(counters, a_link_and_a_rule_of_the_same_words_are_two_things)
{
    void *link = counters_link(&counters, "a", "b");
    void *rule = counters_rule(&counters, "a", "b");
    cr_assert_neq(link, rule);
    cr_assert_eq(counters_link(&counters, "a", "b"), link);
}

Test(counters, keeps_pointers_and_order_while_thousands_are_added)
{
    enum { RULES = 5000 };
    static struct counters_rule *rules[RULES];
    char name[32];
    for (int i = 0; i < RULES; i++) {
        (void)snprintf(name, sizeof name, "rule-%d", i);
        rules[i] = counters_rule(&counters, "base", name);
    }
    int i = 0;
    for (struct counters_rule *rule = counters.rules; rule; rule = rule->next)
        cr_assert_eq(rule, rules[i++]);
    cr_assert_eq(i, RULES);
    for (i = 0; i < RULES; i++) {
        (void)snprintf(name, sizeof name, "rule-%d", i);
        cr_assert_eq(counters_rule(&counters, "base", name), rules[i]);
    }
}

Test(counters, only_the_first_touch_of_a_rule_on_a_link_is_news)
{
    struct counters_rule *rule = counters_rule(&counters, "base", "slow");
    struct counters_link *there = counters_link(&counters, "a", "b");
    struct counters_link *back = counters_link(&counters, "b", "a");
    struct counters_touch *touch = counters_touch(&counters, rule, there);
    cr_assert_not(counters_rule_was_touched(rule));
    cr_assert_not(counters_touch_bytes(touch, 0, 5), "nothing was touched");
    cr_assert_not(counters_rule_was_touched(rule));
    cr_assert(counters_touch_bytes(touch, 10, 6));
    cr_assert_not(counters_touch_attempt(touch, ATTEMPT_REFUSED, 7));
    cr_assert(counters_touch_connection(counters_touch(&counters, rule, back), 8));
    cr_assert(counters_rule_was_touched(rule));
    cr_assert_eq(rule->touched_bytes, 10);
    cr_assert_eq(rule->attempts_refused, 1);
    cr_assert_eq(rule->connections, 1);
    cr_assert_eq(rule->first_touched_ns, 6);
    cr_assert_eq(rule->last_touched_ns, 8);
    cr_assert_eq(touch->bytes, 10);
    cr_assert_eq(touch->attempts, 1);
}

Test(counters, connections_leave_the_list_in_any_order_and_only_once)
{
    struct counters_link *link = counters_link(&counters, "a", "b");
    struct counters_connection c[3] = {
        {.to_server = link}, {.to_server = link}, {.to_server = link}};
    for (int i = 0; i < 3; i++)
        counters_connection_add(&counters, &c[i]);
    cr_assert_eq(counters.connections, &c[2], "newest first");
    counters_connection_remove(&counters, &c[1]);
    counters_connection_remove(&counters, &c[1]);
    cr_assert_eq(c[2].next, &c[0]);
    cr_assert_eq(link->connections_open_now, 2);
    counters_connection_remove(&counters, &c[2]);
    counters_connection_remove(&counters, &c[0]);
    counters_connection_remove(&counters, &c[0]);
    cr_assert_null(counters.connections);
    cr_assert_eq(link->connections_open_now, 0);
    cr_assert_eq(link->connections, 3);
}

Test(counters, a_budget_gives_up_to_its_limit_and_counts_who_came_too_late)
{
    struct counters_budget *budget = &counters.budgets[BUDGET_HELD_BYTES];
    cr_assert_str_eq(budget->name, "held_bytes");
    cr_assert(counters_budget_take(budget, UINT64_MAX / 2), "no limit yet");
    counters_budget_release(budget, UINT64_MAX / 2);
    budget->limit = 100;
    cr_assert(counters_budget_take(budget, 60));
    cr_assert_not(counters_budget_take(budget, 41));
    cr_assert_not(counters_budget_take(budget, UINT64_MAX));
    cr_assert(counters_budget_take(budget, 40));
    cr_assert_eq(budget->used_now, 100);
    cr_assert_eq(budget->reached, 2);
    counters_budget_release(budget, 100);
    cr_assert_eq(budget->used_now, 0);
}

Test(counters, those_of_two_threads_add_up_by_name)
{
    struct counters other;
    cr_assert_eq(counters_init(&other), 0);
    struct counters *both[] = {&counters, &other};
    for (uint64_t i = 0; i < 2; i++) {
        struct counters_link *link = counters_link(both[i], "a", "b");
        struct counters_rule *rule = counters_rule(both[i], "base", "slow");
        struct counters_touch *touch = counters_touch(both[i], rule, link);
        (void)counters_touch_bytes(touch, 10 + i, 8 - i);
        (void)counters_touch_attempt(touch, ATTEMPT_RESET, 9 + i);
        rule->held_bytes_now = 3;
        link->passed_bytes = 100;
        link->connections_open_now = 1 + i;
        cr_assert(counters_budget_take(&both[i]->budgets[BUDGET_CONNECTIONS], 4));
    }
    struct counters_link *only_there = counters_link(&other, "b", "a");
    (void)counters_touch(&other, counters_rule(&other, "cut", "split"), only_there);
    only_there->discarded_bytes = 5;
    cr_assert_eq(counters_add(&counters, &other), 0);
    const struct counters_rule *rule = counters_rule(&counters, "base", "slow");
    cr_assert_eq(rule->touched_bytes, 21);
    cr_assert_eq(rule->attempts_reset, 2);
    cr_assert_eq(rule->held_bytes_now, 6);
    cr_assert_eq(rule->first_touched_ns, 7);
    cr_assert_eq(rule->last_touched_ns, 10);
    const struct counters_link *link = counters_link(&counters, "a", "b");
    cr_assert_eq(link->passed_bytes, 200);
    cr_assert_eq(link->connections_open_now, 3);
    cr_assert_eq(counters.touches->bytes, 21);
    cr_assert_eq(counters.touches->first_ns, 7);
    cr_assert_eq(counters_link(&counters, "b", "a")->discarded_bytes, 5);
    const struct counters_touch *last = counters.touches->next;
    cr_assert_str_eq(last->rule->name, "split");
    cr_assert_eq(last->first_ns, 0, "found, never touched");
    cr_assert_null(last->next);
    cr_assert_eq(counters.budgets[BUDGET_CONNECTIONS].used_now, 8);
    counters_close(&other);
}

/* Numbers one behind the other, from a field up to another one. */
static void fill(uint64_t *from, const void *to)
{
    for (uint64_t n = 1; from != to; from++)
        *from = n++;
}

static void expect_twice(const uint64_t *from, const void *to)
{
    for (uint64_t n = 1; from != to; from++, n++)
        cr_expect_eq(*from, 2 * n, "number %d is not added up", (int)n);
}

Test(counters, no_number_is_forgotten_in_a_sum)
{
    struct counters sum;
    cr_assert_eq(counters_init(&sum), 0);
    struct counters_link *link = counters_link(&counters, "a", "b");
    struct counters_rule *rule = counters_rule(&counters, "base", "slow");
    struct counters_touch *touch = counters_touch(&counters, rule, link);
    fill(&link->passed_bytes, &link->next);
    fill(&rule->touched_bytes, &rule->first_touched_ns);
    fill(&touch->bytes, &touch->first_ns);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(counters_add(&sum, &counters), 0);
    expect_twice(&sum.links->passed_bytes, &sum.links->next);
    expect_twice(&sum.rules->touched_bytes, &sum.rules->first_touched_ns);
    expect_twice(&sum.touches->bytes, &sum.touches->first_ns);
    counters_close(&sum);
}

enum { TAKERS = 4, TAKES = 200000 };

static void *take_and_release(void *arg)
{
    struct counters_budget *budget = arg;
    for (int i = 0; i < TAKES; i++)
        if (counters_budget_take(budget, 1)) {
            (void)counters_budget_hold(budget, 2);
            (void)counters_budget_release(budget, 3);
        }
    return NULL;
}

Test(counters, threads_that_share_a_budget_give_back_all_they_took)
{
    struct counters_budget *budget = &counters.budgets[BUDGET_HELD_BYTES];
    pthread_t takers[TAKERS];
    budget->limit = 1000;
    for (int i = 0; i < TAKERS; i++)
        cr_assert_eq(pthread_create(&takers[i], NULL, take_and_release, budget), 0);
    for (int i = 0; i < TAKERS; i++)
        cr_assert_eq(pthread_join(takers[i], NULL), 0);
    cr_assert_eq(budget->used_now, 0);
    cr_assert_leq(budget->peak, 3 * TAKERS);
}

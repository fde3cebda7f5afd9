/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "tests/scenarios/made_history.h"
#include "tests/scenarios/random_history.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define READ(from, to, process_, saw_)                                                 \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .saw = saw_, .node = 2      \
    }
#define APPEND(from, to, process_, element_)                                           \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_APPEND,        \
        .element = element_, .node = 1                                                 \
    }
#define WRITE(from, to, process_, element_)                                            \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_WRITE,         \
        .element = element_, .node = 1                                                 \
    }
#define FINAL(from, saw_)                                                              \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = 90, .saw = saw_, .node = 1,     \
        .final = true                                                                  \
    }

Test(staleness, a_read_is_behind_by_the_time_since_the_first_write_it_missed)
{
    const struct made rows[] = {
        APPEND(1, 10, 0, 1),      APPEND(11, 20, 0, 2),
        APPEND(21, 30, 0, 3),     READ(50, 60, 1, "1"), /* misses 2 and 3: 50 - 20 */
        READ(70, 80, 1, "1 2"),                         /* misses 3: 70 - 30 */
        READ(90, 99, 1, "1 2 3"),                       /* fresh */
        FINAL(200, "1 2 3"),
    };
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_STALE_READS, 2);
    expect_measure(&judged, MEASURE_STALENESS_P50, 30 * NS_PER_MS);
    expect_measure(&judged, MEASURE_STALENESS_P99, 40 * NS_PER_MS);
    expect_measure(&judged, MEASURE_STALENESS_MAX, 40 * NS_PER_MS);
    expect_fate(&judged, 3, FATE_STALE);
    expect_fate(&judged, 5, FATE_KEPT);
    cr_expect_eq(judged.judgement.verdict, VERDICT_INVALID);
    judged_free(&judged);
}

Test(staleness, a_write_still_open_when_the_read_began_may_be_missed)
{
    const struct made rows[] = {APPEND(1, 10, 0, 1), READ(9, 20, 1, NULL),
                                READ(5, 6, 2, NULL), FINAL(200, "1")};
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_STALE_READS, 0);
    expect_measure(&judged, MEASURE_STALENESS_MAX, 0);
    expect_verdict(&judged, "staleness", VERDICT_VALID);
    judged_free(&judged);
}

Test(staleness, lost_failed_and_unknown_writes_make_no_read_stale)
{
    struct made rows[] = {APPEND(1, 10, 0, 1), APPEND(11, 20, 0, 2),
                          APPEND(21, 30, 0, 3), READ(50, 60, 1, NULL), FINAL(200, "3")};
    rows[1].type = HISTORY_FAIL;
    rows[2].type = HISTORY_INFO;
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_LOST_WRITES, 1);
    expect_measure(&judged, MEASURE_STALE_READS, 0);
    judged_free(&judged);
}

Test(staleness, a_lost_write_is_missed_for_as_long_as_others_read_it)
{
    const struct made rows[] = {
        APPEND(1, 10, 0, 1),    APPEND(11, 20, 0, 2),  /* both lost */
        READ(30, 35, 1, NULL),                         /* misses 1 and 2: 30 - 10 */
        READ(40, 45, 2, "1 2"), READ(45, 49, 1, NULL), /* misses 2: 45 - 20 */
        READ(50, 55, 2, "2"),                          /* the last to see one */
        READ(60, 65, 1, NULL),                         /* lost by now */
        APPEND(70, 80, 0, 3),   READ(90, 95, 1, NULL), /* misses 3: 90 - 80 */
        FINAL(200, "3"),
    };
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_LOST_WRITES, 2);
    expect_measure(&judged, MEASURE_STALE_READS, 3);
    expect_measure(&judged, MEASURE_STALENESS_MAX, 25 * NS_PER_MS);
    expect_measure(&judged, MEASURE_STALENESS_P50, 20 * NS_PER_MS);
    expect_fate(&judged, 6, FATE_KEPT);
    judged_free(&judged);
}

Test(staleness, probes_and_final_reads_are_not_judged)
{
    struct made rows[] = {APPEND(1, 10, 0, 1), READ(50, 60, 1, NULL), FINAL(100, NULL),
                          FINAL(200, "1")};
    rows[1].probe = true;
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_STALE_READS, 0);
    judged_free(&judged);
}

Test(staleness, of_registers_holds_only_what_real_time_proves_against_a_read)
{
    const struct made rows[] = {
        WRITE(1, 10, 0, 1),
        WRITE(11, 30, 0, 2), /* these two overlap: either may be the newer */
        WRITE(12, 20, 1, 3),
        READ(40, 50, 2, "=1"), /* 2 and 3 are newer; 3 ended first: 40 - 20 */
        READ(41, 51, 3, "=2"), /* fresh, if 2 came behind 3 */
        READ(42, 52, 4, "=3"), /* fresh, if 3 came behind 2 */
        READ(43, 53, 5, NULL), /* nothing: 43 - 10 */
    };
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_STALE_READS, 2);
    expect_measure(&judged, MEASURE_STALENESS_MAX, 33 * NS_PER_MS);
    expect_measure(&judged, MEASURE_STALENESS_P50, 20 * NS_PER_MS);
    judged_free(&judged);
}

Test(staleness, a_register_write_with_an_unknown_outcome_is_older_than_nothing)
{
    struct made rows[] = {WRITE(1, 10, 0, 1), WRITE(11, 20, 1, 2),
                          READ(40, 50, 2, "=1")};
    rows[0].type = HISTORY_INFO; /* may have taken effect behind 2 */
    struct judged judged = JUDGE(rows, 1, "fresh");
    expect_measure(&judged, MEASURE_STALE_READS, 0);
    judged_free(&judged);
}

/* When what a read saw had surely ended; 0: it saw nothing; never: it may last. */
static uint64_t end_of_seen(const struct operations *all, const struct operation *read)
{
    if (read->result.kind == HISTORY_NIL)
        return 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].f == HISTORY_WRITE && all->items[i].key == read->key &&
            all->items[i].argument.integer == read->result.integer)
            return all->items[i].type == HISTORY_OK ? all->items[i].complete_ns
                                                    : HISTORY_NEVER;
    return HISTORY_NEVER;
}

/* By how long a read of a register was behind, from the definition; 0: it was not. */
static uint64_t behind_slowly(const struct operations *all,
                              const struct operation *read)
{
    uint64_t first_ns = HISTORY_NEVER, seen_ns = end_of_seen(all, read);
    for (size_t i = 0; i < all->n; i++) {
        const struct operation *write = &all->items[i];
        bool newer = write->f == HISTORY_WRITE && write->type == HISTORY_OK &&
                     write->key == read->key && write->invoke_ns > seen_ns;
        if (newer && write->complete_ns < read->invoke_ns &&
            write->complete_ns < first_ns)
            first_ns = write->complete_ns;
    }
    return first_ns == HISTORY_NEVER ? 0 : read->invoke_ns - first_ns;
}

Test(staleness, of_random_registers_is_what_the_definition_says)
{
    uint64_t all_stale = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 100,
                                     .processes = 5,
                                     .keys = 2,
                                     .nodes = 1,
                                     .reads = 50,
                                     .info = 10,
                                     .registers = true,
                                     .gibberish = true};
        struct random_truth truth;
        struct judged judged = {.history = random_history(&shape, &truth)};
        cr_assert_eq(judge_history(judged.history, model_find("fresh", NULL),
                                   &judged.judgement, NULL),
                     0);
        const struct operations *all = &judged.judgement.operations;
        uint64_t stale = 0, longest = 0;
        for (size_t i = 0; i < all->n; i++) {
            if (all->items[i].f != HISTORY_READ || all->items[i].type != HISTORY_OK)
                continue;
            uint64_t behind = behind_slowly(all, &all->items[i]);
            stale += behind > 0;
            longest = behind > longest ? behind : longest;
            cr_expect_eq(judged.judgement.fates[i], behind ? FATE_STALE : FATE_KEPT,
                         "seed %" PRIu64 ", operation %zu", seed, i);
        }
        expect_measure(&judged, MEASURE_STALE_READS, stale);
        expect_measure(&judged, MEASURE_STALENESS_MAX, longest);
        all_stale += stale;
        judged_free(&judged);
    }
    cr_expect_gt(all_stale, 100);
}

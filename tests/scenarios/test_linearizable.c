/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/made_history.h"
#include "tests/scenarios/random_history.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define READ(from, to, process_, saw_)                                                 \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .saw = saw_                 \
    }
#define WRITE(from, to, process_, element_)                                            \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_WRITE,         \
        .element = element_                                                            \
    }
#define CAS(from, to, process_, expected_, element_)                                   \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_CAS,           \
        .element = element_, .expected = expected_                                     \
    }

#define EXPECT(verdict_, rows)                                                         \
    do {                                                                               \
        struct judged judged = JUDGE(rows, 0, "register");                             \
        cr_expect_eq(judged.judgement.verdict, verdict_);                              \
        expect_measure(&judged, MEASURE_LINEARIZABLE, verdict_ == VERDICT_VALID);      \
        judged_free(&judged);                                                          \
    } while (0)

Test(linearizable, overlapping_operations_may_take_either_order)
{
    const struct made rows[] = {WRITE(1, 10, 0, 1), WRITE(2, 9, 1, 2),
                                READ(3, 4, 2, "=1"), READ(5, 6, 2, "=2")};
    EXPECT(VERDICT_VALID, rows);
}

Test(linearizable, a_value_does_not_come_back)
{
    const struct made rows[] = {WRITE(1, 10, 0, 1), WRITE(2, 9, 1, 2),
                                READ(3, 4, 2, "=1"), READ(5, 6, 2, "=2"),
                                READ(7, 8, 2, "=1")};
    EXPECT(VERDICT_INVALID, rows);
}

Test(linearizable, a_read_does_not_miss_a_write_that_had_ended)
{
    const struct made rows[] = {WRITE(1, 2, 0, 1), READ(3, 4, 1, NULL)};
    EXPECT(VERDICT_INVALID, rows);
}

Test(linearizable, an_unknown_write_may_take_effect_late_or_never_but_once)
{
    struct made rows[] = {WRITE(1, 2, 0, 1), WRITE(3, 4, 1, 2), READ(5, 6, 2, "=2"),
                          READ(7, 8, 2, "=1"), READ(9, 10, 2, "=2")};
    rows[0].type = HISTORY_INFO;
    EXPECT(VERDICT_INVALID, rows);
    rows[4].saw = "=1";
    EXPECT(VERDICT_VALID, rows);
}

Test(linearizable, a_failed_write_is_never_read)
{
    struct made rows[] = {WRITE(1, 2, 0, 1), READ(5, 6, 2, "=1")};
    rows[0].type = HISTORY_FAIL;
    EXPECT(VERDICT_INVALID, rows);
}

Test(linearizable, compare_and_set_needs_its_value)
{
    struct made rows[] = {WRITE(1, 2, 0, 1), CAS(3, 4, 1, 1, 2), CAS(5, 6, 2, 2, 1),
                          READ(7, 8, 3, "=1")};
    EXPECT(VERDICT_VALID, rows);
    rows[1].expected = 5;
    EXPECT(VERDICT_INVALID, rows);
    rows[1].type = HISTORY_FAIL; /* it did not happen, nor could the one behind it */
    EXPECT(VERDICT_INVALID, rows);
    rows[2].type = HISTORY_INFO; /* which may not have happened either */
    EXPECT(VERDICT_VALID, rows);
}

Test(linearizable, keys_are_judged_one_by_one)
{
    struct made rows[] = {WRITE(1, 2, 0, 1), WRITE(3, 4, 0, 2), READ(5, 6, 1, "=1")};
    rows[1].key = 1;
    EXPECT(VERDICT_VALID, rows);
}

struct slow {
    const struct operation *ops[16];
    size_t n;
};

static bool try_orders(const struct slow *slow, unsigned done, bool known,
                       int64_t value)
{
    bool all = true;
    for (size_t i = 0; i < slow->n; i++)
        all &= (done >> i & 1) || slow->ops[i]->type != HISTORY_OK;
    if (all)
        return true;
    for (size_t i = 0; i < slow->n; i++) {
        const struct operation *o = slow->ops[i];
        bool first = !(done >> i & 1);
        for (size_t j = 0; j < slow->n; j++)
            if (!(done >> j & 1) && slow->ops[j]->type == HISTORY_OK &&
                slow->ops[j]->complete_index < o->invoke_index)
                first = false;
        if (!first)
            continue;
        bool fits =
            o->f == HISTORY_WRITE ||
            (o->f == HISTORY_CAS && known && value == o->argument.pair.from) ||
            (o->f == HISTORY_READ &&
             (o->result.kind == HISTORY_NIL ? !known
                                            : known && value == o->result.integer));
        int64_t next = o->f == HISTORY_WRITE ? o->argument.integer
                       : o->f == HISTORY_CAS ? o->argument.pair.to
                                             : value;
        if (fits &&
            try_orders(slow, done | 1u << i, known || o->f != HISTORY_READ, next))
            return true;
    }
    return false;
}

static bool judge_slowly(const struct judgement *judgement)
{
    struct slow slow = {.n = 0};
    for (size_t i = 0; i < judgement->operations.n; i++) {
        const struct operation *o = &judgement->operations.items[i];
        if (o->type == HISTORY_OK || (o->type == HISTORY_INFO && operation_writes(o)))
            slow.ops[slow.n++] = o;
    }
    return try_orders(&slow, 0, false, 0);
}

/* Eight operations of three processes on values 0 to 2, answers at random. */
static size_t make_rows(uint64_t *rng, struct made *rows, bool unique)
{
    unsigned free_at[3] = {1, 1, 1};
    int names[3] = {0, 1, 2}, next = 3;
    for (size_t i = 0; i < 8; i++) {
        size_t w = (size_t)random_below(rng, 3);
        unsigned from = free_at[w] + (unsigned)random_below(rng, 6);
        unsigned to = from + 1 + (unsigned)random_below(rng, 12);
        static const char *const seen[] = {"=0", "=1", "=2", "=3", "=4", NULL};
        int64_t value = unique ? (int64_t)i : (int64_t)random_below(rng, 3);
        uint64_t dice = random_below(rng, 10);
        rows[i] = (struct made)READ(from, to, names[w], seen[random_below(rng, 6)]);
        if (dice < 4)
            rows[i] = (struct made)WRITE(from, to, names[w], value);
        else if (dice < 6 && !unique)
            rows[i] = (struct made)CAS(from, to, names[w],
                                       (int64_t)random_below(rng, 3), value);
        if (dice < 6 && random_below(rng, 5) == 0) {
            rows[i].type = random_below(rng, 2) ? HISTORY_INFO : HISTORY_FAIL;
            names[w] = next++;
        }
        free_at[w] = to + 1;
    }
    return 8;
}

static void compare_with_all_orders(bool unique)
{
    unsigned valid = 0, invalid = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        struct made rows[8];
        uint64_t rng = seed;
        size_t n = make_rows(&rng, rows, unique);
        bool writes = false;
        for (size_t i = 0; i < n; i++)
            writes |= rows[i].f != HISTORY_READ;
        if (!writes)
            continue;
        struct judged judged = judge_made(rows, n, 0, "register");
        bool wanted = judge_slowly(&judged.judgement);
        cr_expect_eq(judged.judgement.verdict, wanted ? VERDICT_VALID : VERDICT_INVALID,
                     "seed %" PRIu64, seed);
        valid += wanted;
        invalid += !wanted;
        judged_free(&judged);
    }
    cr_expect(valid > 50 && invalid > 50, "%u valid, %u invalid", valid, invalid);
}

Test(linearizable, the_search_says_what_trying_every_order_says)
{
    compare_with_all_orders(false);
}

Test(linearizable, zones_say_what_trying_every_order_says)
{
    compare_with_all_orders(true);
}

Test(linearizable, a_stale_read_in_a_long_history_is_found)
{
    unsigned invalid = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 500,
                                     .processes = 6,
                                     .keys = 2,
                                     .nodes = 1,
                                     .reads = 50,
                                     .info = 5,
                                     .registers = true,
                                     .gibberish = seed % 2 == 0};
        struct random_truth truth;
        struct judged judged = {.history = random_history(&shape, &truth)};
        const char *near;
        cr_assert_eq(judge_history(judged.history, model_find("register", &near),
                                   &judged.judgement, NULL),
                     0);
        cr_expect_eq(judged.judgement.verdict,
                     shape.gibberish ? VERDICT_INVALID : VERDICT_VALID, "seed %" PRIu64,
                     seed);
        invalid += judged.judgement.verdict == VERDICT_INVALID;
        judged_free(&judged);
    }
    cr_expect_gt(invalid, 0);
}

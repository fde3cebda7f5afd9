/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/made_history.h"
#include "tests/scenarios/random_history.h"

#include <criterion/criterion.h>
#include <inttypes.h>

/* A store in memory that behaves, and one that does wrong what it is told to and keeps
 * count: the checkers must say of the first that all is well, and find of the second
 * exactly what it did. */

static struct judged judge_random(const struct random_shape *shape,
                                  struct random_truth *truth)
{
    struct judged judged = {.history = random_history(shape, truth)};
    struct errmsg err = {""};
    const char *near;
    cr_assert_eq(judge_history(judged.history, model_find("single-copy", &near),
                               &judged.judgement, &err),
                 0, "seed %" PRIu64 ": %s", shape->seed, err.text);
    return judged;
}

static void expect_found(const struct judged *judged, uint64_t seed,
                         enum measure measure, uint64_t wanted)
{
    struct measure_value value = judged->judgement.measures.values[measure];
    cr_expect(value.known && value.value == wanted,
              "seed %" PRIu64 ": %s is %" PRIu64 ", done were %" PRIu64, seed,
              measure_row(measure)->name, value.value, wanted);
}

Test(simulated, a_store_that_behaves_is_a_single_copy)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 400,
                                     .processes = 8,
                                     .keys = 3,
                                     .nodes = 1,
                                     .reads = 50,
                                     .info = 5,
                                     .failed = 5,
                                     .registers = seed % 2 == 0};
        struct random_truth truth;
        struct judged judged = judge_random(&shape, &truth);
        cr_expect_eq(judged.judgement.verdict, VERDICT_VALID, "seed %" PRIu64, seed);
        for (int i = 0; i < MEASURE_COUNT; i++)
            cr_expect(
                i == MEASURE_SPLIT_BRAIN ||
                    !measure_shows_harm(&judged.judgement.measures, (enum measure)i),
                "seed %" PRIu64 ": %s", seed, measure_row((enum measure)i)->name);
        cr_expect_eq(judged.judgement.evidence.total[FINDING_STALE], 0);
        judged_free(&judged);
    }
}

Test(simulated, each_lost_recovered_ghost_and_doubled_write_and_no_other_is_found)
{
    struct random_truth all = {0};
    for (uint64_t seed = 1; seed <= 80; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 300,
                                     .processes = 6,
                                     .keys = 2,
                                     .nodes = 3,
                                     .reads = 40,
                                     .info = 10,
                                     .failed = 10,
                                     .lost = 8,
                                     .ghost = 20,
                                     .twice = 5};
        struct random_truth truth;
        struct judged judged = judge_random(&shape, &truth);
        expect_found(&judged, seed, MEASURE_ACKED, truth.acked);
        expect_found(&judged, seed, MEASURE_LOST_WRITES, truth.lost);
        expect_found(&judged, seed, MEASURE_RECOVERED_WRITES, truth.recovered);
        expect_found(&judged, seed, MEASURE_GHOST_WRITES, truth.ghosts);
        expect_found(&judged, seed, MEASURE_DUPLICATES, truth.duplicates);
        expect_found(&judged, seed, MEASURE_STALE_READS, 0);
        all.lost += truth.lost;
        all.recovered += truth.recovered;
        all.ghosts += truth.ghosts;
        all.duplicates += truth.duplicates;
        judged_free(&judged);
    }
    cr_expect(all.lost && all.recovered && all.ghosts && all.duplicates);
}

Test(simulated, each_stale_read_and_no_other_is_found_beside_losses)
{
    uint64_t stale = 0;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 300,
                                     .processes = 6,
                                     .keys = 2,
                                     .nodes = 3,
                                     .reads = 60,
                                     .info = 5,
                                     .lost = 5,
                                     .stale = 15};
        struct random_truth truth;
        struct judged judged = judge_random(&shape, &truth);
        expect_found(&judged, seed, MEASURE_STALE_READS, truth.stale);
        expect_found(&judged, seed, MEASURE_LOST_WRITES, truth.lost);
        stale += truth.stale;
        judged_free(&judged);
    }
    cr_expect(stale > 0);
}

static bool finds(const struct evidence *evidence, const struct operation *operation,
                  const struct judgement *judgement)
{
    for (size_t i = 0; i < evidence->n; i++)
        if (evidence->items[i].kind == FINDING_LOST &&
            &judgement->operations.items[evidence->items[i].operation] == operation)
            return true;
    return false;
}

Test(simulated, every_lost_write_is_named_and_has_its_fate)
{
    struct random_shape shape = {.seed = 7,
                                 .operations = 400,
                                 .processes = 6,
                                 .keys = 2,
                                 .nodes = 3,
                                 .reads = 40,
                                 .lost = 10};
    struct random_truth truth;
    struct judged judged = judge_random(&shape, &truth);
    uint64_t lost = 0;
    for (size_t i = 0; i < judged.judgement.operations.n; i++) {
        bool is_lost = judged.judgement.fates[i] == FATE_LOST;
        lost += is_lost;
        cr_expect_eq(is_lost,
                     finds(&judged.judgement.evidence,
                           &judged.judgement.operations.items[i], &judged.judgement));
    }
    cr_expect_eq(lost, truth.lost);
    cr_expect_gt(lost, 0);
    judged_free(&judged);
}

Test(simulated, evidence_is_capped_and_its_total_is_not)
{
    struct random_shape shape = {.seed = 9,
                                 .operations = 6000,
                                 .processes = 6,
                                 .keys = 50,
                                 .nodes = 1,
                                 .reads = 10,
                                 .lost = 50};
    struct random_truth truth;
    struct judged judged = judge_random(&shape, &truth);
    cr_assert_gt(truth.lost, FINDING_LIMIT);
    cr_expect_eq(judged.judgement.evidence.kept[FINDING_LOST], FINDING_LIMIT);
    cr_expect_eq(judged.judgement.evidence.total[FINDING_LOST], truth.lost);
    judged_free(&judged);
}

/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/made_history.h"
#include "tests/scenarios/random_history.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define READ(from, process_, key_, saw_)                                               \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = process_, .key = key_,          \
        .saw = saw_, .node = 1                                                         \
    }
#define APPEND(from, process_, key_, element_)                                         \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = process_, .f = HISTORY_APPEND,  \
        .key = key_, .element = element_, .node = 1                                    \
    }
#define WRITE(from, process_, key_, element_)                                          \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = process_, .f = HISTORY_WRITE,   \
        .key = key_, .element = element_, .node = 1                                    \
    }

struct counts {
    uint64_t own, monotonic, writes, follow;
};

static void expect_counts(const struct judged *judged, struct counts wanted)
{
    expect_measure(judged, MEASURE_READ_YOUR_WRITES, wanted.own);
    expect_measure(judged, MEASURE_MONOTONIC_READS, wanted.monotonic);
    expect_measure(judged, MEASURE_MONOTONIC_WRITES, wanted.writes);
    expect_measure(judged, MEASURE_WRITES_FOLLOW_READS, wanted.follow);
}

#define EXPECT_COUNTS(rows, ...)                                                       \
    do {                                                                               \
        struct judged judged = JUDGE(rows, 1, "sessions");                             \
        expect_counts(&judged, (struct counts){__VA_ARGS__});                          \
        judged_free(&judged);                                                          \
    } while (0)

Test(sessions, a_read_without_an_own_acknowledged_write_breaks_read_your_writes)
{
    struct made rows[] = {APPEND(1, 0, 7, 1), READ(3, 0, 7, NULL), READ(5, 1, 7, NULL),
                          READ(7, 0, 7, "1")};
    EXPECT_COUNTS(rows, 1, 0, 0, 0);
    rows[0].type = HISTORY_FAIL;
    rows[3].saw = NULL;
    EXPECT_COUNTS(rows, 0, 0, 0, 0);
}

Test(sessions, a_read_without_what_was_read_before_breaks_monotonic_reads)
{
    const struct made rows[] = {APPEND(1, 0, 7, 1),   APPEND(3, 0, 7, 2),
                                READ(5, 1, 7, "1 2"), READ(7, 1, 7, "1"),
                                READ(9, 1, 7, "1"), /* counts again: 2 was known */
                                READ(11, 2, 7, "1") /* another session */};
    EXPECT_COUNTS(rows, 0, 2, 0, 0);
}

Test(sessions, writes_of_a_process_are_seen_in_its_order)
{
    const struct made rows[] = {APPEND(1, 0, 7, 1), APPEND(3, 0, 7, 2),
                                READ(5, 1, 7, "2"),   /* 2 without 1 */
                                READ(7, 2, 7, "2 1"), /* both, in the wrong order */
                                READ(9, 3, 7, "1")};
    EXPECT_COUNTS(rows, 0, 0, 2, 0);
}

Test(sessions, monotonic_writes_hold_across_keys)
{
    const struct made rows[] = {APPEND(1, 0, 7, 1), APPEND(3, 0, 8, 2),
                                READ(5, 1, 8, "2"), READ(7, 1, 7, NULL),
                                READ(9, 2, 7, NULL) /* did not see 2 */};
    EXPECT_COUNTS(rows, 0, 0, 1, 0);
}

Test(sessions, who_sees_a_write_sees_what_its_writer_had_read)
{
    const struct made rows[] = {APPEND(1, 0, 7, 1), READ(3, 1, 7, "1"),
                                APPEND(5, 1, 8, 2), READ(7, 2, 8, "2"),
                                READ(9, 2, 7, NULL) /* 1 was read before 2 */};
    EXPECT_COUNTS(rows, 0, 0, 0, 1);
}

Test(sessions, what_was_read_after_the_write_binds_nobody)
{
    const struct made rows[] = {APPEND(1, 0, 7, 1), APPEND(3, 1, 8, 2),
                                READ(5, 1, 7, "1"), READ(7, 2, 8, "2"),
                                READ(9, 2, 7, NULL)};
    EXPECT_COUNTS(rows, 0, 0, 0, 0);
}

Test(sessions, of_registers_are_judged_by_what_real_time_proves)
{
    const struct made own[] = {WRITE(1, 0, 7, 1), WRITE(3, 0, 7, 2),
                               READ(5, 0, 7, "=1")};
    EXPECT_COUNTS(own, 1, 0, 0, 0);
    const struct made back[] = {WRITE(1, 0, 7, 1), WRITE(3, 0, 7, 2),
                                READ(5, 1, 7, "=2"), READ(7, 1, 7, "=1")};
    EXPECT_COUNTS(back, 0, 1, 0, 0);
    const struct made nothing[] = {WRITE(1, 0, 7, 1), READ(5, 1, 7, "=1"),
                                   READ(7, 1, 7, NULL)};
    EXPECT_COUNTS(nothing, 0, 1, 0, 0);
    const struct made across[] = {WRITE(1, 0, 7, 1), WRITE(3, 0, 7, 2),
                                  WRITE(5, 0, 8, 3), READ(7, 1, 8, "=3"),
                                  READ(9, 1, 7, "=1")};
    EXPECT_COUNTS(across, 0, 0, 1, 0);
    const struct made follows[] = {WRITE(1, 0, 7, 1),   WRITE(3, 0, 7, 2),
                                   READ(5, 1, 7, "=2"), WRITE(7, 1, 8, 3),
                                   READ(9, 2, 8, "=3"), READ(11, 2, 7, "=1")};
    EXPECT_COUNTS(follows, 0, 0, 0, 1);
    struct made overlap[] = {WRITE(1, 0, 7, 1), WRITE(1, 1, 7, 2), READ(5, 0, 7, "=2"),
                             READ(7, 2, 7, "=1"), READ(9, 2, 7, "=2")};
    EXPECT_COUNTS(overlap, 0, 0, 0, 0);
}

struct slow {
    const struct judgement *judgement;
    const struct operation *ops;
    size_t n;
};

static bool is_session_read(const struct slow *slow, size_t i)
{
    const struct operation *o = &slow->ops[i];
    return o->f == HISTORY_READ && o->type == HISTORY_OK && operation_is_workload(o);
}

static bool is_ok_write(const struct slow *slow, size_t i)
{
    return operation_writes(&slow->ops[i]) && slow->ops[i].type == HISTORY_OK;
}

static size_t position(const struct slow *slow, size_t read, size_t write)
{
    const struct history_value *value = &slow->ops[read].result;
    int64_t element = slow->ops[write].argument.integer;
    if (slow->ops[read].key != slow->ops[write].key)
        return SIZE_MAX;
    if (value->kind == HISTORY_INTEGER)
        return value->integer == element ? 0 : SIZE_MAX;
    for (size_t i = 0; value->kind == HISTORY_LIST && i < value->list.n; i++)
        if (value->list.items[i] == element)
            return i;
    return SIZE_MAX;
}

static bool shows(const struct slow *slow, size_t read, size_t write)
{
    return position(slow, read, write) != SIZE_MAX;
}

static bool misses(const struct slow *slow, size_t read, size_t write)
{
    const struct operation *r = &slow->ops[read], *w = &slow->ops[write];
    if (!operation_writes(w) || r->key != w->key)
        return false;
    if (w->f == HISTORY_APPEND)
        return !shows(slow, read, write);
    if (r->result.kind == HISTORY_NIL)
        return true;
    for (size_t i = 0; i < slow->n; i++)
        if (operation_writes(&slow->ops[i]) && shows(slow, read, i))
            return slow->ops[i].type == HISTORY_OK &&
                   slow->ops[i].complete_ns < w->invoke_ns;
    return false;
}

/* Reads of one session up to and with this one. */
static bool has_read(const struct slow *slow, size_t read, size_t write)
{
    for (size_t i = 0; i <= read; i++)
        if (is_session_read(slow, i) &&
            slow->ops[i].process == slow->ops[read].process && shows(slow, i, write))
            return true;
    return false;
}

static bool breaks_own(const struct slow *slow, size_t read)
{
    for (size_t w = 0; w < read; w++)
        if (is_ok_write(slow, w) && slow->ops[w].process == slow->ops[read].process &&
            misses(slow, read, w))
            return true;
    return false;
}

static bool breaks_monotonic(const struct slow *slow, size_t read, int32_t process,
                             size_t before)
{
    for (size_t r = 0; r < before; r++)
        for (size_t w = 0;
             is_session_read(slow, r) && slow->ops[r].process == process && w < slow->n;
             w++)
            if (shows(slow, r, w) && misses(slow, read, w))
                return true;
    return false;
}

static bool breaks_writes(const struct slow *slow, size_t read)
{
    for (size_t w2 = 0; w2 < slow->n; w2++) {
        if (!operation_writes(&slow->ops[w2]) || !has_read(slow, read, w2))
            continue;
        for (size_t w1 = 0; w1 < w2; w1++) {
            if (!operation_writes(&slow->ops[w1]) ||
                slow->ops[w1].process != slow->ops[w2].process)
                continue;
            if (is_ok_write(slow, w1) && misses(slow, read, w1))
                return true;
            if (slow->ops[w1].f == HISTORY_APPEND && shows(slow, read, w1) &&
                shows(slow, read, w2) &&
                position(slow, read, w1) > position(slow, read, w2))
                return true;
        }
    }
    return false;
}

static bool breaks_follow(const struct slow *slow, size_t read)
{
    for (size_t w = 0; w < slow->n; w++)
        if (operation_writes(&slow->ops[w]) &&
            slow->ops[w].process != slow->ops[read].process &&
            has_read(slow, read, w) &&
            breaks_monotonic(slow, read, slow->ops[w].process, w))
            return true;
    return false;
}

static struct counts count_slowly(const struct judgement *judgement)
{
    struct slow slow = {judgement, judgement->operations.items,
                        judgement->operations.n};
    struct counts counts = {0};
    for (size_t i = 0; i < slow.n; i++) {
        if (!is_session_read(&slow, i))
            continue;
        counts.own += breaks_own(&slow, i);
        counts.monotonic += breaks_monotonic(&slow, i, slow.ops[i].process, i);
        counts.writes += breaks_writes(&slow, i);
        counts.follow += breaks_follow(&slow, i);
    }
    return counts;
}

static uint64_t found(const struct judged *judged, enum measure measure)
{
    struct measure_value value = judged->judgement.measures.values[measure];
    return value.known ? value.value : UINT64_MAX;
}

static void compare_with_definitions(bool registers)
{
    struct counts all = {0};
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct random_shape shape = {.seed = seed,
                                     .operations = 70,
                                     .processes = 5,
                                     .keys = 2,
                                     .nodes = 2,
                                     .reads = 50,
                                     .info = 10,
                                     .failed = 5,
                                     .ghost = 30,
                                     .gibberish = true,
                                     .registers = registers};
        struct random_truth truth;
        struct judged judged = {.history = random_history(&shape, &truth)};
        const char *near;
        cr_assert_eq(judge_history(judged.history, model_find("sessions", &near),
                                   &judged.judgement, NULL),
                     0);
        struct counts counts = count_slowly(&judged.judgement);
        cr_expect(found(&judged, MEASURE_READ_YOUR_WRITES) == counts.own &&
                      found(&judged, MEASURE_MONOTONIC_READS) == counts.monotonic &&
                      found(&judged, MEASURE_MONOTONIC_WRITES) == counts.writes &&
                      found(&judged, MEASURE_WRITES_FOLLOW_READS) == counts.follow,
                  "seed %" PRIu64, seed);
        all.own += counts.own;
        all.monotonic += counts.monotonic;
        all.writes += counts.writes;
        all.follow += counts.follow;
        judged_free(&judged);
    }
    cr_expect(all.own && all.monotonic && all.writes && all.follow,
              "the histories show each kind of harm");
}

Test(sessions, of_random_lists_are_judged_as_the_definitions_say)
{
    compare_with_definitions(false);
}

Test(sessions, of_random_registers_are_judged_as_the_definitions_say)
{
    compare_with_definitions(true);
}

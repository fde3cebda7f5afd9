/* SPDX-License-Identifier: MIT */
/* Each fault alone on a stream, under virtual time; the catalogue as a whole. */
#include "rules/faults/fault.h"
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

TestSuite(fault, .init = one_stream_begin, .fini = one_stream_end);

Test(fault, rows_are_whole)
{
    for (const struct fault *const *row = fault_catalogue(); *row; row++) {
        const struct fault *fault = *row;
        cr_expect(fault->name && fault->help && fault->fidelity && fault->fields);
        cr_expect_str_eq(fault->fields->name, fault->name, "its first key is its name");
        cr_expect_eq(fault_find(fault->name), fault);
        cr_expect_leq(fault->state_bytes, FAULT_STATE_BYTES);
        bool acts = fault->admit || fault->step || fault->due || fault->gone;
        cr_expect_neq(acts, fault->in_kernel, "%s", fault->name);
        cr_expect_eq(fault->in_kernel, fault->model && fault_find(fault->model));
        cr_expect_eq(fault->in_kernel, fault->to_model != NULL);
        cr_expect_eq(fault->due != NULL, fault->ends != FAULT_ENDS_NOTHING);
    }
    cr_expect_null(fault_find("latency"));
}

/* At which times bytes arrive, and what leaves when. */
struct story {
    const char *what;
    struct {
        uint64_t at_ms, bytes; /* bytes 0: fin; at_ms 0 and bytes 0: no more */
    } arrivals[5];
    const char *leaves;
};

static const struct story stories[] = {
    {"delay=40ms", {{0, 10}, {5, 20}, {30, 0}}, "40ms:10 45ms:20 70ms:fin"},
    {"delay=0s", {{0, 10}, {5, 20}}, "0s:10 5ms:20"},
    {"rate=1kB/s", {{0, 12}}, "5ms:5 10ms:5 12ms:2"},
    {"rate=100kB/s", {{0, 2000}}, "5ms:500 10ms:500 15ms:500 20ms:500"},
    {"rate=1kB/s", {{0, 5}, {100, 5}, {102, 5}}, "5ms:5 105ms:5 110ms:5"},
    {"rate=1kB/s burst=15B", {{0, 15}, {1, 10}}, "0s:15 5ms:5 10ms:5"},
    {"rate=1kB/s burst=15B", {{0, 20}, {1000, 15}}, "0s:15 5ms:5 1s:15"},
    {"rate=1kB/s", {{0, 7}, {1, 0}}, "5ms:5 7ms:2 7ms:fin"},
    {"rate=8kbit/s", {{0, 5}}, "5ms:5"},
    {"corrupt.per_byte=100%", {{0, 10}, {5, 1}, {9, 0}}, "0s:10 5ms:1 9ms:fin"},
    {"slice.size=4B", {{0, 10}}, "0s:4 0s:4 0s:2"},
    {"slice.size=4B slice.gap=3ms", {{0, 10}, {20, 3}}, "0s:4 3ms:4 6ms:2 20ms:3"},
    {"slice.size=4B slice.gap=3ms", {{0, 4}, {1, 4}, {1, 0}}, "0s:4 3ms:4 3ms:fin"},
    {"slice.size=4B delay=10ms", {{0, 6}}, "10ms:4 10ms:2"},
    {"loss=0%", {{0, 5000}, {1, 0}}, "0s:5000 1ms:fin"},
    {"loss=100%", {{0, 10}, {1, 0}}, ""},
    {"stall=true", {{0, 10}, {1, 0}}, ""},
    {"discard=true", {{0, 10}, {1, 0}}, ""},
    {"reset.after=25ms", {{0, 10}, {30, 10}}, "0s:10 25ms:reset"},
    {"close.after=0s", {{1, 10}}, "0s:close"},
    {"close.after=15B", {{0, 10}, {2, 10}}, "0s:10 2ms:5 2ms:close"},
    {"reset.after=20B", {{0, 10}, {2, 10}}, "0s:10 2ms:10 2ms:reset"},
    {"reset.after=0B", {{3, 10}}, "0s:reset"},
    {"reset.after=20B", {{0, 10}, {2, 0}}, "0s:10 2ms:fin"},
    {"refuse=true", {{0, 10}}, "0s:10"},
    {"half_open=to_client", {{0, 10}}, "0s:10"},
    {"unanswered=true", {{0, 10}}, "0s:10"},
    {"accept_delay=5s", {{0, 10}}, "0s:10"},
};

Test(fault, does_to_a_stream_what_its_row_says)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        const struct story *story = &stories[i];
        one_stream_open_with(story->what);
        for (size_t j = 0; j < 5; j++) {
            uint64_t bytes = story->arrivals[j].bytes;
            if (bytes == 0 && story->arrivals[j].at_ms == 0)
                break;
            stream_run(&stream, story->arrivals[j].at_ms * MS);
            if (bytes && !stream.is_over)
                stream_take(&stream, bytes);
            else if (!stream.is_over)
                stream_fin(&stream);
        }
        stream_run(&stream, 60 * SECOND);
        char text[1024];
        cr_expect_str_eq(stream_story(&stream, 0, text, sizeof text), story->leaves,
                         "%s: %s, not %s", story->what, text, story->leaves);
        one_stream_renew();
    }
}

Test(fault, an_end_beyond_all_time_never_comes)
{
    world_inject(&world, "base", "rule", "a", "b", "reset.after=5124000h");
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 400000 * SECOND);
    stream_run(&stream, 500000 * SECOND);
    cr_expect_not(stream.is_over);
}

Test(fault, refuse_speaks_of_attempts_only)
{
    world_inject(&world, "base", "rule", "a", "b", "refuse=true");
    world_compile(&world, 0);
    struct path *path = paths_find(world.paths, "a", "b", 1);
    struct match_connection connection = path_open(path, 0);
    struct match_verdict verdict =
        match_admit(path_match(path, world.plan), &connection, 0);
    cr_expect_eq(verdict.verb, ADMIT_REFUSE);
    cr_expect_eq(verdict.rule, world_rule(&world, "rule"));
}

Test(fault, accept_delay_holds_an_attempt_for_its_time_and_no_longer)
{
    world_inject(&world, "base", "short", "a", "b", "accept_delay=1s");
    world_inject(&world, "base", "rule", "a", "b", "accept_delay=3s for=10s");
    world_compile(&world, 0);
    static const struct {
        uint64_t opened_ns, now_ns;
        enum admit_verb verb;
        uint64_t until_ns;
        const char *rule;
    } rows[] = {
        {2 * SECOND, 2 * SECOND, ADMIT_HOLD, 5 * SECOND, "rule"},
        {2 * SECOND, 5 * SECOND - 1, ADMIT_HOLD, 5 * SECOND, "rule"},
        {2 * SECOND, 5 * SECOND, ADMIT_ACCEPT, 0, NULL},
        {9 * SECOND, 10 * SECOND, ADMIT_ACCEPT, 0, NULL}, /* the window is over */
        {10 * SECOND, 10 * SECOND, ADMIT_HOLD, 11 * SECOND, "short"},
    };
    struct path *path = paths_find(world.paths, "a", "b", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct match_connection connection = path_open(path, rows[i].opened_ns);
        struct match_verdict verdict =
            match_admit(path_match(path, world.plan), &connection, rows[i].now_ns);
        cr_expect_eq(verdict.verb, rows[i].verb, "row %zu", i);
        cr_expect_eq(verdict.until_ns, rows[i].until_ns, "row %zu", i);
        cr_expect_eq(verdict.rule,
                     rows[i].rule ? world_rule(&world, rows[i].rule) : NULL, "row %zu",
                     i);
    }
}

Test(fault, half_open_says_whose_side_is_gone_on_either_link)
{
    static const struct {
        const char *opener, *what;
        uint64_t now_ns;
        bool found;
        enum direction gone;
    } rows[] = {
        {"a", "half_open=to_server", 0, true, TO_SERVER},
        {"a", "half_open=to_client", 0, true, TO_CLIENT},
        {"b", "half_open=to_client", 0, true, TO_CLIENT}, /* by the link back */
        {"b", "half_open=to_server after=1s for=1s", SECOND - 1, false, TO_SERVER},
        {"b", "half_open=to_server after=1s for=1s", SECOND, true, TO_SERVER},
        {"b", "half_open=to_server after=1s for=1s", 2 * SECOND, false, TO_SERVER},
        {"a", "half_open=to_server probability=0%", 0, false, TO_SERVER},
        {"a", "delay=1s", 0, false, TO_SERVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_inject(&world, "base", "rule", "a", "b", rows[i].what);
        world_compile(&world, 0);
        bool is_opener = *rows[i].opener == 'a';
        struct path *path =
            paths_find(world.paths, is_opener ? "a" : "b", is_opener ? "b" : "a", 1);
        struct match_connection connection = path_open(path, 0);
        enum direction gone = !rows[i].gone;
        const struct plan_rule *rule = match_half_open(
            path_match(path, world.plan), &connection, rows[i].now_ns, &gone);
        cr_expect_eq(rule != NULL, rows[i].found, "row %zu", i);
        cr_expect_eq(gone,
                     rows[i].found ? rows[i].gone : (enum direction) !rows[i].gone,
                     "row %zu", i);
        one_stream_renew();
    }
}

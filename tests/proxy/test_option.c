/* SPDX-License-Identifier: MIT */
/* Command lines, and what is said of wrong ones. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 16 };

static struct given {
    const char *rules, *maybe;
    uint64_t seed, lasts_ns, held_bytes, threads;
    struct option_texts modes;
    bool json;
} given;

static int rest;
static char *words[WORDS];
static int n_words;

static void setup(void)
{
    given = (struct given){.seed = OPTION_NO_SEED, .threads = 1};
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    free(given.modes.items);
    for (int i = 0; i < n_words; i++)
        free(words[i]);
}

TestSuite(option, .init = setup, .fini = teardown);

/* option_begin() on a line of words with single spaces. */
static int begin(const char *line, bool operands_end_options)
{
    const struct option_row rows[] = {
        option_row_rules(&given.rules),
        option_row_seed(&given.seed),
        {"maybe", 0, OPTION_MAYBE, &given.maybe, "ADDRESS", "", 0, 0},
        {"for", 0, OPTION_DURATION, &given.lasts_ns, "DURATION", "", 0, 0},
        {"hold", 0, OPTION_BYTES, &given.held_bytes, "BYTES", "", 0, 0},
        {"threads", 't', OPTION_NUMBER, &given.threads, "N", "", 1, 64},
        {"mode", 'm', OPTION_TEXTS, &given.modes, "MODE", "", 0, 0},
        {"json", 0, OPTION_FLAG, &given.json, NULL, "", 0, 0},
        {0},
    };
    const struct option_command command = {"try", "[OPTIONS]", "Tries.", rows};
    char *copy = strdup(line), *at = copy;
    for (char *word; (word = strsep(&at, " ")) && n_words < WORDS - 1;)
        words[n_words++] = strdup(word);
    free(copy);
    return option_begin(&command, n_words, words, operands_end_options, &rest);
}

static void expect_told(FILE *from, const char *excerpt)
{
    char text[4096];
    (void)fflush(NULL);
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    cr_expect_not_null(strstr(text, excerpt), "no \"%s\" in: %s", excerpt, text);
}

Test(option, each_kind_is_read_into_its_target)
{
    cr_assert_eq(begin("try -f r.yaml --seed 7 --maybe=a:1 --for 150ms --hold=8MiB -t4 "
                       "-m a --mode b --json",
                       false),
                 OPTION_GOES_ON);
    cr_expect_eq(rest, n_words);
    cr_expect_str_eq(given.rules, "r.yaml");
    cr_expect_eq(given.seed, 7);
    cr_expect_str_eq(given.maybe, "a:1");
    cr_expect_eq(given.lasts_ns, 150000000);
    cr_expect_eq(given.held_bytes, 8 << 20);
    cr_expect_eq(given.threads, 4);
    cr_assert_eq(given.modes.n, 2);
    cr_expect_str_eq(given.modes.items[1], "b");
    cr_expect(given.json);
}

Test(option, what_is_absent_keeps_its_value)
{
    cr_assert_eq(begin("try --maybe --for ever", false), OPTION_GOES_ON);
    cr_expect_eq(given.seed, OPTION_NO_SEED);
    cr_expect_eq(given.threads, 1);
    cr_expect_null(given.rules);
    cr_expect_str_eq(given.maybe, "");
    cr_expect_eq(given.lasts_ns, UINT64_MAX);
    cr_expect_not(given.json);
}

Test(option, operands_may_stand_among_options)
{
    cr_assert_eq(begin("try one --json two -- --three", false), OPTION_GOES_ON);
    cr_expect(given.json);
    cr_assert_eq(n_words - rest, 3);
    cr_expect_str_eq(words[rest], "one");
    cr_expect_str_eq(words[rest + 2], "--three");
}

Test(option, of_a_command_that_runs_another_the_first_operand_ends_them)
{
    cr_assert_eq(begin("try --seed 1 make --json", true), OPTION_GOES_ON);
    cr_expect_not(given.json);
    cr_expect_str_eq(words[rest], "make");
}

Test(option, help_goes_to_stdout_and_is_done)
{
    cr_assert_eq(begin("try --help", false), EXIT_DONE);
    expect_told(cr_get_redirected_stdout(), "  -f, --rules RULES           the rule");
}

static const struct {
    const char *line, *told;
} wrong[] = {
    {"try --sed 1", "unknown option \"--sed\"; did you mean \"--seed\"?"},
    {"try --ruels x", "unknown option \"--ruels\"; did you mean \"--rules\"?"},
    {"try -x", "unknown option \"-x\""},
    {"try --rules", "\"--rules\" needs a value"},
    {"try --seed green", "--seed takes a number from 0 to 9223372036854775807, not"},
    {"try --seed 9223372036854775808", "--seed takes a number from 0 to"},
    {"try -t 0", "--threads takes a number from 1 to 64, not \"0\""},
    {"try -t -1", "--threads takes a number from 1 to 64, not \"-1\""},
    {"try --for 10", "--for: "},
    {"try --hold 10s", "--hold: "},
};

Test(option, wrong_ones_are_named_with_what_would_be_right)
{
    FILE *told = cr_get_redirected_stderr();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(begin(wrong[i].line, false), EXIT_USAGE, "%s", wrong[i].line);
        expect_told(told, wrong[i].told);
        while (n_words > 0)
            free(words[--n_words]);
    }
}

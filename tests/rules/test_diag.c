/* SPDX-License-Identifier: MIT */
/* Diagnostics as they are shown, to the character. */
#include "support.h"

#include "rules/utf8.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct source source = {"wan.yaml",
                                     "one: 1\n\ttwo: \xE6\x97\xA5 zwei\nthree", 27};

static struct mark at(uint32_t line, uint32_t column, uint32_t end_column)
{
    return (struct mark){&source, line, column, line, end_column};
}

static void expect_rendered(struct diag *diag, bool colour, const char *want)
{
    struct buffer out = {.text = NULL};
    diag_render(diag, colour, &out);
    cr_expect_str_eq(buffer_text(&out), want);
    buffer_close(&out);
    diag_close(diag);
}

Test(diag, shows_the_line_with_a_caret_under_the_whole_token)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(1, 1, 4);
    diag_error(&diag, &mark, "unknown key \"%s\"", "one");
    diag_hint(&diag, "did you mean \"two\"?");
    expect_rendered(&diag, false,
                    "wan.yaml:1:1: error: unknown key \"one\"\n"
                    "    1 | one: 1\n"
                    "      | ^~~ did you mean \"two\"?\n");
}

Test(diag, tabs_and_wide_characters_keep_the_caret_in_place)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(2, 9, 13);
    diag_warning(&diag, &mark, "odd");
    mark = at(2, 7, 8);
    diag_warning(&diag, &mark, "wide");
    expect_rendered(&diag, false,
                    "wan.yaml:2:7: warning: wide\n"
                    "    2 | \ttwo: \xE6\x97\xA5 zwei\n"
                    "      | \t     ^~\n"
                    "wan.yaml:2:9: warning: odd\n"
                    "    2 | \ttwo: \xE6\x97\xA5 zwei\n"
                    "      | \t        ^~~~\n");
}

Test(diag, come_out_in_the_order_of_the_text_whatever_was_found_first)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(3, 1, 6);
    diag_error(&diag, &mark, "last");
    mark = at(1, 6, 7);
    diag_error(&diag, &mark, "second");
    mark = at(1, 1, 4);
    diag_error(&diag, &mark, "first");
    diag_error(&diag, &mark, "beside it");
    cr_expect_str_eq(diag.items[0]->text, "first");
    cr_expect_str_eq(diag.items[1]->text, "beside it");
    cr_expect_str_eq(diag.items[2]->text, "second");
    cr_expect_str_eq(diag.items[3]->text, "last");
    diag_close(&diag);
}

Test(diag, sources_stay_together)
{
    static const struct source other = {"lan.yaml", "x", 1};
    struct diag diag = {.n = 0};
    struct mark mark = at(3, 1, 6);
    diag_error(&diag, &mark, "a");
    struct mark elsewhere = {&other, 1, 1, 1, 2};
    diag_error(&diag, &elsewhere, "b");
    mark = at(1, 1, 2);
    diag_error(&diag, &mark, "c");
    cr_expect_str_eq(diag.items[0]->text, "c");
    cr_expect_str_eq(diag.items[1]->text, "a");
    cr_expect_str_eq(diag.items[2]->text, "b");
    diag_close(&diag);
}

Test(diag, what_users_wrote_cannot_move_the_cursor)
{
    static const struct source evil = {"e\033[2J", "a\033[31mb\rc\n", 10};
    struct diag diag = {.n = 0};
    struct mark mark = {&evil, 1, 1, 1, 2};
    diag_error(&diag, &mark, "%s", "x\033]0;y\a\n\xff");
    struct buffer out = {.text = NULL};
    diag_render(&diag, false, &out);
    cr_expect_null(strchr(buffer_text(&out), '\033'), "%s", buffer_text(&out));
    cr_expect_null(strchr(buffer_text(&out), '\a'));
    cr_expect_null(strchr(buffer_text(&out), '\r'));
    cr_expect_eq(utf8_valid(buffer_text(&out), out.length), out.length);
    buffer_close(&out);
    diag_close(&diag);
}

Test(diag, colours_are_only_there_when_asked_for)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(1, 1, 4);
    diag_error(&diag, &mark, "x");
    expect_rendered(&diag, true,
                    "\033[1mwan.yaml:1:1:\033[0m \033[1;31merror:\033[0m x\n"
                    "    1 | one: 1\n"
                    "      | \033[1;32m^~~\033[0m\n");
}

Test(diag, the_text_as_a_whole_has_no_line)
{
    struct diag diag = {.n = 0};
    struct mark mark = {.source = &source};
    diag_error(&diag, &mark, "too long");
    diag_hint(&diag, "split it");
    expect_rendered(&diag, false, "wan.yaml: error: too long\n      | split it\n");
}

Test(diag, more_than_the_most_are_counted)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(1, 1, 4);
    for (int i = 0; i < DIAG_MOST + 3; i++)
        diag_error(&diag, &mark, "x");
    diag_hint(&diag, "lost with its error");
    cr_expect_eq(diag.n, DIAG_MOST);
    cr_expect_eq(diag.n_dropped, 3);
    cr_expect_eq(diag.n_errors, DIAG_MOST + 3);
    cr_expect_null(diag.items[DIAG_MOST - 1]->hint);
    diag_close(&diag);
}

Test(diag, status_tells_wrong_from_lacking_from_good)
{
    struct diag diag = {.n = 0};
    struct mark mark = at(1, 1, 4);
    cr_expect_eq(diag_status(&diag), 0);
    diag_warning(&diag, &mark, "x");
    cr_expect_eq(diag_status(&diag), 0);
    diag_lacking(&diag, &mark, "x");
    cr_expect_eq(diag_status(&diag), -ENOTSUP);
    diag_error(&diag, &mark, "x");
    cr_expect_eq(diag_status(&diag), -EINVAL);
    diag_close(&diag);
}

Test(diag, suggestions_list_what_is_known_if_it_is_little)
{
    static const char *const words[] = {"delay", NULL, "rate"};
    struct diag diag = {.n = 0};
    struct mark mark = at(1, 1, 4);
    diag_error(&diag, &mark, "x");
    diag_suggest(&diag, "dleay", words, 3);
    cr_expect_str_eq(diag.last->hint, "did you mean \"delay\"? one of: delay, rate");
    diag_error(&diag, &mark, "x");
    diag_suggest(&diag, "nothing", words, 3);
    cr_expect_str_eq(diag.last->hint, "one of: delay, rate");
    diag_close(&diag);
}

Test(diag, what_goes_on_in_another_line_is_marked_to_the_end_of_its_first)
{
    struct diag diag = {.n = 0};
    struct mark mark = {&source, 1, 4, 3, 2};
    diag_error(&diag, &mark, "x");
    expect_rendered(&diag, false,
                    "wan.yaml:1:4: error: x\n    1 | one: 1\n      |    ^~~\n");
}

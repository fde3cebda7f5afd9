/* SPDX-License-Identifier: MIT */
/* The golden files with bytes changed, dropped, doubled and swapped: whatever comes out
 * is answered in order, with valid places, and never with a crash. The seed is printed;
 * NETSPLIT_SEED repeats a run, NETSPLIT_ROUNDS makes it longer. */
#include "support.h"

#include "rules/utf8.h"
#include "tests/rules/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 150, CHANGES_MOST = 6 };

static const char *const pieces[] = {"[",
                                     "]",
                                     "{",
                                     "}",
                                     ": ",
                                     "- ",
                                     "\n",
                                     "\"",
                                     "'",
                                     "#",
                                     "\t",
                                     "%",
                                     "*a",
                                     "&a ",
                                     "!!x ",
                                     "<<: ",
                                     "---\n",
                                     "\xC3",
                                     "\xE2\x80\xA8",
                                     "\x01",
                                     "any",
                                     "0",
                                     "-1",
                                     "999999999999999999999",
                                     "ms",
                                     "rules:\n",
                                     "? "};

static size_t change(char *text, size_t length, size_t room, uint64_t *state)
{
    size_t at = length > 0 ? draw(state) % length : 0;
    size_t n = draw(state) % 9;
    if (n > length - at)
        n = length - at;
    const char *piece = pieces[draw(state) % (sizeof pieces / sizeof *pieces)];
    size_t piece_length = strlen(piece);
    switch (draw(state) % 4) {
    case 0: /* another byte */
        if (length > 0)
            text[at] = (char)(draw(state) & 0xFF);
        return length;
    case 1: /* fewer */
        memmove(text + at, text + at + n, length - at - n);
        return length - n;
    case 2: /* a piece of syntax */
        if (length + piece_length > room)
            return length;
        memmove(text + at + piece_length, text + at, length - at);
        memcpy(text + at, piece, piece_length);
        return length + piece_length;
    default: /* the same again */
        if (length + n > room)
            return length;
        memmove(text + at + n, text + at, length - at);
        return length + n;
    }
}

/* What parses compiles. */
static void compile(const struct rules *rules)
{
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {
        .layers = &layer, .n_layers = 1, .seed = 1, .kernel = world_able_kernel};
    struct diag diag = {.n = 0};
    struct plan *plan = NULL;
    cr_assert_eq(plan_compile(&input, &diag, &plan), 0, "%s",
                 diag.n ? diag.items[0]->text : "no reason");
    plan_put(plan);
    diag_close(&diag);
}

static void check_answer(const char *text, size_t length)
{
    struct diag diag = {.n = 0};
    struct rules *rules = NULL;
    struct buffer out = {.text = NULL};
    int err = parse_file("t.yaml", text, length, NULL, &diag, &rules);
    cr_assert_eq(err, diag_status(&diag));
    cr_assert_neq(err, -ENOMEM);
    for (size_t i = 0; i < diag.n; i++) {
        const struct diag_item *item = diag.items[i];
        cr_assert(item->line == 0 || item->end_column > item->column, "%u:%u-%u: %s",
                  item->line, item->column, item->end_column, item->text);
        cr_assert(item->line == 0 || item->excerpt, "line %u is none", item->line);
        cr_assert(i == 0 || diag.items[i - 1]->line <= item->line);
    }
    diag_render(&diag, false, &out);
    cr_assert_eq(utf8_valid(buffer_text(&out), out.length), out.length);
    buffer_close(&out);
    if (rules) {
        rules_write(rules, NULL, NULL, &out);
        compile(rules);
    }
    buffer_close(&out);
    rules_destroy(rules);
    diag_close(&diag);
}

static uint64_t read_number(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : standard;
}

Test(mutation, no_text_is_too_broken_to_be_answered)
{
    uint64_t state = read_number("NETSPLIT_SEED", 20260101);
    uint64_t rounds = read_number("NETSPLIT_ROUNDS", ROUNDS);
    fprintf(stderr, "mutation: NETSPLIT_SEED=%llu\n", (unsigned long long)state);
    glob_t found;
    cr_assert_eq(glob("tests/golden/rules/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t length = 0;
        char *text = read_whole_file(found.gl_pathv[i], &length);
        size_t room = length + 256;
        for (uint64_t round = 0; round < rounds; round++) {
            char *broken = malloc(room);
            cr_assert_not_null(broken);
            size_t n = length;
            memcpy(broken, text, length);
            for (uint64_t j = draw(&state) % CHANGES_MOST + 1; j > 0; j--)
                n = change(broken, n, room, &state);
            char *exact = malloc(n > 0 ? n : 1); /* so that a sanitizer sees the end */
            cr_assert_not_null(exact);
            memcpy(exact, broken, n);
            check_answer(exact, n);
            free(exact);
            free(broken);
        }
        free(text);
    }
    globfree(&found);
}

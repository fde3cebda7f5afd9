/* SPDX-License-Identifier: MIT */
/* tests/golden/rules/NAME.yaml and what is told about it, NAME.want, to the letter.
 * `make golden` rewrites the second ones; the diff is what a reviewer reads. Files
 * whose name begins with "overlay" are read as overlays of base.yaml. */
#include "support.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_any(const char *name, const char *text, size_t length,
                     struct diag *diag, struct rules **out)
{
    if (strncmp(name, "overlay", 7) != 0)
        return parse_file(name, text, length, NULL, diag, out);
    size_t base_length = 0;
    char *base_text = read_whole_file("tests/golden/rules/base.yaml", &base_length);
    struct rules *base = NULL;
    cr_assert_eq(parse_file("base.yaml", base_text, base_length, NULL, diag, &base), 0);
    struct parse_context context = {.base = base};
    int err = parse_overlay(name, text, length, &context, diag, out);
    rules_destroy(base);
    free(base_text);
    return err;
}

/* What is told, and behind it the rules if there are any, as they are written back. */
static void render(const char *path, struct buffer *out)
{
    size_t length = 0;
    char *text = read_whole_file(path, &length);
    const char *name = strrchr(path, '/') + 1;
    struct diag diag;
    struct rules *rules = NULL;
    diag_init(&diag, NULL);
    (void)parse_any(name, text, length, &diag, &rules); /* what it is shows in out */
    diag_render(&diag, false, out);
    if (rules)
        rules_write(rules, NULL, NULL, out);
    rules_destroy(rules);
    diag_close(&diag);
    free(text);
}

static void write_want(const char *path, const struct buffer *got)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "cannot write %s", path);
    cr_assert_eq(fwrite(buffer_text(got), 1, got->length, file), got->length);
    cr_assert_eq(fclose(file), 0);
}

static void check_golden(const char *path, bool update)
{
    struct buffer got = {.text = NULL};
    char want_path[256];
    (void)snprintf(want_path, sizeof want_path, "%.*s.want",
                   (int)(strlen(path) - strlen(".yaml")), path);
    render(path, &got);
    if (update) {
        write_want(want_path, &got);
    } else {
        size_t length = 0;
        char *want = read_whole_file(want_path, &length);
        cr_expect_str_eq(buffer_text(&got), want, "%s: told\n%s\ninstead of\n%s", path,
                         buffer_text(&got), want);
        free(want);
    }
    buffer_close(&got);
}

Test(golden, every_rule_file_is_answered_to_the_letter)
{
    const char *wish = getenv("NETSPLIT_GOLDEN");
    bool update = wish && strcmp(wish, "update") == 0;
    glob_t found;
    cr_assert_eq(glob("tests/golden/rules/*.yaml", 0, NULL, &found), 0);
    cr_assert_gt(found.gl_pathc, 10);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_golden(found.gl_pathv[i], update);
    globfree(&found);
}

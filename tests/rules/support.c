/* SPDX-License-Identifier: MIT */
/* Everything here fails the test that calls it rather than return an error. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *read_whole_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "cannot open %s (tests run in the top directory)", path);
    struct buffer text = {.text = NULL};
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buffer_add(&text, chunk, n);
    (void)fclose(file);
    *length = text.length;
    return text.text ? text.text : calloc(1, 1);
}

char *diagnose(const char *text)
{
    struct diag diag;
    struct rules *rules = NULL;
    struct buffer out = {.text = NULL};
    diag_init(&diag, NULL);
    int err = parse_file("t.yaml", text, strlen(text), NULL, &diag, &rules);
    cr_assert_eq(err, diag_status(&diag));
    cr_assert_eq(err == 0, rules != NULL);
    diag_render(&diag, false, &out);
    rules_destroy(rules);
    diag_close(&diag);
    return out.text ? out.text : calloc(1, 1);
}

struct rules *parse_good(const char *text)
{
    struct diag diag;
    struct rules *rules = NULL;
    struct buffer out = {.text = NULL};
    diag_init(&diag, NULL);
    (void)parse_file("t.yaml", text, strlen(text), NULL, &diag, &rules);
    diag_render(&diag, false, &out);
    cr_assert_not_null(rules, "%s", buffer_text(&out));
    buffer_close(&out);
    diag_close(&diag);
    return rules;
}

void expect_excerpt(char *told, const char *excerpt, int line)
{
    cr_assert(strstr(told, excerpt), "line %d: not told:\n%s\nbut:\n%s", line, excerpt,
              told);
    free(told);
}

static void *take_or_fail(void *context, size_t bytes)
{
    struct failing_allocator *failing = context;
    if (failing->until_failure == 0)
        return NULL;
    failing->until_failure--;
    failing->n_taken++;
    failing->n_live++;
    return malloc(bytes);
}

static void give(void *context, void *block)
{
    struct failing_allocator *failing = context;
    failing->n_live -= block != NULL;
    free(block);
}

void failing_allocator_init(struct failing_allocator *failing, size_t until_failure)
{
    *failing = (struct failing_allocator){.until_failure = until_failure};
    failing->allocator = (struct allocator){take_or_fail, give, failing};
}

uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

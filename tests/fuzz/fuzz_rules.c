/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for rule files: `make fuzz` builds it and begins with the golden
 * files. A text must be answered, its rules written back, and those parse again. */
#include "rules/buffer.h"
#include "rules/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void parse_again(const struct rules *rules)
{
    struct parse_context context = {.base = rules};
    struct buffer text = {.text = NULL};
    struct diag diag;
    struct rules *again = NULL;
    diag_init(&diag, NULL);
    rules_write(rules, NULL, NULL, &text);
    if (parse_overlay("again.yaml", text.text, text.length, &context, &diag, &again) !=
        0)
        abort();
    rules_destroy(again);
    diag_close(&diag);
    buffer_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct buffer out = {.text = NULL};
    struct diag diag;
    struct rules *rules = NULL;
    diag_init(&diag, NULL);
    if (parse_file("fuzz.yaml", (const char *)data, length, NULL, &diag, &rules) == 0)
        parse_again(rules);
    diag_render(&diag, true, &out);
    rules_destroy(rules);
    buffer_close(&out);
    diag_close(&diag);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for rule files: `make fuzz` builds it and begins with the golden
 * files. A text must be answered, its rules written back, and those parse again; what
 * parses compiles, but for what the kernel cannot do. */
#include "rules/buffer.h"
#include "rules/language/parse.h"
#include "rules/plan/plan.h"

#include <errno.h>

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

static void compile(const struct rules *rules, const struct plan_kernel *kernel,
                    int other_status)
{
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {
        .layers = &layer, .n_layers = 1, .seed = 1, .kernel = *kernel};
    struct diag diag;
    struct plan *plan = NULL;
    diag_init(&diag, NULL);
    int status = plan_compile(&input, &diag, &plan);
    if (status != 0 && status != other_status)
        abort();
    plan_put(plan);
    diag_close(&diag);
}

static void compile_both_ways(const struct rules *rules)
{
    const struct plan_kernel nothing = {.why = "not here"};
    const struct plan_kernel all = {.drop = true,
                                    .packet_loss = true,
                                    .packet_rate = true,
                                    .packet_delay = true,
                                    .ports_all = true};
    compile(rules, &all, 0);
    compile(rules, &nothing, -ENOTSUP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct buffer out = {.text = NULL};
    struct diag diag;
    struct rules *rules = NULL;
    diag_init(&diag, NULL);
    if (parse_file("fuzz.yaml", (const char *)data, length, NULL, &diag, &rules) == 0) {
        parse_again(rules);
        compile_both_ways(rules);
    }
    diag_render(&diag, true, &out);
    rules_destroy(rules);
    buffer_close(&out);
    diag_close(&diag);
    return 0;
}

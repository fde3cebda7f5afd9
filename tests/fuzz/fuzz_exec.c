/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for what a driver's program answers. The first byte is what it was
 * asked, the rest its line, which must be taken whole, as something that can be an
 * answer to that, or refused with a reason. */
#include "scenarios/drivers/exec_line.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void expect_answer(const struct exec_answer *answer,
                          const struct driver_request *request)
{
    const struct driver_outcome *outcome = &answer->outcome;
    bool is_ok = outcome->type == HISTORY_OK;
    bool is_read =
        request->verb == DRIVER_OPERATION && request->operation.f == HISTORY_READ;
    if (outcome->type == HISTORY_INVOKE || !outcome->reusable ||
        is_ok != (outcome->error == DRIVER_NO_ERROR) || is_ok == !!outcome->text)
        abort();
    if ((is_read && outcome->type == HISTORY_INFO) ||
        (outcome->value.kind != HISTORY_NIL && !(is_ok && is_read)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static const enum history_f fs[] = {HISTORY_READ, HISTORY_APPEND, HISTORY_WRITE,
                                        HISTORY_CAS};
    struct exec_answer answer;
    struct errmsg err = {""};
    uint8_t asked = length > 0 ? data[0] : 0;
    struct driver_target target = {.schema = "s", .writes = fs[asked / 4 % 3]};
    struct driver_request request = {.verb = asked / 64 % 3,
                                     .operation = {.f = fs[asked % 4]}};
    size_t skip = length > 0;
    int e = exec_line_read((const char *)data + skip, length - skip, 7, &target,
                           &request, &answer, &err);
    if (e == 0)
        expect_answer(&answer, &request);
    else if (!err.text[0])
        abort();
    exec_answer_close(&answer);
    return 0;
}

/* SPDX-License-Identifier: MIT */
#include "scenarios/store/resp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1000 };

static enum store_resp_result parse(const char *text, size_t len,
                                    struct store_command *command, size_t *used)
{
    const char *why = NULL;
    /* A copy of exactly that size, so that reading past its end is seen. */
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    enum store_resp_result result =
        store_resp_parse(exact, len, MAX_BYTES, command, used, &why);
    cr_assert_eq(result == STORE_RESP_BAD, why != NULL);
    for (size_t i = 0; result == STORE_RESP_COMPLETE && i < command->n; i++)
        command->args[i].data = text + (command->args[i].data - exact);
    free(exact);
    return result;
}

Test(store_resp, takes_a_command_when_its_last_byte_is_there_and_not_before)
{
    static const char *const texts[] = {
        "*1\r\n$4\r\nPING\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n",
        "*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
        "GET key\r\n",
        "PING\n",
        "*0\r\n",
        "*-1\r\n",
        "\r\n"};
    static const size_t words[] = {1, 3, 2, 2, 1, 0, 0, 0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct store_command command;
        size_t used = 0, len = strlen(texts[i]);
        char longer[128];
        for (size_t part = 0; part < len; part++)
            cr_assert_eq(parse(texts[i], part, &command, &used), STORE_RESP_PARTIAL,
                         "%s: %zu bytes", texts[i], part);
        (void)snprintf(longer, sizeof longer, "%sPING\r\n", texts[i]);
        cr_assert_eq(parse(longer, strlen(longer), &command, &used),
                     STORE_RESP_COMPLETE);
        cr_assert_eq(used, len);
        cr_assert_eq(command.n, words[i]);
    }
}

Test(store_resp, words_are_the_bytes_between_the_marks)
{
    struct store_command command;
    size_t used;
    const char *text = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n";
    cr_assert_eq(parse(text, strlen(text), &command, &used), STORE_RESP_COMPLETE);
    cr_assert(store_slice_is(command.args[0], "set"));
    cr_assert_eq(command.args[2].len, 4);
    cr_assert_arr_eq(command.args[2].data, "a\r\nb", 4);
    text = "  GET \t key  \r\n";
    cr_assert_eq(parse(text, strlen(text), &command, &used), STORE_RESP_COMPLETE);
    cr_assert_eq(command.n, 2);
    cr_assert(store_slice_is(command.args[1], "key"));
}

Test(store_resp, refuses_what_can_never_become_a_command)
{
    static const char *const texts[] = {
        "*x\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$4\r\nPINGxx",
        "*1\r\n$x\r\n",
        "*1\r\n$\r\n",
        "*65\r\n",
        "*99999999999999999999\r\n",
        "*1\r\n$990\r\n", /* with its frame it is longer than MAX_BYTES */
        "*1\r\n$99999999999999999999999\r\n",
        "*1\n",
        "*00000000000000000000000000000000000001\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct store_command command;
        size_t used;
        cr_assert_eq(parse(texts[i], strlen(texts[i]), &command, &used), STORE_RESP_BAD,
                     "%s", texts[i]);
    }
}

Test(store_resp, refuses_an_inline_line_that_does_not_end)
{
    struct store_command command;
    size_t used;
    char text[MAX_BYTES];
    memset(text, 'x', sizeof text);
    cr_assert_eq(parse(text, sizeof text - 1, &command, &used), STORE_RESP_PARTIAL);
    cr_assert_eq(parse(text, sizeof text, &command, &used), STORE_RESP_BAD);
}

Test(store_resp, no_bytes_of_any_kind_are_read_past_their_end)
{
    static const char alphabet[] = "*$0123-\r\n Ax";
    unsigned seed = 20261121;
    cr_log_info("seed %u", seed);
    srandom(seed);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        struct store_command command;
        size_t used = 0, len = (size_t)random() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[(size_t)random() % (sizeof alphabet - 1)];
        if (parse(text, len, &command, &used) == STORE_RESP_COMPLETE)
            cr_assert(used > 0 && used <= len);
    }
}

Test(store_resp, a_written_command_reads_back_the_same)
{
    struct store_buffer out = {0};
    struct store_command back,
        command = {.n = 3, .args = {{"APPEND", 6}, {"", 0}, {"\r\n$5", 4}}};
    size_t used;
    store_resp_command(&out, &command);
    cr_assert_eq(parse(out.data, out.len, &back, &used), STORE_RESP_COMPLETE);
    cr_assert_eq(used, out.len);
    cr_assert_eq(back.n, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(back.args[i].len, command.args[i].len);
        cr_assert_eq(memcmp(back.args[i].data, command.args[i].data, back.args[i].len),
                     0);
    }
    store_buffer_free(&out);
}

Test(store_resp, an_error_never_breaks_the_line_it_is_on)
{
    struct store_buffer out = {0};
    store_resp_error(&out, "ERR unknown command '%s'", "a\r\n+OK\r\n");
    cr_assert_eq(memchr(out.data, '\n', out.len), out.data + out.len - 1);
    store_buffer_free(&out);
}

Test(store_resp, numbers_are_digits_that_fit)
{
    static const struct {
        const char *text;
        bool valid;
        uint64_t value;
    } rows[] = {{"0", true, 0},
                {"18446744073709551615", true, UINT64_MAX},
                {"18446744073709551616", false, 0},
                {"", false, 0},
                {"-1", false, 0},
                {"+1", false, 0},
                {"1 ", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 7;
        struct store_slice slice = {rows[i].text, strlen(rows[i].text)};
        cr_assert_eq(store_slice_number(slice, &value), rows[i].valid);
        cr_assert_eq(value, rows[i].valid ? rows[i].value : 7);
    }
}

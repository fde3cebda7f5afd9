/* SPDX-License-Identifier: MIT */
/* The loop runs until on_done is called; a driver that never answers hangs the test,
 * which Criterion's timeout ends. */
#include "tests/scenarios/client_fixture.h"

#include "proxy/base/now.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void client_fixture_init(struct client_fixture *fixture, const char *driver)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as main() does */
    memset(fixture, 0, sizeof *fixture);
    (void)uv_loop_init(&fixture->loop);
    fixture->driver = driver_find(driver, NULL);
}

void client_fixture_open(struct client_fixture *fixture, uint16_t port,
                         enum history_f writes, uint16_t direct, const char *setting)
{
    struct driver_target target = {
        .node = "n1",
        .endpoint = {.address = "127.0.0.1", .port = port},
        .direct = {.address = "127.0.0.1", .port = direct},
        .writes = writes,
        .setting = setting,
        .schema = "netsplit_test",
        .program = fixture->program,
        .mark = fixture->mark,
        .take_over = fixture->take_over,
        .keeps_data = fixture->keeps_data,
    };
    fixture->client = driver_open(fixture->driver, &fixture->loop, &target);
}

static void on_done(void *context, const struct driver_outcome *outcome)
{
    struct client_fixture *fixture = context;
    fixture->answers++;
    uv_stop(&fixture->loop); /* else it may wait for sockets after a timer's callback */
    fixture->outcome = *outcome;
    fixture->text[0] = '\0';
    if (outcome->text)
        (void)snprintf(fixture->text, sizeof fixture->text, "%s", outcome->text);
    fixture->outcome.text = outcome->text ? fixture->text : NULL;
    if (outcome->value.kind == HISTORY_LIST) {
        size_t n = outcome->value.list.n;
        if (n > sizeof fixture->items / sizeof *fixture->items)
            n = sizeof fixture->items / sizeof *fixture->items;
        if (n > 0)
            memcpy(fixture->items, outcome->value.list.items,
                   n * sizeof *fixture->items);
        fixture->outcome.value.list.items = fixture->items;
    }
}

void client_fixture_await(struct client_fixture *fixture)
{
    while (fixture->answers < fixture->asked)
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
}

void client_fixture_begin(struct client_fixture *fixture, enum history_f f, int64_t key,
                          struct history_value value, uint64_t within_ns)
{
    struct driver_operation operation = {.f = f, .key = key, .value = value};
    fixture->asked++;
    driver_invoke(fixture->client, &operation, within_ns, on_done, fixture);
}

void client_fixture_ask(struct client_fixture *fixture, enum history_f f, int64_t key,
                        struct history_value value, uint64_t within_ns)
{
    client_fixture_begin(fixture, f, key, value, within_ns);
    client_fixture_await(fixture);
}

void client_fixture_write(struct client_fixture *fixture, enum history_f f, int64_t key,
                          int64_t integer)
{
    struct history_value value = {.kind = HISTORY_INTEGER, .integer = integer};
    client_fixture_ask(fixture, f, key, value, 5 * NS_PER_S);
}

void client_fixture_read(struct client_fixture *fixture, int64_t key)
{
    client_fixture_ask(fixture, HISTORY_READ, key, (struct history_value){0},
                       5 * NS_PER_S);
}

void client_fixture_setup(struct client_fixture *fixture, uint64_t keys)
{
    fixture->asked++;
    driver_setup(fixture->client, keys, 10 * NS_PER_S, on_done, fixture);
    client_fixture_await(fixture);
}

void client_fixture_teardown(struct client_fixture *fixture, uint64_t keys)
{
    fixture->asked++;
    driver_teardown(fixture->client, keys, 10 * NS_PER_S, on_done, fixture);
    client_fixture_await(fixture);
}

void client_fixture_drop(struct client_fixture *fixture)
{
    driver_close(fixture->client);
    fixture->client = NULL;
}

int client_fixture_close(struct client_fixture *fixture)
{
    client_fixture_drop(fixture);
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&fixture->loop);
}

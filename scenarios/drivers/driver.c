/* SPDX-License-Identifier: MIT */
/* The part that all drivers share: the list of them, the deadline of each operation,
 * and the one place where an operation is answered.
 *
 * Happy path: driver_invoke() starts the timer and the driver's start(); the driver
 * answers; the timer stops and on_done is called.
 *
 * When the deadline passes first, the connection is abandoned and the outcome follows
 * from what is known: nothing was sent: fail; a read: fail; else info. What the
 * driver hears afterwards it does not tell, because its connection is gone. When
 * start() fails at once, on_done is told at the loop's next turn, through the same
 * timer. It does not retry, and it does not reconnect within an operation: both belong
 * to the processes, who write down each attempt. */
#include "scenarios/drivers/driver.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/term.h"
#include "rules/nearest.h"
#include "rules/unit.h"
#include "scenarios/drivers/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_LONGEST = 40 };

static const struct driver *const drivers[] = {
    &driver_exec,
    &driver_postgres,
    &driver_resp,
};

const struct driver *driver_get(size_t i)
{
    return i < sizeof drivers / sizeof *drivers ? drivers[i] : NULL;
}

const struct driver *driver_find(const char *name, const char **near)
{
    const char *names[sizeof drivers / sizeof *drivers];
    for (size_t i = 0; driver_get(i); i++) {
        names[i] = drivers[i]->name;
        if (!strcmp(name, drivers[i]->name))
            return drivers[i];
    }
    if (near)
        *near = nearest_word(name, names, sizeof drivers / sizeof *drivers);
    return NULL;
}

const char *driver_name(const struct driver *driver)
{
    return driver->name;
}

const char *driver_help(const struct driver *driver)
{
    return driver->help;
}

const char *driver_setting(const struct driver *driver)
{
    return driver->setting;
}

bool driver_is_program(const struct driver *driver)
{
    return driver->is_program;
}

bool driver_can(const struct driver *driver, enum history_f f)
{
    return driver->operations & (1u << f);
}

int driver_check(const struct driver *driver, const char *setting, struct errmsg *err)
{
    return driver->check(setting, err);
}

int driver_check_schema(const char *schema, struct errmsg *err)
{
    size_t length = strlen(schema);
    bool good = length > 0 && length <= SCHEMA_LONGEST;
    for (size_t i = 0; i < length; i++) {
        char c = schema[i];
        good = good &&
               ((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9'));
    }
    if (good)
        return 0;
    errmsg_set(err,
               "\"%s\" cannot be a schema: it needs a-z, 0-9 and _, no digit first, at "
               "most %d of them",
               schema, SCHEMA_LONGEST);
    return -EINVAL;
}

const char *driver_error_name(enum driver_error error)
{
    static const char *const names[DRIVER_ERRORS] = {
        [DRIVER_NO_ERROR] = "none",        [DRIVER_UNREACHABLE] = "unreachable",
        [DRIVER_READ_ONLY] = "read-only",  [DRIVER_REFUSED] = "refused",
        [DRIVER_CONFLICT] = "conflict",    [DRIVER_TIMEOUT] = "timeout",
        [DRIVER_LOST] = "connection-lost", [DRIVER_UNCLEAR] = "unclear",
        [DRIVER_DEFECT] = "driver-defect",
    };
    return names[error];
}

void driver_hold(struct driver_client *client)
{
    client->holds++;
}

void driver_release(struct driver_client *client)
{
    assert(client->holds > 0);
    if (--client->holds > 0)
        return;
    assert(client->state == DRIVER_CLOSED);
    if (client->driver->finish)
        client->driver->finish(client);
    free((char *)client->target.setting);
    free((char *)client->target.schema);
    free((char *)client->target.node);
    free((char *)client->target.program.directory);
    free((char *)client->target.mark);
    free(client);
}

struct driver_client *driver_open(const struct driver *driver, uv_loop_t *loop,
                                  const struct driver_target *target)
{
    struct driver_client *client = xcalloc(1, driver->client_bytes);
    client->driver = driver;
    client->loop = loop;
    client->target = *target;
    client->target.setting = xstrdup(target->setting);
    client->target.schema = xstrdup(target->schema);
    client->target.node = target->node ? xstrdup(target->node) : NULL;
    client->target.program.directory =
        target->program.directory ? xstrdup(target->program.directory) : NULL;
    client->target.mark = target->mark ? xstrdup(target->mark) : NULL;
    (void)uv_timer_init(loop, &client->timer); /* cannot fail */
    client->timer.data = client;
    driver_hold(client); /* for the timer */
    return client;
}

bool driver_reads(const struct driver_client *client)
{
    return client->request.verb == DRIVER_OPERATION &&
           client->request.operation.f == HISTORY_READ;
}

/* Keeps the outcome's text in the client, on one line, without double blanks and without
 * what a terminal would obey: it may be a server's. */
static void keep_text(struct driver_client *client, struct driver_outcome *outcome)
{
    if (!outcome->text)
        return;
    if (outcome->text != client->text)
        (void)snprintf(client->text, sizeof client->text, "%s", outcome->text);
    size_t to = 0;
    for (size_t from = 0; client->text[from]; from++) {
        char c = client->text[from];
        bool blank = c == '\r' || c == '\n' || c == '\t' || c == ' ';
        if (!blank)
            client->text[to++] = c;
        else if (to > 0 && client->text[to - 1] != ' ')
            client->text[to++] = ' ';
    }
    client->text[to] = '\0';
    term_disarm(client->text);
    if (to > 0 && client->text[to - 1] == ' ')
        client->text[to - 1] = '\0';
    outcome->text = client->text;
}

/* Tells on_done; the client may be gone for the caller when it returns. */
static void tell(struct driver_client *client, const struct driver_outcome *outcome)
{
    (void)uv_timer_stop(&client->timer); /* cannot fail */
    client->state = outcome->reusable ? DRIVER_IDLE : DRIVER_ENDED;
    client->on_done(client->context, outcome);
}

static void on_failed_start(uv_timer_t *timer)
{
    struct driver_client *client = timer->data;
    struct driver_outcome outcome = client->outcome;
    tell(client, &outcome);
}

void driver_answer(struct driver_client *client, const struct driver_outcome *outcome)
{
    assert(client->state == DRIVER_BUSY || client->state == DRIVER_STARTING);
    struct driver_outcome told = *outcome;
    keep_text(client, &told);
    if (!told.reusable)
        client->driver->abandon(client);
    if (client->state == DRIVER_BUSY) {
        tell(client, &told);
        return;
    }
    assert(told.value.kind == HISTORY_NIL); /* start() has read nothing */
    client->outcome = told;
    client->state = DRIVER_FAILED;
    (void)uv_timer_start(&client->timer, on_failed_start, 0, 0); /* cannot fail */
}

void driver_refused(struct driver_client *client, enum driver_error error,
                    const char *text)
{
    bool definite = error == DRIVER_READ_ONLY || error == DRIVER_REFUSED ||
                    error == DRIVER_CONFLICT || driver_reads(client);
    driver_answer(client, &(struct driver_outcome){
                              .type = definite ? HISTORY_FAIL : HISTORY_INFO,
                              .error = error,
                              .text = text,
                              .reusable = true,
                          });
}

/* No answer will come. */
static void give_up(struct driver_client *client, enum driver_error error,
                    const char *text)
{
    bool definite = !client->sent || driver_reads(client);
    bool is_known = client->sent || error == DRIVER_DEFECT;
    driver_answer(client, &(struct driver_outcome){
                              .type = definite ? HISTORY_FAIL : HISTORY_INFO,
                              .error = is_known ? error : DRIVER_UNREACHABLE,
                              .text = text,
                              .reusable = false,
                          });
}

void driver_broke(struct driver_client *client, const char *why)
{
    if (client->state == DRIVER_BUSY || client->state == DRIVER_STARTING)
        give_up(client, DRIVER_LOST, why);
}

void driver_defect(struct driver_client *client, const char *why)
{
    if (client->state == DRIVER_BUSY || client->state == DRIVER_STARTING)
        give_up(client, DRIVER_DEFECT, why);
}

static void on_deadline(uv_timer_t *timer)
{
    struct driver_client *client = timer->data;
    if (client->driver->late && client->driver->late(client))
        return;
    give_up(client, DRIVER_TIMEOUT,
            client->sent ? "no answer by the deadline"
                         : "no connection by the deadline");
}

static void begin(struct driver_client *client, uint64_t within_ns,
                  driver_done_fn on_done, void *context)
{
    assert(client->state == DRIVER_IDLE);
    client->request.within_ns = within_ns;
    client->state = DRIVER_STARTING;
    client->sent = false;
    client->on_done = on_done;
    client->context = context;
    uv_update_time(client->loop); /* else the deadline counts from the turn's start */
    (void)uv_timer_start(&client->timer, on_deadline, now_ns_to_ms_up(within_ns), 0);
    client->driver->start(client);
    if (client->state == DRIVER_STARTING)
        client->state = DRIVER_BUSY;
}

void driver_invoke(struct driver_client *client,
                   const struct driver_operation *operation, uint64_t within_ns,
                   driver_done_fn on_done, void *context)
{
    assert(driver_can(client->driver, operation->f));
    client->request = (struct driver_request){
        .verb = DRIVER_OPERATION,
        .operation = *operation,
    };
    begin(client, within_ns, on_done, context);
}

void driver_setup(struct driver_client *client, uint64_t keys, uint64_t within_ns,
                  driver_done_fn on_done, void *context)
{
    client->request = (struct driver_request){.verb = DRIVER_SETUP, .keys = keys};
    begin(client, within_ns, on_done, context);
}

void driver_teardown(struct driver_client *client, uint64_t keys, uint64_t within_ns,
                     driver_done_fn on_done, void *context)
{
    client->request = (struct driver_request){.verb = DRIVER_TEARDOWN, .keys = keys};
    begin(client, within_ns, on_done, context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    driver_release(handle->data);
}

void driver_close(struct driver_client *client)
{
    if (!client)
        return;
    assert(client->state != DRIVER_CLOSED);
    client->driver->abandon(client);
    client->state = DRIVER_CLOSED;
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

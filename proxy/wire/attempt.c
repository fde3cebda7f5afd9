/* SPDX-License-Identifier: MIT */
/* From accept to the server's answer. The rules are asked first: they accept, hold,
 * reset or refuse. A held attempt is asked about again when its time is up and after
 * each change of the rules; one whose opener has left meanwhile never reaches the
 * server, as if its SYN had been lost. Then the server is dialled, with one deadline
 * for looking up and connecting. A host name may have several addresses: one of them
 * that does not answer makes way for the next before the deadline is up.
 *
 * A server that cannot be reached is shown to the client as RST. Where descriptors run
 * out the dial is tried again until its deadline, and nothing is accepted meanwhile.
 *
 * A client that sent FIN and waits for an answer (a half-close) counts as having left
 * while it is held, because nobody can tell it from one that closed. */
#include "proxy/wire/attempt.h"
#include "proxy/base/now.h"
#include "proxy/wire/budget.h"
#include "proxy/wire/connection.h"
#include "proxy/wire/dial.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/wire/listener.h"
#include "proxy/record/touch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define DESCRIPTOR_RETRY_NS (50 * NS_PER_MS)

enum { PRESSES = 8 }; /* in a dial's whole time; an address has one to two of them */

static void on_dialled(void *context, const struct dial_result *result);

static void retry_dial_soon(struct connection *connection, uint64_t now_ns)
{
    uint64_t at_ns = now_ns + DESCRIPTOR_RETRY_NS;
    timer_set(connection->proxy->timers, &connection->alarm,
              at_ns < connection->deadline_ns ? at_ns : connection->deadline_ns);
    budget_note_exhausted(connection->proxy);
    listener_pause_all(connection->proxy, BUDGET_DESCRIPTORS);
}

static void fail_dial(struct connection *connection, int status, uint64_t now_ns)
{
    if ((status == -EMFILE || status == -ENFILE) && now_ns < connection->deadline_ns)
        retry_dial_soon(connection, now_ns);
    else if (status == -ENOMEM)
        connection_finish(connection, END_NO_MEMORY, NULL);
    else if (status <= UV_EAI_ADDRFAMILY && status >= UV_EAI_PROTOCOL)
        connection_finish(connection, END_UNRESOLVED, uv_strerror(status));
    else
        connection_finish(connection, END_REFUSED, strerror(-status));
}

/* To where the listener says, or where the client was going anyway. */
static int start_dial(struct connection *connection)
{
    struct watch_group *group = connection->proxy->watches;
    const struct intercepted *intercepted = connection->intercepted;
    if (!intercepted) {
        const struct listener *listener = connection->listener;
        const struct dial_source own = {.mark = connection->proxy->front->own_mark};
        return dial_start(&connection->dial, group, &listener->to_address,
                          listener->to_port, &own, on_dialled, connection);
    }
    struct dial_source source;
    const struct address server = sockaddress_address(&intercepted->server);
    intercepted_source(intercepted, &source);
    return dial_start(&connection->dial, group, &server,
                      sockaddress_port(&intercepted->server), &source, on_dialled,
                      connection);
}

static void set_dial_alarm(struct connection *connection, uint64_t now_ns)
{
    uint64_t at_ns = now_ns + connection->proxy->config.connect_timeout_ns / PRESSES;
    timer_set(connection->proxy->timers, &connection->alarm,
              at_ns < connection->deadline_ns ? at_ns : connection->deadline_ns);
}

void attempt_press(struct connection *connection, uint64_t now_ns)
{
    set_dial_alarm(connection, now_ns);
    dial_press(connection->dial);
}

void attempt_dial(struct connection *connection, uint64_t now_ns)
{
    set_dial_alarm(connection, now_ns);
    int status = start_dial(connection);
    if (status != 0)
        fail_dial(connection, status, now_ns);
}

static void on_dialled(void *context, const struct dial_result *result)
{
    struct connection *connection = context;
    uint64_t now = now_ns();
    connection->dial = NULL;
    if (result->server.ss_family != AF_UNSPEC) {
        char text[SOCKADDRESS_TEXT_BYTES];
        sockaddress_format(&result->server, text);
        connection->counts.server =
            journal_intern(connection->proxy->config.journal, text);
    }
    if (result->status == 0)
        connection_connected(connection, result->watch, now);
    else
        fail_dial(connection, result->status, now);
    connection_step(connection, now);
}

void attempt_let_go(struct connection *connection)
{
    if (!connection->holder)
        return;
    connection->holder->attempts_held_now--;
    connection->counts.to_server->attempts_held_now--;
    connection->holder = NULL;
}

/* Has the client closed its side? Bytes may still wait in front of its FIN. */
static bool opener_has_left(const struct connection *connection)
{
    struct pollfd client = {.fd = watch_fd(connection->client.watch),
                            .events = POLLRDHUP};
    return poll(&client, 1, 0) > 0;
}

static void hold_attempt(struct connection *connection,
                         const struct match_verdict *verdict)
{
    struct counters_rule *holder = touch_rule(connection->proxy, verdict->rule);
    timer_set(connection->proxy->timers, &connection->alarm, verdict->until_ns);
    if (!holder || holder == connection->holder)
        return;
    attempt_let_go(connection);
    touch_attempt(connection, verdict->rule, ATTEMPT_HELD);
    connection->holder = holder;
    holder->attempts_held_now++;
    connection->counts.to_server->attempts_held_now++;
}

void attempt_admit(struct connection *connection, uint64_t now_ns)
{
    const struct match *match = connection_match(connection);
    if (!match) {
        connection_finish(connection, END_NO_MEMORY, NULL);
        return;
    }
    struct match_verdict verdict = match_admit(match, &connection->match, now_ns);
    switch (verdict.verb) {
    case ADMIT_HOLD:
    case ADMIT_IGNORE: /* too late for that: the kernel has answered */
        hold_attempt(connection, &verdict);
        return;
    case ADMIT_RESET:
        touch_attempt(connection, verdict.rule, ATTEMPT_RESET);
        connection_finish(connection, END_RULE_REFUSED, verdict.rule->name);
        return;
    case ADMIT_REFUSE:
        touch_attempt(connection, verdict.rule, ATTEMPT_REFUSED);
        connection_finish(connection, END_RULE_REFUSED, verdict.rule->name);
        return;
    case ADMIT_ACCEPT:
        break;
    }
    if (connection->holder && opener_has_left(connection)) {
        connection_finish(connection, END_OPENER_LEFT, NULL);
        return;
    }
    attempt_let_go(connection);
    connection->deadline_ns = now_ns + connection->proxy->config.connect_timeout_ns;
    connection_move(connection, CONNECTION_CONNECTING);
    attempt_dial(connection, now_ns);
}

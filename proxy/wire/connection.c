/* SPDX-License-Identifier: MIT */
/* The life of a connection:
 *
 *     accepted --> HELD -----> CONNECTING -----> OPEN -----> FINISHING, HALF_OPEN
 *        |           |              |              |              |
 *        `-----------'--------------'-----+--------'--------------'
 *                                         v
 *                                       CLOSED  (freed)
 *
 * The happy path: accepted and not held by any rule, so CONNECTING at once; the server
 * answers, OPEN; both streams pass their FIN on, CLOSED. Every callback stores what it
 * learned and calls connection_step, which moves on, computes what to listen for, and
 * frees what is CLOSED: a caller of step never touches the connection again.
 *
 * Failures: a server that refuses, is unknown, or does not answer in time shows as RST
 * at the client, whose own connect has long succeeded. An RST from either side goes
 * through its stream. Out of memory, or told to stop: both sides get RST.
 *
 * What it does not do: a rule that refuses attempts is the listener's business where
 * all it serves is refused; here it is answered by RST. Nothing is read from a client
 * before the server is there. */
#include "proxy/wire/connection.h"
#include "proxy/wire/attempt.h"
#include "proxy/base/now.h"
#include "proxy/wire/budget.h"
#include "proxy/wire/dial.h"
#include "proxy/wire/half_open.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/wire/listener.h"
#include "proxy/wire/pipes.h"
#include "proxy/kernel/packet.h"
#include "proxy/record/touch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FINISH_PATIENCE_NS NS_PER_S

enum { TIMERS_EACH = 3 }; /* alarm and two wakes */

static const struct {
    const char *name;
    unsigned next; /* bit set of the states it may move to */
} states[] = {
    [CONNECTION_HELD] = {"held", 1u << CONNECTION_CONNECTING | 1u << CONNECTION_CLOSED},
    [CONNECTION_CONNECTING] = {"connecting",
                               1u << CONNECTION_OPEN | 1u << CONNECTION_CLOSED},
    [CONNECTION_OPEN] = {"open", 1u << CONNECTION_FINISHING |
                                     1u << CONNECTION_HALF_OPEN |
                                     1u << CONNECTION_CLOSED},
    [CONNECTION_HALF_OPEN] = {"half open", 1u << CONNECTION_CLOSED},
    [CONNECTION_FINISHING] = {"finishing", 1u << CONNECTION_CLOSED},
    [CONNECTION_CLOSED] = {"closed", 0},
};

const char *connection_state_name(enum connection_state state)
{
    return states[state].name;
}

const char *connection_end_name(enum connection_end end)
{
    static const char *const names[] = {
        [END_FINISHED] = "finished",
        [END_RESET_BY_CLIENT] = "reset by client",
        [END_RESET_BY_SERVER] = "reset by server",
        [END_BOTH_LOST] = "both sides lost",
        [END_REFUSED] = "server unreachable",
        [END_UNRESOLVED] = "server name unknown",
        [END_CONNECT_TIMEOUT] = "server did not answer",
        [END_OPENER_LEFT] = "opener left",
        [END_RULE_REFUSED] = "refused by rule",
        [END_RULE_RESET] = "reset by rule",
        [END_RULE_CLOSED] = "closed by rule",
        [END_STOPPED] = "proxy stopped",
        [END_NO_MEMORY] = "out of memory",
    };
    return names[end];
}

void connection_move(struct connection *connection, enum connection_state next)
{
    assert(states[connection->state].next & 1u << next);
    connection->state = next;
    connection->counts.state = states[next].name;
}

static void journal_closed(struct connection *connection, enum connection_end end,
                           const char *detail)
{
    struct journal *journal = connection->proxy->config.journal;
    const struct counters_connection *counts = &connection->counts;
    char text[JOURNAL_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s%s%s", connection_end_name(end),
                   detail ? ": " : "", detail ? detail : ""); /* cut to fit */
    struct journal_event event = {
        .type = JOURNAL_CONNECTION_CLOSED,
        .connection = counts->number,
        .from = counts->to_server->from,
        .to = counts->to_server->to,
        .text = journal_text(journal, text),
        .bytes = counts->passed_bytes_to_server + counts->passed_bytes_to_client,
    };
    (void)journal_add(journal, &event);
}

void connection_finish(struct connection *connection, enum connection_end end,
                       const char *detail)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    bool reset = end != END_FINISHED && end != END_RULE_CLOSED;
    bool was_open = connection->state >= CONNECTION_OPEN;
    stream_sample_unread(&connection->to_server);
    stream_sample_unread(&connection->to_client);
    packet_sample(connection);
    attempt_let_go(connection);
    dial_cancel(connection->dial);
    connection->dial = NULL;
    stream_close(&connection->to_server);
    stream_close(&connection->to_client);
    touch_forget(connection);
    timer_clear(connection->proxy->timers, &connection->alarm);
    if (!was_open)
        connection->counts.to_server->attempts_failed++;
    if (end == END_UNRESOLVED)
        connection->counts.to_server->attempts_unresolved++;
    journal_closed(connection, end, detail);
    connection_move(connection, CONNECTION_CLOSED);
    counters_connection_remove(connection->proxy->config.counters, &connection->counts);
    side_close(&connection->client, reset);
    side_close(&connection->server, reset);
}

static void unlink_from_proxy(struct connection *connection)
{
    struct proxy *proxy = connection->proxy;
    if (connection->older)
        connection->older->newer = connection->newer;
    else
        proxy->oldest = connection->newer;
    if (connection->newer)
        connection->newer->older = connection->older;
    else
        proxy->newest = connection->older;
}

/* A place is free. */
static void make_room(struct proxy *proxy)
{
    if (--proxy->n_connections == 0)
        pipes_trim(proxy->pipes);
    budget_release_connection(proxy);
    listener_resume_all(proxy);
}

static void connection_free(struct connection *connection)
{
    struct proxy *proxy = connection->proxy;
    unlink_from_proxy(connection);
    timers_give_back(proxy->timers, TIMERS_EACH);
    free(connection->chains);
    if (connection->listener)
        listener_release(connection->listener);
    intercepted_release(connection->intercepted);
    free(connection);
    make_room(proxy);
}

static void on_touch(void *context, enum direction direction,
                     const struct plan_rule *rule, const struct chain_touch *touch)
{
    touch_stream(context, direction, rule, touch);
}

static void on_decision(void *context, enum direction direction,
                        const struct chain_decision *decision)
{
    touch_decision(context, direction, decision);
}

static void on_flip(void *context, enum direction direction, uint64_t place,
                    uint8_t bits)
{
    struct connection *connection = context;
    stream_flip(direction == TO_SERVER ? &connection->to_server
                                       : &connection->to_client,
                place, bits);
}

static const struct chain_hooks hooks = {on_touch, on_decision, on_flip};

static int make_chains(struct connection *connection, uint64_t now_ns)
{
    struct chain *chains = calloc(2, sizeof *chains);
    if (!chains)
        return -ENOMEM;
    for (int i = TO_SERVER; i <= TO_CLIENT; i++) {
        struct chain_config config = {
            .connection = connection->match,
            .direction = (enum direction)i,
            .hold_bytes = connection->proxy->config.max_hold_bytes,
            .hooks = &hooks,
            .context = connection,
            .other = &chains[!i],
        };
        chain_init(&chains[i], &config);
    }
    connection->chains = chains;
    stream_take_chain(&connection->to_server, &chains[TO_SERVER], now_ns);
    stream_take_chain(&connection->to_client, &chains[TO_CLIENT], now_ns);
    return 0;
}

const struct match *connection_match(struct connection *connection)
{
    struct path *path = connection->match.path;
    bool orphan = connection->listener ? listener_is_retired(connection->listener)
                                       : plan_find_node(connection->proxy->plan,
                                                        path->server) == PLAN_ANY;
    return instance_match(connection->proxy, orphan ? NULL : path);
}

/* Puts the rules in force on both streams. 0 or -ENOMEM. */
static int update_streams(struct connection *connection, uint64_t now_ns)
{
    const struct match *match = connection_match(connection);
    if (!match)
        return -ENOMEM;
    bool ruled = match->link[TO_SERVER].n > 0 || match->link[TO_CLIENT].n > 0;
    if (ruled && !connection->chains && make_chains(connection, now_ns) != 0)
        return -ENOMEM;
    packet_sample(connection);
    int status = stream_update(&connection->to_server, match, now_ns);
    if (status == 0)
        status = stream_update(&connection->to_client, match, now_ns);
    packet_update(connection, match, now_ns);
    touch_update(connection, match, now_ns);
    return status;
}

static void apply_rules(struct connection *connection, uint64_t now_ns)
{
    if (update_streams(connection, now_ns) != 0)
        connection_finish(connection, END_NO_MEMORY, NULL);
    else
        half_open_try(connection, now_ns);
}

void connection_connected(struct connection *connection, struct watch *server,
                          uint64_t now_ns)
{
    connection->server.watch = server;
    watch_hand_over(server, side_on_event, &connection->server);
    timer_clear(connection->proxy->timers, &connection->alarm);
    connection_move(connection, CONNECTION_OPEN);
    apply_rules(connection, now_ns);
}

/* A rule closes the connection: FIN both ways, then wait for theirs for a moment. */
static void begin_finishing(struct connection *connection, const struct plan_rule *rule,
                            uint64_t now_ns)
{
    const struct counters_rule *closer = touch_rule(connection->proxy, rule);
    connection->closer = closer ? closer->name : NULL;
    (void)shutdown(watch_fd(connection->client.watch), SHUT_WR); /* gone is fine */
    (void)shutdown(watch_fd(connection->server.watch), SHUT_WR);
    stream_close(&connection->to_server);
    stream_close(&connection->to_client);
    connection_move(connection, CONNECTION_FINISHING);
    timer_set(connection->proxy->timers, &connection->alarm,
              now_ns + FINISH_PATIENCE_NS);
}

static void act_on(struct connection *connection, struct stream *stream,
                   enum stream_verdict verdict, const struct plan_rule *rule,
                   uint64_t now_ns)
{
    switch (verdict) {
    case STREAM_GOES_ON:
        break;
    case STREAM_PASSES_RST:
        connection_finish(connection,
                          stream->direction == TO_SERVER ? END_RESET_BY_CLIENT
                                                         : END_RESET_BY_SERVER,
                          NULL);
        break;
    case STREAM_RULE_RESETS:
        if (rule)
            connection_finish(connection, END_RULE_RESET, rule->name);
        else
            connection_finish(connection, END_NO_MEMORY, NULL);
        break;
    case STREAM_RULE_CLOSES:
        begin_finishing(connection, rule, now_ns);
        break;
    }
}

/* Passes on what one side sent. A socket that failed brings no more events, so that it
 * is read here, each time there is room again. */
static void run_stream(struct connection *connection, struct stream *stream,
                       uint64_t now_ns)
{
    ssize_t received = 0;
    do {
        const struct plan_rule *rule = NULL;
        if (stream->sender->reset)
            stream_note_reset(stream, now_ns);
        enum stream_verdict verdict = stream_pump(stream, now_ns, &rule);
        act_on(connection, stream, verdict, rule, now_ns);
        if (connection->state != CONNECTION_OPEN || !stream->sender->failed ||
            stream->input != STREAM_INPUT_OPEN)
            return;
        received = stream_receive(stream, now_ns);
        if (received == -ENOMEM)
            connection_finish(connection, END_NO_MEMORY, NULL);
    } while (received > 0 || stream->input != STREAM_INPUT_OPEN);
}

static void step_open(struct connection *connection, uint64_t now_ns)
{
    struct stream *to_server = &connection->to_server;
    struct stream *to_client = &connection->to_client;
    run_stream(connection, to_server, now_ns);
    if (connection->state == CONNECTION_OPEN)
        run_stream(connection, to_client, now_ns);
    if (connection->state != CONNECTION_OPEN || !stream_is_done(to_server) ||
        !stream_is_done(to_client))
        return;
    bool lost = to_server->output == STREAM_OUTPUT_BROKEN ||
                to_client->output == STREAM_OUTPUT_BROKEN;
    if (!lost && packet_keeps(connection))
        return; /* a closed socket would be cut off for good */
    connection_finish(connection, lost ? END_BOTH_LOST : END_FINISHED, NULL);
}

static void step_finishing(struct connection *connection)
{
    bool client_done =
        connection->client.failed || connection->to_server.input != STREAM_INPUT_OPEN;
    bool server_done =
        connection->server.failed || connection->to_client.input != STREAM_INPUT_OPEN;
    if (client_done && server_done)
        connection_finish(connection, END_RULE_CLOSED, connection->closer);
}

void connection_step(struct connection *connection, uint64_t now_ns)
{
    switch (connection->state) {
    case CONNECTION_HELD:
        if (connection->client.failed)
            connection_finish(connection, END_OPENER_LEFT, NULL);
        else
            attempt_admit(connection, now_ns);
        break;
    case CONNECTION_CONNECTING:
        if (connection->client.failed)
            connection_finish(connection, END_OPENER_LEFT, NULL);
        break;
    case CONNECTION_OPEN:
        step_open(connection, now_ns);
        break;
    case CONNECTION_HALF_OPEN:
        half_open_step(connection, now_ns);
        break;
    case CONNECTION_FINISHING:
        step_finishing(connection);
        break;
    case CONNECTION_CLOSED:
        break;
    }
    if (connection->state == CONNECTION_CLOSED)
        connection_free(connection);
    else
        side_watch_both(connection);
}

static void on_wake(struct timer *timer, uint64_t now_ns)
{
    connection_step(timer->owner, now_ns);
}

static void on_connecting_alarm(struct connection *connection, uint64_t now_ns)
{
    if (now_ns < connection->deadline_ns && connection->dial) {
        attempt_press(connection, now_ns); /* it may be gone */
        return;
    }
    if (now_ns >= connection->deadline_ns)
        connection_finish(connection, END_CONNECT_TIMEOUT, NULL);
    else
        attempt_dial(connection, now_ns);
    connection_step(connection, now_ns);
}

static void on_alarm(struct timer *timer, uint64_t now_ns)
{
    struct connection *connection = timer->owner;
    if (connection->state == CONNECTION_CONNECTING) {
        on_connecting_alarm(connection, now_ns);
        return;
    }
    if (connection->state == CONNECTION_FINISHING)
        connection_finish(connection, END_RULE_CLOSED, connection->closer);
    else if (connection->state == CONNECTION_HALF_OPEN)
        connection_finish(connection, END_RULE_RESET, connection->closer);
    connection_step(connection, now_ns);
}

static void link_to_proxy(struct connection *connection)
{
    struct proxy *proxy = connection->proxy;
    connection->older = proxy->newest;
    if (proxy->newest)
        proxy->newest->newer = connection;
    else
        proxy->oldest = connection;
    proxy->newest = connection;
    proxy->n_connections++;
    if (connection->listener)
        listener_keep(connection->listener);
}

static void journal_opened(const struct connection *connection)
{
    struct journal *journal = connection->proxy->config.journal;
    struct journal_event event = {
        .type = JOURNAL_CONNECTION_OPENED,
        .connection = connection->counts.number,
        .from = connection->counts.to_server->from,
        .to = connection->counts.to_server->to,
        .text = journal_text(journal, connection->client_text),
    };
    (void)journal_add(journal, &event);
}

/* A connection that is HELD, not yet listed anywhere. NULL: no memory. */
static struct connection *make(struct proxy *proxy,
                               const struct connection_target *target,
                               const char *client_text, uint64_t now_ns)
{
    struct path *path = target->path;
    struct counters *counters = proxy->config.counters;
    size_t text_bytes = strlen(client_text) + 1;
    struct connection *connection = calloc(1, sizeof *connection + text_bytes);
    if (!connection)
        return NULL;
    memcpy(connection->client_text, client_text, text_bytes);
    connection->proxy = proxy;
    connection->listener = target->listener;
    connection->client.connection = connection->server.connection = connection;
    connection->match = path_open(path, now_ns);
    connection->counts = (struct counters_connection){
        .number = ++proxy->front->last_connection,
        .ordinal = connection->match.ordinal,
        .listener = target->through,
        .client = connection->client_text,
        .state = states[CONNECTION_HELD].name,
        .opened_ns = now_ns,
        .to_server = counters_link(counters, path->opener, path->server),
        .to_client = counters_link(counters, path->server, path->opener),
    };
    if (!connection->counts.to_server || !connection->counts.to_client ||
        timers_reserve(proxy->timers, TIMERS_EACH) != 0) {
        free(connection);
        return NULL;
    }
    timer_init(&connection->alarm, on_alarm, connection);
    stream_init(&connection->to_server, connection, TO_SERVER, on_wake);
    stream_init(&connection->to_client, connection, TO_CLIENT, on_wake);
    return connection;
}

bool connection_open(struct proxy *proxy, const struct connection_target *target,
                     int fd, const struct sockaddr_storage *client)
{
    uint64_t now = now_ns();
    char text[SOCKADDRESS_TEXT_BYTES];
    sockaddress_format(client, text);
    struct connection *connection =
        target->path ? make(proxy, target, text, now) : NULL;
    if (!connection ||
        watch_create(&connection->client.watch, proxy->watches, fd, UV_PRIORITIZED,
                     side_on_event, &connection->client) != 0) {
        if (connection)
            timers_give_back(proxy->timers, TIMERS_EACH);
        free(connection);
        intercepted_release(target->intercepted);
        (void)close(fd);
        return false;
    }
    connection->intercepted = target->intercepted;
    link_to_proxy(connection);
    counters_connection_add(proxy->config.counters, &connection->counts);
    connection->counts.to_server->attempts++;
    journal_opened(connection);
    connection_step(connection, now);
    return true;
}

void connection_rematch(struct connection *connection, uint64_t now_ns)
{
    if (connection->state == CONNECTION_OPEN)
        apply_rules(connection, now_ns);
    else if (connection->state == CONNECTION_HALF_OPEN)
        half_open_rematch(connection, now_ns);
    connection_step(connection, now_ns);
}

void connection_stop(struct connection *connection)
{
    connection_finish(connection, END_STOPPED, NULL);
    connection_free(connection);
}

bool connection_sample_unread(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || !connection->chains)
        return false;
    stream_sample_unread(&connection->to_server);
    stream_sample_unread(&connection->to_client);
    packet_sample(connection);
    return chain_gate(&connection->chains[TO_SERVER]) ||
           chain_gate(&connection->chains[TO_CLIENT]) ||
           connection->droppers[TO_SERVER] || connection->droppers[TO_CLIENT];
}

/* SPDX-License-Identifier: MIT */
/* The happy path: a rule is in force when a connection opens, or comes into force; the
 * gone side gets RST, what was on its way in either direction is lost with it, and the
 * other side is read until the rule goes, and then reset: a peer that is back after a
 * crash answers what it does not know with RST.
 *
 * The side that is left may end before that. Its RST ends the connection. Its FIN is
 * not answered, as by a peer that is gone; a minute later, when its kernel has given a
 * closed socket up as well (tcp(7), tcp_fin_timeout), there is nobody left to fool.
 *
 * The rule is looked up at each use and nothing of a plan is kept: plans come and go.
 */
#include "proxy/wire/half_open.h"
#include "proxy/base/now.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/record/touch.h"

#define FIN_PATIENCE_NS (60 * NS_PER_S)

/* The rule that keeps the connection half open; NULL: none, or no memory to know. */
static const struct plan_rule *find_rule(struct connection *connection, uint64_t now_ns,
                                         enum direction *gone)
{
    const struct match *match = connection_match(connection);
    return match ? match_half_open(match, &connection->match, now_ns, gone) : NULL;
}

/* The stream whose sender is left. */
static struct stream *stream_left(struct connection *connection)
{
    return connection->gone == TO_SERVER ? &connection->to_server
                                         : &connection->to_client;
}

void half_open_try(struct connection *connection, uint64_t now_ns)
{
    const struct plan_rule *rule = find_rule(connection, now_ns, &connection->gone);
    if (!rule)
        return;
    const struct chain_touch touch = {.first = true, .ended = true};
    const struct counters_rule *closer = touch_rule(connection->proxy, rule);
    connection->closer = closer ? closer->name : NULL;
    touch_stream(connection, connection->gone, rule, &touch);
    stream_close(&connection->to_server);
    stream_close(&connection->to_client);
    side_close(stream_left(connection)->receiver, true);
    connection_move(connection, CONNECTION_HALF_OPEN);
}

void half_open_rematch(struct connection *connection, uint64_t now_ns)
{
    enum direction gone;
    if (!find_rule(connection, now_ns, &gone))
        connection_finish(connection, END_RULE_RESET, connection->closer);
}

void half_open_discard(struct connection *connection, size_t bytes)
{
    enum direction gone;
    const struct plan_rule *rule = find_rule(connection, now_ns(), &gone);
    const struct chain_touch touch = {.discarded_bytes = bytes};
    stream_left(connection)->link->discarded_bytes += bytes;
    if (rule)
        touch_stream(connection, connection->gone, rule, &touch);
}

void half_open_step(struct connection *connection, uint64_t now_ns)
{
    const struct stream *left = stream_left(connection);
    if (left->sender->failed || left->input == STREAM_INPUT_RST)
        connection_finish(connection,
                          connection->gone == TO_SERVER ? END_RESET_BY_CLIENT
                                                        : END_RESET_BY_SERVER,
                          NULL);
    else if (left->input == STREAM_INPUT_FIN && connection->alarm.place == 0)
        timer_set(connection->proxy->timers, &connection->alarm,
                  now_ns + FIN_PATIENCE_NS);
}

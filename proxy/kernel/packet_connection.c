/* SPDX-License-Identifier: MIT */
/* From the rules of a connection to its two sockets, and from what vanished there to
 * the counters of the rule. packet.c says what each socket is for. */
#include "proxy/base/log.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/kernel/packet.h"
#include "proxy/record/touch.h"
#include "proxy/wire/watch.h"
#include "rules/plan/match_packets.h"

#include <string.h>

/* What becomes of the packets of one stream. */
struct fate {
    const struct plan_rule *rule; /* whose doing it is, or the first of them; or NULL */
    uint32_t lost;                /* as in packet_socket.h */
    bool is_cut; /* all vanish, also those that go to the stream's receiver */
};

static uint32_t of_all_packets(uint32_t ppm)
{
    uint64_t lost = ((uint64_t)ppm << 32) / 1000000;
    return lost < PACKETS_ALL ? (uint32_t)lost : PACKETS_ALL;
}

static struct fate decide(const struct connection *connection,
                          const struct match *match, enum direction direction,
                          uint64_t now_ns)
{
    struct fate fate = {.lost = PACKETS_NONE};
    size_t n = 1;
    fate.rule = match_drop(match, &connection->match, direction, now_ns);
    fate.is_cut = fate.rule;
    if (fate.is_cut)
        fate.lost = PACKETS_ALL;
    else
        fate.lost = of_all_packets(match_packet_loss(
            match, &connection->match, direction, now_ns, &fate.rule, &n));
    return fate;
}

/* from: the packets of the stream whose sender is behind the socket; towards: of the
 * one whose receiver is. 0 or a negative errno. */
static int put_on(const struct connection *connection, struct side *side,
                  const struct fate *from, const struct fate *towards)
{
    int fd = watch_fd(side->watch);
    int status = packet_socket_lose(&side->packets, fd, from->lost);
    if (status != 0)
        return status;
    return towards->is_cut
               ? packet_socket_mute(&side->packets, fd, packet_mark(connection))
               : packet_socket_unmute(&side->packets, fd);
}

void packet_update(struct connection *connection, const struct match *match,
                   uint64_t now_ns)
{
    struct fate fates[2];
    for (int way = TO_SERVER; way <= TO_CLIENT; way++) {
        fates[way] = decide(connection, match, (enum direction)way, now_ns);
        connection->droppers[way] =
            fates[way].rule ? touch_rule(connection->proxy, fates[way].rule) : NULL;
    }
    int status =
        put_on(connection, &connection->client, &fates[TO_SERVER], &fates[TO_CLIENT]);
    if (status == 0)
        status = put_on(connection, &connection->server, &fates[TO_CLIENT],
                        &fates[TO_SERVER]);
    if (status != 0)
        log_line(LOG_ERROR, "connection=%llu its packets cannot be dropped: %s",
                 (unsigned long long)connection->counts.number, strerror(-status));
}

static void count_for(struct connection *connection, enum direction direction,
                      uint64_t packets)
{
    if (connection->droppers[direction])
        touch_packets(connection, direction, connection->droppers[direction], packets);
}

void packet_sample(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN ||
        (!connection->droppers[TO_SERVER] && !connection->droppers[TO_CLIENT]))
        return;
    struct side *client = &connection->client, *server = &connection->server;
    struct packet_count at_client =
        packet_socket_count(&client->packets, watch_fd(client->watch));
    struct packet_count at_server =
        packet_socket_count(&server->packets, watch_fd(server->watch));
    count_for(connection, TO_SERVER, at_client.incoming + at_server.outgoing);
    count_for(connection, TO_CLIENT, at_server.incoming + at_client.outgoing);
}

bool packet_keeps(const struct connection *connection)
{
    const struct side *client = &connection->client, *server = &connection->server;
    return packet_socket_is_stuck(&client->packets, watch_fd(client->watch)) ||
           packet_socket_is_stuck(&server->packets, watch_fd(server->watch));
}

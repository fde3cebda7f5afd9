/* SPDX-License-Identifier: MIT */
/* The kernel counts the SYNs that it drops because a queue is full, as drops of the
 * listening socket (tcp_listendrop). Those of the connection that fills the queue are
 * not somebody's: where it did not get in, it sends them for as long as it is there.
 */
#include "proxy/wire/unanswered.h"
#include "proxy/base/now.h"
#include "proxy/instance.h"
#include "proxy/wire/listener.h"
#include "proxy/kernel/packet_socket.h"
#include "proxy/record/touch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* How many SYNs of the connection that fills the queue were dropped. */
static uint32_t own_drops(int filler)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (filler < 0 || getsockopt(filler, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return info.tcpi_total_retrans + (info.tcpi_state == TCP_SYN_SENT ? 1 : 0);
}

/* The kernel's count, without ours. */
static uint32_t look(const struct listener *listener)
{
    return packet_socket_drops(watch_fd(listener->watch)) - own_drops(listener->filler);
}

void unanswered_begin(struct listener *listener, const struct plan_rule *rule)
{
    struct proxy *proxy = listener->proxy;
    struct counters *counters = proxy->config.counters;
    struct counters_rule *counts = touch_rule(proxy, rule);
    struct counters_link *link =
        counters_link(counters, listener->path->opener, listener->path->server);
    listener->unanswered.touch =
        counts && link ? counters_touch(counters, counts, link) : NULL;
    listener->unanswered.seen = look(listener);
    timer_set(proxy->timers, &proxy->sample, now_ns());
}

bool unanswered_sample(struct listener *listener)
{
    struct unanswered *unanswered = &listener->unanswered;
    if (!unanswered->touch)
        return false;
    uint32_t seen = look(listener);
    touch_unanswered(listener->proxy, unanswered->touch, seen - unanswered->seen);
    unanswered->seen = seen;
    return true;
}

void unanswered_end(struct listener *listener)
{
    (void)unanswered_sample(listener);
    listener->unanswered.touch = NULL;
}

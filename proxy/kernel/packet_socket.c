/* SPDX-License-Identifier: MIT */
/* What comes meets a filter of classic BPF on the socket, before TCP sees it (kernel:
 * tcp_filter): "none" takes all of a packet's bytes, "all" none, and what lies between
 * draws a number for each. What goes is marked, and a rule in a table of the instance's
 * (packet.c) drops what carries the mark. Both hold for a live socket from the next
 * packet on (tried on Linux 6.18).
 *
 * Counting: the kernel counts what a filter drops in SK_MEMINFO_DROPS, and all that a
 * socket tried to send, before it meets a rule, in tcpi_segs_out. In the first the few
 * packets are included that TCP itself throws away, for instance those that come twice.
 *
 * A packet is what the kernel hands up as one, which where it merges segments (GRO) is
 * up to 64 KiB of them; it is counted by segments. */
#include "proxy/kernel/packet_socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MARK_BITS UINT32_C(0xff) /* of a mark; the rest says whose it is */

uint32_t packet_socket_drops(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof memory;
    (void)getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length); /* a socket has it */
    return memory[SK_MEMINFO_DROPS];
}

static uint32_t read_outgoing_packets(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length); /* TCP has it */
    return info.tcpi_segs_out;
}

static int detach(int fd)
{
    const int unused = 0;
    int status = setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    return status == 0 || errno == ENOENT ? 0 : -errno;
}

static int attach(int fd, struct sock_filter *code, size_t n)
{
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    int status = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    return status == 0 ? 0 : -errno;
}

static int attach_all(int fd)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    return attach(fd, code, sizeof code / sizeof *code);
}

static int attach_some(int fd, uint32_t lost)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, lost, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), /* all of its bytes */
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    return attach(fd, code, sizeof code / sizeof *code);
}

int packet_socket_lose(struct packet_socket *packets, int fd, uint32_t lost)
{
    if (lost == packets->lost)
        return 0;
    if (packets->lost == PACKETS_NONE)
        packets->incoming_drops = packet_socket_drops(fd);
    int status = lost == PACKETS_NONE  ? detach(fd)
                 : lost == PACKETS_ALL ? attach_all(fd)
                                       : attach_some(fd, lost);
    if (status == 0)
        packets->lost = lost;
    return status;
}

static int set_mark(int fd, uint32_t mark)
{
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 ? 0 : -errno;
}

int packet_socket_mute(struct packet_socket *packets, int fd, uint32_t mark)
{
    if (packets->is_muted)
        return 0;
    uint32_t own = 0;
    socklen_t length = sizeof own;
    if (getsockopt(fd, SOL_SOCKET, SO_MARK, &own, &length) != 0)
        return -errno;
    uint32_t sent = read_outgoing_packets(fd);
    bool is_ours = (own & ~MARK_BITS) == (mark & ~MARK_BITS);
    int status = set_mark(fd, is_ours ? own | mark : mark);
    if (status != 0)
        return status;
    packets->mark = own;
    packets->outgoing_packets = sent;
    packets->is_muted = true;
    return 0;
}

int packet_socket_unmute(struct packet_socket *packets, int fd)
{
    if (!packets->is_muted)
        return 0;
    int status = set_mark(fd, packets->mark);
    if (status == 0)
        packets->is_muted = false;
    return status;
}

void packet_socket_release(struct packet_socket *packets, int fd)
{
    (void)packet_socket_lose(packets, fd, PACKETS_NONE); /* taking off cannot fail */
    (void)packet_socket_unmute(packets, fd);             /* it was allowed to mark it */
}

bool packet_socket_is_stuck(const struct packet_socket *packets, int fd)
{
    int unacknowledged = 0;
    return (packets->lost == PACKETS_ALL || packets->is_muted) &&
           ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0;
}

struct packet_count packet_socket_count(struct packet_socket *packets, int fd)
{
    struct packet_count count = {0};
    if (packets->lost != PACKETS_NONE) {
        uint32_t drops = packet_socket_drops(fd);
        count.incoming =
            drops - packets->incoming_drops; /* right when they wrap, too */
        packets->incoming_drops = drops;
    }
    if (packets->is_muted) {
        uint32_t sent = read_outgoing_packets(fd);
        count.outgoing = sent - packets->outgoing_packets;
        packets->outgoing_packets = sent;
    }
    return count;
}

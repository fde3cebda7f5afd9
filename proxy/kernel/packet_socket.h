/* SPDX-License-Identifier: MIT */
/* Packets of one TCP socket of ours that vanish as if the network had lost them: those
 * that come, some or all, and those that it sends. The kernel does it, at once and for
 * live sockets, acknowledgements and retransmissions included; neither end is told. */
#ifndef NETSPLIT_KERNEL_PACKET_SOCKET_H
#define NETSPLIT_KERNEL_PACKET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

/* How many of 2^32 packets are lost: none, or all. */
#define PACKETS_NONE 0
#define PACKETS_ALL  UINT32_MAX

/* What is done to a socket; zeroes at first. To be embedded beside the descriptor. */
struct packet_socket {
    uint32_t lost;             /* of what comes, of 2^32; PACKETS_NONE..PACKETS_ALL */
    bool is_muted;             /* what it sends is dropped */
    uint32_t mark;             /* its own one, while it is muted */
    uint32_t incoming_drops;   /* the kernel's count when it was looked at last */
    uint32_t outgoing_packets; /* likewise, while it is muted */
};

/* From now on so many of the packets that come are lost. Takes the place of what was
 * before without a packet in between. 0; or a negative errno (-EPERM, -ENOMEM), and all
 * is as it was. */
int packet_socket_lose(struct packet_socket *packets, int fd, uint32_t lost);

/* From now on what it sends carries the mark, for a rule of nftables to drop; or its
 * own mark again. Where its own one is of the same instance its bits stay set. 0, or a
 * negative errno and all is as it was (-EPERM: needs CAP_NET_ADMIN). */
int packet_socket_mute(struct packet_socket *packets, int fd, uint32_t mark);
int packet_socket_unmute(struct packet_socket *packets, int fd);

/* Neither any more: for one that is about to be closed, which the kernel does in its
 * own time, with whatever is on it then. */
void packet_socket_release(struct packet_socket *packets, int fd);

/* Is it cut off, with bytes or a FIN that the peer has not acknowledged? */
bool packet_socket_is_stuck(const struct packet_socket *packets, int fd);

/* How many of its packets vanished since this was asked last, each retransmission for
 * itself. Ask before a change: what vanished before it and was not asked for then is
 * counted no more. */
struct packet_count {
    uint64_t incoming, outgoing;
};
struct packet_count packet_socket_count(struct packet_socket *packets, int fd);

/* How many packets for the socket the kernel has thrown away, ever, for whatever
 * reason; of one that listens: SYNs that it did not answer. Wraps. */
uint32_t packet_socket_drops(int fd);

#endif

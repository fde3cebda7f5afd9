/* SPDX-License-Identifier: MIT */
/* Requests on a netlink socket made in the namespace; the kernel answers while it is
 * asked, so that nothing here waits. */
#include "proxy/kernel/sock_diag.h"
#include "proxy/kernel/netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32 << 10 };

struct request {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

static int send_request(int fd, uint16_t type, uint16_t flags,
                        const struct inet_diag_req_v2 *body)
{
    const struct request request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = type,
                 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
        .body = *body,
    };
    return send(fd, &request, sizeof request, 0) == (ssize_t)sizeof request ? 0
                                                                            : -errno;
}

static void set_address(struct sockaddr_storage *out, int family, const void *bytes,
                        uint16_t port)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        memcpy(&six->sin6_addr, bytes, sizeof six->sin6_addr);
        six->sin6_port = port;
        return;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    memcpy(&four->sin_addr, bytes, sizeof four->sin_addr);
    four->sin_port = port;
}

/* An attribute of a number; 0 if it is not there. */
static uint32_t find_mark(const struct nlmsghdr *head)
{
    const char *at =
        (const char *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(struct inet_diag_msg));
    const char *end = (const char *)head + head->nlmsg_len;
    while (at + sizeof(struct nlattr) <= end) {
        const struct nlattr *attribute = (const struct nlattr *)(const void *)at;
        uint32_t mark;
        if (attribute->nla_len < sizeof *attribute)
            break;
        if (attribute->nla_type == INET_DIAG_MARK &&
            attribute->nla_len >= sizeof *attribute + sizeof mark) {
            memcpy(&mark, at + sizeof *attribute, sizeof mark);
            return mark;
        }
        at += NLA_ALIGN(attribute->nla_len);
    }
    return 0;
}

/* Room for one more is made by doubling: n is a power of two when it is full. */
static int append(struct sock_diag_list *list, const struct nlmsghdr *head)
{
    const struct inet_diag_msg *message = NLMSG_DATA(head);
    if ((list->n & (list->n - 1)) == 0) {
        size_t room = list->n ? 2 * list->n : 1;
        struct sock_diag *items = reallocarray(list->items, room, sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
    }
    struct sock_diag *socket = &list->items[list->n++];
    const struct inet_diag_sockid *id = &message->id;
    socket->id = *id;
    socket->uid = message->idiag_uid;
    socket->mark = find_mark(head);
    set_address(&socket->own, message->idiag_family, id->idiag_src, id->idiag_sport);
    set_address(&socket->peer, message->idiag_family, id->idiag_dst, id->idiag_dport);
    return 0;
}

static int error_of(const struct nlmsghdr *head)
{
    return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
}

/* 1: there is more to come; else 0 or a negative errno. */
static int read_answer(struct sock_diag_list *out, const struct nlmsghdr *head,
                       size_t n)
{
    int status = 1;
    for (; status == 1 && NLMSG_OK(head, n); head = NLMSG_NEXT(head, n)) {
        if (head->nlmsg_type == NLMSG_DONE)
            status = 0;
        else if (head->nlmsg_type == NLMSG_ERROR)
            status = error_of(head);
        else if (append(out, head) != 0)
            status = -ENOMEM;
    }
    return status;
}

int sock_diag_list(const struct netns *netns, int family, struct sock_diag_list *out)
{
    _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
    const struct inet_diag_req_v2 body = {
        .sdiag_family = (uint8_t)family,
        .sdiag_protocol = IPPROTO_TCP,
        .idiag_states = 1 << TCP_ESTABLISHED,
    };
    int fd = netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return fd;
    int status = send_request(fd, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body);
    if (status == 0)
        status = 1;
    while (status == 1) {
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        status = n > 0 ? read_answer(out, (struct nlmsghdr *)(void *)answer, (size_t)n)
                       : -errno;
    }
    (void)close(fd); /* nothing is lost */
    return status;
}

void sock_diag_list_close(struct sock_diag_list *list)
{
    free(list->items);
    *list = (struct sock_diag_list){0};
}

int sock_diag_destroy(const struct netns *netns, const struct sock_diag *socket)
{
    _Alignas(struct nlmsghdr) char answer[1024];
    const struct inet_diag_req_v2 body = {
        .sdiag_family = (uint8_t)socket->own.ss_family,
        .sdiag_protocol = IPPROTO_TCP,
        .idiag_states = UINT32_MAX,
        .id = socket->id,
    };
    int fd = netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return fd;
    int status = send_request(fd, SOCK_DESTROY, NLM_F_ACK, &body);
    const struct nlmsghdr *head = (const struct nlmsghdr *)(void *)answer;
    if (status == 0 && recv(fd, answer, sizeof answer, 0) < (ssize_t)sizeof *head)
        status = -EIO;
    if (status == 0 && head->nlmsg_type == NLMSG_ERROR)
        status = error_of(head);
    (void)close(fd); /* nothing is lost */
    return status;
}

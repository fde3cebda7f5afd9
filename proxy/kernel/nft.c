/* SPDX-License-Identifier: MIT */
/* A thin layer over libnftables: the happy path is a context with its netlink socket, a
 * table that this socket owns, and transactions.
 *
 * libnftables reports errors as text with a caret under the command; of that the first
 * line is kept, and errno says which kind it was. Its socket is not close-on-exec and
 * has no accessor, so it is found as the descriptor that was not there before. */
#include "proxy/kernel/nft.h"
#include "proxy/base/errmsg.h"
#include "rules/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_BYTES = 64, ANSWER_BYTES = 1024 };

#define NOT_PERMITTED "nftables: not permitted (needs CAP_NET_ADMIN)"

struct nft {
    struct nft_ctx *context; /* owned */
    char name[NAME_BYTES];
};

/* Marks as close-on-exec the netlink socket that nft_ctx_new opened: the lowest free
 * descriptor before it was called. */
static void close_on_exec(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC); /* of a descriptor of ours */
}

/* What the kernel's word in libnftables' message was. */
static int error_of(const char *text)
{
    static const struct {
        const char *words;
        int error;
    } rows[] = {
        {"Operation not permitted", EPERM},
        {"Permission denied", EPERM},
        {"File exists", EEXIST},
        {"No such file or directory", ENOENT},
        {"Device or resource busy", EBUSY},
        {"Operation not supported", EOPNOTSUPP},
        {"Cannot allocate memory", ENOMEM},
        {"No buffer space available", ENOBUFS},
        {"Protocol error", EPROTO},
    };
    for (size_t i = 0; text && i < sizeof rows / sizeof *rows; i++)
        if (strstr(text, rows[i].words))
            return -rows[i].error;
    return -EINVAL;
}

static int complain(struct nft *nft, struct errmsg *err)
{
    const char *text = nft_ctx_get_error_buffer(nft->context);
    int error = error_of(text);
    if (error == -EPERM)
        errmsg_set(err, NOT_PERMITTED);
    else
        errmsg_set(err, "nftables: %.*s", text ? (int)strcspn(text, "\n") : 0,
                   text ? text : "");
    return error;
}

int nft_run(struct nft *nft, const char *commands, struct errmsg *err)
{
    if (nft_run_cmd_from_buffer(nft->context, commands) == 0)
        return 0;
    return complain(nft, err);
}

int nft_list(struct nft *nft, const char *command, char **out, struct errmsg *err)
{
    nft_ctx_output_set_flags(nft->context, NFT_CTX_OUTPUT_JSON);
    int status = nft_run(nft, command, err);
    nft_ctx_output_set_flags(nft->context, 0);
    if (status != 0)
        return status;
    *out = strdup(nft_ctx_get_output_buffer(nft->context));
    return *out ? 0 : -ENOMEM;
}

const char *nft_table(const struct nft *nft)
{
    return nft->name;
}

static int make_context(struct nft *nft)
{
    int fd = fcntl(0, F_DUPFD, 0); /* the number that the next descriptor will get */
    if (fd < 0)
        return -errno;
    (void)close(fd);
    nft->context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft->context)
        return -ENOMEM;
    close_on_exec(fd);
    return nft_ctx_buffer_output(nft->context) == 0 &&
                   nft_ctx_buffer_error(nft->context) == 0
               ? 0
               : -ENOMEM;
}

/* The answer to a question that anyone may ask who may ask at all: the privilege counts
 * that one has over this network namespace, which in a user namespace is another than
 * over the machine. */
static int ask_generation(int fd)
{
    static const struct {
        struct nlmsghdr head;
        struct nfgenmsg body;
    } question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                 .nlmsg_flags = NLM_F_REQUEST},
        .body = {.version = NFNETLINK_V0},
    };
    _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
    const struct nlmsghdr *head = (const struct nlmsghdr *)(void *)answer;
    if (send(fd, &question, sizeof question, 0) < 0 ||
        recv(fd, answer, sizeof answer, MSG_DONTWAIT) < (ssize_t)sizeof *head ||
        head->nlmsg_type != NLMSG_ERROR)
        return 0;
    return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
}

/* Asked of the kernel: libnftables would print a complaint of its own. */
bool nft_is_permitted(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        return true; /* then the kernel says what it is */
    int status = ask_generation(fd);
    (void)close(fd);
    return status != -EPERM;
}

/* The kernel says "not permitted" of a table that another process owns as it does of
 * all to those without the privilege; but such a table can be seen. */
static bool is_owned(struct nft *nft)
{
    char command[2 * NAME_BYTES];
    (void)snprintf(command, sizeof command, "list table inet %s", nft->name);
    return nft_run(nft, command, NULL) == 0;
}

int nft_create(struct nft **out, const char *name, struct errmsg *err)
{
    if (!nft_is_permitted()) {
        errmsg_set(err, NOT_PERMITTED);
        return -EPERM;
    }
    struct nft *nft = calloc(1, sizeof *nft);
    char command[2 * NAME_BYTES];
    int status = -ENOMEM;
    if (nft) {
        (void)snprintf(nft->name, sizeof nft->name, "%s", name); /* ours are short */
        status = make_context(nft);
    }
    if (status != 0) {
        errmsg_set(err, "nftables: %s", strerror(-status));
        nft_destroy(nft);
        return status;
    }
    (void)snprintf(command, sizeof command, "create table inet %s { flags owner; }",
                   nft->name);
    status = nft_run(nft, command, err);
    if (status == -EPERM && is_owned(nft))
        status = -EEXIST;
    if (status != 0) {
        nft_destroy(nft);
        return status;
    }
    *out = nft;
    return 0;
}

int nft_exists(const char *name)
{
    struct nft nft = {.name = ""};
    char line[2 * NAME_BYTES];
    int status = make_context(&nft);
    if (status == 0)
        status = nft_run(&nft, "list tables", NULL);
    (void)snprintf(line, sizeof line, "table inet %s\n", name);
    if (status == 0)
        status = strstr(nft_ctx_get_output_buffer(nft.context), line) != NULL;
    if (nft.context)
        nft_ctx_free(nft.context);
    return status;
}

void nft_write_chain(const struct nft *nft, const char *chain, const char *base,
                     struct buffer *out)
{
    buffer_print(out, "add chain inet %s %s", nft->name, chain);
    if (base)
        buffer_print(out, " { %s; policy accept; }", base);
    buffer_print(out, "\nflush chain inet %s %s\n", nft->name, chain);
}

void nft_destroy(struct nft *nft)
{
    if (!nft)
        return;
    if (nft->context)
        nft_ctx_free(nft->context); /* its socket owned the table */
    free(nft);
}

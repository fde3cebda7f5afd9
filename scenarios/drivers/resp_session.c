/* SPDX-License-Identifier: MIT */
/* hiredis without blocking, each command followed by a wait: its blocking calls do not
 * hear that we are asked to end. */
#include "scenarios/drivers/resp_session.h"

#include "proxy/base/now.h"
#include "scenarios/drivers/driver.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16 }; /* of a command */

int resp_session_open(struct resp_session *session, const struct patience *patience,
                      uint64_t within_ns, const struct driver_endpoint *endpoint,
                      struct errmsg *err)
{
    *session = (struct resp_session){.patience = patience, .within_ns = within_ns};
    int fd = patience_connect(patience, endpoint, now_ns() + within_ns);
    if (fd < 0) {
        errmsg_set(err, "%s", strerror(-fd));
        return fd;
    }
    session->context = redisConnectFd(fd);
    if (!session->context || session->context->err) {
        errmsg_set(err, "out of memory");
        if (!session->context)
            (void)close(fd); /* nothing was sent */
        return -ENOMEM;
    }
    session->context->flags &= ~REDIS_BLOCK; /* which a given socket is taken for */
    return 0;
}

/* Sends what is queued and reads one answer. */
static int converse(struct resp_session *session, redisReply **reply)
{
    redisContext *context = session->context;
    uint64_t until_ns = now_ns() + session->within_ns;
    int sent = 0, status = 0;
    while (status == 0 && !sent && redisBufferWrite(context, &sent) == REDIS_OK)
        status =
            sent ? 0 : patience_wait(session->patience, context->fd, POLLOUT, until_ns);
    while (status == 0 && !context->err &&
           redisGetReplyFromReader(context, (void **)reply) == REDIS_OK && !*reply) {
        status = patience_wait(session->patience, context->fd, POLLIN, until_ns);
        if (status == 0)
            (void)redisBufferRead(context); /* context->err tells */
    }
    return status;
}

static int queue(struct resp_session *session, const char *words, const char *last)
{
    const char *argv[WORDS_MAX + 1];
    size_t lengths[WORDS_MAX + 1];
    int n = 0;
    for (const char *at = words; *at && n < WORDS_MAX; n++) {
        argv[n] = at;
        lengths[n] = strcspn(at, " ");
        at += lengths[n] + (at[lengths[n]] == ' ');
    }
    if (last) {
        argv[n] = last;
        lengths[n++] = strlen(last);
    }
    return redisAppendCommandArgv(session->context, n, argv, lengths);
}

redisReply *resp_session_ask(struct resp_session *session, struct errmsg *err,
                             const char *words, const char *last)
{
    redisReply *reply = NULL;
    int queued = session->context->err ? REDIS_ERR : queue(session, words, last);
    int status = queued == REDIS_OK ? converse(session, &reply) : 0;
    if (reply)
        return reply;
    errmsg_set(err, "%s",
               status == -ETIMEDOUT    ? "no answer in time"
               : status < 0            ? strerror(-status)
               : session->context->err ? session->context->errstr
                                       : "out of memory");
    if (!session->context->err) /* a late answer would be taken for the next one's */
        session->context->err = REDIS_ERR_EOF;
    return NULL;
}

bool resp_is_error(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR;
}

bool resp_begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

void resp_session_close(struct resp_session *session)
{
    if (session->context)
        redisFree(session->context);
    session->context = NULL;
}

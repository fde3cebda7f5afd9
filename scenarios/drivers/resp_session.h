/* SPDX-License-Identifier: MIT */
/* A session with a server that speaks RESP for who asks one question after the other
 * and waits for the answers. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_RESP_SESSION_H
#define NETSPLIT_SCENARIOS_DRIVERS_RESP_SESSION_H

#include "proxy/base/errmsg.h"
#include "scenarios/preflight/patience.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>

struct driver_endpoint;

struct resp_session {
    redisContext *context;           /* owned */
    const struct patience *patience; /* borrowed until closed */
    uint64_t within_ns;              /* for connecting, and for each question */
};

/* Connects. 0; or a negative errno with err; the session is to be closed in any case. */
int resp_session_open(struct resp_session *session, const struct patience *patience,
                      uint64_t within_ns, const struct driver_endpoint *endpoint,
                      struct errmsg *err);

/* The answer to one command, words with single blanks between them, and perhaps a last
 * word (NULL = none) that may hold anything. It may be the server's error;
 * freeReplyObject() it. NULL with err when there is none, and then there will be none
 * any more. */
redisReply *resp_session_ask(struct resp_session *session, struct errmsg *err,
                             const char *words, const char *last);

bool resp_is_error(const redisReply *reply);
/* Whether the text begins with the word: "NOPERM" of an error. */
bool resp_begins(const char *text, const char *word);

void resp_session_close(struct resp_session *session);

#endif

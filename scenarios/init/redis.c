/* SPDX-License-Identifier: MIT */
/* Asks a Redis server, by hiredis. The password comes from $REDISCLI_AUTH, as with
 * redis-cli and in drills.
 *
 * Happy path: AUTH if there is a password -> ROLE, which names a replica's primary ->
 * INFO for version, identity and a primary's replicas -> what a write waits for.
 * Failures: an error reply is the server's word that it answers, but not to us. What a
 * managed service hides (CONFIG) is left out. A Sentinel is no server, and says so. */
#include "scenarios/init/survey.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char init_redis_yaml[];

static const redisReply *item(const redisReply *reply, size_t i, int type)
{
    return reply->type == REDIS_REPLY_ARRAY && i < reply->elements &&
                   reply->element[i]->type == type
               ? reply->element[i]
               : NULL;
}

/* The reply to the n words, or NULL with *status and err set. The caller frees it. */
static redisReply *command(redisContext *context, int n, const char **words,
                           int *status, struct errmsg *err)
{
    redisReply *reply = redisCommandArgv(context, n, words, NULL);
    *status = 0;
    if (!reply) {
        errmsg_set(err, "%s", context->errstr);
        *status = -EPROTO;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        errmsg_set(err, "%s", reply->str);
        *status = -EACCES;
    }
    if (*status == 0)
        return reply;
    freeReplyObject(reply);
    return NULL;
}

/* The value of "key:value" in the reply to INFO, or NULL. */
static const char *info_of(struct survey *survey, const redisReply *reply,
                           const char *key)
{
    char value[256];
    const char *at = reply->str;
    size_t n = strlen(key);
    while (at && !(strncmp(at, key, n) == 0 && at[n] == ':')) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return NULL;
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(at + n + 1, "\r\n"),
                   at + n + 1);
    return survey_keep(survey, value);
}

/* slave0:ip=10.0.0.2,port=6379,state=online,... ROLE names those that are online only,
 * and one that has just come is not for a moment. */
static void read_replicas(struct survey *survey, const redisReply *reply,
                          struct survey_answer *out)
{
    for (size_t i = 0; i < SURVEY_SERVERS_MAX; i++) {
        char key[16], host[64], state[32];
        unsigned port = 0;
        (void)snprintf(key, sizeof key, "slave%zu", i);
        const char *value = info_of(survey, reply, key);
        if (!value ||
            sscanf(value, "ip=%63[^,],port=%5u,state=%31[^,]", host, &port, state) != 3)
            return;
        bool is_online = strcmp(state, "online") == 0;
        out->replicas[out->n_replicas++] = (struct survey_peer){
            .host = survey_keep(survey, host),
            .port = port <= UINT16_MAX ? (uint16_t)port : 0,
            .state = is_online ? "asynchronous" : survey_keep(survey, state)};
    }
}

static int read_role(struct survey *survey, const redisReply *reply,
                     struct survey_answer *out, struct errmsg *err)
{
    const redisReply *word = item(reply, 0, REDIS_REPLY_STRING);
    const redisReply *host = item(reply, 1, REDIS_REPLY_STRING);
    const redisReply *port = item(reply, 2, REDIS_REPLY_INTEGER);
    out->is_primary = word && strcmp(word->str, "master") == 0;
    if (out->is_primary)
        return 0;
    if (word && strcmp(word->str, "slave") == 0 && host && port) {
        out->source.host = survey_keep(survey, host->str);
        out->source.port = (uint16_t)port->integer;
        return 0;
    }
    errmsg_set(err, word && strcmp(word->str, "sentinel") == 0
                        ? "this is a Sentinel, which only watches servers; redis-cli "
                          "SENTINEL MASTERS names them"
                        : "its answer to ROLE is not understood");
    return -EINVAL;
}

static void read_setting(struct survey *survey, redisContext *context,
                         struct survey_answer *out)
{
    int status = 0;
    char text[128];
    const char *words[] = {"CONFIG", "GET", "min-replicas-to-write"};
    redisReply *reply = command(context, 3, words, &status, NULL);
    const redisReply *value = reply ? item(reply, 1, REDIS_REPLY_STRING) : NULL;
    (void)snprintf(text, sizeof text, "min-replicas-to-write = %s",
                   value ? value->str : "(it does not show)");
    out->setting = survey_keep(survey, text);
    freeReplyObject(reply);
}

static int ask_info(struct survey *survey, redisContext *context,
                    struct survey_answer *out, struct errmsg *err)
{
    int status = 0;
    const char *words[] = {"INFO"};
    redisReply *reply = command(context, 1, words, &status, err);
    if (!reply)
        return status;
    if (reply->type == REDIS_REPLY_STRING) {
        out->version = info_of(survey, reply, "redis_version");
        out->identity = info_of(survey, reply, "master_replid");
        const char *kind = info_of(survey, reply, "redis_mode");
        if (out->is_primary)
            read_replicas(survey, reply, out);
        if (out->is_primary && kind && strcmp(kind, "cluster") == 0)
            survey_note(survey,
                        "it is one shard of a Redis Cluster: a drill's keys that "
                        "belong to other shards are refused");
    }
    freeReplyObject(reply);
    return 0;
}

static int ask_server(struct survey *survey, redisContext *context,
                      struct survey_answer *out, struct errmsg *err)
{
    int status = 0;
    const char *password = getenv("REDISCLI_AUTH");
    const char *login[] = {"AUTH", password}, *role[] = {"ROLE"};
    if (password)
        freeReplyObject(command(context, 2, login, &status, err));
    /* ERR AUTH: it wants none, and goes on. */
    if (status != 0 && strncmp(err->text, "ERR", 3) != 0)
        return status;
    redisReply *reply = command(context, 1, role, &status, err);
    if (reply)
        status = read_role(survey, reply, out, err);
    freeReplyObject(reply);
    if (status == 0)
        status = ask_info(survey, context, out, err);
    if (status == 0 && out->is_primary)
        read_setting(survey, context, out);
    return status;
}

static int redis_ask(struct survey *survey, const struct reach_place *place,
                     struct survey_answer *out, struct errmsg *err)
{
    struct timeval timeout = {.tv_sec = REACH_TIMEOUT_MS / 1000};
    redisContext *context =
        redisConnectWithTimeout(place->address, place->port, timeout);
    if (!context || context->err) {
        errmsg_set(err, "%s", context ? context->errstr : "out of memory");
        redisFree(context);
        return -EPROTO;
    }
    (void)redisSetTimeout(context, timeout); /* fails for Unix sockets only */
    int status = ask_server(survey, context, out, err);
    redisFree(context);
    return status;
}

/* It answers PING, or says why it does not. */
static bool redis_is_it(const struct reach_place *place)
{
    char answer[16] = "";
    size_t n = reach_say(place, "PING\r\n", 6, answer, sizeof answer);
    return (n >= 5 && memcmp(answer, "+PONG", 5) == 0) ||
           (n >= 2 && answer[0] == '-' && answer[1] >= 'A' && answer[1] <= 'Z');
}

const struct survey_row survey_redis = {
    .name = "redis",
    .title = "Redis",
    .help =
        "the password comes from REDISCLI_AUTH in the environment; drills log in as "
        "the default user, and speak no TLS",
    .replica = "replica",
    .replicas = "replicas",
    .port = 6379,
    .program = "[redis-cli]",
    .cluster = init_redis_yaml,
    .ask = redis_ask,
    .is_it = redis_is_it,
};

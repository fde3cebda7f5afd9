/* SPDX-License-Identifier: MIT */
/* What preflight asks a Redis, or what else speaks RESP, as the drill's user. The
 * reference store answers some of it; what it does not know is passed over. */
#include "scenarios/drivers/preflight_resp.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/drivers/resp_session.h"
#include "scenarios/preflight/preflight.h"

#include <stdlib.h>
#include <string.h>

const char *preflight_resp_cli(const struct preflight *preflight, size_t node,
                               char *text, size_t text_bytes)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    (void)snprintf(text, text_bytes, "redis-cli -h %s -p %u", place->address,
                   place->port);
    return text;
}

/* The text of an answer that is one; NULL for errors and others; borrowed from it. */
static const char *text_of(const redisReply *reply)
{
    return reply && reply->str && !resp_is_error(reply) ? reply->str : NULL;
}

/* "master_port:6379" of INFO; false if it is not there. */
static bool read_info(const char *info, const char *key, char *out, size_t out_bytes)
{
    size_t length = strlen(key);
    for (const char *at = info; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, length) != 0 || at[length] != ':')
            continue;
        at += length + 1;
        (void)snprintf(out, out_bytes, "%.*s", (int)strcspn(at, "\r\n"), at);
        return true;
    }
    return false;
}

static const struct {
    const char *said, *mend; /* mend: of what it is, with the node's name */
} login_mends[] = {
    /* No sign between the variable and what follows: that would be hidden as a value. */
    {"NOAUTH", "read -rs REDISCLI_AUTH && export REDISCLI_AUTH # the password of %s's "
               "default user"},
    {"WRONGPASS", "read -rs REDISCLI_AUTH # what it has is not the password of %s's "
                  "default user"},
    {"ERR invalid password",
     "read -rs REDISCLI_AUTH # what it has is not %s's password"},
    {"DENIED", "on %s: a password (requirepass), or CONFIG SET protected-mode no"},
    {"LOADING", "wait until %s has loaded its data"},
    {"Protocol error, got \"\\x15\"",
     "it speaks TLS, which the driver does not: give %s a plain port for the drill "
     "(CONFIG SET port N), and name it in `ports:`"},
    {"Protocol error", "is %s a Redis? correct its `ports:`, or `driver:`"},
    {"Server closed", "is %s a Redis, without TLS, on this port? correct its `ports:`"},
    {"no answer in time", "is %s a Redis that is up? its log says what it does"},
    {"Connection reset", "is %s a Redis, without TLS, on this port? its log says more"},
};

static void complain_login(struct preflight *preflight, size_t node, const char *said)
{
    if (preflight_is_over(preflight))
        return;
    preflight_add(preflight, PREFLIGHT_MISSING, node, "%s", said);
    for (size_t i = 0; i < sizeof login_mends / sizeof *login_mends; i++)
        if (resp_begins(said, login_mends[i].said)) {
            preflight_mend_with(preflight, login_mends[i].mend,
                                preflight->cluster->nodes[node]);
            return;
        }
}

/* As the driver does, which hears no answer to it. False after a finding. */
static bool authenticate(struct preflight *preflight, size_t node,
                         struct resp_session *session)
{
    const char *password = getenv("REDISCLI_AUTH");
    struct errmsg err = {""};
    if (!password)
        return true;
    redisReply *reply = resp_session_ask(session, &err, "AUTH", password);
    bool unknown =
        reply && resp_is_error(reply) && strstr(reply->str, "without any password");
    bool good = reply && (!resp_is_error(reply) || unknown);
    if (unknown) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "$REDISCLI_AUTH is set, but the server asks for no password");
        preflight_mend(preflight, "unset REDISCLI_AUTH");
    } else if (!good) {
        complain_login(preflight, node, reply ? reply->str : err.text);
    }
    freeReplyObject(reply);
    return good;
}

static void resp_close(void *data)
{
    struct resp_session *session = data;
    resp_session_close(session);
    free(session);
}

static void resp_describe(void *session, char *text, size_t text_bytes)
{
    char version[64] = "";
    redisReply *reply = resp_session_ask(session, NULL, "INFO server", NULL);
    const char *info = text_of(reply);
    bool known = info && read_info(info, "redis_version", version, sizeof version);
    (void)snprintf(text, text_bytes, "%s%s%s",
                   getenv("REDISCLI_AUTH") ? "with $REDISCLI_AUTH"
                                           : "without a password",
                   known ? ", Redis " : "", version);
    freeReplyObject(reply);
}

static void *resp_login(struct preflight *preflight, size_t node,
                        const struct driver_endpoint *endpoint)
{
    struct resp_session *session = xcalloc(1, sizeof *session);
    struct errmsg err = {""};
    redisReply *reply = NULL;
    bool good = resp_session_open(session, &preflight->patience, preflight->within_ns,
                                  endpoint, &err) == 0;
    if (!good)
        complain_login(preflight, node, err.text);
    if (good && authenticate(preflight, node, session)) {
        reply = resp_session_ask(session, &err, "PING", NULL);
        good = reply && (!resp_is_error(reply) || resp_begins(reply->str, "NOPERM") ||
                         resp_begins(reply->str, "MASTERDOWN"));
        if (!good)
            complain_login(preflight, node, reply ? reply->str : err.text);
    } else {
        good = false;
    }
    freeReplyObject(reply);
    if (good)
        return session;
    resp_close(session);
    return NULL;
}

/* The answer if it is one; else NULL after a note that names the command and, where the
 * user lacks it, the right. */
static redisReply *ask(struct preflight *preflight, size_t node, const char *command,
                       const char *right)
{
    struct errmsg err = {""};
    char cli[128];
    redisReply *reply =
        resp_session_ask(preflight->nodes[node].session, &err, command, NULL);
    if (reply && !resp_is_error(reply))
        return reply;
    if (!preflight_is_over(preflight))
        preflight_add(preflight, PREFLIGHT_NOTE, node, "%s could not be asked: %s",
                      command, reply ? reply->str : err.text);
    if (reply && resp_begins(reply->str, "NOPERM") && !preflight_is_over(preflight))
        preflight_mend(preflight, "%s ACL SETUSER default +%s # to know",
                       preflight_resp_cli(preflight, node, cli, sizeof cli), right);
    freeReplyObject(reply);
    return NULL;
}

static void resp_ask_seen_as(void *session, char *text, size_t text_bytes)
{
    redisReply *reply = resp_session_ask(session, NULL, "CLIENT INFO", NULL);
    const char *addr = text_of(reply) ? strstr(reply->str, " addr=") : NULL;
    text[0] = '\0';
    if (addr) {
        size_t length = strcspn(addr + 6, " ");
        while (length > 0 && addr[6 + length] != ':')
            length--; /* the port is not the same again */
        (void)snprintf(text, text_bytes, "%.*s", (int)length, addr + 6);
    }
    freeReplyObject(reply);
}

static enum preflight_role resp_ask_role(void *session)
{
    char role[16] = "";
    redisReply *reply = resp_session_ask(session, NULL, "INFO replication", NULL);
    const char *info = text_of(reply);
    bool known = info && read_info(info, "role", role, sizeof role);
    freeReplyObject(reply);
    return !known                        ? PREFLIGHT_UNKNOWN
           : strcmp(role, "master") == 0 ? PREFLIGHT_PRIMARY
           : strcmp(role, "slave") == 0  ? PREFLIGHT_STANDBY
                                         : PREFLIGHT_UNKNOWN;
}

static uint64_t resp_ask_clock(struct preflight *preflight, size_t node)
{
    redisReply *reply =
        resp_session_ask(preflight->nodes[node].session, NULL, "TIME", NULL);
    uint64_t ns = 0;
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        text_of(reply->element[0]) && text_of(reply->element[1]))
        ns = strtoull(reply->element[0]->str, NULL, 10) * NS_PER_S +
             strtoull(reply->element[1]->str, NULL, 10) * NS_PER_US;
    freeReplyObject(reply);
    return ns;
}

/* "yes" of CONFIG GET; "" if it is not known. */
static void read_config(const redisReply *reply, char *text, size_t text_bytes)
{
    const char *value =
        reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
            ? text_of(reply->element[1])
            : NULL;
    (void)snprintf(text, text_bytes, "%s", value ? value : "");
}

static void resp_tls(struct preflight *preflight, size_t node)
{
    char port[16], replication[16];
    redisReply *reply = ask(preflight, node, "CONFIG GET tls-port", "config|get");
    if (!reply)
        return;
    read_config(reply, port, sizeof port);
    freeReplyObject(reply);
    reply = ask(preflight, node, "CONFIG GET tls-replication", "config|get");
    read_config(reply, replication, sizeof replication);
    freeReplyObject(reply);
    if (strcmp(replication, "yes") == 0) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "it replicates by TLS: rules that look at messages see nothing "
                      "there; delays, stalls and cuts work as they do without");
        preflight_mend(preflight, "while messages are to be matched: CONFIG SET "
                                  "tls-replication no");
        return;
    }
    preflight_add(preflight, PREFLIGHT_OK, node, "port %u speaks plain text%s%s",
                  preflight->cluster->places[node].port,
                  *port && strcmp(port, "0") != 0
                      ? "; clients of the TLS port are hidden from rules that look at "
                        "messages: "
                      : "",
                  *port && strcmp(port, "0") != 0 ? port : "");
}

/* The clients of CLIENT LIST whose address is a path: " addr=/run/redis.sock:0". */
static long count_unix(const char *list, char *path, size_t path_bytes)
{
    long n = 0;
    for (const char *at = strstr(list, " addr=/"); at; at = strstr(at + 1, " addr=/")) {
        (void)snprintf(path, path_bytes, "%.*s", (int)strcspn(at + 6, ": \n"), at + 6);
        n++;
    }
    return n;
}

static void resp_sockets(struct preflight *preflight, size_t node)
{
    const struct cluster_place *place = &preflight->cluster->places[node];
    char path[256] = "";
    redisReply *reply = ask(preflight, node, "CLIENT LIST", "client|list");
    if (!text_of(reply)) {
        freeReplyObject(reply);
        return;
    }
    long n = count_unix(reply->str, path, sizeof path);
    freeReplyObject(reply);
    if (n == 0) {
        preflight_add(preflight, PREFLIGHT_OK, node, "nobody is on a Unix socket");
        return;
    }
    preflight_add(preflight, PREFLIGHT_NOTE, node,
                  "%ld client%s by the Unix socket %s, which no proxy sees", n,
                  n == 1 ? "" : "s", path);
    preflight_mend(preflight, "%s port %u in their settings", place->address,
                   place->port);
}

static void judge_replica(struct preflight *preflight, size_t node, const char *info)
{
    char host[64] = "", port[16] = "", link[16] = "", cli[128];
    (void)read_info(info, "master_host", host, sizeof host);
    (void)read_info(info, "master_port", port, sizeof port);
    (void)read_info(info, "master_link_status", link, sizeof link);
    (void)preflight_resp_cli(preflight, node, cli, sizeof cli);
    if (strcmp(link, "up") != 0) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "its link to its primary %s port %s is %s: after heal it would "
                      "not converge",
                      host, port, link);
        preflight_mend(preflight,
                       "%s CONFIG GET masterauth # and its log, which says why; or "
                       "REPLICAOF HOST PORT",
                       cli);
        return;
    }
    preflight_judge_upstream(preflight, node, host, (unsigned)strtoul(port, NULL, 10));
}

static void resp_replication(struct preflight *preflight, size_t node)
{
    char role[16] = "", replicas[16] = "0";
    redisReply *reply = ask(preflight, node, "INFO replication", "info");
    const char *info = text_of(reply);
    if (info && read_info(info, "role", role, sizeof role)) {
        (void)read_info(info, "connected_slaves", replicas, sizeof replicas);
        if (strcmp(role, "slave") == 0)
            judge_replica(preflight, node, info);
        else
            preflight_add(preflight, PREFLIGHT_OK, node, "%s replica%s connected",
                          replicas, strcmp(replicas, "1") == 0 ? " is" : "s are");
    }
    freeReplyObject(reply);
}

/* All but ours. A replica counts its primary among its clients, a primary its replicas
 * not. */
static void resp_connections(struct preflight *preflight, size_t node)
{
    char clients[16] = "", link[16] = "";
    redisReply *reply = ask(preflight, node, "INFO", "info");
    const char *info = text_of(reply);
    if (info && read_info(info, "connected_clients", clients, sizeof clients)) {
        bool linked = read_info(info, "master_link_status", link, sizeof link) &&
                      strcmp(link, "up") == 0;
        preflight_judge_connections(preflight, node,
                                    strtol(clients, NULL, 10) - 1 - linked);
    }
    freeReplyObject(reply);
}

const struct preflight_system preflight_resp = {
    .driver = "resp",
    .login = resp_login,
    .describe = resp_describe,
    .close = resp_close,
    .ask_seen_as = resp_ask_seen_as,
    .ask_role = resp_ask_role,
    .rights = preflight_resp_rights,
    .tls = resp_tls,
    .sockets = resp_sockets,
    .replication = resp_replication,
    .connections = resp_connections,
    .ask_clock = resp_ask_clock,
};

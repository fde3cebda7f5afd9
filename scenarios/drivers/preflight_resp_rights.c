/* SPDX-License-Identifier: MIT */
/* What the drill's user may do. It is proved by commands that are queued behind MULTI,
 * where the server already refuses all that it would refuse, and then thrown away by
 * DISCARD: nothing is written. A server that knows no MULTI, such as the reference
 * store, leaves it open. */
#include "scenarios/drivers/preflight_resp.h"

#include "scenarios/drivers/resp_session.h"
#include "scenarios/preflight/preflight.h"

#include <string.h>

/* What a server refuses a write with, and what mends it at the node's prompt. */
static const struct {
    const char *said, *mend;
} write_mends[] = {
    {"NOREPLICAS", "CONFIG SET min-replicas-to-write 0 # or bring its replicas back"},
    {"MISCONF", "CONFIG SET stop-writes-on-bgsave-error no # or mend its disk"},
    {"OOM", "CONFIG SET maxmemory 0 # or give it more"},
    {"READONLY", "ROLE # says who its primary is: correct `role:`"},
    {"MOVED", "CLUSTER INFO # a Redis Cluster is not what this driver speaks to"},
    {"MASTERDOWN", "INFO replication # it has lost its primary"},
};

/* What is refused, of all commands that a drill uses. */
struct refusals {
    char said[512];   /* the first one that is no matter of rights */
    char rights[256]; /* " +append +set" */
    bool keys, nothing_known;
};

static void try_command(struct resp_session *session, struct refusals *refusals,
                        const char *name, const char *words)
{
    struct errmsg err = {""};
    redisReply *reply = resp_session_ask(session, &err, words, NULL);
    size_t length = strlen(refusals->rights);
    if (!reply)
        refusals->nothing_known = true;
    else if (!resp_is_error(reply))
        ;
    else if (resp_begins(reply->str, "NOPERM") && strstr(reply->str, "keys"))
        refusals->keys = true;
    else if (resp_begins(reply->str, "NOPERM"))
        (void)snprintf(refusals->rights + length, sizeof refusals->rights - length,
                       " +%s", name);
    else if (!resp_begins(reply->str, "WRONGTYPE") && !refusals->said[0])
        (void)snprintf(refusals->said, sizeof refusals->said, "%s", reply->str);
    freeReplyObject(reply);
}

/* All but reading is tried behind MULTI; false if the server knows none. */
static bool try_all(struct preflight *preflight, size_t node, struct refusals *refusals)
{
    struct resp_session *session = preflight->nodes[node].session;
    const char *schema = preflight->cluster->schema;
    bool waits = strstr(preflight->cluster->setting, "wait=");
    char words[128];
    (void)snprintf(words, sizeof words, "GET %s:0", schema);
    try_command(session, refusals, "get", words);
    if (preflight->nodes[node].role == PREFLIGHT_STANDBY)
        return true;
    redisReply *reply = resp_session_ask(session, NULL, "MULTI", NULL);
    bool queues = reply && !resp_is_error(reply);
    freeReplyObject(reply);
    if (!queues)
        return false;
    (void)snprintf(words, sizeof words, "APPEND %s:0 1,", schema);
    try_command(session, refusals, "append", words);
    (void)snprintf(words, sizeof words, "SET %s:0 1", schema);
    try_command(session, refusals, "set", words);
    (void)snprintf(words, sizeof words, "DEL %s:0", schema);
    try_command(session, refusals, "del", words);
    if (waits)
        try_command(session, refusals, "wait", "WAIT 0 0");
    freeReplyObject(resp_session_ask(session, NULL, "DISCARD", NULL));
    return true;
}

static void mend_refusal(struct preflight *preflight, size_t node, const char *said)
{
    char cli[128];
    for (size_t i = 0; i < sizeof write_mends / sizeof *write_mends; i++)
        if (resp_begins(said, write_mends[i].said)) {
            preflight_mend(preflight, "%s %s",
                           preflight_resp_cli(preflight, node, cli, sizeof cli),
                           write_mends[i].mend);
            return;
        }
}

/* Another drill's mark, which is at SCHEMA:drill. */
static bool look_for_mark(struct preflight *preflight, size_t node)
{
    char words[64];
    (void)snprintf(words, sizeof words, "GET %s:drill", preflight->cluster->schema);
    redisReply *reply =
        resp_session_ask(preflight->nodes[node].session, NULL, words, NULL);
    bool is_drilled = reply && reply->type == REDIS_REPLY_STRING &&
                      preflight_judge_mark(preflight, node, reply->str);
    freeReplyObject(reply);
    return is_drilled;
}

/* Keys of the drill's names that are there: a drill deletes them before it begins. */
static void look_for_keys(struct preflight *preflight, size_t node)
{
    char words[1024] = "EXISTS";
    for (unsigned i = 0; i < 8; i++) {
        size_t length = strlen(words);
        (void)snprintf(words + length, sizeof words - length, " %s:%u",
                       preflight->cluster->schema, i);
    }
    redisReply *reply =
        resp_session_ask(preflight->nodes[node].session, NULL, words, NULL);
    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "keys called %s:0 and so on are there; a drill deletes them "
                      "before it begins, and after",
                      preflight->cluster->schema);
        preflight_mend(preflight,
                       "if they are yours, another name in `data: { schema: "
                       "... }` of %s",
                       preflight->cluster->source.name);
    }
    freeReplyObject(reply);
}

void preflight_resp_rights(struct preflight *preflight, size_t node)
{
    struct refusals refusals = {.said = ""};
    bool standby = preflight->nodes[node].role == PREFLIGHT_STANDBY;
    const char *schema = preflight->cluster->schema;
    char cli[128];
    bool proved = try_all(preflight, node, &refusals);
    (void)preflight_resp_cli(preflight, node, cli, sizeof cli);
    if (preflight_is_over(preflight))
        return;
    if (refusals.keys || refusals.rights[0]) {
        preflight_add(preflight, PREFLIGHT_MISSING, node,
                      "the user lacks rights that a drill needs: %s%s%s",
                      refusals.keys ? "the keys " : "", refusals.keys ? schema : "",
                      refusals.keys ? ":*" : "");
        preflight_mend(preflight, "%s ACL SETUSER default%s%s%s%s", cli,
                       refusals.keys ? " '~" : "", refusals.keys ? schema : "",
                       refusals.keys ? ":*'" : "", refusals.rights);
    }
    if (refusals.said[0]) {
        preflight_add(preflight, PREFLIGHT_MISSING, node, "%s", refusals.said);
        mend_refusal(preflight, node, refusals.said);
    }
    if (!proved || refusals.nothing_known) {
        preflight_add(preflight, PREFLIGHT_NOTE, node,
                      "whether it takes writes cannot be proved without writing: it "
                      "has no MULTI for this user");
        preflight_mend(preflight, "%s APPEND %s:0 1, # writes a key, for proof", cli,
                       schema);
    } else if (!refusals.keys && !refusals.rights[0] && !refusals.said[0]) {
        preflight_add(preflight, PREFLIGHT_OK, node,
                      standby ? "it may read %s:*" : "it may read and write %s:*",
                      schema);
    }
    if (!standby && !look_for_mark(preflight, node))
        look_for_keys(preflight, node);
}

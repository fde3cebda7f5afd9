/* SPDX-License-Identifier: MIT */
/* From one address to all servers of a system.
 *
 * Happy path: the addresses that were given are asked. If none of them is the primary,
 * the first one's source is, and so on up. The primary names its replicas; each is
 * looked for where the primary sees it, and asked whether it is one.
 *
 * Failures: what the user gave must answer, and so must the way up to the primary: else
 * there is an error. A replica that is not found is kept with the reason. A server that
 * is named by a loopback address is beside the one that named it.
 *
 * It does not look for replicas of replicas, and changes nothing anywhere. */
#include "scenarios/init/survey.h"

#include "proxy/base/memory.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/init/survey_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct survey_row *const rows[] = {&survey_postgres, &survey_redis};

const struct survey_row *survey_row(size_t i)
{
    return i < sizeof rows / sizeof *rows ? rows[i] : NULL;
}

/* A server that was asked. */
struct asked {
    struct reach_place place;
    struct survey_answer answer;
    bool taken; /* it is one of survey->servers */
};

enum { ASKED_MAX = SURVEY_SERVERS_MAX };

struct walk {
    struct survey *survey;
    struct asked *asked; /* owned by the arena */
    size_t n;
    struct asked *primary; /* NULL = not found yet */
};

static const char *print_place(const struct reach_place *place, char *text, size_t n)
{
    return reach_print(place->address, place->port, text, n);
}

static bool is_same_place(const struct reach_place *a, const struct reach_place *b)
{
    return a->port == b->port && strcmp(a->address, b->address) == 0;
}

/* What it is instead of what it was said to be. */
static void explain_kind(const struct survey *survey, const struct reach_place *place,
                         struct errmsg *err)
{
    char where[80];
    (void)print_place(place, where, sizeof where);
    for (size_t i = 0; survey_row(i); i++) {
        const struct survey_row *row = survey_row(i);
        if (row == survey->row || !row->is_it(place))
            continue;
        errmsg_set(err, "what listens at %s is %s, not %s: netsplit init %s %s", where,
                   row->title, survey->row->title, row->name, where);
        return;
    }
    errmsg_set(err, "what listens at %s does not speak %s, at least not without TLS",
               where, survey->row->title);
}

/* As survey_row's ask; -EINVAL if the server is of another kind. */
static int ask(struct survey *survey, const struct reach_place *place,
               struct survey_answer *out, struct errmsg *err)
{
    char where[80];
    (void)print_place(place, where, sizeof where);
    if (survey->asked >= 0)
        (void)dprintf(survey->asked, "asking %s\n", where); /* it is only told */
    if (!survey->row->is_it(place)) {
        explain_kind(survey, place, err);
        return -EINVAL;
    }
    int status = survey->row->ask(survey, place, out, err);
    if (status != 0)
        errmsg_wrap(err, "%s at %s", survey->row->title, where);
    return status;
}

/* Asks it and keeps its answer in *out; what was asked before is not asked again. */
static int meet(struct walk *walk, const struct reach_place *place, struct asked **out,
                struct errmsg *err)
{
    for (size_t i = 0; i < walk->n; i++)
        if (is_same_place(&walk->asked[i].place, place)) {
            *out = &walk->asked[i];
            return 0;
        }
    if (walk->n == ASKED_MAX) {
        errmsg_set(err, "more than %d servers", (int)ASKED_MAX);
        return -E2BIG;
    }
    struct asked *asked = &walk->asked[walk->n];
    *asked = (struct asked){.place = *place};
    int status = ask(walk->survey, place, &asked->answer, err);
    if (status == 0) {
        walk->n++;
        *out = asked;
    }
    return status;
}

static int ask_given(struct walk *walk, const char *text, struct errmsg *err)
{
    struct reach_place place;
    struct asked *asked = NULL;
    char one[80], other[80];
    int status = reach_text(text, walk->survey->row->port, &place, err);
    if (status == 0)
        status = meet(walk, &place, &asked, err);
    if (status != 0)
        return status;
    if (asked->answer.is_primary && walk->primary && walk->primary != asked) {
        errmsg_set(err, "%s and %s both say that they are the primary",
                   print_place(&walk->primary->place, one, sizeof one),
                   print_place(&place, other, sizeof other));
        return -EINVAL;
    }
    if (asked->answer.is_primary)
        walk->primary = asked;
    return 0;
}

/* Where the server that is named is to be found. */
static const char *host_of(const struct survey_peer *peer,
                           const struct reach_place *from)
{
    bool is_beside = !*peer->host || (reach_is_loopback(peer->host) &&
                                      !reach_is_loopback(from->address));
    return is_beside ? from->address : peer->host;
}

static int go_up(struct walk *walk, struct errmsg *err)
{
    struct asked *at = &walk->asked[0];
    const struct survey_row *row = walk->survey->row;
    char where[80];
    for (int hop = 0; hop < SURVEY_HOPS_MAX; hop++) {
        const struct survey_peer *source = &at->answer.source;
        struct reach_place place;
        struct asked *next = NULL;
        (void)print_place(&at->place, where, sizeof where);
        if (!source->host) {
            errmsg_set(err,
                       "%s is a %s, and does not say of whom; give the address of "
                       "its primary, too",
                       where, row->replica);
            return -ENOENT;
        }
        int status = reach_host(host_of(source, &at->place),
                                source->port ? source->port : row->port, &place, err);
        if (status == 0)
            status = meet(walk, &place, &next, err);
        if (status != 0) {
            errmsg_wrap(err, "%s is a %s; its primary", where, row->replica);
            return status;
        }
        if (next->answer.is_primary) {
            walk->primary = next;
            return 0;
        }
        at = next;
    }
    errmsg_set(err, "there is no primary above %s within %d servers", where,
               (int)SURVEY_HOPS_MAX);
    return -ELOOP;
}

static bool is_ours(const struct walk *walk, const struct survey_answer *answer)
{
    const char *ours = walk->primary->answer.identity, *theirs = answer->identity;
    return !ours || !theirs || strcmp(ours, theirs) == 0;
}

static void add(struct walk *walk, struct asked *asked, const struct survey_peer *peer)
{
    struct survey *survey = walk->survey;
    if (survey->n == SURVEY_SERVERS_MAX)
        return;
    struct survey_server *server = &survey->servers[survey->n];
    bool is_named = strcmp(asked->place.host, asked->place.address) != 0;
    *server = (struct survey_server){
        .title = asked->answer.name ? asked->answer.name
                 : peer             ? peer->name
                                    : NULL,
        .host = is_named ? survey_keep(survey, asked->place.host) : NULL,
        .address = survey_keep(survey, asked->place.address),
        .port = asked->place.port,
        .state = peer ? peer->state : NULL,
        .unfit = asked->answer.unfit};
    survey_name(survey, server);
    asked->taken = true;
    survey->n++;
}

static void add_missing(struct walk *walk, const struct survey_peer *peer,
                        const char *reason)
{
    struct survey *survey = walk->survey;
    if (survey->n == SURVEY_SERVERS_MAX)
        return;
    struct survey_server *server = &survey->servers[survey->n];
    const char *host = peer->host ? host_of(peer, &walk->primary->place) : NULL;
    *server = (struct survey_server){.title = peer->name,
                                     .address = survey_keep(survey, host),
                                     .port = peer->port,
                                     .state = peer->state,
                                     .unfit = survey_keep(survey, reason)};
    survey_name(survey, server);
    survey->n++;
}

/* One of those that were asked on the way, and that it may be; address NULL: any. */
static struct asked *find_asked(const struct walk *walk, const char *address,
                                uint16_t port)
{
    for (size_t i = 0; i < walk->n; i++) {
        struct asked *asked = &walk->asked[i];
        if (!asked->taken && !asked->answer.is_primary &&
            (!address || strcmp(asked->place.address, address) == 0) &&
            (!port || asked->place.port == port))
            return asked;
    }
    return NULL;
}

/* The replica, if it answers there; else NULL with the reason. */
static struct asked *look(struct walk *walk, const char *host, uint16_t port,
                          struct errmsg *err)
{
    struct reach_place place;
    struct asked *asked = NULL;
    if (reach_host(host, port, &place, err) != 0 ||
        meet(walk, &place, &asked, err) != 0)
        return NULL;
    if (!asked->taken && !asked->answer.is_primary && is_ours(walk, &asked->answer))
        return asked;
    errmsg_set(err, "what listens at port %u there is another server", (unsigned)port);
    return NULL;
}

static void find_replica(struct walk *walk, const struct survey_peer *peer)
{
    const struct survey_row *row = walk->survey->row;
    const uint16_t own = walk->primary->place.port;
    const uint16_t ports[] = {peer->port ? peer->port : own, row->port};
    size_t n = peer->port || own == row->port ? 1 : 2;
    struct errmsg err = {"the primary does not say where it is"};
    struct asked *asked = NULL;
    const char *host = peer->host ? host_of(peer, &walk->primary->place) : NULL;
    if (host)
        asked = find_asked(walk, host, peer->port);
    for (size_t i = 0; host && !asked && i < n; i++)
        asked = look(walk, host, ports[i], &err);
    if (!asked) /* one that the primary sees at another address */
        asked = find_asked(walk, NULL, 0);
    if (asked)
        add(walk, asked, peer);
    else
        add_missing(walk, peer, err.text);
}

static int arrange(struct walk *walk, struct errmsg *err)
{
    const struct survey_answer *answer = &walk->primary->answer;
    char one[80], other[80];
    for (size_t i = 0; i < walk->n; i++) {
        if (is_ours(walk, &walk->asked[i].answer))
            continue;
        errmsg_set(err, "%s and %s are not of one system",
                   print_place(&walk->primary->place, one, sizeof one),
                   print_place(&walk->asked[i].place, other, sizeof other));
        return -EINVAL;
    }
    walk->survey->version = answer->version;
    walk->survey->setting = answer->setting;
    add(walk, walk->primary, NULL);
    for (size_t i = 0; i < answer->n_replicas; i++)
        find_replica(walk, &answer->replicas[i]);
    for (size_t i = 0; i < walk->n; i++)
        if (!walk->asked[i].taken && !walk->asked[i].answer.is_primary)
            add(walk, &walk->asked[i], NULL);
    return 0;
}

/* A cluster file has room for so many. */
static void limit_nodes(struct survey *survey)
{
    size_t fit = 0;
    for (size_t i = 0; i < survey->n; i++)
        if (!survey->servers[i].unfit && ++fit > CLUSTER_NODES_MAX)
            survey->servers[i].unfit = "a cluster file has at most 9 nodes";
}

int survey_run(struct survey *survey, const char *const *addresses, size_t n,
               struct errmsg *err)
{
    struct walk walk = {.survey = survey};
    arena_init(&survey->arena, &xallocator);
    walk.asked = arena_alloc(&survey->arena, ASKED_MAX, sizeof *walk.asked);
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++)
        status = ask_given(&walk, addresses[i], err);
    if (status == 0 && !walk.primary)
        status = go_up(&walk, err);
    if (status == 0)
        status = arrange(&walk, err);
    limit_nodes(survey);
    return status;
}

void survey_close(struct survey *survey)
{
    arena_close(&survey->arena);
}

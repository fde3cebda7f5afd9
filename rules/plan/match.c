/* SPDX-License-Identifier: MIT */
/* Paths are interned in a hash table; a path's match is eight lookups in the plan's
 * index (from or any, to or any, port or any) a link, merged by rank, once a plan. */
#include "rules/plan/match.h"

#include "rules/arena.h"
#include "rules/plan/index.h"
#include "rules/plan/shared.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_PLACES = 64 };

struct path_entry {
    struct path path;
    struct path_entry *next;       /* in its place */
    _Atomic uint64_t *connections; /* shared: of the same names, to any port */
    struct rng_key hash;
};

struct paths {
    const struct allocator *allocator; /* borrowed */
    struct shared *shared;             /* owned or borrowed */
    struct shared *own;                /* what of it is owned; or NULL */
    struct path_entry **places;        /* owned; n_places of them, a power of two */
    size_t n_places, n;
};

struct paths *paths_create(const struct allocator *allocator, struct shared *shared)
{
    struct paths *paths = allocator_take(allocator, sizeof *paths);
    size_t bytes = FIRST_PLACES * sizeof *paths->places;
    struct path_entry **places = paths ? allocator_take(allocator, bytes) : NULL;
    struct shared *own = places && !shared ? shared_create(allocator) : NULL;
    if (!places || (!shared && !own)) {
        allocator_give(allocator, places);
        allocator_give(allocator, paths);
        return NULL;
    }
    memset(places, 0, bytes);
    *paths = (struct paths){.allocator = allocator,
                            .shared = shared ? shared : own,
                            .own = own,
                            .places = places,
                            .n_places = FIRST_PLACES};
    return paths;
}

static void drop_match(struct path *path)
{
    for (int i = 0; i < 2; i++)
        allocator_give(path->paths->allocator, (void *)path->match.link[i].rules);
    path->match = (struct match){0};
}

void paths_destroy(struct paths *paths)
{
    if (!paths)
        return;
    for (size_t i = 0; i < paths->n_places; i++) {
        for (struct path_entry *entry = paths->places[i], *next; entry; entry = next) {
            next = entry->next;
            drop_match(&entry->path);
            allocator_give(paths->allocator, entry);
        }
    }
    shared_destroy(paths->own);
    allocator_give(paths->allocator, paths->places);
    allocator_give(paths->allocator, paths);
}

static struct rng_key hash_names(const char *from, const char *to)
{
    return rng_mix_text(rng_mix_text(rng_seed(0), from), to);
}

/* Without memory for a larger table the old one goes on, with longer lists. */
static void grow(struct paths *paths)
{
    size_t n_places = paths->n_places * 2;
    struct path_entry **places =
        allocator_take(paths->allocator, n_places * sizeof *places);
    if (!places)
        return;
    memset(places, 0, n_places * sizeof *places);
    for (size_t i = 0; i < paths->n_places; i++) {
        for (struct path_entry *entry = paths->places[i], *next; entry; entry = next) {
            struct path_entry **place = &places[entry->hash.hash & (n_places - 1)];
            next = entry->next;
            entry->next = *place;
            *place = entry;
        }
    }
    allocator_give(paths->allocator, paths->places);
    paths->places = places;
    paths->n_places = n_places;
}

/* The names live behind the entry. */
static struct path_entry *add(struct paths *paths, const char *opener,
                              const char *server, uint16_t port, struct rng_key hash)
{
    size_t opener_bytes = strlen(opener) + 1, server_bytes = strlen(server) + 1;
    struct rng_key key = hash_names(opener, server);
    _Atomic uint64_t *connections = shared_count(paths->shared, key.hash);
    struct path_entry *entry =
        connections ? allocator_take(paths->allocator,
                                     sizeof *entry + opener_bytes + server_bytes)
                    : NULL;
    if (!entry)
        return NULL;
    char *names = (char *)(entry + 1);
    memcpy(names, opener, opener_bytes);
    memcpy(names + opener_bytes, server, server_bytes);
    if (paths->n >= paths->n_places)
        grow(paths);
    struct path_entry **place = &paths->places[hash.hash & (paths->n_places - 1)];
    *entry = (struct path_entry){
        .path = {.paths = paths,
                 .opener = names,
                 .server = names + opener_bytes,
                 .port = port,
                 .key = key},
        .next = *place,
        .connections = connections,
        .hash = hash,
    };
    *place = entry;
    paths->n++;
    return entry;
}

struct path *paths_find(struct paths *paths, const char *opener, const char *server,
                        uint16_t port)
{
    if (!opener)
        opener = "any";
    struct rng_key hash = rng_mix(hash_names(opener, server), port);
    struct path_entry *entry = paths->places[hash.hash & (paths->n_places - 1)];
    for (; entry; entry = entry->next) {
        if (entry->path.port == port && strcmp(entry->path.opener, opener) == 0 &&
            strcmp(entry->path.server, server) == 0)
            return &entry->path;
    }
    entry = add(paths, opener, server, port, hash);
    return entry ? &entry->path : NULL;
}

/* The index's answers for a link: each of from, to and port, or any in its place. */
struct lookup {
    const struct index_edge *edges[8];
    size_t n[8];
    size_t total;
};

static struct lookup look_up(const struct plan *plan, uint32_t from, uint32_t to,
                             uint16_t port)
{
    struct lookup lookup = {0};
    for (unsigned i = 0; i < 8; i++) {
        bool is_double = ((i & 1) && from == PLAN_ANY) || ((i & 2) && to == PLAN_ANY) ||
                         ((i & 4) && port == 0);
        if (is_double)
            continue;
        lookup.edges[i] =
            index_find(plan->index, i & 1 ? PLAN_ANY : from, i & 2 ? PLAN_ANY : to,
                       i & 4 ? 0 : port, &lookup.n[i]);
        lookup.total += lookup.n[i];
    }
    return lookup;
}

/* Takes the edge of the lowest rank off the eight sorted lists; total is not 0. */
static uint32_t take_lowest(struct lookup *lookup)
{
    size_t best = 0;
    for (size_t i = 1; i < 8; i++) {
        bool is_lower =
            lookup->n[best] == 0 ||
            (lookup->n[i] && lookup->edges[i]->rank < lookup->edges[best]->rank);
        if (is_lower)
            best = i;
    }
    lookup->n[best]--;
    lookup->total--;
    return lookup->edges[best]++->rank;
}

static int match_link(struct path *path, const struct plan *plan,
                      enum direction direction)
{
    uint32_t ends[2] = {plan_find_node(plan, path->opener),
                        plan_find_node(plan, path->server)};
    struct lookup lookup = look_up(plan, ends[direction == TO_CLIENT],
                                   ends[direction == TO_SERVER], path->port);
    path->match.looked_at += lookup.total;
    if (lookup.total == 0)
        return 0;
    const struct plan_rule **rules =
        allocator_take(path->paths->allocator, lookup.total * sizeof *rules);
    if (!rules)
        return -1;
    size_t n = 0;
    while (lookup.total) {
        const struct plan_rule *rule = &plan->rules[take_lowest(&lookup)];
        if (n == 0 || rules[n - 1] != rule) /* `between: [a, any]` finds it twice */
            rules[n++] = rule;
    }
    path->match.link[direction] = (struct match_list){rules, n};
    return 0;
}

const struct match *path_match(struct path *path, struct plan *plan)
{
    if (path->match.plan == plan && path->match.serial == plan->serial)
        return &path->match;
    drop_match(path);
    if (match_link(path, plan, TO_SERVER) != 0 ||
        match_link(path, plan, TO_CLIENT) != 0) {
        drop_match(path);
        return NULL;
    }
    path->match.plan = plan;
    path->match.serial = plan->serial;
    return &path->match;
}

struct match_connection path_open(struct path *path, uint64_t now_ns)
{
    struct path_entry *entry = (struct path_entry *)path;
    return (struct match_connection){
        .path = path, .ordinal = (*entry->connections)++, .opened_ns = now_ns};
}

struct rng_key match_key(const struct plan_rule *rule,
                         const struct match_connection *connection)
{
    struct rng_key key = rng_mix(rule->key, connection->path->key.hash);
    return rng_mix(key, connection->ordinal);
}

static bool has_state(const struct plan_rule *rule,
                      const struct match_connection *connection, uint64_t now_ns)
{
    if (rule->state == STATE_ANY)
        return true;
    bool is_new = connection->opened_ns >= plan_rule_active_since(rule, now_ns);
    return is_new == (rule->state == STATE_NEW);
}

bool match_applies(const struct plan_rule *rule,
                   const struct match_connection *connection, uint64_t now_ns)
{
    if (!plan_rule_is_active(rule, now_ns) || !has_state(rule, connection, now_ns))
        return false;
    return rule->probability_ppm >= 1000000 ||
           rng_chance(match_key(rule, connection), 0, rule->probability_ppm);
}

static const struct plan_fault *find_gone(const struct plan_rule *rule)
{
    for (size_t i = 0; i < rule->n_faults; i++)
        if (rule->faults[i].fault->gone)
            return &rule->faults[i];
    return NULL;
}

const struct plan_rule *match_half_open(const struct match *match,
                                        const struct match_connection *connection,
                                        uint64_t now_ns, enum direction *gone)
{
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < match->link[direction].n; i++) {
            const struct plan_rule *rule = match->link[direction].rules[i];
            const struct plan_fault *fault = find_gone(rule);
            if (!fault || !match_applies(rule, connection, now_ns))
                continue;
            *gone = fault->fault->gone(fault->params);
            return rule;
        }
    }
    return NULL;
}

struct bucket *path_bucket(struct path *path, const struct plan_rule *rule,
                           enum direction direction)
{
    struct rng_key link = direction == TO_SERVER
                              ? hash_names(path->opener, path->server)
                              : hash_names(path->server, path->opener);
    return shared_bucket(path->paths->shared, rule->slot, link.hash);
}

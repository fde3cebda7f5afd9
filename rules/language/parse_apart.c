/* SPDX-License-Identifier: MIT */
/* Whether nodes can be told apart: in mode listen by the paths they are on, in kernel
 * modes by address and port, place and owner. Two that have all of that in common are
 * an error; two that differ as servers but not as openers, a warning. */
#include "rules/language/parser.h"

#include <stdio.h>
#include <string.h>

static bool texts_differ(const char *a, const char *b)
{
    return (a || b) && (!a || !b || strcmp(a, b) != 0);
}

/* Whether the kernel can tell which of the two opened a connection. */
static bool are_two_openers(const struct rule_node *a, const struct rule_node *b)
{
    if (a->place.kind != PLACE_NONE && b->place.kind != PLACE_NONE)
        return true; /* two places; were they one, the address would be the same too */
    return texts_differ(a->owner.uid, b->owner.uid) ||
           texts_differ(a->owner.cgroup, b->owner.cgroup);
}

/* A port that is both's, or 0. */
static uint16_t common_port(const struct ports *a, const struct ports *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            if (a->items[i] == b->items[j])
                return a->items[i];
    return 0;
}

static void note_shared(struct parser *parser, const struct rule_node *one,
                        const struct rule_node *other)
{
    const char **names = parser_alloc(parser, 2, sizeof *names);
    if (!names)
        return;
    names[0] = one->name.text;
    names[1] = other->name.text;
    parser->shared = names;
}

static void warn_of_openers(struct parser *parser, const struct rule_node *one,
                            const struct rule_node *other)
{
    if (parser->shared)
        return; /* once is enough */
    note_shared(parser, one, other);
    diag_warning(parser->diag, &other->at,
                 "connections that \"%s\" opens cannot be told from those of \"%s\": "
                 "they share an address",
                 other->name.text, one->name.text);
    if (parser->intercept == INTERCEPT_REDIRECT)
        diag_hint(parser->diag, "give them \"uid\" or \"cgroup\"");
    else
        diag_hint(parser->diag, "they count as those of \"%s\"", one->name.text);
}

/* Two nodes at one single address, in a kernel mode. */
static void compare_pair(struct parser *parser, const struct rule_node *one,
                         const struct rule_node *other)
{
    uint16_t port = common_port(&one->ports, &other->ports);
    bool are_openers = are_two_openers(one, other);
    if (port > 0) {
        diag_error(parser->diag, &other->at,
                   "\"%s\" and \"%s\" are servers on the same address and port %u",
                   one->name.text, other->name.text, (unsigned)port);
        diag_hint(parser->diag, "nodes that share an address need ports of their own");
    } else if (one->ports.n == 0 && other->ports.n == 0 && !are_openers) {
        diag_error(parser->diag, &other->at,
                   "\"%s\" and \"%s\" have the same address, and nothing tells them "
                   "apart",
                   one->name.text, other->name.text);
        diag_hint(parser->diag, "give them \"ports\" as servers%s",
                  parser->intercept == INTERCEPT_REDIRECT
                      ? ", \"uid\" or \"cgroup\" as openers"
                      : "");
    } else if (!are_openers) {
        warn_of_openers(parser, one, other);
    }
}

static bool addresses_equal(const struct address *a, const struct address *b)
{
    return a->kind == b->kind && a->prefix == b->prefix &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* In mode listen, two nodes at one single address are told apart by paths; in the
 * others by ports, places and owners; two equal networks by nothing. */
static void on_equal_addresses(struct parser *parser, const struct keyed *first,
                               const struct keyed *again)
{
    const struct rule_node *one = first->object, *other = again->object;
    if (!address_is_single(&one->address)) {
        diag_error(parser->diag, again->at, "\"%s\" and \"%s\" are the same network",
                   one->name.text, other->name.text);
        diag_hint(parser->diag, "the first is on line %u", first->at->line);
        return;
    }
    if (parser->intercept == INTERCEPT_LISTEN) {
        note_shared(parser, one, other);
        return;
    }
    for (const struct rule_node *node = one; node < other; node++)
        if (addresses_equal(&node->address, &other->address))
            compare_pair(parser, node, other);
}

/* The address in one form, whatever it was written like; NULL for those not compared.
 */
static const char *address_key(struct parser *parser, const struct address *address)
{
    if (address->kind != ADDRESS_IPV4 && address->kind != ADDRESS_IPV6)
        return NULL;
    char key[48];
    size_t n = address->kind == ADDRESS_IPV4 ? 4 : 16;
    int used = snprintf(key, sizeof key, "%u/%u/", (unsigned)address->kind,
                        (unsigned)address->prefix);
    for (size_t i = 0; i < n; i++)
        used += snprintf(key + used, sizeof key - (size_t)used, "%02x",
                         (unsigned)address->bytes[i]);
    const char *copy = arena_copy(&parser->rules->arena, key, (size_t)used);
    if (!copy)
        parser->diag->out_of_memory = true;
    return copy;
}

static void on_equal_places(struct parser *parser, const struct keyed *first,
                            const struct keyed *again)
{
    const struct rule_node *one = first->object, *other = again->object;
    diag_error(parser->diag, again->at,
               "\"%s\" and \"%s\" %s, and nothing tells them apart", one->name.text,
               other->name.text,
               one->place.kind != PLACE_NONE ? "live in the same namespace"
                                             : "have the same owner and no address");
}

/* Of what else a node is found by. A place is one node's; an owner may be that of
 * several, if their addresses differ. */
static const char *place_key(struct parser *parser, const struct rule_node *node)
{
    const struct place *place = &node->place;
    const struct owner *owner = &node->owner;
    const char *key = NULL;
    if (place->kind != PLACE_NONE)
        key = arena_print(&parser->rules->arena, "%u %s %u", (unsigned)place->kind,
                          place->text ? place->text : "", (unsigned)place->pid);
    else if (node->address.kind == ADDRESS_NONE && (owner->uid || owner->cgroup))
        key = arena_print(&parser->rules->arena, "%s %s", owner->uid ? owner->uid : "",
                          owner->cgroup ? owner->cgroup : "");
    else
        return NULL;
    if (!key)
        parser->diag->out_of_memory = true;
    return key;
}

void parser_check_addresses(struct parser *parser)
{
    const struct rule_node *nodes = parser->rules->nodes;
    size_t n = parser->rules->n_nodes;
    struct keyed *items = parser_alloc(parser, n, sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < n; i++)
        items[i] = (struct keyed){.key = address_key(parser, &nodes[i].address),
                                  .at = &nodes[i].at,
                                  .object = &nodes[i]};
    parser_find_twins(parser, items, n, on_equal_addresses);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct keyed){.key = place_key(parser, &nodes[i]),
                                  .at = &nodes[i].at,
                                  .object = &nodes[i]};
    parser_find_twins(parser, items, n, on_equal_places);
}

static bool opens_a_path(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_listens; i++)
        if (rules->listens[i].from.text &&
            strcmp(rules->listens[i].from.text, name) == 0)
            return true;
    return false;
}

void parser_check_found(struct parser *parser)
{
    static const char *const hints[] = {
        [INTERCEPT_REDIRECT] = "give it an \"address\", a \"uid\" or a \"cgroup\"",
        [INTERCEPT_TPROXY] = "give it an \"address\"",
        [INTERCEPT_NETNS] =
            "give it an \"address\", or the namespace that it lives in: "
            "\"netns\", \"pid\" or \"container\"",
    };
    const struct rules *rules = parser->rules;
    if (parser->intercept == INTERCEPT_LISTEN || parser->diag->n_errors > 0)
        return;
    for (size_t i = 0; i < rules->n_nodes; i++) {
        const struct rule_node *node = &rules->nodes[i];
        if (node->address.kind != ADDRESS_NONE || node->place.kind != PLACE_NONE ||
            node->owner.uid || node->owner.cgroup ||
            opens_a_path(rules, node->name.text))
            continue;
        diag_error(parser->diag, &node->name.at,
                   "nothing tells which connections are those of \"%s\"",
                   node->name.text);
        diag_hint(parser->diag, "%s", hints[parser->intercept]);
    }
}

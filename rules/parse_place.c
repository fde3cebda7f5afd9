/* SPDX-License-Identifier: MIT */
/* How the kernel's ways of interception tell nodes apart: by the namespace they live in
 * (netns), by who owns their sockets (redirect), by address and port (all). What a mode
 * cannot use is an error that names the mode it is for. */
#include "rules/parser.h"
#include "rules/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { PID_MOST = 4194304 }; /* Linux' PID_MAX_LIMIT */

/* Whether the key may stand in a file of this mode. */
static bool check_mode(struct parser *parser, const struct yaml_node *map,
                       const char *key, enum rule_intercept mode)
{
    if (parser->intercept == mode)
        return true;
    diag_error(parser->diag, &yaml_find_pair(map, key)->key->at,
               "\"%s\" is for intercept: %s; here it is %s", key,
               rule_intercept_name(mode), rule_intercept_name(parser->intercept));
    if (parser->intercept == INTERCEPT_LISTEN)
        diag_hint(parser->diag, "give its address, and a listen entry for each path");
    else
        diag_hint(parser->diag, "give its address");
    return false;
}

static bool read_pid(struct parser *parser, const struct yaml_node *value,
                     struct place *place)
{
    static const struct field field = {
        .name = "pid", .kind = FIELD_NUMBER, .min = 1, .max = PID_MOST};
    uint64_t pid = 0;
    if (!yaml_read_value(value, &field, NULL, &pid, parser->diag) || pid == 0)
        return false;
    *place = (struct place){.kind = PLACE_PID, .pid = (uint32_t)pid};
    return true;
}

static bool read_netns(struct parser *parser, const struct yaml_node *value,
                       struct place *place)
{
    if (value->text[0] != '/') {
        diag_error(parser->diag, &value->at,
                   "\"netns\" takes the path of a namespace, not \"%s\"", value->text);
        if (!strchr(value->text, '/'))
            diag_hint(parser->diag, "\"ip netns add %s\" makes /run/netns/%s",
                      value->text, value->text);
        return false;
    }
    *place = (struct place){.kind = PLACE_NETNS, .text = value->text};
    return true;
}

/* Docker's names, and their ids. */
static bool read_container(struct parser *parser, const struct yaml_node *value,
                           struct place *place)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_.-";
    if (!value->text[0] || value->text[strspn(value->text, good)]) {
        diag_error(parser->diag, &value->at,
                   "\"%s\" is no container's name: letters, digits, \"-\", \"_\", "
                   "\".\"",
                   value->text);
        return false;
    }
    *place = (struct place){.kind = PLACE_CONTAINER, .text = value->text};
    return true;
}

static void read_where(struct parser *parser, const struct yaml_node *map,
                       const struct place_draft *draft, struct rule_node *node)
{
    const struct {
        const char *key;
        const struct yaml_node *value;
        bool (*read)(struct parser *, const struct yaml_node *, struct place *);
    } rows[] = {
        {"netns", draft->netns, read_netns},
        {"pid", draft->pid, read_pid},
        {"container", draft->container, read_container},
    };
    const char *first = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct yaml_node *value = rows[i].value;
        if (!value || value->cut ||
            !check_mode(parser, map, rows[i].key, INTERCEPT_NETNS))
            continue;
        if (first) {
            diag_error(parser->diag, &yaml_find_pair(map, rows[i].key)->key->at,
                       "a node lives in one namespace: \"%s\" or \"%s\"", first,
                       rows[i].key);
            continue;
        }
        first = rows[i].key;
        (void)rows[i].read(parser, value, &node->place); /* it is told */
    }
}

/* A number, or what useradd(8) lets be a name. */
static bool is_user(const char *text)
{
    size_t length = strlen(text);
    if (text[strspn(text, "0123456789")] == '\0')
        return length > 0 && length <= 10;
    if (length > 32 || (!isalpha((unsigned char)text[0]) && text[0] != '_'))
        return false;
    for (const char *at = text; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("_-.", *at))
            return false;
    return true;
}

static void read_uid(struct parser *parser, const struct yaml_node *value,
                     struct owner *owner)
{
    if (is_user(value->text)) {
        owner->uid = value->text;
        return;
    }
    diag_error(parser->diag, &value->at, "\"%s\" is no user", value->text);
    diag_hint(parser->diag, "a number, or a user's name");
}

/* Without the slashes at its ends, and nothing in it that would have another meaning on
 * the way to the kernel. */
static void read_cgroup(struct parser *parser, const struct yaml_node *value,
                        struct owner *owner)
{
    const char *text = value->text + strspn(value->text, "/");
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    bool good = length > 0 && !strstr(text, "..") && !strpbrk(text, "\"\\*$");
    for (const char *at = text; *at; at++)
        good = good && (unsigned char)*at > ' ' && *at != 0x7f;
    if (!good) {
        diag_error(parser->diag, &value->at, "\"%s\" is no control group", value->text);
        diag_hint(parser->diag, "a path below /sys/fs/cgroup, such as "
                                "system.slice/redis.service");
        return;
    }
    owner->cgroup = arena_copy(&parser->rules->arena, text, length);
    if (!owner->cgroup)
        parser->diag->out_of_memory = true;
}

void parser_read_place(struct parser *parser, const struct yaml_node *map,
                       const struct place_draft *draft, struct rule_node *node)
{
    read_where(parser, map, draft, node);
    if (draft->uid && !draft->uid->cut &&
        check_mode(parser, map, "uid", INTERCEPT_REDIRECT))
        read_uid(parser, draft->uid, &node->owner);
    if (draft->cgroup && !draft->cgroup->cut &&
        check_mode(parser, map, "cgroup", INTERCEPT_REDIRECT))
        read_cgroup(parser, draft->cgroup, &node->owner);
}

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

/* SPDX-License-Identifier: MIT */
/* nodes and groups: who there is. Names of members are checked once all names are
 * known, for a group may be written before another that it holds. */
#include "rules/language/parser.h"
#include "rules/unit.h"

#include <string.h>

struct node_draft {
    const struct yaml_node *address, *ports;
    struct place_draft place;
};

#define PLACE(member) offsetof(struct node_draft, place.member)

static const struct field node_fields[] = {
    {.name = "address",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct node_draft, address),
     .help = "address, network or host name; a node without one only opens paths"},
    {.name = "ports",
     .kind = FIELD_NODE,
     .offset = offsetof(struct node_draft, ports),
     .help = "the ports of its servers; those of the file otherwise"},
    {.name = "netns",
     .kind = FIELD_SCALAR,
     .offset = PLACE(netns),
     .help = "intercept: netns: the path of the namespace that it lives in"},
    {.name = "pid",
     .kind = FIELD_SCALAR,
     .offset = PLACE(pid),
     .help = "intercept: netns: a process whose namespace it lives in"},
    {.name = "container",
     .kind = FIELD_SCALAR,
     .offset = PLACE(container),
     .help = "intercept: netns: the container that it is, by name or id"},
    {.name = "uid",
     .kind = FIELD_SCALAR,
     .offset = PLACE(uid),
     .help = "intercept: redirect: the user whose sockets are the node's"},
    {.name = "cgroup",
     .kind = FIELD_SCALAR,
     .offset = PLACE(cgroup),
     .help = "intercept: redirect: the control group whose sockets are the node's"},
    {0},
};

static const struct field_stranger node_strangers[] = {
    {"host", "address", NULL, false},
    {"hostname", "address", NULL, false},
    {"ip", "address", NULL, false},
    {"addr", "address", NULL, false},
    {"url", "address", NULL, false},
    {"cidr", "address", NULL, false},
    {"port", "ports", NULL, false},
    {"ns", "netns", NULL, false},
    {"namespace", "netns", NULL, false},
    {"process", "pid", NULL, false},
    {"docker", "container", NULL, false},
    {"podman", "container", NULL, false},
    {"pod", "container", "by its name or id", false},
    {"user", "uid", NULL, false},
    {"owner", "uid", NULL, false},
    {"unit", "cgroup", "such as system.slice/redis.service", false},
    {"service", "cgroup", "such as system.slice/redis.service", false},
    {"exec", NULL, "commands belong in a cluster file", false},
    {NULL, NULL, NULL, false},
};

const struct yaml_table parser_node_table = {
    .what = "a node", .fields = node_fields, .strangers = node_strangers};

static const struct field port_field = {.kind = FIELD_NUMBER, .min = 1, .max = 65535};

static bool read_port(struct parser *parser, const char *key,
                      const struct yaml_node *value, uint16_t *out)
{
    uint64_t port = 0;
    struct field field = port_field;
    field.name = key;
    if (!yaml_read_value(value, &field, NULL, &port, parser->diag) || port == 0)
        return false;
    *out = (uint16_t)port;
    return true;
}

bool parser_read_ports(struct parser *parser, const char *key,
                       const struct yaml_node *value, struct ports *out)
{
    bool is_list = value->kind == YAML_LIST;
    size_t most = is_list ? value->n : 1;
    if (most == 0) {
        diag_error(parser->diag, &value->at, "\"%s\" names no port", key);
        return false;
    }
    uint16_t *items = parser_alloc(parser, most, sizeof *items);
    if (!items)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < most; i++)
        if (read_port(parser, key, is_list ? value->items[i] : value, &items[n]))
            n++;
    *out = (struct ports){items, n};
    return n == most;
}

/* "10.77.1.2" "pg2.internal:5432" "[fd00::1]:5432" */
static void read_address(struct parser *parser, const struct yaml_node *value,
                         struct rule_node *node)
{
    struct unit_error why = {.hint = ""};
    struct endpoint endpoint = {.host = NULL};
    struct address address = {.kind = ADDRESS_NONE};
    if (endpoint_parse(value->text, &endpoint, &why) != 0 ||
        address_parse(endpoint.host, endpoint.host_length, &address, &why) != 0) {
        diag_error(parser->diag, &value->at, "%s", why.text);
        if (why.hint[0])
            diag_hint(parser->diag, "%s", why.hint);
        return;
    }
    if (endpoint.has_port && endpoint.port == 0) {
        diag_error(parser->diag, &value->at, "no server has port 0");
        return;
    }
    if (address.kind == ADDRESS_HOST && parser->intercept != INTERCEPT_LISTEN) {
        diag_error(parser->diag, &value->at,
                   "with intercept: %s a node's address is numeric, not a host name",
                   rule_intercept_name(parser->intercept));
        diag_hint(parser->diag,
                  "the kernel tells connections by the addresses of their packets");
        return;
    }
    address.text =
        arena_copy(&parser->rules->arena, endpoint.host, endpoint.host_length);
    uint16_t *port = parser_alloc(parser, 1, sizeof *port);
    if (!address.text || !port) {
        parser->diag->out_of_memory = true;
        return;
    }
    *port = endpoint.port;
    node->address = address;
    node->ports = (struct ports){port, endpoint.has_port ? 1 : 0};
}

static void read_node(struct parser *parser, const struct yaml_pair *pair,
                      struct rule_node *node)
{
    const struct yaml_node *value = pair->value;
    *node =
        (struct rule_node){.name = {pair->key->text, pair->key->at}, .at = value->at};
    bool is_lost = value->cut && value->kind != YAML_MAP;
    if (!parser_check_new_name(parser, &node->name, "node") || yaml_is_empty(value) ||
        is_lost)
        return;
    if (value->kind == YAML_SCALAR) {
        read_address(parser, value, node);
        return;
    }
    struct node_draft draft = {.address = NULL};
    if (value->kind == YAML_LIST) {
        diag_error(parser->diag, &value->at,
                   "a node is an address or a map, not a list");
        diag_hint(parser->diag, "several nodes under one name are a group");
        return;
    }
    (void)yaml_read_map(value, &parser_node_table, &draft,
                        parser->diag); /* all is told */
    parser_read_place(parser, value, &draft.place, node);
    if (draft.address)
        read_address(parser, draft.address, node);
    if (!draft.ports)
        return;
    if (node->ports.n > 0)
        diag_error(parser->diag, &draft.ports->at, "the address has a port already");
    struct ports ports;
    if (parser_read_ports(parser, "ports", draft.ports, &ports))
        node->ports = ports;
}

void parser_read_nodes(struct parser *parser, const struct yaml_node *map)
{
    struct rule_node *nodes = parser_alloc(parser, map->n, sizeof *nodes);
    if (!nodes)
        return;
    for (size_t i = 0; i < map->n; i++)
        read_node(parser, &map->pairs[i], &nodes[i]);
    parser->rules->nodes = nodes;
    parser->rules->n_nodes = map->n;
    parser_check_addresses(parser);
}

/* Names only: members are looked up when all names are known. */
static void read_members(struct parser *parser, const struct yaml_node *value,
                         struct rule_group *group)
{
    bool is_list = value->kind == YAML_LIST;
    size_t n = is_list ? value->n : 1;
    if (n == 0 || (!is_list && (value->kind == YAML_MAP || value->length == 0))) {
        char found[64];
        if (value->cut)
            return;
        diag_error(parser->diag, &value->at, "a group is a list of nodes, not %s",
                   n == 0 ? "empty" : yaml_describe(value, found, sizeof found));
        return;
    }
    struct word *items = parser_alloc(parser, n, sizeof *items);
    if (!items)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct yaml_node *item = is_list ? value->items[i] : value;
        if (item->kind == YAML_SCALAR && item->length > 0)
            items[kept++] = (struct word){item->text, item->at};
        else if (!item->cut)
            diag_error(parser->diag, &item->at, "a group holds names of nodes");
    }
    group->members = (struct words){items, kept};
}

void parser_read_groups(struct parser *parser, const struct yaml_node *map)
{
    struct rule_group *groups = parser_alloc(parser, map->n, sizeof *groups);
    if (!groups)
        return;
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *key = map->pairs[i].key;
        groups[i].name = (struct word){key->text, key->at};
        if (parser_check_new_name(parser, &groups[i].name, "group"))
            read_members(parser, map->pairs[i].value, &groups[i]);
    }
    parser->rules->groups = groups;
    parser->rules->n_groups = map->n;
}

/* Groups hold nodes, not groups: so there are no circles, and what a name stands for is
 * seen at a glance. */
static void check_members(struct parser *parser, const struct rule_group *group)
{
    for (size_t i = 0; i < group->members.n; i++) {
        const struct word *member = &group->members.items[i];
        const struct known *known = parser_find_name(parser, member->text);
        if (strcmp(member->text, "any") == 0) {
            diag_error(parser->diag, &member->at, "a group cannot hold \"any\"");
        } else if (known && known->kind == KNOWN_GROUP) {
            diag_error(parser->diag, &member->at,
                       "a group holds nodes; \"%s\" is a group", member->text);
            diag_hint(parser->diag, "rules take a list of groups");
        } else {
            (void)parser_check_name(parser, member); /* it is told */
        }
    }
}

void parser_check_groups(struct parser *parser)
{
    struct rules *rules = parser->rules;
    size_t n = rules->n_nodes + rules->n_groups;
    struct keyed *items = parser_alloc(parser, n, sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < rules->n_nodes; i++)
        items[i] = (struct keyed){rules->nodes[i].name.text, &rules->nodes[i].name.at,
                                  "nodes or groups"};
    for (size_t i = 0; i < rules->n_groups; i++)
        items[rules->n_nodes + i] = (struct keyed){
            rules->groups[i].name.text, &rules->groups[i].name.at, "nodes or groups"};
    parser_find_twins(parser, items, n, parser_on_equal_names);
    for (size_t i = 0; i < rules->n_groups; i++)
        check_members(parser, &rules->groups[i]);
}

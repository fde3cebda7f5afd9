/* SPDX-License-Identifier: MIT */
/* listen: the paths through the proxy, each an address to bind and a node to dial.
 *
 * Each is read by itself, and then all are compared: names, and addresses as they are
 * written. That two spellings are one address, or that one holds the other, is left to
 * the kernel, which refuses to bind the second. */
#include "rules/language/parser.h"
#include "rules/unit.h"

#include <stdio.h>
#include <string.h>

struct listen_draft {
    const char *name;
    const struct yaml_node *address, *from, *to;
};

static const struct field listen_fields[] = {
    {.name = "name",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct listen_draft, name),
     .help = "what it is called where it is reported; FROM>TO otherwise"},
    {.name = "address",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct listen_draft, address),
     .required = true,
     .help = "where the proxy listens, such as 127.0.0.1:7101; port 0 is the kernel's "
             "choice"},
    {.name = "from",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct listen_draft, from),
     .help = "the node that opens connections here; any otherwise"},
    {.name = "to",
     .kind = FIELD_SCALAR,
     .offset = offsetof(struct listen_draft, to),
     .required = true,
     .help = "the node that is dialled: NODE, or NODE:PORT if it has several ports"},
    {0},
};

static const struct field_stranger listen_strangers[] = {
    {"listen", "address", NULL, false},
    {"bind", "address", NULL, false},
    {"addr", "address", NULL, false},
    {"port", "address", "HOST:PORT in one", false},
    {"upstream", "to", NULL, false},
    {"target", "to", NULL, false},
    {"server", "to", NULL, false},
    {"backend", "to", NULL, false},
    {"downstream", "from", NULL, false},
    {"client", "from", NULL, false},
    {"source", "from", NULL, false},
    {"enabled", NULL, "leave the entry out", false},
    {NULL, NULL, NULL, false},
};

const struct yaml_table parser_listen_table = {
    .what = "a listen entry", .fields = listen_fields, .strangers = listen_strangers};

static void complain(struct parser *parser, const struct yaml_node *value,
                     const struct unit_error *why)
{
    diag_error(parser->diag, &value->at, "%s", why->text);
    if (why->hint[0])
        diag_hint(parser->diag, "%s", why->hint);
}

/* What people write for "this machine", as the address it is. */
static const char *bind_suggestion(const char *host, size_t length)
{
    if (length == 0 || (length == 1 && host[0] == '*'))
        return "0.0.0.0";
    bool is_local = length == 9 && strncmp(host, "localhost", 9) == 0;
    return is_local ? "127.0.0.1" : NULL;
}

static void read_bind_host(struct parser *parser, const struct yaml_node *value,
                           const struct endpoint *endpoint, struct rule_listen *listen)
{
    struct unit_error why = {.hint = ""};
    struct address address = {.kind = ADDRESS_NONE};
    const char *better = bind_suggestion(endpoint->host, endpoint->host_length);
    bool is_address = !better && address_parse(endpoint->host, endpoint->host_length,
                                               &address, &why) == 0;
    if (!better && !is_address) {
        complain(parser, value, &why);
        return;
    }
    if (!is_address || address.kind == ADDRESS_HOST || !address_is_single(&address)) {
        diag_error(parser->diag, &value->at,
                   "the proxy listens on one IPv4 or IPv6 address");
        if (better)
            diag_hint(parser->diag, "did you mean \"%s:%u\"?", better, endpoint->port);
        return;
    }
    address.text =
        arena_copy(&parser->rules->arena, endpoint->host, endpoint->host_length);
    if (!address.text)
        parser->diag->out_of_memory = true;
    listen->address = address;
    listen->port = endpoint->port;
}

static void read_bind(struct parser *parser, const struct yaml_node *value,
                      struct rule_listen *listen)
{
    struct unit_error why = {.hint = ""};
    struct endpoint endpoint = {.host = NULL};
    if (endpoint_parse(value->text, &endpoint, &why) != 0) {
        complain(parser, value, &why);
    } else if (!endpoint.has_port) {
        bool is_port = value->text[strspn(value->text, "0123456789")] == '\0';
        diag_error(parser->diag, &value->at, "\"%s\" has no %s", value->text,
                   is_port ? "address" : "port");
        diag_hint(parser->diag, "ADDRESS:PORT, such as %s%s",
                  is_port ? "127.0.0.1:" : value->text, is_port ? value->text : ":0");
    } else {
        read_bind_host(parser, value, &endpoint, listen);
    }
}

static void read_from(struct parser *parser, const struct yaml_node *value,
                      struct rule_listen *listen)
{
    if (strcmp(value->text, "any") == 0)
        return;
    listen->from = (struct word){value->text, value->at};
    const struct known *known = parser_find_name(parser, value->text);
    if (known && known->kind == KNOWN_GROUP) {
        diag_error(parser->diag, &value->at, "\"%s\" is a group; one node opens a path",
                   value->text);
        diag_hint(parser->diag, "one listen entry for each of its nodes");
    } else if (!known) {
        (void)parser_check_name(parser, &listen->from); /* it is told */
    }
}

/* A node that can be dialled. */
static bool check_server(struct parser *parser, const struct word *name,
                         const struct rule_node *node)
{
    if (address_is_single(&node->address))
        return true;
    if (node->address.kind == ADDRESS_NONE)
        diag_error(parser->diag, &name->at, "the node \"%s\" has no address to dial",
                   name->text);
    else
        diag_error(parser->diag, &name->at, "\"%s\" is a network; one node is dialled",
                   name->text);
    return false;
}

/* The port that was written, or the only one of the node. */
static void choose_port(struct parser *parser, const struct rule_node *node,
                        struct rule_listen *listen)
{
    if (listen->to_port > 0)
        return;
    if (node->ports.n == 1) {
        listen->to_port = node->ports.items[0];
        return;
    }
    diag_error(parser->diag, &listen->to.at, "the node \"%s\" has %s", listen->to.text,
               node->ports.n == 0 ? "no port" : "several ports");
    diag_hint(parser->diag, "write %s:PORT", listen->to.text);
}

/* "pg2" or "pg2:5432". */
static void read_to(struct parser *parser, const struct yaml_node *value,
                    struct rule_listen *listen)
{
    struct unit_error why = {.hint = ""};
    struct endpoint endpoint = {.host = NULL};
    if (endpoint_parse(value->text, &endpoint, &why) != 0) {
        complain(parser, value, &why);
        return;
    }
    if (endpoint.has_port && endpoint.port == 0) {
        diag_error(parser->diag, &value->at, "no server has port 0");
        return;
    }
    const char *text =
        arena_copy(&parser->rules->arena, endpoint.host, endpoint.host_length);
    if (!text) {
        parser->diag->out_of_memory = true;
        return;
    }
    listen->to = (struct word){text, value->at};
    listen->to_port = endpoint.port;
    const struct known *known = parser_find_name(parser, text);
    if (!known)
        (void)parser_check_name(parser, &listen->to); /* it is told */
    else if (known->kind == KNOWN_GROUP)
        diag_error(parser->diag, &value->at, "\"%s\" is a group; one node is dialled",
                   text);
    else if (known->node && check_server(parser, &listen->to, known->node))
        choose_port(parser, known->node, listen);
}

static void name_path(struct parser *parser, struct rule_listen *listen)
{
    if (!listen->to.text)
        return;
    listen->name.at = listen->at;
    listen->name.text =
        arena_print(&parser->rules->arena, "%s>%s",
                    listen->from.text ? listen->from.text : "any", listen->to.text);
    if (!listen->name.text)
        parser->diag->out_of_memory = true;
}

static void read_listen(struct parser *parser, const struct yaml_node *map,
                        struct rule_listen *listen)
{
    struct listen_draft draft = {.name = NULL};
    listen->at = map->at;
    (void)yaml_read_map(map, &parser_listen_table, &draft,
                        parser->diag); /* all is told */
    if (draft.address)
        read_bind(parser, draft.address, listen);
    if (draft.from)
        read_from(parser, draft.from, listen);
    else if (parser->shared && map->kind == YAML_MAP && !map->cut) {
        diag_warning(
            parser->diag, &map->at,
            "who opens connections here cannot be told: \"%s\" and \"%s\" share "
            "an address",
            parser->shared[0], parser->shared[1]);
        diag_hint(parser->diag, "write from:");
        parser->shared = NULL; /* once is enough */
    }
    if (draft.to)
        read_to(parser, draft.to, listen);
    if (!draft.name) {
        name_path(parser, listen);
        return;
    }
    listen->name = (struct word){draft.name, yaml_find(map, "name")->at};
    if (!parser_check_new_name(parser, &listen->name, "listener"))
        listen->name.text = NULL;
}

static void on_equal_binds(struct parser *parser, const struct keyed *first,
                           const struct keyed *again)
{
    const struct rule_listen *listen = again->object;
    diag_error(parser->diag, again->at, "two paths listen on %s port %u",
               listen->address.text, listen->port);
    diag_hint(parser->diag, "the first is on line %u", first->at->line);
}

static void on_equal_paths(struct parser *parser, const struct keyed *first,
                           const struct keyed *again)
{
    diag_error(parser->diag, again->at, "there are two paths called \"%s\"",
               again->key);
    diag_hint(parser->diag, "the first is on line %u; give them names",
              first->at->line);
}

static const char *bind_key(struct parser *parser, const struct rule_listen *listen)
{
    if (listen->port == 0 || !listen->address.text)
        return NULL;
    const char *key =
        arena_print(&parser->rules->arena, "%s %u", listen->address.text, listen->port);
    if (!key)
        parser->diag->out_of_memory = true;
    return key;
}

static void check_listens(struct parser *parser, const struct rule_listen *listens,
                          size_t n)
{
    struct keyed *items = parser_alloc(parser, n, sizeof *items);
    if (!items)
        return;
    for (size_t i = 0; i < n; i++)
        items[i] =
            (struct keyed){listens[i].name.text, &listens[i].name.at, &listens[i]};
    parser_find_twins(parser, items, n, on_equal_paths);
    for (size_t i = 0; i < n; i++)
        items[i] =
            (struct keyed){bind_key(parser, &listens[i]), &listens[i].at, &listens[i]};
    parser_find_twins(parser, items, n, on_equal_binds);
}

void parser_read_listens(struct parser *parser, const struct yaml_node *list)
{
    struct rule_listen *listens = parser_alloc(parser, list->n, sizeof *listens);
    if (!listens)
        return;
    for (size_t i = 0; i < list->n; i++)
        read_listen(parser, list->items[i], &listens[i]);
    parser->rules->listens = listens;
    parser->rules->n_listens = list->n;
    check_listens(parser, listens, list->n);
}

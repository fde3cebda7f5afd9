/* SPDX-License-Identifier: MIT */
/* What kernel modes know nodes by beside their addresses: the namespace they live in
 * (netns), who owns their sockets (redirect). What a mode cannot use is an error that
 * names the mode it is for. */
#include "rules/language/parser.h"

#include <ctype.h>
#include <string.h>

enum { PID_MOST = 4194304 }; /* Linux' PID_MAX_LIMIT */

/* Whether the key may stand in a file of this mode. */
static bool check_mode(struct parser *parser, const struct yaml_node *map,
                       const char *key, enum rule_intercept mode)
{
    if (parser->intercept == mode || parser->mode_is_lost)
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

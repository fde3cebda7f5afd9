/* SPDX-License-Identifier: MIT */
/* Looking things up in rules as written, and their end. */
#include "rules/language/rule.h"

#include "rules/field.h"

#include <string.h>

const struct field rule_hold_field = {
    .name = "hold",
    .kind = FIELD_BYTES,
    .offset = offsetof(struct rule, hold_bytes),
    .min = 1024,
    .max = UINT64_C(1) << 30,
    .help = "bytes a stream may keep before its sender feels back-pressure",
};

void rules_destroy(struct rules *rules)
{
    if (!rules)
        return;
    struct arena arena = rules->arena; /* rules itself is in it */
    arena_close(&arena);
}

const struct rule_node *rules_find_node(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_nodes; i++)
        if (strcmp(rules->nodes[i].name.text, name) == 0)
            return &rules->nodes[i];
    return NULL;
}

const struct rule_group *rules_find_group(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_groups; i++)
        if (strcmp(rules->groups[i].name.text, name) == 0)
            return &rules->groups[i];
    return NULL;
}

const char *rule_kind_name(enum rule_kind kind)
{
    static const char *const names[] = {"inject", "partition", "isolate", "cut",
                                        "shape"};
    return names[kind];
}

const char *rule_state_name(enum rule_state state)
{
    static const char *const names[] = {"any", "new", "established"};
    return names[state];
}

const char *rule_how_name(enum rule_how how)
{
    static const char *const names[] = {"stall", "reset", "refuse", "drop"};
    return names[how];
}

const char *rule_intercept_name(enum rule_intercept intercept)
{
    static const char *const names[] = {"listen", "redirect", "tproxy", "netns"};
    return names[intercept];
}

const char *rule_shape_name(enum rule_shape shape)
{
    static const char *const names[] = {"halves", "majorities-ring", "bridge", "one",
                                        "minority"};
    return names[shape];
}

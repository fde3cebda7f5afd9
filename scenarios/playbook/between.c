/* SPDX-License-Identifier: MIT */
/* A set of nodes is a bit mask: there are at most nine. */
#include "scenarios/playbook/between.h"

#include <stdint.h>
#include <string.h>

struct search {
    const struct cluster *cluster;
    size_t primary;
    between_passes_fn passes;
    void *context;
    size_t a, b;
};

static uint32_t everybody(const struct cluster *cluster)
{
    return (UINT32_C(1) << cluster->n_nodes) - 1;
}

static uint32_t nodes_of_word(const struct search *search, const char *word)
{
    uint32_t primary = UINT32_C(1) << search->primary;
    int node = cluster_find_node(search->cluster, word);
    if (node >= 0)
        return UINT32_C(1) << node;
    if (strcmp(word, "primary") == 0)
        return primary;
    if (strcmp(word, "standbys") == 0)
        return everybody(search->cluster) & ~primary;
    return 0;
}

static uint32_t nodes_of(const struct search *search, const struct words *words)
{
    uint32_t nodes = 0;
    for (size_t i = 0; i < words->n; i++)
        nodes |= nodes_of_word(search, words->items[i].text);
    return nodes;
}

static bool find_pair(struct search *search, uint32_t left, uint32_t right)
{
    size_t n = search->cluster->n_nodes;
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            if (a != b && (left >> a & 1) && (right >> b & 1) &&
                !search->passes(search->context, a, b)) {
                search->a = a;
                search->b = b;
                return true;
            }
    return false;
}

static bool find_in_parts(struct search *search, const struct rule *rule)
{
    for (size_t i = 0; i < rule->n_parts; i++)
        for (size_t k = i + 1; k < rule->n_parts; k++)
            if (find_pair(search, nodes_of(search, &rule->parts[i]),
                          nodes_of(search, &rule->parts[k])))
                return true;
    return false;
}

static bool find_in_rule(struct search *search, const struct rule *rule)
{
    uint32_t nodes = rule->n_parts > 0 ? nodes_of(search, &rule->parts[0]) : 0;
    switch (rule->kind) {
    case RULE_INJECT:
        return find_pair(search, nodes_of(search, &rule->from),
                         nodes_of(search, &rule->to));
    case RULE_PARTITION:
    case RULE_CUT:
        return find_in_parts(search, rule);
    case RULE_ISOLATE:
        return find_pair(search, nodes, everybody(search->cluster));
    case RULE_SHAPE:
        return find_pair(search, nodes, nodes);
    }
    return false;
}

bool between_find(const struct cluster *cluster, const struct rules *rules,
                  size_t primary, between_passes_fn passes, void *context, size_t *a,
                  size_t *b)
{
    struct search search = {cluster, primary, passes, context, 0, 0};
    for (size_t i = 0; i < rules->n_rules; i++)
        if (find_in_rule(&search, &rules->rules[i])) {
            *a = search.a;
            *b = search.b;
            return true;
        }
    return false;
}

static bool passes_nowhere(void *context, size_t a, size_t b)
{
    (void)context, (void)a, (void)b;
    return false;
}

bool between_is_meant(const struct cluster *cluster, const struct rule *rule,
                      size_t primary)
{
    struct search search = {cluster, primary, passes_nowhere, NULL, 0, 0};
    return find_in_rule(&search, rule);
}

static bool may_be_nodes(const struct search *search, const struct words *words)
{
    bool any = words->n == 0;
    for (size_t i = 0; i < words->n; i++)
        any |= strcmp(words->items[i].text, "any") == 0;
    return any || nodes_of(search, words) != 0;
}

bool between_is_implied(const struct cluster *cluster, const struct rules *rules)
{
    struct search search = {cluster, 0, passes_nowhere, NULL, 0, 0};
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (rule->kind == RULE_INJECT && !find_in_rule(&search, rule) &&
            may_be_nodes(&search, &rule->from) && may_be_nodes(&search, &rule->to))
            return cluster->n_nodes > 1;
    }
    return false;
}

static bool has_clients(const struct words *words)
{
    for (size_t i = 0; i < words->n; i++)
        if (strncmp(words->items[i].text, "clients", 7) == 0)
            return true;
    return false;
}

bool between_names_clients(const struct rules *rules)
{
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        bool found = has_clients(&rule->from) || has_clients(&rule->to);
        for (size_t k = 0; k < rule->n_parts; k++)
            found |= has_clients(&rule->parts[k]);
        if (found)
            return true;
    }
    return false;
}

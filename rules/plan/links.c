/* SPDX-License-Identifier: MIT */
/* Words become sets of nodes, a byte a node with place 0 for "any"; sets become pairs.
 * All this is O(nodes^2) for a rule at worst, which is what a partition has of links.
 * So there is a limit to them: a proxy that compiles for a minute answers nobody. A
 * network is one node, whatever lives in it. */
#include "rules/plan/links.h"

#include "rules/plan/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS_MOST = 500000 }; /* of all rules of a plan; a port counts as one */

/* set[0]: any; set[id]: that node. */
struct set {
    bool *has;
    size_t n; /* nodes + 1 */
};

struct adding {
    const struct links_context *context;
    const struct rule *rule;
    struct plan_rule *planned;
    struct index_builder *out;
};

static int make_set(const struct links_context *context, struct set *out)
{
    out->n = context->plan->n_nodes + 1;
    out->has = arena_alloc(context->scratch, out->n, sizeof *out->has);
    return out->has ? 0 : -ENOMEM;
}

static void complain(const struct links_context *context, const struct word *word)
{
    diag_error(context->diag, &word->at, "the base has no node or group \"%s\"",
               word->text);
}

static int put_word(const struct links_context *context, const struct word *word,
                    struct set *set);

static int put_words(const struct links_context *context, const struct words *words,
                     struct set *set)
{
    int status = 0;
    for (size_t i = 0; i < words->n; i++) {
        int result = put_word(context, &words->items[i], set);
        if (result != 0)
            status = result;
    }
    return status;
}

/* Groups never hold themselves, so this ends. */
static int put_word(const struct links_context *context, const struct word *word,
                    struct set *set)
{
    plan_node_id id = plan_find_node(context->plan, word->text);
    if (id != PLAN_ANY || strcmp(word->text, "any") == 0) {
        set->has[id] = true;
        return 0;
    }
    const struct rule_group *group = rules_find_group(context->base, word->text);
    if (group)
        return put_words(context, &group->members, set);
    complain(context, word);
    return -EINVAL;
}

/* Nothing written is any; any makes the rest of a list say nothing. */
static int resolve(const struct links_context *context, const struct words *words,
                   struct set *out)
{
    int status = make_set(context, out);
    if (status == 0)
        status = put_words(context, words, out);
    if (status == 0 && words->n == 0)
        out->has[PLAN_ANY] = true;
    if (status == 0 && out->has[PLAN_ANY])
        memset(out->has + 1, 0, (out->n - 1) * sizeof *out->has);
    return status;
}

static int refuse_more(const struct adding *adding)
{
    const struct word *name = &adding->rule->name;
    diag_error(adding->context->diag, &name->at,
               "with \"%s\" the rules are about more than %d links", name->text,
               LINKS_MOST);
    diag_hint(adding->context->diag, "a node may be a whole network: 10.0.0.0/16");
    return -EINVAL;
}

static int add_link(const struct adding *adding, uint32_t from, uint32_t to)
{
    if (adding->out->n + adding->rule->ports.n >= LINKS_MOST)
        return refuse_more(adding);
    struct index_edge edge = {.from = from, .to = to, .rank = adding->planned->rank};
    const struct ports *ports = &adding->rule->ports;
    if (ports->n == 0)
        return index_add(adding->out, &edge);
    for (size_t i = 0; i < ports->n; i++) {
        edge.port = ports->items[i];
        if (index_add(adding->out, &edge) != 0)
            return -ENOMEM;
    }
    return 0;
}

/* Every link from the one set to the other; a node may have one with itself, since it
 * may be a network of many machines. */
static int add_product(const struct adding *adding, const struct set *from,
                       const struct set *to)
{
    int status = 0;
    for (uint32_t i = 0; i < from->n; i++)
        for (uint32_t j = 0; from->has[i] && j < to->n && status == 0; j++)
            if (to->has[j])
                status = add_link(adding, i, j);
    return status;
}

static int add_inject(const struct adding *adding)
{
    struct set from, to;
    int from_status = resolve(adding->context, &adding->rule->from, &from);
    int to_status = resolve(adding->context, &adding->rule->to, &to);
    if (from_status != 0 || to_status != 0)
        return from_status ? from_status : to_status;
    int status = add_product(adding, &from, &to);
    if (status == 0 && adding->rule->both_ways)
        status = add_product(adding, &to, &from);
    return status;
}

/* The sets as parts of the plan. */
static int keep_parts(const struct adding *adding, const struct set *sets, size_t n)
{
    struct arena *arena = &adding->context->plan->arena;
    struct plan_part *parts = arena_alloc(arena, n, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        plan_node_id *nodes = arena_alloc(arena, sets[i].n, sizeof *nodes);
        if (!nodes)
            return -ENOMEM;
        parts[i].nodes = nodes;
        for (uint32_t id = 0; id < sets[i].n; id++)
            if (sets[i].has[id])
                nodes[parts[i].n++] = id;
    }
    adding->planned->parts = parts;
    adding->planned->n_parts = n;
    return 0;
}

/* Every part of the rule as a set; *out is an array of n_parts. */
static int resolve_parts(const struct adding *adding, struct set **out)
{
    const struct rule *rule = adding->rule;
    struct set *parts =
        arena_alloc(adding->context->scratch, rule->n_parts, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    int status = 0;
    for (size_t i = 0; i < rule->n_parts; i++) {
        int result = resolve(adding->context, &rule->parts[i], &parts[i]);
        if (result == -ENOMEM)
            return result;
        status = result ? result : status;
    }
    *out = parts;
    return status ? status : keep_parts(adding, parts, rule->n_parts);
}

static int add_cut(const struct adding *adding)
{
    struct set *parts = NULL;
    int status = resolve_parts(adding, &parts);
    return status ? status : add_product(adding, &parts[0], &parts[1]);
}

/* The named nodes that are not isolated keep their links with each other. */
static int add_isolate(const struct adding *adding)
{
    struct set *alone = NULL, others;
    int status = resolve_parts(adding, &alone);
    if (status == 0)
        status = make_set(adding->context, &others);
    if (status != 0)
        return status;
    for (size_t i = 1; i < others.n; i++)
        others.has[i] = !alone->has[i];
    status = add_product(adding, alone, &others);
    return status ? status : add_product(adding, &others, alone);
}

static bool share_a_part(const struct set *parts, size_t n_parts, uint32_t a,
                         uint32_t b)
{
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].has[a] && parts[i].has[b])
            return true;
    return false;
}

/* A node in two parts bridges them; one in no part keeps all its links. */
static int cut_apart(const struct adding *adding, const struct set *parts, size_t n)
{
    struct set all;
    if (make_set(adding->context, &all) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        for (size_t id = 0; id < all.n; id++)
            all.has[id] = all.has[id] || parts[i].has[id];
    int status = 0;
    for (uint32_t a = 1; a < all.n; a++)
        for (uint32_t b = 1; all.has[a] && b < all.n && status == 0; b++)
            if (all.has[b] && !share_a_part(parts, n, a, b))
                status = add_link(adding, a, b);
    return status;
}

static int add_partition(const struct adding *adding)
{
    struct set *parts = NULL;
    int status = resolve_parts(adding, &parts);
    return status ? status : cut_apart(adding, parts, adding->rule->n_parts);
}

static int make_set_of(const struct links_context *context,
                       const struct plan_part *part, struct set *out)
{
    if (make_set(context, out) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < part->n; i++)
        out->has[part->nodes[i]] = true;
    return 0;
}

/* What the words stand for, drawn into parts, which are then those of a partition. */
static int add_shape(const struct adding *adding)
{
    const struct links_context *context = adding->context;
    struct plan_rule *planned = adding->planned;
    struct set *of = NULL;
    int status = resolve_parts(adding, &of);
    if (status != 0)
        return status;
    const struct plan_part all = planned->parts[0];
    int n = shape_draw(context->plan, adding->rule->shape, planned->key, all.nodes,
                       of->has[PLAN_ANY] ? 0 : all.n, &planned->parts);
    if (n < 0)
        return n;
    planned->n_parts = (size_t)n;
    struct set *parts = arena_alloc(context->scratch, planned->n_parts, sizeof *parts);
    for (size_t i = 0; parts && i < planned->n_parts; i++)
        if (make_set_of(context, &planned->parts[i], &parts[i]) != 0)
            return -ENOMEM;
    return parts ? cut_apart(adding, parts, planned->n_parts) : -ENOMEM;
}

static int compare_edges(const void *a, const void *b)
{
    const struct plan_link *one = a, *other = b;
    if (one->from != other->from)
        return one->from < other->from ? -1 : 1;
    if (one->to != other->to)
        return one->to < other->to ? -1 : 1;
    return (one->port > other->port) - (one->port < other->port);
}

/* The rule's edges as its links, in order and without doubles. */
static int keep_links(const struct adding *adding, size_t first_edge)
{
    size_t n = adding->out->n - first_edge, kept = 0;
    struct plan_link *links =
        arena_alloc(&adding->context->plan->arena, n, sizeof *links);
    if (!links)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct index_edge *edge = &adding->out->edges[first_edge + i];
        links[i] = (struct plan_link){edge->from, edge->to, edge->port};
    }
    if (n > 0)
        qsort(links, n, sizeof *links, compare_edges);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_edges(&links[kept - 1], &links[i]) != 0)
            links[kept++] = links[i];
    adding->planned->links = links;
    adding->planned->n_links = kept;
    return 0;
}

static int add(const struct adding *adding)
{
    switch (adding->rule->kind) {
    case RULE_INJECT:
        return add_inject(adding);
    case RULE_PARTITION:
        return add_partition(adding);
    case RULE_ISOLATE:
        return add_isolate(adding);
    case RULE_CUT:
        return add_cut(adding);
    case RULE_SHAPE:
        return add_shape(adding);
    }
    return 0;
}

int links_add(const struct links_context *context, const struct rule *written,
              struct plan_rule *rule, struct index_builder *out)
{
    const struct adding adding = {context, written, rule, out};
    size_t first_edge = out->n;
    int status = add(&adding);
    return status ? status : keep_links(&adding, first_edge);
}

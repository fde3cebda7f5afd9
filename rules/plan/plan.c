/* SPDX-License-Identifier: MIT */
/* Compiling: the base's nodes and paths are copied, each rule that applies gets its
 * slot, its time and its faults, its links become edges of the index. Everything lives
 * in one arena, freed with the last reference.
 *
 * Fails when memory runs out, when a rule names a node that is not there, or when one
 * needs what the kernel cannot do and has no fallback; then nothing is left behind and
 * what runs goes on. It does not check rules: what was parsed is right. */
#include "rules/plan/plan.h"

#include "rules/plan/fallback.h"
#include "rules/plan/index.h"
#include "rules/plan/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct compiling {
    const struct plan_input *input;
    struct diag *diag;
    struct plan *plan;
    struct plan_index *index;
    struct plan_rule *rules;              /* the plan's, still to be written */
    struct plan_identity *identities;     /* room for all old and new ones */
    const struct plan_rule **previous;    /* by slot: what ran before, or NULL */
    const struct plan_identity **by_name; /* the old identities, sorted */
    struct arena scratch;
    struct index_builder edges;
};

static const struct rules *base_of(const struct compiling *compiling)
{
    return compiling->input->layers[0].rules;
}

static bool rule_is_off(const struct plan_layer *layer, const struct rule *rule)
{
    return layer->rules_off || (layer->links_off && rule->kind != RULE_INJECT);
}

/* NULL stays NULL; *status becomes -ENOMEM when there is no memory. */
static const char *copy_text(struct plan *plan, const char *text, int *status)
{
    if (!text)
        return NULL;
    char *copy = arena_copy(&plan->arena, text, strlen(text));
    if (!copy)
        *status = -ENOMEM;
    return copy;
}

static struct address copy_address(struct plan *plan, const struct address *address,
                                   int *status)
{
    struct address copy = *address;
    copy.text = copy_text(plan, address->text, status);
    return copy;
}

static struct ports copy_ports(struct plan *plan, const struct ports *ports,
                               int *status)
{
    if (ports->n == 0)
        return (struct ports){0};
    uint16_t *items = arena_alloc(&plan->arena, ports->n, sizeof *items);
    if (!items) {
        *status = -ENOMEM;
        return (struct ports){0};
    }
    memcpy(items, ports->items, ports->n * sizeof *items);
    return (struct ports){items, ports->n};
}

static int compare_node_names(const void *a, const void *b, void *nodes)
{
    const struct plan_node *all = nodes;
    return strcmp(all[*(const uint32_t *)a].name, all[*(const uint32_t *)b].name);
}

static int copy_nodes(struct compiling *compiling)
{
    const struct rules *base = base_of(compiling);
    struct plan *plan = compiling->plan;
    struct plan_node *nodes = arena_alloc(&plan->arena, base->n_nodes, sizeof *nodes);
    uint32_t *by_name = arena_alloc(&plan->arena, base->n_nodes, sizeof *by_name);
    if (!nodes || !by_name)
        return -ENOMEM;
    int status = 0;
    for (size_t i = 0; i < base->n_nodes; i++) {
        const struct rule_node *node = &base->nodes[i];
        nodes[i].name = copy_text(plan, node->name.text, &status);
        nodes[i].address = copy_address(plan, &node->address, &status);
        nodes[i].ports = copy_ports(plan, &node->ports, &status);
        nodes[i].place = node->place;
        nodes[i].place.text = copy_text(plan, node->place.text, &status);
        nodes[i].owner.uid = copy_text(plan, node->owner.uid, &status);
        nodes[i].owner.cgroup = copy_text(plan, node->owner.cgroup, &status);
        by_name[i] = (uint32_t)i;
    }
    if (status != 0)
        return status;
    qsort_r(by_name, base->n_nodes, sizeof *by_name, compare_node_names, nodes);
    plan->nodes = nodes;
    plan->n_nodes = base->n_nodes;
    compiling->index->by_name = by_name;
    return 0;
}

static int copy_listeners(struct compiling *compiling)
{
    const struct rules *base = base_of(compiling);
    struct plan *plan = compiling->plan;
    struct plan_listener *listeners =
        arena_alloc(&plan->arena, base->n_listens, sizeof *listeners);
    if (!listeners)
        return -ENOMEM;
    int status = 0;
    for (size_t i = 0; i < base->n_listens; i++) {
        const struct rule_listen *listen = &base->listens[i];
        plan_node_id to = plan_find_node(plan, listen->to.text);
        listeners[i] = (struct plan_listener){
            .name = copy_text(plan, listen->name.text, &status),
            .address = copy_address(plan, &listen->address, &status),
            .port = listen->port,
            .from = copy_text(plan, listen->from.text, &status),
            .to = copy_text(plan, listen->to.text, &status),
            .to_port = listen->to_port,
        };
        if (to != PLAN_ANY)
            listeners[i].to_address = plan->nodes[to - 1].address;
    }
    plan->listeners = listeners;
    plan->n_listeners = base->n_listens;
    return status;
}

static int compare_identities(const struct plan_identity *a,
                              const struct plan_identity *b)
{
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->layer, b->layer);
}

static int compare_identity_pointers(const void *a, const void *b)
{
    return compare_identities(*(const struct plan_identity *const *)a,
                              *(const struct plan_identity *const *)b);
}

static size_t count_rules(const struct plan_input *input)
{
    size_t n = 0;
    for (size_t i = 0; i < input->n_layers; i++)
        n += input->layers[i].rules->n_rules;
    return n;
}

/* Slots of the plan before stay what they are. */
static int inherit_identities(struct compiling *compiling)
{
    struct plan *plan = compiling->plan;
    const struct plan *previous = compiling->input->previous;
    uint32_t n = previous ? previous->n_identities : 0;
    size_t room = n + count_rules(compiling->input);
    struct plan_identity *identities =
        arena_alloc(&plan->arena, room, sizeof *identities);
    compiling->previous =
        arena_alloc(&compiling->scratch, room, sizeof *compiling->previous);
    compiling->by_name =
        arena_alloc(&compiling->scratch, n, sizeof *compiling->by_name);
    if (!identities || !compiling->previous || !compiling->by_name)
        return -ENOMEM;
    int status = 0;
    for (uint32_t i = 0; i < n; i++) {
        identities[i].layer = copy_text(plan, previous->identities[i].layer, &status);
        identities[i].name = copy_text(plan, previous->identities[i].name, &status);
        compiling->by_name[i] = &identities[i];
    }
    for (size_t i = 0; previous && i < previous->n_rules; i++)
        compiling->previous[previous->rules[i].slot] = &previous->rules[i];
    if (status == 0)
        qsort(compiling->by_name, n, sizeof *compiling->by_name,
              compare_identity_pointers);
    plan->identities = compiling->identities = identities;
    plan->n_identities = n;
    return status;
}

static uint32_t slot_of(struct compiling *compiling, const struct plan_rule *rule)
{
    const struct plan_identity wanted = {rule->layer, rule->name};
    const struct plan_identity *key = &wanted;
    const struct plan *previous = compiling->input->previous;
    const struct plan_identity **found =
        bsearch(&key, compiling->by_name, previous ? previous->n_identities : 0,
                sizeof *compiling->by_name, compare_identity_pointers);
    if (found)
        return (uint32_t)(*found - compiling->identities);
    compiling->identities[compiling->plan->n_identities] = wanted;
    return compiling->plan->n_identities++;
}

static struct rng_key hash_name(const struct plan *plan, struct rng_key key,
                                uint32_t id)
{
    return rng_mix_text(key, id == PLAN_ANY ? "any" : plan->nodes[id - 1].name);
}

/* All that makes a rule what it is, by names: numbers of nodes change between plans,
 * and so may the order of its edges. What it says counts, not what it falls back to. */
static uint64_t hash_content(const struct plan *plan, const struct rule *written,
                             const struct plan_rule *rule)
{
    struct rng_key key = rng_seed(0);
    enum rule_how how = fallback_wanted_how(plan, written);
    key = rng_mix(rng_mix(key, (uint64_t)rule->kind), (uint64_t)how);
    key = rng_mix(rng_mix(key, rule->hold_bytes), rule->probability_ppm);
    key = rng_mix(rng_mix(key, (uint64_t)rule->state), written->ports_all);
    key = rng_mix(rng_mix(key, rule->when.after_ns), rule->when.for_ns);
    key = rng_mix(key, rule->when.every_ns);
    for (size_t i = 0; i < written->n_faults; i++) {
        const struct rule_fault *fault = &written->faults[i];
        key = rng_mix_text(key, fault->fault->name);
        key = rng_mix_bytes(key, fault->params, fault->fault->params_bytes);
    }
    uint64_t links = 0;
    for (size_t i = 0; i < rule->n_links; i++) {
        struct rng_key link = rng_mix(rng_seed(rule->links[i].port), 0);
        link = hash_name(plan, link, rule->links[i].from);
        links += hash_name(plan, link, rule->links[i].to).hash;
    }
    return rng_mix(key, links).hash;
}

static int add_links(struct compiling *compiling, const struct rule *rule,
                     struct plan_rule *out)
{
    struct arena sets;
    arena_init(&sets, compiling->input->allocator);
    const struct links_context context = {compiling->plan, base_of(compiling), &sets,
                                          compiling->diag};
    int status = links_add(&context, rule, out, &compiling->edges);
    arena_close(&sets);
    return status;
}

/* Bad names are worse than what the kernel lacks, and no memory than either. */
static int worse(int a, int b)
{
    if (a == -ENOMEM || b == 0 || (a == -EINVAL && b == -ENOTSUP))
        return a;
    return b;
}

static int choose_what_is_done(struct compiling *compiling, const struct rule *rule,
                               struct plan_rule *out)
{
    const struct fallback_context context = {compiling->plan, &compiling->input->kernel,
                                             compiling->diag};
    return rule->kind == RULE_INJECT ? fallback_choose_faults(&context, rule, out)
                                     : fallback_choose_how(&context, rule, out);
}

static int compile_rule(struct compiling *compiling, const struct plan_layer *layer,
                        const struct rule *rule)
{
    struct plan *plan = compiling->plan;
    struct plan_rule *out = &compiling->rules[plan->n_rules];
    int status = 0;
    *out = (struct plan_rule){
        .layer = copy_text(plan, layer->name, &status),
        .name = copy_text(plan, rule->name.text, &status),
        .kind = rule->kind,
        .state = rule->state,
        .hold_bytes = rule->hold_bytes,
        .probability_ppm = rule->kind == RULE_INJECT ? rule->probability_ppm : 1000000,
        .since_ns = compiling->input->now_ns,
        .when = rule->when,
        .rank = (uint32_t)plan->n_rules,
    };
    if (status != 0)
        return status;
    out->key = rng_mix_text(rng_mix_text(rng_seed(plan->seed), out->layer), out->name);
    status = add_links(compiling, rule, out);
    if (status != -ENOMEM)
        status = worse(status, choose_what_is_done(compiling, rule, out));
    if (status != 0)
        return status;
    out->content = hash_content(plan, rule, out);
    out->slot = slot_of(compiling, out);
    const struct plan_rule *before = compiling->previous[out->slot];
    if (before && before->content == out->content)
        out->since_ns = before->since_ns;
    plan->n_rules++;
    return 0;
}

static int compile_rules(struct compiling *compiling)
{
    const struct plan_input *input = compiling->input;
    struct plan *plan = compiling->plan;
    plan->rules = compiling->rules =
        arena_alloc(&plan->arena, count_rules(input), sizeof *compiling->rules);
    if (!compiling->rules)
        return -ENOMEM;
    int status = 0;
    for (size_t i = 0; i < input->n_layers; i++) {
        const struct plan_layer *layer = &input->layers[i];
        for (size_t j = 0; j < layer->rules->n_rules; j++) {
            const struct rule *rule = &layer->rules->rules[j];
            int result =
                rule_is_off(layer, rule) ? 0 : compile_rule(compiling, layer, rule);
            if (result == -ENOMEM)
                return result;
            status = worse(status, result); /* go on: all errors at once */
        }
    }
    return status;
}

static int finish_index(struct compiling *compiling)
{
    struct plan *plan = compiling->plan;
    index_sort(&compiling->edges);
    size_t n = compiling->edges.n;
    struct index_edge *edges = arena_alloc(&plan->arena, n, sizeof *edges);
    uint32_t *timed = arena_alloc(&plan->arena, plan->n_rules, sizeof *timed);
    if (!edges || !timed)
        return -ENOMEM;
    if (n)
        memcpy(edges, compiling->edges.edges, n * sizeof *edges);
    compiling->index->edges = edges;
    compiling->index->n_edges = n;
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].when.after_ns || plan->rules[i].when.for_ns)
            timed[compiling->index->n_timed++] = (uint32_t)i;
    compiling->index->timed = timed;
    return 0;
}

static struct plan *create_plan(const struct plan_input *input)
{
    struct plan *plan = allocator_take(input->allocator, sizeof *plan);
    if (!plan)
        return NULL;
    *plan = (struct plan){
        .seed = input->seed,
        .serial = input->previous ? input->previous->serial + 1 : 1,
        .references = 1,
    };
    arena_init(&plan->arena, input->allocator);
    return plan;
}

static int compile_all(struct compiling *compiling)
{
    compiling->index =
        arena_alloc(&compiling->plan->arena, 1, sizeof *compiling->index);
    if (!compiling->index)
        return -ENOMEM;
    compiling->plan->index = compiling->index;
    int status = 0;
    compiling->plan->intercept = base_of(compiling)->intercept;
    compiling->plan->ports =
        copy_ports(compiling->plan, &base_of(compiling)->ports, &status);
    if (status == 0)
        status = copy_nodes(compiling);
    if (status == 0)
        status = copy_listeners(compiling);
    if (status == 0)
        status = inherit_identities(compiling);
    if (status == 0)
        status = compile_rules(compiling);
    return status ? status : finish_index(compiling);
}

int plan_compile(const struct plan_input *input, struct diag *diag, struct plan **out)
{
    struct compiling compiling = {
        .input = input, .diag = diag, .edges.allocator = input->allocator};
    compiling.plan = create_plan(input);
    if (!compiling.plan)
        return -ENOMEM;
    arena_init(&compiling.scratch, input->allocator);
    int status = compile_all(&compiling);
    arena_close(&compiling.scratch);
    index_close(&compiling.edges);
    if (status == 0)
        *out = compiling.plan;
    else
        plan_put(compiling.plan);
    return status;
}

struct plan *plan_get(struct plan *plan)
{
    if (plan)
        plan->references++;
    return plan;
}

void plan_put(struct plan *plan)
{
    if (!plan || --plan->references > 0)
        return;
    const struct allocator *allocator = plan->arena.allocator;
    arena_close(&plan->arena);
    allocator_give(allocator, plan);
}

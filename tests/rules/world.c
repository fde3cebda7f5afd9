/* SPDX-License-Identifier: MIT */
/* Rules are built as the parser would, but without text, in arenas of their layers. */
#include "tests/rules/world.h"

#include "rules/unit.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_init(struct world *world, const char *nodes)
{
    *world = (struct world){.seed = 1, .paths = paths_create(NULL, NULL)};
    struct rules *base = &world_layer(world, "base")->rules;
    struct rule_node *list = arena_alloc(&base->arena, 2048, sizeof *list);
    char *words = arena_copy(&base->arena, nodes, strlen(nodes)), *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        list[base->n_nodes++].name.text = word;
    base->nodes = list;
}

void world_close(struct world *world)
{
    plan_put(world->plan);
    paths_destroy(world->paths);
    for (size_t i = 0; i < world->n_layers; i++)
        arena_close(&world->layers[i].rules.arena);
    free(world->layers);
}

struct world_layer *world_layer(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->n_layers; i++)
        if (strcmp(world->layers[i].name, name) == 0)
            return &world->layers[i];
    world->layers =
        realloc(world->layers, (world->n_layers + 1) * sizeof *world->layers);
    cr_assert(world->layers);
    struct world_layer *layer = &world->layers[world->n_layers++];
    memset(layer, 0, sizeof *layer);
    snprintf(layer->name, sizeof layer->name, "%s", name);
    return layer;
}

/* Where all words of these tests stand. */
static const struct source nowhere = {.name = "test", .text = ""};

static struct words read_words(struct arena *arena, const char *text)
{
    if (!text)
        return (struct words){0};
    struct word *items = arena_alloc(arena, strlen(text) + 1, sizeof *items);
    struct words words = {.items = items};
    char *copy = arena_copy(arena, text, strlen(text)), *rest = NULL;
    for (char *word = strtok_r(copy, ", ", &rest); word;
         word = strtok_r(NULL, ", ", &rest))
        items[words.n++] = (struct word){word, {.source = &nowhere}};
    return words;
}

/* The place of the rule of that name, or a new one at the end. */
static struct rule *rule_place(struct rules *rules, const char *name)
{
    struct rule *list = (struct rule *)rules->rules;
    for (size_t i = 0; i < rules->n_rules; i++)
        if (strcmp(list[i].name.text, name) == 0)
            return &list[i];
    if ((rules->n_rules & (rules->n_rules + 1)) == 0) {
        list = arena_alloc(&rules->arena, rules->n_rules * 2 + 2, sizeof *list);
        if (rules->n_rules)
            memcpy(list, rules->rules, rules->n_rules * sizeof *list);
        rules->rules = list;
    }
    return &list[rules->n_rules++];
}

static void set_port(struct arena *arena, struct rule *rule, const char *value)
{
    uint16_t *ports = arena_alloc(arena, rule->ports.n + 1, sizeof *ports);
    if (rule->ports.n)
        memcpy(ports, rule->ports.items, rule->ports.n * sizeof *ports);
    ports[rule->ports.n] = (uint16_t)atoi(value);
    rule->ports = (struct ports){ports, rule->ports.n + 1};
}

static bool set_fallback(struct rule *rule, const char *value)
{
    rule->has_fallback = true;
    rule->fallback_is_model = strcmp(value, "model") == 0;
    for (int how = HOW_STALL; how <= HOW_REFUSE; how++)
        if (strcmp(rule_how_name((enum rule_how)how), value) == 0)
            rule->fallback = (enum rule_how)how;
    return true;
}

static bool set_shape(struct rule *rule, const char *value)
{
    for (int shape = SHAPE_HALVES; shape <= SHAPE_MINORITY; shape++) {
        rule->shape = (enum rule_shape)shape;
        if (strcmp(rule_shape_name(rule->shape), value) == 0)
            return true;
    }
    return false;
}

static bool set_rule(struct arena *arena, struct rule *rule, const char *key,
                     const char *value)
{
    if (strcmp(key, "after") == 0)
        return unit_parse_duration(value, &rule->when.after_ns, NULL) == 0;
    if (strcmp(key, "for") == 0)
        return unit_parse_duration(value, &rule->when.for_ns, NULL) == 0;
    if (strcmp(key, "every") == 0)
        return unit_parse_duration(value, &rule->when.every_ns, NULL) == 0;
    if (strcmp(key, "hold") == 0)
        return unit_parse_bytes(value, &rule->hold_bytes, NULL) == 0;
    if (strcmp(key, "probability") == 0)
        return unit_parse_percent(value, &rule->probability_ppm, NULL) == 0;
    if (strcmp(key, "fallback") == 0)
        return set_fallback(rule, value);
    if (strcmp(key, "shape") == 0)
        return set_shape(rule, value);
    if (strcmp(key, "ports") == 0)
        rule->ports_all = strcmp(value, "all") == 0;
    else if (strcmp(key, "port") == 0)
        set_port(arena, rule, value);
    else if (strcmp(key, "state") == 0)
        rule->state = strcmp(value, "new") == 0 ? STATE_NEW : STATE_ESTABLISHED;
    else if (strcmp(key, "both") == 0)
        rule->both_ways = true;
    else
        return false;
    return true;
}

/* "slice.size" is a member of the map "slice". */
static bool set_fault(struct rule *rule, const char *key, const char *value)
{
    const char *point = strchr(key, '.');
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct field *fields = rule->faults[i].fault->fields;
        if (point && strncmp(fields->name, key, (size_t)(point - key)) != 0)
            continue;
        const struct field *field =
            point ? field_find(fields->members, point + 1) : field_find(fields, key);
        if (field)
            return field_store(field, value, (void *)rule->faults[i].params, NULL) == 0;
    }
    return false;
}

/* Each fault whose first key stands in the text. */
static void add_faults(struct arena *arena, struct rule *rule, const char *what)
{
    struct rule_fault *faults = arena_alloc(arena, 16, sizeof *faults);
    rule->faults = faults;
    for (const struct fault *const *row = fault_catalogue(); *row; row++) {
        char key[64], dotted[64];
        snprintf(key, sizeof key, " %s=", (*row)->fields->name);
        snprintf(dotted, sizeof dotted, " %s.", (*row)->fields->name);
        if (!strstr(what, key) && !strstr(what, dotted))
            continue;
        void *params = arena_alloc(arena, 1, (*row)->params_bytes);
        field_store_standards((*row)->fields, params);
        faults[rule->n_faults++] =
            (struct rule_fault){.fault = *row, .params = params, .at.source = &nowhere};
    }
}

static void read_what(struct arena *arena, struct rule *rule, const char *what)
{
    char *copy = arena_print(arena, " %s", what ? what : ""), *rest = NULL;
    if (rule->kind == RULE_INJECT)
        add_faults(arena, rule, copy);
    for (char *word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        cr_assert(value, "\"%s\" has no value", word);
        *value++ = '\0';
        cr_assert(set_rule(arena, rule, word, value) || set_fault(rule, word, value),
                  "\"%s\" cannot be \"%s\"", word, value);
    }
}

void world_inject(struct world *world, const char *layer, const char *name,
                  const char *from, const char *to, const char *what)
{
    struct rules *rules = &world_layer(world, layer)->rules;
    struct rule *rule = rule_place(rules, name);
    *rule = (struct rule){
        .name.text = arena_copy(&rules->arena, name, strlen(name)),
        .kind = RULE_INJECT,
        .from = read_words(&rules->arena, from),
        .to = read_words(&rules->arena, to),
        .probability_ppm = 1000000,
    };
    read_what(&rules->arena, rule, what);
}

void world_link_rule(struct world *world, const char *layer, const char *name,
                     enum rule_kind kind, const char *parts, enum rule_how how,
                     const char *what)
{
    struct rules *rules = &world_layer(world, layer)->rules;
    struct rule *rule = rule_place(rules, name);
    struct words *list = arena_alloc(&rules->arena, 16, sizeof *list);
    *rule = (struct rule){
        .name.text = arena_copy(&rules->arena, name, strlen(name)),
        .kind = kind,
        .parts = list,
        .how = how,
        .how_given = true,
        .how_at.source = &nowhere,
        .ports_at.source = &nowhere,
        .probability_ppm = 1000000,
    };
    char *copy = arena_copy(&rules->arena, parts, strlen(parts)), *rest = NULL;
    for (char *part = strtok_r(copy, "/", &rest); part;
         part = strtok_r(NULL, "/", &rest))
        list[rule->n_parts++] = read_words(&rules->arena, part);
    read_what(&rules->arena, rule, what);
}

void world_remove(struct world *world, const char *layer, const char *name)
{
    struct rules *rules = &world_layer(world, layer)->rules;
    struct rule *list = (struct rule *)rules->rules;
    for (size_t i = 0; i < rules->n_rules; i++) {
        if (strcmp(list[i].name.text, name) != 0)
            continue;
        memmove(&list[i], &list[i + 1], (rules->n_rules - i - 1) * sizeof *list);
        rules->n_rules--;
        return;
    }
}

const struct plan_kernel world_able_kernel = {.drop = true,
                                              .packet_loss = true,
                                              .packet_rate = true,
                                              .packet_delay = true,
                                              .ports_all = true};

int world_try(struct world *world, struct diag *diag, uint64_t now_ns)
{
    struct plan_layer layers[16];
    cr_assert_leq(world->n_layers, 16);
    for (size_t i = 0; i < world->n_layers; i++)
        layers[i] = (struct plan_layer){
            .name = world->layers[i].name,
            .rules = &world->layers[i].rules,
            .rules_off = world->layers[i].rules_off,
            .links_off = world->layers[i].links_off,
        };
    const struct plan_input input = {
        .layers = layers,
        .n_layers = world->n_layers,
        .previous = world->plan,
        .now_ns = now_ns,
        .seed = world->seed,
        .kernel = world->kernel,
    };
    world->layers[0].rules.intercept = world->intercept;
    struct plan *plan = NULL;
    int status = plan_compile(&input, diag, &plan);
    if (status != 0)
        return status;
    plan_put(world->plan);
    world->plan = plan;
    return 0;
}

void world_compile(struct world *world, uint64_t now_ns)
{
    struct diag diag;
    diag_init(&diag, NULL);
    cr_assert_eq(world_try(world, &diag, now_ns), 0);
    diag_close(&diag);
}

const struct plan_rule *world_rule(const struct world *world, const char *name)
{
    for (size_t i = 0; i < world->plan->n_rules; i++)
        if (strcmp(world->plan->rules[i].name, name) == 0)
            return &world->plan->rules[i];
    return NULL;
}

const char *world_matches(struct world *world, const char *opener, const char *server,
                          uint16_t port, char *text, size_t text_bytes)
{
    struct path *path = paths_find(world->paths, opener, server, port);
    const struct match *match = path_match(path, world->plan);
    size_t used = 0;
    text[0] = '\0';
    for (int direction = 0; direction < 2; direction++) {
        if (direction)
            used += (size_t)snprintf(text + used, text_bytes - used, "|");
        const struct match_list *link = &match->link[direction];
        for (size_t i = 0; i < link->n; i++)
            used += (size_t)snprintf(text + used, text_bytes - used, "%s%s",
                                     i ? " " : "", link->rules[i]->name);
    }
    return text;
}

static void on_touch(void *context, enum direction direction,
                     const struct plan_rule *rule, const struct chain_touch *touch)
{
    (void)direction;
    struct stream *stream = context;
    if (rule->slot >= STREAM_RULES)
        return;
    struct chain_touch *sum = &stream->touch[rule->slot];
    sum->held_bytes += touch->held_bytes;
    sum->passed_bytes += touch->passed_bytes;
    sum->discarded_bytes += touch->discarded_bytes;
    sum->sliced_bytes += touch->sliced_bytes;
    sum->changed_bytes += touch->changed_bytes;
    stream->firsts[rule->slot] += touch->first;
    stream->ends[rule->slot] += touch->ended;
}

static void on_decision(void *context, enum direction direction,
                        const struct chain_decision *decision)
{
    (void)direction;
    struct stream *stream = context;
    if (stream->n_decisions < sizeof stream->decisions / sizeof *stream->decisions)
        stream->decisions[stream->n_decisions++] = *decision;
}

static void on_flip(void *context, enum direction direction, uint64_t place,
                    uint8_t bits)
{
    (void)direction;
    struct stream *stream = context;
    const struct chain *chain = &stream->chain;
    cr_assert_lt(place, chain->fifo_bytes, "a byte that is not there");
    uint64_t offset = chain->taken_bytes - chain->fifo_bytes + place;
    if (stream->n_flips < sizeof stream->flips / sizeof *stream->flips)
        stream->flips[stream->n_flips++] = (struct stream_flip){offset, bits};
}

void stream_open_on(struct stream *stream, struct world *world,
                    const struct match_connection *connection, enum direction direction)
{
    memset(stream, 0, sizeof *stream);
    stream->hooks = (struct chain_hooks){on_touch, on_decision, on_flip};
    stream->path = connection->path;
    stream->now_ns = connection->opened_ns;
    const struct chain_config config = {
        .connection = *connection,
        .direction = direction,
        .hold_bytes = 8 << 20,
        .hooks = &stream->hooks,
        .context = stream,
    };
    chain_init(&stream->chain, &config);
    stream_update(stream, world);
}

void stream_open(struct stream *stream, struct world *world, enum direction direction,
                 uint64_t now_ns)
{
    const struct match_connection connection =
        path_open(paths_find(world->paths, "a", "b", 5432), now_ns);
    stream_open_on(stream, world, &connection, direction);
}

void stream_close(struct stream *stream)
{
    chain_close(&stream->chain);
}

static void note(struct stream *stream, enum chain_verb verb, uint64_t bytes)
{
    stream->log[stream->n_log++ % STREAM_LOG] =
        (struct stream_log){stream->now_ns, verb, bytes};
}

static void end(struct stream *stream, enum chain_verb verb)
{
    stream->is_over = true;
    stream->over_by = verb;
    note(stream, verb, 0);
}

/* Carries one action out. False: there is nothing more to do now. */
static bool carry_out(struct stream *stream, const struct chain_action *action)
{
    switch (action->verb) {
    case CHAIN_IDLE:
        return false;
    case CHAIN_SEND:
        if (stream->blocked)
            return false;
        stream->sent += action->bytes;
        note(stream, action->verb, action->bytes);
        break;
    case CHAIN_DISCARD:
        stream->discarded += action->bytes;
        break;
    case CHAIN_FIN:
    case CHAIN_RST:
        end(stream, action->verb);
        break;
    case CHAIN_RESET:
    case CHAIN_CLOSE:
        end(stream, action->verb);
        return false;
    }
    chain_sent(&stream->chain, action->verb, action->bytes);
    return true;
}

/* Returns when to come back. */
static uint64_t work(struct stream *stream)
{
    struct chain_action action = {.wake_ns = FAULT_NEVER};
    do {
        if (stream->is_over)
            return FAULT_NEVER;
        action = chain_next(&stream->chain, stream->now_ns);
        cr_assert_gt(action.wake_ns, stream->now_ns);
    } while (carry_out(stream, &action));
    return action.wake_ns;
}

void stream_update(struct stream *stream, struct world *world)
{
    const struct match *match = path_match(stream->path, world->plan);
    cr_assert(match);
    cr_assert_eq(chain_update(&stream->chain, match, stream->now_ns), 0);
    work(stream);
}

void stream_take(struct stream *stream, uint64_t n)
{
    stream->taken += n;
    chain_data(&stream->chain, n, stream->now_ns);
    work(stream);
}

void stream_fin(struct stream *stream)
{
    chain_fin(&stream->chain, stream->now_ns);
    work(stream);
}

void stream_run(struct stream *stream, uint64_t until_ns)
{
    for (;;) {
        uint64_t wake_ns = work(stream);
        if (wake_ns == FAULT_NEVER || wake_ns + stream->late_ns > until_ns)
            break;
        stream->now_ns = wake_ns + stream->late_ns;
    }
    stream->now_ns = until_ns;
    work(stream);
}

const char *stream_story(const struct stream *stream, size_t first, char *text,
                         size_t text_bytes)
{
    static const char *const names[] = {
        [CHAIN_IDLE] = "idle",   [CHAIN_SEND] = "send", [CHAIN_DISCARD] = "discard",
        [CHAIN_FIN] = "fin",     [CHAIN_RST] = "rst",   [CHAIN_RESET] = "reset",
        [CHAIN_CLOSE] = "close",
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = first; i < stream->n_log && used < text_bytes; i++) {
        const struct stream_log *entry = &stream->log[i % STREAM_LOG];
        char at[32], what[32];
        unit_format_duration(entry->at_ns, at, sizeof at);
        if (entry->verb == CHAIN_SEND)
            snprintf(what, sizeof what, "%llu", (unsigned long long)entry->bytes);
        else
            snprintf(what, sizeof what, "%s", names[entry->verb]);
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s:%s",
                                 used ? " " : "", at, what);
    }
    return text;
}

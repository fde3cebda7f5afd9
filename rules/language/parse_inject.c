/* SPDX-License-Identifier: MIT */
/* inject: one map whose keys come from all rows of the fault catalogue, and `hold`,
 * which is the stream's. A row's first key switches its fault on; the row's other keys
 * mean nothing without it. */
#include "rules/faults/fault.h"
#include "rules/nearest.h"
#include "rules/language/parser.h"

#include <string.h>
#include <strings.h>

enum { KEYS_MOST = 64 }; /* more keys are not suggested */

static const char no_reorder[] = "not possible in a byte stream";

static const struct field_stranger strangers[] = {
    /* Toxiproxy, netem, comcast and plain English. */
    {"latency", "delay", NULL, false},
    {"lag", "delay", NULL, false},
    {"latency_ms", "delay", "durations have units: 40ms", false},
    {"delay_ms", "delay", "durations have units: 40ms", false},
    {"slow", "delay", NULL, false},
    {"variance", "jitter", NULL, false},
    {"variation", "jitter", NULL, false},
    {"dist", "distribution", NULL, false},
    {"bandwidth", "rate", NULL, false},
    {"bandwith", "rate", NULL, false},
    {"throughput", "rate", NULL, false},
    {"throttle", "rate", NULL, false},
    {"speed", "rate", NULL, false},
    {"limit", "rate", NULL, false},
    {"bps", "rate", "rates have units: 10Mbit/s", false},
    {"bucket", "burst", NULL, false},
    {"buffer", "hold", NULL, false},
    {"pause", "stall", NULL, false},
    {"freeze", "stall", NULL, false},
    {"hang", "stall", NULL, false},
    {"timeout", "stall", "or close: { after: 10s }", false},
    {"blackhole", "discard", "or \"stall\", after which all is delivered", false},
    {"drop", "packet_loss", "\"loss\" is the model of it that needs no kernel", false},
    {"packetloss", "packet_loss", NULL, false},
    {"packet-loss", "packet_loss", NULL, false},
    {"pkt_loss", "packet_loss", NULL, false},
    {"drop_rate", "packet_loss", NULL, false},
    {"gemodel", "packet_loss", "its losses are independent", false},
    {"gilbert", "packet_loss", "its losses are independent", false},
    {"loss_model", "packet_loss", "its losses are independent", false},
    {"loss_gemodel", "packet_loss", "its losses are independent", false},
    {"packet_latency", "packet_delay", NULL, false},
    {"netem", NULL, "its words here: packet_delay, packet_loss", false},
    {"tbf", "packet_rate", NULL, false},
    {"qdisc", NULL, "packet_rate, packet_delay", false},
    {"fallback", NULL, "it stands beside \"inject\", not in it", false},
    {"reset_peer", "reset", NULL, false},
    {"rst", "reset", NULL, false},
    {"abort", "reset", NULL, false},
    {"kill", "reset", NULL, false},
    {"fin", "close", NULL, false},
    {"half_close", NULL, "FIN is passed on as it comes; see also \"half_open\"", false},
    {"vanish", "half_open", "half_open: to_server or to_client", false},
    {"slow_close", "close", "close: { after: 10s }", false},
    {"limit_data", "close", "close: { after: 1MB }", false},
    {"disconnect", "close", NULL, false},
    {"down", "refuse", NULL, false},
    {"reject", "refuse", NULL, false},
    {"no_answer", "unanswered", NULL, false},
    {"syn_drop", "unanswered", NULL, false},
    {"connect_delay", "accept_delay", NULL, false},
    {"slow_accept", "accept_delay", NULL, false},
    {"bitflip", "corrupt", "corrupt: { per_byte: 0.01% }", false},
    {"garble", "corrupt", "corrupt: { per_byte: 0.01% }", false},
    {"slicer", "slice", NULL, false},
    {"chunk", "slice", NULL, false},
    {"corruption", "corrupt", NULL, false},
    {"reorder", NULL, no_reorder, false},
    {"reordering", NULL, no_reorder, false},
    {"duplicate", NULL, no_reorder, false},
    {"duplication", NULL, no_reorder, false},
    {"toxicity", NULL, "write \"probability\" beside \"inject\"", false},
    {"probability", NULL, "it stands beside \"inject\", not in it", false},
    {"chance", NULL, "write \"probability\" beside \"inject\"", false},
    {"percent", NULL, "write \"probability\" beside \"inject\"", false},
    {"upstream", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"downstream", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"direction", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"stream", NULL, "directions are said by match: { from: ..., to: ... }", false},
    {"duration", NULL, "write when: { for: ... } beside \"inject\"", false},
    {"partition", NULL, "it stands alone in a rule, not in \"inject\"", false},
    {"isolate", NULL, "it stands alone in a rule, not in \"inject\"", false},
    {"cut", NULL, "it stands alone in a rule, not in \"inject\"", false},
    {NULL, NULL, NULL, false},
};

static const char *belongs(const char *key)
{
    static const char *const keys_of_when[] = {"after", "for", "every"};
    static const char *const keys_of_match[] = {"from", "to", "between", "port",
                                                "state"};
    for (size_t i = 0; i < sizeof keys_of_when / sizeof *keys_of_when; i++)
        if (strcmp(key, keys_of_when[i]) == 0)
            return "when";
    for (size_t i = 0; i < sizeof keys_of_match / sizeof *keys_of_match; i++)
        if (strcmp(key, keys_of_match[i]) == 0)
            return "match";
    return NULL;
}

const struct yaml_table parser_inject_table = {
    .what = "\"inject\"", .strangers = strangers, .belongs = belongs};

static const struct field *find_field(const char *key)
{
    if (strcmp(key, rule_hold_field.name) == 0)
        return &rule_hold_field;
    for (const struct fault *const *fault = fault_catalogue(); *fault; fault++) {
        const struct field *field = field_find((*fault)->fields, key);
        if (field)
            return field;
    }
    return NULL;
}

bool parser_is_inject_word(const char *word)
{
    return find_field(word) != NULL;
}

/* All keys; returns how many there are, at most room. */
static size_t collect_keys(const char **keys, size_t room)
{
    size_t n = 0;
    for (const struct fault *const *fault = fault_catalogue(); *fault; fault++)
        for (const struct field *field = (*fault)->fields; field->name; field++)
            if (n < room)
                keys[n++] = field->name;
    if (n < room)
        keys[n++] = rule_hold_field.name;
    return n;
}

static void complain_unknown_keys(struct parser *parser, const struct yaml_node *map)
{
    const char *keys[KEYS_MOST] = {NULL};
    size_t n = collect_keys(keys, KEYS_MOST);
    for (size_t i = 0; i < map->n; i++)
        if (!find_field(map->pairs[i].key->text))
            yaml_complain_unknown(map->pairs[i].key, &parser_inject_table, keys, n,
                                  parser->diag);
}

/* Whether a key of the map was told to stand for this one. */
static bool is_misspelt(const struct yaml_node *map, const char *name)
{
    const char *keys[KEYS_MOST] = {NULL};
    size_t n = collect_keys(keys, KEYS_MOST);
    for (size_t i = 0; i < map->n; i++) {
        const char *word = map->pairs[i].key->text;
        const char *meant = find_field(word) ? NULL : nearest_word(word, keys, n);
        for (const struct field_stranger *row = strangers; row->word; row++)
            if (strcasecmp(row->word, word) == 0)
                meant = row->known;
        if (meant && strcmp(meant, name) == 0)
            return true;
    }
    return false;
}

/* Says of a key that another one, which it needs, is not there. */
static void complain_alone(struct parser *parser, const struct yaml_node *map,
                           const struct yaml_node *key, const char *needed)
{
    if (map->cut || is_misspelt(map, needed))
        return;
    diag_error(parser->diag, &key->at, "\"%s\" means nothing without \"%s\"", key->text,
               needed);
}

/* The row's keys that are in the map, into params. Returns whether the fault is on. */
static bool read_params(struct parser *parser, const struct yaml_node *map,
                        const struct fault *fault, void *params)
{
    const struct field *switch_field = &fault->fields[0];
    bool on = yaml_find(map, switch_field->name) != NULL;
    for (const struct field *field = fault->fields; field->name; field++) {
        const struct yaml_pair *pair = yaml_find_pair(map, field->name);
        if (!pair)
            continue;
        (void)yaml_read_value(pair->value, field, fault->fields, params,
                              parser->diag); /* told */
        if (!on)
            complain_alone(parser, map, pair->key, switch_field->name);
        else if (field->needs && !yaml_find(map, field->needs[0]))
            complain_alone(parser, map, pair->key, field->needs[0]);
    }
    return on;
}

static void read_fault(struct parser *parser, const struct yaml_node *map,
                       const struct fault *fault, struct rule *rule,
                       struct rule_fault *faults)
{
    void *params = parser_alloc(parser, 1, fault->params_bytes);
    if (!params)
        return;
    size_t errors = parser->diag->n_errors;
    field_store_standards(fault->fields, params);
    if (!read_params(parser, map, fault, params))
        return;
    const struct yaml_pair *on = yaml_find_pair(map, fault->fields[0].name);
    const char *wrong = NULL;
    if (fault->check && parser->diag->n_errors == errors)
        wrong = fault->check(params);
    if (wrong)
        diag_error(parser->diag, &on->key->at, "%s", wrong);
    faults[rule->n_faults++] = (struct rule_fault){fault, params, on->key->at};
}

static void read_hold(struct parser *parser, const struct yaml_node *map,
                      struct rule *rule)
{
    static const char *const holding[] = {"delay", "loss", "stall", "rate", "slice"};
    const struct yaml_pair *pair = yaml_find_pair(map, rule_hold_field.name);
    if (!pair)
        return;
    (void)yaml_read_value(pair->value, &rule_hold_field, NULL, rule,
                          parser->diag); /* told */
    bool holds = map->cut;
    for (size_t i = 0; i < sizeof holding / sizeof *holding; i++)
        holds = holds || yaml_find(map, holding[i]);
    if (!holds) {
        diag_error(parser->diag, &pair->key->at,
                   "\"hold\" means nothing without a fault that holds bytes");
        diag_hint(parser->diag, "delay, loss, rate, slice or stall");
    }
}

void parser_read_inject(struct parser *parser, const struct yaml_node *map,
                        struct rule *rule)
{
    const char *keys[KEYS_MOST] = {NULL};
    if (map->kind != YAML_MAP || (map->n == 0 && !map->cut)) {
        char found[64];
        if (map->cut)
            return;
        diag_error(parser->diag, &map->at, "\"inject\" takes a map of faults, not %s",
                   map->kind == YAML_MAP ? "an empty one"
                                         : yaml_describe(map, found, sizeof found));
        diag_suggest(parser->diag, map->kind == YAML_SCALAR ? map->text : "", keys,
                     collect_keys(keys, KEYS_MOST));
        diag_hint(parser->diag, "such as { delay: 40ms, jitter: 8ms }");
        return;
    }
    complain_unknown_keys(parser, map);
    size_t n = 0;
    while (fault_catalogue()[n])
        n++;
    struct rule_fault *faults = parser_alloc(parser, n, sizeof *faults);
    if (!faults)
        return;
    rule->faults = faults;
    for (size_t i = 0; i < n; i++)
        read_fault(parser, map, fault_catalogue()[i], rule, faults);
    read_hold(parser, map, rule);
}

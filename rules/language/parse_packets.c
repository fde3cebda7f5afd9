/* SPDX-License-Identifier: MIT */
/* Faults of packets: what they become where the kernel cannot, and which keys of a rule
 * mean nothing for packets. */
#include "rules/faults/fault.h"
#include "rules/language/parser.h"

#include <string.h>

/* Its first fault of packets, or NULL. */
static const struct rule_fault *find_packets(const struct rule *rule)
{
    for (size_t i = 0; i < rule->n_faults; i++)
        if (rule->faults[i].fault->in_kernel)
            return &rule->faults[i];
    return NULL;
}

static void refuse_key(struct parser *parser, const struct yaml_node *map,
                       const char *key, const struct rule_fault *packets,
                       const char *why)
{
    const struct yaml_pair *pair = map ? yaml_find_pair(map, key) : NULL;
    if (!pair)
        return;
    diag_error(parser->diag, &pair->key->at, "\"%s\" does not go with \"%s\"", key,
               packets->fault->name);
    diag_hint(parser->diag, "%s", why);
}

/* The model must not be there already: one fault would stand for two. */
static void check_models(struct parser *parser, const struct rule *rule)
{
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct rule_fault *packets = &rule->faults[i];
        for (size_t j = 0; packets->fault->in_kernel && j < rule->n_faults; j++) {
            if (rule->faults[j].fault != fault_find(packets->fault->model))
                continue;
            diag_error(parser->diag, &packets->at,
                       "with \"fallback: model\" it may become \"%s\", which is here "
                       "already",
                       packets->fault->model);
            diag_hint(parser->diag, "make it a rule of its own");
        }
    }
}

static void read_fallback(struct parser *parser, const struct yaml_node *value,
                          const struct rule_fault *packets, struct rule *rule)
{
    if (value->kind == YAML_SCALAR && value->cut)
        return;
    if (value->kind != YAML_SCALAR || strcmp(value->text, "model") != 0) {
        char found[64];
        diag_error(parser->diag, &value->at, "the fallback of a fault is model, not %s",
                   yaml_describe(value, found, sizeof found));
        diag_hint(parser->diag, "packet_loss becomes loss, packet_rate rate, "
                                "packet_delay delay");
    } else if (!packets) {
        diag_error(parser->diag, &value->at,
                   "\"fallback\" means nothing without a fault of packets");
        diag_hint(parser->diag, "packet_loss, packet_rate or packet_delay");
    } else {
        rule->has_fallback = rule->fallback_is_model = true;
        check_models(parser, rule);
    }
}

void parser_check_packets(struct parser *parser, const struct yaml_node *map,
                          const struct yaml_node *fallback, struct rule *rule)
{
    const struct rule_fault *packets = find_packets(rule);
    if (fallback)
        read_fallback(parser, fallback, packets, rule);
    if (!packets)
        return;
    const struct yaml_node *match = yaml_find(map, "match");
    refuse_key(parser, map, "probability", packets,
               "it is drawn for connections; the kernel acts on packets");
    if (match && match->kind == YAML_MAP)
        refuse_key(parser, match, "state", packets,
                   "packets of a link are alike, whenever their connection was opened");
}

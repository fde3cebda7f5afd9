/* SPDX-License-Identifier: MIT */
/* Counts come from the proxy's status; what a rule is about (its links, its windows,
 * its chances) from the plan. "In 41 connections" are those that were opened, or tried,
 * between two nodes of which a rule's link has both, whichever of them opened it.
 *
 * Where nothing was touched the sentence gives the likeliest reason that the counts
 * allow: the rule's time never came, somebody switched it off, nobody came its way, or
 * chance passed them by. It does not excuse: the suite has not met the fault.
 *
 * One thing nobody counts: attempts at a listener that is shut because a rule refuses all
 * that it serves; the kernel answers them, and nothing is seen of it. Such a rule is
 * neither felt nor silent.
 *
 * Not done here: faults that the command itself installs; it can ask for them. */
#include "proxy/felt.h"
#include "proxy/base/memory.h"
#include "rules/diag.h"
#include "rules/language/parse.h"
#include "rules/plan/plan.h"
#include "rules/unit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_BYTES = 32, ALL_PPM = 1000000 };

struct plan *felt_plan(const char *name, const char *text, uint64_t seed)
{
    struct plan *plan = NULL;
    struct rules *rules = NULL;
    struct diag diag;
    diag_init(&diag, NULL);
    if (parse_file(name, text, strlen(text), NULL, &diag, &rules) == 0) {
        const struct plan_layer layer = {.name = "base", .rules = rules};
        const struct plan_input input = {.layers = &layer,
                                         .n_layers = 1,
                                         .seed = seed,
                                         .kernel = {.drop = true,
                                                    .packet_loss = true,
                                                    .packet_rate = true,
                                                    .packet_delay = true,
                                                    .ports_all = true}};
        if (plan_compile(&input, &diag, &plan) != 0)
            plan = NULL;
    }
    rules_destroy(rules);
    diag_close(&diag);
    return plan;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool says(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && strcmp(value, text) == 0;
}

/* The rule of the base; NULL if it is gone, and never touched anything. */
static const json_t *find_row(const json_t *status, const char *name)
{
    const json_t *rows = json_object_get(status, "rules");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (says(row, "name", name) && says(row, "origin", "base"))
            return row;
    }
    return NULL;
}

static bool is_node(const struct plan *plan, plan_node_id id, const json_t *row,
                    const char *key)
{
    return id == PLAN_ANY || says(row, key, plan->nodes[id - 1].name);
}

/* Is the rule about connections of this row of the status, one way or the other? */
static bool is_about(const struct plan *plan, const struct plan_rule *rule,
                     const json_t *row)
{
    for (size_t i = 0; i < rule->n_links; i++) {
        const struct plan_link *link = &rule->links[i];
        if ((is_node(plan, link->from, row, "from") &&
             is_node(plan, link->to, row, "to")) ||
            (is_node(plan, link->from, row, "to") &&
             is_node(plan, link->to, row, "from")))
            return true;
    }
    return false;
}

/* Connections that it could have touched, with those that did not come about. */
static uint64_t count_tried(const struct plan *plan, const struct plan_rule *rule,
                            const json_t *status)
{
    const json_t *rows = json_object_get(status, "links");
    uint64_t n = 0;
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (is_about(plan, rule, json_array_get(rows, i)))
            n += number(json_array_get(rows, i), "attempts");
    return n;
}

/* The fault of it that acts on some bytes only, by chance; or NULL. */
static const char *find_chance(const struct plan_rule *rule)
{
    static const char *const names[] = {"loss", "packet_loss", "corrupt"};
    for (size_t i = 0; i < rule->n_faults; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(rule->faults[i].fault->name, names[k]) == 0)
                return names[k];
    return NULL;
}

/* May the kernel have refused attempts for the rule at a listener, where nothing counts
 * them? What a rule refuses of a part of those who come, the proxy does itself. */
static bool may_refuse_uncounted(const struct plan *plan, const struct plan_rule *rule,
                                 const json_t *row)
{
    bool refuses = rule->how == HOW_REFUSE;
    for (size_t i = 0; i < rule->n_faults; i++)
        refuses |= strcmp(rule->faults[i].fault->name, "refuse") == 0;
    return refuses && plan->n_listeners > 0 && rule->probability_ppm == ALL_PPM &&
           (says(row, "state", "active") || says(row, "state", "inactive"));
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static uint64_t count_attempts(const json_t *row)
{
    return number(row, "attempts_held") + number(row, "attempts_refused") +
           number(row, "attempts_reset");
}

/* More than the end of a connection that came a little later: a suite that opens and
 * closes connections, and sends nothing, has not met a delay. */
static bool is_felt(const json_t *row)
{
    return number(row, "touched_bytes") > 0 || number(row, "connections_reset") > 0 ||
           number(row, "packets_dropped") > 0 || count_attempts(row) > 0;
}

static void say_touched(struct felt_rule *out, const json_t *row, uint64_t tried)
{
    char words[WORDS_BYTES];
    uint64_t attempts = count_attempts(row);
    uint64_t packets = number(row, "packets_dropped");
    int n =
        snprintf(out->sentence, sizeof out->sentence,
                 "felt: %s in %" PRIu64 " of %" PRIu64 " connection%s",
                 unit_format_bytes(number(row, "touched_bytes"), words, sizeof words),
                 number(row, "connections"), tried, plural(tried));
    if (attempts > 0)
        n += snprintf(out->sentence + n, sizeof out->sentence - (size_t)n,
                      ", %" PRIu64 " attempt%s", attempts, plural(attempts));
    if (packets > 0)
        (void)snprintf(out->sentence + n, sizeof out->sentence - (size_t)n,
                       ", %" PRIu64 " packet%s dropped", packets, plural(packets));
}

/* Why a rule that some connections came by touched none of them, to stand behind "0
 * bytes in 41 connections"; "" if there is nothing to add. */
static void add_reason(const struct plan_rule *rule, const json_t *row, char *text,
                       size_t text_bytes)
{
    char words[WORDS_BYTES];
    const char *chance = find_chance(rule);
    text[0] = '\0';
    if (rule->probability_ppm < ALL_PPM)
        (void)snprintf(text, text_bytes,
                       ", of which it takes %s by chance and took none",
                       unit_format_percent(rule->probability_ppm, words, sizeof words));
    else if (chance)
        (void)snprintf(text, text_bytes, ", where chance (%s) spared every byte",
                       chance);
    else if (rule->when.for_ns > 0 || says(row, "state", "inactive"))
        (void)snprintf(text, text_bytes, ", none of which it met while it was active");
}

static void say_uncounted(struct felt_rule *out)
{
    (void)snprintf(out->sentence, sizeof out->sentence,
                   "refused all who came, in the kernel, which does not count them: "
                   "whether this suite met it is not known");
}

static void say_silent(const struct plan *plan, const struct plan_rule *rule,
                       const json_t *row, uint64_t took_ns, struct felt_rule *out,
                       uint64_t tried)
{
    char after[WORDS_BYTES], took[WORDS_BYTES], reason[128];
    uint64_t rounded_ns = took_ns / 1000000 * 1000000;
    if (!row || says(row, "state", "removed"))
        (void)snprintf(out->sentence, sizeof out->sentence,
                       "was replaced before it touched anything: "
                       "this suite tests nothing");
    else if (says(row, "state", "off"))
        (void)snprintf(out->sentence, sizeof out->sentence,
                       "was switched off (netsplit ctl) before it touched anything: "
                       "this suite tests nothing");
    else if (says(row, "state", "waiting"))
        (void)snprintf(out->sentence, sizeof out->sentence,
                       "was never active: it begins after %s, and the command took %s: "
                       "this suite tests nothing",
                       unit_format_duration(rule->when.after_ns, after, sizeof after),
                       unit_format_duration(rounded_ns, took, sizeof took));
    else if (tried == 0)
        (void)snprintf(out->sentence, sizeof out->sentence,
                       "0 bytes in 0 connections: this suite tests nothing; %s",
                       plan->n_listeners > 0
                           ? "does the command connect to the addresses in NETSPLIT_*?"
                           : "does the command connect to the nodes of the rule?");
    else {
        add_reason(rule, row, reason, sizeof reason);
        (void)snprintf(out->sentence, sizeof out->sentence,
                       "0 bytes in %" PRIu64
                       " connection%s%s: this suite tests nothing",
                       tried, plural(tried), reason);
    }
}

void felt_judge(const struct plan *plan, const json_t *status, uint64_t took_ns,
                struct felt *out)
{
    *out = (struct felt){.rules = xcalloc(plan->n_rules + 1, sizeof *out->rules),
                         .n = plan->n_rules};
    for (size_t i = 0; i < plan->n_rules; i++) {
        const struct plan_rule *rule = &plan->rules[i];
        const json_t *row = find_row(status, rule->name);
        uint64_t tried = count_tried(plan, rule, status);
        struct felt_rule *judged = &out->rules[i];
        judged->name = rule->name;
        judged->touched = is_felt(row);
        judged->uncounted = !judged->touched && may_refuse_uncounted(plan, rule, row);
        out->n_silent += !judged->touched && !judged->uncounted;
        if (judged->touched)
            say_touched(judged, row, tried);
        else if (judged->uncounted)
            say_uncounted(judged);
        else
            say_silent(plan, rule, row, took_ns, judged, tried);
    }
}

void felt_close(struct felt *felt)
{
    free(felt->rules);
    *felt = (struct felt){0};
}

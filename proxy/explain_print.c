/* SPDX-License-Identifier: MIT */
/* A match in words, in the order in which rules apply. What a rule does is said in the
 * words of its row of the catalogue. */
#include "proxy/explain.h"

#include "rules/buffer.h"
#include "rules/unit.h"

#include <stdio.h>
#include <string.h>

/* The rule as it was written: with one layer, a plan's ranks are places in the file. */
static const struct rule *written(const struct explaining *explaining,
                                  const struct plan_rule *rule)
{
    return &explaining->rules->rules[rule->rank];
}

static void print_when(const struct plan_rule *rule)
{
    static const char *const of_state[] = {
        [STATE_ANY] = "",
        [STATE_NEW] = "; for connections opened since it became active",
        [STATE_ESTABLISHED] = "; for connections from before it became active",
    };
    char text[32];
    const struct rule_when *when = &rule->when;
    printf("%s", of_state[rule->state]);
    if (when->after_ns)
        printf("; from %s after its start",
               unit_format_duration(when->after_ns, text, sizeof text));
    if (when->for_ns)
        printf("; for %s", unit_format_duration(when->for_ns, text, sizeof text));
    if (when->every_ns)
        printf(" of every %s", unit_format_duration(when->every_ns, text, sizeof text));
    if (rule->probability_ppm < 1000000)
        printf("; for %s of connections",
               unit_format_percent(rule->probability_ppm, text, sizeof text));
}

static void print_place(const struct explaining *explaining,
                        const struct plan_rule *rule)
{
    printf("  %s (%s:%u)", rule->name, explaining->file,
           written(explaining, rule)->name.at.line);
    print_when(rule);
    putchar('\n');
}

/* "delay: 40ms, jitter: 8ms": what differs from the standards. */
static void print_params(const struct plan_fault *fault)
{
    const char *between = "";
    for (const struct field *field = fault->fault->fields; field->name; field++) {
        struct buffer value = {0};
        field_print(field, fault->params, &value);
        bool is_standard =
            field->standard && strcmp(field->standard, buffer_text(&value)) == 0;
        if (!is_standard)
            printf("%s%s: %s", between, field->name, buffer_text(&value));
        if (!is_standard)
            between = ", ";
        buffer_close(&value);
    }
}

static bool is_of_attempts(const struct plan_fault *fault)
{
    return fault->fault->admit != NULL;
}

static void print_model(const struct explaining *explaining,
                        const struct plan_rule *rule, const struct fault *fault)
{
    if (written(explaining, rule)->fallback_is_model)
        printf("        where the kernel cannot: %s\n", fault->model);
    else
        puts("        where the kernel cannot: the file is refused");
}

/* Its faults of attempts, or the others. Returns how many there are. */
static size_t print_faults(const struct explaining *explaining,
                           const struct plan_rule *rule, bool of_attempts)
{
    size_t n = 0;
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct plan_fault *fault = &rule->faults[i];
        if (is_of_attempts(fault) != of_attempts)
            continue;
        if (n++ == 0)
            print_place(explaining, rule);
        printf("      ");
        print_params(fault);
        printf(" - %s\n", fault->fault->help);
        if (fault->fault->in_kernel)
            print_model(explaining, rule, fault->fault);
    }
    return n;
}

/* What a link rule does, by its `how`. */
static const struct {
    const char *to_attempts, *to_streams;
} cut_texts[] = {
    [HOW_STALL] = {"accepted, and held until heal; the server is not dialled",
                   "nothing is read or written; all is delivered on heal"},
    [HOW_RESET] = {"accepted, then reset", "the connection is reset, on both sides"},
    [HOW_REFUSE] = {"refused (ECONNREFUSED)", "the connection is reset, on both sides"},
    [HOW_DROP] = {"not answered: its packets are dropped",
                  "packets are dropped; after heal TCP sends what was lost again"},
};

/* "partition", or "shape bridge, drawn with seed 42: a, b / a, c". */
static void print_kind(const struct explaining *explaining,
                       const struct plan_rule *rule)
{
    struct buffer drawn = {0};
    printf("%s", rule_kind_name(rule->kind));
    if (rule->kind != RULE_SHAPE)
        return;
    plan_rule_describe(explaining->plan, rule, &drawn);
    printf(" %s, drawn with seed %llu: %s",
           rule_shape_name(written(explaining, rule)->shape),
           (unsigned long long)explaining->plan->seed, buffer_text(&drawn));
    if (!explaining->rules->has_seed)
        printf(" (the file has no seed: each start draws anew)");
    buffer_close(&drawn);
}

static void print_cut(const struct explaining *explaining, const struct plan_rule *rule,
                      const char *text)
{
    const struct rule *as_written = written(explaining, rule);
    print_place(explaining, rule);
    printf("      ");
    print_kind(explaining, rule);
    printf(", how: %s%s - %s\n", rule_how_name(rule->how),
           rule->ports_all ? ", every packet" : "", text);
    if (rule->how != HOW_DROP)
        return;
    printf("        where the kernel cannot: %s\n",
           as_written->has_fallback ? rule_how_name(as_written->fallback)
                                    : "the file is refused");
}

static bool list_holds(const struct match_list *list, const struct plan_rule *rule)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->rules[i] == rule)
            return true;
    return false;
}

/* An attempt needs both links; one rule may cut both. */
static void print_attempt(const struct explaining *explaining)
{
    const struct match_list *links = explaining->match->link;
    size_t n = 0;
    puts("the attempt to connect");
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < links[direction].n; i++) {
            const struct plan_rule *rule = links[direction].rules[i];
            bool was_told = direction == TO_CLIENT && list_holds(&links[0], rule);
            if (rule->kind == RULE_INJECT && direction == TO_SERVER) {
                n += print_faults(explaining, rule, true);
            } else if (rule->kind != RULE_INJECT && !was_told) {
                print_cut(explaining, rule, cut_texts[rule->how].to_attempts);
                n++;
            }
        }
    }
    if (n == 0)
        puts("  succeeds: no rule is about it");
}

/* The node's name; of an address that is no node's, the address. */
static const char *end_name(const struct explain_end *end)
{
    return end->node ? end->name : end->text;
}

static void print_stream(const struct explaining *explaining, enum direction direction)
{
    const struct match_list *link = &explaining->match->link[direction];
    const char *ends[] = {end_name(&explaining->from), end_name(&explaining->to)};
    const char *from = ends[direction == TO_CLIENT], *to = ends[direction == TO_SERVER];
    size_t n = 0;
    printf("\n%s: bytes from %s to %s\n",
           direction == TO_SERVER ? "to_server" : "to_client", from, to);
    for (size_t i = 0; i < link->n; i++) {
        const struct plan_rule *rule = link->rules[i];
        if (rule->kind == RULE_INJECT) {
            n += print_faults(explaining, rule, false);
            continue;
        }
        print_cut(explaining, rule, cut_texts[rule->how].to_streams);
        n++;
    }
    if (n == 0)
        puts("  pass untouched: no rule is about them");
}

static void print_words(const struct words *words)
{
    if (words->n == 0)
        printf("any");
    for (size_t i = 0; i < words->n; i++)
        printf("%s%s", i ? ", " : "", words->items[i].text);
}

static bool is_of_port(const struct rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->ports.n; i++)
        if (rule->ports.items[i] == port)
            return true;
    return rule->ports.n == 0;
}

static void print_subject(const struct rule *rule)
{
    switch (rule->kind) {
    case RULE_INJECT:
        print_words(&rule->from);
        printf(rule->both_ways ? " <-> " : " -> ");
        print_words(&rule->to);
        return;
    case RULE_CUT:
        print_words(&rule->parts[0]);
        printf(" -> ");
        print_words(&rule->parts[1]);
        return;
    case RULE_ISOLATE:
        print_words(&rule->parts[0]);
        printf(" and the other named nodes");
        return;
    case RULE_SHAPE:
        printf("shape %s of ", rule_shape_name(rule->shape));
        print_words(&rule->parts[0]);
        return;
    case RULE_PARTITION:
        for (size_t i = 0; i < rule->n_parts; i++) {
            printf("%s", i ? " / " : "");
            print_words(&rule->parts[i]);
        }
        return;
    }
}

static void print_others(const struct explaining *explaining)
{
    size_t n = 0;
    for (size_t i = 0; i < explaining->plan->n_rules; i++) {
        const struct plan_rule *rule = &explaining->plan->rules[i];
        const struct rule *text = written(explaining, rule);
        if (list_holds(&explaining->match->link[TO_SERVER], rule) ||
            list_holds(&explaining->match->link[TO_CLIENT], rule))
            continue;
        if (n++ == 0)
            puts("\nnot about this connection");
        printf("  %s (%s:%u): ", rule->name, explaining->file, text->name.at.line);
        print_subject(text);
        for (size_t j = 0; j < text->ports.n; j++)
            printf("%s%u", j ? ", " : " on port ", text->ports.items[j]);
        if (text->ports_all)
            printf(", every packet");
        if (!is_of_port(text, explaining->port) && explaining->port == 0)
            printf(" (say which port: %s:%u)", explaining->to.text,
                   text->ports.items[0]);
        putchar('\n');
    }
}

/* Whether a listener is on the path; one without `from` takes whoever comes. */
static bool print_listeners(const struct explaining *explaining)
{
    bool found = false;
    for (size_t i = 0; i < explaining->plan->n_listeners; i++) {
        const struct plan_listener *listener = &explaining->plan->listeners[i];
        bool is_opener =
            !listener->from || strcmp(listener->from, explaining->from.name) == 0;
        if (!is_opener || strcmp(listener->to, explaining->to.name) != 0 ||
            listener->to_port != explaining->port)
            continue;
        printf(", on path %s", listener->name);
        found = true;
    }
    return found;
}

/* Why the kernel does not hand the connection to the proxy; NULL: it does. */
static const char *why_not_intercepted(const struct explaining *explaining)
{
    const struct plan *plan = explaining->plan;
    const struct plan_node *from = explaining->from.node;
    if (plan->intercept == INTERCEPT_LISTEN)
        return "no listener is on this path";
    if (!explaining->to.node)
        return "the server is no node of the file";
    if (!plan_intercepts(plan, explaining->to.node, explaining->port))
        return explaining->port ? "the port is not intercepted"
                                : "say which port, to know whether it is intercepted";
    if (plan->intercept == INTERCEPT_NETNS && (!from || from->place.kind == PLACE_NONE))
        return "the opener lives in no namespace of the file";
    return NULL;
}

static void print_end(const struct explain_end *end)
{
    printf("%s", end->text);
    if (end->is_address)
        printf(" (%s)", end->node ? end->name : "no node");
}

static void print_path(const struct explaining *explaining)
{
    print_end(&explaining->from);
    printf(" -> ");
    print_end(&explaining->to);
    if (explaining->port)
        printf(":%u", explaining->port);
    bool has_listener = print_listeners(explaining);
    const char *why = has_listener ? NULL : why_not_intercepted(explaining);
    if (why)
        printf("\ndoes not pass the proxy: %s\nif it did:", why);
    else if (!has_listener)
        printf(", intercepted (%s)", rule_intercept_name(explaining->plan->intercept));
    puts("\n");
}

void explain_print(const struct explaining *explaining)
{
    print_path(explaining);
    print_attempt(explaining);
    print_stream(explaining, TO_SERVER);
    print_stream(explaining, TO_CLIENT);
    print_others(explaining);
}

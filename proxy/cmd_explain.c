/* SPDX-License-Identifier: MIT */
/* netsplit explain: what a rule file does to a connection FROM -> TO. The file is
 * parsed, compiled and matched as the proxy does it, and the match is told in words;
 * nothing is run. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "proxy/base/text_file.h"
#include "rules/buffer.h"
#include "rules/match.h"
#include "rules/nearest.h"
#include "rules/parse.h"
#include "rules/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_explain(int argc, char **argv);

struct explaining {
    const struct option_command *command;
    const char *file;
    const char *from; /* a node, or "any" */
    char *to;         /* a node; owned */
    uint16_t port;    /* 0: not said */
    struct diag diag;
    struct rules *rules;
    struct plan *plan;
    struct paths *paths;
    const struct match *match;
};

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

static void print_cut(const struct explaining *explaining, const struct plan_rule *rule,
                      const char *text)
{
    print_place(explaining, rule);
    printf("      %s, how: %s - %s\n", rule_kind_name(rule->kind),
           rule_how_name(rule->how), text);
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

static void print_stream(const struct explaining *explaining, enum direction direction)
{
    const struct match_list *link = &explaining->match->link[direction];
    const char *from = direction == TO_SERVER ? explaining->from : explaining->to;
    const char *to = direction == TO_SERVER ? explaining->to : explaining->from;
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
        if (!is_of_port(text, explaining->port) && explaining->port == 0)
            printf(" (say which port: %s:%u)", explaining->to, text->ports.items[0]);
        putchar('\n');
    }
}

static void print_path(const struct explaining *explaining)
{
    printf("%s -> %s", explaining->from, explaining->to);
    if (explaining->port)
        printf(":%u", explaining->port);
    for (size_t i = 0; i < explaining->plan->n_listeners; i++) {
        const struct plan_listener *listener = &explaining->plan->listeners[i];
        const char *from = listener->from ? listener->from : "any";
        if (strcmp(from, explaining->from) == 0 &&
            strcmp(listener->to, explaining->to) == 0 &&
            listener->to_port == explaining->port)
            printf(", on path %s", listener->name);
    }
    puts("\n");
}

static void show_diagnostics(struct explaining *explaining)
{
    struct buffer text = {0};
    diag_render(&explaining->diag, term_wants_colour(stderr), &text);
    fputs(buffer_text(&text), stderr);
    buffer_close(&text);
}

static int complain_of_node(const struct explaining *explaining, const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < explaining->plan->n_nodes && n < 256; i++)
        names[n++] = explaining->plan->nodes[i].name;
    const char *near = nearest_word(name, names, n);
    return option_complain(explaining->command, "%s has no node \"%s\"%s%s%s",
                           explaining->file, name, near ? "; did you mean \"" : "",
                           near ? near : "", near ? "\"?" : "");
}

/* The port that was not written, if there is only one it can be. */
static uint16_t guess_port(const struct explaining *explaining)
{
    const struct plan *plan = explaining->plan;
    plan_node_id to = plan_find_node(plan, explaining->to);
    if (to != PLAN_ANY && plan->nodes[to - 1].ports.n == 1)
        return plan->nodes[to - 1].ports.items[0];
    for (size_t i = 0; i < plan->n_listeners; i++) {
        const struct plan_listener *listener = &plan->listeners[i];
        if (listener->from && strcmp(listener->from, explaining->from) == 0 &&
            strcmp(listener->to, explaining->to) == 0)
            return listener->to_port;
    }
    return 0;
}

/* Splits NAME:PORT. */
static int read_to(struct explaining *explaining, const char *operand)
{
    explaining->to = strdup(operand);
    if (!explaining->to)
        return EXIT_ENVIRONMENT;
    char *colon = strrchr(explaining->to, ':');
    if (!colon)
        return EXIT_DONE;
    char *end = NULL;
    *colon++ = '\0';
    unsigned long port = strtoul(colon, &end, 10);
    if (*colon < '0' || *colon > '9' || *end || port < 1 || port > 65535)
        return option_complain(explaining->command, "\"%s\" is no port", colon);
    explaining->port = (uint16_t)port;
    return EXIT_DONE;
}

static int load(struct explaining *explaining)
{
    size_t length = 0;
    char *text = text_file_read(explaining->file, &length, &explaining->diag);
    if (!text)
        return EXIT_USAGE;
    int status = parse_file(explaining->file, text, length, NULL, &explaining->diag,
                            &explaining->rules);
    free(text);
    if (status == -ENOTSUP)
        return EXIT_ENVIRONMENT;
    if (status != 0)
        return EXIT_USAGE;
    const struct plan_layer layer = {.name = "base", .rules = explaining->rules};
    const struct plan_input input = {
        .layers = &layer, .n_layers = 1, .seed = explaining->rules->seed};
    return plan_compile(&input, &explaining->diag, &explaining->plan) == 0 ? EXIT_DONE
                                                                           : EXIT_USAGE;
}

static int match(struct explaining *explaining)
{
    bool is_any = strcmp(explaining->from, "any") == 0;
    if (!is_any && plan_find_node(explaining->plan, explaining->from) == PLAN_ANY)
        return complain_of_node(explaining, explaining->from);
    if (plan_find_node(explaining->plan, explaining->to) == PLAN_ANY)
        return complain_of_node(explaining, explaining->to);
    if (explaining->port == 0)
        explaining->port = guess_port(explaining);
    explaining->paths = paths_create(NULL);
    struct path *path = explaining->paths
                            ? paths_find(explaining->paths, explaining->from,
                                         explaining->to, explaining->port)
                            : NULL;
    explaining->match = path ? path_match(path, explaining->plan) : NULL;
    if (explaining->match)
        return EXIT_DONE;
    fputs("netsplit explain: out of memory\n", stderr);
    return EXIT_ENVIRONMENT;
}

static int explain(struct explaining *explaining, const char *to)
{
    int status = read_to(explaining, to);
    if (status == EXIT_DONE)
        status = load(explaining);
    show_diagnostics(explaining);
    if (status == EXIT_DONE)
        status = match(explaining);
    if (status != EXIT_DONE)
        return status;
    print_path(explaining);
    print_attempt(explaining);
    print_stream(explaining, TO_SERVER);
    print_stream(explaining, TO_CLIENT);
    print_others(explaining);
    return EXIT_DONE;
}

int cmd_explain(int argc, char **argv)
{
    struct explaining explaining = {0};
    const struct option_row rows[] = {
        {.name = "file",
         .letter = 'f',
         .kind = OPTION_TEXT,
         .target = &explaining.file,
         .value = "RULES",
         .help = "the rule file"},
        {0},
    };
    const struct option_command command = {
        .name = "explain",
        .usage = "-f RULES FROM TO[:PORT]",
        .help =
            "What the rules do to a connection that node FROM (or any) opens to\n"
            "node TO: to the attempt, to the bytes in each direction, rule by rule\n"
            "in the order in which they apply; and which rules are not about it.",
        .rows = rows,
    };
    int rest;
    switch (option_parse(&command, argc, argv, false, &rest)) {
    case OPTION_OK:
        break;
    case OPTION_HELPED:
        return EXIT_DONE;
    case OPTION_BAD_USAGE:
        return EXIT_USAGE;
    }
    if (!explaining.file)
        return option_complain(&command, "no rule file: -f RULES");
    if (argc - rest != 2)
        return option_complain(&command, "two operands are needed, FROM and TO[:PORT]");
    explaining.command = &command;
    explaining.from = argv[rest];
    diag_init(&explaining.diag, NULL);
    int status = explain(&explaining, argv[rest + 1]);
    free(explaining.to);
    paths_destroy(explaining.paths);
    plan_put(explaining.plan);
    rules_destroy(explaining.rules);
    diag_close(&explaining.diag);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* netsplit explain: what a rule file does to a connection FROM -> TO, each a node or an
 * address. The file is parsed, compiled and matched as the proxy does it, for a kernel
 * that can do everything, and the match is told in words; nothing is run. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "proxy/base/text_file.h"
#include "proxy/explain.h"
#include "rules/buffer.h"
#include "rules/nearest.h"
#include "rules/language/parse.h"
#include "rules/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_explain(int argc, char **argv);

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
    const struct plan_node *to = explaining->to.node;
    if (to && to->ports.n == 1)
        return to->ports.items[0];
    for (size_t i = 0; i < plan->n_listeners; i++) {
        const struct plan_listener *listener = &plan->listeners[i];
        if (listener->from && strcmp(listener->from, explaining->from.name) == 0 &&
            strcmp(listener->to, explaining->to.name) == 0)
            return listener->to_port;
    }
    bool is_sure = (!to || to->ports.n == 0) && plan->ports.n == 1;
    return is_sure ? plan->ports.items[0] : 0;
}

static int complain_of_port(const struct explaining *explaining, const char *port)
{
    return option_complain(explaining->command, "\"%s\" is no port", port);
}

/* Splits NAME:PORT, ADDRESS:PORT, [IPV6]:PORT; an IPv6 address without brackets has no
 * port. */
static int read_to(struct explaining *explaining, const char *operand)
{
    explaining->to_text = strdup(operand);
    if (!explaining->to_text)
        return EXIT_ENVIRONMENT;
    char *text = explaining->to_text, *bracket = NULL;
    if (text[0] == '[' && (bracket = strchr(text, ']')) != NULL)
        text++;
    explaining->to.text = text;
    char *colon = bracket ? bracket + 1 : strrchr(text, ':');
    bool is_bare_ipv6 = !bracket && colon && strchr(text, ':') != colon;
    if (!colon || is_bare_ipv6 || (bracket && *colon == '\0')) {
        if (bracket)
            *bracket = '\0';
        return EXIT_DONE;
    }
    if (*colon != ':')
        return complain_of_port(explaining, colon);
    char *end = NULL;
    *colon++ = '\0';
    if (bracket)
        *bracket = '\0';
    unsigned long port = strtoul(colon, &end, 10);
    if (*colon < '0' || *colon > '9' || *end || port < 1 || port > 65535)
        return complain_of_port(explaining, colon);
    explaining->port = (uint16_t)port;
    return EXIT_DONE;
}

/* The node that the text names, or that has the address. */
static int find_end(const struct explaining *explaining, struct explain_end *end,
                    uint16_t port)
{
    const struct plan *plan = explaining->plan;
    struct address address = {.kind = ADDRESS_NONE};
    plan_node_id id = plan_find_node(plan, end->text);
    end->name = "any";
    if (id != PLAN_ANY) {
        end->node = &plan->nodes[id - 1];
    } else if (strcmp(end->text, "any") == 0) {
        return EXIT_DONE;
    } else if (address_parse(end->text, strlen(end->text), &address, NULL) == 0 &&
               address.kind != ADDRESS_HOST && address_is_single(&address)) {
        end->is_address = true;
        end->node = plan_server_of_address(plan, address.kind, address.bytes, port);
    } else {
        return complain_of_node(explaining, end->text);
    }
    if (end->node)
        end->name = end->node->name;
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
    const struct plan_input input = {.layers = &layer,
                                     .n_layers = 1,
                                     .seed = explaining->rules->seed,
                                     .kernel = {.drop = true,
                                                .packet_loss = true,
                                                .packet_rate = true,
                                                .packet_delay = true,
                                                .ports_all = true}};
    return plan_compile(&input, &explaining->diag, &explaining->plan) == 0 ? EXIT_DONE
                                                                           : EXIT_USAGE;
}

static int match(struct explaining *explaining)
{
    int status = find_end(explaining, &explaining->from, 0);
    if (status == EXIT_DONE)
        status = find_end(explaining, &explaining->to, explaining->port);
    if (status != EXIT_DONE)
        return status;
    if (explaining->port == 0)
        explaining->port = guess_port(explaining);
    explaining->paths = paths_create(NULL, NULL);
    struct path *path = explaining->paths
                            ? paths_find(explaining->paths, explaining->from.name,
                                         explaining->to.name, explaining->port)
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
    explain_print(explaining);
    return EXIT_DONE;
}

int cmd_explain(int argc, char **argv)
{
    struct explaining explaining = {0};
    const struct option_row rows[] = {
        option_row_rules(&explaining.file),
        {0},
    };
    const struct option_command command = {
        .name = "explain",
        .usage = "-f RULES FROM TO[:PORT]",
        .help =
            "What the rules do to a connection that FROM (a node, an address or any)\n"
            "opens to TO (a node or an address): to the attempt, to the bytes in each\n"
            "direction, rule by rule in the order in which they apply; and which\n"
            "rules are not about it. Says so if such a connection does not pass the\n"
            "proxy.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (!explaining.file)
        return option_complain(&command, "no rule file: -f RULES");
    if (argc - rest != 2)
        return option_complain(&command, "two operands are needed, FROM and TO[:PORT]");
    explaining.command = &command;
    explaining.from.text = argv[rest];
    diag_init(&explaining.diag, NULL);
    int status = explain(&explaining, argv[rest + 1]);
    free(explaining.to_text);
    paths_destroy(explaining.paths);
    plan_put(explaining.plan);
    rules_destroy(explaining.rules);
    diag_close(&explaining.diag);
    return status;
}

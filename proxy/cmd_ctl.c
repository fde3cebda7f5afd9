/* SPDX-License-Identifier: MIT */
/* netsplit ctl: the control API on the command line.
 *
 * A verb is a row of the table below. It makes one request, shows the answer (as it
 * came with --json), and turns what went wrong into a status: what the user wrote is 2,
 * a proxy that is not there, or that cannot do it here, is 3. What is said then is in
 * ctl_error.c. */
#include "proxy/base/control_client.h"
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/rundir.h"
#include "proxy/base/term.h"
#include "proxy/ctl_error.h"
#include "proxy/ctl_show.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/nearest.h"
#include "rules/language/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 1 << 20, NAME_BYTES = 101 };

static const uint64_t answer_within_ns = 10 * NS_PER_S;

struct options {
    const char *control, *name, *how, *types;
    bool json, base, end;
    uint64_t lease_ns; /* 0 = not said */
    const char *since;
};

/* One call of the program. */
struct ctl {
    const struct option_command *command;
    struct options options;
    char path[RUNDIR_PATH_BYTES];
    char **operands; /* of the verb */
    int n;
    bool colour;
};

struct verb {
    const char *name;
    const char *operands; /* as in the usage; "" for none */
    int least, most;
    int (*run)(struct ctl *ctl);
    const char *help;
};

/* Makes the request. 0 and the answer in *body, which the caller frees; or an exit
 * status after saying why. */
static int request(const struct ctl *ctl, const char *method, const char *target,
                   const char *text, json_t **body)
{
    struct errmsg err = {0};
    int status =
        control_call(ctl->path, method, target, text, answer_within_ns, body, &err);
    if (status == 200 && *body)
        return EXIT_DONE;
    int exit_status = ctl_error_answer(ctl->options.json, status, *body, &err);
    json_decref(*body);
    *body = NULL;
    return exit_status;
}

static void print_json(const json_t *body)
{
    (void)json_dumpf(body, stdout, JSON_COMPACT); /* a closed stdout shows at exit */
    putchar('\n');
}

static int view(struct ctl *ctl, const char *target,
                void (*show)(const json_t *body, bool colour))
{
    json_t *body;
    int status = request(ctl, "GET", target, NULL, &body);
    if (status != EXIT_DONE)
        return status;
    if (ctl->options.json)
        print_json(body);
    else
        show(body, ctl->colour);
    json_decref(body);
    return EXIT_DONE;
}

static int change(struct ctl *ctl, const char *method, const char *target,
                  const char *text, const char *done)
{
    json_t *body;
    int status = request(ctl, method, target, text, &body);
    if (status != EXIT_DONE)
        return status;
    (void)ctl_show_diagnostics(body, term_wants_colour(stderr)); /* warnings */
    if (ctl->options.json)
        print_json(body);
    else
        ctl_show_change(body, done, ctl->colour);
    json_decref(body);
    return EXIT_DONE;
}

static int run_status(struct ctl *ctl)
{
    return view(ctl, "/v1/status", ctl_show_status);
}

static int run_rules(struct ctl *ctl)
{
    return view(ctl, "/v1/rules", ctl_show_rules);
}

static int run_connections(struct ctl *ctl)
{
    return view(ctl, "/v1/connections", ctl_show_connections);
}

/* A request's target being built: a path, then parameters with their values escaped. */
struct target {
    char text[2048];
    bool has_query;
};

static void add_escaped(struct target *target, const char *before, const char *value)
{
    size_t len = strlen(target->text);
    (void)snprintf(target->text + len, sizeof target->text - len, "%s", before);
    len = strlen(target->text);
    (void)control_escape(value, target->text + len, sizeof target->text - len);
}

static void add_parameter(struct target *target, const char *name, const char *value)
{
    char before[32];
    (void)snprintf(before, sizeof before, "%c%s=", target->has_query ? '&' : '?', name);
    add_escaped(target, before, value);
    target->has_query = true;
}

/* for=, if --for was said: in nanoseconds' whole microseconds, which the API reads. */
static void add_lease(struct target *target, uint64_t lease_ns)
{
    char words[32];
    if (lease_ns == 0)
        return;
    (void)snprintf(words, sizeof words, "%" PRIu64 "us", lease_ns / NS_PER_US);
    add_parameter(target, "for", lease_ns == UINT64_MAX ? "ever" : words);
}

static char *read_text(const struct ctl *ctl, const char *path, int *status)
{
    char *text = xcalloc(1, TEXT_LIMIT + 2);
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    size_t len = file ? fread(text, 1, TEXT_LIMIT + 1, file) : 0;
    *status = EXIT_DONE;
    if (!file || ferror(file))
        *status =
            ctl_error(ctl->options.json, EXIT_USAGE, "%s: %s", path, strerror(errno));
    else if (len > TEXT_LIMIT || strlen(text) != len)
        *status = ctl_error(ctl->options.json, EXIT_USAGE, "%s: %s", path,
                            len > TEXT_LIMIT ? "is larger than 1 MiB" : "is not text");
    if (file && file != stdin)
        (void)fclose(file); /* only read */
    return text;
}

/* The overlay's name for a file: its last part without its ending, with "-" for what a
 * name may not have. */
static void name_from_path(const char *path, char name[static NAME_BYTES])
{
    const char *slash = strrchr(path, '/');
    const char *start = slash ? slash + 1 : path;
    const char *dot = strrchr(start, '.');
    size_t len = dot && dot > start ? (size_t)(dot - start) : strlen(start);
    if (len > NAME_BYTES - 1)
        len = NAME_BYTES - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)start[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    (c >= '0' && c <= '9') || c == '.' || c == '_';
        name[i] = good ? (char)c : '-';
    }
    name[len] = 0;
    if (strcmp(path, "-") == 0)
        (void)snprintf(name, NAME_BYTES, "stdin");
}

static int apply_overlay(struct ctl *ctl, const char *name, const char *file,
                         const char *text)
{
    struct target target = {0};
    add_escaped(&target, "/v1/overlays/", name);
    if (file)
        add_parameter(&target, "file", file);
    add_lease(&target, ctl->options.lease_ns);
    return change(ctl, "PUT", target.text, text, "applied");
}

static int run_apply(struct ctl *ctl)
{
    const char *path = ctl->operands[0];
    const char *shown = strcmp(path, "-") == 0 ? "stdin" : path;
    char name[NAME_BYTES];
    int status;
    if (ctl->options.base && (ctl->options.name || ctl->options.lease_ns))
        return ctl_error_usage(ctl->command, ctl->options.json,
                               "--base goes without --as and --for");
    char *text = read_text(ctl, path, &status);
    if (status == EXIT_DONE && ctl->options.base) {
        struct target target = {.text = "/v1/rules"};
        add_parameter(&target, "file", shown);
        status = change(ctl, "PUT", target.text, text, "replaced the base");
    } else if (status == EXIT_DONE) {
        name_from_path(path, name);
        status = apply_overlay(ctl, ctl->options.name ? ctl->options.name : name, shown,
                               text);
    }
    free(text);
    return status;
}

/* The words are parsed here, so that mistakes are shown under them, and sent as the
 * text of an overlay. */
static int run_add(struct ctl *ctl)
{
    const struct parse_context context = {.names_are_open = true};
    struct diag diag;
    struct rules *rules;
    struct buffer yaml = {0}, shown = {0};
    diag_init(&diag, NULL);
    int status = parse_words((const char *const *)ctl->operands, (size_t)ctl->n,
                             &context, &diag, &rules);
    diag_render(&diag, term_wants_colour(stderr), &shown);
    fputs(buffer_text(&shown), stderr);
    if (status == 0) {
        rules_write(rules, NULL, NULL, &yaml);
        rules_destroy(rules);
        status = apply_overlay(ctl, ctl->operands[0], NULL, buffer_text(&yaml));
    } else {
        status = ctl_error_words(ctl->options.json, ctl->operands[0], &diag, status);
    }
    buffer_close(&shown);
    buffer_close(&yaml);
    diag_close(&diag);
    return status;
}

static int run_rm(struct ctl *ctl)
{
    struct target target = {0};
    add_escaped(&target, "/v1/overlays/", ctl->operands[0]);
    return change(ctl, "DELETE", target.text, NULL, "removed");
}

static int run_clear(struct ctl *ctl)
{
    if (ctl->n > 0)
        return run_rm(ctl);
    return change(ctl, "DELETE", "/v1/overlays", NULL,
                  "cleared: no overlays, and the base's rules are off");
}

static int run_heal(struct ctl *ctl)
{
    return change(ctl, "POST", "/v1/heal", NULL, "healed: all link rules are off");
}

static int run_halt(struct ctl *ctl)
{
    return change(ctl, "POST", "/v1/halt", NULL,
                  "halted: all faults are off, and none are let in");
}

static int run_resume(struct ctl *ctl)
{
    return change(ctl, "POST", "/v1/resume", NULL, "resumed");
}

/* LINK is FROM>TO; without it all are meant. */
static int run_adopt(struct ctl *ctl)
{
    struct target target = {.text = "/v1/adopt"};
    char *link = ctl->n > 0 ? ctl->operands[0] : NULL;
    char *arrow = link ? strchr(link, '>') : NULL;
    json_t *body;
    if (link && (!arrow || arrow == link || !arrow[1]))
        return ctl_error_usage(ctl->command, ctl->options.json,
                               "\"%s\" is not a link; write 'n1>n2'", link);
    if (link) {
        *arrow = 0;
        add_parameter(&target, "from", link);
        add_parameter(&target, "to", arrow + 1);
    }
    int status = request(ctl, "POST", target.text, NULL, &body);
    if (status != EXIT_DONE)
        return status;
    if (ctl->options.json)
        print_json(body);
    else
        printf("adopted %" JSON_INTEGER_FORMAT
               ": ended, to come back through the proxy\n",
               json_integer_value(json_object_get(body, "adopted")));
    json_decref(body);
    return EXIT_DONE;
}

/* A part of 'n1 / n2,n3' as a list of names; blanks around names do not count. */
static json_t *parse_part(const char *text, size_t len)
{
    json_t *names = json_array();
    const char *end = text + len;
    while (text < end) {
        size_t span = strcspn(text, ",/ ");
        if (span > (size_t)(end - text))
            span = (size_t)(end - text);
        if (span > 0)
            (void)json_array_append_new(names, json_stringn(text, span));
        text += span + 1;
    }
    return names;
}

/* NULL if there are not at least two parts with a name in each. */
static json_t *parse_parts(const char *text)
{
    json_t *parts = json_array();
    bool good = true;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, "/");
        json_t *part = parse_part(at, len);
        good = good && json_array_size(part) > 0;
        (void)json_array_append_new(parts, part);
        at += len;
        if (*at == 0)
            break;
    }
    if (good && json_array_size(parts) >= 2)
        return parts;
    json_decref(parts);
    return NULL;
}

static int run_partition(struct ctl *ctl)
{
    struct target target = {.text = "/v1/partition"};
    json_t *parts = parse_parts(ctl->operands[0]);
    if (!parts)
        return ctl_error_usage(ctl->command, ctl->options.json,
                               "\"%s\" is not a partition; write 'n1 / n2,n3'",
                               ctl->operands[0]);
    json_t *body = json_pack("{s:o}", "parts", parts);
    if (ctl->options.how)
        (void)json_object_set_new(body, "how", json_string(ctl->options.how));
    if (ctl->options.name)
        add_parameter(&target, "as", ctl->options.name);
    add_lease(&target, ctl->options.lease_ns);
    char *text = json_dumps(body, JSON_COMPACT);
    int status = change(ctl, "POST", target.text, text, "partitioned by");
    free(text);
    json_decref(body);
    return status;
}

/* What the callbacks of `events` share. */
struct watching {
    struct ctl *ctl;
    uint64_t zero_ns;
    int status;
};

static void on_event(void *arg, json_t *event)
{
    struct watching *watching = arg;
    if (watching->ctl->options.json)
        print_json(event);
    else
        ctl_show_event(event, watching->zero_ns, watching->ctl->colour);
    (void)fflush(stdout);
}

static void on_end(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct watching *watching = arg;
    watching->status = status == 200 ? EXIT_DONE
                                     : ctl_error_answer(watching->ctl->options.json,
                                                        status, body, err);
}

static int run_events(struct ctl *ctl)
{
    struct watching watching = {ctl, now_ns(), EXIT_ENVIRONMENT};
    struct target target = {.text = "/v1/events"};
    struct control_client *client;
    uv_loop_t loop;
    if (ctl->options.since)
        add_parameter(&target, "since", ctl->options.since);
    if (ctl->options.types)
        add_parameter(&target, "types", ctl->options.types);
    if (ctl->options.end)
        add_parameter(&target, "follow", "no");
    if (uv_loop_init(&loop) < 0 ||
        control_client_create(&client, &loop, ctl->path) < 0 ||
        !control_stream(client, target.text, answer_within_ns, on_event, on_end,
                        &watching))
        return ctl_error(ctl->options.json, EXIT_ENVIRONMENT, "out of memory");
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    control_client_close(client, NULL, NULL);
    (void)uv_loop_close(&loop); /* every handle was closed */
    return watching.status;
}

static const struct verb verbs[] = {
    {"status", "", 0, 0, run_status, "what the proxy does and what was felt"},
    {"rules", "", 0, 0, run_rules, "the rule texts that run"},
    {"connections", "", 0, 0, run_connections, "the connections that are open"},
    {"events", "", 0, 0, run_events, "the journal as it grows [--since N] [--end]"},
    {"apply", "FILE", 1, 1, run_apply,
     "installs rules as an overlay, or as the --base"},
    {"add", "NAME FROM TO KEY=VALUE...", 4, 99, run_add, "an overlay of one rule"},
    {"rm", "NAME", 1, 1, run_rm, "removes an overlay"},
    {"clear", "[NAME]", 0, 1, run_clear, "removes all faults, or one overlay"},
    {"partition", "'n1 / n2,n3'", 1, 1, run_partition,
     "cuts the parts apart [--how HOW]"},
    {"heal", "", 0, 0, run_heal, "ends partitions, isolations and cuts"},
    {"adopt", "['FROM>TO']", 0, 1, run_adopt,
     "ends connections that bypass the proxy, so that they come back"},
    {"halt", "", 0, 0, run_halt, "ends all faults and lets none in"},
    {"resume", "", 0, 0, run_resume, "lets faults in again"},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static int complain_unknown(const struct ctl *ctl, const char *word)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i].name;
    const char *near = nearest_word(word, names, VERBS);
    bool json = ctl->options.json;
    if (near)
        return ctl_error_usage(ctl->command, json,
                               "unknown command \"%s\"; did you mean \"%s\"?", word,
                               near);
    return ctl_error_usage(ctl->command, json, "unknown command \"%s\"", word);
}

static int run_verb(struct ctl *ctl, const char *word)
{
    struct errmsg err = {0};
    const struct verb *verb = verbs;
    while (verb < verbs + VERBS && strcmp(verb->name, word) != 0)
        verb++;
    if (verb == verbs + VERBS)
        return complain_unknown(ctl, word);
    if (ctl->n < verb->least)
        return ctl_error_usage(ctl->command, ctl->options.json,
                               "%s: an operand is missing: %s %s", word, word,
                               verb->operands);
    if (ctl->n > verb->most)
        return ctl_error_usage(ctl->command, ctl->options.json,
                               "%s: unexpected operand \"%s\"", word,
                               ctl->operands[verb->most]);
    if (rundir_control_path(ctl->options.control, ctl->path, &err) < 0)
        return ctl_error(ctl->options.json, EXIT_ENVIRONMENT, "%s", err.text);
    return verb->run(ctl);
}

/* The verbs as --help shows them. */
static void describe_verbs(char *text, size_t text_bytes)
{
    size_t len = (size_t)snprintf(text, text_bytes,
                                  "Asks a running proxy, or changes what it does. What "
                                  "is applied by hand\nends after 10 minutes unless "
                                  "--for says otherwise.\n\ncommands:");
    for (size_t i = 0; i < VERBS && len < text_bytes; i++) {
        char left[48];
        (void)snprintf(left, sizeof left, "%s %s", verbs[i].name, verbs[i].operands);
        len += (size_t)snprintf(text + len, text_bytes - len, "\n  %-32s%s", left,
                                verbs[i].help);
    }
}

static bool has_word(int argc, char **argv, const char *word)
{
    while (argc > 0 && strcmp(argv[argc - 1], word) != 0)
        argc--;
    return argc > 0;
}

int cmd_ctl(int argc, char **argv); /* seen by main.c, which has the table */

int cmd_ctl(int argc, char **argv)
{
    static char help[2048];
    struct ctl ctl = {0};
    struct options *options = &ctl.options;
    const struct option_row rows[] = {
        {"control", 0, OPTION_TEXT, &options->control, "PATH",
         "the proxy's socket; default $NETSPLIT_CONTROL, else the user's own", 0, 0},
        {"json", 0, OPTION_FLAG, &options->json, NULL,
         "the API's answer as it is, an error likewise", 0, 0},
        {"as", 0, OPTION_TEXT, &options->name, "NAME", "the overlay's name", 0, 0},
        {"base", 0, OPTION_FLAG, &options->base, NULL,
         "apply: replace the base rules instead", 0, 0},
        {"for", 0, OPTION_DURATION, &options->lease_ns, "DURATION",
         "when it ends by itself; \"ever\": not at all", 0, 0},
        {"how", 0, OPTION_TEXT, &options->how, "HOW",
         "partition: stall, reset, refuse or drop", 0, 0},
        {"since", 0, OPTION_TEXT, &options->since, "N",
         "events: from this sequence number on; 0: all that is kept", 0, 0},
        {"types", 0, OPTION_TEXT, &options->types, "NAME,...", "events: only these", 0,
         0},
        {"end", 0, OPTION_FLAG, &options->end, NULL,
         "events: end where the journal ends", 0, 0},
        {0},
    };
    const struct option_command command = {"ctl", "[OPTIONS] COMMAND ...", help, rows};
    struct errmsg err = {0};
    int rest;
    describe_verbs(help, sizeof help);
    ctl.command = &command;
    switch (option_read(&command, argc, argv, false, &rest, &err)) {
    case OPTION_OK:
        break;
    case OPTION_HELPED:
        return EXIT_DONE;
    case OPTION_BAD_USAGE: /* perhaps before --json was reached */
        return ctl_error_usage(&command, has_word(argc, argv, "--json"), "%s",
                               err.text);
    }
    if (rest == argc)
        return ctl_error_usage(&command, options->json, "a command is missing");
    ctl.operands = argv + rest + 1;
    ctl.n = argc - rest - 1;
    ctl.colour = term_wants_colour(stdout);
    return run_verb(&ctl, argv[rest]);
}

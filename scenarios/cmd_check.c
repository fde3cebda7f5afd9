/* SPDX-License-Identifier: MIT */
/* netsplit check: every file is judged, whatever the ones before were like. What a text
 * is shows from its name (.md) or from the first of its keys that says so; a text that
 * says nothing is taken for a rule file, whose answer then names what is missing. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/language/parse.h"
#include "rules/language/yaml.h"
#include "scenarios/check.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/redact/redact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cmd_check(int argc, char **argv);

struct kind {
    const char *what;   /* "rule file" */
    const char *key;    /* a key at the beginning of a line; NULL = none */
    const char *ending; /* of the file's name; NULL = any */
    check_fn check;
};

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void check_rules(const char *name, const char *text, size_t length,
                        struct diag *diag, char *summary, size_t summary_bytes)
{
    struct rules *rules = NULL;
    if (parse_file(name, text, length, NULL, diag, &rules) != 0)
        return; /* diag says why */
    bool in_kernel = rules->intercept != INTERCEPT_LISTEN;
    (void)snprintf(summary, summary_bytes, "%zu node%s, %zu path%s, %zu rule%s%s%s",
                   rules->n_nodes, plural(rules->n_nodes), rules->n_listens,
                   plural(rules->n_listens), rules->n_rules, plural(rules->n_rules),
                   in_kernel ? ", intercept: " : "",
                   in_kernel ? rule_intercept_name(rules->intercept) : "");
    rules_destroy(rules);
}

#ifdef NETSPLIT_PROXY_ONLY
static void check_left_out(const char *name, const char *text, size_t length,
                           struct diag *diag, char *summary, size_t summary_bytes)
{
    struct source source = {name, text, length};
    struct mark whole = {.source = &source};
    (void)summary, (void)summary_bytes;
    diag_lacking(diag, &whole,
                 "this program was built with PROXY_ONLY=1, which leaves out drills "
                 "and what reads their files");
}

/* Rule files hold no secrets. */
static void print_diagnostics(const struct diag *diag)
{
    struct buffer out = {.text = NULL};
    diag_render(diag, term_wants_colour(stderr), &out);
    fputs(buffer_text(&out), stderr);
    buffer_close(&out);
}

static const struct kind kinds[] = {
    {"rule file", "netsplit", NULL, check_rules},
    {"cluster file", "cluster", NULL, check_left_out},
    {"playbook", NULL, ".md", check_left_out},
};
#else
static void check_cluster(const char *name, const char *text, size_t length,
                          struct diag *diag, char *summary, size_t summary_bytes)
{
    struct cluster *cluster = cluster_parse(name, text, length, diag);
    if (!cluster)
        return; /* diag says why */
    (void)snprintf(summary, summary_bytes, "%zu node%s, %zu mode%s", cluster->n_nodes,
                   plural(cluster->n_nodes), cluster->n_modes,
                   plural(cluster->n_modes));
    cluster_destroy(cluster);
}

static void check_playbook(const char *name, const char *text, size_t length,
                           struct diag *diag, char *summary, size_t summary_bytes)
{
    struct cluster *cluster = playbook_load_cluster(name, text, length, NULL, diag);
    struct playbook *playbook = playbook_parse(name, text, length, cluster, NULL, diag);
    if (playbook && cluster)
        (void)snprintf(summary, summary_bytes,
                       "%zu step%s, %zu mode%s of the cluster %s", playbook->n_steps,
                       plural(playbook->n_steps), playbook->n_modes,
                       plural(playbook->n_modes), cluster->name);
    playbook_destroy(playbook);
    cluster_destroy(cluster);
}

static void print_diagnostics(const struct diag *diag)
{
    struct redact *secrets = redact_create();
    redact_print_diag(secrets, diag, stderr);
    redact_destroy(secrets);
}

static const struct kind kinds[] = {
    {"rule file", "netsplit", NULL, check_rules},
    {"cluster file", "cluster", NULL, check_cluster},
    {"playbook", NULL, ".md", check_playbook},
};
#endif
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), n = strlen(ending);
    return length >= n && strcmp(name + length - n, ending) == 0;
}

/* The row whose key stands at the beginning of the line, or NULL. */
static const struct kind *kind_of_line(const char *line, size_t length)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = kinds[i].key ? strlen(kinds[i].key) : 0;
        if (n > 0 && length > n && line[n] == ':' && memcmp(line, kinds[i].key, n) == 0)
            return &kinds[i];
    }
    return NULL;
}

static const struct kind *recognise(const char *name, const char *text, size_t length)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].ending && ends_with(name, kinds[i].ending))
            return &kinds[i];
    const char *end = text + length;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        size_t line_length = (size_t)((line_end ? line_end : end) - text);
        const struct kind *kind = kind_of_line(text, line_length);
        if (kind)
            return kind;
        text += line_length + 1;
    }
    return &kinds[0];
}

/* The whole file into text. Returns 0 or a negative errno. */
static int read_file(const char *path, struct buffer *text)
{
    char chunk[16384];
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    if (!file)
        return -errno;
    size_t n = 0;
    while (text->length <= YAML_LONGEST &&
           (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_add(text, chunk, n);
    int err = ferror(file) ? -errno : text->out_of_memory ? -ENOMEM : 0;
    if (!is_stdin)
        (void)fclose(file); /* it was only read */
    return err;
}

static void print_count(const char *name, size_t errors, size_t warnings)
{
    fprintf(stderr, "%s: %zu error%s", name, errors, plural(errors));
    if (warnings > 0)
        fprintf(stderr, ", %zu warning%s", warnings, plural(warnings));
    fputs("\n", stderr);
}

static enum exit_status judge(const struct diag *diag)
{
    int status = diag_status(diag);
    if (status == 0)
        return EXIT_DONE;
    return status == -ENOTSUP ? EXIT_ENVIRONMENT : EXIT_USAGE;
}

static enum exit_status check_file(const char *path)
{
    struct buffer text = {.text = NULL};
    char summary[128] = "";
    int err = read_file(path, &text);
    if (err) {
        fprintf(stderr, "netsplit check: %s: %s\n", path, strerror(-err));
        buffer_close(&text);
        return EXIT_USAGE;
    }
    struct diag diag;
    diag_init(&diag, NULL);
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    const struct kind *kind = recognise(name, buffer_text(&text), text.length);
    kind->check(name, buffer_text(&text), text.length, &diag, summary, sizeof summary);
    print_diagnostics(&diag);
    enum exit_status status = judge(&diag);
    if (status == EXIT_DONE)
        printf("%s: good %s: %s\n", name, kind->what, summary);
    else
        print_count(name, diag.n_errors + diag.n_lacking, diag.n_warnings);
    diag_close(&diag);
    buffer_close(&text);
    return status;
}

/* Bad input is worse than a lack, and a lack worse than nothing. */
static enum exit_status worse(enum exit_status a, enum exit_status b)
{
    if (a == EXIT_DONE || b == EXIT_USAGE)
        return b;
    return a;
}

int cmd_check(int argc, char **argv)
{
    static const struct option_row rows[] = {{.name = NULL}};
    static const struct option_command command = {
        "check", "FILE...",
        "Checks rule files, cluster files and playbooks; \"-\" is standard input. All\n"
        "that is wrong is told at once, with the place and what to write instead.\n"
        "Exits with 0 if everything is good, 2 if something is wrong, and 3 if a file\n"
        "is right but asks for what this program or this machine lacks.",
        rows};
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest == argc)
        return option_complain(&command, "which file?");
    enum exit_status status = EXIT_DONE;
    for (int i = rest; i < argc; i++)
        status = worse(status, check_file(argv[i]));
    return (int)status;
}

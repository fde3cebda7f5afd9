/* SPDX-License-Identifier: MIT */
/* The files are templates (*.yaml, playbook.md beside this file) with gaps; what goes
 * into a gap and is longer than a word is made here.
 *
 * Only servers that can be nodes are nodes: the files must do as they are. The others
 * are comments with the reason, to be filled in. What came from a server is printable
 * ASCII (survey.h), so that it cannot end a comment; what a user gave is quoted. */
#include "scenarios/init/texts.h"

#include "rules/language/parse.h"
#include "scenarios/init/fill.h"
#include "scenarios/playbook/playbook.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

extern const char init_rules_yaml[], init_playbook_md[];

static const char *const names[TEXT_COUNT] = {"cluster.yaml", "rules.yaml",
                                              "playbook.md"};

const char *texts_name(enum text text)
{
    return names[text];
}

bool texts_exec_is_good(const char *exec)
{
    for (const char *at = exec; (at = strchr(at, '%')); at += 2)
        if (!at[1] || !strchr("hn%", at[1]))
            return false;
    return true;
}

size_t texts_count_nodes(const struct survey *survey)
{
    size_t n = 0;
    for (size_t i = 0; i < survey->n; i++)
        n += !survey->servers[i].unfit;
    return n;
}

/* 'it''s': a text as YAML, whatever is in it. */
static void add_quoted(struct buffer *out, const char *text)
{
    buffer_add(out, "'", 1);
    for (; *text; text++)
        buffer_print(out, *text == '\'' ? "''" : "%c", *text);
    buffer_add(out, "'", 1);
}

static void add_exec(struct buffer *out, const char *exec,
                     const struct survey_server *server)
{
    struct buffer text = {.text = NULL};
    for (const char *at = exec; *at; at++) {
        const char *host = server->host ? server->host : server->address;
        if (*at != '%')
            buffer_add(&text, at, 1);
        else if (*++at == 'h')
            buffer_print(&text, "%s", host);
        else
            buffer_print(&text, "%s", *at == 'n' ? server->name : "%");
    }
    buffer_print(out, ", exec: ");
    add_quoted(out, buffer_text(&text));
    buffer_close(&text);
}

/* "10.0.0.1", and an IPv6 address in quotes, for YAML takes its colons for a key's. */
static void add_address(struct buffer *out, const char *address)
{
    buffer_print(out, strchr(address, ':') ? "\"%s\"" : "%s", address);
}

static void add_server(struct buffer *out, const struct survey_server *server,
                       const char *exec)
{
    buffer_print(out, "%s: { address: ", server->name);
    add_address(out, server->address);
    if (server->port)
        buffer_print(out, ", ports: [%u]", (unsigned)server->port);
    else
        buffer_print(out, ", ports: [PORT]");
    if (exec)
        add_exec(out, exec, server);
    buffer_print(out, " }");
}

/* "primary, db1.internal", "standby, synchronous" */
static void add_remark(struct buffer *out, const struct survey *survey, size_t i)
{
    const struct survey_server *server = &survey->servers[i];
    buffer_print(out, "  # %s", i == 0 ? "primary" : survey->row->replica);
    if (server->state)
        buffer_print(out, ", %s", server->state);
    if (server->host)
        buffer_print(out, ", %s", server->host);
}

static void add_missing(struct buffer *out, const struct survey *survey, size_t i,
                        const char *exec)
{
    struct survey_server server = survey->servers[i];
    buffer_print(out,
                 "  # FILL IN: one more %s%s%s%s%s. Why it is no node yet:\n  # %s\n",
                 survey->row->replica, server.title ? ", " : "",
                 server.title ? server.title : "", server.state ? ", " : "",
                 server.state ? server.state : "", server.unfit);
    if (!server.address)
        server.address = "ADDRESS";
    buffer_print(out, "  # ");
    add_server(out, &server, exec);
    buffer_print(out, "\n");
}

static void add_nodes(struct buffer *out, const struct survey *survey, const char *exec)
{
    for (size_t i = 0; i < survey->n; i++) {
        if (survey->servers[i].unfit) {
            add_missing(out, survey, i, exec);
            continue;
        }
        buffer_print(out, "  ");
        add_server(out, &survey->servers[i], exec);
        add_remark(out, survey, i);
        buffer_print(out, "\n");
    }
}

/* The same for a rule file: no commands there, and nothing to fill in. */
static void add_targets(struct buffer *out, const struct survey *survey)
{
    for (size_t i = 0; i < survey->n; i++) {
        if (survey->servers[i].unfit)
            continue;
        buffer_print(out, "  ");
        add_server(out, &survey->servers[i], NULL);
        buffer_print(out, "\n");
    }
}

static void add_path(struct buffer *out, const char *name, const char *from,
                     const char *to)
{
    buffer_print(out, "  - { name: %s, address: \"127.0.0.1:0\", from: %s, to: %s }\n",
                 name, from, to);
}

static void add_paths(struct buffer *out, const struct survey *survey)
{
    const struct survey_server *servers = survey->servers;
    bool said = false;
    for (size_t i = 0; i < survey->n; i++)
        if (!servers[i].unfit)
            add_path(out, servers[i].name, "app", servers[i].name);
    for (size_t i = 1; i < survey->n; i++) {
        char name[80];
        if (servers[i].unfit)
            continue;
        if (!said)
            buffer_print(out,
                         "  # How a %s reaches the primary: nothing passes here until "
                         "it is told\n  # to come this way.\n",
                         survey->row->replica);
        said = true;
        (void)snprintf(name, sizeof name, "%s-to-%s", servers[i].name, servers[0].name);
        add_path(out, name, servers[i].name, servers[0].name);
    }
}

/* name=value of a conninfo text; value in quotes if it has anything special. */
static void add_setting(struct buffer *out, const char *name, const char *value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-.";
    bool is_plain = *value && strspn(value, plain) == strlen(value);
    buffer_print(out, "%s%s=", out->length ? " " : "", name);
    if (is_plain) {
        buffer_print(out, "%s", value);
        return;
    }
    buffer_add(out, "'", 1);
    for (; *value; value++)
        buffer_print(out, *value == '\'' || *value == '\\' ? "\\%c" : "%c", *value);
    buffer_add(out, "'", 1);
}

static void add_conninfo(struct buffer *out, const struct survey *survey)
{
    struct buffer text = {.text = NULL};
    if (survey->user)
        add_setting(&text, "user", survey->user);
    if (survey->database)
        add_setting(&text, "dbname", survey->database);
    if (survey->needs_tls)
        add_setting(&text, "sslmode", "require");
    add_quoted(out, buffer_text(&text));
    buffer_close(&text);
}

static void add_about(struct buffer *out, const struct survey *survey)
{
    if (texts_count_nodes(survey) > 1)
        buffer_print(out,
                     "Reads go to all nodes in turn: the report also says how far the "
                     "answers of a\n%s were behind.",
                     survey->row->replica);
    else
        buffer_print(
            out,
            "There is one node in the cluster file, so this drill says nothing "
            "of %s:\nnot how far they lag, and not what a failover loses.",
            survey->row->replicas);
}

enum { GAPS_MADE = 6 };

/* Gaps that are filled by a function; the others are words. */
static void make_gaps(const struct texts_options *options, struct buffer *made,
                      struct fill_word *words)
{
    static const char *const gap_names[GAPS_MADE] = {"NODES", "TARGETS",  "PATHS",
                                                     "USER",  "DATABASE", "CONNINFO"};
    const struct survey *survey = options->survey;
    add_nodes(&made[0], survey, options->exec);
    add_targets(&made[1], survey);
    add_paths(&made[2], survey);
    add_quoted(&made[3], survey->user ? survey->user : "");
    add_quoted(&made[4], survey->database ? survey->database : "");
    add_conninfo(&made[5], survey);
    for (size_t i = 0; i < GAPS_MADE; i++) {
        size_t n = made[i].length;
        if (n > 0 && made[i].text[n - 1] == '\n')
            buffer_cut(&made[i], n - 1); /* the template has it */
        words[i] = (struct fill_word){gap_names[i], buffer_text(&made[i])};
    }
}

void texts_make(const struct texts_options *options, struct texts *out)
{
    const struct survey *survey = options->survey;
    const struct survey_row *row = survey->row;
    struct buffer made[GAPS_MADE] = {{.text = NULL}}, about = {.text = NULL};
    struct fill_word words[GAPS_MADE + 9];
    make_gaps(options, made, words);
    add_about(&about, survey);
    const struct fill_word more[] = {
        {"NAME", options->name},
        {"DIRECTORY", options->directory},
        {"COMMAND", options->command},
        {"TIME", options->time},
        {"VERSION", survey->version ? survey->version : "(no version)"},
        {"SETTING", survey->setting ? survey->setting : "(not shown)"},
        {"PRIMARY", survey->servers[0].name},
        {"NEEDS", options->exec ? "[]" : row->program},
        {"ABOUT", buffer_text(&about)},
    };
    memcpy(words + GAPS_MADE, more, sizeof more);
    size_t n = sizeof words / sizeof *words;
    *out = (struct texts){{{.text = NULL}}};
    fill(&out->of[TEXT_CLUSTER], row->cluster, words, n);
    fill(&out->of[TEXT_RULES], init_rules_yaml, words, n);
    fill(&out->of[TEXT_PLAYBOOK], init_playbook_md, words, n);
    for (size_t i = 0; i < GAPS_MADE; i++)
        buffer_close(&made[i]);
    buffer_close(&about);
}

void texts_close(struct texts *texts)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        buffer_close(&texts->of[i]);
}

void texts_check(const struct texts *texts, struct diag *diag)
{
    const struct buffer *of = texts->of;
    struct rules *rules = NULL;
    struct cluster *cluster =
        cluster_parse(names[TEXT_CLUSTER], buffer_text(&of[TEXT_CLUSTER]),
                      of[TEXT_CLUSTER].length, diag);
    struct playbook *playbook =
        playbook_parse(names[TEXT_PLAYBOOK], buffer_text(&of[TEXT_PLAYBOOK]),
                       of[TEXT_PLAYBOOK].length, cluster, NULL, diag);
    if (parse_file(names[TEXT_RULES], buffer_text(&of[TEXT_RULES]),
                   of[TEXT_RULES].length, NULL, diag, &rules) == 0)
        rules_destroy(rules);
    playbook_destroy(playbook);
    cluster_destroy(cluster);
}

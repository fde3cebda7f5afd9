/* SPDX-License-Identifier: MIT */
/* netsplit init: asks a system that runs what it is, and writes what a first drill of
 * it needs. The asking is init/survey.c, the texts are init/texts.c; here are the words
 * of the user, what is said to them, and the order of it: what can be known to be wrong
 * is told before anybody is asked, and the first file is written when all are made. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/table.h"
#include "proxy/base/term.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/nearest.h"
#include "scenarios/init/files.h"
#include "scenarios/init/survey.h"
#include "scenarios/init/texts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_init(int argc, char **argv);

enum { SYSTEMS_MAX = 8 };

struct call {
    const struct option_command *command;
    const struct survey_row *row;
    const char *user, *database, *exec, *directory, *name;
    bool force;
    char *command_line;  /* owned: as the user gave it */
    char *own_name;      /* owned, or NULL */
    char *own_directory; /* owned, or NULL */
};

static const struct survey_row *find_row(const struct option_command *command,
                                         const char *word)
{
    const char *names[SYSTEMS_MAX];
    size_t n = 0;
    for (; n < SYSTEMS_MAX && survey_row(n); n++) {
        names[n] = survey_row(n)->name;
        if (strcmp(names[n], word) == 0)
            return survey_row(n);
    }
    const char *near = nearest_word(word, names, n);
    if (near)
        (void)option_complain(command, "unknown system \"%s\"; did you mean \"%s\"?",
                              word, near);
    else
        (void)option_complain(command,
                              "unknown system \"%s\"; there are postgres and "
                              "redis",
                              word);
    return NULL;
}

/* The word as a shell would have to be given it; owned by the caller. */
static char *quote(const char *word)
{
    if (*word && !strpbrk(word, " \t\n'\"\\$`&;|<>()*?[]#~!{}"))
        return xstrdup(word);
    struct buffer text = {.text = NULL};
    for (const char *at = word; *at; at++)
        buffer_print(&text, *at == '\'' ? "'\\''" : "%c", *at);
    char *quoted = xasprintf("'%s'", buffer_text(&text));
    buffer_close(&text);
    return quoted;
}

/* The words as they were given, in one line of printable ASCII. */
static char *join_words(int argc, char **argv)
{
    char *line = xstrdup("netsplit");
    for (int i = 0; i < argc; i++) {
        char *word = quote(argv[i]);
        char *longer = xasprintf("%s %s", line, word);
        free(word);
        free(line);
        line = longer;
    }
    for (char *at = line; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    return line;
}

static bool is_name(const char *name)
{
    return isalnum((unsigned char)name[0]) && strlen(name) <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._-") == strlen(name);
}

/* What has a meaning of its own in the middle of a line must not be in any of them. */
static bool has_control(const char *text)
{
    for (; text && *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

static int check_words(const struct call *call)
{
    if (call->name && !is_name(call->name))
        return option_complain(call->command,
                               "--name is letters, digits, '.', '-' and '_'");
    if ((call->user || call->database) && !call->row->takes_user)
        return option_complain(call->command,
                               "--user and --database are of no use with %s: %s",
                               call->row->name, call->row->help);
    if (has_control(call->user) || has_control(call->database) ||
        has_control(call->exec) || has_control(call->directory))
        return option_complain(call->command,
                               "there is a control character in an option");
    if (call->exec && !texts_exec_is_good(call->exec))
        return option_complain(call->command, "in --exec %%h is the node's host, %%n "
                                              "its name, and %%%% a %%");
    return EXIT_DONE;
}

/* The name of what is at "db1.internal:5432" is db1; at a numeric address, and here, it
 * is the system's. */
static void choose_names(struct call *call, const char *address)
{
    size_t n = strcspn(address, ".:");
    const char *colon = strchr(address, ':');
    bool has_host =
        isalpha((unsigned char)address[0]) && !(colon && strchr(colon + 1, ':'));
    if (!call->name && has_host)
        call->name = call->own_name = xasprintf("%.*s", (int)n, address);
    if (!call->name || !is_name(call->name) || strcmp(call->name, "localhost") == 0)
        call->name = call->row->name;
    if (!call->directory)
        call->directory = call->own_directory = xasprintf("netsplit-%s", call->name);
}

static int fail(const struct call *call, int status, const struct errmsg *err)
{
    bool is_usage = status == -EINVAL || status == -EEXIST;
    fprintf(stderr, "netsplit init: %s\n", err->text);
    if (status == -EACCES)
        fprintf(stderr, "  %s\n", call->row->help);
    return is_usage ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static void print_servers(const struct survey *survey)
{
    static const char *const heads[] = {"node", "address", "role", "", NULL};
    struct table table;
    char where[80];
    table_init(&table, heads);
    for (size_t i = 0; i < survey->n; i++) {
        const struct survey_server *server = &survey->servers[i];
        table_add(&table, "%s", server->name);
        if (server->address && server->port)
            table_add(&table, "%s",
                      reach_print(server->address, server->port, where, sizeof where));
        else
            table_add(&table, "%s", server->address ? server->address : "?");
        table_add(&table, "%s", i == 0 ? "primary" : survey->row->replica);
        if (server->unfit)
            table_add(&table, "LEFT OUT: %s", server->unfit);
        else
            table_add(&table, "%s", server->state ? server->state : "");
    }
    table_print(&table, stdout, term_wants_colour(stdout));
}

static void print_found(const struct survey *survey)
{
    const struct survey_row *row = survey->row;
    printf("%s %s: %s\n", row->title, survey->version ? survey->version : "",
           survey->setting ? survey->setting : "");
    print_servers(survey);
    for (size_t i = 0; i < survey->n_notes; i++)
        printf("note: %s\n", survey->notes[i]);
    if (texts_count_nodes(survey) < survey->n)
        printf("note: what is LEFT OUT is a comment in cluster.yaml; if it can be "
               "reached, give its\n      address to netsplit init, too, behind the "
               "first\n");
    if (texts_count_nodes(survey) < 2)
        printf("note: with one node a drill cannot say how far %s lag, or what a "
               "failover loses\n",
               row->replicas);
}

static void print_next(const struct call *call)
{
    char *directory = quote(call->directory);
    printf("\nwritten, nothing else was changed: %s/cluster.yaml, rules.yaml, "
           "playbook.md\nnext:\n",
           directory);
    printf("  netsplit check %s/*\n", directory);
    printf("  netsplit preflight %s/cluster.yaml\n", directory);
    printf("  netsplit drill %s/playbook.md --dry-run\n", directory);
    printf("  netsplit drill %s/playbook.md --confirm %s\n", directory, call->name);
    free(directory);
}

/* What check would refuse is not written. */
static int write_texts(const struct call *call, const struct texts *texts)
{
    struct files_item items[TEXT_COUNT];
    struct errmsg err = {""};
    struct diag diag;
    diag_init(&diag, NULL);
    texts_check(texts, &diag);
    bool is_good = diag.n == 0;
    if (!is_good) {
        struct buffer out = {.text = NULL};
        diag_render(&diag, term_wants_colour(stderr), &out);
        fputs(buffer_text(&out), stderr);
        buffer_close(&out);
        errmsg_set(&err, "what was found makes no good files, so none is written");
    }
    diag_close(&diag);
    if (!is_good)
        return fail(call, -EINVAL, &err);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        items[i] =
            (struct files_item){texts_name((enum text)i), buffer_text(&texts->of[i])};
    int status = files_write(call->directory, call->force, items, TEXT_COUNT, &err);
    return status == 0 ? EXIT_DONE : fail(call, status, &err);
}

static int write_found(const struct call *call, const struct survey *survey)
{
    struct texts texts;
    char time[32];
    now_format_utc(now_wall_ns(), time, sizeof time);
    texts_make(&(struct texts_options){.survey = survey,
                                       .name = call->name,
                                       .directory = call->directory,
                                       .exec = call->exec,
                                       .command = call->command_line,
                                       .time = time},
               &texts);
    int status = write_texts(call, &texts);
    texts_close(&texts);
    if (status == EXIT_DONE) {
        print_found(survey);
        print_next(call);
    }
    return status;
}

static int init(struct call *call, const char *const *addresses, size_t n)
{
    struct survey survey = {.row = call->row,
                            .user = call->user,
                            .database = call->database,
                            .asked = STDERR_FILENO};
    struct errmsg err = {""};
    choose_names(call, addresses[0]);
    int status = files_check(call->directory, call->force, &err);
    if (status != 0)
        return fail(call, status, &err);
    status = survey_run(&survey, addresses, n, &err);
    status = status == 0 ? write_found(call, &survey) : fail(call, status, &err);
    survey_close(&survey);
    return status;
}

/* SYSTEM ADDRESS... */
static int start(struct call *call, char **words, int n)
{
    if (n == 0)
        return option_complain(call->command, "which system: postgres or redis?");
    call->row = find_row(call->command, words[0]);
    if (!call->row)
        return EXIT_USAGE;
    if (n == 1)
        return option_complain(call->command, "which address: HOST or HOST:PORT?");
    int status = check_words(call);
    if (status == EXIT_DONE)
        status = init(call, (const char *const *)words + 1, (size_t)n - 1);
    return status;
}

int cmd_init(int argc, char **argv)
{
    struct call call = {.row = NULL};
    const struct option_row rows[] = {
        {"user", 'U', OPTION_TEXT, &call.user, "USER",
         "as whom drills log in; as with psql unless given", 0, 0},
        {"database", 'd', OPTION_TEXT, &call.database, "DATABASE",
         "where drills make their schema; as with psql unless given", 0, 0},
        {"exec", 0, OPTION_TEXT, &call.exec, "COMMAND",
         "runs a shell on a node, as \"ssh -oBatchMode=yes -T %h\"; %h is its host, "
         "%n its name",
         0, 0},
        {"dir", 0, OPTION_TEXT, &call.directory, "DIR",
         "where the files go; netsplit-NAME unless given", 0, 0},
        {"name", 0, OPTION_TEXT, &call.name, "NAME",
         "what the cluster is called; the host's name, or the system's", 0, 0},
        {"force", 0, OPTION_FLAG, &call.force, NULL,
         "replace the files of an earlier init", 0, 0},
        {0},
    };
    const struct option_command command = {
        .name = "init",
        .usage = "postgres|redis ADDRESS... [OPTIONS]",
        .help =
            "Asks a system that runs what it consists of, and writes a cluster file,\n"
            "a rule file and a first playbook for it. The first ADDRESS (HOST or\n"
            "HOST:PORT) may be any server of it, further ones are those that the\n"
            "primary does not name. Nothing is changed in the system. Passwords come\n"
            "from PGPASSWORD, PGPASSFILE, PGSERVICE or REDISCLI_AUTH in the\n"
            "environment, and are written nowhere.\n\n"
            "Status: 0 done, 2 an address or a directory is wrong, 3 something cannot\n"
            "be reached, logged in to or written.",
        .rows = rows,
    };
    call.command = &command;
    call.command_line = join_words(argc, argv);
    int rest, status = option_begin(&command, argc, argv, false, &rest);
    if (status == OPTION_GOES_ON)
        status = start(&call, argv + rest, argc - rest);
    free(call.command_line);
    free(call.own_name);
    free(call.own_directory);
    return status;
}

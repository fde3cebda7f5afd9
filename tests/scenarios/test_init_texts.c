/* SPDX-License-Identifier: MIT */
/* The files that `netsplit init` writes, of systems that were made up: they are always
 * good, whatever users and servers are called. Two examples are kept to be looked at,
 * in tests/golden/init/; `make golden` rewrites them. */
#include "rules/diag.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/init/files.h"
#include "scenarios/init/texts.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(init_texts, .timeout = 20);

static struct survey survey;
static struct texts texts;

static struct survey_server *add(const char *name, const char *address, uint16_t port)
{
    struct survey_server *server = &survey.servers[survey.n++];
    *server = (struct survey_server){.address = address, .port = port};
    (void)snprintf(server->name, sizeof server->name, "%s", name);
    return server;
}

static void make(const char *exec)
{
    struct diag diag;
    struct buffer said = {.text = NULL};
    texts_make(&(struct texts_options){.survey = &survey,
                                       .name = "made-up",
                                       .directory = "dir",
                                       .exec = exec,
                                       .command = "netsplit init",
                                       .time = "2026-11-25T02:31:07Z"},
               &texts);
    diag_init(&diag, NULL);
    texts_check(&texts, &diag);
    diag_render(&diag, false, &said);
    cr_expect_eq(diag.n, 0, "%s", buffer_text(&said));
    buffer_close(&said);
    diag_close(&diag);
}

/* Compares the files with those of the example, or makes them these. */
static void check_golden(const char *example)
{
    const char *wish = getenv("NETSPLIT_GOLDEN");
    bool update = wish && strcmp(wish, "update") == 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        char path[128], wanted[16384] = "";
        const char *made = buffer_text(&texts.of[i]);
        (void)snprintf(path, sizeof path, "tests/golden/init/%s/%s", example,
                       texts_name((enum text)i));
        FILE *file = fopen(path, update ? "we" : "re");
        cr_assert_not_null(file, "%s", path);
        if (update)
            fputs(made, file);
        else
            wanted[fread(wanted, 1, sizeof wanted - 1, file)] = '\0';
        cr_assert_eq(fclose(file), 0);
        cr_expect(update || strcmp(made, wanted) == 0,
                  "%s is not what is made now; see `make golden`:\n%s", path, made);
    }
}

static struct cluster *read_cluster(void)
{
    struct diag diag;
    diag_init(&diag, NULL);
    struct cluster *cluster =
        cluster_parse("cluster.yaml", buffer_text(&texts.of[TEXT_CLUSTER]),
                      texts.of[TEXT_CLUSTER].length, &diag);
    cr_assert_not_null(cluster);
    diag_close(&diag);
    return cluster;
}

static void close_all(struct cluster *cluster)
{
    cluster_destroy(cluster);
    texts_close(&texts);
    survey_close(&survey);
}

static void expect_option(const char *conninfo, const char *keyword, const char *value)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    cr_assert_not_null(options, "%s", conninfo);
    for (const PQconninfoOption *at = options; at->keyword; at++)
        if (strcmp(at->keyword, keyword) == 0)
            cr_expect_str_eq(at->val ? at->val : "(none)", value);
    PQconninfoFree(options);
}

Test(init_texts, a_user_is_who_it_was_whatever_it_is_called)
{
    static const char *const names[] = {"drill",     "o'brien", "back\\slash",
                                        "two words", "#",       "d\xc3\xa9j\xc3\xa0",
                                        "a: b",      "@NAME@"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        survey = (struct survey){
            .row = &survey_postgres, .user = names[i], .database = names[i]};
        (void)add("n1", "10.0.0.1", 5432);
        make(NULL);
        struct cluster *cluster = read_cluster();
        expect_option(cluster->setting, "user", names[i]);
        expect_option(cluster->setting, "dbname", names[i]);
        cr_expect_str_eq(cluster->env.items[0].name, "PGUSER");
        cr_expect_str_eq(cluster->env.items[0].value, names[i]);
        close_all(cluster);
    }
}

Test(init_texts, addresses_of_ipv6_and_commands_are_quoted)
{
    survey = (struct survey){.row = &survey_redis};
    (void)add("n1", "::1", 6379);
    add("n2", "fd00::2", 6380)->host = "r2.internal";
    make("sh -c 'ssh %h' # %n 100%%");
    struct cluster *cluster = read_cluster();
    cr_expect_str_eq(cluster->places[0].address, "::1");
    cr_expect_str_eq(cluster->places[0].exec, "sh -c 'ssh ::1' # n1 100%");
    cr_expect_str_eq(cluster->places[1].exec, "sh -c 'ssh r2.internal' # n2 100%");
    close_all(cluster);
}

Test(init_texts, what_a_server_says_cannot_end_a_comment)
{
    survey = (struct survey){.row = &survey_redis};
    arena_init(&survey.arena, NULL);
    survey.setting = survey_keep(&survey, "a\nnodes: { bad: 1 }\n\xff\t");
    survey.version = survey_keep(&survey, "7\r\n---");
    (void)add("n1", "10.0.0.1", 6379);
    add("n2", "10.0.0.2", 0)->unfit = survey_keep(&survey, "it\nis: away");
    make(NULL);
    struct cluster *cluster = read_cluster();
    cr_expect_eq(cluster->n_nodes, 1);
    cr_expect(strstr(buffer_text(&texts.of[TEXT_CLUSTER]), "  # it?is: away\n"));
    close_all(cluster);
}

Test(init_texts, a_command_has_no_other_gaps_than_those_known)
{
    cr_expect(texts_exec_is_good("ssh -T %h"));
    cr_expect(texts_exec_is_good("docker exec -i %n"));
    cr_expect(texts_exec_is_good("100%%"));
    cr_expect_not(texts_exec_is_good("ssh %H"));
    cr_expect_not(texts_exec_is_good("ssh %"));
}

static void survey_three_of_postgres(void)
{
    survey = (struct survey){
        .row = &survey_postgres,
        .user = "drill",
        .database = "app",
        .version = "15.14",
        .setting = "synchronous_standby_names = 'ANY 1 (*)', synchronous_commit = on"};
    add("db1", "10.0.0.1", 5432)->host = "db1.internal";
    add("db2", "10.0.0.2", 5433)->state = "quorum";
    struct survey_server *missing = add("reports", "10.0.0.3", 0);
    missing->title = "reports";
    missing->state = "asynchronous";
    missing->unfit = "10.0.0.3:5432: the connection is refused: nothing listens there";
}

/* What the last lines of the file say when somebody takes the # away. */
Test(init_texts, the_mode_that_is_a_comment_is_right)
{
    struct diag diag;
    struct buffer text = {.text = NULL};
    survey_three_of_postgres();
    make(NULL);
    const char *whole = buffer_text(&texts.of[TEXT_CLUSTER]);
    const char *modes = strstr(whole, "# modes:\n");
    cr_assert_not_null(modes);
    buffer_add(&text, whole, (size_t)(modes - whole));
    for (const char *line = modes; *line; line = strchr(line, '\n') + 1) {
        cr_assert_eq(strncmp(line, "# ", 2), 0, "%s", line);
        buffer_add(&text, line + 2, strcspn(line, "\n") - 1);
    }
    diag_init(&diag, NULL);
    struct cluster *cluster =
        cluster_parse("cluster.yaml", buffer_text(&text), text.length, &diag);
    cr_assert_not_null(cluster);
    cr_expect_eq(diag.n, 0);
    cr_expect_not_null(cluster_find_mode(cluster, "sync"));
    diag_close(&diag);
    buffer_close(&text);
    close_all(cluster);
}

Test(init_texts, examples_are_answered_to_the_letter)
{
    survey_three_of_postgres();
    make("ssh -oBatchMode=yes -T %h");
    check_golden("postgres");
    close_all(NULL);
    survey = (struct survey){.row = &survey_redis,
                             .version = "7.0.15",
                             .setting = "min-replicas-to-write = 0"};
    (void)add("n1", "fd00::1", 6379);
    make(NULL);
    check_golden("redis");
    close_all(NULL);
}

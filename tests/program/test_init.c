/* SPDX-License-Identifier: MIT */
/* `netsplit init` on real servers that it has not started: what it writes is checked by
 * the program itself, started and drilled as it is. A password and what only looks like
 * one (the canary) must be in no file and in nothing that is told. */
#include "tests/lib/own_names.h"
#include "tests/lib/postgres_pair.h"
#include "tests/lib/server_process.h"
#include "theirs.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct theirs theirs;
/* In every test, with whatever servers; nothing of it is drilled as it is. */
static struct drill_fixture *const drill = &theirs.drill;

#define CANARY "CANARY-4711"

/* netsplit WORDS by a shell's rules for blanks, in the fixture's directory. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    static char line[1024];
    const char *words[24] = {NULL};
    char *rest = NULL;
    size_t n = 0;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *word = strtok_r(line, " ", &rest); word && n < 23;
         word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    drill_spawn(drill, words);
    return drill_wait(drill);
}

static const char *read_made(const char *name)
{
    static char text[32768];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill->dir, name);
    FILE *from = fopen(path, "re");
    text[0] = '\0';
    if (!from)
        return text;
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from); /* it was only read */
    return text;
}

/* Entries of the directory whose name begins so. */
static size_t count_made(const char *beginning)
{
    size_t n = 0;
    DIR *open = opendir(drill->dir);
    cr_assert_not_null(open);
    for (struct dirent *at = readdir(open); at; at = readdir(open))
        n += strncmp(at->d_name, beginning, strlen(beginning)) == 0;
    (void)closedir(open); /* it was only read */
    return n;
}

static void expect_told(const char *text)
{
    cr_expect(strstr(drill->told, text), "\"%s\" is missing in:\n%s", text,
              drill->told);
}

static void expect_in(const char *name, const char *text)
{
    cr_expect(strstr(read_made(name), text), "\"%s\" is missing in %s:\n%s", text, name,
              read_made(name));
}

/* No error, no warning, and nothing secret. */
static void expect_good(const char *directory)
{
    char command[512];
    cr_expect_eq(run("check %s/cluster.yaml %s/rules.yaml %s/playbook.md", directory,
                     directory, directory),
                 0, "%s", drill->told);
    cr_expect_not(strstr(drill->told, "warning"), "%s", drill->told);
    (void)snprintf(command, sizeof command, "grep -r '" CANARY "' '%s/%s'", drill->dir,
                   directory);
    cr_expect_neq(system(command), 0, "the canary is in a file");
}

/* The playbook that was made passes, in less time than it takes by itself. */
static void expect_passes(const char *directory, const char *name)
{
    int status = run("drill %s/playbook.md --confirm %s --set BEFORE=1s --set SLOW=1s "
                     "--set SILENT=2300ms --set AFTER=300ms --seed 7",
                     directory, name);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    expect_told("PASS");
    cr_expect_not(strstr(drill->told, CANARY), "%s", drill->told);
}

static void open_bare(void)
{
    drill_open(drill, "", "");
}

static unsigned port_of(size_t server)
{
    return theirs.servers[server].port;
}

static void open_redis(void)
{
    theirs_open(&theirs, "staging", "", "");
    cr_assert_str_eq(theirs_ask(&theirs, 0, "SET there 1"), "OK");
}

Test(init, redis_is_found_from_a_replica_and_its_playbook_passes, .timeout = 120)
{
    open_redis();
    cr_expect_eq(run("init redis 127.0.0.1:%u", port_of(1)), 0, "%s", drill->told);
    expect_told("netsplit check netsplit-redis/*");
    expect_told("--confirm redis");
    expect_in("netsplit-redis/cluster.yaml", "# primary\n");
    expect_in("netsplit-redis/cluster.yaml", "# replica, asynchronous\n");
    expect_in("netsplit-redis/cluster.yaml", "environment: production\n");
    expect_good("netsplit-redis");
    expect_passes("netsplit-redis", "redis");
    cr_expect_str_eq(theirs_ask(&theirs, 0, "DBSIZE"), "1", "its own key is all");
    theirs_close(&theirs);
}

Test(init, the_rule_file_starts_a_proxy_at_once, .timeout = 60)
{
    static const char *const words[] = {"proxy", "-f", "netsplit-redis/rules.yaml",
                                        NULL};
    open_redis();
    cr_expect_eq(run("init redis 127.0.0.1:%u", port_of(0)), 0, "%s", drill->told);
    drill_spawn(drill, words);
    cr_assert(drill_await(drill, "control="), "%s", drill->told);
    expect_told("ready n1=127.0.0.1:");
    expect_told(" n2=127.0.0.1:");
    expect_told(" n2-to-n1=127.0.0.1:");
    cr_expect_eq(kill(drill->pid, SIGTERM), 0);
    (void)drill_wait(drill); /* it dies of the signal */
    theirs_close(&theirs);
}

Test(init, a_password_is_used_and_written_nowhere, .timeout = 60)
{
    open_redis();
    (void)theirs_ask(&theirs, 0, "CONFIG SET requirepass " CANARY);
    cr_expect_eq(run("init redis 127.0.0.1:%u", port_of(0)), 3);
    expect_told("NOAUTH Authentication required.");
    expect_told("REDISCLI_AUTH");
    cr_expect_eq(count_made("netsplit-"), 0);
    (void)setenv("REDISCLI_AUTH", CANARY, 1);
    cr_expect_eq(run("init redis 127.0.0.1:%u", port_of(0)), 0, "%s", drill->told);
    cr_expect_not(strstr(drill->told, CANARY), "%s", drill->told);
    expect_good("netsplit-redis");
    (void)theirs_ask(&theirs, 0, "CONFIG SET requirepass ''"); /* logged in by it */
    (void)unsetenv("REDISCLI_AUTH");
    theirs_close(&theirs);
}

Test(init, one_node_is_enough_and_what_it_cannot_show_is_said, .timeout = 60)
{
    struct server_process server;
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    open_bare();
    cr_expect_eq(run("init redis 127.0.0.1:%u --name alone", server.port), 0, "%s",
                 drill->told);
    expect_told("with one node a drill cannot say");
    expect_in("netsplit-alone/playbook.md", "this drill says nothing of replicas");
    expect_good("netsplit-alone");
    cr_expect_eq(run("init postgres 127.0.0.1:%u", server.port), 2);
    expect_told("is Redis, not PostgreSQL: netsplit init redis 127.0.0.1:");
    drill_finish(drill);
    server_process_close(&server);
}

Test(init, postgres_is_found_from_a_standby_and_its_playbook_passes, .timeout = 120)
{
    struct postgres_pair pair;
    if (!postgres_pair_open(&pair, "Standby.2", "password=" CANARY))
        cr_skip_test("PostgreSQL is not installed");
    open_bare();
    (void)setenv("PGPASSWORD", CANARY, 1);
    cr_expect_eq(
        run("init postgres 127.0.0.1:%u --user drill --database postgres --name pg "
            "--dir made",
            pair.standby.port),
        0, "%s", drill->told);
    cr_expect_not(strstr(drill->told, CANARY), "%s", drill->told);
    expect_told("synchronous_standby_names = ''");
    expect_in("made/cluster.yaml",
              "driver: { postgres: 'user=drill dbname=postgres' }");
    expect_in("made/cluster.yaml", "standby: { address: 127.0.0.1");
    expect_good("made");
    expect_passes("made", "pg");
    cr_expect_str_eq(postgres_pair_ask(&pair.primary,
                                       "select count(*) from pg_namespace where "
                                       "nspname = 'netsplit_drill'"),
                     "0");
    drill_finish(drill);
    postgres_pair_close(&pair);
}

Test(init, a_standby_at_an_unknown_port_is_a_place_to_fill_in, .timeout = 60)
{
    struct postgres_pair pair;
    if (!postgres_pair_open(&pair, "far", ""))
        cr_skip_test("PostgreSQL is not installed");
    open_bare();
    (void)setenv("PGUSER", "drill", 1);
    (void)setenv("PGDATABASE", "postgres", 1);
    cr_expect_eq(run("init postgres 127.0.0.1:%u --dir one", pair.primary.port), 0,
                 "%s", drill->told);
    expect_told("LEFT OUT");
    expect_in("one/cluster.yaml", "# FILL IN: one more standby, far, asynchronous");
    expect_in("one/cluster.yaml", "# far: { address: 127.0.0.1, ports: [PORT] }");
    expect_good("one");
    /* Told of the other one it finds both. */
    cr_expect_eq(run("init postgres 127.0.0.1:%u 127.0.0.1:%u --dir two --exec env",
                     pair.primary.port, pair.standby.port),
                 0, "%s", drill->told);
    expect_in("two/cluster.yaml", ", exec: 'env' }  # standby, asynchronous");
    expect_good("two");
    drill_finish(drill);
    postgres_pair_close(&pair);
}

Test(init, who_may_not_log_in_hears_the_server_s_words, .timeout = 60)
{
    struct server_process server;
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    open_bare();
    cr_expect_eq(run("init postgres 127.0.0.1:%u --user nobody-here", server.port), 3);
    expect_told("role \"nobody-here\" does not exist");
    expect_told("PGPASSWORD");
    cr_expect_eq(run("init redis 127.0.0.1:%u", server.port), 2);
    expect_told("is PostgreSQL, not Redis: netsplit init postgres 127.0.0.1:");
    cr_expect_eq(count_made("netsplit-"), 0, "nothing is written");
    drill_finish(drill);
    server_process_close(&server);
}

/* Sees no other's sessions and may make no schema, but reads settings. */
static void add_half_blind(const struct postgres_pair *pair)
{
    (void)postgres_pair_ask(&pair->primary, "revoke create on database postgres from "
                                            "public; create role half login in role "
                                            "pg_read_all_settings");
    for (int i = 0; i < 500; i++) {
        if (strcmp(postgres_pair_ask(
                       &pair->standby,
                       "select count(*) from pg_roles where rolname = 'half'"),
                   "1") == 0)
            return;
        (void)usleep(20000); /* to poll */
    }
    cr_assert_fail("the standby does not follow");
}

Test(init, what_a_user_may_not_do_or_see_is_said, .timeout = 60)
{
    struct postgres_pair pair;
    if (!postgres_pair_open(&pair, "n2", "password=" CANARY))
        cr_skip_test("PostgreSQL is not installed");
    open_bare();
    add_half_blind(&pair);
    cr_expect_eq(run("init postgres 127.0.0.1:%u --user half --database postgres",
                     pair.standby.port),
                 0, "%s", drill->told);
    expect_told("may not see who the standbys are: grant pg_monitor");
    expect_told("grant create on database postgres to half");
    cr_expect_not(strstr(drill->told, CANARY), "%s", drill->told);
    cr_expect_not(strstr(drill->told, "LEFT OUT"), "%s", drill->told);
    expect_good("netsplit-postgres");
    drill_finish(drill);
    postgres_pair_close(&pair);
}

/* Lets nobody in without TLS from here on. False: there is nothing to make a key with. */
static bool demand_tls(const struct server_process *server)
{
    char command[1024];
    (void)snprintf(command, sizeof command,
                   "command -v openssl >/dev/null && cd '%s/data' &&"
                   " openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
                   " -nodes -subj /CN=test -keyout server.key -out server.crt"
                   " 2>/dev/null && chown --reference=PG_VERSION server.* &&"
                   " chmod 600 server.key && echo ssl=on >> postgresql.conf &&"
                   " echo hostssl all all all trust > pg_hba.conf",
                   server->directory);
    if (system(command) != 0)
        return false;
    (void)postgres_pair_ask(server, "select pg_reload_conf()"); /* the last one */
    return true;
}

Test(init, a_server_that_demands_tls_is_asked_with_it, .timeout = 60)
{
    struct server_process server;
    int status = 0;
    if (!server_process_postgres(&server))
        cr_skip_test("PostgreSQL is not installed");
    open_bare();
    bool demands = demand_tls(&server);
    /* Until the server has read what it shall demand it may be asked without. */
    for (int i = 0; demands && i < 100; i++) {
        status = run("init postgres 127.0.0.1:%u --user drill --database postgres "
                     "--dir made --force",
                     server.port);
        if (status != 0 || strstr(drill->told, "need TLS"))
            break;
    }
    if (demands) {
        cr_expect_eq(status, 0, "%s", drill->told);
        expect_told("its connections need TLS");
        expect_in("made/cluster.yaml", "dbname=postgres sslmode=require' }");
        expect_good("made");
    }
    drill_finish(drill);
    server_process_close(&server);
    if (!demands)
        cr_skip_test("openssl is not installed");
}

Test(init, misspelt_words_are_met_before_anybody_is_asked)
{
    open_bare();
    cr_expect_eq(run("init postgrse 127.0.0.1"), 2);
    expect_told("did you mean \"postgres\"?");
    cr_expect_eq(run("init redis"), 2);
    expect_told("which address");
    cr_expect_eq(run("init redis 127.0.0.1:99999"), 2);
    expect_told("port 99999 is too large");
    cr_expect_eq(run("init redis 127.0.0.1 --exec ssh%%x"), 2);
    expect_told("%h is the node's host");
    cr_expect_eq(run("init redis 127.0.0.1 --name a/b"), 2);
    expect_told("--name is letters");
    cr_expect_eq(run("init redis 127.0.0.1 --user me"), 2);
    expect_told("of no use with redis");
    cr_expect_eq(run("init postgres postgres://me:" CANARY "@127.0.0.1/db"), 2);
    expect_told("without user, password and database");
    cr_expect_not(strstr(drill->told, CANARY), "%s", drill->told);
    cr_expect_eq(count_made("netsplit-"), 0);
    drill_finish(drill);
}

Test(init, a_server_that_is_not_there_is_named, .timeout = 60)
{
    open_bare();
    cr_expect_eq(run("init redis 127.0.0.1:1"), 3);
    expect_told("127.0.0.1:1: the connection is refused");
    cr_expect_eq(count_made("netsplit-"), 0);
    drill_finish(drill);
}

Test(init, a_host_s_name_is_resolved_and_kept_as_a_comment, .timeout = 60)
{
    struct server_process server;
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    open_bare();
    const char *lacks = own_names_enter(drill->dir);
    if (lacks) {
        drill_finish(drill);
        server_process_close(&server);
        cr_skip_test("%s", lacks);
    }
    own_names_set(drill->dir, "127.0.0.1 cache1.test\n");
    cr_expect_eq(run("init redis cache1.test:%u", server.port), 0, "%s", drill->told);
    expect_in("netsplit-cache1/cluster.yaml", "cache1: { address: 127.0.0.1, ");
    expect_in("netsplit-cache1/cluster.yaml", "# primary, cache1.test\n");
    expect_good("netsplit-cache1");
    cr_expect_eq(run("init redis cache2.test:%u", server.port), 3);
    expect_told("the host \"cache2.test\" is not found");
    drill_finish(drill);
    server_process_close(&server);
}

Test(init, what_is_there_is_replaced_by_force_only, .timeout = 60)
{
    struct server_process server;
    char path[512];
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    open_bare();
    (void)snprintf(path, sizeof path, "%s/mine", drill->dir);
    cr_assert_eq(mkdir(path, 0755), 0);
    cr_expect_eq(run("init redis 127.0.0.1:%u --dir mine", server.port), 0, "%s",
                 drill->told);
    (void)snprintf(path, sizeof path,
                   "cd '%s/mine' && echo own > cluster.yaml && echo own > other.md",
                   drill->dir);
    cr_assert_eq(system(path), 0);
    cr_expect_eq(run("init redis 127.0.0.1:%u --dir mine", server.port), 2);
    expect_told("mine is there already; --force replaces its files");
    cr_expect_str_eq(read_made("mine/cluster.yaml"), "own\n");
    cr_expect_eq(run("init redis 127.0.0.1:%u --dir mine --force", server.port), 0,
                 "%s", drill->told);
    expect_in("mine/cluster.yaml", "cluster: 1");
    cr_expect_str_eq(read_made("mine/other.md"), "own\n");
    cr_expect_eq(count_made("mine"), 1, "nothing is left beside it");
    drill_finish(drill);
    server_process_close(&server);
}

Test(init, a_directory_that_cannot_be_made_is_met_first, .timeout = 60)
{
    char path[512];
    if (geteuid() != 0)
        cr_skip_test("needs root, who can become somebody with fewer rights");
    open_bare();
    drill_become(drill, 65534);
    (void)snprintf(path, sizeof path, "%s/closed", drill->dir);
    cr_assert_eq(mkdir(path, 0755), 0);
    cr_expect_eq(run("init redis 127.0.0.1:1 --dir closed/made"), 3);
    expect_told("closed/made cannot be made in closed/: Permission denied");
    cr_expect_eq(run("init redis 127.0.0.1:1 --dir nowhere/made"), 3);
    expect_told("nowhere/made cannot be made in nowhere/: No such file or directory");
    cr_expect_not(strstr(drill->told, "asking"), "%s", drill->told);
    drill_finish(drill);
}

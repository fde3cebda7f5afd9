/* SPDX-License-Identifier: MIT */
/* A PostgreSQL primary, n1, and its streaming standby, n2, that somebody else runs: each
 * under a keeper of the test's, which starts it again for as long as the file `up` is
 * there, as a service manager would. `away` stands for ssh: it goes to the node's
 * directory, becomes its user, and hands on nothing of the environment. */
#include "drill_fixture.h"
#include "tests/lib/postgres_pair.h"
#include "tests/lib/proxy_process.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 1000, TRY_US = 20000 };

static struct drill_fixture drill;
static struct postgres_pair pair;
static struct proxy_process proxy;
static struct server_process *const nodes[2] = {&pair.primary, &pair.standby};

static void write_file(const char *directory, const char *name, const char *text,
                       mode_t mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to, "%s", path);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void await(size_t node, const char *sql, const char *wanted)
{
    for (int i = 0; i < TRIES; i++) {
        if (strcmp(postgres_pair_ask(nodes[node], sql), wanted) == 0)
            return;
        (void)usleep(TRY_US); /* to poll */
    }
    cr_assert_fail("%s is not %s", sql, wanted);
}

#define STREAMING "select count(*) from pg_stat_replication where state = 'streaming'"

/* What the drill connects as needs its password; everybody else is trusted. */
static void make_writer(void)
{
    for (size_t i = 0; i < 2; i++)
        run("sed -i '1i host all writer 127.0.0.1/32 scram-sha-256' "
            "%s/data/pg_hba.conf",
            nodes[i]->directory);
    (void)postgres_pair_ask(nodes[0], "create role writer login password 'two words'");
    (void)postgres_pair_ask(nodes[0], "grant create on database postgres to writer");
    (void)postgres_pair_ask(nodes[0], "create table theirs as select 1 as it");
}

static const char keeper[] =
    "while :; do\n"
    "  [ ! -e up ] || setpriv --pdeathsig QUIT \"$1/postgres\" -D data -h 127.0.0.1 "
    "-p \"$2\" -k '' -c fsync=off -c shared_buffers=8MB -c wal_log_hints=on "
    "-c wal_keep_size=64MB -c wal_retrieve_retry_interval=100ms >>log 2>&1 || :\n"
    "  sleep 0.05\ndone\n";

static void keep(struct server_process *node, const char *programs)
{
    char port[8];
    const char *const argv[] = {"sh", "-c", keeper, "keeper", programs, port, NULL};
    (void)snprintf(port, sizeof port, "%u", node->port);
    server_process_kill(node);
    run("cd %s && touch up && chown --reference=. up", node->directory);
    node->end_signal = SIGKILL;
    node->pid = server_process_run(node->directory, argv, true);
    run("for i in $(seq 1000); do pg_isready -q -h 127.0.0.1 -p %u && exit; sleep "
        "0.02; "
        "done; exit 1",
        node->port);
}

static void open_theirs(void)
{
    char programs[256];
    if (!server_process_find_postgres(programs, sizeof programs) ||
        !postgres_pair_open(&pair, "n2", ""))
        cr_skip_test("PostgreSQL is not installed");
    make_writer();
    keep(nodes[0], programs);
    keep(nodes[1], programs);
    await(0, STREAMING, "1");
}

/* The server is told to go, and the kernel sees to it when its keeper is gone. */
static void close_theirs(void)
{
    for (size_t i = 0; i < 2; i++) {
        run("cd %s && rm -f up && kill -QUIT $(head -n 1 data/postmaster.pid)",
            nodes[i]->directory);
        run("cd %s && while [ -e data/postmaster.pid ]; do sleep 0.02; done",
            nodes[i]->directory);
        server_process_close(nodes[i]);
    }
}

static void expect_untouched(size_t primary)
{
    cr_expect_str_eq(postgres_pair_ask(nodes[primary], "select it from theirs"), "1");
    cr_expect_str_eq(postgres_pair_ask(nodes[primary],
                                       "select string_agg(nspname, ',') from "
                                       "pg_namespace where nspname ~ 'drill'"),
                     "", "the schema is gone");
}

static const char cluster_head[] =
    "cluster: 1\nname: theirs\nenvironment: staging\n"
    "data: { schema: drilled, after: drop }\n"
    "env:\n"
    "  SQL: psql -XAtq -U drill -d postgres -h 127.0.0.1 -v ON_ERROR_STOP=1\n"
    "  STANDBY_SILENT: |\n"
    "    [ $($SQL -p $NODE_PORT -c \"select not exists (select from "
    "pg_stat_replication\n"
    "          where flush_lsn >= pg_current_wal_flush_lsn()\n"
    "             or reply_time > now() - interval '1s')\") = t ]\n"
    "role: |\n"
    "  $SQL -p $NODE_PORT -c \"select case when pg_is_in_recovery() then 'standby' "
    "else 'primary' end\"\n";

static const char commands[] =
    "commands:\n"
    "  ready: $SQL -p $NODE_PORT -c 'select 1'\n"
    "  kill: rm up; pg_ctl -D data stop -m immediate\n"
    "  start: touch up\n"
    "  pause: |\n"
    "    P=$(head -n 1 data/postmaster.pid); kill -STOP $P $(ps -o pid= --ppid $P)\n"
    "  resume: |\n"
    "    P=$(head -n 1 data/postmaster.pid); kill -CONT $(ps -o pid= --ppid $P) $P\n"
    "  promote: |\n"
    "    [ $($SQL -p $NODE_PORT -c 'select pg_promote(true, 20)') = t ]\n"
    "  rejoin: |\n"
    "    rm -f up; pg_ctl -D data stop -m fast\n"
    "    $SQL -p $N2_PORT -c checkpoint\n"
    "    pg_rewind -D data -R --no-sync --source-server=\"host=127.0.0.1 port=$N2_PORT "
    "user=drill dbname=postgres\"\n"
    "    echo \"primary_conninfo = 'host=127.0.0.1 port=$WAY_TO_N2 user=drill "
    "application_name=n1'\" >> data/postgresql.auto.conf\n"
    "    touch up\n"
    "modes:\n"
    "  sync:\n"
    "    enter: |\n"
    "      $SQL -p $NODE_PORT -c \"alter system set synchronous_standby_names = "
    "'n2'\"\n"
    "      $SQL -p $NODE_PORT -c 'select pg_reload_conf()'\n"
    "    check: |\n"
    "      $SQL -p $NODE_PORT -c \"select application_name || ' is ' || sync_state\n"
    "        from pg_stat_replication where sync_state = 'sync'\" | grep .\n"
    "    leave: |\n"
    "      $SQL -p $NODE_PORT -c 'alter system reset synchronous_standby_names'\n"
    "      $SQL -p $NODE_PORT -c 'select pg_reload_conf()'\n";

static void write_cluster(const char *driver)
{
    char text[8192];
    (void)snprintf(text, sizeof text,
                   "%sdriver: { postgres: \"%s\" }\nnodes:\n"
                   "  n1: { address: 127.0.0.1, ports: [%u], exec: ./away %s }\n"
                   "  n2: { address: 127.0.0.1, ports: [%u], exec: ./away %s }\n%s",
                   cluster_head, driver, nodes[0]->port, nodes[0]->directory,
                   nodes[1]->port, nodes[1]->directory, commands);
    write_file(drill.dir, "cluster.yaml", text, 0644);
    write_file(drill.dir, "away",
               "#!/bin/sh\n# DIRECTORY COMMAND...\ncd \"$1\"; shift\n"
               "PATH=$(echo /usr/lib/postgresql/*/bin):$PATH\n"
               "[ \"$(id -u)\" != 0 ] || set -- setpriv --reuid=nobody "
               "--regid=nogroup --clear-groups \"$@\"\n"
               "exec env -i PATH=\"$PATH\" \"$@\"\n",
               0755);
}

#define FRONT "control: none because nothing is lost here\nabort: { duration: 2m }\n"
#define RUN   "```yaml run\nfor: 700ms\n```\n"
#define HEAL                                                                           \
    "```yaml heal\n```\n```yaml wait\nuntil: ready\n```\n"                             \
    "```yaml wait\nuntil: writable\n```\n"

Test(drill_postgres, a_server_in_mode_sync_is_paused_and_killed_by_its_commands,
     .timeout = 180)
{
    open_theirs();
    cr_assert_eq(setenv("PGPASSWORD", "two words", 1), 0);
    drill_open(&drill, FRONT,
               "# Pause\n```yaml fault\npause: primary\n```\n" RUN HEAL
               "# Kill\n```yaml fault\nkill: n1\n```\n" RUN HEAL
               "```yaml expect\nall: { lost_writes: none, ghost_writes: none }\n```\n");
    write_cluster("user=writer dbname=postgres");
    int status = drill_run_whole(&drill, "sync");
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect_not(strstr(drill.told, "two words"));
    cr_expect(strstr(drill.told, "sync is n2 is sync"), "%s", drill.told);
    cr_expect_str_eq(postgres_pair_ask(nodes[0], "show synchronous_standby_names"), "",
                     "the mode is left");
    drill_finish(&drill);
    await(0, STREAMING, "1");
    expect_untouched(0);
    close_theirs();
}

#define RULES                                                                          \
    "netsplit: 1\nnodes:\n  n1: 127.0.0.1:%u\n  n2: 127.0.0.1:%u\n"                    \
    "  clients.n1:\n  clients.n2:\nlisten:\n"                                          \
    "  - { name: to-n1, address: \"127.0.0.1:0\", from: n2, to: n1 }\n"                \
    "  - { name: to-n2, address: \"127.0.0.1:0\", from: n1, to: n2 }\n"                \
    "  - { address: \"127.0.0.1:0\", from: clients.n1, to: n1 }\n"                     \
    "  - { address: \"127.0.0.1:0\", from: clients.n1, to: n2 }\n"                     \
    "  - { address: \"127.0.0.1:0\", from: clients.n2, to: n1 }\n"                     \
    "  - { address: \"127.0.0.1:0\", from: clients.n2, to: n2 }\n"

/* Replication passes a proxy of theirs. */
static void open_proxied(void)
{
    char text[256];
    open_theirs();
    proxy_process_open(&proxy);
    proxy_process_write_rules(&proxy, RULES, nodes[0]->port, nodes[1]->port);
    proxy_process_start(&proxy, (const char *const[]){NULL});
    (void)snprintf(text, sizeof text,
                   "alter system set primary_conninfo = 'host=127.0.0.1 port=%u "
                   "user=drill application_name=n2'",
                   proxy_process_port(&proxy, "to-n1"));
    (void)postgres_pair_ask(nodes[1], text);
    (void)postgres_pair_ask(nodes[1], "select pg_reload_conf()");
    await(1,
          "select sender_port = current_setting('port')::int from "
          "pg_stat_wal_receiver",
          "f");
    await(0, STREAMING, "1");
}

/* Its password stands in a service file that only the drill is told of. */
static void write_service(void)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/services", drill.dir);
    write_file(drill.dir, "services",
               "[drill]\nuser=writer\npassword=two words\ndbname=postgres\n", 0600);
    cr_assert_eq(setenv("PGSERVICEFILE", path, 1), 0);
}

/* As it ships, but that its runs take half a second each. */
static void write_playbook(void)
{
    run("sed 's/^for: [0-9]*s/for: 500ms/' playbooks/primary-cut-off.md > "
        "%s/playbook.md",
        drill.dir);
}

static void drill_cut_off(void)
{
    open_proxied();
    drill_open(&drill, "", "");
    write_playbook();
    write_service();
    write_cluster("service=drill");
    run("sed -i 's|^env:|control: %s\\nenv:\\n  WAY_TO_N2: \"%u\"|' %s/cluster.yaml",
        proxy.control, proxy_process_port(&proxy, "to-n2"), drill.dir);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told,
                     "n2 is the primary now; it was n1, and nothing moves it back"),
              "%s", drill.told);
    await(1, STREAMING, "1");
    expect_untouched(1);
}

static void close_proxied(void)
{
    drill_finish(&drill);
    close_theirs();
    (void)proxy_process_end(&proxy, SIGTERM);
    proxy_process_close(&proxy);
}

Test(drill_postgres, the_playbook_that_ships_runs_on_a_system_as_it_is, .timeout = 180)
{
    drill_cut_off();
    json_t *mode = drill_read_mode(&drill, "as-is");
    const json_t *measures = json_object_get(mode, "measures");
    cr_expect_gt(json_integer_value(json_object_get(measures, "lost_writes")), 0,
                 "replication was cut, and nobody waits for it");
    json_decref(mode);
    close_proxied();
}

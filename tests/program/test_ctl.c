/* SPDX-License-Identifier: MIT */
/* netsplit ctl and netsplit clean as processes, against a real netsplit proxy. */
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 16, TEXT_BYTES = 32768 };

static char dir[TEMPDIR_PATH_MAX];
static char base_path[TEMPDIR_PATH_MAX + 16];
static char overlay_path[TEMPDIR_PATH_MAX + 16];
static pid_t proxy;

static const char base_text[] = "netsplit: 1\n"
                                "nodes:\n"
                                "  n1: { address: 127.0.0.1, ports: [7101] }\n"
                                "  n2: { address: 127.0.0.1, ports: [7102] }\n"
                                "  n3: { address: 127.0.0.1, ports: [7103] }\n"
                                "listen:\n"
                                "  - { address: 127.0.0.1:0, from: n1, to: n2 }\n"
                                "  - { address: 127.0.0.1:0, from: n1, to: n3 }\n"
                                "  - { address: 127.0.0.1:0, from: n2, to: n3 }\n"
                                "rules:\n"
                                "  - name: slow\n"
                                "    match: { from: n1, to: n2 }\n"
                                "    inject: { delay: 40ms }\n";

/* A program that has ended, or still runs. */
struct program {
    pid_t pid;
    int status;                  /* exit status; 128 + signal */
    int out, err;                /* pipes from it */
    char said[TEXT_BYTES];       /* stdout */
    char complained[TEXT_BYTES]; /* stderr */
};

static struct program program; /* the last one; large, so not on the stack */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void start(const char *const *arguments)
{
    const char *argv[ARGUMENTS] = {getenv("NETSPLIT")};
    int out[2], err[2];
    for (size_t i = 0; i < ARGUMENTS - 2 && arguments[i]; i++)
        argv[i + 1] = arguments[i];
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(err, O_CLOEXEC), 0);
    program = (struct program){.out = out[0], .err = err[0]};
    pid_t parent = getpid();
    program.pid = fork();
    if (program.pid == 0) {
        program_in_child(parent);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(out[1]);
    (void)close(err[1]);
}

static void read_all(int fd, char *text)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, text + len, TEXT_BYTES - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    (void)close(fd);
}

static int finish(void)
{
    int status;
    read_all(program.out, program.said);
    read_all(program.err, program.complained);
    cr_assert_eq(waitpid(program.pid, &status, 0), program.pid);
    program.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return program.status;
}

/* Runs `netsplit` with the arguments, up to NULL, to its end; its exit status. */
static int run(const char *first, ...)
{
    const char *arguments[ARGUMENTS] = {first};
    va_list args;
    va_start(args, first);
    for (size_t i = 1; i < ARGUMENTS - 1 && arguments[i - 1]; i++)
        arguments[i] = va_arg(args, const char *);
    va_end(args);
    start(arguments);
    return finish();
}

static void expect_said(const char *text)
{
    cr_assert_not_null(strstr(program.said, text), "no \"%s\" in:\n%s\n%s", text,
                       program.said, program.complained);
}

static void expect_complained(const char *text)
{
    cr_assert_not_null(strstr(program.complained, text), "no \"%s\" in:\n%s", text,
                       program.complained);
}

static void start_proxy(void)
{
    char line[4096];
    start((const char *const[]){"proxy", "-f", base_path, "--seed", "7", NULL});
    proxy = program.pid;
    FILE *out = fdopen(program.out, "r");
    cr_assert_not_null(fgets(line, sizeof line, out), "it did not start");
    cr_assert_eq(strncmp(line, "ready ", 6), 0, "%s", line);
    (void)fclose(out);
    (void)close(program.err);
}

static void end_proxy(int signal)
{
    if (proxy == 0)
        return;
    cr_assert_eq(kill(proxy, signal), 0);
    cr_assert_eq(waitpid(proxy, NULL, 0), proxy);
    proxy = 0;
}

static void setup(void)
{
    cr_assert_eq(tempdir_make("ctl-test", dir, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)unsetenv("NETSPLIT_CONTROL");
    (void)snprintf(base_path, sizeof base_path, "%s/base.yaml", dir);
    (void)snprintf(overlay_path, sizeof overlay_path, "%s/my rules.yaml", dir);
    write_file(base_path, base_text);
    write_file(overlay_path, "netsplit: 1\n"
                             "rules:\n"
                             "  - name: slower\n"
                             "    match: { from: n1, to: n3 }\n"
                             "    inject: { delay: 80ms }\n");
}

static void setup_proxy(void)
{
    setup();
    start_proxy();
}

static void teardown(void)
{
    end_proxy(SIGKILL);
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(ctl, .init = setup_proxy, .fini = teardown, .timeout = 60);
TestSuite(ctl_alone, .init = setup, .fini = teardown, .timeout = 60);

Test(ctl, status_shows_listeners_rules_and_files)
{
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("seed 7");
    expect_said("n1>n2     127.0.0.1:");
    expect_said("  slow  base    active");
    cr_assert_str_eq(program.complained, "");
    cr_assert_null(strchr(program.said, '\033'), "colours go to terminals only");
}

Test(ctl, json_is_the_answer_of_the_api)
{
    cr_assert_eq(run("ctl", "--json", "status", NULL), 0);
    json_t *status = json_loads(program.said, 0, NULL);
    cr_assert_not_null(status, "%s", program.said);
    cr_assert_eq(json_integer_value(json_object_get(status, "pid")), proxy);
    json_decref(status);
}

/* Those that change something come in an order in which each of them can. */
Test(ctl, every_command_answers_in_json)
{
    static const char *const calls[][6] = {
        {"status"},
        {"rules"},
        {"connections"},
        {"events", "--since", "0", "--end"},
        {"apply", overlay_path, "--as", "o"},
        {"add", "hasty", "n1", "n2", "delay=5ms"},
        {"rm", "hasty"},
        {"partition", "n1 / n2"},
        {"heal"},
        {"clear"},
        {"halt"},
        {"resume"},
        {"adopt"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *const *call = calls[i];
        cr_expect_eq(run("ctl", "--json", call[0], call[1], call[2], call[3], call[4],
                         call[5], NULL),
                     0, "%s: %s", call[0], program.complained);
        json_t *answer = json_loads(program.said, JSON_DISABLE_EOF_CHECK, NULL);
        cr_expect(json_is_object(answer), "%s: %s", call[0], program.said);
        json_decref(answer);
    }
    cr_expect_eq(run("ctl", "--json", "rm", "nobody", NULL), 2);
    expect_said("{\"error\":");
}

Test(ctl, apply_names_the_overlay_after_its_file)
{
    cr_assert_eq(run("ctl", "apply", overlay_path, NULL), 0);
    cr_assert_str_eq(program.said, "applied my-rules: 1 rule slower; ends in 10m00s\n");
    cr_assert_eq(run("ctl", "apply", overlay_path, "--as", "o", "--for", "ever", NULL),
                 0);
    cr_assert_str_eq(program.said, "applied o: 1 rule slower\n");
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("my rules.yaml");
    cr_assert_eq(run("ctl", "rm", "o", NULL), 0);
    cr_assert_eq(run("ctl", "clear", "o", NULL), 2);
    expect_complained("there is no overlay \"o\"");
}

Test(ctl, apply_shows_what_is_wrong_with_the_file)
{
    write_file(overlay_path, "netsplit: 1\n"
                             "rules:\n"
                             "  - name: a\n"
                             "    inject: { dealy: 4ms }\n"
                             "  - name: b\n"
                             "    inject: { delay: 40 }\n");
    cr_assert_eq(run("ctl", "apply", overlay_path, NULL), 2);
    cr_assert_str_eq(program.said, "");
    expect_complained("my rules.yaml:4:15: error: unknown key \"dealy\"");
    expect_complained("    4 |     inject: { dealy: 4ms }\n"
                      "      |               ^~~~~ did you mean \"delay\"?");
    expect_complained("my rules.yaml:6:");
    expect_complained("2 errors, nothing was changed");
}

Test(ctl, apply_base_replaces_the_base)
{
    write_file(overlay_path, "netsplit: 1\nnodes: { n1: 127.0.0.1 }\n");
    cr_assert_eq(run("ctl", "apply", "--base", overlay_path, NULL), 0, "%s",
                 program.complained);
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("no listeners");
    expect_said("no rules");
}

Test(ctl, add_is_an_overlay_of_one_rule)
{
    cr_assert_eq(
        run("ctl", "add", "hasty", "n1", "n2,n3", "delay=5ms", "probability=50%", NULL),
        0, "%s", program.complained);
    cr_assert_eq(run("ctl", "rules", NULL), 0);
    expect_said("# overlay hasty");
    expect_said("delay: 5ms");
    expect_said("probability: 50%");
    cr_assert_eq(run("ctl", "add", "bad", "n1", "n2", "dealy=5ms", NULL), 2);
    expect_complained("did you mean \"delay\"?");
    cr_assert_eq(run("ctl", "add", "bad", "n1", "n9", "delay=5ms", NULL), 2);
    expect_complained("n9");
}

Test(ctl, partitions_hold_together_and_heal_ends_them)
{
    cr_assert_eq(run("ctl", "partition", "n1 / n2,n3", NULL), 0, "%s",
                 program.complained);
    expect_said("partitioned by partition-1");
    cr_assert_eq(
        run("ctl", "partition", "n2/n3", "--how", "reset", "--for", "1m", NULL), 0,
        "%s", program.complained);
    expect_said("partitioned by partition-2");
    expect_said("ends in 1m00s; also cut by partition-1");
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("partition-1  partition-1  active  stall");
    expect_said("partition-2  partition-2  active  reset");
    cr_assert_eq(run("ctl", "heal", NULL), 0);
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("partition-1  partition-1  off");
    cr_assert_eq(run("ctl", "clear", NULL), 0);
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("slow  base    off");
    cr_assert_eq(run("ctl", "partition", "n1", NULL), 2);
    expect_complained("is not a partition");
    cr_assert_eq(run("ctl", "partition", "n1 / n9", NULL), 2);
    expect_complained("n9");
}

Test(ctl, halt_holds_until_resume)
{
    cr_assert_eq(run("ctl", "halt", NULL), 0);
    cr_assert_eq(run("ctl", "apply", overlay_path, NULL), 2);
    expect_complained("halted");
    cr_assert_eq(run("ctl", "status", NULL), 0);
    expect_said("HALTED");
    cr_assert_eq(run("ctl", "resume", NULL), 0);
    cr_assert_eq(run("ctl", "apply", overlay_path, NULL), 0);
}

Test(ctl, events_are_lines_and_end_if_asked)
{
    cr_assert_eq(run("ctl", "apply", overlay_path, "--as", "o", NULL), 0);
    cr_assert_eq(run("ctl", "events", "--since", "0", "--end", "--types", "committed",
                     "--json", NULL),
                 0, "%s", program.complained);
    const char *at = program.said;
    size_t committed = 0;
    while (*at) {
        size_t len = strcspn(at, "\n");
        json_t *event = json_loadb(at, len, 0, NULL);
        cr_assert_not_null(event, "%s", at);
        const char *type = json_string_value(json_object_get(event, "event"));
        committed += type && strcmp(type, "committed") == 0;
        json_decref(event);
        at += len + 1;
    }
    cr_assert_eq(committed, 2, "the base, and the overlay:\n%s", program.said);
    cr_assert_eq(run("ctl", "events", "--types", "nothing", NULL), 2);
}

Test(ctl, events_follow_until_the_proxy_ends)
{
    pid_t running = proxy;
    start((const char *const[]){"ctl", "events", "--json", NULL});
    char byte;
    cr_assert_eq(read(program.out, &byte, 1), 1, "its head: it is subscribed");
    cr_assert_eq(kill(running, SIGTERM), 0);
    cr_assert_eq(finish(), 0, "%s", program.complained);
    cr_assert_eq(waitpid(running, NULL, 0), running);
    proxy = 0;
}

Test(ctl_alone, a_proxy_that_is_not_there_is_said)
{
    cr_assert_eq(run("ctl", "status", NULL), 3);
    expect_complained("no proxy answers at ");
    expect_complained("/netsplit/control: is one running?");
    cr_assert_eq(run("ctl", "--control", "/nowhere/socket", "heal", NULL), 3);
    expect_complained("no proxy answers at /nowhere/socket");
    cr_assert_str_eq(program.said, "");
}

Test(ctl_alone, bad_usage_is_answered_with_what_was_meant)
{
    cr_assert_eq(run("ctl", NULL), 2);
    expect_complained("a command is missing");
    cr_assert_eq(run("ctl", "statsu", NULL), 2);
    expect_complained("did you mean \"status\"?");
    cr_assert_eq(run("ctl", "apply", NULL), 2);
    expect_complained("apply FILE");
    cr_assert_eq(run("ctl", "heal", "now", NULL), 2);
    expect_complained("unexpected operand \"now\"");
    cr_assert_eq(run("ctl", "apply", "/nowhere/x.yaml", NULL), 2);
    expect_complained("/nowhere/x.yaml");
    cr_assert_eq(run("ctl", "apply", "--base", "--as", "x", overlay_path, NULL), 2);
    cr_assert_eq(run("ctl", "--help", NULL), 0);
    expect_said("partition 'n1 / n2,n3'");
}

Test(ctl, clean_leaves_a_live_proxy_alone_and_removes_what_a_killed_one_left)
{
    cr_assert_eq(run("clean", NULL), 0);
    cr_assert_str_eq(program.said, "nothing to clean\n");
    cr_assert_eq(run("ctl", "status", NULL), 0, "it still answers");
    end_proxy(SIGKILL);
    cr_assert_eq(run("ctl", "status", NULL), 3);
    cr_assert_eq(run("clean", NULL), 0);
    expect_said("removed socket ");
    expect_said("removed the record of proxy ");
    cr_assert_eq(run("clean", NULL), 0);
    cr_assert_str_eq(program.said, "nothing to clean\n");
}

Test(ctl, a_second_proxy_is_refused_and_a_dead_ones_socket_replaced)
{
    char wanted[64];
    cr_assert_eq(run("proxy", "-f", base_path, NULL), 3);
    (void)snprintf(wanted, sizeof wanted, "already: pid %d", (int)proxy);
    expect_complained(wanted);
    end_proxy(SIGKILL);
    start_proxy();
    cr_assert_eq(run("ctl", "status", NULL), 0, "%s", program.complained);
}

Test(ctl_alone, the_journal_file_has_everything_from_the_first_listener_on)
{
    char journal[TEMPDIR_PATH_MAX + 16], line[2048];
    (void)snprintf(journal, sizeof journal, "%s/journal", dir);
    cr_assert_eq(
        run("proxy", "-f", base_path, "--journal", journal, "--for", "1ms", NULL), 0,
        "%s", program.complained);
    FILE *file = fopen(journal, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_assert_eq(strncmp(line, "{\"sequence\":1,", 14), 0, "%s", line);
    cr_assert_not_null(strstr(line, "listener-opened"), "%s", line);
    size_t closed = 0;
    while (fgets(line, sizeof line, file))
        closed += strstr(line, "listener-closed") != NULL;
    cr_assert_eq(closed, 3, "written to the end");
    cr_assert_eq(fclose(file), 0);
}

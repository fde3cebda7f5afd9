/* SPDX-License-Identifier: MIT */
/* README.md and the program say the same: the files that it shows are good, the commands
 * that it shows exist, with the flags that they are given. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "readme.h"
#include "rules/buffer.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELP_BYTES = 16384, HELPS = 64 };

static struct readme readme;

static void setup(void)
{
    readme_load(&readme);
}

static void teardown(void)
{
    readme_close(&readme);
}

TestSuite(readme, .init = setup, .fini = teardown, .timeout = 60);

/* How `netsplit check` judges the text. */
static int check(const char *text, const char *extension, char *said, size_t said_bytes)
{
    char dir[TEMPDIR_PATH_MAX];
    cr_assert_eq(tempdir_make("readme", dir, NULL), 0);
    char *path = xasprintf("%s/shown.%s", dir, extension);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    char *arguments = xasprintf("check '%s'", path);
    int status = program_run(".", arguments, said, said_bytes);
    cr_expect_eq(tempdir_remove(dir), 0);
    free(arguments);
    free(path);
    return status;
}

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Checks the blocks that begin so, in a file of before, block and behind. */
static size_t check_blocks(const char *beginning, const char *extension,
                           const char *before, const char *behind)
{
    static char said[HELP_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < readme.n; i++) {
        const struct readme_code *code = &readme.items[i];
        if (code->kind != README_BLOCK || !begins_with(code->text, beginning))
            continue;
        char *text = xasprintf("%s%s%s", before, code->text, behind);
        cr_expect_eq(check(text, extension, said, sizeof said), 0, "README.md:%u\n%s",
                     code->line, said);
        free(text);
        n++;
    }
    return n;
}

Test(readme, the_rule_files_that_it_shows_are_good)
{
    cr_expect_gt(check_blocks("netsplit: 1\n", "yaml", "", ""), 2);
}

static const struct readme_code *find_block(const char *beginning)
{
    for (size_t i = 0; i < readme.n; i++)
        if (readme.items[i].kind == README_BLOCK &&
            begins_with(readme.items[i].text, beginning))
            return &readme.items[i];
    cr_assert_fail("README.md has no block that begins with %s", beginning);
    return NULL;
}

Test(readme, the_driver_that_it_shows_is_the_one_that_is_tried)
{
    static char text[4096];
    FILE *from = fopen("tests/program/tiny_store/driver.py", "re");
    cr_assert_not_null(from, "tests run in the source tree");
    text[fread(text, 1, sizeof text - 1, from)] = '\0';
    (void)fclose(from); /* it was only read */
    cr_expect_str_eq(find_block("import json, socket, sys")->text, text);
}

/* The text with the first occurrence of a word replaced. The caller frees it. */
static char *replace(const char *text, const char *word, const char *by)
{
    const char *at = strstr(text, word);
    cr_assert_not_null(at, "no %s in\n%s", word, text);
    return xasprintf("%.*s%s%s", (int)(at - text), text, by, at + strlen(word));
}

/* Line by line; "..." at the end of one stands for the rest of it. */
Test(readme, the_mistakes_that_it_shows_are_told_so)
{
    static char said[HELP_BYTES];
    const struct readme_code *shown = find_block("wan.yaml:");
    char *once = replace(find_block("netsplit: 1\n")->text, "delay", "latency");
    char *twice = replace(once, "normal", "normall");
    cr_expect_eq(check(twice, "yaml", said, sizeof said), 2);
    char *lines = xstrdup(shown->text), *rest = lines;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *from = begins_with(line, "wan.yaml") ? line + strlen("wan.yaml") : line;
        char *dots = strstr(from, " ...");
        if (dots)
            *dots = '\0';
        cr_expect(strstr(said, from), "README.md:%u: \"%s\" is not in\n%s", shown->line,
                  from, said);
    }
    free(lines);
    free(twice);
    free(once);
}

Test(readme, the_cluster_files_that_it_shows_are_good)
{
    (void)check_blocks("cluster: 1\n", "yaml", "", ""); /* there need not be any */
}

#define RUN "```yaml run\nfor: 1s\n```\n"
#define PLAYBOOK                                                                       \
    "---\nplaybook: A step that is shown\nowner: nobody\ncluster: store\n"             \
    "modes: [async]\nabort: { duration: 1m }\nassumptions: [none]\n"                   \
    "risk: { signal: none, worst: nothing }\ncontrol: none because it is not run\n"    \
    "---\n# Step\n```yaml workload\nappend: { keys: 1 }\n```\n" RUN
#define EXPECT "```yaml expect\nall: { acked: at least 1 }\n```\n"

Test(readme, the_steps_that_it_shows_are_good)
{
    cr_expect_gt(check_blocks("```", "md", PLAYBOOK, RUN EXPECT), 0);
}

Test(readme, a_whole_playbook_that_it_shows_is_good)
{
    (void)check_blocks("---\n", "md", "", ""); /* there need not be one */
}

/* `netsplit SUBJECT --help`, asked once each. */
static const char *help_of(const char *subject)
{
    static struct {
        char *subject, *text;
    } helps[HELPS];
    static char said[HELP_BYTES];
    size_t i = 0;
    while (i < HELPS - 1 && helps[i].subject && strcmp(helps[i].subject, subject) != 0)
        i++;
    if (!helps[i].subject) {
        char *arguments = xasprintf("%s --help", subject);
        cr_expect_eq(program_run(".", arguments, said, sizeof said), 0, "%s", said);
        helps[i].subject = xstrdup(subject);
        helps[i].text = xstrdup(said);
        free(arguments);
    }
    return helps[i].text;
}

/* Has the help a line, or the place behind a short option, that begins with the word? */
static bool lists(const char *help, const char *word)
{
    static const char *const places[] = {"\n  ", "\n      ", ", "};
    size_t length = strlen(word);
    for (const char *at = strstr(help, word); at; at = strstr(at + 1, word))
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            size_t n = strlen(places[i]);
            if ((size_t)(at - help) >= n && strncmp(at - n, places[i], n) == 0 &&
                strchr(" ,\n", at[length]))
                return true;
        }
    return false;
}

static void expect_flags(const struct readme_command *command, const char *help)
{
    for (size_t i = 1; i < command->n; i++) {
        char *flag = xstrdup(command->words[i]);
        flag[strcspn(flag, "=")] = '\0';
        if (flag[0] == '-' && flag[1])
            cr_expect(lists(help, flag), "README.md:%u: netsplit %s has no %s\n%s",
                      command->line, command->words[0], flag, help);
        free(flag);
    }
}

static bool has_verbs(const char *subcommand)
{
    return strcmp(subcommand, "ctl") == 0 || strcmp(subcommand, "lab") == 0;
}

/* The word of a command that says what is done; flags and their values come first. */
static const char *find_verb(const struct readme_command *command, const char *help)
{
    for (size_t i = 1; i < command->n; i++)
        if (lists(help, command->words[i]) && command->words[i][0] != '-')
            return command->words[i];
    return NULL;
}

static void expect_command(const struct readme_command *command)
{
    const char *subcommand = command->words[0];
    const char *all = help_of("");
    if (subcommand[0] == '-') {
        cr_expect(strstr(all, subcommand), "README.md:%u: netsplit has no %s",
                  command->line, subcommand);
        return;
    }
    cr_expect(lists(all, subcommand), "README.md:%u: netsplit has no \"%s\"",
              command->line, subcommand);
    if (!lists(all, subcommand))
        return;
    const char *help = help_of(subcommand);
    const char *verb = has_verbs(subcommand) ? find_verb(command, help) : NULL;
    if (has_verbs(subcommand) && command->n > 1)
        cr_expect(verb, "README.md:%u: netsplit %s has no verb of %s", command->line,
                  subcommand, command->words[1]);
    if (verb && strcmp(subcommand, "lab") == 0) {
        char *subject = xasprintf("lab %s", verb);
        help = help_of(subject);
        free(subject);
    }
    expect_flags(command, help);
}

Test(readme, the_commands_that_it_shows_exist_with_their_flags)
{
    cr_expect_gt(readme_each_command(&readme, expect_command), 40);
}

static struct proxy_process proxy; /* that is asked for the faults */

static void expect_taken(const struct readme_command *command)
{
    static const char *const verbs[] = {"add", "partition"};
    static char said[HELP_BYTES];
    struct buffer arguments = {0};
    bool changes = false;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs && command->n > 2; i++)
        changes |= strcmp(command->words[0], "ctl") == 0 &&
                   strcmp(command->words[1], verbs[i]) == 0;
    if (!changes)
        return;
    buffer_print(&arguments, "ctl --control '%s'", proxy.control);
    for (size_t i = 1; i < command->n; i++)
        buffer_print(&arguments, " %s", command->words[i]);
    cr_expect_eq(program_run(".", buffer_text(&arguments), said, sizeof said), 0,
                 "README.md:%u: %s", command->line, said);
    buffer_close(&arguments);
}

/* By a proxy on nodes of the names that they are shown with. */
Test(readme, the_faults_that_it_adds_are_taken)
{
    proxy_process_open(&proxy);
    proxy_process_write_rules(
        &proxy,
        "netsplit: 1\nnodes:\n  app:\n  db: { address: 127.0.0.1, ports: [1] }\n"
        "  web: { address: 127.0.0.1, ports: [2] }\n"
        "listen:\n  - { address: 127.0.0.1:0, from: app, to: db }\n"
        "  - { address: 127.0.0.1:0, from: app, to: web }\n");
    proxy_process_start(&proxy, (const char *const[]){NULL});
    (void)readme_each_command(&readme, expect_taken);
    proxy_process_close(&proxy);
}

/* A flag that is named without its command is one of some command. */
Test(readme, the_flags_that_it_names_exist)
{
    const char *all = help_of("");
    for (size_t i = 0; i < readme.n; i++) {
        const struct readme_code *code = &readme.items[i];
        if (code->kind != README_SPAN || !begins_with(code->text, "--"))
            continue;
        char *flag = xstrdup(code->text);
        bool found = false;
        flag[strcspn(flag, "= ")] = '\0';
        for (const char *at = strstr(all, "\n  "); at && !found;
             at = strstr(at + 1, "\n  ")) {
            char subcommand[32];
            if (sscanf(at + 3, "%31[a-z]", subcommand) == 1)
                found = lists(help_of(subcommand), flag);
        }
        cr_expect(found, "README.md:%u: no command has %s", code->line, flag);
        free(flag);
    }
}

Test(readme, the_sources_that_it_names_are_there)
{
    static const char *const roots[] = {"playbooks/", "proxy/", "rules/", "scenarios/",
                                        "tests/"};
    size_t n = 0;
    for (size_t i = 0; i < readme.n; i++)
        for (size_t k = 0; k < sizeof roots / sizeof *roots; k++) {
            const struct readme_code *code = &readme.items[i];
            if (code->kind != README_SPAN || !begins_with(code->text, roots[k]))
                continue;
            cr_expect_eq(access(code->text, F_OK), 0, "README.md:%u: no %s", code->line,
                         code->text);
            n++;
        }
    cr_expect_gt(n, 10);
}

/* Is it in a line .PHONY of the Makefile? */
static bool is_target(const char *word)
{
    char *command = xasprintf("grep -Eq '^\\.PHONY:.* %s( |$)' Makefile", word);
    int status = system(command);
    free(command);
    return status == 0;
}

Test(readme, the_targets_that_it_makes_exist)
{
    size_t n = 0;
    for (size_t i = 0; i < readme.n; i++) {
        char target[32];
        char *text = xstrdup(readme.items[i].text), *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
            if (sscanf(line, "make %31[a-z-]", target) == 1) {
                cr_expect(is_target(target), "README.md:%u: make has no %s",
                          readme.items[i].line, target);
                n++;
            }
        free(text);
    }
    cr_expect_gt(n, 5);
}

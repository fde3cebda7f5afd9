/* SPDX-License-Identifier: MIT */
#include "scenarios/redact/redact.h"

#include "proxy/base/tempdir.h"
#include "scenarios/playbook/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(redact, .timeout = 60); /* what takes the square of its time does not end */

struct pair {
    const char *text, *clean;
};

Test(redact, hides_what_has_the_form_of_a_secret)
{
    static const struct pair pairs[] = {
        {"PGPASSWORD=x1 psql", "PGPASSWORD=*** psql"},
        {"host=a password=x1 user=b", "host=a password=*** user=b"},
        {"password='x 1' user=b", "password='***' user=b"},
        {"DB_PASSWORD: x1\n", "DB_PASSWORD: ***\n"},
        {"env: { API_KEY: \"x, 1\", B: 2 }", "env: { API_KEY: \"***\", B: 2 }"},
        {"{\"token\": \"x1\"}", "{\"token\": \"***\"}"},
        {"auth=x1", "auth=***"},
        {"export REDISCLI_AUTH=x1", "export REDISCLI_AUTH=***"},
        {"postgres://app:x1@db:5432/app", "postgres://app:***@db:5432/app"},
        {"redis://:x1@10.0.0.1", "redis://:***@10.0.0.1"},
        {"redis-cli -h db -a x1 PING", "redis-cli -h db -a *** PING"},
        {"redis-cli --pass 'x1'", "redis-cli --pass '***'"},
        {"sshpass -p x1 ssh pg1", "sshpass -p *** ssh pg1"},
        {"ALTER ROLE app PASSWORD 'x1'", "ALTER ROLE app PASSWORD '***'"},
        {"client_secret=x1&b=2", "client_secret=***&b=2"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *clean = redact_copy(NULL, pairs[i].text);
        cr_expect_str_eq(clean, pairs[i].clean, "%s became %s", pairs[i].text, clean);
        free(clean);
    }
}

Test(redact, leaves_alone_what_has_not)
{
    static const char *const texts[] = {
        "",
        "append: { keys: 20, rate: 400/s }",
        "redis-cli -a \"$PASSWORD\" PING",
        "PGPASSWORD=$(cat file)",
        "password: ***",
        "secrets: [LICENCE]",
        "http://127.0.0.1:7101/v1/status",
        "tar -a x1",
        "PGPASSFILE=/home/a/.pgpass",
        "key: 3",
        "http://a:7101 mails b@c",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *clean = redact_copy(NULL, texts[i]);
        cr_expect_str_eq(clean, texts[i], "%s became %s", texts[i], clean);
        free(clean);
    }
}

/* Two megabytes in which every other byte might begin a secret; the suite has a minute. */
Test(redact, takes_no_longer_for_a_text_that_is_made_to_take_long)
{
    enum { BYTES = 2 * 1000 * 1000 };
    static const char *const pieces[] = {"a:", " -a ", "x=", "=  \"", "://:"};
    char *text = malloc(BYTES + 1);
    cr_assert_not_null(text);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        for (size_t at = 0; at < BYTES; at++)
            text[at] = pieces[i][at % strlen(pieces[i])];
        text[BYTES] = '\0';
        redact_columns(NULL, text);
        cr_expect_eq(strlen(text), BYTES);
    }
    free(text);
}

Test(redact, keeps_columns_where_they_matter)
{
    char text[] = "    5 | password: hunter22\n      | ^~~~";
    redact_columns(NULL, text);
    cr_expect_str_eq(text, "    5 | password: ********\n      | ^~~~");
}

static void expect_hidden(struct redact *redact, const char *text, const char *wanted)
{
    char *clean = redact_copy(redact, text);
    cr_expect_str_eq(clean, wanted, "%s became %s", text, clean);
    free(clean);
}

Test(redact, hides_what_is_known_wherever_it_stands)
{
    struct redact *redact = redact_create();
    redact_add(redact, "PGPASSWORD", "hunter2", false);
    redact_add(redact, "HOSTNAME", "bastion", false);
    redact_learn(redact, "url: postgres://app:tr0ub4dor@db");
    expect_hidden(redact, "it was hunter2, at bastion", "it was ***, at bastion");
    expect_hidden(redact, "tr0ub4dor&hunter22", "***&***2");
    redact_destroy(redact);
}

Test(redact, hides_it_as_json_xml_and_shells_write_it)
{
    struct redact *redact = redact_create();
    redact_add(redact, "TOKEN", "a\"b<c'd\\e", false);
    expect_hidden(redact, "{\"a\":\"a\\\"b<c'd\\\\e\"}", "{\"a\":\"***\"}");
    expect_hidden(redact, "<p>a&quot;b&lt;c'd\\e</p>", "<p>***</p>");
    expect_hidden(redact, "echo 'a\"b<c'\\''d\\e'", "echo '***'");
    redact_destroy(redact);
}

Test(redact, hides_it_as_sql_urls_and_base64_write_it)
{
    struct redact *redact = redact_create();
    redact_add(redact, "TOKEN", "it's 10%/day", false);
    expect_hidden(redact, "PW 'it''s 10%/day'", "PW '***'");
    expect_hidden(redact, "E'it\\'s 10%/day'", "E'***'");
    expect_hidden(redact, "?a=it%27s%2010%25%2Fday&b=1", "?a=***&b=1");
    expect_hidden(redact, "aXQncyAxMCUvZGF5", "***");
    redact_add(redact, "TOKEN", "hunter22", false);
    expect_hidden(redact, "aHVudGVyMjI=", "***=");
    expect_hidden(redact, "aHVudGVyMjIK", "***K"); /* with a newline behind it */
    redact_destroy(redact);
}

Test(redact, hides_each_line_of_a_key)
{
    struct redact *redact = redact_create();
    redact_add(redact, "A_KEY", "-----BEGIN KEY-----\nMIIEow+1\nab\n", false);
    expect_hidden(redact, "  A_KEY: |\n    -----BEGIN KEY-----\n    MIIEow+1\n    ab\n",
                  "  A_KEY: ***\n    ***\n    ***\n    ab\n");
    expect_hidden(redact, "\"-----BEGIN KEY-----\\nMIIEow+1\\nab\\n\"", "\"***\"");
    redact_destroy(redact);
}

Test(redact, does_not_take_common_words_and_numbers_for_secrets)
{
    struct redact *redact = redact_create();
    redact_add(redact, "PGPASSWORD", "postgres", false);
    redact_add(redact, "PIN_TOKEN", "1234567", false);
    redact_add(redact, "A_TOKEN", "abc", false);
    expect_hidden(redact, "driver postgres, 1234567 abc",
                  "driver postgres, 1234567 abc");
    redact_add(redact, "LICENCE", "post", true);
    redact_add(redact, "B_TOKEN", "correcthorsebattery", false);
    expect_hidden(redact, "post correcthorsebattery", "*** ***");
    redact_destroy(redact);
}

Test(redact, knows_the_secrets_of_its_environment)
{
    cr_assert_eq(setenv("SOME_SECRET", "from-outside-1", 1), 0);
    struct redact *redact = redact_create();
    expect_hidden(redact, "from-outside-1", "***");
    redact_destroy(redact);
}

Test(redact, knows_what_a_cluster_file_lists)
{
    static const char text[] =
        "cluster: 1\nname: c\ndriver: { resp: \"\" }\nnodes: [n1]\nrole: echo primary\n"
        "env: { LICENCE: lice-1, PLAIN: visible-2, PIN: \"7\" }\n"
        "needs: { secrets: [LICENCE, OUTSIDE, PIN] }\n"
        "commands: { start: a, ready: b }\nmodes: { m: { check: c, env: { "
        "DB_PASSWORD: of-mode-1 } } }\n";
    struct diag diag;
    diag_init(&diag, NULL);
    cr_assert_eq(setenv("OUTSIDE", "ambient-1", 1), 0);
    struct cluster *cluster = cluster_parse("c.yaml", text, strlen(text), &diag);
    cr_assert_not_null(cluster);
    struct redact *redact = redact_create();
    redact_add_files(redact, cluster, NULL);
    expect_hidden(redact, "lice-1 visible-2 ambient-1 of-mode-1",
                  "*** visible-2 *** ***");
    expect_hidden(redact, "PIN: \"7\", PINS=7, 7 of 7", "PIN: \"***\", PINS=7, 7 of 7");
    redact_destroy(redact);
    cluster_destroy(cluster);
    diag_close(&diag);
}

static char directory[TEMPDIR_PATH_MAX];

static void put(const char *name, const char *text, size_t length)
{
    char path[TEMPDIR_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    cr_assert_eq(fwrite(text, 1, length, to), length);
    cr_assert_eq(fclose(to), 0);
}

static void expect_file(const char *name, const char *text, size_t length)
{
    char path[TEMPDIR_PATH_MAX + 32], found[256];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from, "%s", name);
    size_t n = fread(found, 1, sizeof found, from);
    (void)fclose(from); /* it was only read */
    cr_expect(n == length && memcmp(found, text, n) == 0, "%s: %.*s", name, (int)n,
              found);
}

Test(redact, rewrites_the_files_that_hold_one)
{
    char path[TEMPDIR_PATH_MAX + 32];
    struct errmsg err = {""};
    struct redact *redact = redact_create();
    redact_add(redact, "PGPASSWORD", "hunter2", false);
    cr_assert_eq(tempdir_make("test-redact", directory, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/async", directory);
    cr_assert_eq(mkdir(path, 0755), 0);
    put("async/n1.log", "hunter2\0password=new1 hunter2\n", 30);
    put("report.html", "var token = 'x1'; hunter2", 25);
    put("history.edn", "{:index 0}\n", 11);
    (void)snprintf(path, sizeof path, "%s/outside", directory);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    cr_expect_eq(redact_directory(redact, directory, &err), 0, "%s", err.text);
    expect_file("async/n1.log", "***\0password=*** ***\n", 21);
    expect_file("report.html", "var token = 'x1'; ***", 21);
    expect_file("history.edn", "{:index 0}\n", 11);
    redact_destroy(redact);
    cr_assert_eq(tempdir_remove(directory), 0);
}

/* SPDX-License-Identifier: MIT */
/* Words of a command line as rule files, and what is said of wrong ones. */
#include "proxy/base/errmsg.h"
#include "proxy/operands.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/language/parse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The words as rules, which must parse. */
static struct rules *parse(const char *const *words, size_t n)
{
    struct buffer text = {0};
    struct diag diag;
    struct rules *rules = NULL;
    diag_init(&diag, NULL);
    cr_assert_eq(operands_to_rules(words, n, &text, NULL), 0);
    int status =
        parse_file("operands", buffer_text(&text), text.length, NULL, &diag, &rules);
    cr_assert_eq(status, 0, "%s\n%s", n ? words[0] : "", buffer_text(&text));
    diag_close(&diag);
    buffer_close(&text);
    return rules;
}

Test(operands, become_paths_from_the_client_to_a_server_each)
{
    const char *const words[] = {"7101:127.0.0.1:5432", "127.0.0.2:7102:127.0.0.3:6379",
                                 "[::1]:0:[fe80::1]:80"};
    struct rules *rules = parse(words, 3);
    cr_assert_eq(rules->n_listens, 3);
    const struct rule_listen *listen = rules->listens;
    cr_assert_str_eq(listen[0].name.text, "path1");
    cr_assert_str_eq(listen[0].from.text, "client");
    cr_assert_str_eq(listen[0].address.text, "127.0.0.1");
    cr_assert_eq(listen[0].port, 7101);
    cr_assert_eq(listen[0].to_port, 5432);
    cr_assert_str_eq(listen[1].address.text, "127.0.0.2");
    cr_assert_str_eq(rules_find_node(rules, "server2")->address.text, "127.0.0.3");
    cr_assert_eq(listen[2].address.kind, ADDRESS_IPV6);
    cr_assert_eq(listen[2].port, 0);
    cr_assert_str_eq(rules_find_node(rules, "server3")->address.text, "fe80::1");
    rules_destroy(rules);
}

Test(operands, with_a_name_give_it_to_the_path_and_to_its_server)
{
    const char *const words[] = {"db=7101:db.internal:5432", "0:127.0.0.1:80"};
    struct rules *rules = parse(words, 2);
    cr_assert_eq(rules->n_listens, 2);
    cr_assert_str_eq(rules->listens[0].name.text, "db");
    cr_assert_str_eq(rules->listens[0].to.text, "db");
    cr_assert_eq(rules->listens[0].port, 7101);
    cr_assert_str_eq(rules_find_node(rules, "db")->address.text, "db.internal");
    cr_assert_str_eq(rules->listens[1].name.text, "path2");
    cr_assert_str_eq(rules->listens[1].to.text, "server2");
    rules_destroy(rules);
}

Test(operands, without_a_name_have_that_of_their_host)
{
    const char *const words[] = {"0:db.internal:5432", "0:cache:6379"};
    struct rules *rules = parse(words, 2);
    cr_assert_str_eq(rules->listens[0].name.text, "db");
    cr_assert_str_eq(rules_find_node(rules, "db")->address.text, "db.internal");
    cr_assert_str_eq(rules->listens[1].to.text, "cache");
    rules_destroy(rules);
}

Test(operands, are_counted_where_the_name_of_a_host_is_not_free)
{
    const char *const words[] = {"0:db.one:1", "0:db.two:2",   "web=0:127.0.0.1:3",
                                 "0:web.x:4",  "0:client.x:5", "0:10.x:6"};
    struct rules *rules = parse(words, 6);
    for (size_t i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "server%zu", i + 1);
        cr_assert_str_eq(rules->listens[i].to.text, i == 2 ? "web" : name);
    }
    rules_destroy(rules);
}

Test(operands, that_are_none_are_named_with_an_example)
{
    static const char *const bad[] = {
        "",        "7101",     "7101:5432",   "a:b:c",  "1:h:",
        ":h:1",    "=1:h:2",   "db=7101",     "1:h:2x", "1:\"h:2",
        "1:h\n:2", "1:[::1:2", "[::1]:1:::1", "1:h\\:2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer text = {0};
        struct errmsg err = {0};
        int status = operands_to_rules(&bad[i], 1, &text, &err);
        if (status == 0) { /* the shape is right: then the parser says what is wrong */
            struct diag diag;
            struct rules *rules;
            diag_init(&diag, NULL);
            status = parse_file("operands", buffer_text(&text), text.length, NULL,
                                &diag, &rules);
            diag_close(&diag);
        } else {
            cr_assert_not_null(strstr(err.text, "LISTEN:UPSTREAM"));
        }
        cr_assert_eq(status, -EINVAL, "%s", bad[i]);
        buffer_close(&text);
    }
}

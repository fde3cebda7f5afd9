/* SPDX-License-Identifier: MIT */
/* Which node an address is of, and what is written for the kernel. */
#include "proxy/kernel/endpoints.h"
#include "proxy/wire/sockaddress.h"
#include "rules/buffer.h"
#include "rules/language/parse.h"

#include <criterion/criterion.h>
#include <string.h>

static struct endpoints endpoints;
static struct rules *rules;
static struct plan *plan;

#define TEXT                                                                           \
    "netsplit: 1\nintercept: redirect\nports: [5432]\nnodes:\n"                        \
    "  pg1: { address: 10.0.0.1, uid: one }\n"                                         \
    "  pg2: { address: 10.0.0.1, ports: [5433, 5432], uid: two }\n"                    \
    "  apps: 10.0.0.0/8\n  lan: 10.0.0.0/24\n  six: \"fd00::1\"\n"                     \
    "  far: { address: 192.0.2.0/24, ports: [80] }\n"

/* Of that file. */
static void setup(void)
{
    struct diag diag;
    diag_init(&diag, NULL);
    cr_assert_eq(parse_file("x.yaml", TEXT, sizeof TEXT - 1, NULL, &diag, &rules), 0);
    const struct plan_layer layer = {.name = "base", .rules = rules};
    const struct plan_input input = {.layers = &layer, .n_layers = 1};
    cr_assert_eq(plan_compile(&input, &diag, &plan), 0);
    diag_close(&diag);
    for (size_t i = 0; i < plan->n_nodes; i++)
        cr_assert_eq(endpoints_add_address(&endpoints, plan->nodes[i].name,
                                           &plan->nodes[i].address,
                                           plan->nodes[i].owner.uid),
                     0);
    cr_assert_eq(endpoints_add_servers(&endpoints, plan), 0);
}

static void teardown(void)
{
    endpoints_close(&endpoints);
    plan_put(plan);
    rules_destroy(rules);
}

TestSuite(endpoints, .init = setup, .fini = teardown);

static struct address at(const char *text)
{
    struct address address;
    cr_assert_eq(address_parse(text, strlen(text), &address, NULL), 0, "%s", text);
    return address;
}

static struct sockaddr_storage end(const char *text, uint16_t port)
{
    struct sockaddr_storage out;
    const struct address address = at(text);
    (void)sockaddress_make(&address, port, &out);
    return out;
}

Test(endpoints, the_server_is_of_the_longest_prefix_and_names_the_port)
{
    static const struct {
        const char *address, *node;
        uint16_t port;
    } rows[] = {
        {"10.0.0.1", "pg2", 5432}, {"10.0.0.1", "pg2", 5433},
        {"10.0.0.2", "lan", 5432}, {"10.1.0.1", "apps", 5432},
        {"fd00::1", "six", 5432},  {"192.0.2.9", "far", 80},
        {"192.0.2.9", NULL, 5432}, {"10.0.0.2", NULL, 5433},
        {"fd00::2", NULL, 5432},   {"192.168.0.1", NULL, 80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sockaddr_storage address = end(rows[i].address, rows[i].port);
        const char *node = endpoints_server(&endpoints, &address);
        cr_expect(node == rows[i].node ||
                      (node && rows[i].node && strcmp(node, rows[i].node) == 0),
                  "%s:%u is %s", rows[i].address, rows[i].port, node);
    }
}

Test(endpoints, the_opener_is_of_the_longest_prefix_unless_told_by_who_connects)
{
    const struct sockaddr_storage shared = end("10.0.0.1", 1), far = end("8.8.8.8", 1);
    cr_expect_str_eq(endpoints_opener(&endpoints, &shared), "lan");
    cr_expect_null(endpoints_opener(&endpoints, &far));
}

Test(endpoints, what_is_inside_another_is_not_written_twice)
{
    struct buffer text = {0};
    cr_expect_eq(endpoints_write(&endpoints, ADDRESS_IPV4, NULL, &text), 3);
    cr_expect_str_eq(buffer_text(&text),
                     "10.0.0.1 . 5433, 10.0.0.0/8 . 5432, 192.0.2.0/24 . 80");
    buffer_close(&text);
    cr_expect_eq(endpoints_write(&endpoints, ADDRESS_IPV4, "apps", &text), 3);
    cr_expect_str_eq(buffer_text(&text),
                     "10.0.0.1 . 5433, 10.0.0.0/24 . 5432, 192.0.2.0/24 . 80");
    buffer_close(&text);
    cr_expect_eq(endpoints_write(&endpoints, ADDRESS_IPV6, NULL, &text), 1);
    cr_expect_str_eq(buffer_text(&text), "fd00::1 . 5432");
    buffer_close(&text);
}

Test(endpoints, networks_overlap_both_ways)
{
    const struct address inside = at("192.0.2.7"), around = at("192.0.0.0/16"),
                         beside = at("192.0.3.0/24");
    cr_expect_not_null(endpoints_overlap(&endpoints, NULL, &inside, 80));
    cr_expect_not_null(endpoints_overlap(&endpoints, NULL, &around, 80));
    cr_expect_null(endpoints_overlap(&endpoints, NULL, &beside, 80));
    cr_expect_null(endpoints_overlap(&endpoints, NULL, &inside, 81));
    cr_expect_null(endpoints_overlap(&endpoints, "far", &inside, 80));
}

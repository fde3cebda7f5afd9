/* SPDX-License-Identifier: MIT */
/* Addresses, networks, host names and endpoints, right and wrong. */
#include "rules/language/address.h"
#include "rules/unit.h"

#include <criterion/criterion.h>
#include <string.h>

static struct address parse(const char *text)
{
    struct address address = {.kind = ADDRESS_NONE};
    struct unit_error why = {.text = ""};
    cr_expect_eq(address_parse(text, strlen(text), &address, &why), 0, "%s: %s", text,
                 why.text);
    return address;
}

Test(address, is_read_with_its_prefix)
{
    struct address address = parse("10.77.9.0/24");
    cr_expect_eq(address.kind, ADDRESS_IPV4);
    cr_expect_eq(address.prefix, 24);
    cr_expect_arr_eq(address.bytes, "\x0a\x4d\x09\x00", 4);
    cr_expect_not(address_is_single(&address));
    address = parse("10.77.1.2");
    cr_expect_eq(address.prefix, 32);
    cr_expect(address_is_single(&address));
    address = parse("fd00::/64");
    cr_expect_eq(address.kind, ADDRESS_IPV6);
    cr_expect_eq(address.prefix, 64);
    address = parse("0.0.0.0/0");
    cr_expect_eq(address.prefix, 0);
}

Test(address, a_host_name_is_left_for_the_dial)
{
    struct address address = parse("pg-2_a.internal");
    cr_expect_eq(address.kind, ADDRESS_HOST);
    cr_expect(address_is_single(&address));
    cr_expect_eq(parse("localhost").kind, ADDRESS_HOST);
    cr_expect_eq(parse("3com.example").kind, ADDRESS_HOST);
}

Test(address, what_only_looks_like_one_is_refused)
{
    static const char *const texts[] = {
        "",         "1.2.3",         "1.2.3.4.5",   "1.2.3.256", "01.2.3.4",
        "1.2.3.4/", "1.2.3.4/33",    "10.0.0.1/24", "a b",       "-a.b",
        "a..b",     "example.org/8", "fe80::1%lo",  "::g",       "1.2.3.4/a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address address = {.kind = ADDRESS_NONE};
        struct unit_error why = {.text = ""};
        cr_expect_lt(address_parse(texts[i], strlen(texts[i]), &address, &why), 0, "%s",
                     texts[i]);
        cr_expect_eq(address.kind, ADDRESS_NONE, "%s", texts[i]);
        cr_expect_str_neq(why.text, "", "%s", texts[i]);
    }
}

Test(address, host_bits_are_answered_with_the_network)
{
    struct address address;
    struct unit_error why;
    cr_expect_lt(address_parse("10.0.0.5/23", 11, &address, &why), 0);
    cr_expect(strstr(why.hint, "10.0.0.0/23"), "%s", why.hint);
}

struct split {
    const char *text, *host;
    bool has_port;
    uint16_t port;
};

Test(address, endpoints_are_split_at_the_port)
{
    static const struct split rows[] = {
        {"10.0.0.1:80", "10.0.0.1", true, 80},
        {"[::1]:65535", "::1", true, 65535},
        {"[::1]", "::1", false, 0},
        {"::1", "::1", false, 0},
        {"host", "host", false, 0},
        {":80", "", true, 80},
        {"fd00::1:2", "fd00::1:2", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct endpoint endpoint;
        cr_assert_eq(endpoint_parse(rows[i].text, &endpoint, NULL), 0, "%s",
                     rows[i].text);
        cr_expect_eq(endpoint.host_length, strlen(rows[i].host), "%s", rows[i].text);
        cr_expect_eq(memcmp(endpoint.host, rows[i].host, endpoint.host_length), 0);
        cr_expect_eq(endpoint.has_port, rows[i].has_port);
        cr_expect_eq(endpoint.port, rows[i].port);
    }
}

Test(address, endpoints_with_bad_ports_or_brackets_are_refused)
{
    static const char *const texts[] = {"a:",   "a:b",     "a:65536",  "a:-1",
                                        "[::1", "[::1]80", "a:123456", "http://a:80"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct endpoint endpoint;
        cr_expect_lt(endpoint_parse(texts[i], &endpoint, NULL), 0, "%s", texts[i]);
    }
}

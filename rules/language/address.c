/* SPDX-License-Identifier: MIT */
/* inet_pton decides what an address is; host names are those of RFC 952 and 1123, and
 * the underscore that service names use. */
#include "rules/language/address.h"

#include "rules/unit.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    HOST_MOST = 253, /* RFC 1035 2.3.4, without the final dot */
    LABEL_MOST = 63,
};

/* Behind unit_complain: what would be right. */
static int hint(struct unit_error *why, const char *text)
{
    if (why)
        (void)snprintf(why->hint, sizeof why->hint, "%s", text);
    return -EINVAL;
}

/* Clears the bits behind the prefix; returns whether any was set. */
static bool clear_host_bits(uint8_t *bytes, size_t n, unsigned prefix)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        unsigned first_bit = (unsigned)i * 8;
        unsigned kept = prefix <= first_bit ? 0 : prefix - first_bit;
        uint8_t mask = (uint8_t)(kept >= 8 ? 0xFF : 0xFF00 >> kept);
        any = any || (bytes[i] & ~mask) != 0;
        bytes[i] &= mask;
    }
    return any;
}

/* The digits behind the slash. */
static int parse_prefix(const char *slash, const char *text, unsigned most,
                        unsigned *out, struct unit_error *why)
{
    const char *digits = slash + 1;
    size_t n = strspn(digits, "0123456789");
    unsigned value = 0;
    for (size_t i = 0; i < n && value <= most; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    if (n == 0 || digits[n])
        return unit_complain(why, "\"%.60s\" has no number behind the \"/\"", text);
    if (value > most)
        return unit_complain(why, "the prefix of \"%.60s\" is longer than %u bits",
                             text, most);
    *out = value;
    return 0;
}

static int parse_network(const char *text, const char *slash, struct address *address,
                         struct unit_error *why)
{
    bool is_ipv4 = address->kind == ADDRESS_IPV4;
    size_t bytes = is_ipv4 ? 4 : 16;
    unsigned prefix = is_ipv4 ? 32 : 128;
    if (slash) {
        int err = parse_prefix(slash, text, prefix, &prefix, why);
        if (err)
            return err;
    }
    if (clear_host_bits(address->bytes, bytes, prefix)) {
        char network[INET6_ADDRSTRLEN] = "", meant[96];
        (void)inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes, network,
                        sizeof network); /* the buffer is large enough */
        (void)snprintf(meant, sizeof meant,
                       "did you mean \"%s/%u\"? without \"/%u\" it is one address",
                       network, prefix, prefix);
        (void)unit_complain(why, "\"%.60s\" has bits set behind its prefix", text);
        return hint(why, meant);
    }
    address->prefix = (uint8_t)prefix;
    return 0;
}

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MOST || label[0] == '-' ||
        label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

static bool is_host(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > HOST_MOST)
        return false;
    while (*text) {
        size_t label = strcspn(text, ".");
        if (!is_label(text, label))
            return false;
        text += label + (text[label] == '.');
    }
    return true;
}

static int complain_ipv4(const char *text, struct unit_error *why)
{
    (void)unit_complain(why, "\"%.60s\" is not an IPv4 address", text);
    return hint(why, "four numbers from 0 to 255, without leading zeros");
}

/* What is neither address nor host name: says what it probably was meant to be. */
static int complain_host(const char *text, struct unit_error *why)
{
    if (strchr(text, '%'))
        return unit_complain(why, "scopes such as \"%.60s\" are not available here",
                             text);
    if (strchr(text, ':'))
        return unit_complain(why, "\"%.60s\" is not an IPv6 address", text);
    return unit_complain(why, "\"%.60s\" is neither an address nor a host name", text);
}

int address_parse(const char *text, size_t length, struct address *out,
                  struct unit_error *why)
{
    char whole[HOST_MOST + 1], host[HOST_MOST + 1];
    if (length == 0)
        return unit_complain(why, "the address is empty");
    if (length > HOST_MOST)
        return unit_complain(why, "an address is at most %d characters long",
                             HOST_MOST);
    memcpy(whole, text, length);
    whole[length] = '\0';
    size_t host_length = strcspn(whole, "/");
    const char *slash = whole[host_length] ? &whole[host_length] : NULL;
    memcpy(host, whole, host_length);
    host[host_length] = '\0';
    struct address address = {.kind = ADDRESS_HOST};
    if (inet_pton(AF_INET, host, address.bytes) == 1)
        address.kind = ADDRESS_IPV4;
    else if (inet_pton(AF_INET6, host, address.bytes) == 1)
        address.kind = ADDRESS_IPV6;
    int err = 0;
    if (address.kind != ADDRESS_HOST)
        err = parse_network(whole, slash, &address, why);
    else if (host[strspn(host, "0123456789.")] == '\0')
        err = complain_ipv4(host, why);
    else if (slash || !is_host(host))
        err = complain_host(whole, why);
    if (!err)
        *out = address;
    return err;
}

bool address_is_single(const struct address *address)
{
    switch (address->kind) {
    case ADDRESS_IPV4:
        return address->prefix == 32;
    case ADDRESS_IPV6:
        return address->prefix == 128;
    case ADDRESS_HOST:
        return true;
    case ADDRESS_NONE:
        break;
    }
    return false;
}

static int parse_port(const char *text, const char *whole, uint16_t *out,
                      struct unit_error *why)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return unit_complain(why, "\"%.20s\" in \"%.60s\" is not a port", text, whole);
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > UINT16_MAX) {
        (void)unit_complain(why, "port %u is too large", value);
        return hint(why, "ports are numbers up to 65535");
    }
    *out = (uint16_t)value;
    return 0;
}

int endpoint_parse(const char *text, struct endpoint *out, struct unit_error *why)
{
    if (strstr(text, "://")) {
        (void)unit_complain(why, "\"%.60s\" is a URL", text);
        return hint(why, "write HOST:PORT alone");
    }
    struct endpoint endpoint = {.host = text};
    const char *port = NULL;
    const char *first = strchr(text, ':');
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':')) {
            (void)unit_complain(
                why, "\"%.60s\" has brackets, but no address between them", text);
            return hint(why, "\"[::1]:5432\"");
        }
        endpoint.host = text + 1;
        endpoint.host_length = (size_t)(close - endpoint.host);
        port = close[1] ? close + 2 : NULL;
    } else if (first && !strchr(first + 1, ':')) {
        endpoint.host_length = (size_t)(first - text);
        port = first + 1;
    } else {
        endpoint.host_length = strlen(text); /* no port, or a bare IPv6 address */
    }
    endpoint.has_port = port != NULL;
    int err = port ? parse_port(port, text, &endpoint.port, why) : 0;
    if (!err)
        *out = endpoint;
    return err;
}

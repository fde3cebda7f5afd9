/* SPDX-License-Identifier: MIT */
/* IPv4 and IPv6, nothing else; no name is looked up here (see dial.c). */
#include "proxy/wire/sockaddress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

socklen_t sockaddress_make(const struct address *address, uint16_t port,
                           struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (address->kind == ADDRESS_IPV6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        memcpy(&six->sin6_addr, address->bytes, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    memcpy(&four->sin_addr, address->bytes, 4);
    return sizeof *four;
}

socklen_t sockaddress_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

bool sockaddress_equal(const struct sockaddr_storage *a,
                       const struct sockaddr_storage *b)
{
    const uint8_t *bytes_a = NULL, *bytes_b = NULL;
    enum address_kind kind = sockaddress_bytes(a, &bytes_a);
    return kind != ADDRESS_NONE && kind == sockaddress_bytes(b, &bytes_b) &&
           sockaddress_port(a) == sockaddress_port(b) &&
           memcmp(bytes_a, bytes_b, kind == ADDRESS_IPV6 ? 16 : 4) == 0;
}

uint16_t sockaddress_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    return 0;
}

void sockaddress_set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

struct address sockaddress_address(const struct sockaddr_storage *address)
{
    struct address out = {0};
    const uint8_t *bytes = NULL;
    out.kind = sockaddress_bytes(address, &bytes);
    if (out.kind == ADDRESS_NONE)
        return out;
    out.prefix = out.kind == ADDRESS_IPV6 ? 128 : 32;
    memcpy(out.bytes, bytes, out.prefix / 8);
    return out;
}

enum address_kind sockaddress_bytes(const struct sockaddr_storage *address,
                                    const uint8_t **bytes)
{
    if (address->ss_family == AF_INET6) {
        *bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
        return ADDRESS_IPV6;
    }
    if (address->ss_family == AF_INET) {
        *bytes = (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
        return ADDRESS_IPV4;
    }
    return ADDRESS_NONE;
}

void sockaddress_format(const struct sockaddr_storage *address,
                        char text[SOCKADDRESS_TEXT_BYTES])
{
    const uint8_t *bytes = NULL;
    char host[INET6_ADDRSTRLEN] = "?";
    switch (sockaddress_bytes(address, &bytes)) {
    case ADDRESS_IPV4:
        (void)inet_ntop(AF_INET, bytes, host, sizeof host); /* it fits */
        (void)snprintf(text, SOCKADDRESS_TEXT_BYTES, "%s:%u", host,
                       sockaddress_port(address));
        return;
    case ADDRESS_IPV6:
        (void)inet_ntop(AF_INET6, bytes, host, sizeof host); /* it fits */
        (void)snprintf(text, SOCKADDRESS_TEXT_BYTES, "[%s]:%u", host,
                       sockaddress_port(address));
        return;
    case ADDRESS_NONE:
    case ADDRESS_HOST:
        break;
    }
    (void)snprintf(text, SOCKADDRESS_TEXT_BYTES, "?");
}

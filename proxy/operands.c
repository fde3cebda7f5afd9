/* SPDX-License-Identifier: MIT */
/* Taken apart from the right, where the upstream's port is: a colon inside brackets is
 * part of an IPv6 address. What an address or a port may be is left to the parser of
 * rules, but no word can become anything but a quoted value of the file. */
#include "proxy/operands.h"
#include "proxy/base/errmsg.h"
#include "rules/buffer.h"

#include <errno.h>
#include <string.h>

struct part {
    const char *text; /* borrowed from the word; no NUL behind it */
    int length;
};

/* The last colon of text[0..length-1] outside brackets, or NULL. */
static const char *last_colon(const char *text, size_t length)
{
    int depth = 0;
    for (const char *at = text + length; at-- > text;) {
        depth += *at == ']';
        depth -= *at == '[';
        if (*at == ':' && depth == 0)
            return at;
    }
    return NULL;
}

static struct part part_of(const char *from, const char *to)
{
    if (to - from >= 2 && *from == '[' && to[-1] == ']') {
        from++;
        to--;
    }
    return (struct part){from, (int)(to - from)};
}

/* LISTEN:HOST:PORT into its parts. False: it has not that shape. */
static bool take_apart(const char *word, struct part *listen, struct part *host,
                       struct part *port)
{
    const char *before_port = last_colon(word, strlen(word));
    const char *before_host =
        before_port ? last_colon(word, (size_t)(before_port - word)) : NULL;
    if (!before_host || before_host == word)
        return false;
    *listen = (struct part){word, (int)(before_host - word)};
    *host = part_of(before_host + 1, before_port);
    *port = (struct part){before_port + 1, (int)strlen(before_port + 1)};
    return host->length > 0 && port->length > 0 &&
           strspn(port->text, "0123456789") == (size_t)port->length &&
           !strpbrk(word, "\"\\\n");
}

int operands_to_rules(const char *const *words, size_t n, struct buffer *out,
                      struct errmsg *err)
{
    struct buffer listens = {0};
    buffer_print(out, "netsplit: 1\nnodes:\n  client: {}\n");
    for (size_t i = 0; i < n; i++) {
        struct part listen, host, port;
        if (!take_apart(words[i], &listen, &host, &port)) {
            errmsg_set(err,
                       "\"%s\" is not LISTEN:UPSTREAM, such as 7101:127.0.0.1:5432",
                       words[i]);
            buffer_close(&listens);
            return -EINVAL;
        }
        bool port_only = !last_colon(listen.text, (size_t)listen.length);
        buffer_print(out, "  server%zu: { address: \"%.*s\", ports: [%.*s] }\n", i + 1,
                     host.length, host.text, port.length, port.text);
        buffer_print(&listens,
                     "  - { name: path%zu, address: \"%s%.*s\", from: client, "
                     "to: server%zu }\n",
                     i + 1, port_only ? "127.0.0.1:" : "", listen.length, listen.text,
                     i + 1);
    }
    buffer_print(out, "listen:\n%s", buffer_text(&listens));
    bool failed = out->out_of_memory || listens.out_of_memory;
    buffer_close(&listens);
    return failed ? -ENOMEM : 0;
}

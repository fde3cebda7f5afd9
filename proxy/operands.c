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

/* A word, taken apart. */
struct operand {
    struct part name; /* length 0: none was said */
    struct part listen, host, port;
};

/* NAME=LISTEN:HOST:PORT into its parts. False: it has not that shape. */
static bool take_apart(const char *word, struct operand *out)
{
    const char *equals = strchr(word, '=');
    const char *start = equals ? equals + 1 : word;
    const char *before_port = last_colon(start, strlen(start));
    const char *before_host =
        before_port ? last_colon(start, (size_t)(before_port - start)) : NULL;
    if (!before_host || before_host == start || equals == word)
        return false;
    out->name = (struct part){word, equals ? (int)(equals - word) : 0};
    out->listen = (struct part){start, (int)(before_host - start)};
    out->host = part_of(before_host + 1, before_port);
    out->port = (struct part){before_port + 1, (int)strlen(before_port + 1)};
    return out->host.length > 0 && out->port.length > 0 &&
           strspn(out->port.text, "0123456789") == (size_t)out->port.length &&
           !strpbrk(word, "\"\\\n");
}

/* "db", or else "server2". */
static void print_name(struct buffer *out, const struct operand *operand,
                       const char *kind, size_t place)
{
    if (operand->name.length > 0)
        buffer_print(out, "\"%.*s\"", operand->name.length, operand->name.text);
    else
        buffer_print(out, "%s%zu", kind, place);
}

static void add_operand(struct buffer *nodes, struct buffer *listens,
                        const struct operand *operand, size_t place)
{
    bool port_only = !last_colon(operand->listen.text, (size_t)operand->listen.length);
    buffer_print(nodes, "  ");
    print_name(nodes, operand, "server", place);
    buffer_print(nodes, ": { address: \"%.*s\", ports: [%.*s] }\n",
                 operand->host.length, operand->host.text, operand->port.length,
                 operand->port.text);
    buffer_print(listens, "  - { name: ");
    print_name(listens, operand, "path", place);
    buffer_print(listens, ", address: \"%s%.*s\", from: client, to: ",
                 port_only ? "127.0.0.1:" : "", operand->listen.length,
                 operand->listen.text);
    print_name(listens, operand, "server", place);
    buffer_print(listens, " }\n");
}

int operands_to_rules(const char *const *words, size_t n, struct buffer *out,
                      struct errmsg *err)
{
    struct buffer listens = {0};
    buffer_print(out, "netsplit: 1\nnodes:\n  client: {}\n");
    for (size_t i = 0; i < n; i++) {
        struct operand operand;
        if (!take_apart(words[i], &operand)) {
            errmsg_set(err,
                       "\"%s\" is not [NAME=]LISTEN:UPSTREAM, such as "
                       "7101:127.0.0.1:5432 or db=7101:db.internal:5432",
                       words[i]);
            buffer_close(&listens);
            return -EINVAL;
        }
        add_operand(out, &listens, &operand, i + 1);
    }
    buffer_print(out, "listen:\n%s", buffer_text(&listens));
    bool failed = out->out_of_memory || listens.out_of_memory;
    buffer_close(&listens);
    return failed ? -ENOMEM : 0;
}

/* SPDX-License-Identifier: MIT */
/* Taken apart from the right, where the upstream's port is: a colon inside brackets is
 * part of an IPv6 address. What an address or a port may be is left to the parser of
 * rules, but no word can become anything but a quoted value of the file. */
#include "proxy/operands.h"
#include "proxy/base/errmsg.h"
#include "rules/buffer.h"

#include <errno.h>
#include <stdlib.h>
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
    struct part name;  /* length 0: none was said */
    struct part label; /* of its host, where that names it; else length 0 */
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

/* The first label of a host's name, which people call it by; length 0: it is an address,
 * or what cannot be the name of a node. */
static struct part label_of(const struct operand *operand)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char more[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct part label = {operand->host.text, 0};
    int first_length = (int)strcspn(label.text, ".:]");
    bool is_ipv6 = memchr(label.text, ':', (size_t)operand->host.length);
    if (!is_ipv6 && strspn(label.text, letters) > 0 &&
        strspn(label.text, more) == (size_t)first_length)
        label.length = first_length;
    return label;
}

static bool is_same(const struct part *a, const struct part *b)
{
    return a->length == b->length && memcmp(a->text, b->text, (size_t)a->length) == 0;
}

/* An operand without a name has that of its host, if nothing else is called that. */
static void name_by_host(struct operand *operands, size_t n, size_t i)
{
    static const struct part taken[] = {{"client", 6}, {"any", 3}};
    struct part label = label_of(&operands[i]);
    bool is_free = label.length > 0;
    for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
        is_free &= !is_same(&label, &taken[k]);
    for (size_t k = 0; k < n; k++) {
        struct part other = label_of(&operands[k]);
        is_free &=
            !is_same(&label, &operands[k].name) && (k == i || !is_same(&label, &other));
    }
    operands[i].label = is_free ? label : (struct part){NULL, 0};
}

/* "db", or else "server2". */
static void print_name(struct buffer *out, const struct operand *operand,
                       const char *kind, size_t place)
{
    const struct part *name =
        operand->name.length > 0 ? &operand->name : &operand->label;
    if (name->length > 0)
        buffer_print(out, "\"%.*s\"", name->length, name->text);
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

/* All of them, for a name is free only beside the others. */
static int take_all(const char *const *words, size_t n, struct operand *operands,
                    struct errmsg *err)
{
    for (size_t i = 0; i < n; i++) {
        if (take_apart(words[i], &operands[i]))
            continue;
        errmsg_set(err,
                   "\"%s\" is not [NAME=]LISTEN:UPSTREAM, such as "
                   "7101:127.0.0.1:5432 or db=7101:db.internal:5432",
                   words[i]);
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++)
        name_by_host(operands, n, i);
    return 0;
}

static int print_all(const struct operand *operands, size_t n, struct buffer *out)
{
    struct buffer listens = {0};
    buffer_print(out, "netsplit: 1\nnodes:\n  client: {}\n");
    for (size_t i = 0; i < n; i++)
        add_operand(out, &listens, &operands[i], i + 1);
    buffer_print(out, "listen:\n%s", buffer_text(&listens));
    bool failed = out->out_of_memory || listens.out_of_memory;
    buffer_close(&listens);
    return failed ? -ENOMEM : 0;
}

int operands_to_rules(const char *const *words, size_t n, struct buffer *out,
                      struct errmsg *err)
{
    struct operand *operands = calloc(n + 1, sizeof *operands);
    if (!operands)
        return -ENOMEM;
    int status = take_all(words, n, operands, err);
    if (status == 0)
        status = print_all(operands, n, out);
    free(operands);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* Other instances in one namespace. Each has a table that anyone may read, with the
 * sets of what it takes and its pid in their comment. Two that take the same would meet
 * in an order that nobody chose, so that the second is refused. */
#include "proxy/base/errmsg.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* An element's address: "10.77.1.2" or {"prefix": {"addr": "10.77.9.0", "len": 24}}.
 * 0 or -EINVAL. */
static int read_address(const json_t *value, struct address *out)
{
    const json_t *prefix = json_object_get(value, "prefix");
    const char *text =
        json_string_value(prefix ? json_object_get(prefix, "addr") : value);
    int status = text ? address_parse(text, strlen(text), out, NULL) : -EINVAL;
    if (status == 0 && prefix)
        out->prefix = (uint8_t)json_integer_value(json_object_get(prefix, "len"));
    return status;
}

static const struct endpoint_server *find_overlap(const struct intercept_site *site,
                                                  const struct endpoints *endpoints,
                                                  const json_t *set)
{
    const json_t *elements = json_object_get(set, "elem");
    for (size_t i = 0; i < json_array_size(elements); i++) {
        const json_t *pair = json_object_get(json_array_get(elements, i), "concat");
        struct address address;
        if (read_address(json_array_get(pair, 0), &address) != 0)
            continue;
        json_int_t port = json_integer_value(json_array_get(pair, 1));
        const struct endpoint_server *found =
            endpoints_overlap(endpoints, site->node, &address, (uint16_t)port);
        if (found)
            return found;
    }
    return NULL;
}

static bool is_of_another(const struct intercept_site *site, const json_t *set)
{
    const char *table = json_string_value(json_object_get(set, "table"));
    const char *name = json_string_value(json_object_get(set, "name"));
    return table && name && strcmp(table, nft_table(site->nft)) != 0 &&
           strncmp(table, INTERCEPT_TABLE_PREFIX, strlen(INTERCEPT_TABLE_PREFIX)) ==
               0 &&
           strncmp(name, "servers", 7) == 0;
}

static int check_set(const struct intercept_site *site,
                     const struct endpoints *endpoints, const json_t *set,
                     struct errmsg *err)
{
    if (!is_of_another(site, set))
        return 0;
    const struct endpoint_server *found = find_overlap(site, endpoints, set);
    if (!found)
        return 0;
    const char *pid = json_string_value(json_object_get(set, "comment"));
    errmsg_set(err,
               "port %u of \"%s\" is intercepted already, by the proxy with %s: end "
               "that one, or leave it out here",
               found->port, found->node, pid ? pid : "a pid that is not known");
    return -EADDRINUSE;
}

int site_check_others(const struct intercept_site *site,
                      const struct endpoints *endpoints, struct errmsg *err)
{
    char *text;
    int status = nft_list(site->nft, "list sets", &text, err);
    if (status != 0)
        return status;
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "nftables");
    for (size_t i = 0; i < json_array_size(rows) && status == 0; i++)
        status = check_set(site, endpoints,
                           json_object_get(json_array_get(rows, i), "set"), err);
    json_decref(answer);
    free(text);
    return status;
}

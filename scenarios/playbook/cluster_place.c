/* SPDX-License-Identifier: MIT */
/* Reads one node of a cluster that runs already. */
#include "scenarios/playbook/cluster_place.h"

#include "rules/language/yaml.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>

struct place_draft {
    const char *address, *exec, *netns, *container;
    uint64_t pid;
    const struct yaml_node *ports;
};

static const struct field place_fields[] = {
    {.name = "address",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct place_draft, address),
     .required = true,
     .help = "numeric, IPv4 or IPv6"},
    {.name = "ports",
     .kind = FIELD_LIST,
     .offset = offsetof(struct place_draft, ports),
     .required = true,
     .help = "one: where the server listens"},
    {.name = "exec",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct place_draft, exec),
     .help = "runs a shell on the node, as \"ssh -T n1\"; here unless said"},
    {.name = "container",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct place_draft, container),
     .help = "that it is in, Docker's or Podman's name, for intercept: netns"},
    {.name = "pid",
     .kind = FIELD_NUMBER,
     .offset = offsetof(struct place_draft, pid),
     .min = 1,
     .max = INT32_MAX,
     .help = "of a process in its network namespace, likewise"},
    {.name = "netns",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct place_draft, netns),
     .help = "the path of its network namespace, likewise"},
    {0},
};

static bool read_port(const struct yaml_node *ports, uint16_t *out)
{
    char more = '\0';
    unsigned port = 0;
    if (ports->n != 1 || ports->items[0]->kind != YAML_SCALAR ||
        sscanf(ports->items[0]->text, "%5u%c", &port, &more) != 1 || port < 1 ||
        port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static struct place read_namespace(const struct yaml_node *value,
                                   const struct place_draft *draft, struct diag *diag)
{
    if (!!draft->container + !!draft->pid + !!draft->netns > 1)
        diag_error(diag, &value->at,
                   "one of container, pid and netns says where a node is");
    if (draft->container)
        return (struct place){.kind = PLACE_CONTAINER, .text = draft->container};
    if (draft->netns)
        return (struct place){.kind = PLACE_NETNS, .text = draft->netns};
    if (draft->pid)
        return (struct place){.kind = PLACE_PID, .pid = (uint32_t)draft->pid};
    return (struct place){.kind = PLACE_NONE};
}

void cluster_read_place(const struct yaml_node *value, struct cluster_place *out,
                        struct diag *diag)
{
    static const struct yaml_table table = {.what = "a node", .fields = place_fields};
    struct place_draft draft = {.ports = NULL};
    unsigned char bytes[16];
    (void)yaml_read_map(value, &table, &draft, diag); /* all is told */
    if (draft.address && inet_pton(AF_INET, draft.address, bytes) != 1 &&
        inet_pton(AF_INET6, draft.address, bytes) != 1)
        diag_error(diag, &value->at,
                   "\"%s\" is no numeric address, which a drill needs", draft.address);
    *out = (struct cluster_place){.address = draft.address,
                                  .exec = draft.exec,
                                  .netns = read_namespace(value, &draft, diag)};
    if (draft.ports && !read_port(draft.ports, &out->port))
        diag_error(diag, &draft.ports->at, "a node has one port, 1 to 65535");
}

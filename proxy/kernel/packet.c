/* SPDX-License-Identifier: MIT */
/* The happy path: a rule asks for drops; the instance gets a table of its own (nft.h),
 * with one rule that drops outgoing packets by their mark; and each connection under
 * such a rule has its sockets filtered and marked (packet_socket.h). So it is told by
 * socket what vanishes, never by address, and the rules of nftables do not grow with
 * the connections.
 *
 * A stream whose link drops: what its sender sends is filtered from the socket that the
 * sender talks to; what the receiver would be sent is marked on the socket that talks
 * to the receiver. Acknowledgements of the other stream are among both: they vanish as
 * they would on that link. Bytes that had come before wait at the gate (chain.h). When
 * the rule goes, retransmission timers decide when what goes on.
 *
 * Connections that were intercepted have that rule in the table of their namespace
 * (intercept_site.c); attempts, and what passes the proxy by, are packet_tables.c's.
 *
 * What fails: without the privilege or without nf_tables the rules that need it are
 * refused, or fall back, when they are compiled. A socket that cannot be filtered
 * later, for want of memory, is said on the log; its stream then stalls.
 *
 * The table has no hooks while no rule of the plan drops. It does not outlive the
 * process. */
#include "proxy/kernel/packet.h"
#include "proxy/base/errmsg.h"
#include "proxy/wire/connection.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/qdisc.h"
#include "rules/faults/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INSTANCES = 256,
    COMMAND_BYTES = 512,
};

#define CHAIN "drop-marked"

struct packet {
    struct nft *nft; /* owned */
    uint32_t mark;   /* what carries it is dropped on its way out */
    bool drops;      /* the rule that does so is there */
};

/* A table under the lowest number that no other instance here has. */
static int take_table(struct packet *packet, struct errmsg *err)
{
    int status = -EEXIST;
    for (unsigned number = 0; status == -EEXIST && number < INSTANCES; number++) {
        char name[32];
        (void)snprintf(name, sizeof name, "netsplit_%u", number);
        status = nft_create(&packet->nft, name, err);
        packet->mark = intercept_mark(number, INTERCEPT_MARK_DROPPED);
    }
    return status;
}

static int open_packet(struct proxy *proxy, struct errmsg *err)
{
    if (proxy->packet)
        return 0;
    struct packet *packet = calloc(1, sizeof *packet);
    if (!packet) {
        errmsg_set(err, "out of memory");
        return -ENOMEM;
    }
    int status = take_table(packet, err);
    if (status != 0) {
        free(packet);
        return status;
    }
    proxy->packet = packet;
    return 0;
}

void packet_destroy(struct packet *packet)
{
    if (!packet)
        return;
    nft_destroy(packet->nft);
    free(packet);
}

static bool rule_asks(const struct rule *rule)
{
    if (rule->kind != RULE_INJECT)
        return rule->ports_all || (rule->how_given && rule->how == HOW_DROP);
    for (size_t i = 0; i < rule->n_faults; i++)
        if (rule->faults[i].fault->in_kernel)
            return true;
    return false;
}

static bool rule_shapes(const struct rule *rule)
{
    for (size_t i = 0; i < rule->n_faults; i++)
        if (rule->faults[i].fault == &fault_packet_rate ||
            rule->faults[i].fault == &fault_packet_delay)
            return true;
    return false;
}

static bool layers_ask(const struct layers *layers)
{
    if (layers->items[0].rules->intercept != INTERCEPT_LISTEN)
        return true; /* drop is the default there */
    for (size_t i = 0; i < layers->n; i++) {
        const struct rules *rules = layers->items[i].rules;
        for (size_t k = 0; k < rules->n_rules; k++)
            if (rule_asks(&rules->rules[k]))
                return true;
    }
    return false;
}

static bool layers_shape(const struct layers *layers)
{
    for (size_t i = 0; i < layers->n; i++)
        for (size_t k = 0; k < layers->items[i].rules->n_rules; k++)
            if (rule_shapes(&layers->items[i].rules->rules[k]))
                return true;
    return false;
}

/* Behind NAT of redirect the addresses are those of this host. */
static void probe_shaping(enum rule_intercept intercept, struct plan_kernel *kernel)
{
    if (intercept != INTERCEPT_TPROXY && intercept != INTERCEPT_NETNS) {
        kernel->why = "needs intercept: tproxy or netns";
        return;
    }
    qdisc_probe(&kernel->packet_rate, &kernel->packet_delay);
    if (!kernel->packet_rate && !kernel->packet_delay)
        kernel->why = "this kernel lacks htb, tbf or netem (modules sch_htb, sch_tbf, "
                      "sch_netem)";
    else if (!kernel->packet_rate)
        kernel->why = "this kernel has no tbf (module sch_tbf)";
    else if (!kernel->packet_delay)
        kernel->why = "this kernel has no netem (module sch_netem)";
}

/* In the modes that intercept the privilege is needed anyway, and their tables are
 * there; in mode listen what is needed is made, to be sure of it. */
void packet_probe(struct proxy *proxy, const struct layers *layers,
                  struct plan_kernel *kernel)
{
    *kernel = (struct plan_kernel){0};
    if (!layers_ask(layers))
        return;
    bool listens = layers->items[0].rules->intercept == INTERCEPT_LISTEN;
    int status = !nft_is_permitted() ? -EPERM : listens ? open_packet(proxy, NULL) : 0;
    kernel->drop = kernel->packet_loss = status == 0;
    kernel->ports_all = status == 0 && !listens;
    kernel->why = status == -EPERM ? "needs CAP_NET_ADMIN"
                  : status != 0    ? "needs nf_tables in the kernel"
                  : listens        ? "needs intercept: tproxy, redirect or netns"
                                   : NULL;
    if (status == 0 && layers_shape(layers)) /* and says what is lacking */
        probe_shaping(layers->items[0].rules->intercept, kernel);
}

static bool plan_drops(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_rules; i++)
        if (plan->rules[i].kind != RULE_INJECT && plan->rules[i].how == HOW_DROP)
            return true;
    return false;
}

int packet_prepare(struct proxy *proxy, const struct plan *plan, struct errmsg *err)
{
    if (!plan_drops(plan) || plan->n_listeners == 0)
        return 0;
    int status = open_packet(proxy, err);
    struct packet *packet = proxy->packet;
    if (status != 0 || packet->drops)
        return status;
    const char *table = nft_table(packet->nft);
    char command[COMMAND_BYTES];
    (void)snprintf(
        command, sizeof command,
        "add chain inet %s " CHAIN " { type filter hook output priority raw; }\n"
        "add rule inet %s " CHAIN " meta mark & 0x%08x == 0x%08x counter drop\n",
        table, table, INTERCEPT_MARK_MASK | INTERCEPT_MARK_DROPPED, packet->mark);
    status = nft_run(packet->nft, command, err);
    packet->drops = status == 0;
    return status;
}

void packet_settle(struct proxy *proxy)
{
    struct packet *packet = proxy->packet;
    if (!packet || !packet->drops || plan_drops(proxy->plan))
        return;
    char command[COMMAND_BYTES];
    const char *table = nft_table(packet->nft);
    (void)snprintf(command, sizeof command,
                   "flush chain inet %s " CHAIN "\ndelete chain inet %s " CHAIN "\n",
                   table, table);
    /* It does no harm where it cannot be removed: nothing carries the mark. */
    packet->drops = nft_run(packet->nft, command, NULL) != 0;
}

uint32_t packet_mark(const struct connection *connection)
{
    return connection->intercepted ? intercepted_drop_mark(connection->intercepted)
                                   : connection->proxy->front->packet->mark;
}

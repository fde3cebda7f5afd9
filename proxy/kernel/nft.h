/* SPDX-License-Identifier: MIT */
/* One nftables table that the kernel removes when this process ends, however it ends:
 * it has the owner flag (kernel: NFT_TABLE_F_OWNER), and nobody else may change it. */
#ifndef NETSPLIT_KERNEL_NFT_H
#define NETSPLIT_KERNEL_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct errmsg;
struct nft;

/* Whether this process may do anything here (CAP_NET_ADMIN). */
bool nft_is_permitted(void);

/* Makes the table `inet NAME` in the network namespace that the calling thread is in;
 * later calls act there, from wherever they are made. The descriptor it holds is
 * close-on-exec: a child that had it would keep the table alive. 0; or -EPERM (needs
 * CAP_NET_ADMIN), -EEXIST (there is such a table), -ENOMEM, or what the kernel says,
 * with a sentence in err. */
int nft_create(struct nft **out, const char *name, struct errmsg *err);

/* Runs commands (nft(8)) as one transaction: all of them hold from one moment on, or
 * none does. 0; or a negative errno and err. */
int nft_run(struct nft *nft, const char *commands, struct errmsg *err);

/* Runs one `list` command; *out is its output as JSON (libnftables-json(5)), to be
 * freed. */
int nft_list(struct nft *nft, const char *command, char **out, struct errmsg *err);

/* Is there a table `inet NAME` in the namespace we are in, whoever's? 1, 0, or -EPERM,
 * -ENOMEM. */
int nft_exists(const char *name);

/* The table's name, as in "inet NAME". */
const char *nft_table(const struct nft *nft);

/* Appends commands after which the table has the chain, without rules. base says where
 * packets meet it ("type nat hook output priority -100"), and what no rule decides
 * about is accepted; NULL: rules jump to it. */
void nft_write_chain(const struct nft *nft, const char *chain, const char *base,
                     struct buffer *out);

/* Removes the table. NULL is fine. */
void nft_destroy(struct nft *nft);

#endif

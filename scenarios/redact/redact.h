/* SPDX-License-Identifier: MIT */
/* Secrets, and texts without them. What is shown or kept has *** in their place.
 *
 * A secret is known by its name or by its form. By its name: the value of a variable
 * whose name ends in PASSWORD, PASSWD, PASSPHRASE, SECRET, TOKEN, APIKEY, _KEY or _AUTH,
 * in any case, or which the cluster file lists in `needs: { secrets: [NAME] }`. By its form: what
 * follows such a name and "=" or ":", `auth=`, `redis-cli -a`, and what stands between
 * ":" and "@" in a URL.
 *
 * What is known to be one is hidden wherever it turns up, alone too, if it cannot be
 * taken for something else: of at least six bytes, and not of digits alone, nor of fewer
 * than twelve small letters alone ("postgres"). One that is listed needs four bytes only.
 * Others are hidden where their name stands with them. */
#ifndef NETSPLIT_SCENARIOS_REDACT_REDACT_H
#define NETSPLIT_SCENARIOS_REDACT_REDACT_H

#include "proxy/base/errmsg.h"
#include "rules/buffer.h"
#include "rules/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct redact;
struct cluster;
struct playbook;

/* The secrets of our own environment. Free it with redact_destroy(); all functions below
 * accept NULL, which knows none by its name. */
struct redact *redact_create(void);
void redact_destroy(struct redact *redact);

/* A variable: a secret if it is listed, or if its name says so. */
void redact_add(struct redact *redact, const char *name, const char *value,
                bool is_listed);

/* What in the text has the form of one. */
void redact_learn(struct redact *redact, const char *text);

/* Those of a cluster file and a playbook: their texts and all their variables. Either
 * may be NULL. */
void redact_add_files(struct redact *redact, const struct cluster *cluster,
                      const struct playbook *playbook);

/* Appends the text without secrets, of either kind. */
void redact_text(const struct redact *redact, const char *text, struct buffer *out);

/* The same in place, each byte of a secret as a *: for texts in which columns matter. */
void redact_columns(const struct redact *redact, char *text);

/* The same as a new text, which the caller frees. */
char *redact_copy(const struct redact *redact, const char *text);

/* Prints what is wrong with a file: its lines are shown, and a password may stand in one.
 */
void redact_print_diag(const struct redact *redact, const struct diag *diag, FILE *to);

/* Rewrites the files in and below the directory that hold a secret: what is known to be
 * one everywhere, what has the form of one in logs (*.log). What could not be read or
 * written stays as it was: then a negative errno, and err names the last such file. */
int redact_directory(const struct redact *redact, const char *directory,
                     struct errmsg *err);

#endif

/* SPDX-License-Identifier: MIT */
/* Host names of a test's own: it and the programs it starts look them up in a file, and
 * ask no name server. */
#ifndef NETSPLIT_TESTS_OWN_NAMES_H
#define NETSPLIT_TESTS_OWN_NAMES_H

/* Moves the test into a mount namespace in which /etc/hosts and what decides about its
 * use are files in the directory. NULL; or what it lacks, and then nothing has changed
 * for it. Before any thread is started. */
const char *own_names_enter(const char *directory);

/* What the names are from here on: "127.0.0.1 db.test\n". */
void own_names_set(const char *directory, const char *hosts);

#endif

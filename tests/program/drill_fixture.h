/* SPDX-License-Identifier: MIT */
/* Runs `netsplit drill` as a user would, in a directory of its own: TMPDIR and
 * XDG_RUNTIME_DIR are below it, so that whatever is left behind is found, and every
 * process is marked in its environment, so that none can hide. */
#ifndef NETSPLIT_TESTS_DRILL_FIXTURE_H
#define NETSPLIT_TESTS_DRILL_FIXTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct drill_fixture {
    char dir[256];       /* of this test; removed by drill_close() */
    char mark[64];       /* NAME=VALUE in the environment of all that it starts */
    unsigned user;       /* that the program runs as; 0 = ours */
    pid_t pid;           /* 0 = not running */
    int told_fd;         /* its stderr and stdout; -1 = closed */
    bool terminal;       /* it runs at a terminal, which told_fd is the other end of */
    bool ignores_hangup; /* as under nohup(1) */
    int out_fd;          /* where its stdout goes instead (borrowed); 0 = told_fd */
    char told[262144];
    size_t told_bytes;
};

/* Makes the directory, with cluster.yaml (three store nodes; see the .c file) and
 * playbook.md. steps follow the front matter, a workload and a short baseline. */
void drill_open(struct drill_fixture *fixture, const char *front, const char *steps);
void drill_close(struct drill_fixture *fixture);

/* The same, when it has ended by itself: nothing may be left of it. */
void drill_finish(struct drill_fixture *fixture);

/* The mode's part of out/report.json; the caller lets go of it. */
json_t *drill_read_mode(const struct drill_fixture *fixture, const char *mode);

/* Replaces playbook.md by another one that is made likewise. */
void drill_set_playbook(const struct drill_fixture *fixture, const char *front,
                        const char *steps);

/* Replaces cluster.yaml by one whose `start` is the command. */
void drill_set_start(struct drill_fixture *fixture, const char *command);

/* Replaces cluster.yaml by a shipped one: "store-lab". */
void drill_use_cluster(struct drill_fixture *fixture, const char *name);

/* From now on the program runs as this user, who gets the directory. */
void drill_become(struct drill_fixture *fixture, unsigned user);

/* Starts netsplit with the words (NULL-terminated) in the directory. */
void drill_spawn(struct drill_fixture *fixture, const char *const *words);

/* The terminal that it runs at closes. */
void drill_close_terminal(struct drill_fixture *fixture);

/* The pid of a child of the drill's whose command line has the word; 0 = none. */
pid_t drill_find_child(const struct drill_fixture *fixture, const char *word);

/* Reads what it tells until it holds the text; false when it ended before that. */
bool drill_await(struct drill_fixture *fixture, const char *text);

/* Reads until it ends; its status as a shell says it (128 + signal). */
int drill_wait(struct drill_fixture *fixture);

/* drill playbook.md --cluster cluster.yaml --out out --seed 7, with more words. */
void drill_start(struct drill_fixture *fixture, const char *mode);
int drill_run_whole(struct drill_fixture *fixture, const char *mode);

/* Processes that are marked; zombies do not count. */
size_t drill_count_marked(const struct drill_fixture *fixture);

/* Waits up to ten seconds until there are none. */
bool drill_wait_unmarked(const struct drill_fixture *fixture);

/* Entries in the directory's tmp and run folders. */
size_t drill_count_left(const struct drill_fixture *fixture);

#endif

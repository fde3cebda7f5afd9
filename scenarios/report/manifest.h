/* SPDX-License-Identifier: MIT */
/* The evidence of a run: manifest.json in its directory says what was run, on what, with
 * which settings, and the command that repeats it; SHA256SUMS beside it has the SHA-256
 * of every file, manifest.json included, in the format of sha256sum(1), so that checking
 * them takes nothing of ours. Hashes show that files are as they were written, not who
 * wrote them: whoever wants that keeps the hash of SHA256SUMS elsewhere, or signs it.
 */
#ifndef NETSPLIT_SCENARIOS_REPORT_MANIFEST_H
#define NETSPLIT_SCENARIOS_REPORT_MANIFEST_H

#include "scenarios/report/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct errmsg;
struct run;

#define MANIFEST_NAME "manifest.json"
#define MANIFEST_SUMS "SHA256SUMS"

struct manifest_file {
    char *name; /* owned; below the directory: "async/history.edn" */
    char sha256[SHA256_HEX_BYTES];
    uint64_t bytes;
};

struct manifest_files {
    struct manifest_file *items; /* owned; by name, as bytes */
    size_t n;
};

/* Hashes the regular files in and below the directory, but for those whose names stand
 * in the list, which NULL ends. 0, and the caller frees *files; or a negative errno and
 * err. */
int manifest_list(const char *directory, const char *const *but,
                  struct manifest_files *files, struct errmsg *err);
void manifest_free(struct manifest_files *files);

/* Writes both files into the directory, which holds all others. 0, or a negative errno
 * and err. */
int manifest_write(const struct run *run, const char *directory, struct errmsg *err);

/* Writes a line for each, as sha256sum(1) would. 0 or -EIO. */
int manifest_write_sums(const struct manifest_files *files, FILE *to);

enum manifest_difference { MANIFEST_CHANGED = 0, MANIFEST_MISSING, MANIFEST_ADDED };

struct manifest_finding {
    char *name; /* owned */
    enum manifest_difference difference;
};

struct manifest_check {
    size_t n_same;
    struct manifest_finding *items; /* owned */
    size_t n;
    bool broken; /* one of them was changed or is missing */
};

/* Holds the directory's files to its SHA256SUMS. 0, and the caller frees *check; -ENOENT
 * if it has none, another negative errno when it cannot be read or is none; with err. */
int manifest_verify(const char *directory, struct manifest_check *check,
                    struct errmsg *err);
void manifest_check_free(struct manifest_check *check);

/* "changed since", "missing", "added since". */
const char *manifest_difference_name(enum manifest_difference difference);

#endif

/* SPDX-License-Identifier: MIT */
/* What a node must not forget besides its log: the highest term it has promised to
 * follow, and whether it leads in it. Written to DIR/meta before anything is answered
 * that depends on it. */
#ifndef NETSPLIT_STORE_META_H
#define NETSPLIT_STORE_META_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stdint.h>

struct store_meta {
    uint64_t term; /* 0 = none yet; term.h says how they are made */
    bool primary;
};

/* Reads DIR/meta. No file is term 0, replica. Returns 0 or a negative errno. */
int store_meta_load(const char *dir, struct store_meta *meta, struct errmsg *err);

/* Replaces DIR/meta, durably and atomically (a new file, fsync, rename, fsync of the
 * directory). Returns 0 or a negative errno; then the old one may still stand. */
int store_meta_save(const char *dir, const struct store_meta *meta);

#endif

/* SPDX-License-Identifier: MIT */
/* The write-ahead log of one node: a file of records (record.h) that survives kill -9.
 * A torn tail, left by a crash in the middle of a write, is cut when it is opened. The
 * log is never compacted: it is the data, and a replica may need any part of it. */
#ifndef NETSPLIT_STORE_WAL_H
#define NETSPLIT_STORE_WAL_H

#include "proxy/base/errmsg.h"
#include "scenarios/store/buffer.h"
#include "scenarios/store/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_place {
    uint64_t offset; /* where the record begins in the file */
    uint64_t term;
};

struct store_wal {
    int fd;                        /* owned; locked against a second node */
    struct store_place *places;    /* owned; of index 1, 2, ...: 16 bytes a record */
    size_t n, capacity;            /* n is the last index */
    uint64_t size_bytes;           /* written to the file */
    struct store_buffer unwritten; /* appended since the last flush */
    bool unsynced;                 /* written since the last fsync */
};

/* Opens or creates DIR/log. *cut_bytes is what was torn off its end, 0 if nothing.
 * Returns 0 or a negative errno: -EWOULDBLOCK when another process has it open,
 * -EBADMSG when the file is no log of ours. */
int store_wal_open(struct store_wal *wal, const char *dir, uint64_t *cut_bytes,
                   struct errmsg *err);

/* Closes without writing what was not flushed. Idempotent. */
void store_wal_close(struct store_wal *wal);

/* 0 and 0 when the log is empty. */
uint64_t store_wal_last_index(const struct store_wal *wal);
uint64_t store_wal_last_term(const struct store_wal *wal);

/* The term of the record at index; 0 at 0. index <= the last one. */
uint64_t store_wal_term_at(const struct store_wal *wal, uint64_t index);

/* Appends a record at last index + 1. It is in memory until the next flush. */
void store_wal_append(struct store_wal *wal, uint64_t term, const char *payload,
                      size_t len);

/* Writes what was appended, and with sync makes it durable. Returns 0 or a negative
 * errno, after which the file's end is unknown: the node must stop. */
int store_wal_flush(struct store_wal *wal, bool sync);

/* Removes everything behind the index kept, durably. Flushes first. */
int store_wal_truncate(struct store_wal *wal, uint64_t kept);

/* Appends to out whole records from index on: at least one, more while they fit in
 * max_bytes, none behind *to, which becomes the index of the last one taken. Everything
 * must have been flushed; 1 <= from <= *to <= last index. Returns 0 or a negative
 * errno. */
int store_wal_read(const struct store_wal *wal, uint64_t from, uint64_t *to,
                   size_t max_bytes, struct store_buffer *out);

#endif

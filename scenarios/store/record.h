/* SPDX-License-Identifier: MIT */
/* One record of the log, the same bytes in the file and on the wire, so that what a
 * replica stores was checked from end to end:
 *
 *     crc u32 | payload length u32 | index u64 | term u64 | payload
 *
 * all little-endian; crc is the CRC-32C of everything behind it. The payload is a
 * command in RESP. */
#ifndef NETSPLIT_STORE_RECORD_H
#define NETSPLIT_STORE_RECORD_H

#include "scenarios/store/buffer.h"

#include <stddef.h>
#include <stdint.h>

enum { STORE_RECORD_HEAD_BYTES = 24, STORE_RECORD_MAX_BYTES = 48 << 20 };

struct store_record {
    uint64_t index;      /* 1, 2, 3, ... without gaps */
    uint64_t term;       /* of the primary that wrote it; never falls along the log */
    const char *payload; /* borrowed from the bytes it was decoded from */
    size_t len;
};

void store_record_encode(struct store_buffer *out, const struct store_record *record);

/* Decodes the record at the start of data and sets *used to its size. Returns 0,
 * -EAGAIN when data ends within it, -EBADMSG when it is damaged. */
int store_record_decode(const char *data, size_t len, struct store_record *record,
                        size_t *used);

#endif

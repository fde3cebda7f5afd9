/* SPDX-License-Identifier: MIT */
/* Integers are put byte by byte, so neither alignment nor the machine's order matter.
 * The CRC goes four bits at a time through a table of 16: small enough to read, fast
 * enough for a log that is bound by its disk. */
#include "scenarios/store/record.h"

#include <errno.h>

static uint32_t crc32c(const char *data, size_t len)
{
    /* CRC-32C (Castagnoli, RFC 3720 B.4), reflected polynomial 0x82f63b78. */
    static const uint32_t nibbles[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        crc = (crc >> 4) ^ nibbles[crc & 15];
        crc = (crc >> 4) ^ nibbles[crc & 15];
    }
    return ~crc;
}

static void put(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(value >> (8 * i));
}

static uint64_t get(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

void store_record_encode(struct store_buffer *out, const struct store_record *record)
{
    size_t start = out->len;
    (void)store_buffer_reserve(out, STORE_RECORD_HEAD_BYTES + record->len);
    out->len += STORE_RECORD_HEAD_BYTES;
    store_buffer_append(out, record->payload, record->len);
    char *head = out->data + start;
    put(head + 4, record->len, 4);
    put(head + 8, record->index, 8);
    put(head + 16, record->term, 8);
    put(head, crc32c(head + 4, STORE_RECORD_HEAD_BYTES - 4 + record->len), 4);
}

int store_record_decode(const char *data, size_t len, struct store_record *record,
                        size_t *used)
{
    if (len < STORE_RECORD_HEAD_BYTES)
        return -EAGAIN;
    size_t payload = (size_t)get(data + 4, 4);
    if (payload > STORE_RECORD_MAX_BYTES)
        return -EBADMSG;
    if (len - STORE_RECORD_HEAD_BYTES < payload)
        return -EAGAIN;
    if (get(data, 4) != crc32c(data + 4, STORE_RECORD_HEAD_BYTES - 4 + payload))
        return -EBADMSG;
    *record = (struct store_record){get(data + 8, 8), get(data + 16, 8),
                                    data + STORE_RECORD_HEAD_BYTES, payload};
    *used = STORE_RECORD_HEAD_BYTES + payload;
    return 0;
}

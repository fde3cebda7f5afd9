/* SPDX-License-Identifier: MIT */
/* Opening reads the file once from start to end and remembers where each record begins.
 * The first record that is short, damaged or out of order ends the log: the file is cut
 * there, because a record behind damage can not be trusted to follow what is before it.
 * Appending gathers records in memory; a flush is one write() for all of them (group
 * commit). Reading is pread(): what was just written is in the page cache.
 *
 * Failures of write and fsync are final (after a failed fsync the kernel may have
 * dropped the pages): they are returned, and the node stops. */
#include "scenarios/store/wal.h"
#include "proxy/base/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[] = "netsplit store log 1\n";

enum { MAGIC_BYTES = sizeof magic - 1, SCAN_BYTES = 1 << 20 };

static int write_all(int fd, const char *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Reads up to len bytes; fewer only at the end of the file. */
static ssize_t read_all(int fd, char *data, size_t len, uint64_t offset)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, data + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static void add_place(struct store_wal *wal, uint64_t offset, uint64_t term)
{
    if (wal->n == wal->capacity) {
        wal->capacity = wal->capacity ? wal->capacity * 2 : 1024;
        wal->places = xreallocarray(wal->places, wal->capacity, sizeof *wal->places);
    }
    wal->places[wal->n++] = (struct store_place){offset, term};
}

/* Takes the records that lie whole in the window; *ends when no more can follow. */
static size_t scan_window(struct store_wal *wal, const struct store_buffer *window,
                          bool *ends)
{
    size_t at = 0, used;
    struct store_record record;
    while (!*ends) {
        int e =
            store_record_decode(window->data + at, window->len - at, &record, &used);
        if (e == -EAGAIN)
            break;
        if (e || record.index != wal->n + 1 || record.term < store_wal_last_term(wal)) {
            *ends = true;
            break;
        }
        add_place(wal, wal->size_bytes + at, record.term);
        at += used;
    }
    return at;
}

/* Finds the records; afterwards size_bytes is where the last good one ends. */
static int scan(struct store_wal *wal)
{
    struct store_buffer window = {0};
    uint64_t offset = MAGIC_BYTES;
    bool ends = false;
    ssize_t got = 0;
    wal->size_bytes = MAGIC_BYTES;
    while (!ends) {
        char *room = store_buffer_reserve(&window, SCAN_BYTES);
        got = read_all(wal->fd, room, SCAN_BYTES, offset);
        if (got <= 0)
            break;
        window.len += (size_t)got;
        offset += (uint64_t)got;
        size_t at = scan_window(wal, &window, &ends);
        wal->size_bytes += at;
        store_buffer_consume(&window, at);
    }
    store_buffer_free(&window);
    return got < 0 ? (int)got : 0;
}

static int sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return e;
}

static int create(struct store_wal *wal, const char *dir)
{
    int e = write_all(wal->fd, magic, MAGIC_BYTES, 0);
    if (e == 0 && ftruncate(wal->fd, MAGIC_BYTES) < 0)
        e = -errno;
    if (e == 0 && fsync(wal->fd) < 0)
        e = -errno;
    wal->size_bytes = MAGIC_BYTES;
    return e ? e : sync_directory(dir);
}

static int load(struct store_wal *wal, const char *dir, uint64_t *cut_bytes)
{
    char head[MAGIC_BYTES];
    struct stat file;
    if (flock(wal->fd, LOCK_EX | LOCK_NB) < 0 || fstat(wal->fd, &file) < 0)
        return -errno;
    *cut_bytes = 0;
    ssize_t got = read_all(wal->fd, head, MAGIC_BYTES, 0);
    if (got < 0)
        return (int)got;
    if (memcmp(head, magic, (size_t)got) != 0)
        return -EBADMSG;
    if (got < MAGIC_BYTES) /* new, or a crash while it was created */
        return create(wal, dir);
    int e = scan(wal);
    if (e)
        return e;
    *cut_bytes = (uint64_t)file.st_size - wal->size_bytes;
    if (*cut_bytes == 0)
        return 0;
    if (ftruncate(wal->fd, (off_t)wal->size_bytes) < 0 || fsync(wal->fd) < 0)
        return -errno;
    return 0;
}

static const char *reason(int e)
{
    if (e == -EWOULDBLOCK)
        return "another process has it open";
    return e == -EBADMSG ? "it is no log of this store" : strerror(-e);
}

int store_wal_open(struct store_wal *wal, const char *dir, uint64_t *cut_bytes,
                   struct errmsg *err)
{
    *wal = (struct store_wal){.fd = -1};
    char *path = xasprintf("%s/log", dir);
    int e = 0;
    wal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    e = wal->fd < 0 ? -errno : load(wal, dir, cut_bytes);
    if (e) {
        errmsg_set(err, "opening the log %s: %s", path, reason(e));
        store_wal_close(wal);
    }
    free(path);
    return e;
}

void store_wal_close(struct store_wal *wal)
{
    if (wal->fd >= 0)
        close(wal->fd);
    free(wal->places);
    store_buffer_free(&wal->unwritten);
    *wal = (struct store_wal){.fd = -1};
}

uint64_t store_wal_last_index(const struct store_wal *wal)
{
    return wal->n;
}

uint64_t store_wal_last_term(const struct store_wal *wal)
{
    return store_wal_term_at(wal, wal->n);
}

uint64_t store_wal_term_at(const struct store_wal *wal, uint64_t index)
{
    assert(index <= wal->n);
    return index == 0 ? 0 : wal->places[index - 1].term;
}

static uint64_t end_offset(const struct store_wal *wal)
{
    return wal->size_bytes + wal->unwritten.len;
}

void store_wal_append(struct store_wal *wal, uint64_t term, const char *payload,
                      size_t len)
{
    struct store_record record = {wal->n + 1, term, payload, len};
    add_place(wal, end_offset(wal), term);
    store_record_encode(&wal->unwritten, &record);
}

int store_wal_flush(struct store_wal *wal, bool sync)
{
    struct store_buffer *unwritten = &wal->unwritten;
    if (unwritten->len > 0) {
        int e = write_all(wal->fd, unwritten->data, unwritten->len, wal->size_bytes);
        if (e)
            return e;
        wal->size_bytes += unwritten->len;
        store_buffer_consume(unwritten, unwritten->len);
        wal->unsynced = true;
    }
    if (!sync || !wal->unsynced)
        return 0;
    if (fdatasync(wal->fd) < 0)
        return -errno;
    wal->unsynced = false;
    return 0;
}

int store_wal_truncate(struct store_wal *wal, uint64_t kept)
{
    assert(kept <= wal->n);
    int e = store_wal_flush(wal, false);
    if (e || kept == wal->n)
        return e;
    wal->size_bytes = wal->places[kept].offset;
    wal->n = (size_t)kept;
    if (ftruncate(wal->fd, (off_t)wal->size_bytes) < 0)
        return -errno;
    wal->unsynced = true;
    return store_wal_flush(wal, true);
}

/* The offset at which the record at index ends. */
static uint64_t end_of(const struct store_wal *wal, uint64_t index)
{
    return index < wal->n ? wal->places[index].offset : wal->size_bytes;
}

int store_wal_read(const struct store_wal *wal, uint64_t from, uint64_t *to,
                   size_t max_bytes, struct store_buffer *out)
{
    assert(wal->unwritten.len == 0 && from >= 1 && from <= *to && *to <= wal->n);
    uint64_t start = wal->places[from - 1].offset;
    uint64_t last = from;
    while (last < *to && end_of(wal, last + 1) - start <= max_bytes)
        last++;
    size_t len = (size_t)(end_of(wal, last) - start);
    ssize_t got = read_all(wal->fd, store_buffer_reserve(out, len), len, start);
    if (got < 0)
        return (int)got;
    if ((size_t)got < len)
        return -EIO;
    out->len += len;
    *to = last;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* The log file, its records, and the meta file beside it. */
#include "proxy/base/tempdir.h"
#include "scenarios/store/meta.h"
#include "scenarios/store/wal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[TEMPDIR_PATH_MAX];
static char path[TEMPDIR_PATH_MAX + 8];

static void make_dir(void)
{
    cr_assert_eq(tempdir_make("store-test", dir, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/log", dir);
}

static void remove_dir(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(store_wal, .init = make_dir, .fini = remove_dir);
TestSuite(store_meta, .init = make_dir, .fini = remove_dir);

static uint64_t open_wal(struct store_wal *wal)
{
    uint64_t cut;
    struct errmsg err = {""};
    int e = store_wal_open(wal, dir, &cut, &err);
    cr_assert_eq(e, 0, "%s", err.text);
    return cut;
}

/* Writes n records "value 1", ...; all of term 1, but the last one of term 5. */
static void fill(uint64_t n)
{
    struct store_wal wal;
    char text[32];
    (void)open_wal(&wal);
    for (uint64_t i = 1; i <= n; i++) {
        int len = snprintf(text, sizeof text, "value %llu", (unsigned long long)i);
        store_wal_append(&wal, i < n ? 1 : 5, text, (size_t)len);
    }
    cr_assert_eq(store_wal_flush(&wal, true), 0);
    store_wal_close(&wal);
}

static void check_records(struct store_wal *wal, uint64_t from, uint64_t to)
{
    struct store_buffer bytes = {0};
    struct store_record record;
    char text[32];
    size_t at = 0, used;
    uint64_t last = to;
    cr_assert_eq(store_wal_read(wal, from, &last, SIZE_MAX / 2, &bytes), 0);
    cr_assert_eq(last, to);
    for (uint64_t i = from; i <= to; i++, at += used) {
        (void)snprintf(text, sizeof text, "value %llu", (unsigned long long)i);
        cr_assert_eq(
            store_record_decode(bytes.data + at, bytes.len - at, &record, &used), 0);
        cr_assert_eq(record.index, i);
        cr_assert_eq(record.len, strlen(text));
        cr_assert_eq(memcmp(record.payload, text, record.len), 0);
    }
    cr_assert_eq(at, bytes.len);
    store_buffer_free(&bytes);
}

Test(store_wal, what_was_flushed_is_there_after_reopening)
{
    struct store_wal wal;
    fill(1000);
    cr_assert_eq(open_wal(&wal), 0);
    cr_assert_eq(store_wal_last_index(&wal), 1000);
    cr_assert_eq(store_wal_last_term(&wal), 5);
    cr_assert_eq(store_wal_term_at(&wal, 999), 1);
    cr_assert_eq(store_wal_term_at(&wal, 0), 0);
    check_records(&wal, 1, 1000);
    check_records(&wal, 1000, 1000);
    store_wal_close(&wal);
}

Test(store_wal, a_file_cut_at_any_byte_loses_only_the_record_it_is_in)
{
    struct stat file;
    fill(5);
    cr_assert_eq(stat(path, &file), 0);
    for (off_t size = file.st_size - 1; size >= 0; size--) {
        struct store_wal wal;
        struct stat after;
        cr_assert_eq(truncate(path, size), 0);
        (void)open_wal(&wal);
        uint64_t n = store_wal_last_index(&wal);
        cr_assert_leq(n, 4);
        if (n > 0)
            check_records(&wal, 1, n);
        store_wal_append(&wal, 9, "more", 4);
        cr_assert_eq(store_wal_flush(&wal, false), 0);
        store_wal_close(&wal);
        cr_assert_eq(open_wal(&wal), 0, "cut at %ld", (long)size);
        cr_assert_eq(store_wal_last_index(&wal), n + 1);
        cr_assert_eq(store_wal_truncate(&wal, n), 0);
        store_wal_close(&wal);
        cr_assert_eq(stat(path, &after), 0);
        if (after.st_size < size)
            size = after.st_size;
    }
}

Test(store_wal, damage_ends_the_log_before_the_damaged_record)
{
    struct stat file;
    fill(5);
    cr_assert_eq(stat(path, &file), 0);
    int fd = open(path, O_RDWR);
    char byte;
    off_t at = file.st_size - 40; /* in record 4: records have 31 bytes */
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    struct store_wal wal;
    cr_assert_eq(open_wal(&wal), 62);
    cr_assert_eq(store_wal_last_index(&wal), 3);
    check_records(&wal, 1, 3);
    store_wal_close(&wal);
}

Test(store_wal, truncating_removes_for_good)
{
    struct store_wal wal;
    fill(10);
    (void)open_wal(&wal);
    store_wal_append(&wal, 5, "unflushed", 9);
    cr_assert_eq(store_wal_truncate(&wal, 7), 0);
    cr_assert_eq(store_wal_last_index(&wal), 7);
    store_wal_close(&wal);
    cr_assert_eq(open_wal(&wal), 0);
    cr_assert_eq(store_wal_last_index(&wal), 7);
    check_records(&wal, 1, 7);
    store_wal_close(&wal);
}

Test(store_wal, reading_takes_whole_records_and_always_one)
{
    struct store_wal wal;
    fill(10);
    (void)open_wal(&wal);
    static const struct {
        size_t max_bytes;
        uint64_t last;
    } rows[] = {{0, 2}, {1, 2}, {62, 3}, {92, 3}, {93, 4}, {100000, 9}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store_buffer bytes = {0};
        uint64_t last = 9;
        cr_assert_eq(store_wal_read(&wal, 2, &last, rows[i].max_bytes, &bytes), 0);
        cr_assert_eq(last, rows[i].last, "%zu bytes", rows[i].max_bytes);
        cr_assert_eq(bytes.len, 31 * (last - 1));
        store_buffer_free(&bytes);
    }
    store_wal_close(&wal);
}

Test(store_wal, a_second_node_can_not_open_it)
{
    struct store_wal first, second;
    struct errmsg err = {""};
    uint64_t cut;
    (void)open_wal(&first);
    cr_assert_eq(store_wal_open(&second, dir, &cut, &err), -EWOULDBLOCK);
    cr_assert(strstr(err.text, "another process"));
    store_wal_close(&first);
}

Test(store_wal, a_file_of_somebody_else_is_refused_and_left_alone)
{
    struct store_wal wal;
    struct errmsg err = {""};
    uint64_t cut;
    FILE *file = fopen(path, "w");
    fputs("a diary, not a log, and precious", file);
    (void)fclose(file);
    cr_assert_eq(store_wal_open(&wal, dir, &cut, &err), -EBADMSG);
    struct stat after;
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_eq(after.st_size, 32);
}

Test(store_meta, survives_and_is_replaced_whole)
{
    struct store_meta meta = {7, true};
    cr_assert_eq(store_meta_load(dir, &meta, NULL), 0);
    cr_assert_eq(meta.term, 0);
    cr_assert_not(meta.primary);
    for (uint64_t term = 1; term < 4; term++) {
        struct store_meta saved = {term * 1000, term % 2 == 0};
        cr_assert_eq(store_meta_save(dir, &saved), 0);
        cr_assert_eq(store_meta_load(dir, &meta, NULL), 0);
        cr_assert_eq(meta.term, saved.term);
        cr_assert_eq(meta.primary, saved.primary);
    }
}

Test(store_meta, what_it_does_not_understand_is_an_error)
{
    struct store_meta meta;
    struct errmsg err = {""};
    (void)snprintf(path, sizeof path, "%s/meta", dir);
    FILE *file = fopen(path, "w");
    fputs("term 3000\nrole king\n", file);
    (void)fclose(file);
    cr_assert_eq(store_meta_load(dir, &meta, &err), -EBADMSG);
    cr_assert(strstr(err.text, path));
}

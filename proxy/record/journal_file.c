/* SPDX-License-Identifier: MIT */
/* The journal as a file: one more reader of the ring.
 *
 * Happy path: an event wakes this reader, which starts a short timer; when it fires,
 * everything new is formatted into one buffer and written on libuv's thread pool. Only
 * one write is under way; what happens meanwhile goes into the next one.
 *
 * A full or failing disk is said once on the log and the file is given up, without the
 * line that did not fit: the proxy goes on. A slow one makes the reader fall behind,
 * and the ring then drops the oldest events, which the file says with {"missed":N}. */
#include "proxy/base/log.h"
#include "proxy/record/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { GATHER_MS = 20, BATCH_BYTES = 256 * 1024 };

struct journal_file {
    struct journal *journal; /* borrowed */
    uv_loop_t *loop;         /* borrowed */
    uv_timer_t timer;
    uv_fs_t write;
    struct journal_listener listener;
    uint64_t cursor;
    size_t len, written;
    int fd;
    bool writing;
    bool closing;
    bool failed;
    char batch[BATCH_BYTES];
};

static void fill(struct journal_file *file)
{
    struct journal_event event;
    uint64_t missed;
    file->len = file->written = 0;
    while (file->len + 2 * (size_t)JOURNAL_LINE_BYTES < BATCH_BYTES &&
           journal_read(file->journal, &file->cursor, &event, &missed)) {
        char *end = file->batch + file->len;
        if (missed)
            file->len += (size_t)sprintf(end, "{\"missed\":%" PRIu64 "}\n", missed);
        file->len +=
            journal_format(&event, file->batch + file->len, JOURNAL_LINE_BYTES);
    }
}

/* Who reads the file finds whole lines only; not if it is a pipe. */
static void cut_unfinished_line(const struct journal_file *file)
{
    size_t whole = file->written;
    while (whole > 0 && file->batch[whole - 1] != '\n')
        whole--;
    if (whole == file->written)
        return;
    off_t end = lseek(file->fd, 0, SEEK_END);
    if (end < 0 || ftruncate(file->fd, end - (off_t)(file->written - whole)) != 0)
        log_line(LOG_WARN, "journal: its last line is cut off: %s", strerror(errno));
}

static void give_up(struct journal_file *file, int error)
{
    cut_unfinished_line(file);
    log_line(LOG_ERROR, "journal: writing stopped: %s", strerror(error));
    file->failed = true;
}

static void on_written(uv_fs_t *request);

static void start_write(struct journal_file *file)
{
    uv_buf_t buf =
        uv_buf_init(file->batch + file->written, (unsigned)(file->len - file->written));
    file->write.data = file;
    int status =
        uv_fs_write(file->loop, &file->write, file->fd, &buf, 1, -1, on_written);
    if (status < 0)
        give_up(file, -status);
    else
        file->writing = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct journal_file *file = handle->data;
    (void)close(file->fd); /* every write has reported already */
    free(file);
}

/* Everything that happens ends here: write what is left, else gather more, else wait
 * for news, or end. */
static void step(struct journal_file *file)
{
    if (file->writing)
        return;
    if (!file->failed && file->written == file->len)
        fill(file);
    if (!file->failed && file->written < file->len)
        start_write(file);
    if (file->writing)
        return;
    if (file->closing)
        uv_close((uv_handle_t *)&file->timer, on_timer_closed);
    else if (!file->failed)
        journal_wait(file->journal, &file->listener);
}

static void on_written(uv_fs_t *request)
{
    struct journal_file *file = request->data;
    file->writing = false;
    if (request->result < 0)
        give_up(file, (int)-request->result);
    else
        file->written += (size_t)request->result;
    uv_fs_req_cleanup(request);
    step(file);
}

static void on_gathered(uv_timer_t *timer)
{
    step(timer->data);
}

static void on_added(void *arg)
{
    struct journal_file *file = arg;
    /* Cannot fail: the timer is not closing while this listener waits. */
    (void)uv_timer_start(&file->timer, on_gathered, GATHER_MS, 0);
}

int journal_file_open(struct journal_file **out, struct journal *journal,
                      uv_loop_t *loop, const char *path, struct errmsg *err)
{
    struct journal_file *file = calloc(1, sizeof *file);
    if (!file)
        return -ENOMEM;
    file->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        int status = -errno;
        errmsg_set(err, "opening the journal %s: %s", path, strerror(-status));
        free(file);
        return status;
    }
    file->journal = journal;
    file->loop = loop;
    file->cursor = journal_next(journal);
    file->listener = (struct journal_listener){.on_added = on_added, .arg = file};
    (void)uv_timer_init(loop, &file->timer); /* cannot fail */
    file->timer.data = file;
    journal_wait(journal, &file->listener);
    *out = file;
    return 0;
}

void journal_file_close(struct journal_file *file)
{
    if (!file || file->closing)
        return;
    file->closing = true;
    journal_stop_waiting(file->journal, &file->listener);
    (void)uv_timer_stop(&file->timer); /* cannot fail */
    step(file);
}

/* SPDX-License-Identifier: MIT */
/* Tells when a file has become another: written to, or replaced by one of the same
 * name, as editors do it and as mounted configuration does it by links. */
#ifndef NETSPLIT_PROXY_FILE_WATCH_H
#define NETSPLIT_PROXY_FILE_WATCH_H

#include <uv.h>

struct errmsg;
struct file_watch;

typedef void (*file_watch_fn)(void *arg);

/* Calls on_change from the loop, a moment after the last of several changes that come
 * together. While there is no such file there is nothing to tell. The path is copied.
 * 0, or a negative errno with a sentence in err. */
int file_watch_start(struct file_watch **out, uv_loop_t *loop, const char *path,
                     file_watch_fn on_change, void *arg, struct errmsg *err);

/* No call comes after it; freed when the loop has closed the handles. NULL is fine. */
void file_watch_close(struct file_watch *watch);

#endif

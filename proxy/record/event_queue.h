/* SPDX-License-Identifier: MIT */
/* Events on their way from one thread to another: bounded, one writer, one reader, who
 * never wait for each other. */
#ifndef NETSPLIT_PROXY_RECORD_EVENT_QUEUE_H
#define NETSPLIT_PROXY_RECORD_EVENT_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct event_queue;
struct journal_event;

/* Room for so many events, a power of two. NULL: no memory. */
struct event_queue *event_queue_create(size_t events);
void event_queue_destroy(struct event_queue *queue); /* NULL is fine */

/* For the writer: copies the event and its text, cut to JOURNAL_TEXT_BYTES. Where there
 * is no room it is counted instead. */
void event_queue_push(struct event_queue *queue, const struct journal_event *event);

/* For the reader: the oldest event, good until it is popped; NULL: there is none. */
const struct journal_event *event_queue_front(const struct event_queue *queue);
void event_queue_pop(struct event_queue *queue);

/* For the reader: how many events found no room since this was asked last. */
uint64_t event_queue_take_missed(struct event_queue *queue);

#endif

/* SPDX-License-Identifier: MIT */
/* The ring, its readers, and the one place that turns events into text.
 *
 * Happy path: the data path calls journal_add, which copies the event over the oldest
 * one and, if a reader waits, wakes it once. Later, from the loop, that reader calls
 * journal_read until it has caught up, formats, and waits again.
 *
 * Event n lives in slot n modulo the ring's size; so a reader knows from its cursor
 * alone whether what it wants is still there, and how much is not. A branch has room
 * for one text and no ring. What this does not do: lock (one thread), write files
 * (journal_file.c), or say what is worth an event. */
#include "proxy/record/journal.h"
#include "proxy/base/now.h"
#include "proxy/record/event_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
    struct name *next; /* in its bucket */
    char text[];
};

enum { NAME_BUCKETS = 256 }; /* names are few: nodes, rules, overlays */

struct journal {
    struct journal_event *ring;        /* owned */
    char (*texts)[JOURNAL_TEXT_BYTES]; /* owned; one beside each event of the ring */
    size_t mask;                       /* size of the ring - 1 */
    uint64_t next;                     /* sequence of the next event */
    struct journal_listener *waiting;
    struct name *names[NAME_BUCKETS]; /* owned */
    struct event_queue *queue;        /* borrowed; of a branch, else NULL */
    journal_added_fn on_added;        /* of a branch */
    void *arg;                        /* borrowed, of on_added */
};

enum field {
    FIELD_CONNECTION = 1 << 0,
    FIELD_DRAW = 1 << 1, /* connection_ordinal, draw, ordinal, outcome */
    FIELD_BYTES = 1 << 2,
    FIELD_COUNT = 1 << 3,
};

/* Texts and directions are printed where they are set; numbers where the type has them,
 * since 0 is a value. */
static const struct {
    const char *name;
    unsigned fields;
} types[JOURNAL_TYPES] = {
    [JOURNAL_DECISION] = {"decision", FIELD_CONNECTION | FIELD_DRAW},
    [JOURNAL_LISTENER_OPENED] = {"listener-opened", 0},
    [JOURNAL_LISTENER_CLOSED] = {"listener-closed", 0},
    [JOURNAL_CONNECTION_OPENED] = {"connection-opened", FIELD_CONNECTION},
    [JOURNAL_CONNECTION_CLOSED] = {"connection-closed", FIELD_CONNECTION | FIELD_BYTES},
    [JOURNAL_COMMITTED] = {"committed", FIELD_COUNT},
    [JOURNAL_RULE_ACTIVE] = {"rule-active", 0},
    [JOURNAL_RULE_INACTIVE] = {"rule-inactive", 0},
    [JOURNAL_PARTITIONED] = {"partitioned", FIELD_COUNT},
    [JOURNAL_DRAWN] = {"drawn", 0},
    [JOURNAL_HEALED] = {"healed", FIELD_COUNT},
    [JOURNAL_TOUCHED] = {"touched", 0},
    [JOURNAL_BUDGET_REACHED] = {"budget-reached", FIELD_COUNT},
    [JOURNAL_ADOPTED] = {"adopted", 0},
    [JOURNAL_NODE_GONE] = {"node-gone", 0},
    [JOURNAL_NODE_FOUND] = {"node-found", 0},
    [JOURNAL_MISSED] = {"missed", FIELD_COUNT},
};

static size_t round_up_to_power_of_two(size_t n)
{
    size_t size = 2;
    while (size < n)
        size *= 2;
    return size;
}

/* A journal with so many texts and no ring; NULL when out of memory. */
static struct journal *create(size_t size)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return NULL;
    journal->mask = size - 1;
    journal->next = 1;
    journal->texts = calloc(size, sizeof *journal->texts);
    if (!journal->texts) {
        journal_destroy(journal);
        return NULL;
    }
    return journal;
}

struct journal *journal_create(size_t events)
{
    size_t size = round_up_to_power_of_two(events ? events : JOURNAL_DEFAULT_EVENTS);
    struct journal *journal = create(size);
    if (!journal)
        return NULL;
    journal->ring = calloc(size, sizeof *journal->ring);
    if (!journal->ring) {
        journal_destroy(journal);
        return NULL;
    }
    return journal;
}

struct journal *journal_create_branch(struct event_queue *queue,
                                      journal_added_fn on_added, void *arg)
{
    struct journal *journal = create(1);
    if (!journal)
        return NULL;
    journal->queue = queue;
    journal->on_added = on_added;
    journal->arg = arg;
    return journal;
}

void journal_destroy(struct journal *journal)
{
    if (!journal)
        return;
    for (size_t i = 0; i < NAME_BUCKETS; i++)
        while (journal->names[i]) {
            struct name *next = journal->names[i]->next;
            free(journal->names[i]);
            journal->names[i] = next;
        }
    free(journal->texts);
    free(journal->ring);
    free(journal);
}

static size_t bucket_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return (hash ^ hash >> 16) % NAME_BUCKETS;
}

const char *journal_intern(struct journal *journal, const char *text)
{
    if (!text)
        return NULL;
    struct name **bucket = &journal->names[bucket_of(text)];
    for (struct name *name = *bucket; name; name = name->next)
        if (strcmp(name->text, text) == 0)
            return name->text;
    size_t len = strlen(text) + 1;
    struct name *name = malloc(sizeof *name + len);
    if (!name)
        return "?";
    memcpy(name->text, text, len);
    name->next = *bucket;
    *bucket = name;
    return name->text;
}

const char *journal_text(struct journal *journal, const char *text)
{
    char *slot = journal->texts[journal->next & journal->mask];
    size_t len = strnlen(text, JOURNAL_TEXT_BYTES - 1);
    memcpy(slot, text, len);
    slot[len] = 0;
    return slot;
}

/* The list is taken first: a listener may wait again from its callback. */
static void wake(struct journal *journal)
{
    struct journal_listener *listener = journal->waiting;
    journal->waiting = NULL;
    while (listener) {
        struct journal_listener *next = listener->next;
        listener->next = NULL;
        listener->on_added(listener->arg);
        listener = next;
    }
}

static uint64_t pass_on(struct journal *branch, const struct journal_event *event)
{
    struct journal_event own = *event;
    if (own.at_ns == 0)
        own.at_ns = now_ns();
    event_queue_push(branch->queue, &own);
    branch->on_added(branch->arg);
    return 0;
}

uint64_t journal_add(struct journal *journal, const struct journal_event *event)
{
    if (journal->queue)
        return pass_on(journal, event);
    uint64_t sequence = journal->next++;
    struct journal_event *slot = &journal->ring[sequence & journal->mask];
    *slot = *event;
    slot->sequence = sequence;
    if (slot->at_ns == 0)
        slot->at_ns = now_ns();
    if (journal->waiting)
        wake(journal);
    return sequence;
}

uint64_t journal_oldest(const struct journal *journal)
{
    uint64_t size = journal->mask + 1;
    return journal->next > size ? journal->next - size : 1;
}

uint64_t journal_next(const struct journal *journal)
{
    return journal->next;
}

bool journal_read(const struct journal *journal, uint64_t *cursor,
                  struct journal_event *event, uint64_t *missed)
{
    uint64_t oldest = journal_oldest(journal);
    uint64_t at = *cursor ? *cursor : oldest;
    *missed = at < oldest ? oldest - at : 0;
    if (at < oldest)
        at = oldest;
    if (at >= journal->next)
        return false;
    *event = journal->ring[at & journal->mask];
    *cursor = at + 1;
    return true;
}

void journal_wait(struct journal *journal, struct journal_listener *listener)
{
    journal_stop_waiting(journal, listener);
    listener->next = journal->waiting;
    journal->waiting = listener;
}

void journal_stop_waiting(struct journal *journal, struct journal_listener *listener)
{
    struct journal_listener **at = &journal->waiting;
    while (*at && *at != listener)
        at = &(*at)->next;
    if (*at)
        *at = listener->next;
    listener->next = NULL;
}

const char *journal_type_name(enum journal_type type)
{
    return types[type].name;
}

int journal_type_find(const char *name)
{
    for (int type = 0; type < JOURNAL_TYPES; type++)
        if (strcmp(types[type].name, name) == 0)
            return type;
    return -1;
}

/* A line being built in a caller's buffer. A member that does not fit is left out as a
 * whole, so that the line stays valid JSON however small the buffer is. */
struct line {
    char *text;
    size_t len;
    size_t limit; /* leaves room for "}\n" and the NUL */
};

static void put(struct line *line, const char *member, size_t len)
{
    size_t comma = line->len > 1;
    if (len + comma > line->limit - line->len)
        return;
    if (comma)
        line->text[line->len++] = ',';
    memcpy(line->text + line->len, member, len);
    line->len += len;
}

static void put_number(struct line *line, const char *key, uint64_t value)
{
    char member[64];
    int len = snprintf(member, sizeof member, "\"%s\":%" PRIu64, key, value);
    put(line, member, (size_t)len);
}

/* How many bytes the UTF-8 character at text has; 0: it is none. */
static size_t character_length(const unsigned char *text)
{
    size_t len = *text < 0x80                    ? 1
                 : *text >= 0xc2 && *text < 0xe0 ? 2
                 : *text >= 0xe0 && *text < 0xf0 ? 3
                 : *text >= 0xf0 && *text < 0xf5 ? 4
                                                 : 0;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* Writes the whole characters of value that fit into room bytes, as JSON escapes them;
 * what is not UTF-8 becomes "?". Returns how many bytes. */
static size_t escape(const char *value, char *out, size_t room)
{
    size_t used = 0;
    const unsigned char *at = (const unsigned char *)value;
    while (*at) {
        char one[8];
        size_t n = character_length(at);
        size_t taken = n ? n : 1;
        if (*at == '"' || *at == '\\')
            n = (size_t)snprintf(one, sizeof one, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            n = (size_t)snprintf(one, sizeof one, "\\u%04x", (unsigned)*at);
        else if (n == 0)
            n = (size_t)snprintf(one, sizeof one, "?");
        else
            memcpy(one, at, n);
        if (n > room - used)
            break;
        memcpy(out + used, one, n);
        used += n;
        at += taken;
    }
    return used;
}

static void put_text(struct line *line, const char *key, const char *value)
{
    char member[160]; /* a name of 100 bytes, and then some */
    if (!value)
        return;
    size_t len = (size_t)snprintf(member, sizeof member, "\"%s\":\"", key);
    len += escape(value, member + len, sizeof member - len - 1);
    member[len++] = '"';
    put(line, member, len);
}

static const char *direction_name(enum journal_direction direction)
{
    switch (direction) {
    case JOURNAL_NO_DIRECTION:
        return NULL;
    case JOURNAL_TO_SERVER:
        return "to_server";
    case JOURNAL_TO_CLIENT:
        return "to_client";
    }
    return NULL;
}

static void put_draw(struct line *line, const struct journal_event *event)
{
    char member[64];
    put_text(line, "draw", event->draw);
    put_number(line, "ordinal", event->ordinal);
    int len = snprintf(member, sizeof member, "\"outcome\":%" PRId64, event->outcome);
    put(line, member, (size_t)len);
}

size_t journal_format(const struct journal_event *event, char *text, size_t text_bytes)
{
    struct line line = {.text = text, .len = 1, .limit = text_bytes - 3};
    unsigned fields = types[event->type].fields;
    text[0] = '{';
    put_number(&line, "sequence", event->sequence);
    put_number(&line, "at_ns", event->at_ns);
    put_text(&line, "event", types[event->type].name);
    if (fields & FIELD_CONNECTION)
        put_number(&line, "connection", event->connection);
    if (fields & FIELD_DRAW)
        put_number(&line, "connection_ordinal", event->connection_ordinal);
    put_text(&line, "direction", direction_name(event->direction));
    put_text(&line, "rule", event->rule);
    put_text(&line, "origin", event->origin);
    put_text(&line, "from", event->from);
    put_text(&line, "to", event->to);
    if (fields & FIELD_DRAW)
        put_draw(&line, event);
    put_text(&line, "text", event->text);
    if (fields & FIELD_BYTES)
        put_number(&line, "bytes", event->bytes);
    if (fields & FIELD_COUNT)
        put_number(&line, "count", event->count);
    memcpy(text + line.len, "}\n", 3);
    return line.len + 2;
}

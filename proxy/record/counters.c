/* SPDX-License-Identifier: MIT */
/* One open-addressed hash table finds rules, links and touches by their key; the lists
 * in struct counters enumerate them in order of first use.
 *
 * Happy path: a match looks a touch up once for a connection and rule, and the stream
 * then increments through the pointer. When memory runs out the lookup returns NULL and
 * nothing has changed; the caller refuses the connection or the reload.
 *
 * Nothing is ever evicted: entries are as many as there are names in the rule files
 * that were applied, and pointers to them are held all over the data path. */
#include "proxy/record/counters.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum entry_kind { ENTRY_RULE = 0, ENTRY_LINK, ENTRY_TOUCH };

struct entry {
    uint64_t hash;
    enum entry_kind kind;
    const void *key[2]; /* two texts, or the rule and link of a touch */
    void *value;        /* NULL = free */
};

struct counters_index {
    struct entry *entries; /* owned */
    size_t capacity;       /* a power of two, at most 3/4 used */
    size_t used;
    struct counters_rule **rules_end; /* where the next one is linked */
    struct counters_link **links_end;
    struct counters_touch **touches_end;
};

enum { FIRST_CAPACITY = 64 };

static const uint64_t fnv_prime = UINT64_C(0x100000001b3); /* FNV-1a, 64 bits */

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * fnv_prime;
    return (hash ^ 0xff) * fnv_prime; /* no text holds it: "ab","c" is not "a","bc" */
}

static uint64_t hash_key(enum entry_kind kind, const void *const key[2])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + (uint64_t)kind;
    for (int i = 0; i < 2; i++)
        hash = kind == ENTRY_TOUCH ? (hash ^ (uintptr_t)key[i]) * fnv_prime
                                   : mix_text(hash, key[i]);
    return hash ^ hash >> 32;
}

static bool key_equal(const struct entry *entry, enum entry_kind kind,
                      const void *const key[2])
{
    if (entry->kind != kind)
        return false;
    if (kind == ENTRY_TOUCH)
        return entry->key[0] == key[0] && entry->key[1] == key[1];
    return strcmp(entry->key[0], key[0]) == 0 && strcmp(entry->key[1], key[1]) == 0;
}

/* The entry of the key, or the free one where it belongs. */
static struct entry *find(struct counters_index *index, enum entry_kind kind,
                          const void *const key[2], uint64_t hash)
{
    size_t mask = index->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct entry *entry = &index->entries[i];
        if (!entry->value || (entry->hash == hash && key_equal(entry, kind, key)))
            return entry;
    }
}

static int grow(struct counters_index *index)
{
    struct counters_index larger = *index;
    larger.capacity = index->capacity * 2;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries)
        return -ENOMEM;
    for (size_t i = 0; i < index->capacity; i++) {
        const struct entry *old = &index->entries[i];
        if (old->value)
            *find(&larger, old->kind, old->key, old->hash) = *old;
    }
    free(index->entries);
    *index = larger;
    return 0;
}

int counters_init(struct counters *counters)
{
    static const char *const names[BUDGET_KINDS] = {
        [BUDGET_HELD_BYTES] = "held_bytes",
        [BUDGET_CONNECTIONS] = "connections",
        [BUDGET_DESCRIPTORS] = "descriptors",
        [BUDGET_STREAM_BYTES] = "hold",
    };
    struct counters_index *index = calloc(1, sizeof *index);
    struct entry *entries = calloc(FIRST_CAPACITY, sizeof *entries);
    if (!index || !entries) {
        free(index);
        free(entries);
        return -ENOMEM;
    }
    *counters = (struct counters){.index = index};
    *index = (struct counters_index){
        .entries = entries,
        .capacity = FIRST_CAPACITY,
        .rules_end = &counters->rules,
        .links_end = &counters->links,
        .touches_end = &counters->touches,
    };
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        counters->budgets[kind].name = names[kind];
    return 0;
}

void counters_close(struct counters *counters)
{
    struct counters_index *index = counters->index;
    for (size_t i = 0; index && i < index->capacity; i++)
        free(index->entries[i].value);
    if (index)
        free(index->entries);
    free(index);
    *counters = (struct counters){0};
}

/* The value of the key. If there is none yet, a zeroed one of the size is made, with
 * copies of two texts behind it for a rule or a link, and *made says so. */
static void *find_or_make(struct counters *counters, enum entry_kind kind, size_t size,
                          const void *const key[2], struct entry **made)
{
    struct counters_index *index = counters->index;
    *made = NULL;
    if ((index->used + 1) * 4 > index->capacity * 3 && grow(index) < 0)
        return NULL;
    uint64_t hash = hash_key(kind, key);
    struct entry *entry = find(index, kind, key, hash);
    if (entry->value)
        return entry->value;
    size_t first = kind == ENTRY_TOUCH ? 0 : strlen(key[0]) + 1;
    size_t second = kind == ENTRY_TOUCH ? 0 : strlen(key[1]) + 1;
    char *value = calloc(1, size + first + second);
    if (!value)
        return NULL;
    *entry = (struct entry){hash, kind, {key[0], key[1]}, value};
    if (kind != ENTRY_TOUCH) {
        entry->key[0] = memcpy(value + size, key[0], first);
        entry->key[1] = memcpy(value + size + first, key[1], second);
    }
    index->used++;
    *made = entry;
    return value;
}

struct counters_rule *counters_rule(struct counters *counters, const char *origin,
                                    const char *name)
{
    struct entry *made;
    struct counters_rule *rule = find_or_make(
        counters, ENTRY_RULE, sizeof *rule, (const void *const[]){origin, name}, &made);
    if (made) {
        rule->origin = made->key[0];
        rule->name = made->key[1];
        *counters->index->rules_end = rule;
        counters->index->rules_end = &rule->next;
    }
    return rule;
}

struct counters_link *counters_link(struct counters *counters, const char *from,
                                    const char *to)
{
    struct entry *made;
    struct counters_link *link = find_or_make(counters, ENTRY_LINK, sizeof *link,
                                              (const void *const[]){from, to}, &made);
    if (made) {
        link->from = made->key[0];
        link->to = made->key[1];
        *counters->index->links_end = link;
        counters->index->links_end = &link->next;
    }
    return link;
}

struct counters_touch *counters_touch(struct counters *counters,
                                      struct counters_rule *rule,
                                      struct counters_link *link)
{
    struct entry *made;
    struct counters_touch *touch = find_or_make(
        counters, ENTRY_TOUCH, sizeof *touch, (const void *const[]){rule, link}, &made);
    if (made) {
        touch->rule = rule;
        touch->link = link;
        *counters->index->touches_end = touch;
        counters->index->touches_end = &touch->next;
    }
    return touch;
}

void counters_connection_add(struct counters *counters,
                             struct counters_connection *connection)
{
    connection->prev = NULL;
    connection->next = counters->connections;
    if (connection->next)
        connection->next->prev = connection;
    counters->connections = connection;
    connection->to_server->connections++;
    connection->to_server->connections_open_now++;
}

void counters_connection_remove(struct counters *counters,
                                struct counters_connection *connection)
{
    if (connection->prev)
        connection->prev->next = connection->next;
    else if (counters->connections == connection)
        counters->connections = connection->next;
    else
        return;
    if (connection->next)
        connection->next->prev = connection->prev;
    connection->next = connection->prev = NULL;
    connection->to_server->connections_open_now--;
}

static bool note_touch(struct counters_touch *touch, uint64_t now_ns)
{
    bool first = touch->first_ns == 0;
    if (first)
        touch->first_ns = now_ns;
    if (touch->rule->first_touched_ns == 0)
        touch->rule->first_touched_ns = now_ns;
    touch->rule->last_touched_ns = now_ns;
    return first;
}

bool counters_touch_bytes(struct counters_touch *touch, uint64_t bytes, uint64_t now_ns)
{
    if (bytes == 0)
        return false;
    touch->bytes += bytes;
    touch->rule->touched_bytes += bytes;
    return note_touch(touch, now_ns);
}

bool counters_touch_connection(struct counters_touch *touch, uint64_t now_ns)
{
    touch->rule->connections++;
    return note_touch(touch, now_ns);
}

bool counters_touch_attempt(struct counters_touch *touch, enum counters_attempt outcome,
                            uint64_t now_ns)
{
    touch->attempts++;
    switch (outcome) {
    case ATTEMPT_HELD:
        touch->rule->attempts_held++;
        break;
    case ATTEMPT_REFUSED:
        touch->rule->attempts_refused++;
        break;
    case ATTEMPT_RESET:
        touch->rule->attempts_reset++;
        break;
    }
    return note_touch(touch, now_ns);
}

bool counters_touch_packets(struct counters_touch *touch, uint64_t packets,
                            uint64_t now_ns)
{
    if (packets == 0)
        return false;
    touch->packets_dropped += packets;
    touch->rule->packets_dropped += packets;
    return note_touch(touch, now_ns);
}

static void note_peak(struct counters_budget *budget, uint64_t used)
{
    uint64_t peak = budget->peak;
    while (used > peak && !atomic_compare_exchange_weak(&budget->peak, &peak, used))
        ;
}

bool counters_budget_take(struct counters_budget *budget, uint64_t amount)
{
    uint64_t used = budget->used_now;
    do {
        if (budget->limit != 0 &&
            (used > budget->limit || amount > budget->limit - used)) {
            budget->reached++;
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->used_now, &used, used + amount));
    note_peak(budget, used + amount);
    return true;
}

uint64_t counters_budget_hold(struct counters_budget *budget, uint64_t amount)
{
    uint64_t used = atomic_fetch_add(&budget->used_now, amount) + amount;
    note_peak(budget, used);
    return used;
}

uint64_t counters_budget_release(struct counters_budget *budget, uint64_t amount)
{
    return atomic_fetch_sub(&budget->used_now, amount) - amount;
}

bool counters_rule_was_touched(const struct counters_rule *rule)
{
    return rule->first_touched_ns != 0 || rule->packets_dropped != 0;
}

/* SPDX-License-Identifier: MIT */
/* A hash table that only grows: entries are put in front of the list of their place by
 * compare and exchange, and never move or go before the whole. So looking one up is
 * reading, and two threads that add the same one find out when the second is to be put
 * in: it looks again, and throws its own away.
 *
 * The number of places is fixed: what is looked up is kept by who asked (a path, a
 * chain), so the lists may be long. Fails when memory runs out, and then nothing has
 * changed. */
#include "rules/plan/shared.h"

#include "rules/arena.h"

enum { PLACES = 1024 };

#define NO_SLOT UINT64_MAX /* of the count; slots of rules have 32 bits */

struct entry {
    struct entry *next;
    uint64_t link, slot;
    _Atomic uint64_t connections; /* of a count */
    struct bucket bucket;         /* of a rule */
};

struct shared {
    const struct allocator *allocator; /* borrowed */
    struct entry *_Atomic places[PLACES];
};

struct shared *shared_create(const struct allocator *allocator)
{
    struct shared *shared = allocator_take(allocator, sizeof *shared);
    if (!shared)
        return NULL;
    shared->allocator = allocator;
    for (size_t i = 0; i < PLACES; i++)
        atomic_init(&shared->places[i], NULL);
    return shared;
}

void shared_destroy(struct shared *shared)
{
    if (!shared)
        return;
    for (size_t i = 0; i < PLACES; i++)
        for (struct entry *entry = shared->places[i], *next; entry; entry = next) {
            next = entry->next;
            allocator_give(shared->allocator, entry);
        }
    allocator_give(shared->allocator, shared);
}

/* In the list, but no further than end. */
static struct entry *find(struct entry *entry, const struct entry *end, uint64_t link,
                          uint64_t slot)
{
    for (; entry != end; entry = entry->next)
        if (entry->link == link && entry->slot == slot)
            return entry;
    return NULL;
}

static struct entry *find_or_add(struct shared *shared, uint64_t link, uint64_t slot)
{
    struct entry *_Atomic *place = &shared->places[(link ^ slot) % PLACES];
    struct entry *first = *place;
    struct entry *found = find(first, NULL, link, slot);
    if (found)
        return found;
    struct entry *entry = allocator_take(shared->allocator, sizeof *entry);
    if (!entry)
        return NULL;
    *entry = (struct entry){.next = first, .link = link, .slot = slot};
    while (!atomic_compare_exchange_weak(place, &first, entry)) {
        found = find(first, entry->next, link, slot);
        if (found) {
            allocator_give(shared->allocator, entry);
            return found;
        }
        entry->next = first;
    }
    return entry;
}

_Atomic uint64_t *shared_count(struct shared *shared, uint64_t link)
{
    struct entry *entry = find_or_add(shared, link, NO_SLOT);
    return entry ? &entry->connections : NULL;
}

struct bucket *shared_bucket(struct shared *shared, uint32_t slot, uint64_t link)
{
    struct entry *entry = find_or_add(shared, link, slot);
    return entry ? &entry->bucket : NULL;
}

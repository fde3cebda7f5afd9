/* SPDX-License-Identifier: MIT */
/* Values are gathered in groups, one for each key and conditions, and a group becomes a
 * set: the kernel finds an element by a hash, however many there are, and loads and
 * lists thousands of them in the time of some hundreds of rules. Each bears the place
 * of its link as a comment, by which it is known when it is listed. (An element that is
 * there twice stays the first's.)
 *
 * Only whole addresses are elements. Networks are conditions: sets of intervals refuse
 * those that overlap, and a network here may have holes (packet_match.c).
 *
 * A set that stays as it is stays where it is, with what it has counted: a change of
 * the plan makes what is new and deletes what is gone. Numbers are never used again.
 *
 * Nothing here is of the kernel: it is all text. */
#include "proxy/kernel/packet_sets.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_BYTES = 64 };

#define SET "packet"

void packet_told_add(struct packet_told *told, const char *key, const char *format, ...)
{
    const char *dot = told->key.length ? " . " : "";
    char value[VALUE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value, sizeof value, format, arguments); /* an address fits */
    va_end(arguments);
    buffer_print(&told->key, "%s%s", dot, key);
    buffer_print(&told->value, "%s%s", dot, value);
}

void packet_told_clear(struct packet_told *told)
{
    buffer_cut(&told->conditions, 0);
    buffer_cut(&told->key, 0);
    buffer_cut(&told->value, 0);
}

void packet_told_close(struct packet_told *told)
{
    buffer_close(&told->conditions);
    buffer_close(&told->key);
    buffer_close(&told->value);
}

static bool same_text(const struct buffer *one, const struct buffer *other)
{
    return one->length == other->length &&
           strcmp(buffer_text(one), buffer_text(other)) == 0;
}

/* Room for one more. NULL: there is no memory. */
static void *grow(void *items, size_t n, size_t *capacity, size_t bytes)
{
    if (n < *capacity)
        return items;
    size_t wanted = *capacity ? 2 * *capacity : 8;
    void *grown = reallocarray(items, wanted, bytes);
    if (grown)
        *capacity = wanted;
    return grown;
}

/* The group that the packets belong to; it is made if there is none. NULL: no memory.
 */
static struct packet_group *find_group(struct packet_groups *groups,
                                       const struct packet_told *told)
{
    for (size_t i = 0; i < groups->n; i++)
        if (same_text(&groups->items[i].key, &told->key) &&
            same_text(&groups->items[i].conditions, &told->conditions))
            return &groups->items[i];
    struct packet_group *items =
        grow(groups->items, groups->n, &groups->capacity, sizeof *items);
    if (!items)
        return NULL;
    groups->items = items;
    struct packet_group *group = &items[groups->n++];
    *group = (struct packet_group){0};
    buffer_add(&group->conditions, buffer_text(&told->conditions),
               told->conditions.length);
    buffer_add(&group->key, buffer_text(&told->key), told->key.length);
    return group;
}

void packet_groups_add(struct packet_groups *groups, const struct packet_told *told,
                       size_t link)
{
    struct packet_group *group = find_group(groups, told);
    if (group)
        buffer_print(&group->elements, "%s%s comment \"%zu\"",
                     group->elements.length ? ", " : "", buffer_text(&told->value),
                     link);
    groups->out_of_memory |= !group || group->elements.out_of_memory ||
                             group->conditions.out_of_memory ||
                             group->key.out_of_memory || told->value.out_of_memory ||
                             told->key.out_of_memory || told->conditions.out_of_memory;
}

void packet_groups_close(struct packet_groups *groups)
{
    for (size_t i = 0; i < groups->n; i++) {
        buffer_close(&groups->items[i].conditions);
        buffer_close(&groups->items[i].key);
        buffer_close(&groups->items[i].elements);
    }
    free(groups->items);
    *groups = (struct packet_groups){0};
}

/* The one that counts the same packets for the same rule; NULL: none does. */
static const struct packet_set *find_same(const struct packet_sets *sets,
                                          const struct packet_group *group,
                                          const struct packet_set *wanted)
{
    for (size_t i = 0; i < sets->n; i++) {
        const struct packet_set *each = &sets->items[i];
        if (each->slot == wanted->slot && each->refused == wanted->refused &&
            each->n_links == wanted->n_links &&
            strcmp(each->key, buffer_text(&group->key)) == 0 &&
            strcmp(each->elements, buffer_text(&group->elements)) == 0)
            return each;
    }
    return NULL;
}

static void free_set(struct packet_set *set)
{
    free(set->links);
    free(set->elements);
}

/* One more, as wanted. counts: it has links of its own. NULL: no memory. */
static struct packet_set *append(struct packet_sets *sets,
                                 const struct packet_group *group,
                                 const struct packet_set *wanted, bool counts)
{
    struct packet_set *items =
        grow(sets->items, sets->n, &sets->capacity, sizeof *items);
    if (!items)
        return NULL;
    sets->items = items;
    struct packet_set *set = &items[sets->n];
    *set = *wanted;
    set->links = counts ? calloc(set->n_links, sizeof *set->links) : NULL;
    set->elements = strdup(buffer_text(&group->elements));
    if ((counts && !set->links) || !set->elements) {
        free_set(set);
        return NULL;
    }
    (void)snprintf(set->key, sizeof set->key, "%s", buffer_text(&group->key));
    sets->n++;
    return set;
}

int packet_sets_add(struct packet_sets *sets, const struct packet_sets *old,
                    const struct packet_group *group, const struct packet_set *wanted,
                    const char *table)
{
    const struct packet_set *same = find_same(sets, group, wanted);
    if (same)
        return (int)same->number;
    same = find_same(old, group, wanted);
    struct packet_set *set = append(sets, group, wanted, !same && wanted->n_links > 0);
    if (!set)
        return -ENOMEM;
    set->number = same ? same->number : sets->next++;
    if (!same)
        buffer_print(&sets->made,
                     "add set inet %s " SET "%zu { typeof %s; counter; }\n"
                     "add element inet %s " SET "%zu { %s }\n",
                     table, set->number, set->key, table, set->number, set->elements);
    return sets->made.out_of_memory ? -ENOMEM : (int)set->number;
}

struct packet_set *packet_sets_find(const struct packet_sets *sets, size_t number)
{
    for (size_t i = 0; i < sets->n; i++)
        if (sets->items[i].number == number)
            return &sets->items[i];
    return NULL;
}

struct packet_set *packet_sets_find_name(const struct packet_sets *sets,
                                         const char *name)
{
    size_t number;
    return sscanf(name, SET "%zu", &number) == 1 ? packet_sets_find(sets, number)
                                                 : NULL;
}

void packet_sets_take(struct packet_sets *sets, struct packet_sets *old)
{
    for (size_t i = 0; i < old->n; i++) {
        struct packet_set *set = packet_sets_find(sets, old->items[i].number);
        if (!set)
            continue;
        set->links = old->items[i].links;
        old->items[i].links = NULL;
    }
}

void packet_sets_delete(const struct packet_sets *sets, const struct packet_sets *old,
                        const char *table, struct buffer *out)
{
    for (size_t i = 0; i < old->n; i++)
        if (!packet_sets_find(sets, old->items[i].number))
            buffer_print(out, "delete set inet %s " SET "%zu\n", table,
                         old->items[i].number);
}

void packet_sets_close(struct packet_sets *sets)
{
    for (size_t i = 0; i < sets->n; i++)
        free_set(&sets->items[i]);
    free(sets->items);
    buffer_close(&sets->made);
    *sets = (struct packet_sets){0};
}

/* SPDX-License-Identifier: MIT */
/* A hash table with chains; it doubles when there are as many keys as chains. FNV-1a is
 * enough: a drill's keys are its own, nobody attacks them. A value is a buffer, so
 * appending to a list of n elements costs O(1) on average. */
#include "scenarios/store/state.h"
#include "proxy/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next; /* in its chain; owned */
    uint64_t hash;
    struct store_buffer value;
    size_t key_len;
    char key[];
};

struct store_state {
    struct item **chains; /* owned; n_chains of them, a power of two */
    size_t n_chains, keys;
};

enum { FIRST_CHAINS = 64 };

static uint64_t hash_of(struct store_slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

struct store_state *store_state_create(void)
{
    struct store_state *state = xcalloc(1, sizeof *state);
    state->n_chains = FIRST_CHAINS;
    state->chains = xcalloc(state->n_chains, sizeof(struct item *));
    return state;
}

static void item_destroy(struct item *item)
{
    store_buffer_free(&item->value);
    free(item);
}

void store_state_destroy(struct store_state *state)
{
    if (!state)
        return;
    for (size_t i = 0; i < state->n_chains; i++) {
        while (state->chains[i]) {
            struct item *item = state->chains[i];
            state->chains[i] = item->next;
            item_destroy(item);
        }
    }
    free(state->chains);
    free(state);
}

/* Where the pointer to the key's item is, or where it would be put. */
static struct item **find(const struct store_state *state, struct store_slice key)
{
    uint64_t hash = hash_of(key);
    struct item **at = &state->chains[hash & (state->n_chains - 1)];
    while (*at && ((*at)->hash != hash || (*at)->key_len != key.len ||
                   memcmp((*at)->key, key.data, key.len) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct store_state *state)
{
    size_t n = state->n_chains * 2;
    struct item **chains = xcalloc(n, sizeof(struct item *));
    for (size_t i = 0; i < state->n_chains; i++) {
        while (state->chains[i]) {
            struct item *item = state->chains[i];
            state->chains[i] = item->next;
            item->next = chains[item->hash & (n - 1)];
            chains[item->hash & (n - 1)] = item;
        }
    }
    free(state->chains);
    state->chains = chains;
    state->n_chains = n;
}

static struct store_buffer *value_of(struct store_state *state, struct store_slice key)
{
    struct item **at = find(state, key);
    if (*at)
        return &(*at)->value;
    struct item *item = xcalloc(1, sizeof *item + key.len);
    item->hash = hash_of(key);
    item->key_len = key.len;
    memcpy(item->key, key.data, key.len);
    *at = item;
    if (++state->keys > state->n_chains)
        grow(state);
    return &item->value;
}

static void replace(struct store_buffer *value, struct store_slice with)
{
    store_buffer_consume(value, value->len);
    store_buffer_append(value, with.data, with.len);
}

static void apply_set(struct store_state *state, const struct store_slice *args,
                      size_t n, struct store_buffer *reply)
{
    (void)n;
    replace(value_of(state, args[1]), args[2]);
    store_resp_simple(reply, "OK");
}

static void apply_cas(struct store_state *state, const struct store_slice *args,
                      size_t n, struct store_buffer *reply)
{
    struct store_slice now;
    (void)n;
    bool equal = store_state_get(state, args[1], &now) && now.len == args[2].len &&
                 (now.len == 0 || memcmp(now.data, args[2].data, now.len) == 0);
    if (equal)
        replace(value_of(state, args[1]), args[3]);
    store_resp_integer(reply, equal);
}

static bool parse_integer(struct store_slice text, int64_t *out)
{
    char digits[24], *end;
    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    if (digits[0] != '-' && (digits[0] < '0' || digits[0] > '9'))
        return false;
    errno = 0;
    *out = strtoll(digits, &end, 10);
    return errno == 0 && end == digits + text.len;
}

static void apply_incr(struct store_state *state, const struct store_slice *args,
                       size_t n, struct store_buffer *reply)
{
    struct store_slice now;
    int64_t number = 0;
    (void)n;
    if (store_state_get(state, args[1], &now) && !parse_integer(now, &number)) {
        store_resp_error(reply, "ERR value is not an integer or out of range");
        return;
    }
    if (number == INT64_MAX) {
        store_resp_error(reply, "ERR increment or decrement would overflow");
        return;
    }
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, number + 1);
    replace(value_of(state, args[1]), (struct store_slice){text, (size_t)len});
    store_resp_integer(reply, number + 1);
}

static void apply_append(struct store_state *state, const struct store_slice *args,
                         size_t n, struct store_buffer *reply)
{
    struct store_slice now = {0};
    (void)n;
    (void)store_state_get(state, args[1], &now);
    if (now.len + args[2].len > STORE_VALUE_MAX_BYTES) {
        store_resp_error(reply, "ERR string exceeds maximum allowed size");
        return;
    }
    struct store_buffer *value = value_of(state, args[1]);
    store_buffer_append(value, args[2].data, args[2].len);
    store_resp_integer(reply, (int64_t)value->len);
}

static void apply_del(struct store_state *state, const struct store_slice *args,
                      size_t n, struct store_buffer *reply)
{
    int64_t removed = 0;
    for (size_t i = 1; i < n; i++) {
        struct item **at = find(state, args[i]);
        struct item *item = *at;
        if (!item)
            continue;
        *at = item->next;
        item_destroy(item);
        state->keys--;
        removed++;
    }
    store_resp_integer(reply, removed);
}

void store_state_apply(struct store_state *state, const struct store_command *command,
                       struct store_buffer *reply)
{
    static const struct {
        const char *name;
        size_t min_words, max_words;
        void (*apply)(struct store_state *, const struct store_slice *, size_t,
                      struct store_buffer *);
    } rows[] = {{"SET", 3, 3, apply_set},
                {"CAS", 4, 4, apply_cas},
                {"INCR", 2, 2, apply_incr},
                {"APPEND", 3, 3, apply_append},
                {"DEL", 2, SIZE_MAX, apply_del}};
    struct store_buffer unwanted = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (command->n < rows[i].min_words || command->n > rows[i].max_words ||
            !store_slice_is(command->args[0], rows[i].name))
            continue;
        rows[i].apply(state, command->args, command->n, reply ? reply : &unwanted);
        break;
    }
    store_buffer_free(&unwanted);
}

bool store_state_get(const struct store_state *state, struct store_slice key,
                     struct store_slice *value)
{
    const struct item *item = *find(state, key);
    if (!item)
        return false;
    *value = (struct store_slice){item->value.data, item->value.len};
    return true;
}

size_t store_state_keys(const struct store_state *state)
{
    return state->keys;
}

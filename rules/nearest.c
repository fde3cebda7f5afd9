/* SPDX-License-Identifier: MIT */
/* Optimal string alignment distance, as in G. Navarro, "A guided tour to approximate
 * string matching" (2001), in O(a * b) with three rows; words are short. */
#include "rules/nearest.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = rows[i % 3];
        const size_t *before = rows[(i + 2) % 3];
        const size_t *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t change = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = smaller(smaller(before[j] + 1, now[j - 1] + 1), change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], two_before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    size_t length = strlen(word);
    if (length == 0 || length > LONGEST)
        return NULL;
    const char *best = NULL;
    size_t best_distance = (length + 2) / 3 + 1; /* has to be beaten */
    if (best_distance > length)
        best_distance = length;
    for (size_t i = 0; i < n; i++) {
        if (!words[i] || strlen(words[i]) > LONGEST)
            continue;
        size_t d = distance(word, length, words[i], strlen(words[i]));
        if (d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

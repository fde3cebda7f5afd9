/* SPDX-License-Identifier: MIT */
/* Reads it in one go; what is wrong is said about the file as a whole. */
#include "proxy/base/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 16 * 1024 * 1024 };

/* NULL: no memory. */
static char *read_all(FILE *from, size_t *length)
{
    char *text = NULL;
    size_t n = 0, got = 0;
    do {
        char *longer = realloc(text, n + 65536 + 1);
        if (!longer) {
            free(text);
            return NULL;
        }
        text = longer;
        got = fread(text + n, 1, 65536, from);
        n += got;
    } while (got > 0 && n <= LONGEST);
    text[n] = '\0';
    *length = n;
    return text;
}

char *text_file_read(const char *path, size_t *length, struct diag *diag)
{
    struct source source = {path, "", 0};
    struct mark whole = {.source = &source};
    FILE *from = fopen(path, "re");
    if (!from) {
        diag_error(diag, &whole, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    size_t n = 0;
    char *text = read_all(from, &n);
    int why = errno;
    bool bad = ferror(from) != 0;
    (void)fclose(from); /* it was only read */
    if (!text)
        diag_error(diag, &whole, "there is no memory for it");
    else if (bad)
        diag_error(diag, &whole, "cannot be read: %s", strerror(why));
    else if (n > LONGEST)
        diag_error(diag, &whole, "is longer than 16 MiB");
    else if (memchr(text, '\0', n))
        diag_error(diag, &whole, "holds a NUL byte: it is no text");
    else {
        *length = n;
        return text;
    }
    free(text);
    return NULL;
}

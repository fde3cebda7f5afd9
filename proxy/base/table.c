/* SPDX-License-Identifier: MIT */
/* Cells are kept as text until all widths are known. Widths are counted in UTF-8
 * characters, which is right for all but wide scripts. */
#include "proxy/base/table.h"
#include "proxy/base/memory.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void add_cell(struct table *table, char *text)
{
    if (table->n == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 64;
        table->cells =
            xreallocarray(table->cells, table->capacity, sizeof *table->cells);
    }
    table->cells[table->n++] = text;
}

void table_init(struct table *table, const char *const *heads)
{
    *table = (struct table){0};
    for (size_t i = 0; heads[i]; i++) {
        table->right[i] = heads[i][0] == '>';
        table->columns++;
        add_cell(table, xstrdup(heads[i] + table->right[i]));
    }
}

void table_add(struct table *table, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        text = xstrdup("?");
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    add_cell(table, text);
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(const char *text, size_t width, bool right, bool last, FILE *to)
{
    int blanks = (int)(width - width_of(text));
    if (right)
        fprintf(to, "%*s%s", blanks, "", text);
    else
        fprintf(to, "%s%*s", text, last ? 0 : blanks, "");
    fputs(last ? "" : "  ", to);
}

void table_print(struct table *table, FILE *to, bool colour)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    bool only_head = table->n <= table->columns;
    for (size_t i = 0; i < table->n; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->n; i++) {
        size_t column = i % table->columns;
        bool head = i < table->columns;
        if (!only_head) {
            fputs(column == 0 ? "  " : "", to);
            fputs(head && colour && column == 0 ? "\033[1m" : "", to);
            print_cell(table->cells[i], widths[column], table->right[column],
                       column + 1 == table->columns, to);
            fputs(head && colour && column + 1 == table->columns ? "\033[0m" : "", to);
            fputs(column + 1 == table->columns ? "\n" : "", to);
        }
        free(table->cells[i]);
    }
    free(table->cells);
    *table = (struct table){0};
}

/* SPDX-License-Identifier: MIT */
#include "proxy/diag_json.h"

/* "lacking": the rules are right, but this machine or version cannot do it. */
static const char *severity_word(enum diag_severity severity)
{
    switch (severity) {
    case DIAG_ERROR:
        return "error";
    case DIAG_LACKING:
        return "lacking";
    case DIAG_WARNING:
        return "warning";
    }
    return "error";
}

json_t *diag_to_json(const struct diag *diag)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diag->n; i++) {
        const struct diag_item *item = diag->items[i];
        json_t *row =
            json_pack("{s:s, s:s, s:i, s:i, s:i, s:s, s:s?, s:s?, s:i}", "severity",
                      severity_word(item->severity), "file", item->file, "line",
                      (int)item->line, "column", (int)item->column, "length",
                      (int)(item->end_column - item->column), "text", item->text,
                      "hint", item->hint, "excerpt", item->excerpt, "excerpt_column",
                      (int)item->excerpt_column);
        (void)json_array_append_new(list, row); /* without memory there are fewer */
    }
    return list;
}

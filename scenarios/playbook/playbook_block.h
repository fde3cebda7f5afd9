/* SPDX-License-Identifier: MIT */
/* What cmark makes of a playbook: its fenced blocks and the headings above them, with
 * their lines in the file. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_BLOCK_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_BLOCK_H

#include "rules/diag.h"

/* Texts are in the arena that was given. Lines are of the source, from 1. */
struct playbook_block {
    uint32_t line;   /* of the opening fence */
    uint32_t indent; /* columns before the fence and before each line of its text */
    const char *language; /* "yaml", "sh", ...; "" without one */
    const char *header;   /* verb and options: the first line behind "# netsplit:", or
                             else the info string behind the language; NULL: prose */
    uint32_t header_line, header_column; /* where header begins */
    const char *text;                    /* without a `# netsplit:` line */
    uint32_t text_line;                  /* of its first line */
    const char *heading;                 /* the nearest one above; "" without one */
    uint32_t heading_line;
};

struct playbook_blocks {
    struct playbook_block *items; /* in the arena */
    size_t n;
    const char *front;  /* between the --- lines; NULL if there are none */
    size_t front_bytes; /* of it; it begins on line 2 */
    const char *title;  /* the first heading; "" without one */
};

/* Reads the source's text into an arena on xallocator. A fence or front matter that is
 * never closed is an error. */
void playbook_read_blocks(struct arena *arena, const struct source *source,
                          struct playbook_blocks *out, struct diag *diag);

#endif

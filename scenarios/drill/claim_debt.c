/* SPDX-License-Identifier: MIT */
/* What dead drills owe. A drill that was killed has left a record with what it owes the
 * nodes (drill_owed.c): until that is paid or given up, they are not what the next drill
 * would take them for. */
#include "scenarios/drill/claim_debt.h"

#include "proxy/base/rundir.h"
#include "scenarios/drill/claim.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

struct search {
    const json_t *claims; /* that we are about to take */
    struct errmsg *err;
    bool found;
};

static bool is_listed(const json_t *list, const json_t *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), name))
            return true;
    return false;
}

/* The first that is on both lists. */
static const char *find_common(const json_t *one, const json_t *other)
{
    for (size_t i = 0; i < json_array_size(one); i++)
        if (is_listed(other, json_array_get(one, i)))
            return json_string_value(json_array_get(one, i));
    return NULL;
}

/* Of what can be run, the last, which is undone first. */
static const char *find_debt(const json_t *owed)
{
    for (size_t i = json_array_size(owed); i-- > 0;) {
        const json_t *debt = json_array_get(owed, i);
        if (json_array_size(json_object_get(debt, "argv")) > 0)
            return json_string_value(json_object_get(debt, "what"));
    }
    return NULL;
}

static void look_at_dead(void *arg, pid_t pid, const json_t *record)
{
    struct search *search = arg;
    const char *debt = find_debt(json_object_get(record, "owed"));
    const char *node = find_common(json_object_get(record, CLAIM_NOTE), search->claims);
    if (search->found || !debt || !node)
        return;
    search->found = true;
    errmsg_set(search->err,
               "drill %d, which is dead, has not undone everything at %s: %s; nothing "
               "was touched: netsplit clean undoes it, or gives it up with --forget",
               (int)pid, node, debt);
}

int claim_debt_check(const json_t *claims, struct errmsg *err)
{
    struct search search = {.claims = claims, .err = err};
    int e = rundir_each_dead(look_at_dead, &search, err);
    return search.found ? -EUCLEAN : e;
}

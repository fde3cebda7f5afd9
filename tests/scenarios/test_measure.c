/* SPDX-License-Identifier: MIT */
#include "scenarios/checkers/measure.h"

#include <criterion/criterion.h>

Test(measure, comes_back_from_json_as_it_went_in)
{
    struct measures before = {0}, after;
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (i % 5 != 0) /* some are not known */
            measure_set(&before, (enum measure)i,
                        measure_row((enum measure)i)->unit == MEASURE_UNIT_BOOLEAN
                            ? (uint64_t)i % 2
                            : 1234567 * (uint64_t)i);
    measure_set(&before, MEASURE_CONVERGENCE, MEASURE_NEVER);
    json_t *json = measures_to_json(&before);
    measures_from_json(json, &after);
    json_decref(json);
    for (int i = 0; i < MEASURE_COUNT; i++) {
        cr_expect_eq(after.values[i].known, before.values[i].known, "%s",
                     measure_row((enum measure)i)->name);
        cr_expect_eq(after.values[i].value, before.values[i].value, "%s",
                     measure_row((enum measure)i)->name);
    }
}

Test(measure, of_another_type_is_not_known)
{
    struct measures measures;
    json_t *json = json_pack("{s:s, s:b, s:i}", "acked", "many", "lost_writes", 1,
                             "convergence_ms", -1);
    measures_from_json(json, &measures);
    json_decref(json);
    for (int i = 0; i < MEASURE_COUNT; i++)
        cr_expect_not(measures.values[i].known, "%s",
                      measure_row((enum measure)i)->name);
}

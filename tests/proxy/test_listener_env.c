/* SPDX-License-Identifier: MIT */
/* What a command finds in its environment. */
#include "proxy/base/errmsg.h"
#include "proxy/listener_env.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(listener_env, ours_is_kept_and_theirs_comes_first)
{
    struct errmsg err = {0};
    json_t *status = json_loads(
        "{ \"listeners\": [ { \"name\": \"a>b-1\", \"address\": \"[::1]:7\" } ] }", 0,
        NULL);
    cr_assert_eq(setenv("NETSPLIT_A_B_1", "old", 1), 0);
    cr_assert_eq(setenv("NETSPLIT_A_B_10", "other", 1), 0);
    char **env = listener_env_make(status, "/run/c", &err);
    cr_assert_not_null(env, "%s", err.text);
    cr_expect_str_eq(env[0], "NETSPLIT_CONTROL=/run/c");
    cr_expect_str_eq(env[1], "NETSPLIT_A_B_1=[::1]:7");
    size_t old = 0, other = 0;
    for (char **each = env; *each; each++) {
        old += strcmp(*each, "NETSPLIT_A_B_1=old") == 0;
        other += strcmp(*each, "NETSPLIT_A_B_10=other") == 0;
    }
    cr_expect_eq(old, 0);
    cr_expect_eq(other, 1);
    listener_env_free(env);
    json_decref(status);
}

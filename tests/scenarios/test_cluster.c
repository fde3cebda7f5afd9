/* SPDX-License-Identifier: MIT */
/* Cluster files: those that ship, and where they are found. */
#include "rules/buffer.h"
#include "scenarios/cluster.h"
#include "scenarios/shipped.h"
#include "scenarios/driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <string.h>

Test(cluster, the_shipped_ones_are_right_without_a_warning)
{
    glob_t found;
    cr_assert_eq(glob("scenarios/clusters/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct diag diag;
        struct buffer told = {NULL};
        diag_init(&diag, NULL);
        struct cluster *cluster = cluster_load(found.gl_pathv[i], &diag);
        diag_render(&diag, false, &told);
        cr_expect(cluster && diag.n == 0, "%s", buffer_text(&told));
        cluster_destroy(cluster);
        buffer_close(&told);
        diag_close(&diag);
    }
    globfree(&found);
}

Test(cluster, the_store_has_three_nodes_and_all_its_modes)
{
    struct diag diag;
    char path[PATH_MAX];
    diag_init(&diag, NULL);
    cr_assert_eq(shipped_find(SHIPPED_CLUSTER, "store", path, sizeof path), 0);
    struct cluster *cluster = cluster_load(path, &diag);
    cr_assert_not_null(cluster);
    cr_expect_str_eq(driver_name(cluster->driver), "resp");
    cr_expect_eq(cluster->n_nodes, 3);
    cr_expect_eq(cluster_find_node(cluster, "n3"), 2);
    cr_expect_eq(cluster_find_node(cluster, "n4"), -1);
    cr_expect_not_null(cluster_find_mode(cluster, "quorum"));
    cr_expect_null(cluster_find_mode(cluster, "remote_apply"));
    cluster_destroy(cluster);
    diag_close(&diag);
}

Test(cluster, says_which_program_is_lacking)
{
    const char *const programs[] = {"sh", "netsplit-has-no-such-program"};
    struct cluster cluster = {.programs = programs, .n_programs = 2};
    cr_expect_str_eq(cluster_lacks(&cluster), "netsplit-has-no-such-program");
    cluster.n_programs = 1;
    cr_expect_null(cluster_lacks(&cluster));
}

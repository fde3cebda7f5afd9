/* SPDX-License-Identifier: MIT */
/* Namespaces made, visited and named; skipped without the right to. */
#include "proxy/base/namespace.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static ino_t number_of(int fd)
{
    struct stat info = {0};
    cr_assert_eq(fstat(fd, &info), 0);
    return info.st_ino;
}

static ino_t number_here(void)
{
    int fd = namespace_here();
    cr_assert_geq(fd, 0);
    ino_t number = number_of(fd);
    (void)close(fd); /* it was only looked up */
    return number;
}

static int make(void)
{
    int fd = namespace_make();
    if (fd == -EPERM)
        cr_skip_test("needs CAP_SYS_ADMIN");
    cr_assert_gt(fd, 0);
    return fd;
}

Test(namespace, one_is_made_without_staying_in_it)
{
    ino_t before = number_here();
    int fd = make();
    cr_expect_eq(number_here(), before);
    cr_expect_neq(number_of(fd), before);
    (void)close(fd); /* nothing was written */
}

Test(namespace, a_visit_ends_where_it_began)
{
    ino_t before = number_here();
    int fd = make(), home = namespace_visit(fd);
    cr_assert_gt(home, 0);
    cr_expect_eq(number_here(), number_of(fd));
    namespace_return(home);
    cr_expect_eq(number_here(), before);
    cr_expect_eq(namespace_visit(0), 0, "0 stays where it is");
    namespace_return(0);
    cr_expect_eq(number_here(), before);
    (void)close(fd); /* nothing was written */
}

Test(namespace, a_name_holds_it_until_it_is_removed)
{
    char path[64];
    int fd = make();
    (void)snprintf(path, sizeof path, NAMESPACE_NAMES "/netsplit-test-%d",
                   (int)getpid());
    cr_assert_eq(namespace_add_name(fd, path), 0);
    cr_expect_eq(namespace_add_name(fd, path), -EEXIST);
    struct stat info = {0};
    cr_expect_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_ino, number_of(fd));
    cr_expect_eq(namespace_remove_name(path), 0);
    cr_expect_neq(access(path, F_OK), 0);
    cr_expect_eq(namespace_remove_name(path), 0, "again does no harm");
    (void)close(fd); /* nothing was written */
}

Test(namespace, only_our_own_names_are_ours)
{
    cr_expect(namespace_is_name("/run/netns/netsplit-a-n1"));
    cr_expect_not(namespace_is_name("/run/netns/blue"));
    cr_expect_not(namespace_is_name("/run/netns/netsplit-/../../etc/passwd"));
    cr_expect_not(namespace_is_name("/tmp/netsplit-a"));
}

/* The counting filter alone. */
#include "journal/sqlite_filter.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct filter filter;

static int set_up(void **state)
{
    return filter_init(&filter);
}

static int tear_down(void **state)
{
    filter_fini(&filter);
    return 0;
}

static void a_count_follows_what_is_added_and_dropped(void **state)
{
    for (int i = 0; i < 200; i++)
        filter_add(&filter, FILTER_ROWS, 5);
    assert_int_equal(filter_count(&filter, FILTER_ROWS, 5), 200);
    assert_int_equal(filter_count(&filter, FILTER_STORED, 5), 0);
    assert_int_equal(filter_count(&filter, FILTER_ROWS, 6), 0);
    for (int i = 0; i < 199; i++)
        filter_drop(&filter, FILTER_ROWS, 5);
    assert_int_equal(filter_count(&filter, FILTER_ROWS, 5), 1);
}

static void a_full_counter_stays_full(void **state)
{
    for (int i = 0; i < 300; i++)
        filter_add(&filter, FILTER_STORED, FILTER_VALUES - 1);
    assert_int_equal(filter_count(&filter, FILTER_STORED, FILTER_VALUES - 1), FILTER_FULL);
    for (int i = 0; i < 300; i++)
        filter_drop(&filter, FILTER_STORED, FILTER_VALUES - 1);
    assert_int_equal(filter_count(&filter, FILTER_STORED, FILTER_VALUES - 1), FILTER_FULL);
}

static void the_place_depends_on_bucket_and_key(void **state)
{
    struct journal_key a = {1, SPAN("key")}, b = {2, SPAN("key")}, c = {1, SPAN("kez")},
                       again = {1, SPAN("key")};

    assert_int_equal(filter_place(&filter, &a), filter_place(&filter, &again));
    assert_true(filter_place(&filter, &a) < FILTER_VALUES);
    /* Each pair meets by chance once in a million seeds; both at once does not happen. */
    assert_true(filter_place(&filter, &a) != filter_place(&filter, &b) ||
                filter_place(&filter, &a) != filter_place(&filter, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_count_follows_what_is_added_and_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_counter_stays_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_place_depends_on_bucket_and_key, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

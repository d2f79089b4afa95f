/* The ages of the oldest hints while hints come and go, also during a search. */
#include "journal/sqlite_catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NOW = 10000, SLOT_0 = 1, SLOT_1 = 2 };

static struct sqlite_catalog catalog;
static struct replica_lag lag[REPLICAS_MAX];

static void put(uint32_t id, const char *name)
{
    struct bucket b = {.id = id, .replica_count = 2};

    snprintf(b.name, sizeof(b.name), "%s", name);
    assert_int_equal(sqlite_catalog_put(&catalog, &b), ERR_OK);
}

static int set_up(void **state)
{
    sqlite_catalog_init(&catalog);
    put(1, "media");
    return 0;
}

static int tear_down(void **state)
{
    sqlite_catalog_fini(&catalog);
    return 0;
}

static void a_younger_hint_that_goes_needs_no_search(void **state)
{
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 4000);
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 7000);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 7000);
    assert_false(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(lag[1].hints, 1);
    assert_int_equal(lag[1].lag_ms, 6000);
    assert_int_equal(lag[0].hints, 0);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 4000);
    assert_false(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(lag[1].lag_ms, 0);
}

static void a_hint_added_during_a_search_counts_after_it(void **state)
{
    uint64_t found[REPLICAS_MAX];
    uint32_t slots;

    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 4000);
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 7000);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 4000);
    assert_true(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(lag[1].lag_ms, 6000); /* an upper bound until it was searched */
    assert_int_equal(sqlite_catalog_search_begin(&catalog, 0, &slots), 1);
    assert_int_equal(slots & 3, 2);
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 5000); /* the search does not see it */
    memset(found, 0xff, sizeof(found));
    found[1] = 7000;
    sqlite_catalog_search_end(&catalog, 1, found);
    assert_false(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(lag[1].lag_ms, 5000);
    assert_int_equal(sqlite_catalog_search_begin(&catalog, 0, &slots), 0);
}

static void a_hint_removed_during_a_search_asks_for_another(void **state)
{
    uint64_t found[REPLICAS_MAX];
    uint32_t slots;

    for (uint64_t unix_ms = 4000; unix_ms <= 6000; unix_ms += 1000)
        sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, unix_ms);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 4000);
    assert_int_equal(sqlite_catalog_search_begin(&catalog, 0, &slots), 1);
    memset(found, 0xff, sizeof(found));
    found[1] = 5000;
    sqlite_catalog_search_end(&catalog, 1, found);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 5000);
    assert_true(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(sqlite_catalog_search_begin(&catalog, 0, &slots), 1);
}

static void a_key_with_several_hints_counts_once_for_a_slot(void **state)
{
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 4000);
    sqlite_catalog_add_hint(&catalog, 1, SLOT_0 | SLOT_1, SLOT_1, 7000); /* of the same key */
    sqlite_catalog_add_hint(&catalog, 1, SLOT_1, 0, 8000);               /* of another */
    assert_false(sqlite_catalog_lag(&catalog, 1, NOW, lag));
    assert_int_equal(lag[0].hints, 1);
    assert_int_equal(lag[1].hints, 2);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, SLOT_0 | SLOT_1, 4000);
    assert_true(sqlite_catalog_lag(&catalog, 1, NOW, lag)); /* the oldest went, others are left */
    assert_int_equal(lag[0].hints, 1);
    assert_int_equal(lag[1].hints, 2);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_0 | SLOT_1, 0, 7000);
    sqlite_catalog_drop_hint(&catalog, 1, SLOT_1, 0, 8000);
    (void)sqlite_catalog_lag(&catalog, 1, NOW, lag);
    assert_int_equal(lag[0].hints + lag[1].hints, 0);
    assert_int_equal(lag[0].lag_ms + lag[1].lag_ms, 0);
}

static void buckets_stay_sorted_as_they_come_and_go(void **state)
{
    struct bucket b;
    char name[16];

    for (uint32_t i = 2; i < 100; i++) {
        snprintf(name, sizeof(name), "b%02u", i * 37 % 100);
        put(i, name);
    }
    for (uint32_t i = 2; i < 100; i += 2)
        sqlite_catalog_remove(&catalog, i);
    sqlite_catalog_remove(&catalog, 2); /* again: nothing */
    for (uint32_t i = 2; i < 100; i++) {
        snprintf(name, sizeof(name), "b%02u", i * 37 % 100);
        assert_int_equal(sqlite_catalog_by_id(&catalog, i, NULL), i % 2 ? ERR_OK : ERR_NOT_FOUND);
        assert_int_equal(sqlite_catalog_by_name(&catalog, span_of(name), &b), i % 2 ? ERR_OK : ERR_NOT_FOUND);
        if (i % 2)
            assert_int_equal(b.id, i);
    }
    b.name[0] = 0;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "%.15s", b.name);
        assert_int_equal(sqlite_catalog_after(&catalog, span_of(name), &b), ERR_OK);
        assert_true(strcmp(b.name, name) > 0);
    }
    assert_string_equal(b.name, "media");
    assert_int_equal(sqlite_catalog_after(&catalog, SPAN("media"), &b), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_younger_hint_that_goes_needs_no_search, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hint_added_during_a_search_counts_after_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hint_removed_during_a_search_asks_for_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_with_several_hints_counts_once_for_a_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(buckets_stay_sorted_as_they_come_and_go, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the embedded journal keeps of repairs that failed: read back with their key, listed when they are dead letters,
 * forgotten when somebody wants another try. */
#include "sqlite_fixture.h"

#include <sqlite3.h>

static struct journal_scan page;

/* A key with a hint; its row. */
static struct stamp hint(const char *key)
{
    struct stamp stamp = begin_row(key);

    assert_int_equal(change_row(key, stamp, ROW_FINAL, 1, 0), ERR_OK);
    return stamp;
}

static void fail_repair(const char *key, uint32_t tries, bool dead, const char *reason)
{
    fix.journal->ops->attempt(fix.journal, &(struct journal_attempt){.key = key_of(key),
                                                                     .tries = tries,
                                                                     .wait_ms = 5000,
                                                                     .dead = dead,
                                                                     .slot = 2,
                                                                     .reason = span_of(reason)});
}

static struct journal_failures failures_of(const char *key)
{
    struct journal_read r = {.request.done = on_done, .key = key_of(key), .failures_too = true};

    fix.waiting++;
    fix.journal->ops->read(fix.journal, &r);
    await_all();
    assert_int_equal(r.request.result, ERR_OK);
    key_view_fini(&r.view);
    return r.failures;
}

static size_t list(enum journal_list list, struct journal_key after)
{
    page = (struct journal_scan){.request.done = on_done, .after = after, .list = list};
    fix.waiting++;
    fix.journal->ops->scan(fix.journal, &page);
    await_all();
    assert_int_equal(page.request.result, ERR_OK);
    return page.count;
}

static size_t count(enum journal_list which)
{
    size_t n = list(which, (struct journal_key){0});

    journal_scan_fini(&page);
    return n;
}

static void try_again(const char *key)
{
    struct journal_write w = {.key = key_of(key), .try_again = true};

    assert_int_equal(write_batch(&w), ERR_OK);
}

static void assert_none(const char *key)
{
    struct journal_failures f = failures_of(key), none = {0};

    assert_memory_equal(&f, &none, sizeof(f));
}

static void the_last_failure_is_read_back_with_its_key(void **state)
{
    uint64_t failed_unix_ms = fake_unix_ms;
    struct journal_failures f;

    hint("k");
    fail_repair("k", 3, false, "PUT: status 403 AccessDenied");
    reopen_store(); /* closing waits for what may wait */
    pass_ms(1000);
    f = failures_of("k");
    assert_int_equal(f.tries, 3);
    assert_int_equal(f.wait_ms, 4000);
    assert_false(f.dead);
    assert_int_equal(f.slot, 2);
    assert_int_equal(f.unix_ms, failed_unix_ms);
    assert_string_equal(f.reason, "PUT: status 403 AccessDenied");
    assert_int_equal(list(JOURNAL_LIVE_WORK, (struct journal_key){0}), 1);
    assert_memory_equal(&page.work[0].failures, &f, sizeof(f));
    journal_scan_fini(&page);
}

static void a_key_whose_repairs_did_not_fail_has_no_failures(void **state)
{
    hint("k");
    assert_none("k");
    assert_none("a key without rows");
}

static void a_read_that_does_not_ask_for_failures_gets_none(void **state)
{
    struct journal_failures none = {0};
    struct journal_read r;

    hint("k");
    fail_repair("k", 3, true, "refused");
    reopen_store();
    assert_int_equal(read_view(&r, key_of("k")), ERR_OK);
    assert_memory_equal(&r.failures, &none, sizeof(none));
    key_view_fini(&r.view);
}

static void a_long_reason_is_cut(void **state)
{
    char reason[2 * JOURNAL_REASON_BYTES];
    struct journal_failures f;

    memset(reason, 'x', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    hint("k");
    fail_repair("k", 1, false, reason);
    reopen_store();
    f = failures_of("k");
    assert_int_equal(strlen(f.reason), JOURNAL_REASON_BYTES - 1);
}

static void dead_letters_are_listed_alone_in_order_and_page_by_page(void **state)
{
    enum { KEYS = 2 * JOURNAL_PAGE_KEYS + 50 };
    char keys[KEYS][16], last[16] = "";
    size_t n, total = 0;

    for (int i = KEYS - 1; i >= 0; i--) {
        snprintf(keys[i], sizeof(keys[i]), "k%04d", i);
        hint(keys[i]);
        fail_repair(keys[i], 10, i % 2, "refused");
    }
    reopen_store();
    assert_int_equal(stats().dead, KEYS / 2);
    do {
        n = list(JOURNAL_DEAD_LETTERS, key_of(last)); /* an empty key: from the start of the bucket */
        for (size_t i = 0; i < n; i++, total++) {
            snprintf(last, sizeof(last), "%.*s", SPAN_ARG(page.work[i].key.key));
            assert_string_equal(last, keys[2 * total + 1]);
            assert_true(page.work[i].failures.dead);
            assert_string_equal(page.work[i].failures.reason, "refused");
        }
        journal_scan_fini(&page);
    } while (n == JOURNAL_PAGE_KEYS);
    assert_int_equal(total, KEYS / 2);
}

static void another_try_forgets_the_failures_for_good(void **state)
{
    hint("k");
    hint("other");
    fail_repair("k", 10, true, "refused");
    fail_repair("other", 10, true, "refused");
    reopen_store();
    try_again("k");
    assert_int_equal(stats().dead, 1);
    assert_none("k");
    assert_int_equal(count(JOURNAL_DEAD_LETTERS), 1);
    assert_int_equal(count(JOURNAL_LIVE_WORK), 1);
    reopen_store();
    assert_none("k");
    assert_int_equal(count_rows("k"), 1);
    try_again("a key without rows");
}

static void a_key_that_is_repaired_is_no_dead_letter(void **state)
{
    struct stamp stamp = hint("k");

    fail_repair("k", 10, true, "refused");
    reopen_store();
    assert_int_equal(remove_row("k", stamp), ERR_OK);
    assert_int_equal(count(JOURNAL_DEAD_LETTERS), 0);
    assert_int_equal(stats().dead, 0);
}

/* What the first schema knew of a failure is kept; where and when it happened is not known. */
static void failures_of_the_first_schema_are_kept(void **state)
{
    struct journal_failures f;
    sqlite3 *db;

    hint("k");
    fail_repair("k", 10, true, "refused");
    close_store();
    assert_int_equal(sqlite3_open(fix.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP INDEX attempt_dead; ALTER TABLE attempt DROP COLUMN slot;"
                                  "ALTER TABLE attempt DROP COLUMN failed_unix_ms;"
                                  "DROP TABLE upload; DROP TABLE part; DROP TABLE manifest; DELETE FROM "
                                  "migration WHERE version >= 2;",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    open_store();
    f = failures_of("k");
    assert_int_equal(f.tries, 10);
    assert_int_equal(f.slot, REPLICAS_MAX);
    assert_int_equal(f.unix_ms, 0);
    assert_string_equal(f.reason, "refused");
    assert_int_equal(count(JOURNAL_DEAD_LETTERS), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_last_failure_is_read_back_with_its_key),
        CASE(a_key_whose_repairs_did_not_fail_has_no_failures),
        CASE(a_read_that_does_not_ask_for_failures_gets_none),
        CASE(a_long_reason_is_cut),
        CASE(dead_letters_are_listed_alone_in_order_and_page_by_page),
        CASE(another_try_forgets_the_failures_for_good),
        CASE(a_key_that_is_repaired_is_no_dead_letter),
        CASE(failures_of_the_first_schema_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a listing reads: the keys of a range that have a row with a stored set, and who has the newest. */
#include "sqlite_fixture.h"

enum { SLOTS = 7 };

static struct journal_range range;

static void read_range(const char *prefix, const char *after)
{
    range.request = (struct journal_request){.done = on_done};
    range.bucket = fix.bucket;
    range.slots = SLOTS;
    range.prefix = span_of(prefix);
    range.after = span_of(after);
    fix.waiting++;
    fix.journal->ops->range(fix.journal, &range);
    await_all();
    assert_int_equal(range.request.result, ERR_OK);
}

static bool maybe_in_bucket(uint32_t bucket)
{
    return fix.journal->ops->maybe(fix.journal, (struct journal_key){bucket, SPAN_EMPTY},
                                   JOURNAL_ANY_STORED_IN_BUCKET, NULL);
}

static struct stamp hint(const char *key, enum row_phase phase, uint32_t stored)
{
    struct stamp stamp = begin_row(key);

    assert_int_equal(change_row(key, stamp, phase, stored, 0), ERR_OK);
    return stamp;
}

/* "a:1 b:2", with "..." when there may be more. */
static void assert_range(const char *prefix, const char *after, const char *want)
{
    char got[256] = "";
    size_t len = 0;

    read_range(prefix, after);
    for (size_t i = 0; i < range.count; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%.*s:%u", i ? " " : "",
                                SPAN_ARG(range.keys[i].key), range.keys[i].stored);
    snprintf(got + len, sizeof(got) - len, "%s", range.more ? "..." : "");
    assert_string_equal(got, want);
}

static void only_rows_with_a_stored_set_are_named(void **state)
{
    assert_range("", "", "");
    begin_row("open");
    assert_range("", "", "");
    hint("final", ROW_FINAL, 1);
    hint("merged", ROW_MERGED, 6);
    hint("nobody", ROW_FINAL, 0);
    hint("outcome", ROW_OUTCOME, 2);
    hint("elsewhere", ROW_FINAL, 8); /* a replica that is not the bucket's any more */
    assert_range("", "", "final:1 merged:6 outcome:2");
}

static void keys_are_those_of_the_range_in_byte_order(void **state)
{
    static const char *const keys[] = {"a!b", "a", "a/c", "b", "a/b", "\xc3\xa4", "a0"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        hint(keys[i], ROW_FINAL, 1);
    assert_range("", "", "a:1 a!b:1 a/b:1 a/c:1 a0:1 b:1 \xc3\xa4:1");
    assert_range("a/", "", "a/b:1 a/c:1");
    assert_range("a/", "a/b", "a/c:1");
    assert_range("a/", "b", "");
    assert_range("a/", "a", "a/b:1 a/c:1");
    assert_range("", "a/\xff", "a0:1 b:1 \xc3\xa4:1");
    assert_range("", "a", "a!b:1 a/b:1 a/c:1 a0:1 b:1 \xc3\xa4:1");
    assert_range("x", "", "");
}

static void the_newest_row_with_a_stored_set_counts(void **state)
{
    struct stamp first = begin_row("k"), second = begin_row("k"), third = begin_row("k"),
                 fourth = begin_row("k");

    assert_int_equal(change_row("k", second, ROW_FINAL, 2, 0), ERR_OK);
    assert_int_equal(change_row("k", first, ROW_FINAL, 1, 0), ERR_OK);
    assert_range("", "", "k:2");
    assert_int_equal(change_row("k", third, ROW_FINAL, 8, 0), ERR_OK);
    assert_int_equal(change_row("k", fourth, ROW_FINAL, 0, 0), ERR_OK);
    assert_range("", "", "k:2");
    assert_int_equal(remove_row("k", second), ERR_OK);
    assert_range("", "", "k:1");
}

static void a_page_is_cut_at_its_keys_and_bytes(void **state)
{
    char key[1025], after[1025] = "";
    size_t seen = 0, pages = 0;

    memset(key, 'k', 1024);
    key[1024] = '\0';
    for (int i = 0; i < 150; i++) { /* 150 KiB of keys */
        key[1020] = (char)('0' + i / 100);
        key[1021] = (char)('0' + i / 10 % 10);
        key[1022] = (char)('0' + i % 10);
        hint(key, ROW_FINAL, 1);
    }
    do {
        read_range("k", after);
        assert_true(range.count > 0);
        for (size_t i = 0; i < range.count; i++, seen++) {
            key[1020] = (char)('0' + seen / 100);
            key[1021] = (char)('0' + seen / 10 % 10);
            key[1022] = (char)('0' + seen % 10);
            assert_true(span_is(range.keys[i].key, key));
        }
        memcpy(after, key, sizeof(after));
        pages++;
    } while (range.more);
    assert_int_equal(seen, 150);
    assert_int_equal(pages, 3);
}

static void a_bucket_without_such_rows_is_known_from_memory(void **state)
{
    struct journal_bucket_write w;
    struct stamp a, b;

    make_bucket("other", &w);
    assert_int_equal(write_bucket(&w), ERR_OK);
    assert_false(maybe_in_bucket(fix.bucket));
    a = begin_row("a");
    assert_false(maybe_in_bucket(fix.bucket));
    assert_int_equal(change_row("a", a, ROW_OUTCOME, 1, 2), ERR_OK);
    assert_true(maybe_in_bucket(fix.bucket));
    assert_false(maybe_in_bucket(w.bucket.id));
    assert_int_equal(change_row("a", a, ROW_FINAL, 1, 0), ERR_OK);
    b = hint("b", ROW_FINAL, 1);
    assert_int_equal(change_row("nobody", b, ROW_FINAL, 1, 0), ERR_NOT_FOUND);
    assert_int_equal(remove_row("a", a), ERR_OK);
    assert_true(maybe_in_bucket(fix.bucket));
    reopen_store();
    assert_true(maybe_in_bucket(fix.bucket));
    assert_int_equal(remove_row("b", b), ERR_OK);
    assert_false(maybe_in_bucket(fix.bucket));
    reopen_store();
    assert_false(maybe_in_bucket(fix.bucket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_rows_with_a_stored_set_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_those_of_the_range_in_byte_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_row_with_a_stored_set_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_is_cut_at_its_keys_and_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bucket_without_such_rows_is_known_from_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

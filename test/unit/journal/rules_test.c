/* The rules on rows that every store shares: when a row is settled, what it holds, which one counts. */
#include "journal/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { AMBIGUITY_MS = 1000, A = 1, B = 2, C = 4 };

static struct row row_of(uint64_t version, uint8_t stamp_byte)
{
    struct row r = {.version = version, .kind = ROW_PUT, .phase = ROW_FINAL};

    r.stamp.b[STAMP_BYTES - 1] = stamp_byte;
    return r;
}

/* One line per kind of row; both rules are about the same facts. */
static const struct {
    const char *what;
    uint8_t phase;
    bool orphan;
    uint32_t unresolved;
    uint64_t age_ms;
    bool settled;
    uint32_t holds;
    uint64_t for_ms;
} rows[] = {
    {"an open row of a living owner", ROW_OPEN, false, 0, 0, false, 0, 0},
    {"the same, however old", ROW_OPEN, false, 0, 999999, false, 0, 0},
    {"an open row whose owner is just gone", ROW_OPEN, true, 0, 0, false, 0, 0},
    {"a moment before its requests are over", ROW_OPEN, true, 0, AMBIGUITY_MS - 1, false, 0, 0},
    {"an orphan whose requests are over", ROW_OPEN, true, 0, AMBIGUITY_MS, true, 0, 0},
    {"an outcome that waits for a replica", ROW_OUTCOME, false, B, 0, false, B, UINT64_MAX},
    {"the same, however old: its owner may still be sending", ROW_OUTCOME, false, B | C, 999999, false, B | C,
     UINT64_MAX},
    {"an outcome with nothing pending", ROW_OUTCOME, false, 0, 999999, false, 0, UINT64_MAX},
    {"an outcome whose owner is just gone", ROW_OUTCOME, true, B, 0, false, B, AMBIGUITY_MS},
    {"an outcome whose owner has been gone for a while", ROW_OUTCOME, true, B, 400, false, B,
     AMBIGUITY_MS - 400},
    {"an outcome whose owner is gone for good", ROW_OUTCOME, true, B, AMBIGUITY_MS, true, 0, 0},
    {"a final row with nothing unresolved", ROW_FINAL, false, 0, 0, true, 0, AMBIGUITY_MS},
    {"a final row that may yet take effect", ROW_FINAL, false, C, 0, false, C, AMBIGUITY_MS},
    {"a moment before it cannot any more", ROW_FINAL, false, C, AMBIGUITY_MS - 1, false, C, 1},
    {"resolved by time", ROW_FINAL, false, C, AMBIGUITY_MS, true, 0, 0},
    {"long resolved", ROW_FINAL, false, A | B | C, 999999, true, 0, 0},
    {"a merged row", ROW_MERGED, false, 0, 0, true, 0, 0},
    {"a merged row: what was unresolved before does not count", ROW_MERGED, false, A, 0, true, 0, 0},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct row row_from_table(size_t i)
{
    return (struct row){.kind = ROW_PUT,
                        .phase = rows[i].phase,
                        .orphan = rows[i].orphan,
                        .stored = A,
                        .unresolved = rows[i].unresolved,
                        .age_ms = rows[i].age_ms};
}

static void a_row_is_settled_when_nothing_about_it_can_change_by_itself(void **state)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct row r = row_from_table(i);

        if (row_is_settled(&r, AMBIGUITY_MS) != rows[i].settled)
            fail_msg("%s", rows[i].what);
    }
}

static void a_row_holds_the_replicas_that_may_yet_take_its_request(void **state)
{
    for (size_t i = 0; i < ROWS; i++) {
        struct row r = row_from_table(i);
        uint64_t for_ms = 77;

        if (row_holds(&r, AMBIGUITY_MS, &for_ms) != rows[i].holds)
            fail_msg("%s", rows[i].what);
        if (rows[i].holds && for_ms != rows[i].for_ms)
            fail_msg("%s: for %llu ms", rows[i].what, (unsigned long long)for_ms);
    }
}

static void a_settled_row_holds_nothing(void **state)
{
    for (unsigned phase = ROW_OPEN; phase <= ROW_MERGED; phase++)
        for (unsigned orphan = 0; orphan < 2; orphan++)
            for (uint32_t unresolved = 0; unresolved < 8; unresolved++)
                for (uint64_t age = 0; age <= 2 * AMBIGUITY_MS; age += AMBIGUITY_MS / 2) {
                    struct row r = {
                        .phase = (uint8_t)phase, .orphan = orphan, .unresolved = unresolved, .age_ms = age};
                    uint64_t for_ms;

                    if (row_is_settled(&r, AMBIGUITY_MS))
                        assert_int_equal(row_holds(&r, AMBIGUITY_MS, &for_ms), 0);
                }
}

static void a_view_keeps_any_number_of_rows_and_finds_each(void **state)
{
    for (size_t count = 0; count <= 40; count++) {
        struct key_view v;
        struct row absent = row_of(0, 200);

        key_view_init(&v);
        for (size_t i = 0; i < count; i++) {
            struct row r = row_of(i, (uint8_t)i);

            key_view_add(&v, &r);
        }
        assert_int_equal(v.count, count);
        for (size_t i = 0; i < count; i++) {
            struct row r = row_of(i, (uint8_t)i);
            const struct row *found = key_view_find(&v, &r.stamp);

            assert_non_null(found);
            assert_int_equal(found->version, i);
        }
        assert_null(key_view_find(&v, &absent.stamp));
        key_view_fini(&v);
        assert_int_equal(v.count, 0);
        assert_false(v.claimed);
    }
}

static void a_view_can_be_used_again_after_its_end(void **state)
{
    struct key_view v;
    struct row r = row_of(9, 9);

    key_view_init(&v);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++)
            key_view_add(&v, &r);
        v.claimed = true;
        key_view_fini(&v);
        assert_null(key_view_newest(&v));
    }
}

static void the_newest_row_is_that_of_greatest_version_whatever_it_stored(void **state)
{
    static const struct {
        struct {
            uint64_t version;
            uint8_t stamp;
            uint32_t stored;
        } rows[3];
        size_t count;
        int newest, newest_stored; /* indices, -1: none */
        uint32_t removed;          /* slots that are not the bucket's any more */
    } cases[] = {
        {{{0}}, 0, -1, -1},
        {{{5, 1, 0}}, 1, 0, -1},
        {{{5, 1, A}}, 1, 0, 0},
        {{{5, 1, A}, {6, 2, 0}}, 2, 1, 0},
        {{{6, 2, 0}, {5, 1, A}}, 2, 0, 1},
        {{{6, 1, A}, {5, 2, B}}, 2, 0, 0},
        {{{5, 1, A}, {5, 2, B}}, 2, 1, 1}, /* a tie goes to the greater stamp */
        {{{5, 2, A}, {5, 1, B}}, 2, 0, 0},
        {{{5, 2, 0}, {5, 1, B}}, 2, 0, 1},
        {{{1, 3, A}, {3, 1, 0}, {2, 2, B | C}}, 3, 1, 2},
        {{{3, 1, 0}, {2, 2, 0}, {1, 3, 0}}, 3, 0, -1},
        {{{UINT64_MAX, 1, A}, {0, 2, B}}, 2, 0, 0},
        {{{5, 1, A}}, 1, 0, -1, A}, /* nobody has it any more */
        {{{5, 1, A | B}}, 1, 0, 0, A},
        {{{5, 1, B}, {6, 2, A}}, 2, 1, 0, A},
        {{{5, 1, B}, {6, 2, A}}, 2, 1, -1, A | B},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct key_view v;

        key_view_init(&v);
        for (size_t k = 0; k < cases[i].count; k++) {
            struct row r = row_of(cases[i].rows[k].version, cases[i].rows[k].stamp);

            r.stored = cases[i].rows[k].stored;
            key_view_add(&v, &r);
        }
        assert_ptr_equal(key_view_newest(&v), cases[i].newest < 0 ? NULL : &v.rows[cases[i].newest]);
        assert_ptr_equal(key_view_newest_stored(&v, ~cases[i].removed),
                         cases[i].newest_stored < 0 ? NULL : &v.rows[cases[i].newest_stored]);
        key_view_fini(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_settled_when_nothing_about_it_can_change_by_itself),
        cmocka_unit_test(a_row_holds_the_replicas_that_may_yet_take_its_request),
        cmocka_unit_test(a_settled_row_holds_nothing),
        cmocka_unit_test(a_view_keeps_any_number_of_rows_and_finds_each),
        cmocka_unit_test(a_view_can_be_used_again_after_its_end),
        cmocka_unit_test(the_newest_row_is_that_of_greatest_version_whatever_it_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

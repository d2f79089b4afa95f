/* Texts, tables, durations. */
#include "admin/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void assert_text(struct text *t, const char *wanted)
{
    text_add(t, (struct span){"", 1});
    assert_false(t->failed);
    assert_string_equal(t->at, wanted);
    text_fini(t);
}

static void a_string_is_json_whatever_its_bytes(void **state)
{
    static const struct {
        struct span in;
        const char *out;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"\n\t\0\x7f", 4}, "\"\\u000a\\u0009\\u0000\\u007f\""},
        {{"w\xc3\xb6rld", 6}, "\"w\xc3\xb6rld\""},
        {{"\xe2\x82\xac\xf0\x9f\x98\x80", 7}, "\"\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {{"\xff", 1}, "\"\\ufffd\""},
        {{"a\xc3", 2}, "\"a\\ufffd\""},
        {{"\xc3(", 2}, "\"\\ufffd(\""},
        {{"\xed\xa0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text t = {.at = NULL};

        text_json(&t, cases[i].in);
        assert_text(&t, cases[i].out);
    }
}

static void nothing_is_null(void **state)
{
    struct text t = {.at = NULL};

    text_json_or_null(&t, SPAN_EMPTY);
    text_add(&t, SPAN(" "));
    text_json_or_null(&t, SPAN("x"));
    assert_text(&t, "null \"x\"");
}

static void a_text_grows(void **state)
{
    struct text t = {.at = NULL};

    for (unsigned i = 0; i < 10000; i++)
        text_printf(&t, "%u,", i % 10);
    assert_int_equal(t.len, 20000);
    assert_memory_equal(t.at + 19996, "8,9,", 4);
    text_fini(&t);
}

static void columns_are_as_wide_as_they_must_be(void **state)
{
    struct table table = {.columns = 3};
    struct text t = {.at = NULL};

    table_cell(&table, "A");
    table_cell(&table, "LONG HEAD");
    table_cell(&table, "C");
    table_cell(&table, "w\xc3\xb6rld");
    table_cell(&table, "%d", 7);
    table_cell(&table, "a\nb");
    table_cell(&table, "x");
    table_cell(&table, "%s", "");
    table_cell(&table, "end");
    table_end(&table, &t);
    assert_text(&t, "A      LONG HEAD  C\n"
                    "w\xc3\xb6rld  7          a?b\n"
                    "x                 end\n");
}

static void a_duration_has_one_unit(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "0 ms"},          {999, "999 ms"},  {1000, "1 s"},       {119999, "119 s"},  {120000, "2 min"},
        {7199999, "119 min"}, {7200000, "2 h"}, {172799999, "47 h"}, {172800000, "2 d"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[24];

        text_duration(out, cases[i].ms);
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_is_json_whatever_its_bytes),
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(a_text_grows),
        cmocka_unit_test(columns_are_as_wide_as_they_must_be),
        cmocka_unit_test(a_duration_has_one_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

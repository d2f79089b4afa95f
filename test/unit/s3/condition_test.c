/* Conditions against what there is (RFC 9110 section 13): a row each. */
#include "s3/condition.h"
#include "s3/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define E1    "\"900150983cd24fb0d6963f7d28e17f72\""
#define E2    "\"d41d8cd98f00b204e9800998ecf8427e\""
#define OLDER "Sun, 06 Nov 1994 08:49:36 GMT"
#define SAME  "Sun, 06 Nov 1994 08:49:37 GMT"
#define NEWER "Sun, 06 Nov 1994 08:49:38 GMT"

enum { MATCH, NONE, SINCE, UNTIL, KINDS };
static const char *const names[KINDS] = {"If-Match", "if-none-match", "if-modified-since",
                                         "If-Unmodified-Since"};

struct row {
    const char *values[KINDS];
    enum s3_code code;
};

static size_t headers_of(const struct row *row, struct http_header out[static KINDS])
{
    size_t n = 0;

    for (int k = 0; k < KINDS; k++)
        if (row->values[k])
            out[n++] = (struct http_header){span_of(names[k]), span_of(row->values[k])};
    return n;
}

static const struct s3_current current = {true, {E1, 34}, {SAME, 29}};
static const struct s3_current missing = {false, {"", 0}, {"", 0}};

static const struct row reads[] = {
    {{0}, S3_OK},
    {{E1}, S3_OK},
    {{E2}, S3_PRECONDITION_FAILED},
    {{"*"}, S3_OK},
    {{" * "}, S3_OK},
    {{"900150983cd24fb0d6963f7d28e17f72"}, S3_OK}, /* as some clients send it */
    {{E2 ", " E1}, S3_OK},
    {{E2 "," E2 ","}, S3_PRECONDITION_FAILED},
    {{"\"a,b\", " E1}, S3_OK},
    {{"\"a," E1}, S3_PRECONDITION_FAILED}, /* the quote is not closed */
    {{"W/" E1}, S3_PRECONDITION_FAILED},   /* strong comparison */
    {{""}, S3_PRECONDITION_FAILED},
    {{NULL, E1}, S3_NOT_MODIFIED},
    {{NULL, E2}, S3_OK},
    {{NULL, "*"}, S3_NOT_MODIFIED},
    {{NULL, "W/" E1}, S3_NOT_MODIFIED}, /* weak comparison */
    {{NULL, E2 " , W/" E1}, S3_NOT_MODIFIED},
    {{NULL, ""}, S3_OK},
    {{NULL, NULL, OLDER}, S3_OK},
    {{NULL, NULL, SAME}, S3_NOT_MODIFIED},
    {{NULL, NULL, NEWER}, S3_NOT_MODIFIED},
    {{NULL, NULL, "yesterday"}, S3_OK},
    {{NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT"}, S3_NOT_MODIFIED},
    {{NULL, NULL, "Sun Nov  6 08:49:37 1994"}, S3_NOT_MODIFIED},
    {{NULL, NULL, NULL, OLDER}, S3_PRECONDITION_FAILED},
    {{NULL, NULL, NULL, SAME}, S3_OK},
    {{NULL, NULL, NULL, NEWER}, S3_OK},
    {{NULL, NULL, NULL, "tomorrow"}, S3_OK},
    /* precedence: section 13.2.2 */
    {{E1, NULL, NULL, OLDER}, S3_OK},
    {{E2, NULL, NULL, NEWER}, S3_PRECONDITION_FAILED},
    {{NULL, E2, SAME}, S3_OK},
    {{NULL, E1, OLDER}, S3_NOT_MODIFIED},
    {{E1, E1}, S3_NOT_MODIFIED},
    {{E2, E1}, S3_PRECONDITION_FAILED},
    {{NULL, NULL, SAME, OLDER}, S3_PRECONDITION_FAILED},
    {{NULL, NULL, SAME, SAME}, S3_NOT_MODIFIED},
    {{E1, NULL, SAME}, S3_NOT_MODIFIED},
    {{E1, E2, SAME, OLDER}, S3_OK},
};

static void a_read_is_judged_in_the_order_of_the_rfc(void **state)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct http_header headers[KINDS];
        size_t n = headers_of(&reads[i], headers);

        if (s3_condition_read(headers, n, &current) != reads[i].code)
            fail_msg("row %zu", i);
        assert_int_equal(s3_condition_read(headers, n, &missing), S3_OK);
    }
}

static void a_source_that_is_not_modified_fails_the_copy(void **state)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct http_header headers[KINDS];
        size_t n = headers_of(&reads[i], headers);
        enum s3_code code = s3_condition_source(headers, n, &current);

        assert_int_equal(code, reads[i].code == S3_OK ? S3_OK : S3_PRECONDITION_FAILED);
    }
}

static void an_object_without_a_date_is_judged_by_its_etag_alone(void **state)
{
    const struct s3_current undated = {true, SPAN(E1), SPAN("")};
    const struct http_header dates[] = {{SPAN("if-modified-since"), SPAN(SAME)},
                                        {SPAN("if-unmodified-since"), SPAN(OLDER)}};

    assert_int_equal(s3_condition_read(dates, 2, &undated), S3_OK);
}

static void writes_know_star_and_etags(void **state)
{
    static const struct {
        struct row row; /* code: of the check */
        enum s3_code there, gone;
    } rows[] = {
        {{{0}, S3_OK}, S3_OK, S3_OK},
        {{{NULL, "*"}, S3_OK}, S3_PRECONDITION_FAILED, S3_OK},
        {{{NULL, E1}, S3_OK}, S3_PRECONDITION_FAILED, S3_OK},
        {{{NULL, E2}, S3_OK}, S3_OK, S3_OK},
        {{{E1}, S3_OK}, S3_OK, S3_NO_SUCH_KEY},
        {{{E2}, S3_OK}, S3_PRECONDITION_FAILED, S3_NO_SUCH_KEY},
        {{{"*"}, S3_OK}, S3_OK, S3_NO_SUCH_KEY},
        {{{E1, "*"}, S3_NOT_IMPLEMENTED}, S3_OK, S3_OK},
        {{{NULL, NULL, SAME}, S3_NOT_IMPLEMENTED}, S3_OK, S3_OK},
        {{{NULL, NULL, NULL, SAME}, S3_NOT_IMPLEMENTED}, S3_OK, S3_OK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_header headers[KINDS];
        size_t n = headers_of(&rows[i].row, headers);
        const char *message;

        assert_int_equal(s3_condition_check_write(headers, n, &message), rows[i].row.code);
        assert_int_equal(message != NULL, rows[i].row.code != S3_OK);
        if (rows[i].row.code != S3_OK)
            continue;
        assert_int_equal(s3_condition_write(headers, n, &current), rows[i].there);
        assert_int_equal(s3_condition_write(headers, n, &missing), rows[i].gone);
    }
}

static void dates_are_read_and_printed(void **state)
{
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "1994-11-06T08:49:37Z",
                                      "Sun, 06 Nov 1900 08:49:37 GMT"};
    uint64_t s = 0;
    char text[S3_DATE_CHARS + 1];

    assert_true(s3_http_date_parse(SPAN(SAME), &s));
    assert_int_equal(s, 784111777);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(s3_http_date_parse(span_of(bad[i]), &s));
    s3_date_print(784111777042, text);
    assert_string_equal(text, "1994-11-06T08:49:37.042Z");
    s3_date_print(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_is_judged_in_the_order_of_the_rfc),
        cmocka_unit_test(a_source_that_is_not_modified_fails_the_copy),
        cmocka_unit_test(an_object_without_a_date_is_judged_by_its_etag_alone),
        cmocka_unit_test(writes_know_star_and_etags),
        cmocka_unit_test(dates_are_read_and_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "s3/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void each_code_has_a_name_a_status_and_a_sentence(void **state)
{
    for (int code = 0; code < S3_CODE_COUNT; code++) {
        const struct s3_error *e = s3_error((enum s3_code)code);

        assert_non_null(e->name);
        assert_non_null(e->message);
        if (code == S3_NOT_MODIFIED) { /* no error: an answer without a body */
            assert_int_equal(e->status, 304);
            continue;
        }
        assert_true(code == S3_OK ? e->status == 200 : e->status >= 400 && e->status < 600);
        assert_true(span_ends(span_of(e->message), SPAN(".")));
    }
}

static void a_name_leads_back_to_its_code_and_to_no_other(void **state)
{
    for (int code = 0; code < S3_CODE_COUNT; code++)
        assert_int_equal(s3_code_by_name(span_of(s3_error((enum s3_code)code)->name)), code);
    assert_int_equal(s3_code_by_name(SPAN("NoSuchThing")), S3_CODE_COUNT);
    assert_int_equal(s3_code_by_name(SPAN("nosuchkey")), S3_CODE_COUNT);
    assert_int_equal(s3_code_by_name(SPAN("")), S3_CODE_COUNT);
}

static void statuses_are_those_of_the_s3_reference(void **state)
{
    assert_int_equal(s3_error(S3_NO_SUCH_KEY)->status, 404);
    assert_int_equal(s3_error(S3_ACCESS_DENIED)->status, 403);
    assert_int_equal(s3_error(S3_MISSING_CONTENT_LENGTH)->status, 411);
    assert_int_equal(s3_error(S3_PRECONDITION_FAILED)->status, 412);
    assert_int_equal(s3_error(S3_INVALID_RANGE)->status, 416);
    assert_int_equal(s3_error(S3_NOT_IMPLEMENTED)->status, 501);
    assert_int_equal(s3_error(S3_SLOW_DOWN)->status, 503);
    assert_int_equal(s3_error(S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR)->status, 400);
    assert_int_equal(s3_error(S3_CONDITIONAL_REQUEST_CONFLICT)->status, 409);
    assert_int_equal(s3_error(S3_INVALID_PART_NUMBER)->status, 416);
    assert_int_equal(s3_error(S3_NO_SUCH_UPLOAD)->status, 404);
    assert_int_equal(s3_error(S3_NO_SUCH_CORS_CONFIGURATION)->status, 404);
    assert_int_equal(s3_error(S3_UNEXPECTED_CONTENT)->status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_a_name_a_status_and_a_sentence),
        cmocka_unit_test(a_name_leads_back_to_its_code_and_to_no_other),
        cmocka_unit_test(statuses_are_those_of_the_s3_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

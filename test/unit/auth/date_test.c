#include "auth/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void both_ways_agree_with_the_c_library(void **state)
{
    /* About every 19 days from 1970 to 9999, at all hours. */
    for (uint64_t t = 0; t < 253402300800u; t += 1650671) {
        char text[64], ours[16];
        time_t seconds = (time_t)t;
        struct tm tm;
        uint64_t back;

        gmtime_r(&seconds, &tm);
        assert_int_equal(strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm), 16);
        amz_date_print(t, ours);
        assert_memory_equal(ours, text, 16);
        assert_true(amz_date_parse((struct span){ours, 16}, &back));
        assert_int_equal(back, t);
        assert_int_equal(strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm), 29);
        assert_true(http_date_parse(span_of(text), &back));
        assert_int_equal(back, t);
    }
}

static void the_last_second_of_9999_is_the_last(void **state)
{
    char ours[16];

    amz_date_print(UINT64_MAX, ours);
    assert_memory_equal(ours, "99991231T235959Z", 16);
}

static void other_forms_are_refused(void **state)
{
    static const char *const amz[] = {"",
                                      "20130524T000000",
                                      "20130524T000000z",
                                      "20130524 000000Z",
                                      "2013-05-24T00:00:00Z",
                                      "20130524T0000000Z",
                                      "20130024T000000Z",
                                      "20131324T000000Z",
                                      "20130500T000000Z",
                                      "20130532T000000Z",
                                      "20130431T000000Z",
                                      "20130229T000000Z",
                                      "19000229T000000Z",
                                      "20130524T240000Z",
                                      "20130524T006000Z",
                                      "20130524T000060Z",
                                      "+2130524T000000Z",
                                      "2013052aT000000Z",
                                      "19691231T235959Z"};
    static const char *const http[] = {"",
                                       "Fri, 24 May 2013 00:00:00",
                                       "Fri, 24 May 2013 00:00:00 UTC",
                                       "Fri, 24 May 2013 00:00:00 +0100",
                                       "Fri, 24 May 2013 00:00:00 -00000",
                                       "Fri, 24 May 2013 00:00:00-0000",
                                       "Fri, 24 may 2013 00:00:00 GMT",
                                       "Fry, 24 May 2013 00:00:00 GMT",
                                       "Fri 24 May 2013 00:00:00 GMT  ",
                                       "Fri, 24 Foo 2013 00:00:00 GMT",
                                       "Fri, 31 Apr 2013 00:00:00 GMT",
                                       "Fri, 24 May 2013 24:00:00 GMT",
                                       "Friday, 24-May-13 00:00:00 GMT",
                                       "Fri May 24 00:00:00 2013",
                                       "Fri, 24 May 13 00:00:00 GMT",
                                       "Fri, -4 May 2013 00:00:00 GMT"};
    uint64_t t;

    for (size_t i = 0; i < sizeof(amz) / sizeof(amz[0]); i++)
        if (amz_date_parse(span_of(amz[i]), &t))
            fail_msg("accepted: %s", amz[i]);
    for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
        if (http_date_parse(span_of(http[i]), &t))
            fail_msg("accepted: %s", http[i]);
    assert_true(amz_date_parse(SPAN("20240229T235959Z"), &t));
    assert_true(amz_date_parse(SPAN("20000229T000000Z"), &t));
}

/* botocore writes "-0000" when it is made to send a Date. */
static void the_zone_of_a_date_has_three_names(void **state)
{
    uint64_t gmt, plus, minus;

    assert_true(http_date_parse(SPAN("Fri, 24 May 2013 01:02:03 GMT"), &gmt));
    assert_true(http_date_parse(SPAN("Fri, 24 May 2013 01:02:03 +0000"), &plus));
    assert_true(http_date_parse(SPAN("Fri, 24 May 2013 01:02:03 -0000"), &minus));
    assert_int_equal(plus, gmt);
    assert_int_equal(minus, gmt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_agree_with_the_c_library),
        cmocka_unit_test(the_last_second_of_9999_is_the_last),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(the_zone_of_a_date_has_three_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every error has a name of its own and a text for a person. */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_error_has_a_name_of_lower_case_letters(void **state)
{
    for (enum err e = 0; e < ERR_COUNT; e++) {
        const char *name = err_name(e);

        assert_non_null(name);
        assert_true(strlen(name) >= 2);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
    }
}

static void no_two_errors_share_a_name_or_a_text(void **state)
{
    for (enum err a = 0; a < ERR_COUNT; a++)
        for (enum err b = a + 1; b < ERR_COUNT; b++) {
            assert_string_not_equal(err_name(a), err_name(b));
            assert_string_not_equal(err_text(a), err_text(b));
        }
}

static void every_text_is_a_fragment_of_a_sentence(void **state)
{
    for (enum err e = 0; e < ERR_COUNT; e++) {
        const char *text = err_text(e);

        assert_non_null(text);
        assert_true(strlen(text) > 5);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        assert_null(strpbrk(text, "\n\r\t\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_of_lower_case_letters),
        cmocka_unit_test(no_two_errors_share_a_name_or_a_text),
        cmocka_unit_test(every_text_is_a_fragment_of_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

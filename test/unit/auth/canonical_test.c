#include "auth/canonical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static char *(*const forms[])(char *, struct span) = {canonical_path, canonical_query, canonical_value};
enum form { PATH, QUERY, VALUE };

static void parts_take_their_one_form(void **state)
{
    static const struct {
        enum form form;
        const char *text, *canonical;
    } rows[] = {
        {PATH, "/", "/"},
        {PATH, "/a/b", "/a/b"},
        {PATH, "/a%2fb", "/a/b"},
        {PATH, "/%7E~", "/~~"},
        {PATH, "/a+b", "/a%2Bb"},
        {PATH, "/a b", "/a%20b"},
        {PATH, "/%e4%BD", "/%E4%BD"},
        {PATH, "/\xe4", "/%E4"},
        {PATH, "/%2525", "/%2525"},
        {PATH, "/a//../.", "/a//../."},
        {PATH, "/%zz%1", "/%25zz%251"},
        {QUERY, "", ""},
        {QUERY, "a", "a="},
        {QUERY, "b&X-Amz-Signature=1&a", "a=&b="},
        {QUERY, "X-Amz%2DSignature=1", ""},
        {QUERY, "x-amz-signature=1", "x-amz-signature=1"},
        {QUERY, "&&", ""},
        {QUERY, "b=1&a=2", "a=2&b=1"},
        {QUERY, "a=2&a=1", "a=1&a=2"},
        {QUERY, "a-b=1&a=2", "a=2&a-b=1"},
        {QUERY, "A=1&a=2&_=3", "A=1&_=3&a=2"},
        {QUERY, "a=b=c", "a=b%3Dc"},
        {QUERY, "a=x+y%2B/", "a=x%20y%2B%2F"},
        {QUERY, "%61=1", "a=1"},
        {QUERY, "uploads", "uploads="},
        {QUERY, "=1", "=1"},
        {VALUE, "", ""},
        {VALUE, " \t a \t", "a"},
        {VALUE, "a  b   c d", "a b c d"},
        {VALUE, "a\tb", "a\tb"},
        {VALUE, "\"a  b\"", "\"a b\""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[4096];
        char *end = forms[rows[i].form](out, span_of(rows[i].text));

        if (!span_is((struct span){out, (size_t)(end - out)}, rows[i].canonical))
            fail_msg("'%s' became '%.*s'", rows[i].text, (int)(end - out), out);
    }
}

static void the_worst_input_stays_within_the_stated_room(void **state)
{
    enum { BYTES = 300 };
    char text[BYTES];
    struct span in = {text, BYTES};
    char *out;

    memset(text, 1, sizeof(text));
    out = malloc(3 * BYTES);
    assert_ptr_equal(canonical_path(out, in), out + 3 * BYTES);
    free(out);
    /* As many parameters as are allowed, then one long value. */
    for (size_t i = 0; i < CANONICAL_PARAMS_MAX; i++)
        text[2 * i + 1] = '&';
    out = malloc(CANONICAL_QUERY_ROOM(BYTES));
    assert_null(canonical_query(out, in));
    text[1] = 1;
    assert_non_null(canonical_query(out, in));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_take_their_one_form),
        cmocka_unit_test(the_worst_input_stays_within_the_stated_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What two ETags say about two copies. */
#include "fanout/etag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ONE   "\"900150983cd24fb0d6963f7d28e17f72\""
#define UPPER "\"900150983CD24FB0D6963F7D28E17F72\""
#define OTHER "\"d41d8cd98f00b204e9800998ecf8427e\""

static void only_two_different_md5s_contradict_each_other(void **state)
{
    static const struct {
        const char *a, *b;
        bool same, contradicts;
    } rows[] = {
        {ONE, ONE, true, false},
        {ONE, UPPER, true, false},
        {ONE, OTHER, false, true},
        {UPPER, OTHER, false, true},
        {ONE, "", false, false},
        {"", "", true, false},
        {ONE, "\"900150983cd24fb0d6963f7d28e17f72-3\"", false, false},
        {"\"d41d8cd98f00b204e9800998ecf8427e-1\"", "\"900150983cd24fb0d6963f7d28e17f72-3\"", false, false},
        {ONE, "d41d8cd98f00b204e9800998ecf8427e", false, false}, /* no quotes */
        {ONE, "W/\"d41d8cd98f00b204e9800998ecf8427e\"", false, false},
        {ONE, "\"d41d8cd98f00b204e9800998ecf8427\"", false, false},   /* 31 */
        {ONE, "\"d41d8cd98f00b204e9800998ecf8427e0\"", false, false}, /* 33 */
        {ONE, "\"g41d8cd98f00b204e9800998ecf8427e\"", false, false},
        {ONE, "\"d41d8cd98f00b204e9800998ecf8427e'", false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(etag_same(rows[i].a, rows[i].b), rows[i].same);
        assert_int_equal(etag_same(rows[i].b, rows[i].a), rows[i].same);
        assert_int_equal(etag_contradicts(rows[i].a, rows[i].b), rows[i].contradicts);
        assert_int_equal(etag_contradicts(rows[i].b, rows[i].a), rows[i].contradicts);
    }
}

static void copies_are_the_same_by_stamp_or_without_stamps_by_etag_and_size(void **state)
{
    static const struct {
        struct replica_object a, b;
        bool same;
    } rows[] = {
        {{.exists = false}, {.exists = false}, true},
        {{.exists = true, .etag = ONE}, {.exists = false}, false},
        {{.exists = true, .etag = ONE}, {.exists = true, .etag = ONE}, true},
        {{.exists = true, .etag = ONE}, {.exists = true, .etag = OTHER}, false},
        {{.exists = true, .etag = ONE, .body_bytes = 1},
         {.exists = true, .etag = ONE, .body_bytes = 2},
         false},
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         true},
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .stamped = true, .stamp = {{2}}, .etag = ONE},
         false},
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .etag = ONE},
         false},
        /* vendors whose ETags are of another kind say nothing against it */
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .stamped = true, .stamp = {{1}}, .etag = "\"opaque\""},
         true},
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .stamped = true, .stamp = {{1}}, .etag = "\"900150983cd24fb0d6963f7d28e17f73-2\""},
         true},
        /* a damaged copy has the stamp, and still is not the content */
        {{.exists = true, .stamped = true, .stamp = {{1}}, .etag = ONE},
         {.exists = true, .stamped = true, .stamp = {{1}}, .etag = OTHER},
         false},
        {{.exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = 1},
         {.exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = 2},
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(object_same(&rows[i].a, &rows[i].b), rows[i].same);
        assert_int_equal(object_same(&rows[i].b, &rows[i].a), rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_two_different_md5s_contradict_each_other),
        cmocka_unit_test(copies_are_the_same_by_stamp_or_without_stamps_by_etag_and_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

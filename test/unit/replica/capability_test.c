/* The vendors' rows, which keys a backend confuses, and which refusals are about a key. */
#include "replica/capability.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_profile_is_complete_once_it_is_filled(void **state)
{
    for (const struct capability_profile *p = capability_profiles; p->name; p++) {
        struct capabilities can = {0};
        uint64_t fields[sizeof(can) / sizeof(uint64_t)];

        capabilities_fill(&can, &p->can);
        memcpy(fields, &can, sizeof(fields));
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
            assert_int_not_equal(fields[i], 0);
        assert_ptr_equal(capability_profile(p->name), p);
        assert_non_null(p->text);
    }
    assert_null(capability_profile("nobody"));
}

static void what_is_given_stands_above_the_profile(void **state)
{
    struct capabilities can = {.barrier = S3_BARRIER_PARTS, .key_folding = CAPABILITY_SET};

    capabilities_fill(&can, &capability_profile("versitygw")->can);
    assert_int_equal(can.barrier, S3_BARRIER_PARTS);
    assert_int_equal(can.key_folding, CAPABILITY_SET); /* an empty set is a value */
    assert_int_equal(can.url_encode, S3_NO);           /* the profile's */
    assert_int_equal(can.list_version, S3_LIST_V2);    /* open there: as in the first */
}

/* A server that nothing is known about: whatever any profile is wary of, it is too. */
static void the_unknown_server_is_the_safest(void **state)
{
    const struct capabilities *least = &capability_profiles[0].can;

    for (const struct capability_profile *p = capability_profiles; p->name; p++) {
        struct capabilities can = {0};

        capabilities_fill(&can, &p->can);
        assert_int_equal(can.key_folding & ~least->key_folding, 0);
        assert_int_equal(least->checksum_headers & ~can.checksum_headers, 0);
        assert_true(least->max_parts <= can.max_parts);
    }
    assert_int_equal(least->barrier, S3_BARRIER_PARTS);
    assert_int_equal(least->conditional_put, S3_NO);
    assert_int_equal(least->list_nested, S3_NO);
}

static void keys_are_refused_that_it_takes_for_others(void **state)
{
    static const struct {
        unsigned fold;
        const char *key;
        bool has_body, folds;
    } rows[] = {
        {S3_FOLD_LEAD, "/a", false, true},        {S3_FOLD_LEAD, "a/", false, false},
        {S3_FOLD_SLASHES, "a//b", false, true},   {S3_FOLD_SLASHES, "//", false, true},
        {S3_FOLD_SLASHES, "a/b/", false, false},  {S3_FOLD_DOTS, "a/../b", false, true},
        {S3_FOLD_DOTS, "..", false, true},        {S3_FOLD_DOTS, "a/.", false, true},
        {S3_FOLD_DOTS, "./a", false, true},       {S3_FOLD_DOTS, "a/.../b", false, false},
        {S3_FOLD_DOTS, "a/..b/.c", false, false}, {S3_FOLD_TAIL, "a/", false, true},
        {S3_FOLD_TAIL, "a/b", true, false},       {S3_FOLD_TAIL_BODY, "a/", true, true},
        {S3_FOLD_TAIL_BODY, "a/", false, false},  {0, "/a//../b/", true, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct capabilities can = {.key_folding = CAPABILITY_SET | rows[i].fold};

        if (!capability_folds(&can, span_of(rows[i].key), rows[i].has_body) != !rows[i].folds)
            fail_msg("row %zu: %s", i, rows[i].key);
    }
}

static void refusals_that_are_about_the_key_have_a_name(void **state)
{
    char segment[300] = "a/";
    struct span s = {segment, sizeof(segment) - 1};

    memset(segment + 2, 'x', sizeof(segment) - 3);
    assert_non_null(capability_key_failure(409, "ObjectParentIsFile", SPAN("a/b")));
    assert_non_null(capability_key_failure(409, "ExistingObjectIsDirectory", SPAN("a")));
    assert_non_null(capability_key_failure(400, "DirectoryObjectContainsData", SPAN("a/")));
    assert_non_null(capability_key_failure(400, "Whatever", s));
    assert_non_null(capability_key_failure(400, "", SPAN("a/../b")));
    assert_null(capability_key_failure(400, "InvalidRequest", SPAN("a/b")));
    assert_null(capability_key_failure(403, "AccessDenied", s));
    assert_null(capability_key_failure(500, "ObjectParentIsFile", SPAN("a/b")));
    assert_null(capability_key_failure(0, "", SPAN("a/b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_is_complete_once_it_is_filled),
        cmocka_unit_test(what_is_given_stands_above_the_profile),
        cmocka_unit_test(the_unknown_server_is_the_safest),
        cmocka_unit_test(keys_are_refused_that_it_takes_for_others),
        cmocka_unit_test(refusals_that_are_about_the_key_have_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

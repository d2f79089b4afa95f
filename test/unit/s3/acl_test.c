#include "s3/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define OWNER SPAN("s3mirror")
#define ACL(grants)                                                                                          \
    "<AccessControlPolicy><Owner><ID>s3mirror</ID></Owner><AccessControlList>" grants                        \
    "</AccessControlList></AccessControlPolicy>"
#define GRANT(who, what) "<Grant><Grantee>" who "</Grantee><Permission>" what "</Permission></Grant>"
#define FULL             GRANT("<ID>s3mirror</ID>", "FULL_CONTROL")

static void what_is_printed_is_what_is_accepted(void **state)
{
    struct arena arena;
    struct span text;

    arena_init(&arena, 64 * 1024);
    text = s3_acl_document(&arena, OWNER);
    assert_non_null(text.at);
    assert_non_null(strstr(text.at, "<Permission>FULL_CONTROL</Permission>"));
    assert_int_equal(s3_acl_parse(text, OWNER), ERR_OK);
    assert_int_equal(s3_acl_parse(text, SPAN("somebody")), ERR_MISMATCH);
    assert_int_equal(s3_acl_parse(s3_acl_document(&arena, SPAN("a<b")), SPAN("a<b")), ERR_OK);
    arena_fini(&arena);
    arena_init(&arena, 0);
    assert_null(s3_acl_document(&arena, OWNER).at);
    arena_fini(&arena);
}

static void only_the_owner_may_be_granted_and_only_full_control(void **state)
{
    static const struct {
        const char *text;
        enum err e;
    } rows[] = {
        {ACL(FULL), ERR_OK},
        {"\n" ACL("\n" FULL "\n" FULL), ERR_OK},
        {"<AccessControlPolicy><AccessControlList>" FULL "</AccessControlList></AccessControlPolicy>",
         ERR_OK},
        {ACL(GRANT("<DisplayName>x</DisplayName><ID> s3mirror </ID>", "FULL_CONTROL")), ERR_OK},
        {ACL(""), ERR_MISMATCH},
        {ACL(GRANT("<ID>s3mirror</ID>", "READ")), ERR_MISMATCH},
        {ACL(GRANT("<ID>S3MIRROR</ID>", "FULL_CONTROL")), ERR_MISMATCH},
        {ACL(FULL GRANT("<ID>other</ID>", "READ")), ERR_MISMATCH},
        {ACL(FULL GRANT("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ")), ERR_MISMATCH},
        {ACL(FULL GRANT("<EmailAddress>a@example.org</EmailAddress>", "FULL_CONTROL")), ERR_MISMATCH},
        {"<AccessControlPolicy><Owner><ID>other</ID></Owner><AccessControlList>" FULL
         "</AccessControlList></AccessControlPolicy>",
         ERR_MISMATCH},
        {"", ERR_INVALID},
        {"<AccessControlPolicy/>", ERR_INVALID},
        {"<AccessControlPolicy><Owner><ID>s3mirror</ID></Owner></AccessControlPolicy>", ERR_INVALID},
        {"<Tagging/>", ERR_INVALID},
        {ACL("<Grant/>"), ERR_INVALID},
        {ACL("<Grant><Grantee><ID>s3mirror</ID></Grantee></Grant>"), ERR_INVALID},
        {ACL("<Grant><Permission>FULL_CONTROL</Permission></Grant>"), ERR_INVALID},
        {ACL(FULL) ACL(FULL), ERR_INVALID},
        {"<AccessControlPolicy><AccessControlList>" FULL "</AccessControlList><AccessControlList>" FULL
         "</AccessControlList></AccessControlPolicy>",
         ERR_INVALID},
        {"<AccessControlPolicy><Grants/></AccessControlPolicy>", ERR_INVALID},
        {"<!DOCTYPE a [<!ENTITY b \"s3mirror\">]>" ACL(FULL), ERR_INVALID},
        {"private", ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (s3_acl_parse(span_of(rows[i].text), OWNER) != rows[i].e)
            fail_msg("%s: %s", rows[i].text, err_name(s3_acl_parse(span_of(rows[i].text), OWNER)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_what_is_accepted),
        cmocka_unit_test(only_the_owner_may_be_granted_and_only_full_control),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

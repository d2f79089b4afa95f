/* Policies of forms: AWS's documented example, then each condition met and missed, and each malformed document. */
#include "auth/post_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)" */
#define SECRET SPAN("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
static const char documented_policy[] = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29u"
                                        "ZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NG"
                                        "V4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci"
                                        "91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVh"
                                        "ZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0"
                                        "ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2"
                                        "Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW"
                                        "50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1t"
                                        "ZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1z"
                                        "aWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWy"
                                        "JzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW"
                                        "16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1Q"
                                        "TEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1h"
                                        "bXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifS"
                                        "wNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
#define DOCUMENTED_SIGNATURE "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
#define DOCUMENTED_END_S     1451476800 /* 2015-12-30T12:00:00Z */

struct form_world {
    struct s3_form form;
    struct arena arena;
    const char *message;
    char policy[8192];
};

static void add(struct form_world *w, const char *name, const char *value)
{
    w->form.fields[w->form.field_count++] = (struct s3_form_field){span_of(name), span_of(value)};
}

static void set(struct form_world *w, const char *name, const char *value)
{
    for (size_t i = 0; i < w->form.field_count; i++)
        if (span_ieq(w->form.fields[i].name, span_of(name)))
            w->form.fields[i].value = span_of(value);
}

static void drop(struct form_world *w, const char *name)
{
    for (size_t i = 0; i < w->form.field_count; i++)
        if (span_ieq(w->form.fields[i].name, span_of(name)))
            w->form.fields[i] = w->form.fields[--w->form.field_count];
}

static void open_documented(struct form_world *w)
{
    memset(w, 0, sizeof(*w));
    arena_init(&w->arena, 1 << 16);
    add(w, "key", "user/user1/${filename}");
    add(w, "acl", "public-read");
    add(w, "success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html");
    add(w, "Content-Type", "image/jpeg");
    add(w, "x-amz-meta-uuid", "14365123651274");
    add(w, "x-amz-server-side-encryption", "AES256");
    add(w, "X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request");
    add(w, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    add(w, "X-Amz-Date", "20151229T000000Z");
    add(w, "x-amz-meta-tag", "");
    add(w, "Policy", documented_policy);
    add(w, "X-Amz-Signature", DOCUMENTED_SIGNATURE);
}

static enum s3_code claim_and_verify(struct form_world *w, struct span secret)
{
    struct sigv4_claim claim;
    enum s3_code code = post_policy_claim(&claim, &w->form, &w->arena, &w->message);

    if (code == S3_OK)
        code = post_policy_verify(NULL, &claim, secret, SPAN("us-east-1"), &w->form, &w->arena, &w->message);
    return code;
}

static enum s3_code check_documented(struct form_world *w, uint64_t now_s)
{
    struct post_policy_limits limits;

    return post_policy_check(&limits, &w->form, SPAN("sigv4examplebucket"), SPAN("user/user1/photo.jpg"),
                             now_s, &w->arena, &w->message);
}

static void the_documented_example_is_accepted(void **state)
{
    struct form_world w;

    open_documented(&w);
    assert_int_equal(claim_and_verify(&w, SECRET), S3_OK);
    assert_int_equal(check_documented(&w, DOCUMENTED_END_S - 1), S3_OK);
    assert_int_equal(check_documented(&w, DOCUMENTED_END_S), S3_ACCESS_DENIED);
    assert_string_equal(w.message, "Invalid according to Policy: Policy expired.");
    arena_fini(&w.arena);
}

static void a_claim_that_is_not_whole_or_not_true_is_refused(void **state)
{
    static const struct {
        const char *name, *value; /* NULL: the field is left out */
        enum s3_code code;
    } rows[] = {
        {"policy", NULL, S3_INVALID_ARGUMENT},
        {"policy", "", S3_INVALID_ARGUMENT},
        {"policy", "eyAi", S3_SIGNATURE_DOES_NOT_MATCH},
        {"x-amz-signature", NULL, S3_INVALID_ARGUMENT},
        {"x-amz-signature", "9afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
         S3_SIGNATURE_DOES_NOT_MATCH},
        {"x-amz-signature", "8AFDBF4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
         S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-signature", "8afdbf", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-algorithm", NULL, S3_INVALID_ARGUMENT},
        {"x-amz-algorithm", "AWS4-HMAC-SHA1", S3_INVALID_ARGUMENT},
        {"x-amz-credential", NULL, S3_INVALID_ARGUMENT},
        {"x-amz-credential", "nonsense", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sqs/aws4_request",
         S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-west-1/s3/aws4_request",
         S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151230/us-east-1/s3/aws4_request",
         S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-date", NULL, S3_INVALID_ARGUMENT},
        {"x-amz-date", "2015-12-29", S3_INVALID_ARGUMENT},
        {"x-amz-date", "20151230T000000Z", S3_AUTHORIZATION_HEADER_MALFORMED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct form_world w;
        enum s3_code code;

        open_documented(&w);
        if (rows[i].value)
            set(&w, rows[i].name, rows[i].value);
        else
            drop(&w, rows[i].name);
        code = claim_and_verify(&w, SECRET);
        if (code != rows[i].code)
            fail_msg("row %zu: %s", i, s3_error(code)->name);
        arena_fini(&w.arena);
    }
}

static void other_ways_to_prove_it_are_refused_by_name(void **state)
{
    struct form_world w;

    open_documented(&w);
    assert_int_equal(claim_and_verify(&w, SPAN("another secret")), S3_SIGNATURE_DOES_NOT_MATCH);
    add(&w, "x-amz-security-token", "t");
    assert_int_equal(claim_and_verify(&w, SECRET), S3_INVALID_REQUEST);
    drop(&w, "x-amz-security-token");
    add(&w, "AWSAccessKeyId", "a");
    assert_int_equal(claim_and_verify(&w, SECRET), S3_INVALID_REQUEST);
    drop(&w, "AWSAccessKeyId");
    drop(&w, "policy");
    drop(&w, "x-amz-signature");
    assert_int_equal(claim_and_verify(&w, SECRET), S3_ACCESS_DENIED);
    arena_fini(&w.arena);
}

#define NOW_S 1900000000 /* March 2030 */
#define LATER "\"2031-01-01T00:00:00.000Z\""
#define POLICY(conditions)                                                                                   \
    "{\"expiration\": " LATER                                                                                \
    ", \"conditions\": [{\"bucket\": \"media\"}, [\"eq\", \"$key\", \"a/b\"]" conditions "]}"

/* The form has key, colour = "dark red", Content-Type = "image/png". */
static enum s3_code check(const char *policy, struct post_policy_limits *limits, char *message, size_t room)
{
    struct form_world w = {0};
    enum s3_code code;

    arena_init(&w.arena, 1 << 16);
    w.policy[base64_encode(policy, strlen(policy), w.policy)] = '\0';
    add(&w, "key", "a/${filename}");
    add(&w, "x-amz-meta-colour", "dark red");
    add(&w, "Content-Type", "image/png");
    add(&w, "policy", w.policy);
    add(&w, "x-amz-signature", "s");
    add(&w, "x-ignore-this", "whatever");
    code = post_policy_check(limits, &w.form, SPAN("media"), SPAN("a/b"), NOW_S, &w.arena, &w.message);
    snprintf(message, room, "%s", w.message ? w.message : "");
    arena_fini(&w.arena);
    return code;
}

#define REST ", {\"x-amz-meta-colour\": \"dark red\"}, [\"starts-with\", \"$Content-Type\", \"image/\"]"
static void conditions_are_met_or_not(void **state)
{
    static const struct {
        const char *policy;
        enum s3_code code;
        const char *message; /* a part of it */
    } rows[] = {
        {POLICY(REST), S3_OK, ""},
        {POLICY(REST ", [\"starts-with\", \"$x-amz-meta-none\", \"\"]"), S3_OK, ""},
        {POLICY(REST
                ", {\"bUcKeT\": \"media\"}, [\"EQ\", \"$KEY\", \"a/b\"], [\"Starts-With\", \"$KeY\", \"\"]"),
         S3_OK, ""},
        {POLICY(", {\"x-amz-meta-colour\": \"dark red\", \"content-type\": \"image/png\"}"), S3_OK, ""},
        {POLICY(REST ", [\"eq\", \"$key\", \"a/${filename}\"]"), S3_ACCESS_DENIED,
         "[\"eq\", \"$key\", \"a/${filename}\"]"},
        {POLICY(REST ", {\"bucket\": \"other\"}"), S3_ACCESS_DENIED, "[\"eq\", \"$bucket\", \"other\"]"},
        {POLICY(", {\"x-amz-meta-colour\": \"dark Red\"}"), S3_ACCESS_DENIED, "Policy Condition failed"},
        {POLICY(", [\"eq\", \"$x-amz-meta-colour\", \"dark\"]"), S3_ACCESS_DENIED, "Policy Condition failed"},
        {POLICY(", [\"starts-with\", \"$x-amz-meta-colour\", \"red\"]"), S3_ACCESS_DENIED, "starts-with"},
        {POLICY(REST ", {\"x-amz-meta-none\": \"a\"}"), S3_ACCESS_DENIED, "$x-amz-meta-none"},
        {POLICY(", {\"x-amz-meta-colour\": \"dark red\"}"), S3_ACCESS_DENIED,
         "Extra input fields: Content-Type"},
        {POLICY(""), S3_ACCESS_DENIED, "Extra input fields: x-amz-meta-colour"},
        {"{\"expiration\": " LATER ", \"conditions\": [{\"key\": \"a/b\"}" REST "]}", S3_ACCESS_DENIED,
         "Extra input fields: bucket"},
        {"{\"expiration\": \"2029-01-01T00:00:00Z\", \"conditions\": [{\"key\": \"a/b\"}]}", S3_ACCESS_DENIED,
         "expired"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct post_policy_limits limits;
        char message[512];
        enum s3_code code = check(rows[i].policy, &limits, message, sizeof(message));

        if (code != rows[i].code || !strstr(message, rows[i].message))
            fail_msg("row %zu: %s %s", i, s3_error(code)->name, message);
    }
}

static void ranges_bound_the_file(void **state)
{
    static const struct {
        const char *policy;
        uint64_t least, most;
    } rows[] = {
        {POLICY(REST), 0, UINT64_MAX},
        {POLICY(REST ", [\"content-length-range\", 1, 1048576]"), 1, 1048576},
        {POLICY(REST ", [\"content-length-range\", \"1\", \"1048576\"]"), 1, 1048576},
        {POLICY(REST ", [\"Content-Length-Range\", 0, 0]"), 0, 0},
        {POLICY(REST ", [\"content-length-range\", 5, 100], [\"content-length-range\", 1, 50]"), 5, 50},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct post_policy_limits limits;
        char message[512];

        assert_int_equal(check(rows[i].policy, &limits, message, sizeof(message)), S3_OK);
        assert_int_equal(limits.least_bytes, rows[i].least);
        assert_true(limits.most_bytes == rows[i].most);
    }
}

static void malformed_policies_are_refused_as_such(void **state)
{
    static const char *const rows[] = {
        "",
        "nonsense",
        "[]",
        "\"text\"",
        "{}",
        "{\"expiration\": " LATER "}",
        "{\"expiration\": " LATER ", \"conditions\": []}",
        "{\"expiration\": " LATER ", \"conditions\": {}}",
        "{\"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": 5, \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-01-01\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-01-01T00:00:00\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-01-01T00:00:00.Z\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-01-01T00:00:00.000\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-01-01T00:00:00+00:00\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-13-01T00:00:00Z\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031-02-30T00:00:00Z\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": \"2031x01-01T00:00:00Z\", \"conditions\": [{\"bucket\": \"media\"}]}",
        "{\"expiration\": " LATER ", \"expiration\": " LATER ", \"conditions\": [{\"bucket\": \"media\"}]}",
        POLICY(REST ", {}"),
        POLICY(REST ", []"),
        POLICY(REST ", 5"),
        POLICY(REST ", \"key\""),
        POLICY(REST ", null"),
        POLICY(REST ", {\"key\": 5}"),
        POLICY(REST ", {\"key\": null}"),
        POLICY(REST ", {\"key\": \"a/b\", \"key\": \"c\"}"),
        POLICY(REST ", [\"eq\", \"$key\"]"),
        POLICY(REST ", [\"eq\", \"$key\", \"a/b\", \"c\"]"),
        POLICY(REST ", [\"eq\", \"key\", \"a/b\"]"),
        POLICY(REST ", [\"eq\", \"$\", \"a/b\"]"),
        POLICY(REST ", [\"eq\", 5, \"a/b\"]"),
        POLICY(REST ", [\"eq\", \"$key\", 5]"),
        POLICY(REST ", [5, \"$key\", \"a/b\"]"),
        POLICY(REST ", [\"ends-with\", \"$key\", \"b\"]"),
        POLICY(REST ", [\"content-length-range\", 1]"),
        POLICY(REST ", [\"content-length-range\", 5, 1]"),
        POLICY(REST ", [\"content-length-range\", -1, 5]"),
        POLICY(REST ", [\"content-length-range\", 1.5, 5]"),
        POLICY(REST ", [\"content-length-range\", \"\", 5]"),
        POLICY(REST ", [\"content-length-range\", \"0x1\", 5]"),
        POLICY(REST ", [\"content-length-range\", null, 5]"),
        POLICY(REST) "x",
        POLICY(REST ", [\"eq\", \"$key\", \"\\u0000\"]"),
        POLICY(REST ", [\"eq\", \"$key\", \"\xff\"]"),
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct post_policy_limits limits;
        char message[512];
        enum s3_code code = check(rows[i], &limits, message, sizeof(message));

        if (code != S3_INVALID_POLICY_DOCUMENT || strncmp(message, "Invalid Policy: ", 16) != 0)
            fail_msg("row %zu: %s %s", i, s3_error(code)->name, message);
    }
}

static void what_is_no_base64_is_no_policy(void **state)
{
    static const char *const rows[] = {"e", "e30", "e30=\n", "e3 0", "e30!", "====", "e30==", "=e30"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct form_world w;

        open_documented(&w);
        set(&w, "policy", rows[i]);
        assert_int_equal(check_documented(&w, 1), S3_INVALID_POLICY_DOCUMENT);
        arena_fini(&w.arena);
    }
}

static void depth_is_bounded(void **state)
{
    struct post_policy_limits limits;
    char policy[6001], message[512];

    memset(policy, '[', 6000);
    policy[6000] = '\0';
    assert_int_equal(check(policy, &limits, message, sizeof(message)), S3_INVALID_POLICY_DOCUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_example_is_accepted),
        cmocka_unit_test(a_claim_that_is_not_whole_or_not_true_is_refused),
        cmocka_unit_test(other_ways_to_prove_it_are_refused_by_name),
        cmocka_unit_test(conditions_are_met_or_not),
        cmocka_unit_test(ranges_bound_the_file),
        cmocka_unit_test(malformed_policies_are_refused_as_such),
        cmocka_unit_test(what_is_no_base64_is_no_policy),
        cmocka_unit_test(depth_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

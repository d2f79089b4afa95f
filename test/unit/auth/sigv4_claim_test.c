#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SIG   "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
#define SCOPE "/20130524/us-east-1/s3/aws4_request"
#define DATE  "x-amz-date: 20130524T000000Z\n"
#define GOOD  "AWS4-HMAC-SHA256 Credential=K" SCOPE ", SignedHeaders=host, Signature=" SIG "\n"

static struct http_head head;
static struct sigv4_claim claim;

static void expect(const char *text, enum s3_code code, const char *says)
{
    struct arena arena;
    const char *message;
    enum s3_code got;

    arena_init(&arena, 64 * 1024);
    head_from_text(&head, span_of(text));
    got = sigv4_claim_parse(&claim, &head, &arena, &message);
    if (got != code || (says && (!message || !strstr(message, says))))
        fail_msg("%s: %s, %s", text, s3_error(got)->name, message ? message : "(the table's message)");
    arena_fini(&arena);
}

static void a_claim_is_taken_apart(void **state)
{
    static const char *const forms[] = {
        "GET /\nAuthorization: " GOOD DATE,
        "GET /\nauthorization: AWS4-HMAC-SHA256 Credential=K" SCOPE ",SignedHeaders=host,Signature=" SIG
        "\n" DATE,
        "GET /\nAuthorization: AWS4-HMAC-SHA256  Signature=" SIG " , SignedHeaders=host , Credential=K" SCOPE
        "\n" DATE,
        "GET /\nDate: Fri, 24 May 2013 10:00:00 GMT\nAuthorization: " GOOD DATE,
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        expect(forms[i], S3_OK, NULL);
        assert_int_equal(claim.proof, S3_PROOF_HEADER);
        assert_true(span_is(claim.access_key, "K"));
        assert_true(span_is(claim.day, "20130524"));
        assert_true(span_is(claim.region, "us-east-1"));
        assert_true(span_is(claim.signed_headers, "host"));
        assert_true(span_is(claim.signature, SIG));
        assert_true(span_is(claim.stamp, "20130524T000000Z"));
        assert_int_equal(claim.stamp_unix_s, NOW_UNIX_S);
    }
    expect("GET /\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c" SCOPE
           ",SignedHeaders=host,Signature=" SIG "\n" DATE,
           S3_OK, NULL);
    assert_true(span_is(claim.access_key, "a/b/c"));
}

static void the_date_field_serves_without_x_amz_date(void **state)
{
    struct arena arena;
    const char *message;

    arena_init(&arena, 64 * 1024);
    head_from_text(&head, SPAN("GET /\nDate: Fri, 24 May 2013 01:02:03 GMT\nAuthorization: " GOOD));
    assert_int_equal(sigv4_claim_parse(&claim, &head, &arena, &message), S3_OK);
    assert_true(span_is(claim.stamp, "20130524T010203Z"));
    assert_int_equal(claim.stamp_unix_s, NOW_UNIX_S + 3723);
    head_from_text(&head, SPAN("GET /\nDate: Fri, 24 May 2013 01:02:03 -0000\nAuthorization: " GOOD));
    assert_int_equal(sigv4_claim_parse(&claim, &head, &arena, &message), S3_OK);
    assert_true(span_is(claim.stamp, "20130524T010203Z"));
    head_from_text(&head, SPAN("GET /\nDate: 20130524T010203Z\nAuthorization: " GOOD));
    assert_int_equal(sigv4_claim_parse(&claim, &head, &arena, &message), S3_OK);
    assert_true(span_is(claim.stamp, "20130524T010203Z"));
    arena_fini(&arena);
    arena_init(&arena, 0);
    head_from_text(&head, SPAN("GET /\nDate: Fri, 24 May 2013 01:02:03 GMT\nAuthorization: " GOOD));
    assert_int_equal(sigv4_claim_parse(&claim, &head, &arena, &message), S3_INTERNAL_ERROR);
    arena_fini(&arena);
}

static void other_proofs_are_refused_with_what_to_use(void **state)
{
    expect("GET /\nAuthorization: AWS K:c2ln\n" DATE, S3_INVALID_REQUEST, "Version 2");
    expect("GET /\nAuthorization: Bearer x.y.z\n" DATE, S3_NOT_IMPLEMENTED, "Bearer");
    expect("GET /\nAuthorization: bearer x\n" DATE, S3_NOT_IMPLEMENTED, "Bearer");
    expect("GET /\nAuthorization: AWS4-ECDSA-P256-SHA256 Credential=K\n" DATE, S3_NOT_IMPLEMENTED, "4A");
    expect("GET /\nAuthorization: Basic YTpi\n" DATE, S3_INVALID_ARGUMENT, "Unsupported");
    expect("GET /\nAuthorization: AWS4-HMAC-SHA256\n" DATE, S3_INVALID_ARGUMENT, "Unsupported");
    expect("GET /b/k?AWSAccessKeyId=K&Signature=s&Expires=1\n", S3_INVALID_REQUEST,
           "Use Signature Version 4");
    expect("GET /b/k?AWSAccessKeyId=K\n", S3_INVALID_REQUEST, "Version 2");
    expect("GET /b/k?Signatur%65=s\n", S3_INVALID_REQUEST, "Version 2");
    expect("GET /\nx-amz-security-token: t\nAuthorization: " GOOD DATE, S3_INVALID_REQUEST, "Session tokens");
    expect("GET /?X-Amz-Signature=1&X-Amz-Security-Token=t\n", S3_INVALID_REQUEST, "Session tokens");
    expect("GET /?X-Amz-Signature=1\nx-amz-security-token: t\n", S3_INVALID_REQUEST, "Session tokens");
}

static void no_proof_is_told_from_a_wrong_one(void **state)
{
    static const char *const texts[] = {"GET /\nHost: h\n" DATE,
                                        "GET /\n",
                                        "GET /\nAuthorization: \n" DATE,
                                        "GET /b/k?x-amz-signature=1\n",
                                        "GET /b/k?X-Amz-Expires=1&X-Amz-Date=1&X-Amz-SignedHeaders=host\n",
                                        "GET /b/k?Expires=1&signature=x\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], S3_OK, NULL);
        assert_int_equal(claim.proof, S3_PROOF_NONE);
        assert_int_equal(claim.access_key.len + claim.signature.len, 0);
    }
}

static void two_proofs_are_one_too_many(void **state)
{
    static const char *const queries[] = {"X-Amz-Algorithm=AWS4-HMAC-SHA256",
                                          "X-Amz-Signature=1",
                                          "X-Amz-Credential=1",
                                          "%58-Amz-Signature=1",
                                          "a=b&X-Amz-Signature",
                                          "AWSAccessKeyId=K&Signature=s&Expires=1",
                                          "Signature=s"};

    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char text[1024];

        snprintf(text, sizeof(text), "GET /b/k?%s\nAuthorization: " GOOD DATE, queries[i]);
        expect(text, S3_INVALID_ARGUMENT, "Only one auth mechanism allowed");
        snprintf(text, sizeof(text), "GET /b/k?%s\nAuthorization: AWS K:s\n" DATE, queries[i]);
        expect(text, S3_INVALID_ARGUMENT, "Only one auth mechanism allowed");
    }
}

static void malformed_claims_are_refused(void **state)
{
#define WITH(text) "GET /\nAuthorization: AWS4-HMAC-SHA256 " text "\n" DATE
#define MALFORMED  S3_AUTHORIZATION_HEADER_MALFORMED
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host"), MALFORMED, "missing");
    expect(WITH("Credential=K" SCOPE ", Signature=" SIG), MALFORMED, "missing");
    expect(WITH("SignedHeaders=host, Signature=" SIG), MALFORMED, "missing");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=, Signature=" SIG), MALFORMED, "missing");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, Signature=" SIG ", Signature=" SIG), MALFORMED,
           "once");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, Signature=" SIG ", Other=1"), MALFORMED, "once");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, signature=" SIG), MALFORMED, "once");
    expect(WITH("Credential=K" SCOPE ",, SignedHeaders=host, Signature=" SIG), MALFORMED, "once");
    expect(WITH("nonsense"), MALFORMED, "once");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, Signature=abc"), MALFORMED, "64");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, Signature="), MALFORMED, "64");
    expect(WITH("Credential=K" SCOPE ", SignedHeaders=host, Signature=" SIG "0"), MALFORMED, "64");
    expect(WITH("Credential=K" SCOPE
                ", SignedHeaders=host, Signature=F0E8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd9"
                "1039c6036bdb41"),
           MALFORMED, "64");
    expect(WITH("Credential=, SignedHeaders=host, Signature=" SIG), MALFORMED, "mal-formed");
    expect(WITH("Credential=" SCOPE ", SignedHeaders=host, Signature=" SIG), MALFORMED, "mal-formed");
    expect(WITH("Credential=20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" SIG),
           MALFORMED, "mal-formed");
    expect(WITH("Credential=K/20130524//s3/aws4_request, SignedHeaders=host, Signature=" SIG), MALFORMED,
           "mal-formed");
    expect(WITH("Credential=K/20130524/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=" SIG),
           MALFORMED, "service \"sts\"");
    expect(WITH("Credential=K/20130524/us-east-1/s3/aws5_request, SignedHeaders=host, Signature=" SIG),
           MALFORMED, "terminator \"aws5_request\"");
    expect(WITH("Credential=K/20130525/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" SIG),
           MALFORMED, "date");
    expect(WITH("Credential=K/2013052/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" SIG),
           MALFORMED, "date");
}

static void dates_and_repeats_are_checked(void **state)
{
    expect("GET /\nAuthorization: " GOOD, S3_ACCESS_DENIED, "valid Date");
    expect("GET /\nAuthorization: " GOOD "x-amz-date: yesterday\n", S3_ACCESS_DENIED, "valid Date");
    expect("GET /\nAuthorization: " GOOD "x-amz-date: Fri, 24 May 2013 00:00:00 GMT\n", S3_ACCESS_DENIED,
           "valid Date");
    expect("GET /\nAuthorization: " GOOD "x-amz-date: \nDate: Fri, 24 May 2013 00:00:00 GMT\n",
           S3_ACCESS_DENIED, "valid Date");
    expect("GET /\nAuthorization: " GOOD DATE DATE, S3_INVALID_REQUEST, "twice");
    expect("GET /\nAuthorization: " GOOD "Authorization: " GOOD DATE, S3_INVALID_REQUEST, "twice");
    expect("GET /\nAuthorization: " GOOD DATE "Date: a\ndate: b\n", S3_INVALID_REQUEST, "twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_taken_apart),
        cmocka_unit_test(the_date_field_serves_without_x_amz_date),
        cmocka_unit_test(other_proofs_are_refused_with_what_to_use),
        cmocka_unit_test(no_proof_is_told_from_a_wrong_one),
        cmocka_unit_test(two_proofs_are_one_too_many),
        cmocka_unit_test(malformed_claims_are_refused),
        cmocka_unit_test(dates_and_repeats_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

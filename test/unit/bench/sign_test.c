/* The signatures that AWS publishes for its two header examples whose signed headers are the ones
 * the bench uses ("Signature Calculations for the Authorization Header", S3 API reference). */
#include "bench/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char lifecycle_signature[] = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
static const char empty_sha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
enum { FIRST_SECOND_OF_20130524 = 1369353600 };

static void signs_as_the_published_examples(void **state)
{
    static const struct {
        const char *query, *signature;
    } rows[] = {
        {"lifecycle=", lifecycle_signature},
        {"max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    struct signer s;

    signer_init(&s, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
    signer_now(&s, FIRST_SECOND_OF_20130524);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signed_request r = {"GET", "examplebucket.s3.amazonaws.com", "/", rows[i].query, empty_sha256};
        char out[1024], seed[SIGNATURE_CHARS];
        size_t len = signer_print(&s, &r, out, sizeof(out), seed);

        assert_int_equal(len, strlen(out));
        assert_non_null(strstr(out, rows[i].signature));
        assert_non_null(strstr(out, "X-Amz-Date: 20130524T000000Z\r\n"));
    }
}

static void a_new_day_gives_a_new_key(void **state)
{
    struct signed_request r = {"GET", "examplebucket.s3.amazonaws.com", "/", "lifecycle=", empty_sha256};
    char before[1024], after[1024], seed[SIGNATURE_CHARS];
    struct signer s;

    signer_init(&s, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
    signer_now(&s, FIRST_SECOND_OF_20130524 - 1);
    signer_print(&s, &r, before, sizeof(before), seed);
    signer_now(&s, FIRST_SECOND_OF_20130524);
    signer_print(&s, &r, after, sizeof(after), seed);
    assert_non_null(strstr(before, "/20130523/us-east-1/s3/aws4_request"));
    assert_non_null(strstr(after, lifecycle_signature));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_published_examples),
        cmocka_unit_test(a_new_day_gives_a_new_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

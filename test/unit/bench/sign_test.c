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
        char out[1024], signature[SIGNATURE_CHARS];
        size_t len = signer_print(&s, &r, out, sizeof(out), signature);

        assert_memory_equal(signature, rows[i].signature, SIGNATURE_CHARS);
        assert_int_equal(len, strlen(out));
        assert_non_null(strstr(out, rows[i].signature));
        assert_non_null(strstr(out, "X-Amz-Date: 20130524T000000Z\r\n"));
    }
}

static void a_new_day_gives_a_new_key(void **state)
{
    struct signed_request r = {"GET", "examplebucket.s3.amazonaws.com", "/", "lifecycle=", empty_sha256};
    char before[1024], after[1024], signature[SIGNATURE_CHARS];
    struct signer s;

    signer_init(&s, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
    signer_now(&s, FIRST_SECOND_OF_20130524 - 1);
    signer_print(&s, &r, before, sizeof(before), signature);
    signer_now(&s, FIRST_SECOND_OF_20130524);
    signer_print(&s, &r, after, sizeof(after), signature);
    assert_non_null(strstr(before, "/20130523/us-east-1/s3/aws4_request"));
    assert_non_null(strstr(after, lifecycle_signature));
}

/* "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" */
static void chunks_are_signed_as_the_published_example(void **state)
{
    static const char *const links[] = {"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                                        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                                        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
    static const size_t sizes[] = {65536, 1024, 0};
    static char data[65536];
    char signature[SIGNATURE_CHARS];
    struct signer s;

    memset(data, 'a', sizeof(data));
    signer_init(&s, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
    signer_now(&s, FIRST_SECOND_OF_20130524);
    memcpy(signature, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", SIGNATURE_CHARS);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        uint8_t digest[SHA256_BYTES];

        sha256_of((struct span){data, sizes[i]}, digest);
        signer_chunk(&s, digest, signature);
        assert_memory_equal(signature, links[i], SIGNATURE_CHARS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_the_published_examples),
        cmocka_unit_test(a_new_day_gives_a_new_key),
        cmocka_unit_test(chunks_are_signed_as_the_published_example),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

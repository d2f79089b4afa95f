#include "auth/canonical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct sigv4_keyring keys;

static int ring_setup(void **state)
{
    sigv4_keyring_init(&keys);
    return 0;
}

static void sign_with(const struct hmac_key *key, uint8_t out[static SHA256_BYTES])
{
    hmac_sha256(key, SPAN("message"), out);
}

static void assert_right(struct span secret, const char *day, const char *region)
{
    struct hmac_key spare, plain;
    uint8_t ours[SHA256_BYTES], right[SHA256_BYTES];

    sigv4_derive(&plain, secret, span_of(day), span_of(region));
    sign_with(&plain, right);
    sign_with(sigv4_key(&keys, secret, span_of(day), span_of(region), &spare), ours);
    assert_memory_equal(ours, right, sizeof(right));
}

static void the_derived_key_is_the_chain_of_four(void **state)
{
    const struct span steps[] = {SPAN("20130524"), SPAN("us-east-1"), SPAN("s3"), SPAN("aws4_request")};
    char secret[200];

    memset(secret, 's', sizeof(secret));
    /* "AWS4" and the secret below, at and above the size of a block. */
    for (size_t len = 1; len <= sizeof(secret); len++) {
        char first[256];
        struct hmac_key chain, derived;
        uint8_t digest[SHA256_BYTES], ours[SHA256_BYTES], right[SHA256_BYTES];
        int first_len = snprintf(first, sizeof(first), "AWS4%.*s", (int)len, secret);

        hmac_key_init(&chain, (struct span){first, (size_t)first_len});
        for (size_t i = 0; i < 4; i++) {
            hmac_sha256(&chain, steps[i], digest);
            hmac_key_init(&chain, (struct span){(char *)digest, sizeof(digest)});
        }
        sigv4_derive(&derived, (struct span){secret, len}, steps[0], steps[1]);
        sign_with(&chain, right);
        sign_with(&derived, ours);
        assert_memory_equal(ours, right, sizeof(right));
    }
}

static void a_key_is_found_again_and_only_for_its_secret_day_and_region(void **state)
{
    struct hmac_key spare;
    const struct hmac_key *key = sigv4_key(&keys, SPAN("secret"), SPAN("20130524"), SPAN("r"), &spare);

    assert_ptr_not_equal(key, &spare);
    assert_ptr_equal(sigv4_key(&keys, SPAN("secret"), SPAN("20130524"), SPAN("r"), &spare), key);
    assert_ptr_not_equal(sigv4_key(&keys, SPAN("secret"), SPAN("20130525"), SPAN("r"), &spare), key);
    assert_ptr_not_equal(sigv4_key(&keys, SPAN("secret"), SPAN("20130524"), SPAN("q"), &spare), key);
    assert_right(SPAN("secret"), "20130525", "r");
    assert_right(SPAN("secret"), "20130524", "q");
    assert_right(SPAN("secre"), "20130524", "r");
    assert_right(SPAN("secrets"), "20130524", "r");
}

static void what_does_not_fit_is_derived_each_time(void **state)
{
    char secret[SIGV4_SECRET_BYTES_MAX + 1], region[SIGV4_REGION_BYTES_MAX + 2] = {0};
    struct hmac_key spare;

    memset(secret, 's', sizeof(secret));
    memset(region, 'r', SIGV4_REGION_BYTES_MAX + 1);
    assert_ptr_equal(
        sigv4_key(&keys, (struct span){secret, sizeof(secret)}, SPAN("20130524"), SPAN("r"), &spare), &spare);
    assert_ptr_equal(sigv4_key(&keys, SPAN("s"), SPAN("20130524"), span_of(region), &spare), &spare);
    assert_ptr_equal(sigv4_key(NULL, SPAN("s"), SPAN("20130524"), SPAN("r"), &spare), &spare);
    assert_right((struct span){secret, sizeof(secret)}, "20130524", "r");
    assert_right(SPAN("s"), "20130524", region);
    assert_right(SPAN(""), "20130524", "r");
}

static void many_more_keys_than_places_are_all_right(void **state)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5 * SIGV4_KEYS; i++) {
            char secret[32];

            snprintf(secret, sizeof(secret), "secret number %d", i);
            assert_right(span_of(secret), "20130524", "us-east-1");
        }
    }
}

static void the_end_leaves_no_secret_behind(void **state)
{
    struct hmac_key spare;

    sigv4_key(&keys, SPAN("secret"), SPAN("20130524"), SPAN("r"), &spare);
    sigv4_keyring_fini(&keys);
    for (size_t i = 0; i < sizeof(keys); i++)
        assert_int_equal(((const char *)&keys)[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_derived_key_is_the_chain_of_four, ring_setup),
        cmocka_unit_test_setup(a_key_is_found_again_and_only_for_its_secret_day_and_region, ring_setup),
        cmocka_unit_test_setup(what_does_not_fit_is_derived_each_time, ring_setup),
        cmocka_unit_test_setup(many_more_keys_than_places_are_all_right, ring_setup),
        cmocka_unit_test_setup(the_end_leaves_no_secret_behind, ring_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

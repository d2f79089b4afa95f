/* AWS's published signing test suite: for each request the signature that AWS gives.
 *
 * Its service is called "service", and ours verifies for "s3" only; so the canonical request is taken from what a refusal
 * shows, and signed here. Of the suite's paths those that are not normalised are here, as S3 does not; what is left out
 * besides are folded header lines, which http/ refuses. */
#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SUITE_DAY    "20150830"
#define SUITE_STAMP  SUITE_DAY "T123600Z"
#define SUITE_UNIX_S 1440938160u
#define HOST         "Host:example.amazonaws.com\n"
#define EMPTY        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FORM         "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
#define LETTERS      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TOKEN        "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"

static struct arena arena;

static int suite_setup(void **state)
{
    arena_init(&arena, 4 * 1024 * 1024);
    return 0;
}

static int suite_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

/* What stands in an element of `detail`, its references replaced. */
static struct span element(struct span detail, const char *name)
{
    static const struct {
        struct span reference;
        char stands_for;
    } references[] = {{SPAN("&#xA;"), '\n'}, {SPAN("&quot;"), '"'}, {SPAN("&amp;"), '&'}};
    struct span start = arena_printf(&arena, "<%s>", name);
    const char *at = memmem(detail.at, detail.len, start.at, start.len);
    char *out = arena_alloc(&arena, detail.len), *p = out;

    assert_non_null(at);
    for (at += start.len; *at != '<';) {
        size_t skip = 1;
        char c = *at;

        for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
            if (strncmp(at, references[i].reference.at, references[i].reference.len) == 0) {
                c = references[i].stands_for;
                skip = references[i].reference.len;
            }
        }
        *p++ = c;
        at += skip;
    }
    return (struct span){out, (size_t)(p - out)};
}

static struct span canonical_request(const char *request, const char *signed_headers, const char *payload)
{
    struct sigv4_claim claim = {.proof = S3_PROOF_HEADER,
                                .access_key = SPAN("AKIDEXAMPLE"),
                                .day = SPAN(SUITE_DAY),
                                .region = SPAN(REGION),
                                .signed_headers = span_of(signed_headers),
                                .signature = SPAN(EMPTY),
                                .stamp = SPAN(SUITE_STAMP),
                                .stamp_unix_s = SUITE_UNIX_S};
    struct s3_request parsed = {.payload_text = span_of(payload)};
    const char *message = NULL;
    struct span detail;
    struct http_head head;

    head_from_text(&head, arena_printf(&arena, "%sX-Amz-Date:" SUITE_STAMP "\n", request));
    parsed.query = head.target;
    parsed.path = span_cut(&parsed.query, '?');
    assert_int_equal(sigv4_verify(NULL, &claim, SPAN(SUITE_SECRET), SPAN(REGION), &head, &parsed,
                                  SUITE_UNIX_S, &arena, &message, &detail),
                     S3_SIGNATURE_DOES_NOT_MATCH);
    return element(detail, "CanonicalRequest");
}

static void sign(struct span canonical, char out[static 2 * SHA256_BYTES + 1])
{
    static const char *const scope[] = {SUITE_DAY, REGION, "service", "aws4_request"};
    char hex[2 * SHA256_BYTES];
    uint8_t digest[SHA256_BYTES];
    struct hmac_key key;
    struct span text;

    sha256_of(canonical, digest);
    hex_encode(digest, sizeof(digest), hex);
    text = arena_printf(
        &arena, "AWS4-HMAC-SHA256\n" SUITE_STAMP "\n" SUITE_DAY "/" REGION "/service/aws4_request\n%.*s",
        (int)sizeof(hex), hex);
    hmac_key_init(&key, SPAN("AWS4" SUITE_SECRET));
    for (size_t i = 0; i < sizeof(scope) / sizeof(scope[0]); i++) {
        hmac_sha256(&key, span_of(scope[i]), digest);
        hmac_key_init(&key, (struct span){(char *)digest, sizeof(digest)});
    }
    hmac_sha256(&key, text, digest);
    hex_encode(digest, sizeof(digest), out);
    out[2 * SHA256_BYTES] = '\0';
}

static void every_signature_is_the_published_one(void **state)
{
    static const struct {
        const char *name, *request, *signed_headers, *payload, *signature;
    } rows[] = {
        {"get-vanilla", "GET /\n" HOST, "host;x-amz-date", EMPTY,
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-vanilla-empty-query-key", "GET /?Param1=value1\n" HOST, "host;x-amz-date", EMPTY,
         "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
        {"get-vanilla-query-order-encoded", "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1\n" HOST,
         "host;x-amz-date", EMPTY, "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
        {"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1\n" HOST, "host;x-amz-date",
         EMPTY, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"get-vanilla-query-unreserved", "GET /?" LETTERS "=" LETTERS "\n" HOST, "host;x-amz-date", EMPTY,
         "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        {"get-vanilla-utf8-query", "GET /?\xe1\x88\xb4=bar\n" HOST, "host;x-amz-date", EMPTY,
         "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
        {"get-vanilla-with-session-token", "GET /\n" HOST "X-Amz-Security-Token:" TOKEN "\n",
         "host;x-amz-date;x-amz-security-token", EMPTY,
         "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
        {"get-unreserved", "GET /" LETTERS "\n" HOST, "host;x-amz-date", EMPTY,
         "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
        {"get-utf8", "GET /\xe1\x88\xb4\n" HOST, "host;x-amz-date", EMPTY,
         "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"get-space-unnormalized", "GET /example space/\n" HOST, "host;x-amz-date", EMPTY,
         "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        {"get-relative-unnormalized", "GET /example/..\n" HOST, "host;x-amz-date", EMPTY,
         "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282"},
        {"get-relative-relative-unnormalized", "GET /example1/example2/../..\n" HOST, "host;x-amz-date",
         EMPTY, "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"},
        {"get-slash-unnormalized", "GET //\n" HOST, "host;x-amz-date", EMPTY,
         "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e"},
        {"get-slash-dot-slash-unnormalized", "GET /./\n" HOST, "host;x-amz-date", EMPTY,
         "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145"},
        {"get-slash-pointless-dot-unnormalized", "GET /./example\n" HOST, "host;x-amz-date", EMPTY,
         "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff"},
        {"get-slashes-unnormalized", "GET //example//\n" HOST, "host;x-amz-date", EMPTY,
         "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
        {"get-header-key-duplicate",
         "GET /\n" HOST "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n",
         "host;my-header1;x-amz-date", EMPTY,
         "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
        {"get-header-value-order",
         "GET /\n" HOST "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n",
         "host;my-header1;x-amz-date", EMPTY,
         "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
        {"get-header-value-trim", "GET /\n" HOST "My-Header1: value1\nMy-Header2: \"a   b   c\"\n",
         "host;my-header1;my-header2;x-amz-date", EMPTY,
         "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
        {"post-vanilla", "POST /\n" HOST, "host;x-amz-date", EMPTY,
         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"post-vanilla-query", "POST /?Param1=value1\n" HOST, "host;x-amz-date", EMPTY,
         "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
        {"post-header-key-sort", "POST /\n" HOST "My-Header1:value1\n", "host;my-header1;x-amz-date", EMPTY,
         "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
        {"post-header-value-case", "POST /\n" HOST "My-Header1:VALUE1\n", "host;my-header1;x-amz-date", EMPTY,
         "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
        {"post-x-www-form-urlencoded",
         "POST /\nContent-Type:application/x-www-form-urlencoded\n" HOST "Content-Length:13\n"
         "x-amz-content-sha256:" FORM "\n",
         "content-length;content-type;host;x-amz-content-sha256;x-amz-date", FORM,
         "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
        {"post-x-www-form-urlencoded-parameters",
         "POST /\nContent-Type:application/x-www-form-urlencoded; charset=utf-8\n" HOST "Content-Length:13\n"
         "x-amz-content-sha256:" FORM "\n",
         "content-length;content-type;host;x-amz-content-sha256;x-amz-date", FORM,
         "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span canonical = canonical_request(rows[i].request, rows[i].signed_headers, rows[i].payload);
        char signature[2 * SHA256_BYTES + 1];

        sign(canonical, signature);
        if (strcmp(signature, rows[i].signature) != 0)
            fail_msg("%s: signed as %s:\n%.*s", rows[i].name, signature, SPAN_ARG(canonical));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_signature_is_the_published_one),
    };

    return cmocka_run_group_tests(tests, suite_setup, suite_teardown);
}

#include "s3/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LIST(array)                                                                                          \
    {                                                                                                        \
        .at = (array), .count = COUNT(array)                                                                 \
    }

static const struct span two_origins[] = {SPAN("http://a.example"), SPAN("https://*.example.org")};
static const struct span any[] = {SPAN("*")};
static const struct span get_put[] = {SPAN("GET"), SPAN("PUT")};
static const struct span delete[] = {SPAN("DELETE")};
static const struct span head[] = {SPAN("HEAD")};
static const struct span sent[] = {SPAN("x-amz-*"), SPAN("Content-Type")};
static const struct span shown[] = {SPAN("ETag"), SPAN("x-amz-request-id")};
static const struct span odd_origin[] = {SPAN("http://a&b")};

static const struct s3_cors_rule rules[] = {
    {.origins = LIST(two_origins),
     .methods = LIST(get_put),
     .headers = LIST(sent),
     .exposed = LIST(shown),
     .max_age_s = 600},
    {.origins = {two_origins, 1}, .methods = LIST(delete), .headers = LIST(any)},
    {.origins = LIST(any), .methods = LIST(head)},
};

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, 64 * 1024);
    return 0;
}

static int teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static void the_first_rule_that_allows_all_of_it_counts(void **state)
{
    static const struct {
        const char *origin, *method, *headers;
        int rule; /* -1: none */
    } rows[] = {
        {"http://a.example", "GET", "", 0},
        {"http://a.example", "PUT", "", 0},
        {"http://a.example", "DELETE", "", 1},
        {"http://a.example", "HEAD", "", 2},
        {"http://a.example", "POST", "", -1},
        {"http://a.example", "get", "", -1},
        {"HTTP://a.example", "GET", "", -1},
        {"http://a.example:80", "GET", "", -1},
        {"http://b.example", "GET", "", -1},
        {"http://b.example", "HEAD", "", 2},
        {"null", "HEAD", "", 2},
        {"https://x.example.org", "GET", "", 0},
        {"https://x.y.example.org", "GET", "", 0},
        {"https://.example.org", "GET", "", 0},
        {"https://example.org", "GET", "", -1},
        {"https://x.example.org.evil", "GET", "", -1},
        {"https://.example.or", "GET", "", -1},
        {"", "GET", "", -1},
        {"http://a.example", "PUT", "content-type", 0},
        {"http://a.example", "PUT", "X-Amz-Date,CONTENT-TYPE ,  x-amz-", 0},
        {"http://a.example", "PUT", "content-type, authorization", -1},
        {"http://a.example", "PUT", "content-typ", -1},
        {"http://a.example", "PUT", ",,", 0},
        {"http://a.example", "DELETE", "authorization, anything", 1},
        {"http://a.example", "HEAD", "range", -1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct s3_cors_rule *got = s3_cors_match(rules, COUNT(rules), span_of(rows[i].origin),
                                                       span_of(rows[i].method), span_of(rows[i].headers));

        if (got != (rows[i].rule < 0 ? NULL : &rules[rows[i].rule]))
            fail_msg("%s %s %s: %td", rows[i].origin, rows[i].method, rows[i].headers,
                     got ? got - rules : -1);
    }
    assert_null(s3_cors_match(NULL, 0, SPAN("http://a.example"), SPAN("GET"), SPAN("")));
}

static void the_browser_is_told_what_the_rule_allows(void **state)
{
    struct span lines = s3_cors_lines(&arena, &rules[0], SPAN("https://x.example.org"), SPAN("x-amz-date"));

    assert_true(span_is(lines, "Access-Control-Allow-Origin: https://x.example.org\r\n"
                               "Access-Control-Allow-Credentials: true\r\n"
                               "Access-Control-Allow-Methods: GET, PUT\r\n"
                               "Access-Control-Allow-Headers: x-amz-date\r\n"
                               "Access-Control-Expose-Headers: ETag, x-amz-request-id\r\n"
                               "Access-Control-Max-Age: 600\r\n"
                               "Vary: Origin, Access-Control-Request-Headers, "
                               "Access-Control-Request-Method\r\n"));
    lines = s3_cors_lines(&arena, &rules[2], SPAN("http://a.example"), SPAN(""));
    assert_true(span_is(lines, "Access-Control-Allow-Origin: *\r\n"
                               "Access-Control-Allow-Methods: HEAD\r\n"
                               "Vary: Origin, Access-Control-Request-Headers, "
                               "Access-Control-Request-Method\r\n"));
}

static void the_rules_are_printed(void **state)
{
    static const struct s3_cors_rule odd = {.origins = LIST(odd_origin), .methods = {get_put, 1}};

    assert_true(span_is(
        s3_cors_document(&arena, rules, 1),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CORSConfiguration "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><CORSRule><AllowedHeader>x-amz-*</AllowedHeader>"
        "<AllowedHeader>Content-Type</AllowedHeader><AllowedMethod>GET</AllowedMethod>"
        "<AllowedMethod>PUT</AllowedMethod><AllowedOrigin>http://a.example</AllowedOrigin>"
        "<AllowedOrigin>https://*.example.org</AllowedOrigin><ExposeHeader>ETag</ExposeHeader>"
        "<ExposeHeader>x-amz-request-id</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>"
        "</CORSConfiguration>"));
    assert_true(
        span_ends(s3_cors_document(&arena, &odd, 1),
                  SPAN("<CORSRule><AllowedMethod>GET</AllowedMethod>"
                       "<AllowedOrigin>http://a&amp;b</AllowedOrigin></CORSRule></CORSConfiguration>")));
}

static void a_full_arena_is_told(void **state)
{
    struct arena none;

    arena_init(&none, 0);
    assert_null(s3_cors_lines(&none, &rules[0], SPAN("http://a.example"), SPAN("")).at);
    assert_null(s3_cors_document(&none, rules, COUNT(rules)).at);
    arena_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_allows_all_of_it_counts),
        cmocka_unit_test(the_browser_is_told_what_the_rule_allows),
        cmocka_unit_test(the_rules_are_printed),
        cmocka_unit_test(a_full_arena_is_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

/* What may go to a client as the answer to its read, and what has to come from another replica. */
#include "fanout/fetch_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* An answer of a replica to a read with one header or none. The object has 36 bytes unless said otherwise. */
struct row {
    const char *what;
    const char *asked, *value; /* NULL: a plain GET */
    unsigned status;
    const char *range, *second; /* Content-Range, NULL: none; and once more */
    int64_t length;             /* -1: not said */
    const char *etag;
    uint64_t bytes; /* of the object */
    unsigned told;  /* 0: it does not fit */
    uint64_t first, last;
};

#define E "\"e\""

static void make_head(struct http_head *head, const struct row *r)
{
    *head = (struct http_head){
        .status = r->status, .has_length = r->length >= 0, .length = r->length < 0 ? 0 : (uint64_t)r->length};
    if (r->range)
        head->headers[head->header_count++] = (struct http_header){SPAN("Content-Range"), span_of(r->range)};
    if (r->second)
        head->headers[head->header_count++] = (struct http_header){SPAN("content-range"), span_of(r->second)};
}

static struct replica_object make_object(const struct row *r)
{
    struct replica_object o = {.exists = r->status < 300, .body_bytes = r->bytes ? r->bytes : 36};

    snprintf(o.etag, sizeof(o.etag), "%s", r->etag);
    return o;
}

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        struct http_header asked = {r->asked ? span_of(r->asked) : SPAN_EMPTY,
                                    r->value ? span_of(r->value) : SPAN_EMPTY};
        struct replica_object object = make_object(r);
        struct fetch_answer out;
        struct http_head head;
        bool fits;

        make_head(&head, r);
        fits = fetch_answer_read(&out, &asked, r->asked != NULL, &head, &object);
        if (fits != (r->told != 0))
            fail_msg("%s: %s", r->what, fits ? "passed on" : "refused");
        if (fits && (out.status != r->told || out.first != r->first || out.last != r->last))
            fail_msg("%s: %u, %llu-%llu", r->what, out.status, (unsigned long long)out.first,
                     (unsigned long long)out.last);
    }
}

static void a_part_is_the_part_that_was_asked_for(void **state)
{
    static const struct row rows[] = {
        {"the part", "range", "bytes=2-6", 206, "bytes 2-6/36", NULL, 5, E, 0, 206, 2, 6},
        {"as 200", "Range", "bytes=2-6", 200, "bytes 2-6/36", NULL, 5, E, 0, 206, 2, 6},
        {"to the end", "range", "bytes=30-", 206, "bytes 30-35/36", NULL, 6, E, 0, 206, 30, 35},
        {"beyond the end", "range", "bytes=30-99", 206, "bytes 30-35/36", NULL, 6, E, 0, 206, 30, 35},
        {"the last bytes", "range", "bytes=-4", 206, "bytes 32-35/36", NULL, 4, E, 0, 206, 32, 35},
        {"all of it", "range", "bytes=0-", 206, "bytes 0-35/36", NULL, 36, E, 0, 206, 0, 35},
        {"the whole instead", "range", "bytes=2-6", 200, NULL, NULL, 36, E, 0, 200, 0, 35},
        {"206 without a range", "range", "bytes=2-6", 206, NULL, NULL, 5, E, 0, 0, 0, 0},
        {"another start", "range", "bytes=2-6", 206, "bytes 1-6/36", NULL, 6, E, 0, 0, 0, 0},
        {"another start, as 200", "range", "bytes=2-6", 200, "bytes 1-6/36", NULL, 6, E, 0, 0, 0, 0},
        {"another end", "range", "bytes=2-6", 206, "bytes 2-7/36", NULL, 6, E, 0, 0, 0, 0},
        {"short of the end", "range", "bytes=30-", 206, "bytes 30-34/36", NULL, 5, E, 0, 0, 0, 0},
        {"the first for the last", "range", "bytes=-4", 206, "bytes 0-3/36", NULL, 4, E, 0, 0, 0, 0},
        {"fewer bytes", "range", "bytes=2-6", 206, "bytes 2-6/36", NULL, 4, E, 0, 0, 0, 0},
        {"more bytes", "range", "bytes=2-6", 206, "bytes 2-6/36", NULL, 6, E, 0, 0, 0, 0},
        {"the whole behind it", "range", "bytes=2-6", 206, "bytes 2-6/36", NULL, 36, E, 0, 0, 0, 0},
        {"no length", "range", "bytes=2-6", 206, "bytes 2-6/36", NULL, -1, E, 0, 0, 0, 0},
        {"behind the object", "range", "bytes=2-99", 206, "bytes 2-36/36", NULL, 35, E, 0, 0, 0, 0},
        {"of two sizes", "range", "bytes=2-6", 206, "bytes 2-6/37", NULL, 5, E, 36, 0, 0, 0},
        {"of no size", "range", "bytes=2-6", 206, "bytes 2-6/*", NULL, 5, E, 0, 0, 0, 0},
        {"no numbers", "range", "bytes=2-6", 206, "bytes two-six/36", NULL, 5, E, 0, 0, 0, 0},
        {"turned round", "range", "bytes=2-6", 206, "bytes 6-2/36", NULL, 5, E, 0, 0, 0, 0},
        {"with a tail", "range", "bytes=2-6", 206, "bytes 2-6/36/36", NULL, 5, E, 0, 0, 0, 0},
        {"in lines", "range", "bytes=2-6", 206, "lines 2-6/36", NULL, 5, E, 0, 0, 0, 0},
        {"twice", "range", "bytes=2-6", 206, "bytes 2-6/36", "bytes 3-7/36", 5, E, 0, 0, 0, 0},
        {"nobody asked", NULL, NULL, 206, "bytes 0-35/36", NULL, 36, E, 0, 0, 0, 0},
        {"nobody asked, as 200", NULL, NULL, 200, "bytes 0-35/36", NULL, 36, E, 0, 0, 0, 0},
        {"206 for the whole", NULL, NULL, 206, NULL, NULL, 36, E, 0, 0, 0, 0},
        {"the last byte there can be", "range", "bytes=9223372036854775806-", 206,
         "bytes 9223372036854775806-9223372036854775806/9223372036854775807", NULL, 1, E, INT64_MAX, 206,
         INT64_MAX - 1, INT64_MAX - 1},
    };

    check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void an_object_has_an_etag_and_a_length(void **state)
{
    static const struct row rows[] = {
        {"an object", NULL, NULL, 200, NULL, NULL, 36, E, 0, 200, 0, 35},
        {"an empty one", NULL, NULL, 200, NULL, NULL, 0, E, 0, 200, 0, 0},
        {"of one byte", NULL, NULL, 200, NULL, NULL, 1, E, 0, 200, 0, 0},
        {"an error document", NULL, NULL, 200, NULL, NULL, 36, "", 0, 0, 0, 0},
        {"an error document for a range", "range", "bytes=2-6", 200, NULL, NULL, 36, "", 0, 0, 0, 0},
        {"no length", NULL, NULL, 200, NULL, NULL, -1, E, 0, 0, 0, 0},
    };

    check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void what_speaks_of_a_condition_comes_only_to_one(void **state)
{
    static const struct row rows[] = {
        {"gone", NULL, NULL, 404, NULL, NULL, 10, "", 0, 404, 0, 0},
        {"not modified", "if-none-match", E, 304, NULL, NULL, -1, "", 0, 304, 0, 0},
        {"not modified since", "If-Modified-Since", "x", 304, NULL, NULL, -1, "", 0, 304, 0, 0},
        {"not modified, unasked", NULL, NULL, 304, NULL, NULL, -1, "", 0, 0, 0, 0},
        {"not modified, for If-Match", "if-match", E, 304, NULL, NULL, -1, "", 0, 0, 0, 0},
        {"failed", "if-match", E, 412, NULL, NULL, 10, "", 0, 412, 0, 0},
        {"modified since", "If-Unmodified-Since", "x", 412, NULL, NULL, 10, "", 0, 412, 0, 0},
        {"failed, unasked", NULL, NULL, 412, NULL, NULL, 10, "", 0, 0, 0, 0},
        {"failed, for If-None-Match", "if-none-match", E, 412, NULL, NULL, 10, "", 0, 0, 0, 0},
        {"unsatisfiable", "range", "bytes=99-", 416, "bytes */36", NULL, 10, "", 0, 416, 0, 0},
        {"unsatisfiable, unasked", NULL, NULL, 416, NULL, NULL, 10, "", 0, 0, 0, 0},
    };

    check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void no_other_status_is_an_answer(void **state)
{
    for (unsigned status = 200; status < 600; status++) {
        bool known = status == 200 || status == 404;
        const struct row row = {"a status", NULL,
                                NULL,       status,
                                NULL,       NULL,
                                36,         E,
                                0,          known ? status : 0,
                                0,          status == 200 ? 35 : 0};

        check(&row, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_the_part_that_was_asked_for),
        cmocka_unit_test(an_object_has_an_etag_and_a_length),
        cmocka_unit_test(what_speaks_of_a_condition_comes_only_to_one),
        cmocka_unit_test(no_other_status_is_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

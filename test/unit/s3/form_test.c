/* multipart/form-data: what browsers and libraries send, and each refused form with its own error. */
#include "s3/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TYPE        "multipart/form-data; boundary=XyZ"
#define FIELD(n, v) "--XyZ\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n" v "\r\n"
#define FILE_PART(d)                                                                                         \
    "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: "           \
    "text/plain\r\n\r\n" d
#define END "\r\n--XyZ--\r\n"

static struct s3_form begin(const char *type)
{
    struct s3_form f;
    const char *message = NULL;

    assert_int_equal(s3_form_init(&f, span_of(type), &message), S3_OK);
    return f;
}

static void assert_value(const struct s3_form *f, const char *name, const char *value)
{
    const struct span *v = s3_form_value(f, name);

    if (!value) {
        assert_null(v);
        return;
    }
    assert_non_null(v);
    if (!span_is(*v, value))
        fail_msg("%s: '%.*s' instead of '%s'", name, SPAN_ARG(*v), value);
}

static void a_content_type_names_the_boundary(void **state)
{
    static const struct {
        const char *type, *boundary;
        enum s3_code code;
    } rows[] = {
        {"multipart/form-data; boundary=XyZ", "XyZ", S3_OK},
        {"Multipart/Form-Data;Boundary=\"X yZ\"; charset=utf-8", "X yZ", S3_OK},
        {"multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxk",
         "----WebKitFormBoundary7MA4YWxk", S3_OK},
        {"multipart/form-data", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data;", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=\"\"", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=\"a", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=\"a \"", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=a\tb", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=a{b", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=a; boundary=b", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data; boundary=a; boundary=a", NULL, S3_MALFORMED_POST_REQUEST},
        {"multipart/form-data boundary=a", NULL, S3_PRECONDITION_FAILED},
        {"multipart/form-data; "
         "boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
         "0123456789012345678901234567890123456789012345678901234567890123456789", S3_OK},
        {"multipart/form-data; "
         "boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
         NULL, S3_MALFORMED_POST_REQUEST},
        {"application/x-www-form-urlencoded", NULL, S3_PRECONDITION_FAILED},
        {"multipart/form-data2; boundary=a", NULL, S3_PRECONDITION_FAILED},
        {"", NULL, S3_PRECONDITION_FAILED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_form f;
        const char *message = NULL;

        assert_int_equal(s3_form_init(&f, span_of(rows[i].type), &message), rows[i].code);
        if (rows[i].code) {
            assert_non_null(message);
            continue;
        }
        assert_int_equal(f.delimiter_len, 4 + strlen(rows[i].boundary));
        assert_memory_equal(f.delimiter + 4, rows[i].boundary, strlen(rows[i].boundary));
    }
}

/* However much of it is there: no byte is needed behind the file part's headers. */
static void fields_are_taken_apart_as_they_come(void **state)
{
    static const char text[] = FIELD("key", "user/${filename}") FIELD("Content-Type", "")
        FIELD("policy", "a\r\n--XyY\r\nb") FILE_PART("hello");
    const size_t file_at = sizeof(text) - 1 - 5;
    struct s3_form f = begin(TYPE);
    size_t len = 0;

    while (s3_form_read(&f, (struct span){text, len}) == S3_FORM_MORE)
        assert_in_range(++len, 1, sizeof(text) - 1);
    assert_int_equal(len, file_at);
    assert_int_equal(f.state, S3_FORM_AT_FILE);
    assert_int_equal(f.file_at, file_at);
    assert_int_equal(f.field_count, 3);
    assert_value(&f, "KEY", "user/${filename}");
    assert_value(&f, "content-type", "");
    assert_value(&f, "policy", "a\r\n--XyY\r\nb");
    assert_value(&f, "file", NULL);
    assert_true(span_is(f.file_name, "a.txt"));
    assert_int_equal(s3_form_read(&f, (struct span){text, sizeof(text) - 1}), S3_FORM_FILE);
}

static void names_of_files_lose_their_directories(void **state)
{
    static const struct {
        const char *disposition, *file_name;
    } rows[] = {
        {"name=\"file\"; filename=\"photo.jpg\"", "photo.jpg"},
        {"name=file; filename=photo.jpg", "photo.jpg"},
        {"filename=\"C:\\\\dir\\photo.jpg\"; name=\"file\"", "photo.jpg"},
        {"name=\"file\"; filename=\"/etc/../passwd\"", "passwd"},
        {"name=\"file\"; filename=\"a;b=\xc3\xa4.txt\"", "a;b=\xc3\xa4.txt"},
        {"name=\"file\"; filename=\"\"", ""},
        {"name=\"file\"", ""},
        {"name=\"FILE\"; filename=\"dir/\"", ""},
        {"name=\"file\"; filename=\"plain\"; filename*=UTF-8''other", "plain"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_form f = begin(TYPE);
        char text[512];
        int n = snprintf(text, sizeof(text), "--XyZ\r\nContent-Disposition: form-data; %s\r\n\r\n",
                         rows[i].disposition);

        assert_int_equal(s3_form_read(&f, (struct span){text, (size_t)n}), S3_FORM_FILE);
        if (!span_is(f.file_name, rows[i].file_name))
            fail_msg("row %zu: '%.*s'", i, SPAN_ARG(f.file_name));
    }
}

#define PART(headers) "--XyZ\r\n" headers "\r\n\r\nv\r\n--XyZ\r\n"
#define NAMED         "Content-Disposition: form-data; name=\"a\""
static void malformed_forms_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum s3_code code;
    } rows[] = {
        {"\r\n" FIELD("key", "k"), S3_MALFORMED_POST_REQUEST},
        {"preamble\r\n" FIELD("key", "k"), S3_MALFORMED_POST_REQUEST},
        {"--XyY\r\n\r\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ \r\n\r\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ\n\n\n\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ--\r\n", S3_MALFORMED_POST_REQUEST},
        {PART("Content-Type: text/plain"), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data"), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"\""), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"a\"; name=\"b\""), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"a"), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"a\" x"), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name"), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"a\x01\""), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: form-data; name=\"a\xff\""), S3_MALFORMED_POST_REQUEST},
        {PART("Content-Disposition: attachment; name=\"a\""), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\n" NAMED), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\n folded: b"), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\nno colon"), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\n: b"), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\nContent-Transfer-Encoding: base64"), S3_MALFORMED_POST_REQUEST},
        {PART(NAMED "\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\nf:1\r\ng:1\r\nh:1"), S3_MALFORMED_POST_REQUEST},
        {FIELD("key", "k") FIELD("KEY", "k") "--XyZ\r\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ\r\n" NAMED "\r\n\r\nv\r\n--XyZAB\r\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ\r\n" NAMED "\r\n\r\nv\r\n--XyZ\n\n", S3_MALFORMED_POST_REQUEST},
        {"--XyZ\r\n" NAMED "\r\n\r\nv" END, S3_INVALID_ARGUMENT}, /* no file */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int whole = 0; whole < 2; whole++) {
            struct s3_form f = begin(TYPE);
            size_t len = whole ? strlen(rows[i].text) : 0;
            enum s3_form_step step;

            while ((step = s3_form_read(&f, (struct span){rows[i].text, len})) == S3_FORM_MORE)
                if (len++ == strlen(rows[i].text))
                    break;
            if (step != S3_FORM_REFUSED || f.code != rows[i].code)
                fail_msg("row %zu: step %d, %s", i, step, s3_error(f.code)->name);
        }
}

static void what_stands_before_the_file_is_bounded(void **state)
{
    static char text[2 * S3_FORM_HEAD_BYTES_MAX];
    struct s3_form f = begin(TYPE);
    char *p = text;

    /* one field that does not end */
    p = stpcpy(p, "--XyZ\r\n" NAMED "\r\n\r\n");
    memset(p, 'v', S3_FORM_HEAD_BYTES_MAX);
    assert_int_equal(s3_form_read(&f, (struct span){text, S3_FORM_HEAD_BYTES_MAX - 1}), S3_FORM_MORE);
    assert_int_equal(s3_form_read(&f, (struct span){text, S3_FORM_HEAD_BYTES_MAX}), S3_FORM_REFUSED);
    assert_int_equal(f.code, S3_POST_TOO_LARGE);

    /* one that is too long */
    f = begin(TYPE);
    strcpy(p + S3_FORM_FIELD_BYTES_MAX, "\r\n--XyZ\r\n");
    assert_int_equal(s3_form_read(&f, span_of(text)), S3_FORM_REFUSED);
    assert_int_equal(f.code, S3_POST_TOO_LARGE);

    /* too many */
    f = begin(TYPE);
    p = text;
    for (int i = 0; i <= S3_FORM_FIELDS_MAX; i++)
        p += sprintf(p, "--XyZ\r\nContent-Disposition: form-data; name=\"f%d\"\r\n\r\n\r\n", i);
    strcpy(p, "--XyZ\r\n");
    assert_int_equal(s3_form_read(&f, span_of(text)), S3_FORM_REFUSED);
    assert_int_equal(f.code, S3_POST_TOO_LARGE);
}

static void the_end_of_a_file_at_hand_is_its_boundary(void **state)
{
    static const struct {
        const char *file;
        bool good;
        size_t bytes;
    } rows[] = {
        {"hello" END, true, 5},
        {END, true, 0},
        {"hello\r\n--XyZ--", true, 5},
        {"hello\r\n--XyZ\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload" END, true, 5},
        {"a\r\n--XyY\r\n" END, true, 10},
        {"hello", false, 0},
        {"hello--XyZ--\r\n", false, 0},
        {"hello\r\n--XyZ", false, 0},
        {"hello\r\n--XyZ-\r\n", false, 0},
        {"hello\r\n--XyZ--\r\nepilogue", false, 0},
        {"hello\r\n--XyZ--\n", false, 0},
        {"hello\r\n--XyZab" END, false, 0},
        {"hello\r\n--XyZ\r\nno end", false, 0},
    };
    struct s3_form f = begin(TYPE);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t bytes = 0;

        if (s3_form_file_end(&f, span_of(rows[i].file), &bytes) != rows[i].good)
            fail_msg("row %zu", i);
        if (rows[i].good)
            assert_int_equal(bytes, rows[i].bytes);
    }
}

static void the_tail_is_what_ends_a_form(void **state)
{
    struct s3_form f = begin(TYPE);
    char tail[S3_FORM_TAIL_MAX];

    assert_true(span_is((struct span){tail, s3_form_tail(&f, tail)}, END));
}

/* Wherever the pieces of the file are cut. */
static void a_boundary_in_a_file_is_found_however_it_passes(void **state)
{
    static const char with[] = "0123456789\r\n--XyYabc\r\r\n--XyZ0123456789",
                      without[] = "0123456789\r\n-\r\n--Xy\n--XyZ\r--XyZ";
    struct s3_form f = begin(TYPE);

    for (size_t piece = 1; piece < sizeof(with); piece++)
        for (size_t first = 0; first < piece; first++)
            for (int which = 0; which < 2; which++) {
                struct span rest = which ? span_of(with) : span_of(without);
                struct s3_form_scan s;
                size_t next = first;
                bool found = false;

                s3_form_scan_init(&s, &f);
                while (rest.len && !found) {
                    found = s3_form_scan(&s, span_head(rest, next));
                    rest = span_skip(rest, next);
                    next = piece;
                }
                if (found != which)
                    fail_msg("pieces of %zu after one of %zu, %d", piece, first, which);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_content_type_names_the_boundary),
        cmocka_unit_test(fields_are_taken_apart_as_they_come),
        cmocka_unit_test(names_of_files_lose_their_directories),
        cmocka_unit_test(malformed_forms_are_refused),
        cmocka_unit_test(what_stands_before_the_file_is_bounded),
        cmocka_unit_test(the_end_of_a_file_at_hand_is_its_boundary),
        cmocka_unit_test(the_tail_is_what_ends_a_form),
        cmocka_unit_test(a_boundary_in_a_file_is_found_however_it_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

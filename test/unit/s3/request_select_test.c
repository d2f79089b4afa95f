/* Which operation a request is. The table below is what S3 documents: for each operation its method, what it is of, the
 * parameters that make it this operation and those that it takes besides. Every method, scope and set of up to three
 * names, from S3's and a few that nobody knows, is parsed; what comes out is the one row that fits, or a refusal.
 * Nothing ever falls through to another operation: "PUT /b/k?acl" taken for "PUT /b/k" would overwrite the object. */
#include "request_stage.h"

#define PAYLOAD "\nHost: h\nContent-Length: 0\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"
#define COPY    "x-amz-copy-source: other/key\n"

enum scope { SERVICE, BUCKET, OBJECT, SCOPES };
static const char *const targets[SCOPES] = {"/", "/media", "/media/a"};

#define LISTS     "prefix delimiter encoding-type max-keys"
#define OVERRIDES "response-content-type response-expires"

static const struct row {
    enum s3_op op;
    const char *method;
    enum scope scope;
    const char *needs, *takes; /* separated by spaces */
    bool copy;
} table[] = {
    {S3_OP_LIST_BUCKETS, "GET", SERVICE, "", "prefix max-buckets continuation-token"},
    {S3_OP_CREATE_BUCKET, "PUT", BUCKET, "", ""},
    {S3_OP_HEAD_BUCKET, "HEAD", BUCKET, "", ""},
    {S3_OP_DELETE_BUCKET, "DELETE", BUCKET, "", ""},
    {S3_OP_LIST_OBJECTS, "GET", BUCKET, "", LISTS " marker"},
    {S3_OP_LIST_OBJECTS_V2, "GET", BUCKET, "list-type", LISTS " start-after continuation-token fetch-owner"},
    {S3_OP_LIST_OBJECT_VERSIONS, "GET", BUCKET, "versions", LISTS " key-marker version-id-marker"},
    {S3_OP_LIST_MULTIPART_UPLOADS, "GET", BUCKET, "uploads",
     "prefix delimiter encoding-type max-uploads key-marker upload-id-marker"},
    {S3_OP_GET_BUCKET_LOCATION, "GET", BUCKET, "location", ""},
    {S3_OP_GET_BUCKET_VERSIONING, "GET", BUCKET, "versioning", ""},
    {S3_OP_GET_BUCKET_ACL, "GET", BUCKET, "acl", ""},
    {S3_OP_PUT_BUCKET_ACL, "PUT", BUCKET, "acl", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "policy", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "policyStatus", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "cors", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "lifecycle", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "encryption", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "website", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "tagging", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "replication", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "object-lock", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "publicAccessBlock", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "ownershipControls", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "notification", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "logging", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "accelerate", ""},
    {S3_OP_GET_BUCKET_SETTING, "GET", BUCKET, "requestPayment", ""},
    {S3_OP_DELETE_OBJECTS, "POST", BUCKET, "delete", ""},
    {S3_OP_POST_OBJECT, "POST", BUCKET, "", ""},
    {S3_OP_PUT_OBJECT, "PUT", OBJECT, "", ""},
    {S3_OP_COPY_OBJECT, "PUT", OBJECT, "", "", .copy = true},
    {S3_OP_GET_OBJECT, "GET", OBJECT, "", OVERRIDES " versionId partNumber"},
    {S3_OP_HEAD_OBJECT, "HEAD", OBJECT, "", OVERRIDES " versionId partNumber"},
    {S3_OP_DELETE_OBJECT, "DELETE", OBJECT, "", "versionId"},
    {S3_OP_GET_OBJECT_ATTRIBUTES, "GET", OBJECT, "attributes", "versionId"},
    {S3_OP_GET_OBJECT_TAGGING, "GET", OBJECT, "tagging", "versionId"},
    {S3_OP_PUT_OBJECT_TAGGING, "PUT", OBJECT, "tagging", "versionId"},
    {S3_OP_DELETE_OBJECT_TAGGING, "DELETE", OBJECT, "tagging", "versionId"},
    {S3_OP_GET_OBJECT_ACL, "GET", OBJECT, "acl", "versionId"},
    {S3_OP_PUT_OBJECT_ACL, "PUT", OBJECT, "acl", "versionId"},
    {S3_OP_CREATE_MULTIPART_UPLOAD, "POST", OBJECT, "uploads", ""},
    {S3_OP_UPLOAD_PART, "PUT", OBJECT, "uploadId partNumber", ""},
    {S3_OP_UPLOAD_PART_COPY, "PUT", OBJECT, "uploadId partNumber", "", .copy = true},
    {S3_OP_COMPLETE_MULTIPART_UPLOAD, "POST", OBJECT, "uploadId", ""},
    {S3_OP_ABORT_MULTIPART_UPLOAD, "DELETE", OBJECT, "uploadId", ""},
    {S3_OP_LIST_PARTS, "GET", OBJECT, "uploadId", "max-parts part-number-marker"},
};

static const struct name {
    const char *name, *value;
} names[] = {
    {"acl"},
    {"tagging"},
    {"policy"},
    {"policyStatus"},
    {"cors"},
    {"lifecycle"},
    {"encryption"},
    {"replication"},
    {"logging"},
    {"website"},
    {"object-lock"},
    {"publicAccessBlock"},
    {"ownershipControls"},
    {"notification"},
    {"requestPayment"},
    {"accelerate"},
    {"attributes"},
    {"uploads"},
    {"uploadId", "1"},
    {"partNumber", "1"},
    {"versioning"},
    {"versions"},
    {"versionId", "null"},
    {"location"},
    {"delete"},
    {"list-type", "2"},
    {"prefix", "p"},
    {"delimiter", "d"},
    {"marker", "m"},
    {"start-after", "s"},
    {"key-marker", "k"},
    {"version-id-marker", "v"},
    {"upload-id-marker", "u"},
    {"part-number-marker", "1"},
    {"continuation-token", "t"},
    {"encoding-type", "url"},
    {"max-keys", "1"},
    {"max-uploads", "1"},
    {"max-parts", "1"},
    {"max-buckets", "1"},
    {"fetch-owner", "true"},
    {"response-content-type", "a"},
    {"response-expires", "a"},
    /* of S3, not of ours */
    {"legal-hold"},
    {"retention"},
    {"torrent"},
    {"restore"},
    {"select"},
    {"analytics"},
    {"inventory"},
    {"metrics"},
    {"intelligent-tiering"},
    {"metadataTable"},
    {"renameObject"},
    {"session"},
    {"append"},
    /* nobody's; another case is another name */
    {"ACL"},
    {"Uploads"},
    {"uploadid", "1"},
    {"List-Type", "2"},
    {"X-ID"},
    {"nothing"},
    {"X-Amz-Signature", "0"},
    {"X-Amz-Expires", "60"},
};

static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"};

static bool lists(const char *words, const char *name)
{
    struct span left = span_of(words);

    while (left.len)
        if (span_is(span_cut(&left, ' '), name))
            return true;
    return false;
}

static bool fits(const struct row *r, const struct name *const *given, size_t count)
{
    struct span left = span_of(r->needs);

    for (size_t i = 0; i < count; i++)
        if (!lists(r->needs, given[i]->name) && !lists(r->takes, given[i]->name))
            return false;
    while (left.len) {
        struct span need = span_cut(&left, ' ');
        size_t i = 0;

        while (i < count && !span_is(need, given[i]->name))
            i++;
        if (i == count)
            return false;
    }
    return true;
}

static const struct row *expected(const char *method, enum scope scope, const struct name *const *given,
                                  size_t count, bool copy)
{
    const struct row *found = NULL;

    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(table[i].method, method) != 0 || table[i].scope != scope || table[i].copy != copy ||
            !fits(&table[i], given, count))
            continue;
        assert_null(found); /* the table says one thing */
        found = &table[i];
    }
    return found;
}

/* The names in the order given, `=` and a value behind those that have one; `escape`: a letter of each is %XX. */
static size_t print_query(char *out, const struct name *const *given, size_t count, bool escape)
{
    char *p = out;

    for (size_t i = 0; i < count; i++) {
        const char *name = given[i]->name;

        *p++ = i ? '&' : '?';
        if (escape)
            p += sprintf(p, "%%%02x%s", (unsigned)name[0], name + 1);
        else
            p = span_put(p, span_of(name));
        if (given[i]->value)
            p += sprintf(p, "=%s", given[i]->value);
    }
    *p = '\0';
    return (size_t)(p - out);
}

/* Fields that the operation must have. */
static const char *fields_of(const struct row *want, bool copy)
{
    return copy                                              ? COPY
           : want && want->op == S3_OP_GET_OBJECT_ATTRIBUTES ? "x-amz-object-attributes: ETag\n"
                                                             : "";
}

static size_t accepted;

static void check(const char *method, enum scope scope, const struct name *const *given, size_t count,
                  bool copy)
{
    const struct row *want = expected(method, scope, given, count, copy);
    char text[512], query[256];
    enum s3_code code;

    print_query(query, given, count, false);
    snprintf(text, sizeof(text), "%s %s%s" PAYLOAD "%s", method, targets[scope], query,
             fields_of(want, copy));
    code = parse(text);
    if (want ? code != S3_OK || request.op != want->op : code == S3_OK)
        fail_msg("%s: %s %s, not %s", text, s3_error(code)->name, code == S3_OK ? s3_op_name(request.op) : "",
                 want ? s3_op_name(want->op) : "refused");
    if (!want && code != S3_NOT_IMPLEMENTED && code != S3_METHOD_NOT_ALLOWED)
        fail_msg("%s: refused as %s", text, s3_error(code)->name);
    accepted += want != NULL;
    if (!count)
        return;
    /* the same in escapes is the same, or refused */
    print_query(query, given, count, true);
    snprintf(text, sizeof(text), "%s %s%s" PAYLOAD "%s", method, targets[scope], query,
             fields_of(want, copy));
    if (parse(text) == S3_OK && (!want || request.op != want->op))
        fail_msg("%s: %s", text, s3_op_name(request.op));
}

static void check_everywhere(const struct name *const *given, size_t count)
{
    for (size_t m = 0; m < COUNT(methods); m++)
        for (int scope = 0; scope < SCOPES; scope++)
            for (int copy = 0; copy < 2; copy++)
                check(methods[m], (enum scope)scope, given, count, copy);
}

static void every_operation_is_selected_by_what_s3_says(void **state)
{
    uint64_t seen = 1ull << S3_OP_PREFLIGHT;

    for (size_t i = 0; i < COUNT(table); i++) {
        const struct name *given[8];
        struct span left = span_of(table[i].needs);
        size_t count = 0;

        while (left.len) {
            struct span need = span_cut(&left, ' ');

            for (size_t n = 0; n < COUNT(names); n++)
                if (span_is(need, names[n].name))
                    given[count++] = &names[n];
        }
        check(table[i].method, table[i].scope, given, count, table[i].copy);
        seen |= 1ull << table[i].op;
    }
    assert_int_equal(seen, (1ull << S3_OP_COUNT) - 1);
    assert_int_equal(accepted, COUNT(table));
}

static void no_name_falls_through_to_another_operation(void **state)
{
    check_everywhere(NULL, 0);
    for (size_t a = 0; a < COUNT(names); a++) {
        const struct name *given[] = {&names[a]};

        check_everywhere(given, 1);
    }
}

static void no_two_names_do_and_their_order_is_nothing(void **state)
{
    for (size_t a = 0; a < COUNT(names); a++)
        for (size_t b = 0; b < COUNT(names); b++) {
            const struct name *given[] = {&names[a], &names[b]};

            if (a != b)
                check_everywhere(given, 2);
        }
}

/* A third name beside each two that are an operation. */
static void no_three_names_do(void **state)
{
    for (size_t a = 0; a < COUNT(names); a++)
        for (size_t b = a + 1; b < COUNT(names); b++)
            for (int scope = 0; scope < SCOPES; scope++)
                for (size_t m = 0; m < COUNT(methods); m++) {
                    const struct name *given[] = {&names[a], &names[b], NULL};

                    if (!expected(methods[m], (enum scope)scope, given, 2, false))
                        continue;
                    for (size_t c = 0; c < COUNT(names); c++) {
                        given[2] = &names[c];
                        if (c != a && c != b)
                            check(methods[m], (enum scope)scope, given, 3, false);
                    }
                }
}

static void a_name_that_comes_twice_is_refused(void **state)
{
    for (size_t m = 0; m < COUNT(methods); m++)
        for (int scope = 0; scope < SCOPES; scope++)
            for (size_t n = 0; n < COUNT(names); n++) {
                const struct name *given[] = {&names[n], &names[n]};
                char text[512], query[256];

                print_query(query, given, 2, false);
                snprintf(text, sizeof(text), "%s %s%s" PAYLOAD, methods[m], targets[scope], query);
                if (parse(text) == S3_OK)
                    fail_msg("%s: %s", text, s3_op_name(request.op));
            }
}

/* The browser asks for what it is about to do, with that request's target. */
static void options_is_a_preflight_whatever_it_is_about(void **state)
{
    for (int scope = 0; scope < SCOPES; scope++)
        for (size_t n = 0; n < COUNT(names); n++) {
            const struct name *given[] = {&names[n]};
            char text[512], query[256];

            print_query(query, given, 1, false);
            snprintf(text, sizeof(text), "OPTIONS %s%s\nHost: h\nOrigin: http://a\n", targets[scope], query);
            assert_int_equal(parse_as(text, S3_PROOF_NONE, NULL), S3_OK);
            assert_int_equal(request.op, S3_OP_PREFLIGHT);
            assert_true(span_is(request.bucket, scope == SERVICE ? "" : "media"));
        }
}

static void what_a_presigned_url_has_besides_changes_no_operation(void **state)
{
#define SIGNED                                                                                               \
    "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=1&X-Amz-SignedHeaders=host&"            \
    "X-Amz-Signature=d"
    expect_as("GET /media/a?" SIGNED "\nHost: h\n", S3_PROOF_QUERY, S3_OK, NULL);
    assert_int_equal(request.op, S3_OP_GET_OBJECT);
    assert_int_equal(request.payload, S3_PAYLOAD_UNSIGNED);
    assert_true(span_is(request.payload_text, "UNSIGNED-PAYLOAD"));
    expect_as("PUT /media/a?uploadId=1&partNumber=2&" SIGNED "\nHost: h\nContent-Length: 1\n", S3_PROOF_QUERY,
              S3_OK, NULL);
    assert_int_equal(request.op, S3_OP_UPLOAD_PART);
    expect_as("PUT /media/a?acl&" SIGNED "\nHost: h\n", S3_PROOF_QUERY, S3_OK, NULL);
    assert_int_equal(request.op, S3_OP_PUT_OBJECT_ACL);
    expect_as("PUT /media/a?torrent&" SIGNED "\nHost: h\n", S3_PROOF_QUERY, S3_NOT_IMPLEMENTED, "torrent");
    expect_as("GET /media/a?X-Amz-Foo=1&" SIGNED "\nHost: h\n", S3_PROOF_QUERY, S3_NOT_IMPLEMENTED,
              "X-Amz-Foo");
    expect_as("GET /media/a?x-amz-signature=1&" SIGNED "\nHost: h\n", S3_PROOF_QUERY, S3_NOT_IMPLEMENTED,
              "x-amz-signature");
    expect_as("GET /media/a?" SIGNED "\nHost: h\n", S3_PROOF_NONE, S3_NOT_IMPLEMENTED, "X-Amz-Algorithm");
}

static void every_operation_has_its_name(void **state)
{
    for (int a = 0; a < S3_OP_COUNT; a++) {
        assert_non_null(s3_op_name((enum s3_op)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(s3_op_name((enum s3_op)a), s3_op_name((enum s3_op)b));
    }
    assert_string_equal(s3_op_name(S3_OP_LIST_BUCKETS), "ListBuckets");
    assert_string_equal(s3_op_name(S3_OP_UPLOAD_PART_COPY), "UploadPartCopy");
    for (int op = 0; op < S3_OP_COUNT; op++)
        assert_int_equal(s3_op_has_content((enum s3_op)op),
                         op == S3_OP_PUT_OBJECT || op == S3_OP_UPLOAD_PART || op == S3_OP_POST_OBJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_selected_by_what_s3_says),
        cmocka_unit_test(no_name_falls_through_to_another_operation),
        cmocka_unit_test(no_two_names_do_and_their_order_is_nothing),
        cmocka_unit_test(no_three_names_do),
        cmocka_unit_test(a_name_that_comes_twice_is_refused),
        cmocka_unit_test(options_is_a_preflight_whatever_it_is_about),
        cmocka_unit_test(what_a_presigned_url_has_besides_changes_no_operation),
        cmocka_unit_test(every_operation_has_its_name),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}

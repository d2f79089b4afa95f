/* Which keys a bucket cannot have, because one of its replicas takes them for others. */
#include "gateway/key_check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct capabilities plain = {.key_folding = CAPABILITY_SET};
static const struct capabilities folds = {.key_folding =
                                              CAPABILITY_SET | S3_FOLD_SLASHES | S3_FOLD_TAIL_BODY};
static struct replica a = {.name = "a", .can = &plain}, b = {.name = "b", .can = &folds}, c = {.name = "c"};

static const char *checked(const struct replica_set *set, struct s3_request *r, const char *key,
                           struct arena *arena)
{
    const struct catalog_bucket bucket = {.set = *set};

    r->key = span_of(key);
    return key_check_request(&bucket, r, arena);
}

static void one_replica_that_folds_a_key_is_enough(void **state)
{
    const struct replica_set all = {.by_slot = {&a, NULL, &b, &c}, .mask = 13};
    const struct replica_set retired = {.by_slot = {&a, NULL, &b, &c}, .mask = 9};
    struct s3_request get = {.op = S3_OP_GET_OBJECT};
    struct arena arena;
    const char *why;

    arena_init(&arena, 4096);
    why = checked(&all, &get, "x//y", &arena);
    assert_non_null(why);
    assert_non_null(strstr(why, "Backend b takes '//' in a key for '/'"));
    assert_null(checked(&all, &get, "x/y", &arena));
    assert_null(checked(&all, &get, "", &arena)); /* names no key */
    assert_null(checked(&retired, &get, "x//y", &arena));
    arena_fini(&arena);
}

/* An empty "folder/" is a thing that clients make; one with content would be lost. */
static void content_under_a_folder_s_name_is_refused_where_it_would_be_lost(void **state)
{
    static const struct {
        enum s3_op op;
        uint64_t body_bytes;
        const char *source_bucket, *source_key;
        bool refused;
    } rows[] = {
        {S3_OP_PUT_OBJECT, 0, "", "", false},
        {S3_OP_PUT_OBJECT, 1, "", "", true},
        {S3_OP_CREATE_MULTIPART_UPLOAD, 0, "", "", true},
        {S3_OP_COPY_OBJECT, 0, "here", "other/", false},
        {S3_OP_COPY_OBJECT, 0, "here", "other", true},
        {S3_OP_COPY_OBJECT, 0, "there", "other/", true},
        {S3_OP_GET_OBJECT, 0, "", "", false},
        {S3_OP_DELETE_OBJECT, 0, "", "", false},
    };
    const struct replica_set set = {.by_slot = {&b}, .mask = 1};
    struct arena arena;

    arena_init(&arena, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_request r = {.op = rows[i].op,
                               .body_bytes = rows[i].body_bytes,
                               .bucket = SPAN("here"),
                               .source_bucket = span_of(rows[i].source_bucket),
                               .source_key = span_of(rows[i].source_key)};

        if (!checked(&set, &r, "folder/", &arena) != !rows[i].refused)
            fail_msg("row %zu", i);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_replica_that_folds_a_key_is_enough),
        cmocka_unit_test(content_under_a_folder_s_name_is_refused_where_it_would_be_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

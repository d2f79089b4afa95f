/* The catalog: entries follow the journal's catalogue, replica objects stay. */
#include "fanout/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

/* A journal that has buckets and nothing else. */
struct shelf {
    struct journal base;
    struct bucket buckets[4];
    size_t count;
};

static bool by_name(struct journal *j, struct span name, struct bucket *out)
{
    struct shelf *s = LIST_ENTRY(j, struct shelf, base);

    for (size_t i = 0; i < s->count; i++) {
        if (span_is(name, s->buckets[i].name)) {
            *out = s->buckets[i];
            return true;
        }
    }
    return false;
}

static bool by_id(struct journal *j, uint32_t id, struct bucket *out)
{
    struct shelf *s = LIST_ENTRY(j, struct shelf, base);

    for (size_t i = 0; i < s->count; i++) {
        if (s->buckets[i].id == id) {
            *out = s->buckets[i];
            return true;
        }
    }
    return false;
}

static const struct journal_ops shelf_ops = {.bucket_by_name = by_name, .bucket_by_id = by_id};

struct bed {
    struct shelf shelf;
    struct catalog *catalog;
    unsigned opened, closed, acks;
};

static struct replica *open_replica(void *ctx, const char *backend, const char *remote)
{
    struct bed *b = ctx;
    struct replica *r;

    if (strcmp(backend, "unknown") == 0)
        return NULL;
    b->opened++;
    r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->name = "replica";
    return r;
}

static void close_replica(void *ctx, struct replica *r)
{
    struct bed *b = ctx;

    b->closed++;
    free(r);
}

static struct ack_policy ack_of(void *ctx, const char *bucket, uint32_t replicas)
{
    struct bed *b = ctx;

    b->acks++;
    return (struct ack_policy){.need = replicas};
}

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    struct catalog_options options = {
        .journal = &b->shelf.base, .open = open_replica, .close = close_replica, .ack = ack_of, .ctx = b};

    b->shelf.base.ops = &shelf_ops;
    *state = b;
    return catalog_open(&b->catalog, &options) != ERR_OK;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    catalog_free(b->catalog);
    assert_int_equal(b->opened, b->closed);
    free(b);
    return 0;
}

static struct bucket *put(struct bed *b, uint32_t id, const char *name, const char *first, const char *second)
{
    struct bucket *k = &b->shelf.buckets[b->shelf.count++];

    *k = (struct bucket){.id = id, .replica_count = 2};
    snprintf(k->name, sizeof(k->name), "%s", name);
    snprintf(k->replicas[0].backend, sizeof(k->replicas[0].backend), "%s", first);
    snprintf(k->replicas[1].backend, sizeof(k->replicas[1].backend), "%s", second);
    snprintf(k->replicas[0].remote, sizeof(k->replicas[0].remote), "%s", name);
    snprintf(k->replicas[1].remote, sizeof(k->replicas[1].remote), "%s", name);
    return k;
}

static void a_bucket_is_found_by_name_and_by_id(void **state)
{
    struct bed *b = *state;
    const struct catalog_bucket *k;

    put(b, 7, "media", "a", "b");
    assert_null(catalog_by_name(b->catalog, SPAN("medi")));
    assert_null(catalog_by_id(b->catalog, 8));
    k = catalog_by_name(b->catalog, SPAN("media"));
    assert_non_null(k);
    assert_int_equal(k->record.id, 7);
    assert_int_equal(k->set.mask, 3);
    assert_int_equal(k->ack.need, 2);
    assert_ptr_equal(catalog_by_id(b->catalog, 7), k);
    assert_ptr_equal(catalog_by_name(b->catalog, SPAN("media")), k);
    assert_int_equal(b->opened, 2);
    assert_int_equal(b->acks, 1); /* built once */
}

static void a_retired_slot_has_no_replica(void **state)
{
    struct bed *b = *state;
    struct bucket *record = put(b, 1, "media", "unknown", "b");
    const struct catalog_bucket *k;

    record->replicas[0].retired = true;
    k = catalog_by_id(b->catalog, 1);
    assert_non_null(k);
    assert_int_equal(k->set.mask, 2);
    assert_null(k->set.by_slot[0]);
    assert_non_null(k->set.by_slot[1]);
    assert_int_equal(k->ack.need, 1);
}

static void a_changed_bucket_is_rebuilt_in_place_and_keeps_its_replica_objects(void **state)
{
    struct bed *b = *state;
    struct bucket *record = put(b, 1, "media", "a", "b");
    const struct catalog_bucket *k = catalog_by_name(b->catalog, SPAN("media"));
    struct replica *second = k->set.by_slot[1];

    record->replicas[0].retired = true;
    assert_ptr_equal(catalog_by_name(b->catalog, SPAN("media")), k);
    assert_int_equal(k->set.mask, 2);
    assert_ptr_equal(k->set.by_slot[1], second);
    assert_int_equal(b->closed, 0);
    record->replicas[0].retired = false;
    assert_int_equal(catalog_by_id(b->catalog, 1)->set.mask, 3);
    assert_int_equal(b->opened, 2);
}

static void a_deleted_bucket_is_gone_and_one_made_again_is_another(void **state)
{
    struct bed *b = *state;

    put(b, 1, "media", "a", "b");
    assert_non_null(catalog_by_name(b->catalog, SPAN("media")));
    b->shelf.count = 0;
    assert_null(catalog_by_name(b->catalog, SPAN("media")));
    assert_null(catalog_by_id(b->catalog, 1));
    put(b, 2, "media", "a", "b");
    assert_int_equal(catalog_by_name(b->catalog, SPAN("media"))->record.id, 2);
    b->shelf.buckets[0].id = 3; /* deleted and made again between two looks */
    assert_int_equal(catalog_by_id(b->catalog, 3)->record.id, 3);
    assert_null(catalog_by_id(b->catalog, 2));
    b->shelf.buckets[0].id = 4;
    assert_int_equal(catalog_by_name(b->catalog, SPAN("media"))->record.id, 4);
    assert_null(catalog_by_id(b->catalog, 3));
    assert_int_equal(b->opened, 2); /* the same places on the same backends */
}

static void a_bucket_with_an_unknown_backend_is_not_served(void **state)
{
    struct bed *b = *state;

    put(b, 1, "media", "a", "unknown");
    assert_null(catalog_by_name(b->catalog, SPAN("media")));
    assert_null(catalog_by_id(b->catalog, 1));
    snprintf(b->shelf.buckets[0].replicas[1].backend, sizeof(b->shelf.buckets[0].replicas[1].backend), "b");
    assert_non_null(catalog_by_id(b->catalog, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bucket_is_found_by_name_and_by_id, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retired_slot_has_no_replica, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_bucket_is_rebuilt_in_place_and_keeps_its_replica_objects,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_bucket_is_gone_and_one_made_again_is_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_bucket_with_an_unknown_backend_is_not_served, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which copies the backends may make by themselves. */
#include "stage.h"

#include "fanout/sources.h"

enum { SHOWN_BYTES = 5000 };

struct asking {
    struct stage s;
    struct capabilities can[REPLICAS];
    struct sources *sources;
    struct sources_spec spec;
    unsigned dones;
};

static const struct stamp one = {{1}}, two = {{2}};

static void on_done(void *ctx)
{
    ((struct asking *)ctx)->dones++;
}

static void asking_init(struct asking *a)
{
    *a = (struct asking){.dones = 0};
    stage_init(&a->s, 4);
    for (unsigned i = 0; i < REPLICAS; i++) {
        a->can[i] =
            (struct capabilities){.etag_kind = S3_ETAG_MD5, .copy_object = S3_COPY_MD5, .copy_part = S3_NO};
        a->s.replicas[i].base.can = &a->can[i];
    }
    a->spec =
        (struct sources_spec){.target = &a->s.set, .source = &a->s.set, .source_key = SPAN("the/source")};
}

static void ask(struct asking *a)
{
    a->dones = 0;
    assert_int_equal(sources_open(&a->sources, &a->s.env, &a->spec, on_done, a), ERR_OK);
    assert_int_equal(a->dones, 0);
}

static void asking_fini(struct asking *a)
{
    sources_free(a->sources);
    stage_fini(&a->s);
}

static struct replica_object object_with(const struct stamp *stamp, const char *etag)
{
    struct replica_object o = {.exists = true, .stamped = stamp != NULL, .body_bytes = SHOWN_BYTES};

    if (stamp)
        o.stamp = *stamp;
    snprintf(o.etag, sizeof(o.etag), "%s", etag);
    return o;
}

static void all_show(struct asking *a, const struct replica_object *o)
{
    for (unsigned i = 0; i < REPLICAS; i++)
        if (call_of(&a->s, i)->under_way)
            shows(&a->s, i, o);
    turn(&a->s);
}

static void it_takes_a_source_on_the_backend_of_each_replica_and_all_must_be_able(void **state)
{
    struct stage_replica stranger;
    struct replica_set elsewhere;
    struct asking a;

    asking_init(&a);
    assert_true(sources_possible(&a.spec));
    a.spec.part = true;
    assert_false(sources_possible(&a.spec));
    a.spec.part = false;

    a.can[1].copy_object = S3_COPY_NO;
    assert_false(sources_possible(&a.spec));
    a.s.replicas[1].health.open = true; /* it misses the write in any case */
    assert_true(sources_possible(&a.spec));
    a.s.replicas[1].health.open = false;
    a.can[1].copy_object = S3_COPY_SAME;
    assert_true(sources_possible(&a.spec));

    /* The slots need not be the same. */
    elsewhere = a.s.set;
    elsewhere.by_slot[0] = a.s.set.by_slot[2];
    elsewhere.by_slot[2] = a.s.set.by_slot[0];
    a.spec.source = &elsewhere;
    assert_true(sources_possible(&a.spec));
    stranger = a.s.replicas[0];
    stranger.base.name = "d";
    elsewhere.by_slot[2] = &stranger.base;
    assert_false(sources_possible(&a.spec));
    a.spec.target = &(struct replica_set){.mask = 0};
    assert_false(sources_possible(&a.spec));
    asking_fini(&a);
}

static void each_is_given_the_etag_that_it_showed(void **state)
{
    struct replica_object reference = object_with(&one, MD5_ONE), opaque = object_with(&one, "\"what\"");
    struct write_copy copy;
    struct asking a;

    asking_init(&a);
    ask(&a);
    shows(&a.s, 0, &reference);
    shows(&a.s, 1, &opaque);
    assert_int_equal(a.dones, 0);
    shows(&a.s, 2, &reference);
    turn(&a.s);
    assert_int_equal(a.dones, 1);
    assert_true(sources_agree(a.sources, &reference, false, &copy));
    assert_true(span_is(copy.key, "the/source"));
    assert_int_equal(copy.bytes, SHOWN_BYTES);
    assert_string_equal(copy.etags[0], MD5_ONE);
    assert_string_equal(copy.etags[1], "\"what\"");
    for (unsigned i = 0; i < REPLICAS; i++)
        assert_ptr_equal(copy.from[i], &a.s.replicas[i].base);
    asking_fini(&a);
}

static void one_that_shows_something_else_is_enough_to_refuse(void **state)
{
    struct replica_object larger = object_with(&one, MD5_ONE), none = {.exists = false};
    const struct {
        struct replica_object reference, shown;
    } cases[] = {
        {object_with(&one, MD5_ONE), object_with(&two, MD5_ONE)},
        {object_with(&one, MD5_ONE), object_with(&one, MD5_TWO)}, /* a damaged copy */
        {object_with(&one, MD5_ONE), object_with(NULL, MD5_ONE)},
        {object_with(NULL, MD5_ONE), object_with(NULL, MD5_TWO)},
        {object_with(NULL, "\"x\""), object_with(NULL, "\"y\"")},
        {object_with(&one, MD5_ONE), object_with(&one, "")},
        {object_with(&one, MD5_ONE), larger},
        {object_with(&one, MD5_ONE), none},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica_object shown = cases[i].shown;
        struct write_copy copy;
        struct asking a;

        shown.body_bytes += i == 6;
        asking_init(&a);
        ask(&a);
        shows(&a.s, 0, &cases[i].reference);
        shows(&a.s, 1, &shown);
        all_show(&a, &cases[i].reference);
        assert_int_equal(a.dones, 1);
        assert_false(sources_agree(a.sources, &cases[i].reference, false, &copy));
        asking_fini(&a);
    }
}

static void one_that_does_not_answer_in_time_shows_nothing(void **state)
{
    struct replica_object o = object_with(&one, MD5_ONE);
    struct write_copy copy;
    struct asking a;

    asking_init(&a);
    ask(&a);
    shows(&a.s, 0, &o);
    shows(&a.s, 1, &o);
    pass(&a.s, FIRST_BYTE_MS);
    assert_int_equal(a.dones, 1);
    assert_int_equal(a.s.replicas[2].abandons, 1);
    assert_false(health_usable(&a.s.replicas[2].health));
    assert_false(sources_agree(a.sources, &o, false, &copy));
    asking_fini(&a);
}

static void one_that_is_away_is_not_asked_and_has_no_part_in_it(void **state)
{
    struct replica_object o = object_with(&one, MD5_ONE);
    struct write_copy copy;
    struct asking a;

    asking_init(&a);
    a.s.replicas[1].health.open = true;
    ask(&a);
    assert_int_equal(under_way(&a.s), A | C);
    all_show(&a, &o);
    assert_true(sources_agree(a.sources, &o, false, &copy));
    assert_null(copy.from[1]);
    a.s.replicas[1].health.open = false;
    asking_fini(&a);
}

/* Of an object in parts the copies' ETags depend on the backend. */
static void of_an_object_in_parts_the_backends_must_be_of_one_kind(void **state)
{
    static const struct {
        uint64_t first, other, etag_kind;
        bool may, may_in_place;
    } cases[] = {
        {S3_COPY_MD5, S3_COPY_MD5, S3_ETAG_MD5, true, false},
        {S3_COPY_SAME, S3_COPY_SAME, S3_ETAG_MD5, true, true},
        {S3_COPY_MD5, S3_COPY_SAME, S3_ETAG_MD5, false, false},
        {S3_COPY_MD5, S3_COPY_MD5, S3_ETAG_SINGLE, false, false},
    };
    struct replica_object parts = object_with(&one, "\"900150983cd24fb0d6963f7d28e17f72-3\""),
                          single = object_with(&one, MD5_ONE);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct write_copy copy;
        struct asking a;

        asking_init(&a);
        a.can[0].copy_object = cases[i].first;
        a.can[1].copy_object = a.can[2].copy_object = cases[i].other;
        a.can[2].etag_kind = cases[i].etag_kind;
        ask(&a);
        all_show(&a, &parts);
        assert_int_equal(sources_agree(a.sources, &parts, false, &copy), cases[i].may);
        assert_int_equal(sources_agree(a.sources, &parts, true, &copy), cases[i].may_in_place);
        sources_free(a.sources);
        ask(&a);
        all_show(&a, &single);
        assert_true(sources_agree(a.sources, &single, true, &copy));
        asking_fini(&a);
    }
}

static void they_may_be_freed_while_they_are_asked(void **state)
{
    struct asking a;

    asking_init(&a);
    ask(&a);
    assert_int_equal(under_way(&a.s), ALL);
    asking_fini(&a);
    assert_int_equal(a.dones, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_a_source_on_the_backend_of_each_replica_and_all_must_be_able),
        cmocka_unit_test(each_is_given_the_etag_that_it_showed),
        cmocka_unit_test(one_that_shows_something_else_is_enough_to_refuse),
        cmocka_unit_test(one_that_does_not_answer_in_time_shows_nothing),
        cmocka_unit_test(one_that_is_away_is_not_asked_and_has_no_part_in_it),
        cmocka_unit_test(of_an_object_in_parts_the_backends_must_be_of_one_kind),
        cmocka_unit_test(they_may_be_freed_while_they_are_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

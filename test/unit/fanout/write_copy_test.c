/* A write whose bytes the replicas copy by themselves: a write like any other, and its whole requests wait at the barrier. */
#include "write_stage.h"

static struct write_copy copy_of(struct owner *o, uint32_t slots, uint64_t bytes)
{
    struct write_copy copy = {.key = SPAN("the/source"), .bytes = bytes};

    for (unsigned i = 0; i < REPLICAS; i++) {
        if (!(slots & 1u << i))
            continue;
        copy.from[i] = &o->s.replicas[i].base;
        snprintf(copy.etags[i], ETAG_CHARS_MAX, "\"etag on %u\"", i);
    }
    return copy;
}

static void open_copy_of(struct owner *o, uint32_t need, uint32_t slots, uint64_t bytes)
{
    struct write_copy copy = copy_of(o, slots, bytes);
    struct write_spec spec = put_spec(o, 0, need, true);

    spec.copy = &copy;
    open_spec(o, &spec);
    verify(o);
}

static void copy_past_barrier(struct owner *o, uint32_t need)
{
    open_copy_of(o, need, ALL, SMALL);
    begun_alone(&o->s);
    assert_int_equal(opened(&o->s), ALL);
}

static void no_replica_is_asked_before_the_intent_is_durable(void **state)
{
    struct owner o;

    owner_init(&o);
    open_copy_of(&o, 1, ALL, SMALL);
    turn(&o.s);
    assert_int_equal(under_way(&o.s), 0);
    begun_alone(&o.s);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned i = 0; i < REPLICAS; i++) {
        const struct replica_copy *copy = &call_of(&o.s, i)->copy;
        char etag[ETAG_CHARS_MAX];

        assert_int_equal(call_of(&o.s, i)->ask, ASK_COPY);
        assert_ptr_equal(copy->source, &o.s.replicas[i].base);
        snprintf(etag, sizeof(etag), "\"etag on %u\"", i);
        assert_string_equal(copy->source_etag, etag);
        assert_true(span_is(copy->source_key, "the/source"));
        assert_true(span_is(copy->key, "the/key"));
        assert_true(copy->stamped);
        assert_int_equal(copy->header_count, 1);
        assert_int_equal(copy->upload_id.len, 0);
        stored(&o.s, i);
    }
    turn(&o.s);
    assert_int_equal(o.v.result, ERR_OK);
    assert_string_equal(o.v.etag, MD5_ONE);
    assert_int_equal(o.s.env.counters.copied_there, 1);
    assert_int_equal(chunk_taken(&o.s.budget), 0);
    assert_int_equal(o.s.journal.writes, 0);
    assert_int_equal(o.s.journal.forgets, 1);
    owner_fini(&o);
}

static void an_intent_that_fails_leaves_all_as_it_was(void **state)
{
    struct owner o;

    owner_init(&o);
    open_copy_of(&o, 1, ALL, SMALL);
    begun(&o.s, ERR_IO, NULL, 0);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    for (unsigned i = 0; i < REPLICAS; i++)
        assert_int_equal(o.s.replicas[i].starts, 0);
    owner_fini(&o);
}

static void a_replica_that_is_held_waits_and_the_others_copy(void **state)
{
    const struct row rows[] = {row_with(1, ROW_FINAL, A | C, B, 0)};
    struct owner o;

    owner_init(&o);
    open_copy_of(&o, 1, ALL, SMALL);
    begun(&o.s, ERR_OK, rows, 1);
    assert_int_equal(opened(&o.s), A | C);
    stored(&o.s, 0);
    stored(&o.s, 2);
    pass(&o.s, STEP_MS);
    rows_read(&o.s, ERR_OK, NULL, 0);
    assert_int_equal(opened(&o.s), ALL);
    stored(&o.s, 1);
    assert_int_equal(o.v.result, ERR_OK);
    o.s.journal.other_row = false;
    owner_fini(&o);
}

static void a_replica_that_refuses_has_missed_it(void **state)
{
    struct owner o;

    owner_init(&o);
    copy_past_barrier(&o, 1);
    stored(&o.s, 0);
    refused(&o.s, 1);
    broken(&o.s, 2);
    assert_int_equal(o.verdicts, 0); /* D2 first */
    assert_int_equal(o.s.journal.row.stored, A);
    assert_int_equal(o.s.journal.row.unresolved, C);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.v.marks[1], WRITE_HINTED);
    assert_int_equal(o.s.hints, 1);
    owner_fini(&o);
}

static void refused_by_all_nothing_has_happened(void **state)
{
    struct owner o;

    owner_init(&o);
    copy_past_barrier(&o, 1);
    for (unsigned i = 0; i < REPLICAS; i++)
        refused(&o.s, i);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.v.status, 403);
    assert_int_equal(o.s.journal.writes, 0);
    assert_int_equal(o.s.env.counters.copied_there, 0);
    owner_fini(&o);
}

static void a_replica_without_the_source_has_missed_it_from_the_start(void **state)
{
    struct owner o;

    owner_init(&o);
    open_copy_of(&o, 1, A | B, SMALL);
    begun_alone(&o.s);
    assert_int_equal(opened(&o.s), A | B);
    stored(&o.s, 0);
    stored(&o.s, 1);
    assert_int_equal(o.s.journal.row.stored, A | B);
    assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_copy_of_other_bytes_is_not_called_stored(void **state)
{
    struct owner o;

    owner_init(&o);
    copy_past_barrier(&o, 1);
    stored_with(&o.s, 0, MD5_ONE);
    stored_with(&o.s, 1, MD5_TWO);
    stored_with(&o.s, 2, MD5_ONE);
    assert_int_equal(o.s.journal.row.stored, A | C);
    assert_int_equal(o.s.journal.row.unresolved, B);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

/* COPY_BYTES_MAX bytes may take AMBIGUITY_MS. */
static void a_large_copy_has_more_time(void **state)
{
    static const struct {
        uint64_t bytes, ms;
    } cases[] = {{0, STALL_MS},
                 {COPY_BYTES_MAX / 2, STALL_MS + AMBIGUITY_MS / 2},
                 {COPY_BYTES_MAX, STALL_MS + AMBIGUITY_MS}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct owner o;

        owner_init(&o);
        open_copy_of(&o, 1, ALL, cases[i].bytes);
        begun_alone(&o.s);
        stored(&o.s, 0);
        stored(&o.s, 1);
        pass(&o.s, cases[i].ms - 1);
        assert_int_equal(o.s.replicas[2].abandons, 0);
        pass(&o.s, STALL_MS);
        assert_int_equal(o.s.replicas[2].abandons, 1);
        assert_int_equal(o.s.journal.row.unresolved, C);
        written(&o.s, ERR_OK);
        assert_int_equal(o.v.result, ERR_OK);
        owner_fini(&o);
    }
}

static void a_part_is_copied_into_the_upload_of_each_replica(void **state)
{
    static const struct stamp the_upload = {{1, 2, 3, 4}};
    struct write_upload of = {.id = the_upload, .part_number = 7};
    struct write_copy copy;
    struct write_spec spec;
    struct owner o;

    owner_init(&o);
    copy = copy_of(&o, ALL, 1000);
    copy.ranged = true;
    copy.first = 5000;
    spec = put_spec(&o, 0, 1, true);
    of.ids[0] = of.ids[2] = SPAN("its id");
    of.ids[1] = SPAN_EMPTY;
    for (uint32_t slot = REPLICAS; slot < REPLICAS_MAX; slot++)
        of.ids[slot] = SPAN_EMPTY;
    spec.upload = &of;
    spec.copy = &copy;
    open_spec(&o, &spec);
    verify(&o);
    turn(&o.s);
    assert_int_equal(opened(&o.s), A | C);
    assert_null(o.s.journal.begin);
    for (unsigned i = 0; i < REPLICAS; i += 2) {
        const struct replica_copy *asked = &call_of(&o.s, i)->copy;

        assert_true(span_is(asked->upload_id, "its id"));
        assert_int_equal(asked->part_number, 7);
        assert_int_equal(asked->header_count, 0);
        assert_false(asked->stamped);
        assert_true(asked->ranged);
        assert_int_equal(asked->first, 5000);
        assert_int_equal(asked->last, 5999);
        stored(&o.s, i);
    }
    assert_int_equal(o.s.journal.part->part.bytes, 1000);
    assert_int_equal(part_stored(&o.s.journal.part->part), A | C);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_replica_is_asked_before_the_intent_is_durable),
        cmocka_unit_test(an_intent_that_fails_leaves_all_as_it_was),
        cmocka_unit_test(a_replica_that_is_held_waits_and_the_others_copy),
        cmocka_unit_test(a_replica_that_refuses_has_missed_it),
        cmocka_unit_test(refused_by_all_nothing_has_happened),
        cmocka_unit_test(a_replica_without_the_source_has_missed_it_from_the_start),
        cmocka_unit_test(a_copy_of_other_bytes_is_not_called_stored),
        cmocka_unit_test(a_large_copy_has_more_time),
        cmocka_unit_test(a_part_is_copied_into_the_upload_of_each_replica),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

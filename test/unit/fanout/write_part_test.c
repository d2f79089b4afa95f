/* A part of an upload: no intent, the same barrier, and a line in the table of parts before the client hears; one of the
 * gateway's own is kept in memory and sent again. And a Complete, which is a write whose whole request waits at the barrier. */
#include "write_stage.h"

static const struct stamp the_upload = {{1, 2, 3, 4}};

static void open_part_kept(struct owner *o, uint64_t bytes, uint32_t need, bool wait_all, uint32_t slots,
                           uint32_t tries)
{
    struct write_upload of = {.id = the_upload, .part_number = 7, .tries = tries};
    struct write_spec spec = put_spec(o, bytes, need, wait_all);

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        of.ids[slot] = slots >> slot & 1 ? SPAN("its id") : SPAN_EMPTY;
    spec.upload = &of;
    open_spec(o, &spec);
    assert_null(o->s.journal.begin);
}

static void open_part(struct owner *o, uint64_t bytes, uint32_t need, bool wait_all, uint32_t slots)
{
    open_part_kept(o, bytes, need, wait_all, slots, 0);
}

static void part_past_barrier(struct owner *o, uint32_t need, bool wait_all)
{
    open_part(o, SMALL, need, wait_all, ALL);
    give_body(o, SMALL);
    turn(&o->s);
    assert_int_equal(opened(&o->s), ALL);
}

static void a_part_goes_past_its_barrier_when_verified_and_is_told_before_the_client(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part(&o, SMALL, 1, true, ALL);
    assert_int_equal(feed(&o, 0, SMALL), SMALL);
    turn(&o.s);
    assert_int_equal(under_way(&o.s), 0);
    verify(&o);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned i = 0; i < REPLICAS; i++) {
        assert_true(span_is(call_of(&o.s, i)->put.upload_id, "its id"));
        assert_int_equal(call_of(&o.s, i)->put.part_number, 7);
        assert_int_equal(call_of(&o.s, i)->put.header_count, 0);
        assert_false(call_of(&o.s, i)->put.stamped);
        stored(&o.s, i);
    }
    assert_int_equal(o.verdicts, 0);
    assert_int_equal(o.s.journal.part->change, PART_PUT);
    assert_true(stamp_eq(&o.s.journal.part->id, &the_upload));
    assert_int_equal(o.s.journal.part->part.number, 7);
    assert_int_equal(o.s.journal.part->part.bytes, SMALL);
    assert_int_equal(part_stored(&o.s.journal.part->part), ALL);
    assert_string_equal(o.s.journal.part->part.etags[0].text, MD5_ONE);
    assert_int_equal(o.s.journal.part->drop, 0);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_string_equal(o.v.etag, MD5_ONE);
    assert_int_equal(o.s.journal.writes + o.s.journal.forgets, 0);
    owner_fini(&o);
}

static void a_large_part_streams_up_to_its_barrier(void **state)
{
    uint64_t fed = 0;
    struct owner o;

    owner_init(&o);
    open_part(&o, LARGE, 1, true, ALL);
    while (fed < LARGE) {
        fed += feed(&o, fed, LARGE - fed);
        for (unsigned i = 0; i < REPLICAS; i++)
            take(&o.s, i, UINT64_MAX);
    }
    assert_int_equal(opened(&o.s), 0);
    verify(&o);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    part_written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void a_replica_that_misses_a_part_is_dropped_with_it(void **state)
{
    struct owner o;

    owner_init(&o);
    part_past_barrier(&o, 1, true);
    stored(&o.s, 0);
    refused(&o.s, 1);
    broken(&o.s, 2);
    assert_int_equal(o.s.journal.part->change, PART_PUT);
    assert_int_equal(part_stored(&o.s.journal.part->part), A);
    assert_int_equal(o.s.journal.part->drop, B | C);
    assert_int_equal(o.verdicts, 0);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.hints, 0); /* nothing is visible that differs */
    owner_fini(&o);
}

static void a_part_that_too_few_took_is_none_any_more(void **state)
{
    struct owner o;

    owner_init(&o);
    part_past_barrier(&o, 2, true);
    stored(&o.s, 0);
    refused(&o.s, 1);
    refused(&o.s, 2);
    assert_int_equal(o.s.journal.part->change, PART_VOID);
    assert_int_equal(o.s.journal.part->drop, 0);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

static void a_part_that_nobody_took_changes_nothing(void **state)
{
    struct owner o;

    owner_init(&o);
    part_past_barrier(&o, 1, true);
    for (unsigned i = 0; i < REPLICAS; i++)
        refused(&o.s, i);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.s.journal.parts, 0);
    owner_fini(&o);
}

static void a_part_whose_upload_is_gone_is_no_success(void **state)
{
    struct owner o;

    owner_init(&o);
    part_past_barrier(&o, 1, true);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    part_written(&o.s, ERR_NOT_FOUND);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.v.cause, ERR_NOT_FOUND);
    owner_fini(&o);
}

static void replicas_that_are_pending_at_the_answer_are_told_later(void **state)
{
    struct owner o;
    uint64_t attempt;

    owner_init(&o);
    part_past_barrier(&o, 1, false);
    stored(&o.s, 1);
    assert_int_equal(part_stored(&o.s.journal.part->part), B);
    assert_int_equal(o.s.journal.part->drop, 0);
    attempt = o.s.journal.part->part.attempt;
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    stored(&o.s, 0);
    assert_null(o.s.journal.part);
    refused(&o.s, 2);
    assert_int_equal(o.s.journal.part->change, PART_MORE);
    assert_int_equal(o.s.journal.part->part.attempt, attempt);
    assert_int_equal(part_stored(&o.s.journal.part->part), A);
    assert_int_equal(o.s.journal.part->drop, C);
    part_written(&o.s, ERR_IO); /* then they just do not count */
    owner_fini(&o);
}

static void each_replica_is_known_by_the_etag_it_gave(void **state)
{
    struct owner o;
    const struct part *p;

    owner_init(&o);
    part_past_barrier(&o, 1, true);
    stored_with(&o.s, 0, "\"of another kind\"");
    stored(&o.s, 1);
    stored(&o.s, 2);
    p = &o.s.journal.part->part;
    assert_string_equal(p->etags[0].text, MD5_ONE); /* most show it: so does the client's answer */
    assert_string_equal(part_etag(p, 0), "\"of another kind\"");
    assert_string_equal(part_etag(p, 2), MD5_ONE);
    part_written(&o.s, ERR_OK);
    assert_string_equal(o.v.etag, MD5_ONE);
    owner_fini(&o);
}

static void a_damaged_part_is_not_held(void **state)
{
    struct owner o;

    owner_init(&o);
    part_past_barrier(&o, 1, true);
    stored(&o.s, 0);
    stored_with(&o.s, 1, MD5_TWO);
    stored(&o.s, 2);
    assert_int_equal(part_stored(&o.s.journal.part->part), A | C);
    assert_int_equal(o.s.journal.part->drop, B);
    part_written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void replicas_without_the_upload_are_not_asked(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part(&o, SMALL, 1, true, A | C);
    give_body(&o, SMALL);
    turn(&o.s);
    assert_int_equal(opened(&o.s), A | C);
    stored(&o.s, 0);
    stored(&o.s, 2);
    assert_int_equal(part_stored(&o.s.journal.part->part), A | C);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_part_that_is_left_before_its_end_reaches_nobody(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part(&o, LARGE, 1, true, ALL);
    feed(&o, 0, 1000);
    leave(&o);
    turn(&o.s);
    assert_int_equal(under_way(&o.s), 0);
    assert_int_equal(o.s.journal.parts, 0);
    owner_fini(&o);
}

/* ---- Complete ---- */

static void open_complete(struct owner *o, uint32_t slots, bool tried, uint64_t object_bytes)
{
    struct write_upload of = {.id = the_upload, .tried = tried, .object_bytes = object_bytes};
    struct write_spec spec = put_spec(o, 0, 1, true);

    of.text = strdup("the document");
    assert_non_null(of.text);
    for (uint32_t slot = 0; slot < REPLICAS; slot++)
        if (slots >> slot & 1) {
            of.ids[slot] = SPAN("its id");
            of.documents[slot] = span_of(of.text);
        }
    spec.header_count = 0;
    spec.upload = &of;
    open_spec(o, &spec);
}

static void a_complete_waits_at_the_barrier_as_a_whole(void **state)
{
    struct owner o;

    owner_init(&o);
    open_complete(&o, ALL, false, 0);
    assert_true(stamp_eq(&o.s.journal.begin->stamp, &the_upload));
    verify(&o);
    turn(&o.s);
    assert_int_equal(under_way(&o.s), 0);
    begun_alone(&o.s);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned i = 0; i < REPLICAS; i++) {
        assert_int_equal(call_of(&o.s, i)->ask, ASK_COMPLETE);
        assert_true(span_is(call_of(&o.s, i)->complete.upload_id, "its id"));
        assert_true(span_is(call_of(&o.s, i)->complete.document, "the document"));
        assert_true(stamp_eq(&call_of(&o.s, i)->complete.stamp, &the_upload));
        stored(&o.s, i);
    }
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.journal.forgets, 1);
    owner_fini(&o);
}

static void one_that_comes_again_has_a_row_of_its_own(void **state)
{
    struct owner o;

    owner_init(&o);
    open_complete(&o, ALL, true, 0);
    assert_false(stamp_eq(&o.s.journal.begin->stamp, &the_upload));
    verify(&o);
    begun_alone(&o.s);
    assert_true(stamp_eq(&call_of(&o.s, 0)->complete.stamp, &the_upload));
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    owner_fini(&o);
}

static void dropped_replicas_have_missed_a_complete_from_the_start(void **state)
{
    struct owner o;

    owner_init(&o);
    open_complete(&o, A | B, false, 0);
    verify(&o);
    begun_alone(&o.s);
    assert_int_equal(opened(&o.s), A | B);
    stored(&o.s, 0);
    stored(&o.s, 1);
    assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
    assert_int_equal(o.s.journal.row.stored, A | B);
    assert_int_equal(o.s.journal.row.unresolved, 0);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.hints, 1);
    owner_fini(&o);
}

static void a_large_object_has_more_time_to_be_put_together(void **state)
{
    enum { MORE_MS = 2000 };
    struct owner o;

    owner_init(&o);
    open_complete(&o, ALL, false, MORE_MS * 64 * 1024ull);
    verify(&o);
    begun_alone(&o.s);
    stored(&o.s, 0);
    stored(&o.s, 1);
    pass(&o.s, STALL_MS + MORE_MS - 300);
    assert_int_equal(under_way(&o.s), C);
    pass(&o.s, 600);
    assert_int_equal(under_way(&o.s), 0);
    assert_int_equal(o.s.journal.row.unresolved, C);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

/* ---- parts that are kept ---- */

enum { TRIES = 3, WATCH_MS = DETACH_MS / 4 + 1 };

static void kept_past_barrier(struct owner *o, uint64_t bytes)
{
    open_part_kept(o, bytes, 1, true, ALL, TRIES);
    give_body(o, bytes);
    turn(&o->s);
    assert_int_equal(opened(&o->s), ALL);
}

static void busy(struct stage *s, unsigned slot)
{
    answer(s, slot, &(struct replica_answer){.result = REPLICA_MISSED, .status = 503, .code = "SlowDown"});
}

static void a_kept_part_is_sent_again_to_a_replica_that_fails_in_passing(void **state)
{
    struct owner o;

    owner_init(&o);
    kept_past_barrier(&o, SMALL);
    stored(&o.s, 0);
    stored(&o.s, 1);
    broken(&o.s, 2);
    assert_int_equal(o.s.journal.parts, 0);
    pass(&o.s, WATCH_MS);
    assert_int_equal(o.s.replicas[2].starts, 2);
    assert_int_equal(under_way(&o.s), C);
    stored(&o.s, 2);
    assert_int_equal(part_stored(&o.s.journal.part->part), ALL);
    assert_int_equal(o.s.journal.part->drop, 0);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_kept_part_has_all_its_bytes_when_it_streams_again(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part_kept(&o, LARGE, 1, true, ALL, TRIES);
    assert_int_equal(feed(&o, 0, LARGE / 2), LARGE / 2);
    for (unsigned i = 0; i < REPLICAS; i++)
        assert_int_equal(take(&o.s, i, LARGE / 2), LARGE / 2);
    busy(&o.s, 1);
    assert_int_equal(feed(&o, LARGE / 2, LARGE / 2), LARGE / 2); /* no bytes for it until it is begun again */
    assert_int_equal(o.s.replicas[1].starts, 1);
    pass(&o.s, WATCH_MS);
    assert_int_equal(o.s.replicas[1].starts, 2);
    assert_int_equal(take(&o.s, 1, UINT64_MAX), LARGE);
    verify(&o);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    assert_int_equal(part_stored(&o.s.journal.part->part), ALL);
    part_written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void one_that_fails_before_the_barrier_goes_past_it_when_it_is_begun_again(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part_kept(&o, LARGE, 1, true, ALL, TRIES);
    assert_int_equal(feed(&o, 0, LARGE), LARGE);
    busy(&o.s, 1);
    verify(&o);
    assert_int_equal(opened(&o.s), A | C);
    stored(&o.s, 0);
    stored(&o.s, 2);
    pass(&o.s, WATCH_MS);
    assert_true(call_of(&o.s, 1)->open);
    stored(&o.s, 1);
    assert_int_equal(part_stored(&o.s.journal.part->part), ALL);
    part_written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void a_kept_part_is_sent_so_often_and_no_more(void **state)
{
    struct owner o;

    owner_init(&o);
    kept_past_barrier(&o, SMALL);
    stored(&o.s, 0);
    stored(&o.s, 1);
    for (unsigned n = 1; n <= TRIES; n++) {
        assert_int_equal(o.s.replicas[2].starts, n);
        assert_int_equal(o.s.journal.parts, 0);
        busy(&o.s, 2);
        pass(&o.s, WATCH_MS);
    }
    assert_int_equal(o.s.replicas[2].starts, TRIES);
    assert_int_equal(o.s.journal.part->drop, C);
    part_written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void what_cannot_pass_is_not_sent_again(void **state)
{
    struct owner o;

    owner_init(&o);
    kept_past_barrier(&o, SMALL);
    refused(&o.s, 2);
    stored(&o.s, 0);
    stored(&o.s, 1);
    assert_int_equal(o.s.journal.part->drop, C);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.s.replicas[2].starts, 1);
    owner_fini(&o);
}

static void a_replica_that_waits_to_be_sent_it_again_is_given_up_like_a_slow_one(void **state)
{
    struct owner o;

    owner_init(&o);
    open_part_kept(&o, LARGE, 1, true, ALL, 1000);
    give_body(&o, LARGE);
    stored(&o.s, 0);
    stored(&o.s, 1);
    for (unsigned n = 0; n < 1000 && o.s.journal.parts == 0; n++) {
        if (call_of(&o.s, 2)->under_way)
            busy(&o.s, 2);
        pass(&o.s, WATCH_MS);
    }
    assert_in_range(o.s.replicas[2].starts, 2, 2 + DETACH_MS / WATCH_MS + 1);
    assert_int_equal(o.s.journal.part->drop, C);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

/* The stage's budget gives no chunk beyond the first: the body goes through it as it goes to the replicas. */
static void without_memory_a_kept_part_streams_and_is_not_sent_again(void **state)
{
    struct chunk *taken[64];
    size_t count = 0;
    uint64_t fed = 0;
    struct owner o;

    owner_init(&o);
    open_part_kept(&o, LARGE, 1, true, ALL, TRIES);
    while (count < 64 && (taken[count] = chunk_take(&o.s.budget)))
        count++;
    while (fed < LARGE) {
        uint64_t more = feed(&o, fed, LARGE - fed);

        fed += more;
        for (unsigned i = 0; i < REPLICAS; i++)
            assert_int_equal(take(&o.s, i, UINT64_MAX), more);
    }
    verify(&o);
    busy(&o.s, 2);
    stored(&o.s, 0);
    stored(&o.s, 1);
    assert_int_equal(o.s.journal.part->drop, C);
    part_written(&o.s, ERR_OK);
    assert_int_equal(o.s.replicas[2].starts, 1);
    while (count)
        chunk_give(&o.s.budget, taken[--count]);
    owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_goes_past_its_barrier_when_verified_and_is_told_before_the_client),
        cmocka_unit_test(a_large_part_streams_up_to_its_barrier),
        cmocka_unit_test(a_replica_that_misses_a_part_is_dropped_with_it),
        cmocka_unit_test(a_part_that_too_few_took_is_none_any_more),
        cmocka_unit_test(a_part_that_nobody_took_changes_nothing),
        cmocka_unit_test(a_part_whose_upload_is_gone_is_no_success),
        cmocka_unit_test(replicas_that_are_pending_at_the_answer_are_told_later),
        cmocka_unit_test(each_replica_is_known_by_the_etag_it_gave),
        cmocka_unit_test(a_damaged_part_is_not_held),
        cmocka_unit_test(replicas_without_the_upload_are_not_asked),
        cmocka_unit_test(a_part_that_is_left_before_its_end_reaches_nobody),
        cmocka_unit_test(a_complete_waits_at_the_barrier_as_a_whole),
        cmocka_unit_test(one_that_comes_again_has_a_row_of_its_own),
        cmocka_unit_test(dropped_replicas_have_missed_a_complete_from_the_start),
        cmocka_unit_test(a_large_object_has_more_time_to_be_put_together),
        cmocka_unit_test(a_kept_part_is_sent_again_to_a_replica_that_fails_in_passing),
        cmocka_unit_test(a_kept_part_has_all_its_bytes_when_it_streams_again),
        cmocka_unit_test(one_that_fails_before_the_barrier_goes_past_it_when_it_is_begun_again),
        cmocka_unit_test(a_kept_part_is_sent_so_often_and_no_more),
        cmocka_unit_test(what_cannot_pass_is_not_sent_again),
        cmocka_unit_test(a_replica_that_waits_to_be_sent_it_again_is_given_up_like_a_slow_one),
        cmocka_unit_test(without_memory_a_kept_part_streams_and_is_not_sent_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Slow and broken replicas, a slow client, and an owner that leaves: who waits for whom, and for how long. */
#include "write_stage.h"

enum { FULL_RING = 2 * CHUNK_BYTES };

/* Gives the rest of a large body with these replicas taking all, and verifies it. */
static void finish_body(struct owner *o, uint64_t fed, uint32_t takers)
{
    while (fed < LARGE) {
        uint64_t n = feed(o, fed, LARGE - fed);

        assert_true(n > 0);
        fed += n;
        for (unsigned i = 0; i < REPLICAS; i++)
            if (takers >> i & 1)
                take(&o->s, i, UINT64_MAX);
    }
    verify(o);
}

static void a_replica_that_stalls_is_given_up_and_the_others_go_on(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    assert_int_equal(feed(&o, 0, LARGE), FULL_RING);
    take(&o.s, 0, UINT64_MAX);
    take(&o.s, 1, UINT64_MAX);
    assert_int_equal(feed(&o, FULL_RING, LARGE), 0); /* C keeps the ring full */
    assert_int_equal(o.drains, 0);
    pass(&o.s, 2 * DETACH_MS);
    assert_int_equal(o.s.replicas[2].abandons, 1);
    assert_int_equal(o.drains, 1);
    assert_false(replica_usable(&o.s.replicas[2].base));
    finish_body(&o, FULL_RING, A | B);
    stored(&o.s, 0);
    stored(&o.s, 1);
    assert_int_equal(o.s.journal.row.stored, A | B);
    assert_int_equal(o.s.journal.row.unresolved, 0); /* it never passed the barrier */
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.hints, 0); /* nobody to repair to, for now */
    owner_fini(&o);
}

static void a_replica_that_moves_but_keeps_the_ring_full_is_detached(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    feed(&o, 0, LARGE);
    take(&o.s, 0, UINT64_MAX);
    take(&o.s, 1, UINT64_MAX);
    for (uint64_t ms = 0; ms < 2 * DETACH_MS && o.drains == 0; ms += STEP_MS) {
        take(&o.s, 2, 10); /* it is alive: no stall */
        pass(&o.s, STEP_MS);
    }
    assert_int_equal(o.s.env.counters.detached, 1);
    assert_false(call_of(&o.s, 2)->under_way);
    finish_body(&o, FULL_RING, A | B);
    stored(&o.s, 0);
    stored(&o.s, 1);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

/* Looks for room at once, as the gateway does. */
static void look_on_drain(void *ctx)
{
    struct owner *o = ctx;
    struct iovec room;

    o->drains += write_room(o->w, &room) == ERR_OK;
}

static void a_slow_replica_is_detached_also_when_the_budget_and_not_the_ring_is_spent(void **state)
{
    static const struct write_events events = {.drain = look_on_drain, .verdict = on_verdict};
    struct chunk *others[3];
    struct write_spec spec;
    struct owner o;

    memset(&o, 0, sizeof(o));
    stage_init(&o.s, 4);
    spec = put_spec(&o, LARGE, 1, true);
    assert_int_equal(write_open(&o.w, &o.s.env, &spec, &events, &o), ERR_OK);
    begun_alone(&o.s);
    for (int i = 0; i < 3; i++) {
        others[i] = chunk_take(&o.s.budget);
        assert_non_null(others[i]);
    }
    assert_int_equal(feed(&o, 0, LARGE), CHUNK_BYTES); /* its ticket alone */
    take(&o.s, 0, UINT64_MAX);
    take(&o.s, 1, UINT64_MAX);
    for (uint64_t ms = 0; ms < 2 * DETACH_MS && o.drains == 0; ms += STEP_MS) {
        take(&o.s, 2, 10);
        pass(&o.s, STEP_MS);
    }
    assert_int_equal(o.drains, 1);
    assert_int_equal(o.s.env.counters.detached, 1);
    for (int i = 0; i < 3; i++)
        chunk_give(&o.s.budget, others[i]);
    finish_body(&o, CHUNK_BYTES, A | B);
    stored(&o.s, 0);
    stored(&o.s, 1);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_replica_that_trickles_after_the_bodys_end_does_not_hold_the_answer(void **state)
{
    struct owner o;
    uint64_t fed = 0;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    while (fed < LARGE) {
        fed += feed(&o, fed, LARGE - fed);
        take(&o.s, 0, UINT64_MAX);
        take(&o.s, 1, UINT64_MAX);
        if (fed < LARGE)
            take(&o.s, 2, UINT64_MAX);
    }
    verify(&o);
    stored(&o.s, 0);
    stored(&o.s, 1);
    for (uint64_t ms = 0; ms < 2 * DETACH_MS && !o.s.journal.write; ms += STEP_MS) {
        take(&o.s, 2, 1);
        pass(&o.s, STEP_MS);
    }
    assert_int_equal(o.s.journal.row.stored, A | B);
    assert_int_equal(o.s.journal.row.unresolved, C); /* its barrier was open */
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void an_answer_that_does_not_come_makes_it_unresolved(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, true);
    stored(&o.s, 0);
    stored(&o.s, 1);
    take(&o.s, 2, UINT64_MAX);
    pass(&o.s, 2 * STALL_MS);
    assert_int_equal(o.s.replicas[2].abandons, 1);
    assert_int_equal(o.s.journal.row.unresolved, C);
    assert_false(replica_usable(&o.s.replicas[2].base));
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_replica_the_policy_needs_gets_longer_and_not_for_ever(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 3, true);
    stored(&o.s, 0);
    stored(&o.s, 1);
    pass(&o.s, WRITE_MS - 1);
    assert_int_equal(under_way(&o.s), C);
    assert_int_equal(o.verdicts, 0);
    pass(&o.s, STALL_MS);
    assert_int_equal(o.s.replicas[2].abandons, 1);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

static void all_but_one_of_those_that_stall_together_can_be_spared(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, true);
    pass(&o.s, 2 * STALL_MS);
    assert_int_equal(o.s.env.counters.detached, 2);
    assert_int_equal(__builtin_popcount(under_way(&o.s)), 1);
    pass(&o.s, WRITE_MS);
    assert_int_equal(under_way(&o.s), 0);
    assert_int_equal(o.s.journal.row.unresolved, ALL);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

static void a_slow_client_is_no_replicas_fault(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    feed(&o, 0, 1000);
    for (unsigned i = 0; i < REPLICAS; i++)
        take(&o.s, i, UINT64_MAX);
    pass(&o.s, 100 * STALL_MS);
    assert_int_equal(under_way(&o.s), ALL);
    finish_body(&o, 1000, ALL);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

/* A replica may hold the end of a body back, so that not all its bytes are taken when all are there. */
static void a_slow_journal_is_no_replicas_fault(void **state)
{
    uint64_t fed = 0;
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    while (fed < LARGE) {
        fed += feed(&o, fed, LARGE - fed);
        for (unsigned i = 0; i < REPLICAS; i++)
            take(&o.s, i, LARGE - 1 - call_of(&o.s, i)->offset);
    }
    verify(&o);
    pass(&o.s, 100 * STALL_MS);
    assert_int_equal(under_way(&o.s), ALL);
    begun_alone(&o.s);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void a_full_ring_drains_when_its_slowest_reader_has_moved_on(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    assert_int_equal(feed(&o, 0, LARGE), FULL_RING);
    for (unsigned i = 0; i < REPLICAS; i++) {
        assert_int_equal(o.drains, 0);
        take(&o.s, i, CHUNK_BYTES);
    }
    assert_int_equal(o.drains, 1);
    finish_body(&o, FULL_RING, ALL);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    owner_fini(&o);
}

static void early_refusals_end_it_before_the_body_does(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    feed(&o, 0, 1000);
    for (unsigned i = 0; i < REPLICAS; i++)
        refused(&o.s, i);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.v.status, 403);
    assert_int_equal(o.s.env.writes_open, 1); /* the intent is still on its way */
    begun_alone(&o.s);
    assert_int_equal(o.s.journal.forgets, 1);
    owner_fini(&o);
}

static void replicas_that_cannot_start_end_it_on_the_next_turn(void **state)
{
    struct owner o;

    owner_init(&o);
    for (unsigned i = 0; i < REPLICAS; i++)
        o.s.replicas[i].start = ERR_NOMEM;
    open_put(&o, LARGE, 1, true);
    begun_alone(&o.s);
    feed(&o, 0, 1000);
    turn(&o.s);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.v.cause, ERR_NOMEM);
    owner_fini(&o);
}

static void one_that_cannot_start_is_missed(void **state)
{
    static const enum row_kind kinds[] = {ROW_PUT, ROW_DELETE};

    for (size_t i = 0; i < 2; i++) {
        struct write_spec spec;
        struct owner o;

        owner_init(&o);
        o.s.replicas[1].start = ERR_BUSY;
        spec = put_spec(&o, 0, 1, true);
        spec.kind = kinds[i];
        open_spec(&o, &spec);
        verify(&o);
        begun_alone(&o.s);
        stored(&o.s, 0);
        stored(&o.s, 2);
        assert_int_equal(o.s.journal.row.stored, A | C);
        written(&o.s, ERR_OK);
        assert_int_equal(o.v.result, ERR_OK);
        owner_fini(&o);
    }
}

static void a_backend_behind_an_open_breaker_is_missed_without_being_asked(void **state)
{
    struct owner o;

    owner_init(&o);
    health_stalled(&o.s.replicas[1].health);
    open_put(&o, SMALL, 2, true);
    give_body(&o, SMALL);
    begun_alone(&o.s);
    assert_int_equal(o.s.replicas[1].starts, 0);
    stored(&o.s, 0);
    stored(&o.s, 2);
    assert_int_equal(o.s.journal.row.stored, A | C);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.hints, 0);
    owner_fini(&o);
}

static void nothing_is_begun_without_enough_replicas_or_a_chunk(void **state)
{
    struct write_spec spec;
    struct owner o;

    owner_init(&o);
    health_stalled(&o.s.replicas[1].health);
    spec = put_spec(&o, SMALL, 3, true);
    assert_int_equal(try_spec(&o, &spec), ERR_UNAVAILABLE);
    assert_null(o.w);
    assert_null(o.s.journal.begin);
    owner_fini(&o);

    memset(&o, 0, sizeof(o));
    stage_init(&o.s, 0);
    spec = put_spec(&o, SMALL, 1, true);
    assert_int_equal(try_spec(&o, &spec), ERR_BUSY);
    assert_null(o.s.journal.begin);
    owner_fini(&o);
}

/* ---- the owner leaves ---- */

static void an_owner_that_leaves_before_the_end_leaves_nothing_behind(void **state)
{
    static const struct {
        const char *when;
        uint64_t fed;
        bool begun_before, begun_ok;
    } rows[] = {{"at once", 0, false, true},
                {"at once, and the journal fails", 0, false, false},
                {"in mid-body", 1000, false, true},
                {"in mid-body, begun", 1000, true, true},
                {"with a full ring", LARGE, true, true}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct owner o;

        owner_init(&o);
        open_put(&o, LARGE, 1, true);
        if (rows[i].begun_before)
            begun_alone(&o.s);
        if (rows[i].fed)
            feed(&o, 0, rows[i].fed);
        leave(&o);
        turn(&o.s);
        assert_int_equal(under_way(&o.s), 0);
        if (!rows[i].begun_before)
            begun(&o.s, rows[i].begun_ok ? ERR_OK : ERR_IO, NULL, 0);
        assert_int_equal(opened(&o.s), 0);
        assert_int_equal(o.verdicts, 0);
        assert_int_equal(o.s.journal.writes, 0);
        assert_int_equal(o.s.journal.forgets, 1);
        owner_fini(&o);
    }
}

static void an_owner_that_leaves_behind_a_hold_takes_the_look_at_it_along(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);

    for (int looking = 0; looking < 2; looking++) {
        struct owner o;

        owner_init(&o);
        open_put(&o, LARGE, 1, true);
        begun(&o.s, ERR_OK, &r1, 1);
        if (looking)
            pass(&o.s, STEP_MS);
        leave(&o);
        turn(&o.s);
        if (looking)
            rows_read(&o.s, ERR_OK, &r1, 1);
        assert_int_equal(o.s.env.writes_open, 0);
        owner_fini(&o);
    }
}

/* After verification the write goes on by itself, whatever step it is at. */
static void an_owner_that_leaves_after_the_end_misses_nothing_but_the_answer(void **state)
{
    for (int step = 0; step < 4; step++) {
        struct owner o;

        owner_init(&o);
        open_put(&o, SMALL, 1, true);
        give_body(&o, SMALL);
        if (step == 0)
            leave(&o);
        begun_alone(&o.s);
        if (step == 1)
            leave(&o);
        stored(&o.s, 0);
        stored(&o.s, 1);
        if (step == 2)
            leave(&o);
        refused(&o.s, 2);
        if (step == 3)
            leave(&o);
        turn(&o.s);
        assert_int_equal(o.s.journal.row.stored, A | B);
        assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
        written(&o.s, ERR_OK);
        assert_int_equal(o.verdicts, 0);
        assert_int_equal(o.s.hints, 1);
        owner_fini(&o);
    }
}

static void leave_on_drain(void *ctx)
{
    struct owner *o = ctx;

    o->drains++;
    leave(o);
}

static void an_owner_may_leave_from_inside_drain(void **state)
{
    static const struct write_events events = {.drain = leave_on_drain, .verdict = on_verdict};
    struct write_spec spec;
    struct owner o;

    owner_init(&o);
    spec = put_spec(&o, LARGE, 1, true);
    assert_int_equal(write_open(&o.w, &o.s.env, &spec, &events, &o), ERR_OK);
    begun_alone(&o.s);
    feed(&o, 0, LARGE);
    for (unsigned i = 0; i < REPLICAS; i++)
        take(&o.s, i, CHUNK_BYTES);
    assert_int_equal(o.drains, 1);
    assert_int_equal(under_way(&o.s), 0);
    turn(&o.s);
    assert_int_equal(o.s.journal.forgets, 1);
    owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_stalls_is_given_up_and_the_others_go_on),
        cmocka_unit_test(a_replica_that_moves_but_keeps_the_ring_full_is_detached),
        cmocka_unit_test(a_slow_replica_is_detached_also_when_the_budget_and_not_the_ring_is_spent),
        cmocka_unit_test(a_replica_that_trickles_after_the_bodys_end_does_not_hold_the_answer),
        cmocka_unit_test(an_answer_that_does_not_come_makes_it_unresolved),
        cmocka_unit_test(a_replica_the_policy_needs_gets_longer_and_not_for_ever),
        cmocka_unit_test(all_but_one_of_those_that_stall_together_can_be_spared),
        cmocka_unit_test(a_slow_client_is_no_replicas_fault),
        cmocka_unit_test(a_slow_journal_is_no_replicas_fault),
        cmocka_unit_test(a_full_ring_drains_when_its_slowest_reader_has_moved_on),
        cmocka_unit_test(early_refusals_end_it_before_the_body_does),
        cmocka_unit_test(replicas_that_cannot_start_end_it_on_the_next_turn),
        cmocka_unit_test(one_that_cannot_start_is_missed),
        cmocka_unit_test(a_backend_behind_an_open_breaker_is_missed_without_being_asked),
        cmocka_unit_test(nothing_is_begun_without_enough_replicas_or_a_chunk),
        cmocka_unit_test(an_owner_that_leaves_before_the_end_leaves_nothing_behind),
        cmocka_unit_test(an_owner_that_leaves_behind_a_hold_takes_the_look_at_it_along),
        cmocka_unit_test(an_owner_that_leaves_after_the_end_misses_nothing_but_the_answer),
        cmocka_unit_test(an_owner_may_leave_from_inside_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Holds and leases: what keeps a replica's barrier shut, for how long, and what becomes of the write meanwhile. */
#include "write_stage.h"

static void what_r1_shows_decides_which_replicas_are_held(void **state)
{
    static const struct {
        const char *what;
        uint8_t phase;
        bool orphan;
        uint64_t age_ms;
        uint32_t unresolved, held;
    } rows[] = {
        {"an open row holds nothing", ROW_OPEN, false, 0, 0, 0},
        {"an orphaned intent holds nothing", ROW_OPEN, true, 0, 0, 0},
        {"an outcome holds its pending and unresolved replicas", ROW_OUTCOME, false, 0, B | C, B | C},
        {"however old it is", ROW_OUTCOME, false, 100 * AMBIGUITY_MS, B, B},
        {"an orphaned outcome holds for a while", ROW_OUTCOME, true, AMBIGUITY_MS - 1, B, B},
        {"and then no more", ROW_OUTCOME, true, AMBIGUITY_MS, B, 0},
        {"a final row holds what is unresolved", ROW_FINAL, false, 0, A, A},
        {"until time has resolved it", ROW_FINAL, false, AMBIGUITY_MS, A, 0},
        {"a final row with nothing unresolved holds nothing", ROW_FINAL, false, 0, 0, 0},
        {"a merged row holds nothing", ROW_MERGED, false, 0, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row r = row_with(1, rows[i].phase, A, rows[i].unresolved, rows[i].age_ms);
        struct owner o;

        r.orphan = rows[i].orphan;
        owner_init(&o);
        open_put(&o, SMALL, 1, true);
        give_body(&o, SMALL);
        begun(&o.s, ERR_OK, &r, 1);
        if (opened(&o.s) != (ALL & ~rows[i].held))
            fail_msg("%s", rows[i].what);
        assert_int_equal(o.s.env.counters.held, rows[i].held != 0);
        if (rows[i].held) { /* the next look shows it resolved */
            pass(&o.s, STEP_MS);
            rows_read(&o.s, ERR_OK, NULL, 0);
        }
        assert_int_equal(opened(&o.s), ALL);
        for (unsigned k = 0; k < REPLICAS; k++)
            stored(&o.s, k);
        assert_int_equal(o.v.result, ERR_OK);
        owner_fini(&o);
    }
}

static void a_claim_holds_its_targets_until_it_is_released_or_over(void **state)
{
    static const struct {
        const char *what;
        bool claimed; /* at the next look */
        uint64_t id, age_ms;
        uint32_t targets, held;
    } rows[] = {
        {"released", false, 0, 0, 0, 0},
        {"still there", true, 7, 100, B, B},
        {"its lease is over, its requests may not be", true, 7, LEASE_MS + AMBIGUITY_MS - 1, B, B},
        {"over for good", true, 7, LEASE_MS + AMBIGUITY_MS, B, 0},
        {"another one: it will have seen this write's row", true, 8, 0, B, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct claim first = {.id = 7, .targets = B, .lease_ms = LEASE_MS};
        const struct claim now = {
            .id = rows[i].id, .targets = rows[i].targets, .lease_ms = LEASE_MS, .age_ms = rows[i].age_ms};
        struct owner o;

        owner_init(&o);
        open_put(&o, SMALL, 1, true);
        give_body(&o, SMALL);
        begun_under_claim(&o.s, &first);
        assert_int_equal(opened(&o.s), A | C);
        pass(&o.s, STEP_MS);
        rows_read_under_claim(&o.s, ERR_OK, NULL, 0, rows[i].claimed ? &now : NULL);
        if (opened(&o.s) != (ALL & ~rows[i].held))
            fail_msg("%s", rows[i].what);
        if (rows[i].held) {
            pass(&o.s, 2 * STEP_MS);
            rows_read(&o.s, ERR_OK, NULL, 0);
        }
        for (unsigned k = 0; k < REPLICAS; k++)
            stored(&o.s, k);
        owner_fini(&o);
    }
}

static void a_row_that_came_after_r1_holds_nothing(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0), later[] = {r1, row_with(2, ROW_OUTCOME, A, B | C, 0)};
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, &r1, 1);
    assert_int_equal(opened(&o.s), A | C);
    pass(&o.s, STEP_MS);
    rows_read(&o.s, ERR_OK, later, 2);
    assert_int_equal(opened(&o.s), A | C); /* r1 still holds B */
    pass(&o.s, 2 * STEP_MS);
    rows_read(&o.s, ERR_OK, later + 1, 1);
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned k = 0; k < REPLICAS; k++)
        stored(&o.s, k);
    owner_fini(&o);
}

static void a_look_that_fails_leaves_the_hold_and_looks_again(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, &r1, 1);
    for (unsigned looks = 1; looks < 4; looks++) {
        pass(&o.s, 200);
        assert_int_equal(o.s.journal.reads, looks);
        rows_read(&o.s, looks < 3 ? ERR_IO : ERR_OK, NULL, 0);
    }
    assert_int_equal(opened(&o.s), ALL);
    for (unsigned k = 0; k < REPLICAS; k++)
        stored(&o.s, k);
    owner_fini(&o);
}

static void a_held_replica_streams_up_to_the_barrier_and_alone_waits(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);
    uint64_t fed = 0;
    struct owner o;

    owner_init(&o);
    open_put(&o, LARGE, 1, true);
    begun(&o.s, ERR_OK, &r1, 1);
    while (fed < LARGE) {
        fed += feed(&o, fed, LARGE - fed);
        for (unsigned i = 0; i < REPLICAS; i++)
            take(&o.s, i, UINT64_MAX);
    }
    verify(&o);
    assert_int_equal(opened(&o.s), A | C);
    assert_int_equal(call_of(&o.s, 1)->offset, LARGE);
    stored(&o.s, 0);
    stored(&o.s, 2);
    assert_int_equal(o.verdicts, 0);
    pass(&o.s, STEP_MS);
    rows_read(&o.s, ERR_OK, NULL, 0);
    stored(&o.s, 1);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.s.journal.writes, 0);
    owner_fini(&o);
}

static void a_hold_that_lasts_makes_its_replica_missed_and_blames_nobody(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, &r1, 1);
    stored(&o.s, 0);
    stored(&o.s, 2);
    for (uint64_t ms = 0; ms < 2 * STALL_MS && !o.s.journal.write; ms += STEP_MS) {
        pass(&o.s, STEP_MS);
        if (o.s.journal.read)
            rows_read(&o.s, ERR_OK, &r1, 1);
    }
    assert_int_equal(o.s.replicas[1].starts, 0);
    assert_int_equal(o.s.journal.row.stored, A | C);
    assert_int_equal(o.s.journal.row.unresolved, 0);
    assert_true(replica_usable(&o.s.replicas[1].base));
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void the_write_ends_while_a_look_at_the_holds_is_under_way(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, false);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, &r1, 1);
    stored(&o.s, 0);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    refused(&o.s, 2);
    for (uint64_t ms = 0; ms < 3 * STALL_MS && o.s.env.counters.detached == 0; ms += STEP_MS) {
        if (o.s.journal.read && ms < STALL_MS / 2)
            rows_read(&o.s, ERR_OK, &r1, 1);
        pass(&o.s, STEP_MS);
    }
    assert_int_equal(o.s.env.counters.detached, 1);
    assert_non_null(o.s.journal.read); /* it is still out: nothing ends before it is back */
    assert_null(o.s.journal.write);
    rows_read(&o.s, ERR_OK, &r1, 1);
    assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
    assert_int_equal(o.s.journal.row.stored, A);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void without_a_valid_lease_no_barrier_opens(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    o.s.journal.lease = false;
    begun_alone(&o.s);
    assert_int_equal(o.s.replicas[0].starts, 0);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.s.journal.writes, 0);
    assert_int_equal(o.s.journal.forgets, 1);
    owner_fini(&o);
}

static void a_lease_lost_before_the_answer_is_no_success(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, true);
    stored(&o.s, 0);
    stored(&o.s, 1);
    refused(&o.s, 2);
    o.s.journal.lease = false;
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

static void a_lease_lost_while_a_replica_is_held_keeps_its_barrier_shut(void **state)
{
    struct row r1 = row_with(1, ROW_OUTCOME, A, B, 0);
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, &r1, 1);
    stored(&o.s, 0);
    stored(&o.s, 2);
    o.s.journal.lease = false;
    for (uint64_t ms = 0; ms < 2 * STALL_MS && !o.s.journal.write; ms += STEP_MS) {
        pass(&o.s, STEP_MS);
        if (o.s.journal.read)
            rows_read(&o.s, ERR_OK, NULL, 0); /* released, but too late for this gateway */
    }
    assert_int_equal(o.s.replicas[1].starts, 0);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_r1_shows_decides_which_replicas_are_held),
        cmocka_unit_test(a_claim_holds_its_targets_until_it_is_released_or_over),
        cmocka_unit_test(a_row_that_came_after_r1_holds_nothing),
        cmocka_unit_test(a_look_that_fails_leaves_the_hold_and_looks_again),
        cmocka_unit_test(a_held_replica_streams_up_to_the_barrier_and_alone_waits),
        cmocka_unit_test(a_hold_that_lasts_makes_its_replica_missed_and_blames_nobody),
        cmocka_unit_test(the_write_ends_while_a_look_at_the_holds_is_under_way),
        cmocka_unit_test(without_a_valid_lease_no_barrier_opens),
        cmocka_unit_test(a_lease_lost_before_the_answer_is_no_success),
        cmocka_unit_test(a_lease_lost_while_a_replica_is_held_keeps_its_barrier_shut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

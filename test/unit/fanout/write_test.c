/* A write, step by step (docs/protocol.md, client write): the barrier, the verdict, D2, settling, superseding. */
#include "write_stage.h"

static void a_small_body_leaves_only_when_intent_and_verification_are_there(void **state)
{
    for (int journal_first = 0; journal_first < 2; journal_first++) {
        struct owner o;

        owner_init(&o);
        open_put(&o, SMALL, 1, true);
        assert_non_null(o.s.journal.begin);
        assert_int_equal(feed(&o, 0, SMALL), SMALL);
        if (journal_first)
            begun_alone(&o.s);
        else
            verify(&o);
        turn(&o.s);
        assert_int_equal(under_way(&o.s), 0);
        if (journal_first)
            verify(&o);
        else
            begun_alone(&o.s);
        assert_int_equal(opened(&o.s), ALL);
        for (unsigned i = 0; i < REPLICAS; i++)
            stored(&o.s, i);
        assert_int_equal(o.v.result, ERR_OK);
        owner_fini(&o);
    }
}

static void a_large_body_streams_at_once_and_waits_at_the_barrier(void **state)
{
    for (int journal_first = 0; journal_first < 2; journal_first++) {
        uint64_t fed = 0;
        struct owner o;

        owner_init(&o);
        open_put(&o, LARGE, 1, true);
        if (journal_first)
            begun_alone(&o.s);
        while (fed < LARGE) {
            fed += feed(&o, fed, LARGE - fed);
            assert_int_equal(under_way(&o.s), ALL);
            for (unsigned i = 0; i < REPLICAS; i++)
                take(&o.s, i, UINT64_MAX);
        }
        assert_int_equal(opened(&o.s), 0);
        verify(&o);
        assert_int_equal(opened(&o.s), journal_first ? ALL : 0);
        if (!journal_first)
            begun_alone(&o.s);
        assert_int_equal(opened(&o.s), ALL);
        for (unsigned i = 0; i < REPLICAS; i++)
            stored(&o.s, i);
        assert_int_equal(o.v.result, ERR_OK);
        owner_fini(&o);
    }
}

static void every_replica_gets_the_same_stamp_headers_and_declared_hash(void **state)
{
    struct write_spec spec;
    struct owner o;
    struct stamp stamp;

    owner_init(&o);
    spec = put_spec(&o, SMALL, 1, true);
    spec.has_sha256 = true;
    memset(spec.sha256, 0x5a, sizeof(spec.sha256));
    open_spec(&o, &spec);
    stamp = o.s.journal.begin->stamp;
    assert_int_equal(stamp_version(&stamp), o.s.journal.begin->version);
    give_body(&o, SMALL);
    begun_alone(&o.s);
    for (unsigned i = 0; i < REPLICAS; i++) {
        const struct replica_put *p = &call_of(&o.s, i)->put;

        assert_true(span_is(p->key, "the/key"));
        assert_true(p->stamped);
        assert_true(stamp_eq(&p->stamp, &stamp));
        assert_int_equal(p->body_bytes, SMALL);
        assert_int_equal(p->header_count, 1);
        assert_true(span_is(p->headers[0].value, "text/plain"));
        assert_true(p->has_sha256);
        assert_memory_equal(p->sha256, spec.sha256, sizeof(spec.sha256));
        stored(&o.s, i);
    }
    owner_fini(&o);
}

static void a_delete_waits_at_the_barrier_as_a_whole(void **state)
{
    struct write_spec spec;
    struct owner o;

    owner_init(&o);
    spec = put_spec(&o, 0, 1, true);
    spec.kind = ROW_DELETE;
    open_spec(&o, &spec);
    assert_int_equal(o.s.journal.begin->row_kind, ROW_DELETE);
    verify(&o);
    turn(&o.s);
    assert_int_equal(under_way(&o.s), 0);
    begun_alone(&o.s);
    assert_int_equal(under_way(&o.s), ALL);
    assert_int_equal(call_of(&o.s, 0)->ask, ASK_DELETE);
    stored(&o.s, 0);
    stored(&o.s, 1);
    broken(&o.s, 2);
    assert_int_equal(o.s.journal.row.kind, ROW_DELETE);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void an_empty_object_is_written_too(void **state)
{
    struct owner o;

    owner_init(&o);
    open_put(&o, 0, 1, true);
    verify(&o);
    begun_alone(&o.s);
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void stored_on_all_answers_without_a_journal_write_and_forgets_the_row(void **state)
{
    struct owner o;
    struct stamp own;

    owner_init(&o);
    put_past_barrier(&o, 3, true);
    own = call_of(&o.s, 0)->put.stamp;
    for (unsigned i = 0; i < REPLICAS; i++) {
        assert_int_equal(o.verdicts, 0);
        stored(&o.s, i);
    }
    assert_int_equal(o.verdicts, 1);
    assert_int_equal(o.v.result, ERR_OK);
    assert_string_equal(o.v.etag, MD5_ONE);
    for (unsigned i = 0; i < REPLICAS; i++)
        assert_int_equal(o.v.marks[i], WRITE_STORED);
    assert_int_equal(o.s.journal.writes, 0);
    assert_int_equal(o.s.journal.reads, 0);
    assert_int_equal(o.s.journal.forgotten_count, 1);
    assert_true(stamp_eq(&o.s.journal.forgotten[0], &own));
    assert_int_equal(o.s.hints, 0);
    owner_fini(&o);
}

/* Every outcome of three replicas with every need: what is journaled before the answer, and the answer. */
static void what_was_missed_is_durable_before_the_client_hears(void **state)
{
    for (uint32_t n = 0; n < 27; n++)
        for (uint32_t need = 1; need <= REPLICAS; need++) {
            uint32_t is_stored = 0, is_unresolved = 0, left = n;
            bool met;
            struct owner o;

            owner_init(&o);
            put_past_barrier(&o, need, true);
            for (unsigned i = 0; i < REPLICAS; i++, left /= 3) {
                is_stored |= left % 3 == 0 ? 1u << i : 0;
                is_unresolved |= left % 3 == 1 ? 1u << i : 0;
            }
            met = (uint32_t)__builtin_popcount(is_stored) >= need;
            for (unsigned i = 0; i < REPLICAS; i++) { /* the good ones first: then no answer comes early */
                if (is_stored >> i & 1)
                    stored(&o.s, i);
            }
            for (unsigned i = 0; i < REPLICAS; i++) {
                if (is_unresolved >> i & 1)
                    broken(&o.s, i);
                else if (!(is_stored >> i & 1))
                    refused(&o.s, i);
            }
            /* With a need above one a failure is certain, and journaled, before the last has refused. */
            if (is_stored == ALL || (need == 1 && !(is_stored | is_unresolved))) {
                assert_int_equal(o.s.journal.writes, 0);
                assert_int_equal(o.s.journal.forgets, 1);
            } else {
                assert_int_equal(o.verdicts, 0);
                assert_int_equal(o.s.journal.writes, 1);
                assert_int_equal(o.s.journal.row.stored, o.s.journal.row.stored & is_stored);
                written(&o.s, ERR_OK);
            }
            assert_int_equal(o.verdicts, 1);
            assert_int_equal(o.v.result, met ? ERR_OK : ERR_UNAVAILABLE);
            if (o.s.journal.write) /* decided early, with some pending: the final row follows */
                written(&o.s, ERR_OK);
            if (o.s.journal.writes) {
                assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
                assert_int_equal(o.s.journal.row.stored, is_stored);
                assert_int_equal(o.s.journal.row.unresolved, is_unresolved);
                assert_int_equal(o.s.hints, 1);
            }
            owner_fini(&o);
        }
}

static void an_answer_with_something_missed_tells_who_has_it(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, true);
    stored(&o.s, 0);
    refused(&o.s, 1);
    broken(&o.s, 2);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.v.marks[0], WRITE_STORED);
    assert_int_equal(o.v.marks[1], WRITE_HINTED);
    assert_int_equal(o.v.marks[2], WRITE_HINTED);
    owner_fini(&o);
}

static void a_failure_tells_the_answer_that_explains_it(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 3, true);
    stored(&o.s, 0);
    broken(&o.s, 1);
    refused(&o.s, 2);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    if (o.s.journal.write)
        written(&o.s, ERR_OK);
    owner_fini(&o);

    owner_init(&o);
    put_past_barrier(&o, 1, true);
    for (unsigned i = 0; i < REPLICAS; i++)
        refused(&o.s, i);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.v.status, 403);
    assert_string_equal(o.v.code, "AccessDenied");
    owner_fini(&o);
}

static void without_a_durable_outcome_there_is_no_success_and_the_row_is_tried_until_it_is_final(void **state)
{
    static const enum err ends[] = {ERR_OK, ERR_NOT_FOUND};

    for (size_t i = 0; i < 2; i++) {
        struct owner o;

        owner_init(&o);
        put_past_barrier(&o, 1, true);
        stored(&o.s, 0);
        stored(&o.s, 1);
        refused(&o.s, 2);
        written(&o.s, ERR_IO);
        assert_int_equal(o.v.result, ERR_UNAVAILABLE);
        assert_int_equal(o.v.cause, ERR_IO);
        for (unsigned tries = 2; tries < 8; tries++) {
            pass(&o.s, 5000);
            assert_int_equal(o.s.journal.writes, tries);
            assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
            assert_int_equal(o.s.journal.row.stored, A | B);
            assert_int_equal(o.s.env.writes_open, 1);
            written(&o.s, tries < 7 ? ERR_FULL : ends[i]);
        }
        owner_fini(&o);
    }
}

static void a_journal_that_fails_before_the_barrier_leaves_nothing_anywhere(void **state)
{
    static const uint64_t sizes[] = {SMALL, LARGE};

    for (size_t i = 0; i < 2; i++)
        for (int verified = 0; verified < 2; verified++) {
            uint64_t fed = 0;
            struct owner o;

            owner_init(&o);
            open_put(&o, sizes[i], 1, true);
            do {
                fed += feed(&o, fed, sizes[i] - fed);
                for (unsigned r = 0; r < REPLICAS; r++)
                    if (call_of(&o.s, r)->under_way)
                        take(&o.s, r, UINT64_MAX);
            } while (verified && fed < sizes[i]);
            if (verified)
                verify(&o);
            turn(&o.s);
            begun(&o.s, ERR_FULL, NULL, 0);
            assert_int_equal(o.v.result, ERR_UNAVAILABLE);
            assert_int_equal(o.v.cause, ERR_FULL);
            assert_int_equal(opened(&o.s), 0);
            assert_int_equal(under_way(&o.s), 0);
            assert_int_equal(o.s.journal.writes, 0);
            assert_int_equal(o.s.journal.forgets, 1);
            owner_fini(&o);
        }
}

static void the_row_is_written_with_the_version_it_was_lifted_to(void **state)
{
    struct owner o;
    uint64_t lifted;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    lifted = o.s.journal.begin->version + 1000000;
    o.s.journal.begin->version = lifted;
    begun_alone(&o.s);
    assert_true(hlc_next(&o.s.hlc, 0) > lifted);
    stored(&o.s, 0);
    stored(&o.s, 1);
    refused(&o.s, 2);
    assert_int_equal(o.s.journal.row.version, lifted);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

/* wait: need */
static void waiting_for_need_answers_early_and_the_late_ones_settle_it(void **state)
{
    static const struct {
        bool b_stores, c_stores;
    } rows[] = {{true, true}, {true, false}, {false, true}, {false, false}};

    for (size_t i = 0; i < 4; i++) {
        uint32_t final = A | (rows[i].b_stores ? B : 0) | (rows[i].c_stores ? C : 0);
        struct owner o;

        owner_init(&o);
        put_past_barrier(&o, 1, false);
        stored(&o.s, 0);
        assert_int_equal(o.verdicts, 0);
        assert_int_equal(o.s.journal.row.phase, ROW_OUTCOME);
        assert_int_equal(o.s.journal.row.stored, A);
        assert_int_equal(o.s.journal.row.unresolved, B | C);
        written(&o.s, ERR_OK);
        assert_int_equal(o.v.result, ERR_OK);
        assert_int_equal(o.v.marks[0], WRITE_STORED);
        assert_int_equal(o.v.marks[1], WRITE_PENDING);
        assert_int_equal(under_way(&o.s), B | C);
        rows[i].b_stores ? stored(&o.s, 1) : refused(&o.s, 1);
        rows[i].c_stores ? stored(&o.s, 2) : broken(&o.s, 2);
        if (final == ALL) {
            assert_int_equal(o.s.journal.forgets, 1);
        } else {
            assert_int_equal(o.s.journal.writes, 2);
            assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
            assert_int_equal(o.s.journal.row.stored, final);
            assert_int_equal(o.s.journal.row.unresolved, rows[i].c_stores ? 0 : C);
            written(&o.s, ERR_OK);
            assert_int_equal(o.s.hints, 1);
        }
        owner_fini(&o);
    }
}

static void a_replica_that_answers_while_the_outcome_is_journaled_is_not_lost(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, false);
    stored(&o.s, 0);
    assert_non_null(o.s.journal.write);
    stored(&o.s, 1);
    refused(&o.s, 2);
    assert_int_equal(o.verdicts, 0);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    assert_int_equal(o.v.marks[1], WRITE_STORED);
    assert_int_equal(o.s.journal.writes, 2);
    assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
    assert_int_equal(o.s.journal.row.stored, A | B);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

static void waiting_for_need_fails_as_soon_as_it_cannot_be_met(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 2, false);
    refused(&o.s, 0);
    refused(&o.s, 1);
    assert_int_equal(o.s.journal.row.phase, ROW_OUTCOME);
    assert_int_equal(o.s.journal.row.unresolved, C);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    stored(&o.s, 2);
    assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
    assert_int_equal(o.s.journal.row.stored, C);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

/* Step 6: stored on all, and yet perhaps not alone. */
static void another_writer_seen_at_r2_makes_the_row_final(void **state)
{
    static const struct {
        const char *what;
        enum err e;
        bool row, claim, forgotten;
    } rows[] = {{"nobody after all", ERR_OK, false, false, true},
                {"another row", ERR_OK, true, false, false},
                {"a repair's claim", ERR_OK, false, true, false},
                {"the journal did not say", ERR_IO, false, false, false}};

    for (size_t i = 0; i < 4; i++) {
        const struct claim claim = {.id = 7, .lease_ms = LEASE_MS};
        struct row both[2] = {row_with(200, ROW_OPEN, 0, 0, 0), row_with(0, ROW_OPEN, 0, 0, 0)};
        struct owner o;

        owner_init(&o);
        put_past_barrier(&o, 1, true);
        both[1].stamp = call_of(&o.s, 0)->put.stamp; /* its own is there as well */
        o.s.journal.other_row = true;
        for (unsigned r = 0; r < REPLICAS; r++)
            stored(&o.s, r);
        assert_int_equal(o.v.result, ERR_OK); /* the client does not wait for it */
        rows_read_under_claim(&o.s, rows[i].e, rows[i].row ? both : both + 1, rows[i].row ? 2 : 1,
                              rows[i].claim ? &claim : NULL);
        if (rows[i].forgotten) {
            assert_int_equal(o.s.journal.forgets, 1);
        } else {
            assert_int_equal(o.s.journal.forgets, 0);
            assert_int_equal(o.s.journal.row.phase, ROW_FINAL);
            assert_int_equal(o.s.journal.row.stored, ALL);
            written(&o.s, ERR_OK);
            assert_int_equal(o.s.hints, 1);
        }
        owner_fini(&o);
    }
}

/* Step 7: F, by what R1 showed. */
static size_t rows_before(struct row out[6])
{
    out[0] = row_with(1, ROW_FINAL, A, 0, 0);
    out[1] = row_with(2, ROW_MERGED, A | B, 0, 0);
    out[2] = row_with(3, ROW_FINAL, A, B, AMBIGUITY_MS);     /* resolved by time */
    out[3] = row_with(4, ROW_FINAL, A, B, AMBIGUITY_MS - 1); /* not yet: never in F */
    out[4] = row_with(5, ROW_OPEN, 0, 0, 0);                 /* never in F */
    out[5] = row_with(6, ROW_OPEN, 0, 0, AMBIGUITY_MS);      /* never in F */
    out[5].orphan = true;
    return 6;
}

static void assert_f(const struct stamp *stamps, size_t count)
{
    assert_int_equal(count, 3);
    for (uint8_t i = 0; i < 3; i++)
        assert_int_equal(stamps[i].b[0], i + 1);
}

static void an_outcome_with_a_stored_set_removes_the_settled_rows_before_it(void **state)
{
    struct row before[6];
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    begun(&o.s, ERR_OK, before, rows_before(before));
    assert_int_equal(opened(&o.s), A | C); /* the fourth row holds B */
    stored(&o.s, 0);
    refused(&o.s, 2);
    pass(&o.s, HEALTH_FAILURES_TO_OPEN); /* no time at all for the hold */
    assert_int_equal(o.s.journal.writes, 0);
    pass(&o.s, STEP_MS);
    rows_read(&o.s, ERR_OK, before, 3);
    broken(&o.s, 1);
    assert_f(o.s.journal.removed, o.s.journal.removed_count);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_OK);
    owner_fini(&o);
}

static void an_outcome_that_nobody_stored_removes_nothing(void **state)
{
    struct row before[6];
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    rows_before(before);
    begun(&o.s, ERR_OK, before, 3);
    for (unsigned i = 0; i < REPLICAS; i++)
        broken(&o.s, i);
    if (o.s.journal.write && o.s.journal.row.phase == ROW_OUTCOME)
        assert_int_equal(o.s.journal.removed_count, 0);
    assert_int_equal(o.s.journal.row.stored, 0);
    assert_int_equal(o.s.journal.removed_count, 0);
    written(&o.s, ERR_OK);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    owner_fini(&o);
}

static void missed_everywhere_forgets_its_own_row_alone(void **state)
{
    struct row before[6];
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    rows_before(before);
    begun(&o.s, ERR_OK, before, 3);
    for (unsigned i = 0; i < REPLICAS; i++)
        refused(&o.s, i);
    assert_int_equal(o.v.result, ERR_UNAVAILABLE);
    assert_int_equal(o.s.journal.writes, 0);
    assert_int_equal(o.s.journal.forgotten_count, 1);
    assert_true(stamp_eq(&o.s.journal.forgotten[0], &call_of(&o.s, 0)->put.stamp));
    owner_fini(&o);
}

static void manifests_of_older_objects_go_when_the_key_is_known_to_show_another(void **state)
{
    static const struct {
        bool manifest;
        unsigned refuse; /* so many of the three */
        unsigned drops;
    } cases[] = {{false, 0, 0}, {true, 0, 1}, {true, 1, 0}, {true, 3, 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct owner o;

        owner_init(&o);
        o.s.journal.manifest = cases[i].manifest;
        put_past_barrier(&o, 1, true);
        for (unsigned slot = 0; slot < REPLICAS; slot++)
            if (slot < cases[i].refuse)
                refused(&o.s, slot);
            else
                stored(&o.s, slot);
        assert_int_equal(o.s.journal.manifest_drops, cases[i].drops);
        if (cases[i].drops) {
            assert_int_equal(o.s.journal.dropped_before, o.v.version);
            assert_true(stamp_eq(&o.s.journal.kept, &call_of(&o.s, 0)->put.stamp));
        }
        if (o.s.journal.write)
            written(&o.s, ERR_OK);
        owner_fini(&o);
    }
}

static void stored_on_all_takes_the_settled_rows_along_and_they_are_no_other_rows(void **state)
{
    struct row before[6];
    struct owner o;

    owner_init(&o);
    open_put(&o, SMALL, 1, true);
    give_body(&o, SMALL);
    rows_before(before);
    begun(&o.s, ERR_OK, before, 3);
    o.s.journal.other_row = true;
    for (unsigned i = 0; i < REPLICAS; i++)
        stored(&o.s, i);
    rows_read(&o.s, ERR_OK, before, 3);
    assert_int_equal(o.s.journal.writes, 0);
    assert_true(stamp_eq(&o.s.journal.forgotten[0], &call_of(&o.s, 0)->put.stamp));
    assert_f(o.s.journal.forgotten + 1, o.s.journal.forgotten_count - 1);
    owner_fini(&o);
}

/* ---- ETags ---- */

static void a_copy_with_another_md5_is_damaged_and_does_not_count(void **state)
{
    static const struct {
        const char *what;
        const char *etags[REPLICAS];
        bool declared; /* MD5_ONE, by the client */
        uint32_t need, stored, unresolved;
        bool met;
        const char *shown;
    } rows[] = {
        {"the majority is right", {MD5_TWO, MD5_ONE, MD5_ONE}, false, 1, B | C, A, true, MD5_ONE},
        {"the majority is right and not enough",
         {MD5_TWO, MD5_ONE, MD5_ONE},
         false,
         3,
         B | C,
         A,
         false,
         MD5_ONE},
        {"what the client declared is right", {MD5_TWO, MD5_TWO, MD5_ONE}, true, 1, C, A | B, true, MD5_ONE},
        {"nobody has what was declared", {MD5_TWO, MD5_TWO, MD5_TWO}, true, 1, 0, ALL, false, MD5_ONE},
        {"an ETag of another kind says nothing",
         {MD5_ONE, "\"opaque\"", ""},
         false,
         3,
         ALL,
         0,
         true,
         MD5_ONE},
        {"upper case is the same",
         {MD5_ONE, "\"900150983CD24FB0D6963F7D28E17F72\"", MD5_ONE},
         false,
         3,
         ALL,
         0,
         true,
         MD5_ONE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct write_spec spec;
        struct owner o;

        owner_init(&o);
        spec = put_spec(&o, SMALL, rows[i].need, true);
        spec.has_md5 = rows[i].declared;
        assert_true(hex_decode(span_head(span_skip(SPAN(MD5_ONE), 1), 32), spec.md5, MD5_BYTES));
        open_spec(&o, &spec);
        give_body(&o, SMALL);
        begun_alone(&o.s);
        for (unsigned r = 0; r < REPLICAS; r++)
            stored_with(&o.s, r, rows[i].etags[r]);
        if (rows[i].unresolved) {
            assert_int_equal(o.verdicts, 0);
            assert_int_equal(o.s.journal.row.stored, rows[i].stored);
            assert_int_equal(o.s.journal.row.unresolved, rows[i].unresolved);
            written(&o.s, ERR_OK);
        }
        if (o.v.result != (rows[i].met ? ERR_OK : ERR_UNAVAILABLE) || strcmp(o.v.etag, rows[i].shown) != 0)
            fail_msg("%s", rows[i].what);
        assert_int_equal(o.s.env.counters.etag_differs, __builtin_popcount(rows[i].unresolved));
        owner_fini(&o);
    }
}

static void a_damaged_copy_is_not_journaled_as_stored_when_the_write_fails_either(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 3, true);
    stored_with(&o.s, 0, MD5_ONE);
    stored_with(&o.s, 1, MD5_TWO);
    refused(&o.s, 2);
    assert_int_equal(o.s.journal.row.stored, A);
    assert_int_equal(o.s.journal.row.unresolved, B);
    written(&o.s, ERR_OK);
    assert_int_equal(o.s.journal.writes, 1);
    owner_fini(&o);
}

static void a_late_copy_is_held_against_the_etag_the_client_was_given(void **state)
{
    struct owner o;

    owner_init(&o);
    put_past_barrier(&o, 1, false);
    stored_with(&o.s, 0, MD5_ONE);
    written(&o.s, ERR_OK);
    assert_string_equal(o.v.etag, MD5_ONE);
    stored_with(&o.s, 1, MD5_TWO);
    stored_with(&o.s, 2, MD5_TWO);
    assert_int_equal(o.s.journal.row.stored, A);
    assert_int_equal(o.s.journal.row.unresolved, B | C);
    written(&o.s, ERR_OK);
    owner_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_body_leaves_only_when_intent_and_verification_are_there),
        cmocka_unit_test(a_large_body_streams_at_once_and_waits_at_the_barrier),
        cmocka_unit_test(every_replica_gets_the_same_stamp_headers_and_declared_hash),
        cmocka_unit_test(a_delete_waits_at_the_barrier_as_a_whole),
        cmocka_unit_test(an_empty_object_is_written_too),
        cmocka_unit_test(stored_on_all_answers_without_a_journal_write_and_forgets_the_row),
        cmocka_unit_test(what_was_missed_is_durable_before_the_client_hears),
        cmocka_unit_test(an_answer_with_something_missed_tells_who_has_it),
        cmocka_unit_test(a_failure_tells_the_answer_that_explains_it),
        cmocka_unit_test(
            without_a_durable_outcome_there_is_no_success_and_the_row_is_tried_until_it_is_final),
        cmocka_unit_test(a_journal_that_fails_before_the_barrier_leaves_nothing_anywhere),
        cmocka_unit_test(the_row_is_written_with_the_version_it_was_lifted_to),
        cmocka_unit_test(waiting_for_need_answers_early_and_the_late_ones_settle_it),
        cmocka_unit_test(a_replica_that_answers_while_the_outcome_is_journaled_is_not_lost),
        cmocka_unit_test(waiting_for_need_fails_as_soon_as_it_cannot_be_met),
        cmocka_unit_test(another_writer_seen_at_r2_makes_the_row_final),
        cmocka_unit_test(an_outcome_with_a_stored_set_removes_the_settled_rows_before_it),
        cmocka_unit_test(an_outcome_that_nobody_stored_removes_nothing),
        cmocka_unit_test(missed_everywhere_forgets_its_own_row_alone),
        cmocka_unit_test(manifests_of_older_objects_go_when_the_key_is_known_to_show_another),
        cmocka_unit_test(stored_on_all_takes_the_settled_rows_along_and_they_are_no_other_rows),
        cmocka_unit_test(a_copy_with_another_md5_is_damaged_and_does_not_count),
        cmocka_unit_test(a_damaged_copy_is_not_journaled_as_stored_when_the_write_fails_either),
        cmocka_unit_test(a_late_copy_is_held_against_the_etag_the_client_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

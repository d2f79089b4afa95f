/* The walk over the list of keys: what it makes of the end of each job, and when it comes again. One key, which B missed;
 * journal and replicas answer by hand (test/unit/fanout/stage.h). */
#include "fanout/stage.h"

#include "repair/repair.h"

enum { BACKOFF_MS = 100, INTERVAL_MS = 1000000, ATTEMPTS = 3, WALKS = 12 };

struct yard {
    struct stage s;
    struct repair *repair;
    struct repair_options options;
    struct journal_scan *scan;
    struct journal_attempt last;
    char reason[160];
    unsigned attempts, stopped;
    struct replica_call heads[REPLICAS];
    struct replica_head_events head_events[REPLICAS];
};

static struct yard *y;

static void ask_scan(struct journal *j, struct journal_scan *r)
{
    assert_null(y->scan);
    y->scan = r;
}

static void note_attempt(struct journal *j, const struct journal_attempt *a)
{
    y->last = *a;
    y->attempts++;
    snprintf(y->reason, sizeof(y->reason), "%.*s", SPAN_ARG(a->reason));
}

static enum err ask_head(struct replica *r, struct replica_call **out, struct span key,
                         const struct replica_head_events *events, void *ctx)
{
    size_t slot = (size_t)(LIST_ENTRY(r, struct stage_replica, base) - y->s.replicas);

    y->heads[slot] = (struct replica_call){.under_way = true, .ctx = ctx};
    y->head_events[slot] = *events;
    *out = &y->heads[slot];
    return ERR_OK;
}

static enum replica_result abandon(struct replica_call *c)
{
    c->under_way = false;
    return REPLICA_MISSED;
}

static bool replicas(void *ctx, uint32_t bucket, struct replica_set *out)
{
    *out = y->s.set;
    return bucket == 1;
}

static void start(struct yard *yard)
{
    static const struct journal_ops journal_ops = {
        .read = stage_read, .scan = ask_scan, .attempt = note_attempt, .lease_valid = stage_lease};
    static const struct replica_ops replica_ops = {
        .head = ask_head, .bucket = stage_bucket, .abandon = abandon};

    memset(yard, 0, sizeof(*yard));
    y = yard;
    stage_init(&y->s, 8);
    y->s.journal.base.ops = &journal_ops;
    for (unsigned i = 0; i < REPLICAS; i++)
        y->s.replicas[i].base.ops = &replica_ops;
    y->options = (struct repair_options){.workers = 2,
                                         .interval_ms = INTERVAL_MS,
                                         .attempts = ATTEMPTS,
                                         .backoff_ms = BACKOFF_MS,
                                         .replicas = replicas};
    assert_int_equal(repair_open(&y->repair, &y->s.env, &y->options), ERR_OK);
    turn(&y->s);
}

static void on_stopped(void *ctx)
{
    y->stopped++;
}

static void end(void)
{
    repair_stop(y->repair, on_stopped, NULL);
    turn(&y->s);
    assert_int_equal(y->stopped, 1);
    repair_free(y->repair);
    stage_fini(&y->s);
}

/* The page of the walk that has begun: the key, as the journal knows it. */
static void list_key(struct journal_failures failures)
{
    struct journal_scan *r = y->scan;
    char *copy = strdup("the/key");

    assert_non_null(r);
    y->scan = NULL;
    r->work[0] = (struct journal_work){.key = {1, span_of(copy)}, .failures = failures};
    r->count = 1;
    r->request.done(&r->request, ERR_OK);
}

static void list_nothing(void)
{
    struct journal_scan *r = y->scan;

    assert_non_null(r);
    y->scan = NULL;
    r->request.done(&r->request, ERR_OK);
}

static void show(unsigned slot, enum err e)
{
    struct replica_object o = {
        .exists = true, .stamped = true, .stamp = {{1}}, .body_bytes = 1, .etag = MD5_ONE};

    assert_true(y->heads[slot].under_way);
    y->heads[slot].under_way = false;
    y->head_events[slot].done(y->heads[slot].ctx, e, e ? 0 : 200, &o);
}

static void read_the_row(void)
{
    struct row row = row_with(1, ROW_FINAL, A | C, 0, 0);

    rows_read(&y->s, ERR_OK, &row, 1);
}

/* A walk in which B does not answer. */
static void walk_without_b(struct journal_failures failures)
{
    list_key(failures);
    read_the_row();
    show(0, ERR_OK);
    show(2, ERR_OK);
    show(1, ERR_REFUSED);
    turn(&y->s);
}

/* Until the next walk begins; how long that took. */
static uint64_t next_walk_ms(void)
{
    uint64_t began = y->s.clock.now_ms, due;

    while (!y->scan && clock_next_due_ms(&y->s.clock.base, &due))
        pass(&y->s, due > y->s.clock.now_ms ? due - y->s.clock.now_ms : 0);
    assert_non_null(y->scan);
    return y->s.clock.now_ms - began;
}

static void a_replica_without_an_answer_is_asked_again_with_growing_waits_and_never_counted(void **state)
{
    uint64_t backoff = BACKOFF_MS;
    struct yard yard;

    start(&yard);
    for (int i = 0; i < WALKS; i++) {
        uint64_t waited;

        walk_without_b((struct journal_failures){.tries = ATTEMPTS - 1});
        waited = next_walk_ms();
        assert_in_range(waited, backoff / 2, backoff * 3 / 2);
        backoff *= 2;
    }
    assert_int_equal(y->attempts, 0); /* not even forgotten */
    assert_int_equal(repair_counters(y->repair)->failed, 0);
    list_nothing();
    end();
}

static void a_recovery_ends_the_growing_waits(void **state)
{
    struct yard yard;

    start(&yard);
    for (int i = 0; i < 5; i++) {
        walk_without_b((struct journal_failures){0});
        next_walk_ms();
    }
    walk_without_b((struct journal_failures){0});
    repair_kick(y->repair, true);
    turn(&y->s);
    walk_without_b((struct journal_failures){0});
    assert_in_range(next_walk_ms(), BACKOFF_MS / 2, BACKOFF_MS * 3 / 2);
    list_nothing();
    end();
}

static void failures_are_counted_with_growing_waits_until_the_key_is_a_dead_letter(void **state)
{
    struct yard yard;

    start(&yard);
    for (uint32_t tries = 0; tries < ATTEMPTS; tries++) {
        list_key((struct journal_failures){.tries = tries});
        rows_read(&y->s, ERR_IO, NULL, 0);
        turn(&y->s);
        assert_int_equal(y->attempts, tries + 1);
        assert_int_equal(y->last.tries, tries + 1);
        assert_in_range(y->last.wait_ms, (BACKOFF_MS << tries) / 2, (BACKOFF_MS << tries) * 3 / 2);
        assert_int_equal(y->last.dead, tries + 1 == ATTEMPTS);
        assert_int_equal(y->last.slot, REPLICAS_MAX);
        assert_memory_equal(y->reason, "journal: ", 9);
        next_walk_ms();
    }
    assert_int_equal(repair_counters(y->repair)->dead, 1);
    list_nothing();
    end();
}

static void a_success_forgets_the_failures(void **state)
{
    struct yard yard;

    start(&yard);
    list_key((struct journal_failures){.tries = 2});
    rows_read(&y->s, ERR_OK, NULL, 0);
    turn(&y->s);
    assert_int_equal(y->attempts, 1);
    assert_int_equal(y->last.tries, 0);
    next_walk_ms();
    list_nothing();
    end();
}

/* The first walk is one after a recovery: everything gets another try. The second is not. */
static void dead_letters_and_keys_that_wait_are_tried_after_a_recovery_only(void **state)
{
    static const struct journal_failures failures[] = {{.tries = 3, .dead = true},
                                                       {.tries = 1, .wait_ms = 5000}};

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct yard yard;

        start(&yard);
        assert_int_equal(y->scan->list, JOURNAL_ALL_WORK);
        list_nothing();
        repair_kick(y->repair, false);
        turn(&y->s);
        assert_int_equal(y->scan->list, JOURNAL_LIVE_WORK);
        list_key(failures[i]);
        assert_null(y->s.journal.read);
        assert_int_equal(next_walk_ms(), failures[i].dead ? INTERVAL_MS : 5000);
        list_nothing();
        repair_kick(y->repair, true);
        turn(&y->s);
        assert_int_equal(y->scan->list, JOURNAL_ALL_WORK);
        list_key(failures[i]);
        rows_read(&y->s, ERR_OK, NULL, 0);
        turn(&y->s);
        next_walk_ms();
        list_nothing();
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_without_an_answer_is_asked_again_with_growing_waits_and_never_counted),
        cmocka_unit_test(a_recovery_ends_the_growing_waits),
        cmocka_unit_test(failures_are_counted_with_growing_waits_until_the_key_is_a_dead_letter),
        cmocka_unit_test(a_success_forgets_the_failures),
        cmocka_unit_test(dead_letters_and_keys_that_wait_are_tried_after_a_recovery_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

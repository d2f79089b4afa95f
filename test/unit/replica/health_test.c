/* health: the breaker opens by failures in a row or a stall, and only a probe closes it. */
#include "base/list.h"
#include "base/log.h"
#include "replica/health.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PROBE_MS = 500 };

struct manual_clock {
    struct clock base;
    uint64_t now_ms;
};

static uint64_t now(struct clock *c)
{
    return LIST_ENTRY(c, struct manual_clock, base)->now_ms;
}
static void rearm(struct clock *c)
{
}
static const struct clock_ops clock_ops = {.mono_ms = now, .unix_ms = now, .rearm = rearm};

/* A replica that takes bucket HEADs and answers when told. */
struct fake {
    struct replica base;
    struct health *health;
    bool refuse_start;
    bool asked; /* a probe is out */
    uint32_t starts, abandons;
    const struct replica_bucket_events *events;
    void *ctx;
};

static enum err fake_bucket(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                            const struct replica_bucket_events *events, void *ctx)
{
    struct fake *f = LIST_ENTRY(r, struct fake, base);

    assert_int_equal(op, REPLICA_BUCKET_HEAD);
    assert_false(f->asked);
    if (f->refuse_start)
        return ERR_BUSY;
    f->starts++;
    f->asked = true;
    f->events = events;
    f->ctx = ctx;
    *out = (struct replica_call *)f;
    health_begin(f->health);
    return ERR_OK;
}

static enum replica_result fake_abandon(struct replica_call *c)
{
    struct fake *f = (struct fake *)c;

    assert_true(f->asked);
    f->asked = false;
    f->abandons++;
    health_forget(f->health);
    return REPLICA_MISSED;
}

static const struct replica_ops fake_ops = {.bucket = fake_bucket, .abandon = fake_abandon};

struct world {
    struct manual_clock clock;
    struct health health;
    struct fake fake;
    uint32_t changes;
};

static void on_change(void *ctx, struct health *h)
{
    struct world *w = ctx;

    assert_ptr_equal(h, &w->health);
    w->changes++;
}

static void world_init(struct world *w)
{
    *w = (struct world){.clock.now_ms = 1000};
    clock_init(&w->clock.base, &clock_ops);
    health_init(&w->health, &w->clock.base, "a", PROBE_MS);
    w->health.on_change = on_change;
    w->health.ctx = w;
    w->fake =
        (struct fake){.base = {.ops = &fake_ops, .name = "a", .health = &w->health}, .health = &w->health};
    health_probe_by(&w->health, &w->fake.base);
}

static void world_fini(struct world *w)
{
    health_fini(&w->health);
    assert_false(w->fake.asked);
    assert_int_equal(w->health.in_flight, 0);
    clock_fini(&w->clock.base);
}

static void pass(struct world *w, uint64_t ms)
{
    w->clock.now_ms += ms;
    clock_fire_due(&w->clock.base);
}

static void answer(struct world *w, enum err error, unsigned status)
{
    const struct replica_answer a = {.error = error, .status = status};

    assert_true(w->fake.asked);
    w->fake.asked = false;
    health_end(&w->health, error == ERR_OK && status < 500, 1);
    w->fake.events->done(w->fake.ctx, &a);
}

static void request(struct world *w, bool sound)
{
    health_begin(&w->health);
    health_end(&w->health, sound, 1);
}

static void three_failures_in_a_row_open_it(void **state)
{
    struct world w;

    world_init(&w);
    for (int i = 1; i < HEALTH_FAILURES_TO_OPEN; i++)
        request(&w, false);
    assert_true(replica_usable(&w.fake.base));
    request(&w, true); /* breaks the row */
    for (int i = 1; i < HEALTH_FAILURES_TO_OPEN; i++)
        request(&w, false);
    assert_true(replica_usable(&w.fake.base));
    assert_int_equal(w.changes, 0);
    request(&w, false);
    assert_false(replica_usable(&w.fake.base));
    assert_int_equal(w.health.opened, 1);
    assert_int_equal(w.changes, 1);
    world_fini(&w);
}

static void one_stall_opens_it_and_a_second_changes_nothing(void **state)
{
    struct world w;

    world_init(&w);
    health_begin(&w.health);
    health_forget(&w.health);
    health_stalled(&w.health);
    health_stalled(&w.health);
    assert_false(health_usable(&w.health));
    assert_int_equal(w.health.opened, 1);
    assert_int_equal(w.changes, 1);
    world_fini(&w);
}

static void a_request_given_up_by_us_tells_nothing(void **state)
{
    struct world w;

    world_init(&w);
    for (int i = 0; i < 2 * HEALTH_FAILURES_TO_OPEN; i++) {
        health_begin(&w.health);
        health_forget(&w.health);
    }
    assert_true(health_usable(&w.health));
    assert_int_equal(w.health.failures, 0);
    world_fini(&w);
}

static void only_a_probe_closes_it(void **state)
{
    static const struct {
        enum err error;
        unsigned status;
        bool closes;
    } rows[] = {{ERR_OK, 200, true},    {ERR_OK, 404, true},     {ERR_OK, 403, true},
                {ERR_OK, 499, true},    {ERR_OK, 500, false},    {ERR_OK, 503, false},
                {ERR_RESET, 0, false},  {ERR_REFUSED, 0, false}, {ERR_PROTOCOL, 200, false},
                {ERR_TIMEOUT, 0, false}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;

        world_init(&w);
        health_begin(&w.health); /* an old request, which ends well while it is open */
        health_stalled(&w.health);
        health_end(&w.health, true, 1);
        assert_false(health_usable(&w.health));
        pass(&w, PROBE_MS - 1);
        assert_int_equal(w.fake.starts, 0);
        pass(&w, 1);
        assert_int_equal(w.fake.starts, 1);
        answer(&w, rows[i].error, rows[i].status);
        assert_int_equal(health_usable(&w.health), rows[i].closes);
        assert_int_equal(w.health.recovered, rows[i].closes);
        assert_int_equal(w.changes, 1 + rows[i].closes);
        pass(&w, PROBE_MS);
        assert_int_equal(w.fake.starts, rows[i].closes ? 1 : 2);
        world_fini(&w);
    }
}

static void a_probe_without_an_answer_is_given_up_and_sent_again(void **state)
{
    struct world w;

    world_init(&w);
    health_stalled(&w.health);
    pass(&w, PROBE_MS);
    assert_true(w.fake.asked);
    pass(&w, PROBE_MS);
    assert_int_equal(w.fake.abandons, 1);
    assert_int_equal(w.fake.starts, 2);
    answer(&w, ERR_OK, 200);
    assert_true(health_usable(&w.health));
    world_fini(&w);
}

static void a_probe_that_cannot_start_is_tried_again(void **state)
{
    struct world w;

    world_init(&w);
    w.fake.refuse_start = true;
    health_stalled(&w.health);
    pass(&w, PROBE_MS);
    assert_int_equal(w.fake.starts, 0);
    w.fake.refuse_start = false;
    pass(&w, PROBE_MS);
    answer(&w, ERR_OK, 200);
    assert_true(health_usable(&w.health));
    world_fini(&w);
}

static void its_replica_may_go_while_a_probe_is_out(void **state)
{
    struct world w;

    world_init(&w);
    health_stalled(&w.health);
    pass(&w, PROBE_MS);
    assert_true(w.fake.asked);
    health_probe_by(&w.health, NULL);
    assert_int_equal(w.fake.abandons, 1);
    pass(&w, PROBE_MS); /* nobody to ask */
    assert_int_equal(w.fake.starts, 1);
    health_probe_by(&w.health, &w.fake.base);
    pass(&w, PROBE_MS);
    answer(&w, ERR_OK, 200);
    assert_true(health_usable(&w.health));
    world_fini(&w);
}

static void failures_before_an_outage_do_not_count_after_it(void **state)
{
    struct world w;

    world_init(&w);
    for (int i = 0; i < HEALTH_FAILURES_TO_OPEN; i++)
        request(&w, false);
    request(&w, false); /* a straggler */
    pass(&w, PROBE_MS);
    answer(&w, ERR_OK, 200);
    request(&w, false);
    assert_true(health_usable(&w.health));
    world_fini(&w);
}

static void it_costs_more_the_slower_and_the_busier_it_is(void **state)
{
    struct world w;
    double fresh, slow;

    world_init(&w);
    fresh = health_cost(&w.health);
    assert_true(fresh > 0);
    health_begin(&w.health);
    assert_true(health_cost(&w.health) > fresh);
    health_end(&w.health, true, 40);
    slow = health_cost(&w.health);
    assert_true(slow == 40);
    health_begin(&w.health);
    health_end(&w.health, true, 20);
    assert_true(health_cost(&w.health) < slow && health_cost(&w.health) > 20);
    slow = health_cost(&w.health);
    health_begin(&w.health);
    health_end(&w.health, false, 9000); /* how long a failure took says nothing about its answers */
    assert_true(health_cost(&w.health) == slow);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_a_row_open_it),
        cmocka_unit_test(one_stall_opens_it_and_a_second_changes_nothing),
        cmocka_unit_test(a_request_given_up_by_us_tells_nothing),
        cmocka_unit_test(only_a_probe_closes_it),
        cmocka_unit_test(a_probe_without_an_answer_is_given_up_and_sent_again),
        cmocka_unit_test(a_probe_that_cannot_start_is_tried_again),
        cmocka_unit_test(its_replica_may_go_while_a_probe_is_out),
        cmocka_unit_test(failures_before_an_outage_do_not_count_after_it),
        cmocka_unit_test(it_costs_more_the_slower_and_the_busier_it_is),
    };

    log_setup(LOG_ERROR, LOG_LOGFMT); /* its moves are the test's own doing */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

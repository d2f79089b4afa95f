/* Timers on a clock that moves by hand. */
#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TIMERS = 200 };

struct manual_clock {
    struct clock base;
    uint64_t now_ms, rearmed;
};

static uint64_t now(struct clock *c)
{
    return LIST_ENTRY(c, struct manual_clock, base)->now_ms;
}

static uint64_t wall(struct clock *c)
{
    return 1000000 + now(c);
}

static void rearm(struct clock *c)
{
    LIST_ENTRY(c, struct manual_clock, base)->rearmed++;
}

static const struct clock_ops ops = {.mono_ms = now, .unix_ms = wall, .rearm = rearm};

struct bell {
    struct timer timer;
    struct manual_clock *clock;
    struct bell *other; /* what its ring does to another one */
    enum { NOTHING, RESTART_SELF, START_OTHER, STOP_OTHER } does;
    unsigned rang, order;
};

static unsigned rings;

static void on_bell(struct timer *t)
{
    struct bell *b = LIST_ENTRY(t, struct bell, timer);

    assert_false(timer_running(t));
    b->rang++;
    b->order = ++rings;
    if (b->does == RESTART_SELF)
        clock_start(&b->clock->base, t, 0);
    if (b->does == START_OTHER)
        clock_start(&b->clock->base, &b->other->timer, 0);
    if (b->does == STOP_OTHER)
        clock_stop(&b->clock->base, &b->other->timer);
}

static void setup(struct manual_clock *c, struct bell *bells, size_t count)
{
    rings = 0;
    *c = (struct manual_clock){.now_ms = 500};
    clock_init(&c->base, &ops);
    for (size_t i = 0; i < count; i++) {
        bells[i] = (struct bell){.clock = c};
        timer_init(&bells[i].timer, on_bell);
    }
}

static void fire_at(struct manual_clock *c, uint64_t ms)
{
    c->now_ms = ms;
    clock_fire_due(&c->base);
}

static void time_comes_from_the_owner(void **state)
{
    struct manual_clock c;

    setup(&c, NULL, 0);
    assert_int_equal(clock_mono_ms(&c.base), 500);
    assert_int_equal(clock_unix_ms(&c.base), 1000500);
    clock_fini(&c.base);
}

static void a_timer_fires_once_when_it_is_due_and_not_before(void **state)
{
    struct manual_clock c;
    struct bell b;
    uint64_t due;

    setup(&c, &b, 1);
    assert_false(clock_next_due_ms(&c.base, &due));
    clock_start(&c.base, &b.timer, 20);
    assert_true(timer_running(&b.timer));
    assert_true(clock_next_due_ms(&c.base, &due));
    assert_int_equal(due, 520);
    fire_at(&c, 519);
    assert_int_equal(b.rang, 0);
    fire_at(&c, 520);
    assert_int_equal(b.rang, 1);
    assert_false(timer_running(&b.timer));
    fire_at(&c, 9999);
    assert_int_equal(b.rang, 1);
    clock_fini(&c.base);
}

static void timers_due_at_once_fire_in_the_order_they_were_started(void **state)
{
    struct manual_clock c;
    struct bell b[5];

    setup(&c, b, 5);
    for (int i = 4; i >= 0; i--)
        clock_start(&c.base, &b[i].timer, 0);
    fire_at(&c, 500);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(b[i].order, 5 - i);
    clock_fini(&c.base);
}

static void many_timers_fire_in_order_whatever_was_moved_and_stopped_meanwhile(void **state)
{
    static struct bell b[TIMERS];
    struct manual_clock c;
    struct random r;
    uint64_t last_due = 0, last_order = 0;
    unsigned stopped = 0, expected = 0;

    random_init(&r, 7);
    setup(&c, b, TIMERS);
    for (int i = 0; i < TIMERS; i++)
        clock_start(&c.base, &b[i].timer, random_below(&r, 100));
    for (int i = 0; i < TIMERS; i += 3)
        clock_start(&c.base, &b[i].timer, random_below(&r, 100));
    for (int i = 1; i < TIMERS; i += 3, stopped++)
        clock_stop(&c.base, &b[i].timer);
    for (uint64_t ms = 500; ms < 600; ms++) {
        uint64_t due;

        if (clock_next_due_ms(&c.base, &due))
            assert_true(due >= ms);
        fire_at(&c, ms);
    }
    for (unsigned next = 1; next <= TIMERS - stopped; next++)
        for (int i = 0; i < TIMERS; i++)
            if (b[i].order == next) {
                expected++;
                assert_int_equal(b[i].rang, 1);
                assert_true(b[i].timer.due_ms > last_due ||
                            (b[i].timer.due_ms == last_due && b[i].timer.order > last_order));
                last_due = b[i].timer.due_ms;
                last_order = b[i].timer.order;
            }
    assert_int_equal(expected, TIMERS - stopped);
    clock_fini(&c.base);
}

static void a_timer_started_while_firing_waits_for_the_next_turn(void **state)
{
    struct manual_clock c;
    struct bell b[2];

    setup(&c, b, 2);
    b[0].does = RESTART_SELF;
    clock_start(&c.base, &b[0].timer, 0);
    fire_at(&c, 500);
    assert_int_equal(b[0].rang, 1);
    b[0].does = START_OTHER;
    b[0].other = &b[1];
    fire_at(&c, 500);
    assert_int_equal(b[0].rang, 2);
    assert_int_equal(b[1].rang, 0);
    fire_at(&c, 500);
    assert_int_equal(b[1].rang, 1);
    clock_fini(&c.base);
}

static void a_timer_stopped_by_another_that_is_due_too_does_not_fire(void **state)
{
    struct manual_clock c;
    struct bell b[2];

    setup(&c, b, 2);
    b[0].does = STOP_OTHER;
    b[0].other = &b[1];
    clock_start(&c.base, &b[0].timer, 5);
    clock_start(&c.base, &b[1].timer, 5);
    fire_at(&c, 505);
    assert_int_equal(b[0].rang, 1);
    assert_int_equal(b[1].rang, 0);
    clock_stop(&c.base, &b[1].timer); /* harmless when it does not run */
    clock_fini(&c.base);
}

static void restarting_moves_the_due_time(void **state)
{
    static const struct {
        uint64_t first, then;
    } rows[] = {{10, 30}, {30, 10}, {10, 10}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct manual_clock c;
        struct bell b;

        setup(&c, &b, 1);
        clock_start(&c.base, &b.timer, rows[i].first);
        clock_start(&c.base, &b.timer, rows[i].then);
        assert_int_equal(c.base.count, 1);
        fire_at(&c, 500 + rows[i].then - 1);
        assert_int_equal(b.rang, 0);
        fire_at(&c, 500 + rows[i].then);
        assert_int_equal(b.rang, 1);
        clock_fini(&c.base);
    }
}

static void the_owner_is_told_when_the_earliest_due_time_may_be_new(void **state)
{
    struct manual_clock c;
    struct bell b[3];

    setup(&c, b, 3);
    clock_start(&c.base, &b[0].timer, 50);
    assert_int_equal(c.rearmed, 1);
    clock_start(&c.base, &b[1].timer, 60);
    assert_int_equal(c.rearmed, 1);
    clock_start(&c.base, &b[2].timer, 40);
    assert_int_equal(c.rearmed, 2);
    clock_fini(&c.base);
    assert_false(timer_running(&b[0].timer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_comes_from_the_owner),
        cmocka_unit_test(a_timer_fires_once_when_it_is_due_and_not_before),
        cmocka_unit_test(timers_due_at_once_fire_in_the_order_they_were_started),
        cmocka_unit_test(many_timers_fire_in_order_whatever_was_moved_and_stopped_meanwhile),
        cmocka_unit_test(a_timer_started_while_firing_waits_for_the_next_turn),
        cmocka_unit_test(a_timer_stopped_by_another_that_is_due_too_does_not_fire),
        cmocka_unit_test(restarting_moves_the_due_time),
        cmocka_unit_test(the_owner_is_told_when_the_earliest_due_time_may_be_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

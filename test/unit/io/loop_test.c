/* The loop: timers, their order, and the mailbox from other threads. */
#include "io/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct loop *loop;
static int fired[8], fired_count;

struct numbered_timer {
    struct timer timer;
    int number, stop_at;
};

static void on_numbered(struct timer *t)
{
    struct numbered_timer *n = LIST_ENTRY(t, struct numbered_timer, timer);

    fired[fired_count++] = n->number;
    if (fired_count == n->stop_at)
        loop_stop(loop);
}

static int open_loop(void **state)
{
    fired_count = 0;
    return loop_open(&loop);
}

static int free_loop(void **state)
{
    loop_free(loop);
    return 0;
}

static void timers_fire_in_order_of_due_time_and_start(void **state)
{
    static const uint64_t after_ms[] = {5, 0, 2, 0};
    static const int order[] = {1, 3, 2, 0};
    struct numbered_timer t[4];

    for (int i = 0; i < 4; i++) {
        t[i] = (struct numbered_timer){.number = i, .stop_at = 4};
        timer_init(&t[i].timer, on_numbered);
        clock_start(loop_clock(loop), &t[i].timer, after_ms[i]);
    }
    uint64_t before = clock_mono_ms(loop_clock(loop));
    loop_run(loop);
    assert_int_equal(fired_count, 4);
    assert_memory_equal(fired, order, sizeof(order));
    assert_true(clock_mono_ms(loop_clock(loop)) >= before + 5);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    struct numbered_timer a = {.number = 1}, b = {.number = 2, .stop_at = 1};

    timer_init(&a.timer, on_numbered);
    timer_init(&b.timer, on_numbered);
    clock_start(loop_clock(loop), &a.timer, 1);
    clock_start(loop_clock(loop), &b.timer, 3);
    clock_stop(loop_clock(loop), &a.timer);
    loop_run(loop);
    assert_int_equal(fired_count, 1);
    assert_int_equal(fired[0], 2);
}

static void on_again(struct timer *t)
{
    if (++fired_count < 3)
        clock_start(loop_clock(loop), t, 0);
    else
        loop_stop(loop);
}

static void a_timer_may_start_itself_again(void **state)
{
    struct timer t;

    timer_init(&t, on_again);
    clock_start(loop_clock(loop), &t, 0);
    assert_int_equal(fired_count, 0);
    loop_run(loop);
    assert_int_equal(fired_count, 3);
}

enum { POSTS = 2000 };

struct letter {
    struct loop_task task;
    int number;
};
static struct letter letters[POSTS];
static int letters_read;

static void on_letter(struct loop_task *t)
{
    assert_int_equal(LIST_ENTRY(t, struct letter, task)->number, letters_read);
    if (++letters_read == POSTS)
        loop_stop(loop);
}

static void *post_all(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        letters[i] = (struct letter){.task.run = on_letter, .number = i};
        loop_post(loop, &letters[i].task);
    }
    return NULL;
}

static void letters_of_another_thread_arrive_in_order(void **state)
{
    pthread_t thread;

    letters_read = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_all, NULL), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    assert_int_equal(letters_read, POSTS);
}

static void a_letter_that_nobody_read_is_dropped(void **state)
{
    letters[0] = (struct letter){.task.run = on_letter};
    letters_read = 0;
    loop_post(loop, &letters[0].task);
    loop_free(loop);
    assert_int_equal(letters_read, 0);
    assert_int_equal(loop_open(&loop), ERR_OK);
}

struct gathering {
    struct loop_task task;
    struct timer first, second;
    int gathered, seen;
};

static void on_gather(struct gathering *g)
{
    if (g->gathered++ == 0)
        loop_before_wait(loop, &g->task);
}

static void on_first(struct timer *t)
{
    on_gather(LIST_ENTRY(t, struct gathering, first));
}

static void on_second(struct timer *t)
{
    on_gather(LIST_ENTRY(t, struct gathering, second));
}

static void on_gathered(struct loop_task *t)
{
    struct gathering *g = LIST_ENTRY(t, struct gathering, task);

    g->seen = g->gathered;
    loop_stop(loop);
}

static void what_a_turn_gathers_is_handed_on_once(void **state)
{
    struct gathering g = {.task.run = on_gathered};

    timer_init(&g.first, on_first);
    timer_init(&g.second, on_second);
    clock_start(loop_clock(loop), &g.first, 0);
    clock_start(loop_clock(loop), &g.second, 0);
    loop_run(loop);
    assert_int_equal(g.seen, 2);
    assert_int_equal(g.gathered, 2);
}

static void blocks_are_reused(void **state)
{
    void *a = loop_block_take(loop), *b;

    assert_non_null(a);
    loop_block_give(loop, a);
    b = loop_block_take(loop);
    assert_ptr_equal(a, b);
    loop_block_give(loop, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_order_of_due_time_and_start, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(a_stopped_timer_does_not_fire, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(a_timer_may_start_itself_again, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(letters_of_another_thread_arrive_in_order, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(a_letter_that_nobody_read_is_dropped, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(what_a_turn_gathers_is_handed_on_once, open_loop, free_loop),
        cmocka_unit_test_setup_teardown(blocks_are_reused, open_loop, free_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Numbers with one writer: any type, and a reader on another thread that sees them grow. What makes two threads race
 * for them shows under ThreadSanitizer (make tsan). */
#include "base/count.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROUNDS = 200000 };

struct shown {
    uint64_t requests;
    double seconds;
    bool full;
};

static void every_kind_of_number_counts(void **state)
{
    struct shown s = {0};
    uint32_t under_way = 0;

    COUNT_ADD(s.requests, 3);
    COUNT_ADD(s.requests, s.requests == 3);
    COUNT_ADD(s.seconds, 0.5);
    COUNT_ADD(s.seconds, 0.25);
    COUNT_SET(s.full, true);
    COUNT_ADD(under_way, 2);
    COUNT_ADD(under_way, -1);
    assert_int_equal(s.requests, 4);
    assert_true(s.seconds > 0.74 && s.seconds < 0.76);
    assert_true(s.full);
    assert_int_equal(under_way, 1);
}

static void *count_up(void *arg)
{
    struct shown *s = arg;

    for (int i = 0; i < ROUNDS; i++)
        COUNT_ADD(s->requests, 1);
    COUNT_SET(s->full, true);
    return NULL;
}

static void a_reader_on_another_thread_sees_it_grow(void **state)
{
    struct shown s = {0};
    uint64_t seen = 0, now = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, count_up, &s), 0);
    while (!__atomic_load_n(&s.full, __ATOMIC_RELAXED)) {
        now = __atomic_load_n(&s.requests, __ATOMIC_RELAXED);
        assert_true(now >= seen && now <= ROUNDS);
        seen = now;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(s.requests, ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_number_counts),
        cmocka_unit_test(a_reader_on_another_thread_sees_it_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

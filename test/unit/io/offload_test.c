/* Work on other threads, and names made into addresses there. */
#include "io/offload.h"
#include "io/resolve.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct loop *loop;
static pthread_t worker;
static int done_count;
static enum err resolved;
static struct addresses addresses;

static int set_up(void **state)
{
    done_count = 0;
    return loop_open(&loop);
}

static int tear_down(void **state)
{
    loop_free(loop);
    return 0;
}

static void work(void *ctx)
{
    worker = pthread_self();
    *(int *)ctx += 1;
}

static void work_done(void *ctx)
{
    assert_int_equal(*(int *)ctx, 1);
    done_count++;
    loop_stop(loop);
}

static void work_runs_elsewhere_and_answers_here(void **state)
{
    int number = 0;

    assert_int_equal(offload_start(loop, work, work_done, &number), ERR_OK);
    assert_int_equal(done_count, 0);
    loop_run(loop);
    assert_int_equal(done_count, 1);
    assert_false(pthread_equal(worker, pthread_self()));
}

static void on_resolved(void *ctx, enum err result, const struct addresses *a)
{
    resolved = result;
    addresses = *a;
    done_count++;
    loop_stop(loop);
}

static void a_name_has_addresses_with_the_port(void **state)
{
    struct resolve *r;

    assert_int_equal(resolve_start(&r, loop, SPAN("localhost"), 4711, on_resolved, NULL), ERR_OK);
    loop_run(loop);
    assert_int_equal(resolved, ERR_OK);
    assert_true(addresses.count >= 1);
    for (size_t i = 0; i < addresses.count; i++) {
        const union address *a = &addresses.at[i];

        assert_int_equal(ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port), 4711);
    }
}

static void a_name_that_cannot_be_is_an_error(void **state)
{
    struct resolve *r;
    char longer[300];

    assert_int_equal(resolve_start(&r, loop, SPAN("no such name"), 1, on_resolved, NULL), ERR_OK);
    loop_run(loop);
    assert_int_equal(resolved, ERR_DNS);
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(resolve_start(&r, loop, (struct span){longer, sizeof(longer)}, 1, on_resolved, NULL),
                     ERR_INVALID);
    assert_null(r);
}

static void an_abandoned_question_is_not_answered(void **state)
{
    struct resolve *r;

    assert_int_equal(resolve_start(&r, loop, SPAN("localhost"), 1, on_resolved, NULL), ERR_OK);
    resolve_abandon(r);
    loop_free(loop); /* waits for the thread */
    assert_int_equal(done_count, 0);
    assert_int_equal(loop_open(&loop), ERR_OK);
}

static void literals_are_addresses(void **state)
{
    static const struct {
        const char *text;
        int family; /* 0: none */
    } rows[] = {
        {"127.0.0.1", AF_INET},
        {"::1", AF_INET6},
        {"fe80::1:2", AF_INET6},
        {"localhost", 0},
        {"127.1", 0},
        {"[::1]", 0},
        {"", 0},
        {"1.2.3.4.5", 0},
        {"::1%lo", 0},
        {"256.0.0.1", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        union address a;
        bool good = address_parse(span_of(rows[i].text), 80, &a);

        assert_int_equal(good, rows[i].family != 0);
        if (good)
            assert_int_equal(a.any.sa_family, rows[i].family);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(work_runs_elsewhere_and_answers_here),
        CASE(a_name_has_addresses_with_the_port),
        CASE(a_name_that_cannot_be_is_an_error),
        CASE(an_abandoned_question_is_not_answered),
        CASE(literals_are_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

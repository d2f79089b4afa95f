/* Writes under load, from one loop: healthy ones, each begun and then forgotten, and ones that leave a hint. Prints what
 * they cost, promises nothing about time; what it checks is that exactly the rows are left that must be, whichever
 * groups the calls fell into. JOURNAL_LOAD_WRITES: how many. */
#include "sqlite_fixture.h"

#include <sys/resource.h>
#include <time.h>

enum { WRITERS = 32, KEY_BYTES = 48 };

static struct writer {
    struct journal_begin begin;
    struct journal_write write;
    char key[KEY_BYTES];
} writers[WRITERS];
static unsigned started, wanted, surprises;
static bool healthy;

static void on_begun(struct journal_request *r, enum err result);

static void start(struct writer *w)
{
    snprintf(w->key, sizeof(w->key), "photos/%08x/%06u.jpg", started * 2654435761u, started);
    make_begin(&w->begin, key_of(w->key));
    w->begin.request.done = on_begun;
    started++;
    start_begin(&w->begin);
}

static void end(struct writer *w)
{
    fix.waiting--;
    if (started < wanted)
        start(w);
    if (fix.waiting == 0)
        loop_stop(fix.loop);
}

static void on_final(struct journal_request *r, enum err result)
{
    assert_int_equal(result, ERR_OK);
    end(LIST_ENTRY(LIST_ENTRY(r, struct journal_write, request), struct writer, write));
}

static void on_begun(struct journal_request *r, enum err result)
{
    struct writer *w = LIST_ENTRY(LIST_ENTRY(r, struct journal_begin, request), struct writer, begin);

    assert_int_equal(result, ERR_OK);
    surprises += w->begin.view.count != 0;
    key_view_fini(&w->begin.view);
    if (healthy) {
        fix.journal->ops->forget(fix.journal, w->begin.key, &w->begin.stamp, 1);
        end(w);
        return;
    }
    w->write = (struct journal_write){.request.done = on_final, .key = w->begin.key, .change = true};
    w->write.row = (struct row){.stamp = w->begin.stamp, .phase = ROW_FINAL, .stored = 5};
    fix.journal->ops->write(fix.journal, &w->write);
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return seconds(&used.ru_utime) + seconds(&used.ru_stime);
}

static double wall_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run(const char *what)
{
    double cpu = cpu_seconds(), wall = wall_seconds();
    const char *count = getenv("JOURNAL_LOAD_WRITES");
    uint64_t commits = stats().commits;

    started = surprises = 0;
    wanted = count ? (unsigned)atoi(count) : 4000;
    for (int i = 0; i < WRITERS; i++)
        start(&writers[i]);
    await_all();
    cpu = cpu_seconds() - cpu;
    wall = wall_seconds() - wall;
    commits = stats().commits - commits;
    printf("%u %s writes, %d at once: %.0f/s, %.0f groups/s, %.2f ms a group, %.1f us CPU a write\n", wanted,
           what, WRITERS, wanted / wall, (double)commits / wall, wall * 1e3 / (double)commits,
           cpu * 1e6 / wanted);
    assert_int_equal(surprises, 0);
    wall = wall_seconds();
    reopen_store();
    printf("closed and opened again in %.3f s\n", wall_seconds() - wall);
}

static void healthy_writes_leave_nothing(void **state)
{
    healthy = true;
    run("healthy");
    assert_int_equal(stats().rows_open, 0);
    assert_int_equal(stats().hints, 0);
}

static void each_other_write_leaves_a_hint(void **state)
{
    healthy = false;
    run("hinted");
    assert_int_equal(stats().rows_open, 0);
    assert_int_equal(stats().hints, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(healthy_writes_leave_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_other_write_leaves_a_hint, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

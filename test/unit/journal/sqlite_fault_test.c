/* What the store does when the disk is full, lies, or the process is killed, each made to happen. */
#include "fault_vfs.h"
#include "sqlite_fixture.h"

#include "base/random.h"

#include <signal.h>
#include <sys/wait.h>

static void set_fault(enum fault which, int after)
{
    fault = FAULT_NONE;
    fault_hits = 0;
    fault_after = after;
    fault = which;
}

static int set_up_faulty(void **state)
{
    struct journal_bucket_write w;

    fault_vfs_register();
    set_fault(FAULT_NONE, 0);
    make_directory();
    fix.options.vfs = "fault";
    open_store();
    make_bucket("media", &w);
    assert_int_equal(write_bucket(&w), ERR_OK);
    fix.bucket = w.bucket.id;
    return 0;
}

static int tear_down_faulty(void **state)
{
    set_fault(FAULT_NONE, 0);
    return tear_down(state);
}

static enum err begin_result(const char *key)
{
    struct journal_begin b;
    enum err err;

    make_begin(&b, key_of(key));
    err = begin(&b);
    key_view_fini(&b.view);
    return err;
}

static bool lease_valid(void)
{
    return fix.journal->ops->lease_valid(fix.journal);
}

static void every_commit_is_one_fsync(void **state)
{
    unsigned before = fault_fsyncs;
    uint64_t commits = stats().commits;

    for (int i = 0; i < 20; i++)
        begin_row("k");
    assert_int_equal(stats().commits - commits, 20);
    assert_int_equal(fault_fsyncs - before, 20);
}

static void what_a_turn_of_the_loop_begins_is_one_commit(void **state)
{
    struct journal_begin b[20];
    char key[20][8];
    unsigned before = fault_fsyncs;

    for (int i = 0; i < 20; i++) {
        snprintf(key[i], sizeof(key[i]), "k%d", i);
        make_begin(&b[i], key_of(key[i]));
        fix.waiting++;
        fix.journal->ops->begin(fix.journal, &b[i]);
    }
    await_all();
    assert_int_equal(fault_fsyncs - before, 1);
    for (int i = 0; i < 20; i++)
        key_view_fini(&b[i].view);
}

/* One journal write of a kind that fails at its first, second, ... write to the disk, until it no longer fails. */
static void a_full_disk_fails_whole_groups_and_passes(enum fault which, enum err expected)
{
    struct stamp stamp = begin_row("row");
    int depth;
    uint64_t id;

    for (depth = 0; depth < 50; depth++) {
        set_fault(which, depth);
        if (begin_result("k") == ERR_OK)
            break;
        assert_int_equal(fault_hits > 0, true);
        assert_false(maybe_other("k", NULL));
        assert_true(lease_valid());
        assert_int_equal(begin_result("k"), expected); /* still full */
        assert_int_equal(change_row("row", stamp, ROW_FINAL, 1, 0), expected);
        assert_int_equal(claim_key("row", 1000, &id), expected);
        assert_false(maybe_stored("row"));
        assert_false(maybe_other("row", &stamp));
        assert_int_equal(count_rows("k"), 0); /* reads go on */
        assert_int_equal(only_row("row").phase, ROW_OPEN);
    }
    assert_true(depth > 0 && depth < 50);
    set_fault(FAULT_NONE, 0);
    assert_int_equal(count_rows("k"), 1);
    assert_int_equal(change_row("row", stamp, ROW_FINAL, 1, 0), ERR_OK);
    reopen_store();
    assert_int_equal(count_rows("k"), 1);
    assert_int_equal(only_row("row").phase, ROW_FINAL);
    assert_int_equal(stats().rows_open, 1);
}

static void a_full_disk_fails_the_group_and_is_forgiven(void **state)
{
    a_full_disk_fails_whole_groups_and_passes(FAULT_FULL, ERR_FULL);
}

static void a_short_write_fails_the_group_and_is_forgiven(void **state)
{
    a_full_disk_fails_whole_groups_and_passes(FAULT_SHORT, ERR_FULL);
}

static void a_failed_write_fails_the_group_and_is_forgiven(void **state)
{
    a_full_disk_fails_whole_groups_and_passes(FAULT_WRITE, ERR_IO);
}

static void all_requests_of_a_failed_group_fail(void **state)
{
    enum { COUNT = 40 };
    struct journal_begin b[COUNT];
    char keys[COUNT][16];

    set_fault(FAULT_FULL, 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        make_begin(&b[i], key_of(keys[i]));
        start_begin(&b[i]);
    }
    await_all();
    set_fault(FAULT_NONE, 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(b[i].request.result, ERR_FULL);
        assert_int_equal(count_rows(keys[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(begin(&b[i]), ERR_OK); /* the same stamp: nothing of it was left */
        key_view_fini(&b[i].view);
    }
    assert_int_equal(stats().rows_open, COUNT);
}

static void what_was_forgotten_on_a_full_disk_is_removed_later(void **state)
{
    struct stamp stamps[3];

    for (int i = 0; i < 3; i++)
        stamps[i] = begin_row("k");
    set_fault(FAULT_FULL, 0);
    for (int i = 0; i < 3; i++)
        fix.journal->ops->forget(fix.journal, key_of("k"), &stamps[i], 1);
    while (fault_hits < 2) /* it has been tried, and tried again */
        usleep(1000);
    assert_int_equal(count_rows("k"), 3);
    set_fault(FAULT_NONE, 0);
    while (maybe_other("k", NULL))
        usleep(1000);
    assert_int_equal(count_rows("k"), 0);
}

/* The kernel may have dropped the pages: a later fsync that succeeds says nothing about them. */
static void a_failed_fsync_is_never_forgiven(void **state)
{
    struct stamp stamp = begin_row("before");
    uint64_t id;

    set_fault(FAULT_FSYNC, 0);
    assert_true(lease_valid());
    assert_int_equal(begin_result("k"), ERR_IO);
    assert_false(lease_valid());
    set_fault(FAULT_NONE, 0);
    assert_int_equal(begin_result("k"), ERR_IO);
    assert_int_equal(change_row("before", stamp, ROW_FINAL, 1, 0), ERR_IO);
    assert_int_equal(claim_key("before", 1000, &id), ERR_IO);
    assert_false(lease_valid());
    assert_int_equal(only_row("before").phase, ROW_OPEN);
    reopen_store();
    assert_true(lease_valid());
    assert_int_equal(only_row("before").phase, ROW_OPEN);
    assert_int_equal(begin_result("k"), ERR_OK);
}

/* Commits go on until the log is written back for the first time; the fsync of the database then fails. */
static void a_failed_fsync_of_a_checkpoint_is_not_forgiven_either(void **state)
{
    char key[16] = "k";
    int commits = 0;

    set_fault(FAULT_FSYNC_DATABASE, 0);
    while (begin_result(key) == ERR_OK) {
        assert_true(++commits < 20000);
        snprintf(key, sizeof(key), "k%d", commits);
    }
    assert_true(commits > 1);
    assert_int_equal(fault_hits, 1);
    assert_false(lease_valid());
    set_fault(FAULT_NONE, 0);
    assert_int_equal(begin_result("k"), ERR_IO);
    reopen_store();
    assert_int_equal(stats().rows_open, commits);
}

static void a_full_disk_at_the_start_is_named(void **state)
{
    char why[JOURNAL_WHY_BYTES];

    close_store();
    set_fault(FAULT_FULL, 0);
    assert_int_equal(try_open(why), ERR_FULL);
    assert_non_null(strstr(why, "full"));
    set_fault(FAULT_NONE, 0);
    open_store();
}

/* Killed at random: a child begins rows, settles some, removes others, and says on a pipe what was answered. Whatever
 * it has said must be there afterwards, whatever it has not may be. */

enum { CHILD_ROWS = 4000, CHILD_AT_ONCE = 8, ROUNDS = 20 };
enum said { SAID_NOTHING, SAID_BEGUN, SAID_FINAL, SAID_REMOVED };

struct message {
    uint32_t row;
    uint32_t said;
};

static struct child_row {
    struct journal_begin begin;
    struct journal_write write;
    char key[32];
} rows[CHILD_ROWS];
static uint32_t next_row;
static int say_fd;

static void start_row(int round);

static void say(uint32_t row, enum said said)
{
    struct message m = {row, said};

    if (write(say_fd, &m, sizeof(m)) != sizeof(m))
        _exit(1);
}

static int child_round;

static void on_row_written(struct journal_request *r, enum err result)
{
    struct child_row *row = LIST_ENTRY(LIST_ENTRY(r, struct journal_write, request), struct child_row, write);

    if (result)
        _exit(2);
    say((uint32_t)(row - rows), row->write.change ? SAID_FINAL : SAID_REMOVED);
    start_row(child_round);
}

static void on_row_begun(struct journal_request *r, enum err result)
{
    struct child_row *row = LIST_ENTRY(LIST_ENTRY(r, struct journal_begin, request), struct child_row, begin);
    uint32_t number = (uint32_t)(row - rows);

    if (result)
        _exit(3);
    key_view_fini(&row->begin.view);
    say(number, SAID_BEGUN);
    row->write = (struct journal_write){.request.done = on_row_written, .key = row->begin.key};
    if (number % 3 == 0) {
        row->write.change = true;
        row->write.row = (struct row){.stamp = row->begin.stamp, .phase = ROW_FINAL, .stored = 5};
    } else if (number % 3 == 1) {
        row->write.remove = &row->begin.stamp;
        row->write.remove_count = 1;
    } else {
        start_row(child_round);
        return;
    }
    fix.journal->ops->write(fix.journal, &row->write);
}

static void start_row(int round)
{
    struct child_row *row = &rows[next_row];

    if (next_row == CHILD_ROWS)
        return;
    snprintf(row->key, sizeof(row->key), "round-%d-row-%u", round, next_row++);
    make_begin(&row->begin, key_of(row->key));
    row->begin.request.done = on_row_begun;
    fix.journal->ops->begin(fix.journal, &row->begin);
}

static void child_main(int round)
{
    char why[JOURNAL_WHY_BYTES];

    child_round = round;
    if (loop_open(&fix.loop) || try_open(why) || sqlite_journal_open(&fix.journal, fix.store, fix.loop))
        _exit(4);
    for (int i = 0; i < CHILD_AT_ONCE; i++)
        start_row(round);
    loop_run(fix.loop);
    _exit(5);
}

/* Kills it after so many messages, and reads what it had said besides. */
static size_t kill_after(pid_t child, int hear, size_t messages, uint8_t said[static CHILD_ROWS])
{
    struct message m;
    size_t heard = 0;
    int status;

    while (read(hear, &m, sizeof(m)) == sizeof(m)) {
        assert_true(m.row < CHILD_ROWS);
        said[m.row] = (uint8_t)m.said;
        if (++heard == messages)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return heard;
}

static void assert_said_is_there(int round, const uint8_t said[static CHILD_ROWS])
{
    for (uint32_t i = 0; i < CHILD_ROWS; i++) {
        char key[32];
        struct journal_read r;

        if (said[i] == SAID_NOTHING)
            continue;
        snprintf(key, sizeof(key), "round-%d-row-%u", round, i);
        assert_int_equal(read_view(&r, key_of(key)), ERR_OK);
        assert_true(r.view.count <= 1);
        if (said[i] == SAID_REMOVED)
            assert_int_equal(r.view.count, 0);
        if (said[i] == SAID_FINAL || (said[i] == SAID_BEGUN && i % 3 == 2))
            assert_int_equal(r.view.count, 1);
        if (said[i] == SAID_FINAL)
            assert_int_equal(r.view.rows[0].phase, ROW_FINAL);
        if (r.view.count && r.view.rows[0].phase == ROW_OPEN)
            assert_true(r.view.rows[0].orphan);
        key_view_fini(&r.view);
    }
}

static void what_was_answered_survives_kill_9(void **state)
{
    static uint8_t said[CHILD_ROWS];
    struct random random;
    size_t heard = 0;

    random_init_system(&random);
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        pid_t child;

        close_store();
        loop_free(fix.loop);
        memset(said, 0, sizeof(said));
        next_row = 0;
        assert_int_equal(pipe(ends), 0);
        say_fd = ends[1];
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_main(round);
        close(ends[1]);
        heard += kill_after(child, ends[0], 1 + random_below(&random, 1500), said);
        close(ends[0]);
        assert_int_equal(loop_open(&fix.loop), ERR_OK);
        open_store();
        assert_said_is_there(round, said);
    }
    assert_true(heard >= ROUNDS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up_faulty, tear_down_faulty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_commit_is_one_fsync),
        CASE(what_a_turn_of_the_loop_begins_is_one_commit),
        CASE(a_full_disk_fails_the_group_and_is_forgiven),
        CASE(a_short_write_fails_the_group_and_is_forgiven),
        CASE(a_failed_write_fails_the_group_and_is_forgiven),
        CASE(all_requests_of_a_failed_group_fail),
        CASE(what_was_forgotten_on_a_full_disk_is_removed_later),
        CASE(a_failed_fsync_is_never_forgiven),
        CASE(a_failed_fsync_of_a_checkpoint_is_not_forgiven_either),
        CASE(a_full_disk_at_the_start_is_named),
        CASE(what_was_answered_survives_kill_9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

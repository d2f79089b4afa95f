/* What a store refuses to open, that it says why, and that it leaves such a file as it was. */
#include "sqlite_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char why[JOURNAL_WHY_BYTES];

struct content {
    size_t len;
    char *at;
};

static struct content read_file(void)
{
    struct stat st;
    int fd = open(fix.path, O_RDONLY);
    struct content c;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    c.len = (size_t)st.st_size;
    c.at = malloc(c.len + 1);
    assert_int_equal(read(fd, c.at, c.len), c.len);
    close(fd);
    return c;
}

static void write_file(const struct content *c)
{
    int fd = open(fix.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, c->at, c->len), c->len);
    close(fd);
}

static void assert_refused(enum err err, const char *reason)
{
    assert_int_equal(try_open(why), err);
    assert_null(fix.store);
    assert_non_null(strstr(why, reason));
    assert_non_null(strstr(why, fix.path));
}

static void assert_refused_and_untouched(enum err err, const char *reason)
{
    struct content before = read_file(), after;

    assert_refused(err, reason);
    after = read_file();
    assert_int_equal(after.len, before.len);
    assert_memory_equal(after.at, before.at, before.len);
    free(before.at);
    free(after.at);
}

static void run_sql(const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(fix.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int set_up_directory(void **state)
{
    make_directory();
    return 0;
}

static void a_new_file_is_only_for_its_user(void **state)
{
    struct stat st;

    assert_int_equal(stat(fix.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    char text[8192];
    struct content c = {sizeof(text), text};

    memset(text, 'x', sizeof(text));
    write_file(&c);
    assert_refused_and_untouched(ERR_CORRUPT, "left as it is");
}

static void the_database_of_another_program_is_refused(void **state)
{
    run_sql("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);");
    assert_refused_and_untouched(ERR_INVALID, "another program");
}

static void a_newer_schema_is_refused(void **state)
{
    close_store();
    run_sql("INSERT INTO migration VALUES (1000, 0, '99.0');");
    assert_refused_and_untouched(ERR_VERSION, "newer program");
}

/* Fill enough pages that there is something to damage. */
static void fill(void)
{
    char key[64];

    for (int i = 0; i < 400; i++) {
        struct stamp stamp;

        snprintf(key, sizeof(key), "some/longer/key/to/fill/pages/%04d", i);
        stamp = begin_row(key);
        if (i % 2)
            assert_int_equal(change_row(key, stamp, ROW_FINAL, 1, 0), ERR_OK);
    }
}

/* Every page in turn gets its head damaged. SQLite must notice each, and each time the file must stay as it is. */
static void a_damaged_page_is_found_at_the_start(void **state)
{
    enum { PAGE = 4096 };
    struct content whole, damaged;
    size_t pages;

    fill();
    close_store();
    whole = read_file();
    pages = whole.len / PAGE;
    assert_true(pages > 10);
    damaged = (struct content){whole.len, malloc(whole.len)};
    for (size_t page = 1; page < pages; page++) {
        memcpy(damaged.at, whole.at, whole.len);
        for (int i = 0; i < 16; i++)
            damaged.at[page * PAGE + (size_t)i] ^= 0x5a;
        write_file(&damaged);
        assert_refused_and_untouched(ERR_CORRUPT, "left as it");
    }
    damaged.len = whole.len - PAGE - 100; /* cut short */
    memcpy(damaged.at, whole.at, damaged.len);
    write_file(&damaged);
    assert_refused_and_untouched(ERR_CORRUPT, "left as it");
    write_file(&whole);
    open_store();
    assert_int_equal(stats().rows_open, 200);
    assert_int_equal(stats().hints, 200);
    free(whole.at);
    free(damaged.at);
}

static void a_second_store_is_locked_out(void **state)
{
    struct sqlite_store *first = fix.store;
    char link[96];

    assert_refused(ERR_LOCKED, "another gateway");
    snprintf(link, sizeof(link), "%s/link.db", fix.dir);
    assert_int_equal(symlink(fix.path, link), 0);
    assert_int_equal(sqlite_store_open(&fix.store, link, &fix.options, why), ERR_LOCKED);
    unlink(link);
    fix.store = first;
    begin_row("the first goes on");
}

static int run_gateway(int say, int hear)
{
    char byte = 'x';

    if (try_open(why))
        return 1;
    if (write(say, &byte, 1) != 1 || read(hear, &byte, 1) != 0)
        return 2;
    sqlite_store_close(fix.store);
    return 0;
}

static void a_second_process_is_locked_out_while_the_first_lives(void **state)
{
    int from[2], to[2], status;
    char byte;
    pid_t child;

    assert_int_equal(pipe(from) | pipe(to), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(to[1]);
        _exit(run_gateway(from[1], to[0]));
    }
    close(from[1]);
    close(to[0]);
    assert_int_equal(read(from[0], &byte, 1), 1);
    assert_refused(ERR_LOCKED, "another gateway");
    close(to[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(from[0]);
    open_store();
}

static void a_foreign_client_that_writes_is_waited_for_and_then_named(void **state)
{
    sqlite3 *other;
    struct journal_begin b;

    assert_int_equal(sqlite3_open(fix.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    make_begin(&b, key_of("k"));
    assert_int_equal(begin(&b), ERR_LOCKED);
    assert_false(maybe_other("k", NULL));
    close_store();
    assert_refused(ERR_LOCKED, "another SQLite client");
    sqlite3_close(other);
    open_store();
    begin_row("k");
}

static void a_missing_directory_is_named(void **state)
{
    snprintf(fix.path, sizeof(fix.path), "%s/none/journal.db", fix.dir);
    assert_refused(ERR_IO, "No such file or directory");
}

/* Rights do not stop root, so the attempt is made as somebody else. */
static int try_as_nobody(void)
{
    if (geteuid() == 0 && setresuid(65534, 65534, 65534))
        return 1;
    if (try_open(why) != ERR_DENIED || fix.store)
        return 2;
    return strstr(why, "Permission denied") ? 0 : 3;
}

static void assert_denied(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(try_as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_directory_that_cannot_be_written_is_named(void **state)
{
    assert_int_equal(chmod(fix.dir, 0555), 0);
    assert_denied();
    assert_int_equal(access(fix.path, F_OK), -1);
    chmod(fix.dir, 0755);
}

/* The file is there and readable, but neither its lock nor its log can be made beside it. */
static void an_existing_file_in_such_a_directory_too(void **state)
{
    char lock[128];

    close_store();
    snprintf(lock, sizeof(lock), "%s.lock", fix.path);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(chmod(fix.dir, 0555) | chmod(fix.path, 0644), 0);
    assert_denied();
    chmod(fix.dir, 0755);
    open_store();
}

static void an_empty_file_becomes_a_journal(void **state)
{
    struct content nothing = {0, (char[1]){0}};

    write_file(&nothing);
    open_store();
    assert_int_equal(stats().rows_open, 0);
}

static void each_opening_is_a_new_boot_and_runs_no_migration_again(void **state)
{
    sqlite3 *db;
    sqlite3_stmt *q;

    for (int i = 0; i < 3; i++)
        reopen_store();
    close_store();
    assert_int_equal(sqlite3_open(fix.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db, "SELECT (SELECT value FROM meta WHERE name = 'boot'), (SELECT count(*) FROM migration)", -1,
            &q, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(q, 0), 4);
    assert_int_equal(sqlite3_column_int(q, 1), 2);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

#define CASE(name)          cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_UNOPENED(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_file_is_only_for_its_user),
        CASE_UNOPENED(a_file_that_is_no_database_is_refused),
        CASE_UNOPENED(the_database_of_another_program_is_refused),
        CASE(a_newer_schema_is_refused),
        CASE(a_damaged_page_is_found_at_the_start),
        CASE(a_second_store_is_locked_out),
        CASE_UNOPENED(a_second_process_is_locked_out_while_the_first_lives),
        CASE(a_foreign_client_that_writes_is_waited_for_and_then_named),
        CASE_UNOPENED(a_missing_directory_is_named),
        CASE_UNOPENED(a_directory_that_cannot_be_written_is_named),
        CASE(an_existing_file_in_such_a_directory_too),
        CASE_UNOPENED(an_empty_file_becomes_a_journal),
        CASE(each_opening_is_a_new_boot_and_runs_no_migration_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

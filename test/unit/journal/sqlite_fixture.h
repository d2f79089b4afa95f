/* What the tests of the embedded journal share: a directory, a store, a loop, and calls that wait for their answer. */
#ifndef SQLITE_FIXTURE_H
#define SQLITE_FIXTURE_H

#include "journal/sqlite.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { AMBIGUITY_MS = 30000 };

struct fixture {
    char dir[64], path[96];
    struct sqlite_options options;
    struct sqlite_store *store;
    struct loop *loop;
    struct journal *journal;
    size_t waiting;
    struct hlc clock;
    uint32_t bucket;
};

static struct fixture fix;
static _Atomic uint64_t fake_mono_ms = 1000000, fake_unix_ms = 1700000000000;

static inline uint64_t read_fake_mono(void)
{
    return fake_mono_ms;
}

static inline uint64_t read_fake_unix(void)
{
    return fake_unix_ms;
}

static inline void pass_ms(uint64_t ms)
{
    fake_mono_ms += ms;
    fake_unix_ms += ms;
}

/* Answers come on the loop; it runs until none is missing. */
static inline void on_done(struct journal_request *r, enum err result)
{
    assert_true(fix.waiting > 0);
    assert_int_equal(result, r->result);
    if (--fix.waiting == 0)
        loop_stop(fix.loop);
}

static inline void await_all(void)
{
    if (fix.waiting)
        loop_run(fix.loop);
    assert_int_equal(fix.waiting, 0);
}

static inline enum err try_open(char why[static JOURNAL_WHY_BYTES])
{
    return sqlite_store_open(&fix.store, fix.path, &fix.options, why);
}

static inline void open_store(void)
{
    char why[JOURNAL_WHY_BYTES];

    if (try_open(why))
        fail_msg("%s", why);
    assert_int_equal(sqlite_journal_open(&fix.journal, fix.store, fix.loop), ERR_OK);
}

static inline void close_store(void)
{
    sqlite_journal_free(fix.journal);
    sqlite_store_close(fix.store);
    fix.journal = NULL;
    fix.store = NULL;
}

static inline void reopen_store(void)
{
    close_store();
    open_store();
}

static inline void make_bucket(const char *name, struct journal_bucket_write *w)
{
    *w = (struct journal_bucket_write){.request.done = on_done};
    w->bucket.created_unix_ms = fake_unix_ms;
    w->bucket.replica_count = 3;
    snprintf(w->bucket.name, sizeof(w->bucket.name), "%s", name);
    for (int i = 0; i < 3; i++) {
        snprintf(w->bucket.replicas[i].backend, sizeof(w->bucket.replicas[i].backend), "%c", 'a' + i);
        snprintf(w->bucket.replicas[i].remote, sizeof(w->bucket.replicas[i].remote), "%s-%d", name, i);
    }
}

static inline enum err write_bucket(struct journal_bucket_write *w)
{
    fix.waiting++;
    fix.journal->ops->bucket_write(fix.journal, w);
    await_all();
    return w->request.result;
}

static inline void make_directory(void)
{
    memset(&fix, 0, sizeof(fix));
    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    snprintf(fix.dir, sizeof(fix.dir), "/tmp/s3mirror-journal-XXXXXX");
    assert_non_null(mkdtemp(fix.dir));
    snprintf(fix.path, sizeof(fix.path), "%s/journal.db", fix.dir);
    fix.options = (struct sqlite_options){
        .ambiguity_ms = AMBIGUITY_MS, .busy_ms = 50, .mono_ms = read_fake_mono, .unix_ms = read_fake_unix};
    hlc_init(&fix.clock, 7, (uint32_t)getpid());
    assert_int_equal(loop_open(&fix.loop), ERR_OK);
}

static inline int set_up(void **state)
{
    struct journal_bucket_write w;

    make_directory();
    open_store();
    make_bucket("media", &w);
    assert_int_equal(write_bucket(&w), ERR_OK);
    fix.bucket = w.bucket.id;
    return 0;
}

static inline int tear_down(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", "-journal"};

    if (fix.journal)
        close_store();
    loop_free(fix.loop);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s%s", fix.path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(fix.dir), 0);
    return 0;
}

static inline struct journal_key key_of(const char *text)
{
    return (struct journal_key){fix.bucket, span_of(text)};
}

static inline void make_begin(struct journal_begin *b, struct journal_key key)
{
    uint64_t version = hlc_next(&fix.clock, fake_unix_ms);

    *b = (struct journal_begin){.request.done = on_done, .key = key, .row_kind = ROW_PUT, .version = version};
    b->stamp = stamp_make(&fix.clock, version);
}

static inline void start_begin(struct journal_begin *b)
{
    fix.waiting++;
    fix.journal->ops->begin(fix.journal, b);
}

static inline enum err begin(struct journal_begin *b)
{
    start_begin(b);
    await_all();
    return b->request.result;
}

/* A row begun and seen to be durable. */
static inline struct stamp begin_row(const char *key)
{
    struct journal_begin b;

    make_begin(&b, key_of(key));
    assert_int_equal(begin(&b), ERR_OK);
    key_view_fini(&b.view);
    return b.stamp;
}

static inline enum err write_batch(struct journal_write *w)
{
    w->request.done = on_done;
    fix.waiting++;
    fix.journal->ops->write(fix.journal, w);
    await_all();
    return w->request.result;
}

static inline enum err change_row(const char *key, struct stamp stamp, enum row_phase phase, uint32_t stored,
                                  uint32_t unresolved)
{
    struct journal_write w = {.key = key_of(key), .change = true};

    w.row = (struct row){.stamp = stamp, .phase = phase, .stored = stored, .unresolved = unresolved};
    return write_batch(&w);
}

static inline enum err remove_row(const char *key, struct stamp stamp)
{
    struct journal_write w = {.key = key_of(key), .remove = &stamp, .remove_count = 1};

    return write_batch(&w);
}

static inline enum err read_view(struct journal_read *r, struct journal_key key)
{
    *r = (struct journal_read){.request.done = on_done, .key = key};
    fix.waiting++;
    fix.journal->ops->read(fix.journal, r);
    await_all();
    return r->request.result;
}

static inline size_t count_rows(const char *key)
{
    struct journal_read r;
    size_t count;

    assert_int_equal(read_view(&r, key_of(key)), ERR_OK);
    count = r.view.count;
    key_view_fini(&r.view);
    return count;
}

/* The key's only row. */
static inline struct row only_row(const char *key)
{
    struct journal_read r;
    struct row row;

    assert_int_equal(read_view(&r, key_of(key)), ERR_OK);
    assert_int_equal(r.view.count, 1);
    row = r.view.rows[0];
    key_view_fini(&r.view);
    return row;
}

static inline bool is_only_row(const char *key, struct stamp stamp)
{
    struct row row = only_row(key);

    return stamp_eq(&row.stamp, &stamp);
}

static inline enum err claim_key(const char *key, uint64_t lease_ms, uint64_t *id)
{
    struct journal_claim c = {
        .request.done = on_done, .key = key_of(key), .targets = 2, .lease_ms = lease_ms};

    fix.waiting++;
    fix.journal->ops->claim(fix.journal, &c);
    await_all();
    *id = c.id;
    return c.request.result;
}

static inline bool maybe_other(const char *key, const struct stamp *own)
{
    return fix.journal->ops->maybe(fix.journal, key_of(key), JOURNAL_ANY_OTHER_ROW, own);
}

static inline bool maybe_stored(const char *key)
{
    return fix.journal->ops->maybe(fix.journal, key_of(key), JOURNAL_ANY_STORED_ROW, NULL);
}

static inline struct journal_stats stats(void)
{
    struct journal_stats out;

    fix.journal->ops->stats(fix.journal, &out);
    return out;
}

#endif

/* The writer thread: all that changes the database, in groups.
 *
 *     queue --take--> group --apply each--> COMMIT (one fsync) --memory follows--> R1 of begins --> loops
 *                       ^                       | error                              |
 *                       |                       v                                    | 3a: a row orders after mine
 *                       |               rolled back, all get the error               v
 *                       +------------------------------------------------ written again, in the next group
 *
 * A group is what came while the one before was being made durable: a lone request waits for nobody, and under load
 * one fsync serves many. What may wait (removals of rows that were stored on all, attempts) rides in groups that
 * others pay for, and makes one of its own only after LAZY_MS.
 *
 * The memory side (filter, counts, catalogue) follows after the commit and before R1, so that a row removed in the
 * same group is not looked for. R1 comes after the commit: it sees every row that was durable when mine became so.
 *
 * Errors. Disk full, I/O error on write, a foreign lock: the group is rolled back, its requests get the error, the
 * next group tries anew. A failed fsync, or a page that is not what we wrote: sticky, nothing is written any more
 * (database_error_is_final).
 *
 * Checkpoints happen here, between groups: gladly when nothing waits and the log has CHECKPOINT_FRAMES, in any case
 * at CHECKPOINT_LATEST_FRAMES, so that the log stays short and the pause is bounded by what it holds. */
#include "journal/sqlite_store.h"

#include "base/log.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    GROUP_REQUESTS = 512,
    GROUP_LAZY = 1024,
    CHECKPOINT_FRAMES = 1000,
    CHECKPOINT_LATEST_FRAMES = 2000,
};

/* What only the writer thread knows. */
struct writer {
    struct sqlite_store *store;
    struct list backlog; /* taken from the queue, not yet in a group */
    struct group group;
    enum err last; /* of the last group, to log a change only */
};

static void wait_until(struct worker *w, uint64_t due_ms)
{
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000};

    pthread_cond_timedwait(&w->wake, &w->lock, &due);
}

static bool lazy_is_due(const struct sqlite_store *s)
{
    return s->lazy_count && (s->writer.stopping || real_mono_ms() >= s->lazy_due_ms);
}

static void wait_for_work_locked(struct sqlite_store *s)
{
    struct worker *w = &s->writer;

    while (list_empty(&w->requests) && !w->stopping && !lazy_is_due(s)) {
        w->sleeping = true;
        if (s->lazy_count)
            wait_until(w, s->lazy_due_ms);
        else
            pthread_cond_wait(&w->wake, &w->lock);
    }
    w->sleeping = false;
}

/* A bucket_write is the last of its group: the others find the catalogue as it is committed. */
static void fill_group(struct writer *w)
{
    for (int i = 0; i < GROUP_REQUESTS; i++) {
        struct list *node = list_pop(&w->backlog);

        if (!node)
            break;
        list_append(&w->group.requests, node);
        w->group.operations++;
        if (LIST_ENTRY(node, struct journal_request, node)->kind == REQUEST_BUCKET)
            break;
    }
}

static void take_lazy_locked(struct writer *w)
{
    struct sqlite_store *s = w->store;

    for (int i = 0; i < GROUP_LAZY && s->lazy_count; i++, s->lazy_count--) {
        list_append(&w->group.lazy, list_pop(&s->lazy));
        w->group.operations++;
    }
}

/* False: the store closes and nothing is left to do. */
static bool take_group(struct writer *w)
{
    struct sqlite_store *s = w->store;

    w->group.operations = 0;
    pthread_mutex_lock(&s->writer.lock);
    if (list_empty(&w->backlog))
        wait_for_work_locked(s);
    list_splice(&w->backlog, &s->writer.requests);
    take_lazy_locked(w);
    pthread_mutex_unlock(&s->writer.lock);
    fill_group(w);
    w->group.mono_ms = store_mono_ms(s);
    w->group.unix_ms = store_unix_ms(s);
    return w->group.operations != 0;
}

static enum err apply_all(struct writer *w)
{
    struct group *g = &w->group;
    enum err err = database_do(&w->store->write, SQL_TAKE_WRITE);

    for (struct list *node = g->requests.next; node != &g->requests && !err; node = node->next) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        r->result = ERR_OK;
        err = apply_request(w->store, g, r);
    }
    for (struct list *node = g->lazy.next; node != &g->lazy && !err; node = node->next)
        err = apply_lazy(w->store, g, LIST_ENTRY(node, struct lazy, node));
    return err ? err : database_do(&w->store->write, SQL_COMMIT);
}

static void give_up_for_good(struct sqlite_store *s, enum err err, int code, const char *text)
{
    atomic_store(&s->failed, err);
    log_error("journal_failed", LOG_U64("sqlite_code", code), LOG_STR("cause", text),
              LOG_STR("effect", "no write is accepted until the next start"));
}

/* Some errors have rolled back already, after others the transaction is still open. */
static enum err roll_back(struct sqlite_store *s, enum err err)
{
    sqlite3 *db = s->write.handle;
    int code = sqlite3_extended_errcode(db);

    if (database_error_is_final(code))
        give_up_for_good(s, err, code, sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db) && database_do(&s->write, SQL_ROLLBACK))
        give_up_for_good(s, ERR_IO, sqlite3_extended_errcode(db), sqlite3_errmsg(db));
    return err;
}

static bool is_hint(const struct row_state *r)
{
    return r->phase >= ROW_FINAL;
}

static bool is_open(const struct row_state *r)
{
    return r->phase != 0 && r->phase < ROW_FINAL;
}

static void follow_change(struct sqlite_store *s, const struct change *c)
{
    for (uint32_t i = 0; i < c->drop_rows; i++)
        filter_drop(&s->filter, FILTER_ROWS, c->place);
    for (uint32_t i = 0; i < c->drop_stored; i++) {
        filter_drop(&s->filter, FILTER_STORED, c->place);
        filter_drop_stored_in(&s->filter, c->bucket);
    }
    for (uint32_t i = 0; i < c->drop_manifests; i++)
        filter_drop(&s->filter, FILTER_MANIFESTS, c->place);
    s->rows_open += (uint64_t)is_open(&c->after) - (uint64_t)is_open(&c->before);
    s->hints += (uint64_t)is_hint(&c->after) - (uint64_t)is_hint(&c->before);
    if (is_hint(&c->after))
        sqlite_catalog_add_hint(&s->catalog, c->bucket, ~c->after.stored, c->others_lack, c->unix_ms);
    if (is_hint(&c->before))
        sqlite_catalog_drop_hint(&s->catalog, c->bucket, ~c->before.stored, c->others_lack, c->unix_ms);
}

static void follow_bucket(struct sqlite_store *s, struct group *g, struct journal_bucket_write *r)
{
    if (r->remove)
        sqlite_catalog_remove(&s->catalog, g->bucket.id);
    else if (!(r->request.result = sqlite_catalog_put(&s->catalog, &g->bucket)))
        r->bucket = g->bucket;
}

/* The memory side of a committed group. */
static void follow(struct writer *w)
{
    struct sqlite_store *s = w->store;
    struct group *g = &w->group;

    for (size_t i = 0; i < g->change_count; i++)
        follow_change(s, &g->changes[i]);
    s->attempts += (uint64_t)g->attempts_added;
    s->dead += (uint64_t)g->dead_added;
    s->commits++;
    s->operations += g->operations;
    for (struct list *node = g->requests.next; node != &g->requests; node = node->next) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        if (r->result)
            request_uncount(s, r);
        else if (r->kind == REQUEST_BUCKET)
            follow_bucket(s, g, LIST_ENTRY(r, struct journal_bucket_write, request));
    }
}

/* Step 3a. Ties go to the greater stamp, as everywhere. */
static bool orders_after_mine(const struct row *other, const struct journal_begin *mine)
{
    return other->version > mine->version ||
           (other->version == mine->version && memcmp(other->stamp.b, mine->stamp.b, STAMP_BYTES) > 0);
}

static void read_others(struct writer *w, struct journal_begin *b)
{
    struct sqlite_store *s = w->store;
    const struct row *greatest;

    if (filter_count(&s->filter, FILTER_ROWS, filter_place(&s->filter, &b->key)) == 1)
        return;
    b->request.result = read_key(s, &s->write, &b->key, &b->stamp, &b->view);
    greatest = key_view_newest(&b->view);
    if (b->request.result || !greatest || !orders_after_mine(greatest, b))
        return;
    b->version = greatest->version + 1;
    b->request.kind = REQUEST_LIFT;
    list_remove(&b->request.node);
    list_append(w->backlog.next, &b->request.node); /* before the first */
}

static void read_others_of_all(struct writer *w)
{
    struct list *next;

    for (struct list *node = w->group.requests.next; node != &w->group.requests; node = next) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        next = node->next;
        if (r->kind == REQUEST_BEGIN && !r->result)
            read_others(w, LIST_ENTRY(r, struct journal_begin, request));
    }
}

static void fail_requests(struct writer *w, enum err err)
{
    for (struct list *node = w->group.requests.next; node != &w->group.requests; node = node->next) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        r->result = err;
        request_uncount(w->store, r);
    }
}

static void free_lazy(struct list *lazy)
{
    struct list *next;

    for (struct list *node = lazy->next; node != lazy; node = next) {
        next = node->next;
        free(LIST_ENTRY(node, struct lazy, node));
    }
    list_init(lazy);
}

/* After a failure they are kept for a later group, unless there will be none. */
static void finish_lazy(struct writer *w, enum err err)
{
    struct sqlite_store *s = w->store;
    struct list *node;

    pthread_mutex_lock(&s->writer.lock);
    if (err && !s->failed && !s->writer.stopping) {
        while (!list_empty(&w->group.lazy)) {
            node = w->group.lazy.prev;
            list_remove(node);
            list_append(s->lazy.next, node);
            s->lazy_count++;
        }
        s->lazy_due_ms = real_mono_ms() + LAZY_MS;
    }
    pthread_mutex_unlock(&s->writer.lock);
    free_lazy(&w->group.lazy);
}

static void log_change(struct writer *w, enum err err)
{
    if (err && err != w->last && !w->store->failed)
        log_error("journal_commit_failed", LOG_STR("error", err_name(err)), LOG_STR("cause", err_text(err)));
    if (!err && w->last)
        log_info("journal_commit_works_again");
    w->last = err;
}

static void run_group(struct writer *w)
{
    struct sqlite_store *s = w->store;
    enum err err = atomic_load(&s->failed);

    w->group.change_count = 0;
    w->group.attempts_added = w->group.dead_added = 0;
    if (!err && (err = apply_all(w)))
        err = roll_back(s, err);
    if (err) {
        fail_requests(w, err);
    } else {
        follow(w);
        read_others_of_all(w);
    }
    finish_lazy(w, err);
    log_change(w, err);
    deliver_all(&w->group.requests);
}

static int on_log_grown(void *store, sqlite3 *db, const char *name, int frames)
{
    struct sqlite_store *s = store;

    s->log_frames = frames;
    if (frames < s->checkpoint_at_frames)
        s->checkpoint_at_frames = 0; /* the log began anew */
    return SQLITE_OK;
}

static bool is_idle(struct writer *w)
{
    bool idle;

    pthread_mutex_lock(&w->store->writer.lock);
    idle = list_empty(&w->backlog) && list_empty(&w->store->writer.requests);
    pthread_mutex_unlock(&w->store->writer.lock);
    return idle;
}

/* What a reader still looks at is left for the next time. */
static void checkpoint(struct writer *w)
{
    struct sqlite_store *s = w->store;
    int code = sqlite3_wal_checkpoint_v2(s->write.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    if (database_error_is_final(code))
        give_up_for_good(s, database_error(&s->write, code), code, sqlite3_errmsg(s->write.handle));
    else if (code != SQLITE_OK)
        log_warn("journal_checkpoint_failed", LOG_STR("cause", sqlite3_errmsg(s->write.handle)));
    s->checkpoint_at_frames = s->log_frames;
}

static void maybe_checkpoint(struct writer *w)
{
    struct sqlite_store *s = w->store;
    int grown = s->log_frames - s->checkpoint_at_frames;

    if (s->failed || grown < CHECKPOINT_FRAMES)
        return;
    if (grown >= CHECKPOINT_LATEST_FRAMES || is_idle(w))
        checkpoint(w);
}

void *writer_main(void *store)
{
    struct writer w = {.store = store};

    list_init(&w.backlog);
    list_init(&w.group.requests);
    list_init(&w.group.lazy);
    sqlite3_wal_hook(w.store->write.handle, on_log_grown, store);
    while (take_group(&w)) {
        run_group(&w);
        maybe_checkpoint(&w);
    }
    free(w.group.changes);
    return NULL;
}

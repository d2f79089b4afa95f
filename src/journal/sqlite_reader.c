/* The reader thread: answers from its own connection, on a snapshot of the log, so that a read waits for no group
 * of the writer. All that is queued is answered from one snapshot, taken after the last of these calls was made:
 * whatever was durable at any of them is in it. */
#include "journal/sqlite_store.h"

#include "base/log.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH_REQUESTS = 64,
    SEARCH_ROWS = 20000 /* looked at, for a bucket, in one search of the oldest hints */
};

/* What an earlier process wrote counts from when this one could first have seen it. */
static uint64_t age_ms(const struct sqlite_store *s, int64_t boot, int64_t mono_ms, uint64_t now_ms)
{
    uint64_t since_ms = boot == s->boot ? (uint64_t)mono_ms : s->opened_mono_ms;

    return now_ms > since_ms ? now_ms - since_ms : 0;
}

enum err read_claim(struct sqlite_store *s, struct database *d, const struct journal_key *key,
                    struct key_view *out, bool *held)
{
    sqlite3_stmt *q = database_bind(d, SQL_KEY_CLAIM, key);
    int code = sqlite3_step(q);

    *held = code == SQLITE_ROW;
    if (*held) {
        out->claim = (struct claim){
            .id = (uint64_t)sqlite3_column_int64(q, 0),
            .targets = (uint32_t)sqlite3_column_int64(q, 1),
            .lease_ms = (uint64_t)sqlite3_column_int64(q, 2),
            .age_ms = age_ms(s, sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4), store_mono_ms(s)),
        };
        out->claimed = out->claim.age_ms < out->claim.lease_ms + s->options.ambiguity_ms;
    }
    sqlite3_reset(q);
    return database_error(d, code);
}

static struct row column_row(const struct sqlite_store *s, sqlite3_stmt *q, uint64_t now_ms)
{
    struct row r = {
        .version = (uint64_t)sqlite3_column_int64(q, 1),
        .kind = (uint8_t)sqlite3_column_int(q, 2),
        .phase = (uint8_t)sqlite3_column_int(q, 3),
        .stored = (uint32_t)sqlite3_column_int64(q, 4),
        .unresolved = (uint32_t)sqlite3_column_int64(q, 5),
        .orphan = sqlite3_column_int(q, 6),
        .age_ms = age_ms(s, sqlite3_column_int64(q, 7), sqlite3_column_int64(q, 8), now_ms),
    };

    if (sqlite3_column_bytes(q, 0) == STAMP_BYTES)
        memcpy(r.stamp.b, sqlite3_column_blob(q, 0), STAMP_BYTES);
    return r;
}

enum err read_key(struct sqlite_store *s, struct database *d, const struct journal_key *key,
                  const struct stamp *own, struct key_view *out)
{
    uint64_t now_ms = store_mono_ms(s);
    sqlite3_stmt *q = database_bind(d, SQL_KEY_ROWS, key);
    bool held;
    int code;

    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        struct row r = column_row(s, q, now_ms);

        if (!own || !stamp_eq(&r.stamp, own))
            key_view_add(out, &r);
    }
    sqlite3_reset(q);
    return code == SQLITE_DONE ? read_claim(s, d, key, out, &held) : database_error(d, code);
}

static bool is_same_key(const struct journal_key *a, uint32_t bucket, struct span key)
{
    return a->bucket == bucket && span_eq(a->key, key);
}

/* Of a row that begins with bucket and key; NULLs are those of a key without any. */
static void column_failures(const struct sqlite_store *s, sqlite3_stmt *q, struct journal_failures *out)
{
    uint64_t due_unix_ms = (uint64_t)sqlite3_column_int64(q, 3), now_unix_ms = store_unix_ms(s);

    *out = (struct journal_failures){
        .tries = (uint32_t)sqlite3_column_int64(q, 2),
        .wait_ms = due_unix_ms > now_unix_ms ? due_unix_ms - now_unix_ms : 0,
        .dead = sqlite3_column_int(q, 4),
        .slot = (uint32_t)sqlite3_column_int64(q, 5),
        .unix_ms = (uint64_t)sqlite3_column_int64(q, 6),
    };
    snprintf(out->reason, sizeof(out->reason), "%.*s", sqlite3_column_bytes(q, 7),
             sqlite3_column_bytes(q, 7) ? (const char *)sqlite3_column_blob(q, 7) : "");
}

static enum err read_failures(struct sqlite_store *s, const struct journal_key *key,
                              struct journal_failures *out)
{
    sqlite3_stmt *q = database_bind(&s->read, SQL_KEY_FAILURES, key);
    int code = sqlite3_step(q);

    if (code == SQLITE_ROW)
        column_failures(s, q, out);
    sqlite3_reset(q);
    return database_error(&s->read, code);
}

static enum err add_work(struct sqlite_store *s, struct journal_scan *r, sqlite3_stmt *q)
{
    uint32_t bucket = (uint32_t)sqlite3_column_int64(q, 0);
    struct span key = {sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1)};
    struct journal_work *w = &r->work[r->count];
    bool dead = sqlite3_column_int(q, 4);
    char *copy;

    if ((dead && r->list == JOURNAL_LIVE_WORK) || (r->count && is_same_key(&w[-1].key, bucket, key)))
        return ERR_OK;
    copy = malloc(key.len + 1);
    if (!copy)
        return ERR_NOMEM;
    if (key.len)
        memcpy(copy, key.at, key.len);
    w->key = (struct journal_key){bucket, {copy, key.len}};
    column_failures(s, q, &w->failures);
    r->count++;
    return ERR_OK;
}

static enum err scan(struct sqlite_store *s, struct journal_scan *r)
{
    struct database *d = &s->read;
    struct journal_key after = r->after.bucket ? r->after : (struct journal_key){0, SPAN_EMPTY};
    sqlite3_stmt *q =
        database_bind(d, r->list == JOURNAL_DEAD_LETTERS ? SQL_DEAD_LETTERS : SQL_LISTED_KEYS, &after);
    enum err err = ERR_OK;
    int code = SQLITE_ROW;

    r->count = 0;
    while (!err && r->count < JOURNAL_PAGE_KEYS && (code = sqlite3_step(q)) == SQLITE_ROW)
        err = add_work(s, r, q);
    sqlite3_reset(q);
    if (!err)
        err = database_error(d, code);
    if (err)
        journal_scan_fini(r);
    return err;
}

/* Of the rows of one key, which come together, the newest. */
struct newest {
    uint64_t version;
    struct stamp stamp;
};

static bool is_newer(const struct newest *a, const struct newest *b)
{
    return a->version > b->version ||
           (a->version == b->version && memcmp(a->stamp.b, b->stamp.b, STAMP_BYTES) > 0);
}

/* False: the page is full, or the keys with the prefix are over. */
static bool add_stored(struct journal_range *r, sqlite3_stmt *q, struct newest *newest)
{
    struct span key = {sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)};
    struct journal_range_key *last = r->count ? &r->keys[r->count - 1] : NULL;
    struct newest n = {.version = (uint64_t)sqlite3_column_int64(q, 1)};
    uint32_t stored = (uint32_t)sqlite3_column_int64(q, 3);

    if (sqlite3_column_bytes(q, 2) == STAMP_BYTES)
        memcpy(n.stamp.b, sqlite3_column_blob(q, 2), STAMP_BYTES);
    if (last && span_eq(last->key, key)) {
        if (!is_newer(&n, newest))
            return true;
        last->stored = stored;
    } else if (!span_starts(key, r->prefix) || !journal_range_add(r, key, stored)) {
        return false;
    }
    *newest = n;
    return true;
}

static enum err read_range(struct sqlite_store *s, struct journal_range *r)
{
    struct span from = r->prefix;
    struct newest newest = {.version = 0};
    char *successor = malloc(r->after.len + 1); /* the least key that is greater */
    sqlite3_stmt *q;
    int code;

    if (!successor)
        return ERR_NOMEM;
    *span_put(successor, r->after) = '\0';
    if (r->after.len && span_cmp(r->after, r->prefix) >= 0)
        from = (struct span){successor, r->after.len + 1};
    q = database_bind(&s->read, SQL_STORED_KEYS, &(struct journal_key){r->bucket, from});
    sqlite3_bind_int64(q, 3, r->slots);
    while ((code = sqlite3_step(q)) == SQLITE_ROW && add_stored(r, q, &newest))
        ;
    sqlite3_reset(q);
    free(successor);
    return database_error(&s->read, code);
}

static enum err answer(struct sqlite_store *s, struct journal_request *request)
{
    struct journal_read *r;
    enum err err;

    switch (request->kind) {
    case REQUEST_SCAN: return scan(s, LIST_ENTRY(request, struct journal_scan, request));
    case REQUEST_RANGE: return read_range(s, LIST_ENTRY(request, struct journal_range, request));
    case REQUEST_UPLOAD_READ: return read_upload(s, LIST_ENTRY(request, struct journal_upload_read, request));
    case REQUEST_UPLOAD_SCAN:
        return scan_uploads(s, LIST_ENTRY(request, struct journal_upload_scan, request));
    case REQUEST_MANIFEST_READ:
        return read_manifest(s, LIST_ENTRY(request, struct journal_manifest_read, request));
    default:
        assert(request->kind == REQUEST_READ);
        r = LIST_ENTRY(request, struct journal_read, request);
        err = read_key(s, &s->read, &r->key, NULL, &r->view);
        return err || !r->failures_too ? err : read_failures(s, &r->key, &r->failures);
    }
}

static void answer_all(struct sqlite_store *s, struct list *batch)
{
    enum err err = database_do(&s->read, SQL_TAKE_READ), end;

    for (struct list *node = batch->next; node != batch; node = node->next) {
        struct journal_request *r = LIST_ENTRY(node, struct journal_request, node);

        r->result = err ? err : answer(s, r);
    }
    end = err ? ERR_OK : database_do(&s->read, SQL_COMMIT);
    if (err || end)
        log_error("journal_read_failed", LOG_STR("cause", sqlite3_errmsg(s->read.handle)));
    deliver_all(batch);
}

/* The first hint that each slot of `slots` lacks, in the order of their age. The search ends after a bounded number
 * of rows: a slot not met by then has at least no older hint than the last row looked at. */
static enum err search_oldest(struct sqlite_store *s, uint32_t bucket, uint32_t slots,
                              uint64_t oldest[static REPLICAS_MAX])
{
    sqlite3_stmt *q = s->read.statements[SQL_OLDEST_HINTS];
    uint64_t unix_ms = 0;
    int code = SQLITE_ROW;

    sqlite3_bind_int64(q, 1, bucket);
    for (int looked = 0; slots && looked < SEARCH_ROWS && (code = sqlite3_step(q)) == SQLITE_ROW; looked++) {
        uint32_t found = slots & ~(uint32_t)sqlite3_column_int64(q, 1);

        unix_ms = (uint64_t)sqlite3_column_int64(q, 0);
        for (int slot = 0; slot < REPLICAS_MAX; slot++)
            if (found >> slot & 1)
                oldest[slot] = unix_ms;
        slots &= ~found;
    }
    for (int slot = 0; code == SQLITE_ROW && slot < REPLICAS_MAX; slot++)
        if (slots >> slot & 1)
            oldest[slot] = unix_ms;
    sqlite3_reset(q);
    return database_error(&s->read, code);
}

static void search_all(struct sqlite_store *s)
{
    uint32_t bucket = 0, slots;

    while ((bucket = sqlite_catalog_search_begin(&s->catalog, bucket, &slots)) != 0) {
        uint64_t oldest[REPLICAS_MAX];
        enum err err;

        memset(oldest, 0xff, sizeof(oldest));
        err = search_oldest(s, bucket, slots, oldest);
        if (err)
            log_warn("journal_lag_unknown", LOG_U64("bucket", bucket),
                     LOG_STR("cause", sqlite3_errmsg(s->read.handle)));
        sqlite_catalog_search_end(&s->catalog, bucket, err ? NULL : oldest);
    }
}

/* False: the store closes and nothing is left to answer. */
static bool take(struct sqlite_store *s, struct list *batch)
{
    struct worker *w = &s->reader;
    bool go_on;

    pthread_mutex_lock(&w->lock);
    while (list_empty(&w->requests) && !w->stopping && !s->lag_wanted) {
        w->sleeping = true;
        pthread_cond_wait(&w->wake, &w->lock);
    }
    w->sleeping = false;
    for (int i = 0; i < BATCH_REQUESTS && !list_empty(&w->requests); i++)
        list_append(batch, list_pop(&w->requests));
    go_on = !w->stopping || !list_empty(batch);
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

void *reader_main(void *store)
{
    struct sqlite_store *s = store;
    struct list batch;

    list_init(&batch);
    while (take(s, &batch)) {
        if (!list_empty(&batch))
            answer_all(s, &batch);
        if (atomic_exchange(&s->lag_wanted, false))
            search_all(s);
    }
    return NULL;
}

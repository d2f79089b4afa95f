/* What each request does inside the group's transaction.
 *
 * Two kinds of failure: a request that is refused (its result says why, nothing of it has happened, the group goes
 * on), and an error of the database, by which the whole group fails. Every effect on rows is noted as a change, for
 * the filter and the counts, which follow only after the commit. */
#include "journal/sqlite_store.h"

#include <assert.h>
#include <stdlib.h>

/* Aborts when memory is out: bounded by the rows that one group can touch. */
void group_note(struct group *g, const struct change *c)
{
    if (g->change_count == g->change_room) {
        g->change_room = g->change_room ? 2 * g->change_room : 256;
        g->changes = realloc(g->changes, g->change_room * sizeof(*g->changes));
        if (!g->changes)
            abort();
    }
    g->changes[g->change_count++] = *c;
}

static struct change change_of(const struct sqlite_store *s, const struct journal_key *key)
{
    return (struct change){.bucket = key->bucket, .place = filter_place(&s->filter, key)};
}

static bool is_constraint(int code)
{
    return (code & 0xff) == SQLITE_CONSTRAINT;
}

static enum err apply_begin(struct sqlite_store *s, struct group *g, struct journal_begin *b)
{
    struct change c = change_of(s, &b->key);
    sqlite3_stmt *q = database_bind(&s->write, SQL_ROW_ADD, &b->key);
    int code;

    if (sqlite_catalog_by_id(&s->catalog, b->key.bucket, NULL)) {
        b->request.result = ERR_NOT_FOUND;
        return ERR_OK;
    }
    bind_stamp(q, 3, &b->stamp);
    sqlite3_bind_int64(q, 4, (int64_t)b->version);
    sqlite3_bind_int(q, 5, b->row_kind);
    sqlite3_bind_int64(q, 6, s->boot);
    sqlite3_bind_int64(q, 7, (int64_t)g->mono_ms);
    sqlite3_bind_int64(q, 8, (int64_t)g->unix_ms);
    code = database_run(q);
    if (is_constraint(code)) {
        b->request.result = ERR_EXISTS;
        return ERR_OK;
    }
    c.after.phase = ROW_OPEN;
    group_note(g, &c);
    return database_error(&s->write, code);
}

/* Step 3a: the row once more, with a version above all that R1 showed. */
static enum err apply_lift(struct sqlite_store *s, struct journal_begin *b)
{
    sqlite3_stmt *q = database_bind(&s->write, SQL_ROW_LIFT, &b->key);
    int code;

    bind_stamp(q, 3, &b->stamp);
    sqlite3_bind_int64(q, 4, (int64_t)b->version);
    code = database_run(q);
    if (code == SQLITE_DONE && sqlite3_changes(s->write.handle) == 0)
        b->request.result = ERR_NOT_FOUND;
    return database_error(&s->write, code);
}

/* c->before and the time of its first writing; phase 0 when there is no such row. */
static enum err find_row(struct sqlite_store *s, const struct journal_key *key, const struct stamp *stamp,
                         struct change *c)
{
    sqlite3_stmt *q = database_bind(&s->write, SQL_ROW_FIND, key);
    int code;

    bind_stamp(q, 3, stamp);
    code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        c->before.phase = (uint8_t)sqlite3_column_int(q, 0);
        c->before.stored = (uint32_t)sqlite3_column_int64(q, 1);
        c->unix_ms = (uint64_t)sqlite3_column_int64(q, 2);
    }
    sqlite3_reset(q);
    return database_error(&s->write, code);
}

/* c->others_lack. A key that the filter counts once has no other row. */
static enum err find_others(struct sqlite_store *s, const struct journal_key *key, const struct stamp *stamp,
                            struct change *c)
{
    sqlite3_stmt *q;
    int code;

    if (filter_count(&s->filter, FILTER_ROWS, c->place) == 1)
        return ERR_OK;
    q = database_bind(&s->write, SQL_OTHER_HINTS, key);
    bind_stamp(q, 3, stamp);
    while ((code = sqlite3_step(q)) == SQLITE_ROW)
        c->others_lack |= ~(uint32_t)sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return database_error(&s->write, code);
}

/* The write was counted for the filter when it was queued if it could give the row a stored set; now that the row
 * is known, what was counted too often is given back. */
static uint8_t stored_too_many(const struct journal_write *w, const struct change *c)
{
    int counted = (c->before.stored != 0) + (w->row.stored || w->add_stored);

    return (uint8_t)(counted - (c->after.stored != 0));
}

static enum err change_row(struct sqlite_store *s, struct group *g, struct journal_write *w)
{
    struct change c = change_of(s, &w->key);
    enum err err = find_row(s, &w->key, &w->row.stamp, &c);
    sqlite3_stmt *q;

    if (err)
        return err;
    if (c.before.phase == 0 || c.before.phase > w->row.phase) {
        w->request.result = ERR_NOT_FOUND;
        return ERR_OK;
    }
    c.after.phase = w->row.phase;
    c.after.stored = w->row.stored | (w->add_stored ? c.before.stored : 0);
    c.drop_stored = stored_too_many(w, &c);
    if (c.after.phase >= ROW_FINAL && (err = find_others(s, &w->key, &w->row.stamp, &c)))
        return err;
    q = database_bind(&s->write, SQL_ROW_CHANGE, &w->key);
    bind_stamp(q, 3, &w->row.stamp);
    sqlite3_bind_int(q, 4, c.after.phase);
    sqlite3_bind_int64(q, 5, c.after.stored);
    sqlite3_bind_int64(q, 6, w->row.phase == ROW_MERGED ? 0 : w->row.unresolved);
    sqlite3_bind_int64(q, 7, s->boot);
    sqlite3_bind_int64(q, 8, (int64_t)g->mono_ms);
    group_note(g, &c);
    return database_error(&s->write, database_run(q));
}

/* The usual case, an open row that was stored on all, needs no look at what it was. */
static enum err remove_open_row(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                                const struct stamp *stamp, bool *removed)
{
    struct change c = change_of(s, key);
    sqlite3_stmt *q = database_bind(&s->write, SQL_ROW_REMOVE_OPEN, key);
    int code;

    bind_stamp(q, 3, stamp);
    code = database_run(q);
    *removed = code == SQLITE_DONE && sqlite3_changes(s->write.handle) == 1;
    if (*removed) {
        c.before.phase = ROW_OPEN;
        c.drop_rows = 1;
        group_note(g, &c);
    }
    return database_error(&s->write, code);
}

static enum err remove_row(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                           const struct stamp *stamp)
{
    struct change c = change_of(s, key);
    bool removed;
    enum err err = remove_open_row(s, g, key, stamp, &removed);
    sqlite3_stmt *q;

    if (err || removed)
        return err;
    err = find_row(s, key, stamp, &c);
    if (err || c.before.phase == 0)
        return err;
    if (c.before.phase >= ROW_FINAL && (err = find_others(s, key, stamp, &c)))
        return err;
    q = database_bind(&s->write, SQL_ROW_REMOVE, key);
    bind_stamp(q, 3, stamp);
    c.drop_rows = 1;
    c.drop_stored = c.before.stored != 0;
    group_note(g, &c);
    return database_error(&s->write, database_run(q));
}

static enum err find_attempt(struct sqlite_store *s, const struct journal_key *key, bool *there, bool *dead)
{
    sqlite3_stmt *q = database_bind(&s->write, SQL_ATTEMPT_FIND, key);
    int code = sqlite3_step(q);

    *there = code == SQLITE_ROW;
    *dead = *there && sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return database_error(&s->write, code);
}

/* `always`: also while the key is still on the list. */
static enum err remove_attempt(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                               bool always)
{
    bool there, dead;
    enum err err = find_attempt(s, key, &there, &dead);
    sqlite3_stmt *q;
    int code;

    if (err || !there)
        return err;
    q = database_bind(&s->write, SQL_ATTEMPT_REMOVE, key);
    sqlite3_bind_int(q, 3, always);
    code = database_run(q);
    if (code == SQLITE_DONE && sqlite3_changes(s->write.handle) == 1) {
        g->attempts_added--;
        g->dead_added -= dead;
    }
    return database_error(&s->write, code);
}

/* A key that leaves the list takes its attempts with it: its next hint starts afresh. */
static enum err remove_rows(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                            const struct stamp *stamps, size_t count)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < count && !err; i++)
        err = remove_row(s, g, key, &stamps[i]);
    if (!err && count && (s->attempts || g->attempts_added))
        err = remove_attempt(s, g, key, false);
    return err;
}

static enum err release_claim(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                              uint64_t id)
{
    struct change c = change_of(s, key);
    sqlite3_stmt *q = database_bind(&s->write, SQL_CLAIM_RELEASE, key);
    int code;

    sqlite3_bind_int64(q, 3, (int64_t)id);
    code = database_run(q);
    c.drop_rows = code == SQLITE_DONE && sqlite3_changes(s->write.handle) == 1;
    group_note(g, &c);
    return database_error(&s->write, code);
}

static enum err apply_write(struct sqlite_store *s, struct group *g, struct journal_write *w)
{
    enum err err = w->change ? change_row(s, g, w) : ERR_OK;

    if (err || w->request.result)
        return err;
    err = remove_rows(s, g, &w->key, w->remove, w->remove_count);
    if (!err && (w->try_again || (w->change && w->row.phase == ROW_FINAL)) &&
        (s->attempts || g->attempts_added))
        err = remove_attempt(s, g, &w->key, true);
    if (!err && w->release)
        err = release_claim(s, g, &w->key, w->release);
    return err;
}

/* A claim that has run out is replaced; the filter then counts one for the two. */
static enum err apply_claim(struct sqlite_store *s, struct group *g, struct journal_claim *r)
{
    struct change c = change_of(s, &r->key);
    struct key_view view;
    bool held;
    enum err err;
    sqlite3_stmt *q;

    key_view_init(&view);
    err = read_claim(s, &s->write, &r->key, &view, &held);
    if (err)
        return err;
    if (view.claimed) {
        r->request.result = ERR_EXISTS;
        return ERR_OK;
    }
    r->id = (uint64_t)s->boot << 32 | ++s->next_claim;
    q = database_bind(&s->write, SQL_CLAIM_PUT, &r->key);
    sqlite3_bind_int64(q, 3, (int64_t)r->id);
    sqlite3_bind_int64(q, 4, r->targets);
    sqlite3_bind_int64(q, 5, (int64_t)r->lease_ms);
    sqlite3_bind_int64(q, 6, s->boot);
    sqlite3_bind_int64(q, 7, (int64_t)g->mono_ms);
    c.drop_rows = held;
    group_note(g, &c);
    return database_error(&s->write, database_run(q));
}

static enum err put_replicas(struct sqlite_store *s, const struct bucket *b)
{
    sqlite3_stmt *q = s->write.statements[SQL_REPLICAS_REMOVE];
    int code;

    sqlite3_bind_int64(q, 1, b->id);
    code = database_run(q);
    q = s->write.statements[SQL_REPLICA_PUT];
    for (uint32_t slot = 0; code == SQLITE_DONE && slot < b->replica_count; slot++) {
        const struct bucket_replica *r = &b->replicas[slot];

        sqlite3_bind_int64(q, 1, b->id);
        sqlite3_bind_int64(q, 2, slot);
        sqlite3_bind_text(q, 3, r->backend, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 4, r->remote, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 5, r->retired);
        code = database_run(q);
    }
    return database_error(&s->write, code);
}

static enum err put_bucket(struct sqlite_store *s, struct group *g, struct journal_bucket_write *r,
                           const struct bucket *had)
{
    struct bucket *b = &g->bucket;
    sqlite3_stmt *q;
    int code;

    r->request.result = sqlite_catalog_merge(had, &r->bucket, b);
    if (r->request.result)
        return ERR_OK;
    if (had) {
        q = s->write.statements[SQL_BUCKET_CHANGE];
        sqlite3_bind_int64(q, 1, b->id);
        sqlite3_bind_int(q, 2, b->configured);
        code = database_run(q);
    } else {
        q = s->write.statements[SQL_BUCKET_ADD];
        sqlite3_bind_text(q, 1, b->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, (int64_t)b->created_unix_ms);
        sqlite3_bind_int(q, 3, b->configured);
        code = database_run(q);
        b->id = (uint32_t)sqlite3_last_insert_rowid(s->write.handle);
    }
    return code == SQLITE_DONE ? put_replicas(s, b) : database_error(&s->write, code);
}

/* All that is left of a bucket without rows is claims that ran out, which the filter counts. */
static enum err drop_bucket_claims(struct sqlite_store *s, struct group *g, uint32_t id)
{
    sqlite3_stmt *q = s->write.statements[SQL_BUCKET_CLAIMS];
    int code;

    sqlite3_bind_int64(q, 1, id);
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        struct journal_key key = {id, {sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)}};
        struct change c = change_of(s, &key);

        c.drop_rows = 1;
        group_note(g, &c);
    }
    sqlite3_reset(q);
    return database_error(&s->write, code);
}

static enum err drop_bucket(struct sqlite_store *s, struct group *g, struct journal_bucket_write *r,
                            const struct bucket *had)
{
    static const enum statement steps[] = {SQL_BUCKET_CLAIMS_REMOVE, SQL_BUCKET_MANIFESTS_REMOVE,
                                           SQL_REPLICAS_REMOVE, SQL_BUCKET_REMOVE};
    sqlite3_stmt *q = s->write.statements[SQL_BUCKET_HAS_ROWS];
    enum err err;
    int code;

    sqlite3_bind_int64(q, 1, had->id);
    code = database_run(q);
    if (code == SQLITE_ROW) {
        r->request.result = ERR_EXISTS;
        return ERR_OK;
    }
    err = code == SQLITE_DONE ? drop_bucket_claims(s, g, had->id) : database_error(&s->write, code);
    if (!err)
        err = drop_bucket_uploads(s, had->id);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++) {
        q = s->write.statements[steps[i]];
        sqlite3_bind_int64(q, 1, had->id);
        err = database_error(&s->write, database_run(q));
    }
    g->bucket = *had;
    return err;
}

static enum err apply_bucket(struct sqlite_store *s, struct group *g, struct journal_bucket_write *r)
{
    struct bucket had;
    struct span name = {r->bucket.name, strnlen(r->bucket.name, sizeof(r->bucket.name))};
    bool there = sqlite_catalog_by_name(&s->catalog, name, &had) == ERR_OK;

    if (!r->remove)
        return put_bucket(s, g, r, there ? &had : NULL);
    if (there)
        return drop_bucket(s, g, r, &had);
    r->request.result = ERR_NOT_FOUND;
    return ERR_OK;
}

enum err apply_request(struct sqlite_store *s, struct group *g, struct journal_request *r)
{
    switch (r->kind) {
    case REQUEST_BEGIN: return apply_begin(s, g, LIST_ENTRY(r, struct journal_begin, request));
    case REQUEST_LIFT: return apply_lift(s, LIST_ENTRY(r, struct journal_begin, request));
    case REQUEST_WRITE: return apply_write(s, g, LIST_ENTRY(r, struct journal_write, request));
    case REQUEST_CLAIM: return apply_claim(s, g, LIST_ENTRY(r, struct journal_claim, request));
    case REQUEST_UPLOAD_ADD: return apply_upload_add(s, g, LIST_ENTRY(r, struct journal_upload_add, request));
    case REQUEST_UPLOAD_STEP:
        return apply_upload_step(s, g, LIST_ENTRY(r, struct journal_upload_step, request));
    case REQUEST_PART: return apply_part(s, LIST_ENTRY(r, struct journal_part_write, request));
    default:
        assert(r->kind == REQUEST_BUCKET);
        return apply_bucket(s, g, LIST_ENTRY(r, struct journal_bucket_write, request));
    }
}

/* For a key that has left the list meanwhile there is nothing to remember. */
static enum err put_attempt(struct sqlite_store *s, struct group *g, const struct lazy *l)
{
    bool there, dead;
    enum err err = find_attempt(s, &l->key, &there, &dead);
    sqlite3_stmt *q;
    int code;

    if (err)
        return err;
    q = database_bind(&s->write, SQL_ATTEMPT_PUT, &l->key);
    sqlite3_bind_int64(q, 3, l->tries);
    sqlite3_bind_int64(q, 4, (int64_t)l->due_unix_ms);
    sqlite3_bind_int(q, 5, l->dead);
    sqlite3_bind_int64(q, 6, l->slot);
    sqlite3_bind_int64(q, 7, (int64_t)l->unix_ms);
    bind_span(q, 8, l->reason);
    code = database_run(q);
    if (code == SQLITE_DONE && sqlite3_changes(s->write.handle) == 1) {
        g->attempts_added += !there;
        g->dead_added += l->dead - dead;
    }
    return database_error(&s->write, code);
}

enum err apply_lazy(struct sqlite_store *s, struct group *g, const struct lazy *l)
{
    if (l->before)
        return drop_manifests(s, g, l);
    if (l->count)
        return remove_rows(s, g, &l->key, l->stamps, l->count);
    return l->tries ? put_attempt(s, g, l) : remove_attempt(s, g, &l->key, true);
}

/* Multipart uploads in the database: a row per upload, a row per part, both in trees of their own, so that the rows of
 * keys stay what they are. The filter and the counts know nothing of them.
 *
 * What has one value per replica is packed: ids as (slot, length of two bytes, bytes), a part's ETags as (slots in four
 * bytes, length, bytes), numbers big-endian. */
#include "journal/sqlite_store.h"

#include <assert.h>
#include <stdlib.h>

enum {
    IDS_BYTES_MAX = REPLICAS_MAX * (3 + JOURNAL_UPLOAD_ID_BYTES_MAX),
    ETAGS_BYTES_MAX = PART_ETAGS_MAX * (5 + PART_ETAG_CHARS)
};

/* ---- packing ---- */

static char *put_number(char *at, uint32_t value, int bytes)
{
    while (bytes--)
        *at++ = (char)(value >> (8 * bytes));
    return at;
}

/* The number and then as many bytes as the length behind it says; false at the end, and where it was cut. */
static bool take(struct span *from, int number_bytes, int length_bytes, uint32_t *number, struct span *bytes)
{
    uint32_t value[2] = {0, 0};

    for (int i = 0; i < number_bytes + length_bytes; i++) {
        uint32_t *v = &value[i >= number_bytes];

        if (!from->len)
            return false;
        *v = *v << 8 | (uint8_t)from->at[0];
        *from = span_skip(*from, 1);
    }
    *number = value[0];
    *bytes = span_head(*from, value[1]);
    *from = span_skip(*from, value[1]);
    return bytes->len == value[1];
}

static struct span pack_ids(const struct upload *u, char out[static IDS_BYTES_MAX])
{
    char *at = out;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        if (!u->ids[slot].len)
            continue;
        at = put_number(at, slot, 1);
        at = put_number(at, (uint32_t)u->ids[slot].len, 2);
        at = span_put(at, u->ids[slot]);
    }
    return (struct span){out, (size_t)(at - out)};
}

static void unpack_ids(struct upload *u, struct span packed)
{
    uint32_t slot;
    struct span id;

    while (take(&packed, 1, 2, &slot, &id))
        if (slot < REPLICAS_MAX)
            u->ids[slot] = id;
}

static struct span pack_etags(const struct part *p, char out[static ETAGS_BYTES_MAX])
{
    char *at = out;

    for (uint32_t i = 0; i < p->etag_count; i++) {
        struct span text = span_of(p->etags[i].text);

        at = put_number(at, p->etags[i].slots, 4);
        at = put_number(at, (uint32_t)text.len, 1);
        at = span_put(at, text);
    }
    return (struct span){out, (size_t)(at - out)};
}

static void unpack_etags(struct part *p, struct span packed)
{
    uint32_t slots;
    struct span text;

    while (p->etag_count < PART_ETAGS_MAX && take(&packed, 4, 1, &slots, &text)) {
        struct part_etag *e = &p->etags[p->etag_count++];

        e->slots = slots;
        memcpy(e->text, text.at, text.len < PART_ETAG_CHARS ? text.len : PART_ETAG_CHARS - 1);
    }
}

static struct span column_span(sqlite3_stmt *q, int column)
{
    const char *at = sqlite3_column_blob(q, column);

    return (struct span){at ? at : "", (size_t)sqlite3_column_bytes(q, column)};
}

/* In the order of UPLOAD_COLUMNS; borrows from the statement. */
static void column_upload(sqlite3_stmt *q, struct upload *u)
{
    struct span id = column_span(q, 2);

    *u = (struct upload){
        .key = {(uint32_t)sqlite3_column_int64(q, 0), column_span(q, 1)},
        .state = (uint8_t)sqlite3_column_int(q, 3),
        .tried = sqlite3_column_int(q, 4),
        .checksum = (uint8_t)sqlite3_column_int(q, 5),
        .full_object = sqlite3_column_int(q, 6),
        .created_unix_ms = (uint64_t)sqlite3_column_int64(q, 7),
        .changed_unix_ms = (uint64_t)sqlite3_column_int64(q, 8),
        .dropped = (uint32_t)sqlite3_column_int64(q, 9),
        .result = column_span(q, 11),
        .taker = (uint64_t)sqlite3_column_int64(q, 12),
        .own = sqlite3_column_int(q, 13),
    };
    if (id.len == STAMP_BYTES)
        memcpy(u->id.b, id.at, STAMP_BYTES);
    unpack_ids(u, column_span(q, 10));
}

/* In the order of PART_COLUMNS. */
static void column_part(sqlite3_stmt *q, struct part *p)
{
    struct span checksum = column_span(q, 5);

    *p = (struct part){
        .number = (uint32_t)sqlite3_column_int64(q, 0),
        .bytes = (uint64_t)sqlite3_column_int64(q, 1),
        .unix_ms = (uint64_t)sqlite3_column_int64(q, 2),
        .attempt = (uint64_t)sqlite3_column_int64(q, 3),
        .checksum_bytes = (uint32_t)(checksum.len <= PART_CHECKSUM_BYTES ? checksum.len : 0),
    };
    memcpy(p->checksum, checksum.at, p->checksum_bytes);
    unpack_etags(p, column_span(q, 4));
}

static sqlite3_stmt *bind_upload(struct database *d, enum statement which, const struct journal_key *key,
                                 const struct stamp *id)
{
    sqlite3_stmt *q = database_bind(d, which, key);

    bind_stamp(q, 3, id);
    return q;
}

/* ---- the writer's side ---- */

/* *out is a copy, NULL when there is none. */
static enum err find_upload(struct database *d, const struct journal_key *key, const struct stamp *id,
                            struct upload **out)
{
    sqlite3_stmt *q = bind_upload(d, SQL_UPLOAD_FIND, key, id);
    int code = sqlite3_step(q);
    struct upload u;

    *out = NULL;
    if (code == SQLITE_ROW) {
        column_upload(q, &u);
        *out = upload_copy(&u);
        if (!*out)
            code = SQLITE_NOMEM;
    }
    sqlite3_reset(q);
    return database_error(d, code);
}

enum err apply_upload_add(struct sqlite_store *s, struct group *g, struct journal_upload_add *r)
{
    const struct upload *u = &r->upload;
    sqlite3_stmt *q = bind_upload(&s->write, SQL_UPLOAD_ADD, &u->key, &u->id);
    char ids[IDS_BYTES_MAX];
    int code;

    if (sqlite_catalog_by_id(&s->catalog, u->key.bucket, NULL)) {
        r->request.result = ERR_NOT_FOUND;
        return ERR_OK;
    }
    sqlite3_bind_int(q, 4, u->checksum);
    sqlite3_bind_int(q, 5, u->full_object);
    sqlite3_bind_int64(q, 6, (int64_t)g->unix_ms);
    sqlite3_bind_int64(q, 7, u->dropped);
    bind_span(q, 8, pack_ids(u, ids));
    sqlite3_bind_int(q, 9, u->own);
    code = database_run(q);
    if ((code & 0xff) == SQLITE_CONSTRAINT) {
        r->request.result = ERR_EXISTS;
        return ERR_OK;
    }
    return database_error(&s->write, code);
}

static enum err remove_parts(struct sqlite_store *s, const struct stamp *id)
{
    sqlite3_stmt *q = s->write.statements[SQL_PARTS_REMOVE];

    bind_stamp(q, 1, id);
    return database_error(&s->write, database_run(q));
}

/* With the step's wishes done to it. */
static enum err put_upload(struct sqlite_store *s, struct group *g, const struct journal_upload_step *r,
                           struct upload *u)
{
    sqlite3_stmt *q = bind_upload(&s->write, SQL_UPLOAD_CHANGE, &r->key, &r->id);
    char ids[IDS_BYTES_MAX];

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (r->gone & 1u << slot)
            u->ids[slot] = SPAN_EMPTY;
    sqlite3_bind_int(q, 4, r->to);
    sqlite3_bind_int(q, 5, u->tried || r->to == UPLOAD_COMPLETING);
    sqlite3_bind_int64(q, 6, r->to == u->state ? (int64_t)u->changed_unix_ms : (int64_t)g->unix_ms);
    bind_span(q, 7, pack_ids(u, ids));
    bind_span(q, 8, r->result.len ? r->result : u->result);
    sqlite3_bind_int64(q, 9, (int64_t)r->taker);
    return database_error(&s->write, database_run(q));
}

static bool has_parts(uint8_t state)
{
    return state == UPLOAD_OPEN || state == UPLOAD_COMPLETING;
}

static enum err step_upload(struct sqlite_store *s, struct group *g, struct journal_upload_step *r,
                            struct upload *u)
{
    enum err err;

    r->state = u->state;
    r->tried = u->tried;
    if (!(r->from & UPLOAD_IN(u->state)) || (u->state == UPLOAD_COMPLETING && u->taker != r->taker)) {
        r->request.result = ERR_EXISTS;
        return ERR_OK;
    }
    if (r->to == UPLOAD_GONE)
        err = database_error(&s->write,
                             database_run(bind_upload(&s->write, SQL_UPLOAD_REMOVE, &r->key, &r->id)));
    else
        err = put_upload(s, g, r, u);
    if (!err && has_parts(u->state) && !has_parts(r->to))
        err = remove_parts(s, &r->id);
    return err || !r->manifest.len ? err : put_manifest(s, g, r);
}

enum err apply_upload_step(struct sqlite_store *s, struct group *g, struct journal_upload_step *r)
{
    struct upload *u;
    enum err err = find_upload(&s->write, &r->key, &r->id, &u);

    if (!err && u)
        err = step_upload(s, g, r, u);
    else if (!err)
        r->request.result = ERR_NOT_FOUND;
    free(u);
    return err;
}

/* False: there is none. */
static enum err find_part(struct sqlite_store *s, const struct stamp *id, uint32_t number, struct part *out,
                          bool *found)
{
    sqlite3_stmt *q = s->write.statements[SQL_PART_FIND];
    int code;

    bind_stamp(q, 1, id);
    sqlite3_bind_int64(q, 2, number);
    code = sqlite3_step(q);
    *found = code == SQLITE_ROW;
    if (*found)
        column_part(q, out);
    sqlite3_reset(q);
    return database_error(&s->write, code);
}

static enum err put_part(struct sqlite_store *s, const struct stamp *id, const struct part *p)
{
    sqlite3_stmt *q = s->write.statements[SQL_PART_PUT];
    char etags[ETAGS_BYTES_MAX];

    bind_stamp(q, 1, id);
    sqlite3_bind_int64(q, 2, p->number);
    sqlite3_bind_int64(q, 3, (int64_t)p->bytes);
    sqlite3_bind_int64(q, 4, (int64_t)p->unix_ms);
    sqlite3_bind_int64(q, 5, (int64_t)p->attempt);
    bind_span(q, 6, pack_etags(p, etags));
    bind_span(q, 7, (struct span){(const char *)p->checksum, p->checksum_bytes});
    return database_error(&s->write, database_run(q));
}

static enum err void_part(struct sqlite_store *s, const struct stamp *id, uint32_t number)
{
    sqlite3_stmt *q = s->write.statements[SQL_PART_REMOVE];

    bind_stamp(q, 1, id);
    sqlite3_bind_int64(q, 2, number);
    return database_error(&s->write, database_run(q));
}

static enum err add_to_part(struct sqlite_store *s, struct journal_part_write *r)
{
    struct part had;
    bool found;
    enum err err = find_part(s, &r->id, r->part.number, &had, &found);

    if (err || !found || had.attempt != r->part.attempt)
        return err;
    for (uint32_t i = 0; i < r->part.etag_count; i++)
        (void)part_add(&had, r->part.etags[i].slots, r->part.etags[i].text); /* else they do not count */
    return put_part(s, &r->id, &had);
}

static enum err drop_replicas(struct sqlite_store *s, const struct journal_part_write *r)
{
    sqlite3_stmt *q = bind_upload(&s->write, SQL_UPLOAD_DROP, &r->key, &r->id);

    sqlite3_bind_int64(q, 4, r->drop);
    return database_error(&s->write, database_run(q));
}

enum err apply_part(struct sqlite_store *s, struct journal_part_write *r)
{
    struct upload *u;
    enum err err = find_upload(&s->write, &r->key, &r->id, &u);
    bool open = u && (u->state == UPLOAD_OPEN || (u->state == UPLOAD_COMPLETING && r->change == PART_MORE));

    free(u);
    if (err)
        return err;
    if (!open) {
        r->request.result = ERR_NOT_FOUND;
        return ERR_OK;
    }
    switch (r->change) {
    case PART_PUT: err = put_part(s, &r->id, &r->part); break;
    case PART_MORE: err = add_to_part(s, r); break;
    case PART_VOID: err = void_part(s, &r->id, r->part.number); break;
    }
    return err || !r->drop ? err : drop_replicas(s, r);
}

enum err drop_bucket_uploads(struct sqlite_store *s, uint32_t bucket)
{
    static const enum statement steps[] = {SQL_BUCKET_PARTS_REMOVE, SQL_BUCKET_UPLOADS_REMOVE};
    enum err err = ERR_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++) {
        sqlite3_stmt *q = s->write.statements[steps[i]];

        sqlite3_bind_int64(q, 1, bucket);
        err = database_error(&s->write, database_run(q));
    }
    return err;
}

/* ---- the reader's side ---- */

static enum err read_parts(struct sqlite_store *s, struct journal_upload_read *r)
{
    sqlite3_stmt *q = s->read.statements[SQL_PARTS_AFTER];
    int code = SQLITE_ROW;

    r->parts = malloc(JOURNAL_PAGE_PARTS * sizeof(*r->parts));
    if (!r->parts)
        return ERR_NOMEM;
    bind_stamp(q, 1, &r->id);
    sqlite3_bind_int64(q, 2, r->after);
    while (r->count < JOURNAL_PAGE_PARTS && (code = sqlite3_step(q)) == SQLITE_ROW)
        column_part(q, &r->parts[r->count++]);
    sqlite3_reset(q);
    return database_error(&s->read, code);
}

enum err read_upload(struct sqlite_store *s, struct journal_upload_read *r)
{
    enum err err = find_upload(&s->read, &r->key, &r->id, &r->upload);

    if (!err && !r->upload)
        return ERR_NOT_FOUND;
    if (!err && r->with_parts)
        err = read_parts(s, r);
    if (err)
        journal_upload_read_fini(r);
    return err;
}

enum err scan_uploads(struct sqlite_store *s, struct journal_upload_scan *r)
{
    sqlite3_stmt *q = bind_upload(&s->read, SQL_UPLOADS_AFTER, &r->after, &r->after_id);
    struct upload u;
    enum err err = ERR_OK;
    int code = SQLITE_ROW;

    sqlite3_bind_int(q, 4, r->whole);
    sqlite3_bind_int64(q, 5, r->states);
    while (!err && r->count < JOURNAL_PAGE_UPLOADS && (code = sqlite3_step(q)) == SQLITE_ROW) {
        column_upload(q, &u);
        r->uploads[r->count] = upload_copy(&u);
        if (r->uploads[r->count])
            r->count++;
        else
            err = ERR_NOMEM;
    }
    sqlite3_reset(q);
    if (!err)
        err = database_error(&s->read, code);
    if (err)
        journal_upload_scan_fini(r);
    return err;
}

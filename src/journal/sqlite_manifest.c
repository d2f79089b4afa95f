/* Manifests in the database: a line per object that was uploaded in parts, some ten bytes for each part, written in the step that makes
 * its upload done. It is what this file says that holds for the object afterwards:
 *
 *   - Durable before the Complete is acknowledged, and by the object's stamp: an overwrite, however it came about, makes it mean
 *     nothing; whether it is there still does not matter then. It goes when a later write or a repair has found all replicas
 *     showing something else, or with its bucket. Kept too long are at most those of a key whose last write left a hint
 *     that nobody could repair yet.
 *   - After a repair the object shows the same stamp, so the manifest holds for the copy as well, in whatever pieces it was made.
 *   - After the loss of the journal it is lost, and with it nothing of the content: how the object was cut is asked of the replicas
 *     then (partNumber), its checksum is shown where a replica kept it; checksums of single parts are not known any more. */
#include "journal/sqlite_store.h"

#include <stdlib.h>

static struct change change_of(const struct sqlite_store *s, const struct journal_key *key)
{
    return (struct change){.bucket = key->bucket, .place = filter_place(&s->filter, key)};
}

/* Runs a removal, and notes how many went. */
static int remove_some(struct sqlite_store *s, struct group *g, const struct journal_key *key,
                       sqlite3_stmt *q)
{
    struct change c = change_of(s, key);
    int code = database_run(q);

    if (code == SQLITE_DONE)
        c.drop_manifests = (uint32_t)sqlite3_changes(s->write.handle);
    if (c.drop_manifests)
        group_note(g, &c);
    return code;
}

enum err put_manifest(struct sqlite_store *s, struct group *g, const struct journal_upload_step *r)
{
    sqlite3_stmt *q = database_bind(&s->write, SQL_MANIFEST_REMOVE, &r->key);
    int code;

    bind_stamp(q, 3, &r->id);
    code = remove_some(s, g, &r->key, q);
    if (code != SQLITE_DONE)
        return database_error(&s->write, code);
    q = database_bind(&s->write, SQL_MANIFEST_ADD, &r->key);
    bind_stamp(q, 3, &r->id);
    sqlite3_bind_int64(q, 4, (int64_t)r->version);
    bind_span(q, 5, r->manifest);
    return database_error(&s->write, database_run(q));
}

enum err drop_manifests(struct sqlite_store *s, struct group *g, const struct lazy *l)
{
    sqlite3_stmt *q = database_bind(&s->write, SQL_MANIFESTS_DROP, &l->key);

    bind_stamp(q, 3, &l->stamps[0]);
    sqlite3_bind_int64(q, 4, (int64_t)l->before);
    return database_error(&s->write, remove_some(s, g, &l->key, q));
}

enum err read_manifest(struct sqlite_store *s, struct journal_manifest_read *r)
{
    sqlite3_stmt *q = database_bind(&s->read, SQL_MANIFEST_NEWEST, &r->key);
    int code = sqlite3_step(q);
    enum err err = database_error(&s->read, code);

    if (code == SQLITE_DONE)
        err = ERR_NOT_FOUND;
    if (code == SQLITE_ROW && sqlite3_column_bytes(q, 0) == STAMP_BYTES) {
        size_t bytes = (size_t)sqlite3_column_bytes(q, 1);
        char *copy = malloc(bytes + 1);

        memcpy(r->id.b, sqlite3_column_blob(q, 0), STAMP_BYTES);
        if (copy)
            r->manifest = (struct span){copy, bytes};
        if (copy && bytes)
            memcpy(copy, sqlite3_column_blob(q, 1), bytes);
        err = copy ? ERR_OK : ERR_NOMEM;
    }
    sqlite3_reset(q);
    return err;
}

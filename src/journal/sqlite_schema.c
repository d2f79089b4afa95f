/* Opening the database: whose file it is, whether it is whole, which schema it has, and what memory needs of it.
 *
 * Everything up to the switch to WAL only reads, and until then nothing is written back on close, so that a file
 * that is refused stays byte for byte as it was. A migration is a row of the table below; each runs in a transaction
 * of its own and leaves a row in `migration`. A change of the schema is a new row, never an edit of an old one. */
#include "journal/sqlite_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { APPLICATION_ID = 0x73336d6a }; /* "s3mj" */

static const struct migration {
    const char *text;
} migrations[] = {
    /* 1: rows without rowid: the key is the tree, so that a healthy write touches one page of one tree. Repair's list
     * is that same tree in its order: besides hints and orphans it holds only what is under way. `orphan` marks open and
     * outcome rows whose process is gone; the phase stays as written. */
    {"CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE bucket (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
     " created_unix_ms INTEGER NOT NULL, configured INTEGER NOT NULL);"
     "CREATE TABLE replica (bucket INTEGER NOT NULL, slot INTEGER NOT NULL, backend TEXT NOT NULL,"
     " remote TEXT NOT NULL, retired INTEGER NOT NULL, PRIMARY KEY (bucket, slot)) WITHOUT ROWID;"
     "CREATE TABLE row (bucket INTEGER NOT NULL, key BLOB NOT NULL, stamp BLOB NOT NULL, version INTEGER NOT "
     "NULL,"
     " kind INTEGER NOT NULL, phase INTEGER NOT NULL, stored INTEGER NOT NULL, unresolved INTEGER NOT NULL,"
     " orphan INTEGER NOT NULL, boot INTEGER NOT NULL, mono_ms INTEGER NOT NULL, unix_ms INTEGER NOT NULL,"
     " PRIMARY KEY (bucket, key, stamp)) WITHOUT ROWID;"
     "CREATE INDEX row_oldest ON row (bucket, unix_ms, stored) WHERE phase >= 4;"
     "CREATE TABLE claim (bucket INTEGER NOT NULL, key BLOB NOT NULL, id INTEGER NOT NULL, targets INTEGER "
     "NOT NULL,"
     " lease_ms INTEGER NOT NULL, boot INTEGER NOT NULL, mono_ms INTEGER NOT NULL,"
     " PRIMARY KEY (bucket, key)) WITHOUT ROWID;"
     "CREATE TABLE attempt (bucket INTEGER NOT NULL, key BLOB NOT NULL, tries INTEGER NOT NULL,"
     " due_unix_ms INTEGER NOT NULL, dead INTEGER NOT NULL, reason BLOB NOT NULL,"
     " PRIMARY KEY (bucket, key)) WITHOUT ROWID;"
     "INSERT INTO meta VALUES ('boot', 0);"},
    /* 2: where and when the last repair failed, for people; dead letters can be listed without all the others. */
    {"ALTER TABLE attempt ADD COLUMN slot INTEGER NOT NULL DEFAULT 16;"
     "ALTER TABLE attempt ADD COLUMN failed_unix_ms INTEGER NOT NULL DEFAULT 0;"
     "CREATE INDEX attempt_dead ON attempt (bucket, key) WHERE dead = 1;"},
    /* 3: multipart uploads (sqlite_upload.c), in the order in which they are listed. */
    {"CREATE TABLE upload (bucket INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, state INTEGER NOT "
     "NULL,"
     " tried INTEGER NOT NULL, checksum INTEGER NOT NULL, full_object INTEGER NOT NULL,"
     " created_unix_ms INTEGER NOT NULL, changed_unix_ms INTEGER NOT NULL, dropped INTEGER NOT NULL,"
     " ids BLOB NOT NULL, result BLOB NOT NULL, taker INTEGER NOT NULL, PRIMARY KEY (bucket, key, id)) "
     "WITHOUT "
     "ROWID;"
     "CREATE TABLE part (upload BLOB NOT NULL, number INTEGER NOT NULL, bytes INTEGER NOT NULL,"
     " unix_ms INTEGER NOT NULL, attempt INTEGER NOT NULL, etags BLOB NOT NULL, checksum BLOB NOT NULL,"
     " PRIMARY KEY (upload, number)) WITHOUT ROWID;"},
    /* 4: manifests (sqlite_manifest.c). */
    {"CREATE TABLE manifest (bucket INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL,"
     " version INTEGER NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (bucket, key, id)) WITHOUT ROWID;"},
    /* 5: uploads that a gateway makes of one body. */
    {"ALTER TABLE upload ADD COLUMN own INTEGER NOT NULL DEFAULT 0;"},
};
enum { SCHEMA_VERSION = sizeof(migrations) / sizeof(migrations[0]) };

static enum err fail(const struct sqlite_store *s, const struct database *d, int code, const char *doing,
                     char why[static JOURNAL_WHY_BYTES])
{
    enum err err = database_error(d, code);
    const char *more = "";

    if (err == ERR_LOCKED)
        more = "; another SQLite client has the file locked";
    else if (err == ERR_CORRUPT)
        more = "; the file was left as it is: restore it, or move it away and let scrub find the differences";
    snprintf(why, JOURNAL_WHY_BYTES, "journal %s: %s: %s%s", s->path, doing,
             d->handle ? sqlite3_errmsg(d->handle) : err_text(err), more);
    return err;
}

/* The first column of the first row; `otherwise` without one. */
static int read_number(struct database *d, const char *text, int64_t otherwise, int64_t *out)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(d->handle, text, -1, &q, NULL);

    *out = otherwise;
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return code;
}

static bool is_bad(int code)
{
    return code != SQLITE_ROW && code != SQLITE_DONE && code != SQLITE_OK;
}

/* *version: 0 for a new file. */
static enum err check_owner(struct sqlite_store *s, int64_t *version, char why[static JOURNAL_WHY_BYTES])
{
    struct database *d = &s->write;
    int64_t application = 0, tables = 0;
    int code = read_number(d, "PRAGMA application_id", 0, &application);

    *version = 0;
    if (!is_bad(code))
        code = read_number(d, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    if (is_bad(code))
        return fail(s, d, code, "cannot be read", why);
    if (application == 0 && tables == 0)
        return ERR_OK;
    if (application != APPLICATION_ID) {
        snprintf(why, JOURNAL_WHY_BYTES, "journal %s: this is the SQLite database of another program",
                 s->path);
        return ERR_INVALID;
    }
    code = read_number(d, "SELECT max(version) FROM migration", 0, version);
    if (is_bad(code))
        return fail(s, d, code, "its schema version cannot be read", why);
    if (*version > SCHEMA_VERSION) {
        snprintf(
            why, JOURNAL_WHY_BYTES,
            "journal %s: its schema is version %lld, this program knows up to %d: written by a newer program",
            s->path, (long long)*version, SCHEMA_VERSION);
        return ERR_VERSION;
    }
    return ERR_OK;
}

/* Reads every page: structure, order, and that each index entry has its row's place. */
static enum err check_integrity(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    sqlite3_stmt *q = NULL;
    enum err err = ERR_OK;
    int code = sqlite3_prepare_v2(s->write.handle, "PRAGMA quick_check(1)", -1, &q, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(q, 0), "ok") != 0) {
        snprintf(
            why, JOURNAL_WHY_BYTES,
            "journal %s: damaged (%s); the file was left as it is: restore it, or move it away and let scrub "
            "find the differences",
            s->path, (const char *)sqlite3_column_text(q, 0));
        err = ERR_CORRUPT;
    } else if (is_bad(code)) {
        err = fail(s, &s->write, code, "integrity check", why);
    }
    sqlite3_finalize(q);
    return err;
}

static enum err switch_to_log(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    sqlite3_stmt *q = NULL;
    enum err err = ERR_OK;
    int code = sqlite3_prepare_v2(s->write.handle, "PRAGMA journal_mode = WAL", -1, &q, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (is_bad(code)) {
        err = fail(s, &s->write, code, "cannot switch to write-ahead logging", why);
    } else if (strcmp((const char *)sqlite3_column_text(q, 0), "wal") != 0) {
        snprintf(why, JOURNAL_WHY_BYTES, "journal %s: this file system cannot do write-ahead logging",
                 s->path);
        err = ERR_IO;
    }
    sqlite3_finalize(q);
    return err;
}

/* wal_autocheckpoint off: the writer does it between groups. secure_delete off: nothing in here is secret. */
static enum err set_up(struct sqlite_store *s, struct database *d, const char *cache,
                       char why[static JOURNAL_WHY_BYTES])
{
    char text[256];
    int code;

    snprintf(text, sizeof(text),
             "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
             "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = %s;",
             cache);
    code = sqlite3_exec(d->handle, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : fail(s, d, code, "cannot be set up", why);
}

static int run_migration(struct sqlite_store *s, int version)
{
    static const char head[] = "BEGIN IMMEDIATE;"
                               "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY,"
                               " applied_unix_ms INTEGER NOT NULL, program TEXT NOT NULL);";
    char tail[256];
    sqlite3 *db = s->write.handle;
    int code = sqlite3_exec(db, head, NULL, NULL, NULL);

    snprintf(tail, sizeof(tail),
             "INSERT INTO migration VALUES (%d, %llu, '%s'); PRAGMA application_id = %d; COMMIT;", version,
             (unsigned long long)store_unix_ms(s), S3MIRROR_VERSION, APPLICATION_ID);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, migrations[version - 1].text, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, tail, NULL, NULL, NULL);
    return code;
}

/* A new boot number makes every open and outcome row an orphan: the process that wrote it held the lock that we
 * hold now, so it is gone. For the same reason nobody is completing an upload, and nobody goes on with one that a
 * gateway made of one body. */
static int begin_boot(struct sqlite_store *s)
{
    int64_t boot = 0;
    int code = sqlite3_exec(s->write.handle,
                            "BEGIN IMMEDIATE;"
                            "UPDATE meta SET value = value + 1 WHERE name = 'boot';"
                            "UPDATE row SET orphan = 1 WHERE phase < 4 AND orphan = 0;"
                            "DELETE FROM part WHERE upload IN"
                            " (SELECT id FROM upload WHERE own AND state IN (1, 2));"
                            "UPDATE upload SET state = 4 WHERE own AND state IN (1, 2);"
                            "UPDATE upload SET state = 1 WHERE state = 2;"
                            "COMMIT;",
                            NULL, NULL, NULL);

    if (code == SQLITE_OK)
        code = read_number(&s->write, "SELECT value FROM meta WHERE name = 'boot'", 0, &boot);
    s->boot = (uint32_t)boot;
    s->opened_mono_ms = store_mono_ms(s);
    return code;
}

static int load_replicas(struct sqlite_store *s, struct bucket *b)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(s->write.handle,
                                  "SELECT slot, backend, remote, retired FROM replica WHERE bucket = ?1"
                                  " AND slot BETWEEN 0 AND 15 ORDER BY slot",
                                  -1, &q, NULL);

    static_assert(REPLICAS_MAX == 16, "the slots in the text above");
    sqlite3_bind_int64(q, 1, b->id);
    while (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        uint32_t slot = (uint32_t)sqlite3_column_int(q, 0);
        struct bucket_replica *r = &b->replicas[slot];

        snprintf(r->backend, sizeof(r->backend), "%s", (const char *)sqlite3_column_text(q, 1));
        snprintf(r->remote, sizeof(r->remote), "%s", (const char *)sqlite3_column_text(q, 2));
        r->retired = sqlite3_column_int(q, 3);
        b->replica_count = slot + 1;
        code = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return code;
}

/* What memory keeps of the tables: never the rows themselves. */
struct loading {
    struct sqlite_store *store;
    /* Of the last hint: its key, and what the key's hints so far lack. */
    struct journal_key key;
    char *key_bytes;
    size_t key_room;
    uint32_t lacked;
};

static int load_bucket(struct loading *l, sqlite3_stmt *q)
{
    struct sqlite_store *s = l->store;
    struct bucket b = {.id = (uint32_t)sqlite3_column_int64(q, 0),
                       .created_unix_ms = (uint64_t)sqlite3_column_int64(q, 2),
                       .configured = sqlite3_column_int(q, 3)};
    int code;

    snprintf(b.name, sizeof(b.name), "%s", (const char *)sqlite3_column_text(q, 1));
    code = load_replicas(s, &b);
    if (!is_bad(code) && sqlite_catalog_put(&s->catalog, &b))
        return SQLITE_NOMEM;
    return code;
}

static struct journal_key column_key(sqlite3_stmt *q)
{
    const char *at = sqlite3_column_blob(q, 1);

    return (struct journal_key){(uint32_t)sqlite3_column_int64(q, 0),
                                {at, (size_t)sqlite3_column_bytes(q, 1)}};
}

static int keep_key(struct loading *l, const struct journal_key *key)
{
    if (key->key.len > l->key_room) {
        char *more = realloc(l->key_bytes, key->key.len);

        if (!more)
            return SQLITE_NOMEM;
        l->key_bytes = more;
        l->key_room = key->key.len;
    }
    span_put(l->key_bytes, key->key);
    l->key = (struct journal_key){key->bucket, {l->key_bytes, key->key.len}};
    return SQLITE_OK;
}

/* The rows come in the order of their keys. */
static int load_hint(struct loading *l, const struct journal_key *key, uint32_t lacks, uint64_t unix_ms)
{
    int code = SQLITE_OK;

    if (key->bucket != l->key.bucket || !span_eq(key->key, l->key.key)) {
        code = keep_key(l, key);
        l->lacked = 0;
    }
    l->store->hints++;
    sqlite_catalog_add_hint(&l->store->catalog, key->bucket, lacks, l->lacked, unix_ms);
    l->lacked |= lacks;
    return code;
}

static int load_row(struct loading *l, sqlite3_stmt *q)
{
    struct sqlite_store *s = l->store;
    struct journal_key key = column_key(q);
    uint32_t place = filter_place(&s->filter, &key), stored = (uint32_t)sqlite3_column_int64(q, 3);

    filter_add(&s->filter, FILTER_ROWS, place);
    if (stored) {
        filter_add(&s->filter, FILTER_STORED, place);
        filter_add_stored_in(&s->filter, key.bucket);
    }
    if (sqlite3_column_int(q, 2) >= ROW_FINAL)
        return load_hint(l, &key, ~stored, (uint64_t)sqlite3_column_int64(q, 4));
    s->rows_open++;
    return SQLITE_OK;
}

static int load_claim(struct loading *l, sqlite3_stmt *q)
{
    struct sqlite_store *s = l->store;
    struct journal_key key = column_key(q);

    filter_add(&s->filter, FILTER_ROWS, filter_place(&s->filter, &key));
    return SQLITE_OK;
}

static int load_manifest(struct loading *l, sqlite3_stmt *q)
{
    struct sqlite_store *s = l->store;
    struct journal_key key = column_key(q);

    filter_add(&s->filter, FILTER_MANIFESTS, filter_place(&s->filter, &key));
    return SQLITE_OK;
}

static int load_attempt(struct loading *l, sqlite3_stmt *q)
{
    l->store->attempts++;
    l->store->dead += sqlite3_column_int(q, 0) != 0;
    return SQLITE_OK;
}

static const struct load {
    const char *text;
    int (*each)(struct loading *l, sqlite3_stmt *q);
} loads[] = {
    {"SELECT id, name, created_unix_ms, configured FROM bucket ORDER BY id", load_bucket},
    {"SELECT bucket, key, phase, stored, unix_ms FROM row ORDER BY bucket, key", load_row},
    {"SELECT bucket, key FROM claim", load_claim},
    {"SELECT dead FROM attempt", load_attempt},
    {"SELECT bucket, key FROM manifest", load_manifest},
};

static int load(struct loading *l, const struct load *what)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(l->store->write.handle, what->text, -1, &q, NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW)
        if (!is_bad(code = what->each(l, q)))
            code = SQLITE_OK;
    sqlite3_finalize(q);
    return code;
}

static enum err load_all(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    struct loading l = {.store = s};
    int code = SQLITE_OK;

    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]) && !is_bad(code); i++)
        code = load(&l, &loads[i]);
    free(l.key_bytes);
    return is_bad(code) ? fail(s, &s->write, code, "cannot be loaded", why) : ERR_OK;
}

static enum err check(struct sqlite_store *s, int64_t *version, char why[static JOURNAL_WHY_BYTES])
{
    enum err err = database_open(&s->write, s->path, &s->options);

    if (err)
        return fail(s, &s->write, sqlite3_extended_errcode(s->write.handle), "cannot be opened", why);
    sqlite3_db_config(s->write.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    err = check_owner(s, version, why);
    return err ? err : check_integrity(s, why);
}

static enum err lift_schema(struct sqlite_store *s, int64_t version, char why[static JOURNAL_WHY_BYTES])
{
    int code = SQLITE_OK;

    while (code == SQLITE_OK && version < SCHEMA_VERSION)
        code = run_migration(s, (int)++version);
    if (is_bad(code))
        return fail(s, &s->write, code, "its schema cannot be brought up to date", why);
    code = begin_boot(s);
    return is_bad(code) ? fail(s, &s->write, code, "cannot be written", why) : ERR_OK;
}

enum err schema_open(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES])
{
    int64_t version = 0;
    enum err err = check(s, &version, why);

    if (!err)
        err = switch_to_log(s, why);
    if (!err)
        err = set_up(s, &s->write, "-8192", why);
    if (!err)
        err = lift_schema(s, version, why);
    if (!err)
        err = load_all(s, why);
    if (!err && (err = database_prepare(&s->write)))
        err = fail(s, &s->write, sqlite3_extended_errcode(s->write.handle), "cannot be prepared", why);
    if (!err && (err = database_open(&s->read, s->path, &s->options)))
        err =
            fail(s, &s->read, sqlite3_extended_errcode(s->read.handle), "cannot be opened for reading", why);
    if (!err)
        err = set_up(s, &s->read, "-1024", why);
    if (!err && (err = database_prepare(&s->read)))
        err = fail(s, &s->read, sqlite3_extended_errcode(s->read.handle), "cannot be prepared", why);
    if (!err)
        sqlite3_db_config(s->write.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return err;
}

/* One connection: how it is set up, and the text of every statement that runs after the start.
 *
 * SQLite in WAL mode with synchronous=FULL: a commit appends to the log and calls fsync once; readers look at a
 * snapshot and never wait for it. Checkpoints are the writer's business (sqlite_writer.c), so that they happen
 * between groups and not inside a commit. */
#include "journal/sqlite_store.h"

#include <assert.h>
#include <errno.h>

#define PK        " WHERE bucket = ?1 AND key = ?2 AND stamp = ?3"
#define UPLOAD_PK " WHERE bucket = ?1 AND key = ?2 AND id = ?3"
#define UPLOAD_COLUMNS                                                                                       \
    "bucket, key, id, state, tried, checksum, full_object, created_unix_ms, changed_unix_ms, dropped, ids,"  \
    " result, taker, own"
#define PART_COLUMNS "number, bytes, unix_ms, attempt, etags, checksum"

/* What column_failures reads. */
#define FAILURES "a.tries, a.due_unix_ms, a.dead, a.slot, a.failed_unix_ms, a.reason"

static const char *const texts[] = {
    [SQL_TAKE_WRITE] = "BEGIN IMMEDIATE",
    [SQL_TAKE_READ] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_ROW_ADD] = "INSERT INTO row (bucket, key, stamp, version, kind, phase, stored, unresolved, orphan, "
                    "boot, mono_ms,"
                    " unix_ms) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, 0, 0, ?6, ?7, ?8)",
    [SQL_ROW_LIFT] = "UPDATE row SET version = ?4" PK " AND phase = 1",
    [SQL_ROW_FIND] = "SELECT phase, stored, unix_ms FROM row" PK,
    [SQL_OTHER_HINTS] =
        "SELECT stored FROM row WHERE bucket = ?1 AND key = ?2 AND stamp <> ?3 AND phase >= 4",
    [SQL_ROW_CHANGE] =
        "UPDATE row SET phase = ?4, stored = ?5, unresolved = ?6, orphan = 0, boot = ?7, mono_ms = ?8" PK,
    [SQL_ROW_REMOVE] = "DELETE FROM row" PK,
    [SQL_ROW_REMOVE_OPEN] = "DELETE FROM row" PK " AND phase = 1",
    [SQL_KEY_ROWS] = "SELECT stamp, version, kind, phase, stored, unresolved, orphan, boot, mono_ms FROM row"
                     " WHERE bucket = ?1 AND key = ?2",
    [SQL_KEY_CLAIM] = "SELECT id, targets, lease_ms, boot, mono_ms FROM claim WHERE bucket = ?1 AND key = ?2",
    [SQL_CLAIM_PUT] = "INSERT OR REPLACE INTO claim (bucket, key, id, targets, lease_ms, boot, mono_ms)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_CLAIM_RELEASE] = "DELETE FROM claim WHERE bucket = ?1 AND key = ?2 AND id = ?3",
    [SQL_LISTED_KEYS] = "SELECT r.bucket, r.key, " FAILURES " FROM row AS r"
                        " LEFT JOIN attempt AS a ON a.bucket = r.bucket AND a.key = r.key"
                        " WHERE (r.phase >= 4 OR r.orphan = 1) AND (r.bucket, r.key) > (?1, ?2)"
                        " ORDER BY r.bucket, r.key",
    [SQL_STORED_KEYS] = "SELECT key, version, stamp, stored & ?3 FROM row"
                        " WHERE bucket = ?1 AND key >= ?2 AND stored & ?3 <> 0 ORDER BY key",
    [SQL_OLDEST_HINTS] = "SELECT unix_ms, stored FROM row INDEXED BY row_oldest"
                         " WHERE bucket = ?1 AND phase >= 4 ORDER BY unix_ms",
    [SQL_DEAD_LETTERS] = "SELECT a.bucket, a.key, " FAILURES " FROM attempt AS a INDEXED BY attempt_dead"
                         " WHERE a.dead = 1 AND (a.bucket, a.key) > (?1, ?2) ORDER BY a.bucket, a.key",
    [SQL_KEY_FAILURES] =
        "SELECT a.bucket, a.key, " FAILURES " FROM attempt AS a WHERE a.bucket = ?1 AND a.key = ?2",
    [SQL_ATTEMPT_FIND] = "SELECT dead FROM attempt WHERE bucket = ?1 AND key = ?2",
    [SQL_ATTEMPT_PUT] =
        "INSERT OR REPLACE INTO attempt (bucket, key, tries, due_unix_ms, dead, slot, failed_unix_ms, reason)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM row"
        " WHERE bucket = ?1 AND key = ?2 AND (phase >= 4 OR orphan = 1))",
    [SQL_ATTEMPT_REMOVE] =
        "DELETE FROM attempt WHERE bucket = ?1 AND key = ?2 AND (?3 OR NOT EXISTS (SELECT 1 FROM row"
        " WHERE bucket = ?1 AND key = ?2 AND (phase >= 4 OR orphan = 1)))",
    [SQL_BUCKET_ADD] = "INSERT INTO bucket (name, created_unix_ms, configured) VALUES (?1, ?2, ?3)",
    [SQL_BUCKET_CHANGE] = "UPDATE bucket SET configured = ?2 WHERE id = ?1",
    [SQL_BUCKET_REMOVE] = "DELETE FROM bucket WHERE id = ?1",
    [SQL_BUCKET_HAS_ROWS] = "SELECT 1 FROM row WHERE bucket = ?1 LIMIT 1",
    [SQL_BUCKET_CLAIMS] = "SELECT key FROM claim WHERE bucket = ?1",
    [SQL_BUCKET_CLAIMS_REMOVE] = "DELETE FROM claim WHERE bucket = ?1",
    [SQL_REPLICA_PUT] =
        "INSERT INTO replica (bucket, slot, backend, remote, retired) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_REPLICAS_REMOVE] = "DELETE FROM replica WHERE bucket = ?1",
    [SQL_UPLOAD_ADD] =
        "INSERT INTO upload (bucket, key, id, state, tried, checksum, full_object, created_unix_ms,"
        " changed_unix_ms, dropped, ids, result, taker, own) VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6, ?6, ?7, "
        "?8, "
        "x'', 0, ?9)",
    [SQL_UPLOAD_FIND] = "SELECT " UPLOAD_COLUMNS " FROM upload" UPLOAD_PK,
    [SQL_UPLOAD_CHANGE] = "UPDATE upload SET state = ?4, tried = ?5, changed_unix_ms = ?6, ids = ?7, result "
                          "= ?8, taker = ?9" UPLOAD_PK,
    [SQL_UPLOAD_DROP] = "UPDATE upload SET dropped = dropped | ?4" UPLOAD_PK,
    [SQL_UPLOAD_REMOVE] = "DELETE FROM upload" UPLOAD_PK,
    [SQL_UPLOADS_AFTER] =
        "SELECT " UPLOAD_COLUMNS " FROM upload WHERE (bucket, key, id) > (?1, ?2, ?3) AND (?4 OR bucket = ?1)"
        " AND ?5 >> state & 1 ORDER BY bucket, key, id",
    [SQL_PART_PUT] = "INSERT OR REPLACE INTO part (upload, number, bytes, unix_ms, attempt, etags, checksum)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_PART_FIND] = "SELECT " PART_COLUMNS " FROM part WHERE upload = ?1 AND number = ?2",
    [SQL_PART_REMOVE] = "DELETE FROM part WHERE upload = ?1 AND number = ?2",
    [SQL_PARTS_AFTER] = "SELECT " PART_COLUMNS " FROM part WHERE upload = ?1 AND number > ?2 ORDER BY number",
    [SQL_PARTS_REMOVE] = "DELETE FROM part WHERE upload = ?1",
    [SQL_BUCKET_UPLOADS_REMOVE] = "DELETE FROM upload WHERE bucket = ?1",
    [SQL_MANIFEST_ADD] =
        "INSERT INTO manifest (bucket, key, id, version, packed) VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_MANIFEST_REMOVE] = "DELETE FROM manifest" UPLOAD_PK,
    [SQL_MANIFESTS_DROP] =
        "DELETE FROM manifest WHERE bucket = ?1 AND key = ?2 AND id <> ?3 AND version < ?4",
    [SQL_MANIFEST_NEWEST] = "SELECT id, packed FROM manifest WHERE bucket = ?1 AND key = ?2"
                            " ORDER BY version DESC LIMIT 1",
    [SQL_BUCKET_MANIFESTS_REMOVE] = "DELETE FROM manifest WHERE bucket = ?1",
    [SQL_BUCKET_PARTS_REMOVE] = "DELETE FROM part WHERE upload IN (SELECT id FROM upload WHERE bucket = ?1)",
};
static_assert(sizeof(texts) / sizeof(texts[0]) == SQL_COUNT, "every statement has its text");
static_assert(UPLOAD_OPEN == 1, "the state in the text of SQL_UPLOAD_ADD");
static_assert(ROW_OPEN == 1 && ROW_FINAL == 4 && ROW_MERGED == 5, "the phases in the texts above");

enum err database_open(struct database *d, const char *path, const struct sqlite_options *o)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &d->handle, flags, o->vfs);

    if (code != SQLITE_OK)
        return database_error(d, code);
    sqlite3_extended_result_codes(d->handle, 1);
    sqlite3_busy_timeout(d->handle, (int)o->busy_ms);
    return ERR_OK;
}

enum err database_prepare(struct database *d)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int code =
            sqlite3_prepare_v3(d->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[i], NULL);

        if (code != SQLITE_OK)
            return database_error(d, code);
    }
    return ERR_OK;
}

void database_close(struct database *d)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(d->statements[i]);
        d->statements[i] = NULL;
    }
    sqlite3_close(d->handle);
    d->handle = NULL;
}

static bool is_disk_full(const struct database *d)
{
    int number = d->handle ? sqlite3_system_errno(d->handle) : 0;

    return number == ENOSPC || number == EDQUOT;
}

enum err database_error(const struct database *d, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return ERR_OK;
    case SQLITE_FULL: return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_CORRUPT;
    case SQLITE_NOMEM: return ERR_NOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return ERR_DENIED;
    default: return is_disk_full(d) && !database_error_is_final(code) ? ERR_FULL : ERR_IO;
    }
}

/* After a failed fsync the kernel has dropped the dirty pages and forgotten the error: a second fsync says
 * nothing about them. */
bool database_error_is_final(int code)
{
    int kind = code & 0xff;

    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC || kind == SQLITE_CORRUPT ||
           kind == SQLITE_NOTADB;
}

/* A span without bytes may have no address, which SQLite would take for NULL. */
void bind_span(sqlite3_stmt *q, int at, struct span bytes)
{
    sqlite3_bind_blob(q, at, bytes.len ? bytes.at : "", (int)bytes.len, SQLITE_STATIC);
}

void bind_stamp(sqlite3_stmt *q, int at, const struct stamp *stamp)
{
    sqlite3_bind_blob(q, at, stamp->b, STAMP_BYTES, SQLITE_STATIC);
}

sqlite3_stmt *database_bind(struct database *d, enum statement which, const struct journal_key *key)
{
    sqlite3_stmt *q = d->statements[which];

    sqlite3_bind_int64(q, 1, key->bucket);
    bind_span(q, 2, key->key);
    return q;
}

int database_run(sqlite3_stmt *q)
{
    int code = sqlite3_step(q);

    sqlite3_reset(q);
    return code;
}

enum err database_do(struct database *d, enum statement which)
{
    return database_error(d, database_run(d->statements[which]));
}

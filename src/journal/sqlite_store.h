/* sqlite_store.h - what the files of the embedded journal share; for src/journal/sqlite*.c only.
 *
 *   sqlite_store.c     opening and closing: the file, the lock, the threads
 *   sqlite.c           the vtable on the loops' side: queues requests, answers from memory
 *   sqlite_writer.c    the writer thread: groups, commit, R1, checkpoints
 *   sqlite_apply.c     what each request does inside the group's transaction
 *   sqlite_upload.c    multipart uploads, for both threads
 *   sqlite_manifest.c  what is kept of objects that were uploaded in parts, for both threads
 *   sqlite_reader.c    the reader thread: key views, the work list, the oldest hints
 *   sqlite_schema.c    opening, checks, migrations, what is loaded into memory at start
 *   sqlite_database.c  one connection with its prepared statements
 *   sqlite_filter.c, sqlite_catalog.c  what is kept in memory */
#ifndef JOURNAL_SQLITE_STORE_H
#define JOURNAL_SQLITE_STORE_H

#include "journal/sqlite.h"
#include "journal/sqlite_catalog.h"
#include "journal/sqlite_filter.h"

#include <pthread.h>
#include <sqlite3.h>

/* Named by what they do; the text is in sqlite_database.c. */
enum statement {
    SQL_TAKE_WRITE,
    SQL_TAKE_READ,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_ROW_ADD,
    SQL_ROW_LIFT,
    SQL_ROW_FIND,
    SQL_OTHER_HINTS,
    SQL_ROW_CHANGE,
    SQL_ROW_REMOVE,
    SQL_ROW_REMOVE_OPEN,
    SQL_KEY_ROWS,
    SQL_KEY_CLAIM,
    SQL_CLAIM_PUT,
    SQL_CLAIM_RELEASE,
    SQL_LISTED_KEYS,
    SQL_STORED_KEYS,
    SQL_OLDEST_HINTS,
    SQL_DEAD_LETTERS,
    SQL_KEY_FAILURES,
    SQL_ATTEMPT_FIND,
    SQL_ATTEMPT_PUT,
    SQL_ATTEMPT_REMOVE,
    SQL_BUCKET_ADD,
    SQL_BUCKET_CHANGE,
    SQL_BUCKET_REMOVE,
    SQL_BUCKET_HAS_ROWS,
    SQL_BUCKET_CLAIMS,
    SQL_BUCKET_CLAIMS_REMOVE,
    SQL_REPLICA_PUT,
    SQL_REPLICAS_REMOVE,
    SQL_UPLOAD_ADD,
    SQL_UPLOAD_FIND,
    SQL_UPLOAD_CHANGE,
    SQL_UPLOAD_DROP,
    SQL_UPLOAD_REMOVE,
    SQL_UPLOADS_AFTER,
    SQL_PART_PUT,
    SQL_PART_FIND,
    SQL_PART_REMOVE,
    SQL_PARTS_AFTER,
    SQL_PARTS_REMOVE,
    SQL_BUCKET_UPLOADS_REMOVE,
    SQL_BUCKET_PARTS_REMOVE,
    SQL_MANIFEST_ADD,
    SQL_MANIFEST_REMOVE,
    SQL_MANIFESTS_DROP,
    SQL_MANIFEST_NEWEST,
    SQL_BUCKET_MANIFESTS_REMOVE,
    SQL_COUNT
};

enum {
    LAZY_MS = 100,   /* how long a removal may wait for a group that somebody else pays for */
    LAZY_MOST = 4096 /* waiting; then they are committed without more delay */
};

/* One connection; used by one thread at a time. */
struct database {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
};

/* A thread with its queue. */
struct worker {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list requests; /* struct journal_request */
    bool sleeping, stopping;
};

enum request_kind {
    REQUEST_BEGIN,
    REQUEST_LIFT,
    REQUEST_WRITE,
    REQUEST_CLAIM,
    REQUEST_BUCKET,
    REQUEST_UPLOAD_ADD,
    REQUEST_UPLOAD_STEP,
    REQUEST_PART,
    REQUEST_READ,
    REQUEST_SCAN,
    REQUEST_RANGE,
    REQUEST_UPLOAD_READ,
    REQUEST_UPLOAD_SCAN,
    REQUEST_MANIFEST_READ
};

/* Removals of rows and manifests, and attempts, that may wait: one block with the bytes behind it. */
struct lazy {
    struct list node;
    struct journal_key key;
    size_t count; /* stamps to remove; 0: an attempt */
    const struct stamp *stamps;
    uint64_t before; /* not 0: manifests of rows before this version are removed, but for the one stamp */
    uint32_t tries;
    uint32_t slot;
    uint64_t unix_ms, due_unix_ms;
    bool dead;
    struct span reason;
};

struct sqlite_store {
    struct sqlite_options options;
    char *path;
    int lock_fd;
    uint32_t boot;           /* counts the openings of this database; rows of older ones are orphans */
    uint64_t opened_mono_ms; /* when this process first saw what others left */
    _Atomic enum err failed; /* sticky: what the disk holds is not known any more */

    struct filter filter;
    struct sqlite_catalog catalog;
    _Atomic uint64_t rows_open, hints, dead, commits, operations;
    _Atomic uint64_t attempts; /* rows of that table */

    struct worker writer;
    struct list lazy; /* under writer.lock */
    size_t lazy_count;
    uint64_t lazy_due_ms; /* of the oldest, on CLOCK_MONOTONIC */
    struct database write;
    uint32_t next_claim;
    int log_frames;           /* of the write-ahead log, now */
    int checkpoint_at_frames; /* and when it was last written back */

    struct worker reader;
    struct database read;
    _Atomic bool lag_wanted;
    _Atomic uint64_t lag_searched_ms;
};

struct sqlite_journal {
    struct journal journal;
    struct sqlite_store *store;
    struct loop *loop;
    size_t under_way;   /* the loop's */
    struct list outbox; /* for the writer: what this turn of the loop has queued so far */
    struct loop_task send;
    pthread_mutex_t lock; /* for the two below */
    struct list done;     /* requests to be answered */
    bool posted;          /* `deliver` is on its way to the loop */
    struct loop_task deliver;
};

/* sqlite_database.c */
enum err database_open(struct database *d, const char *path, const struct sqlite_options *o) MUST_CHECK;
enum err database_prepare(struct database *d) MUST_CHECK;
void database_close(struct database *d);
/* What a result code of the connection's last call means. */
enum err database_error(const struct database *d, int code);
/* True for those after which the disk's state is unknown. */
bool database_error_is_final(int code);
/* The statement with the key bound as ?1 (bucket) and ?2 (key). */
sqlite3_stmt *database_bind(struct database *d, enum statement which, const struct journal_key *key);
void bind_stamp(sqlite3_stmt *q, int at, const struct stamp *stamp);
void bind_span(sqlite3_stmt *q, int at, struct span bytes);
/* Steps once and resets: for what returns no rows. SQLITE_DONE when it went well. */
int database_run(sqlite3_stmt *q);
/* A statement without parameters. */
enum err database_do(struct database *d, enum statement which) MUST_CHECK;

/* sqlite_schema.c */
enum err schema_open(struct sqlite_store *s, char why[static JOURNAL_WHY_BYTES]) MUST_CHECK;

/* sqlite_apply.c: all inside the writer's transaction. */
struct row_state {
    uint8_t phase; /* 0: there is no row */
    uint32_t stored;
};
/* What a committed group changed, so that memory can follow. */
struct change {
    uint32_t bucket, place;
    struct row_state before, after;
    uint32_t others_lack; /* slots that another hint of the key lacks; for what is or becomes a hint */
    uint64_t unix_ms;
    uint32_t drop_rows, drop_stored, drop_manifests; /* how much the filter counts too many */
};
struct group {
    struct list requests, lazy;
    uint64_t mono_ms, unix_ms;
    size_t operations;
    struct change *changes;
    size_t change_count, change_room;
    int64_t attempts_added, dead_added;
    struct bucket bucket; /* as written by the group's bucket_write, which is its last request */
};
void group_note(struct group *g, const struct change *c);
/* Other than ERR_OK: the whole group fails. The request's own result goes to r->result. */
enum err apply_request(struct sqlite_store *s, struct group *g, struct journal_request *r) MUST_CHECK;
enum err apply_lazy(struct sqlite_store *s, struct group *g, const struct lazy *l) MUST_CHECK;

/* sqlite_upload.c */
enum err apply_upload_add(struct sqlite_store *s, struct group *g, struct journal_upload_add *r) MUST_CHECK;
enum err apply_upload_step(struct sqlite_store *s, struct group *g, struct journal_upload_step *r) MUST_CHECK;
enum err apply_part(struct sqlite_store *s, struct journal_part_write *r) MUST_CHECK;
enum err drop_bucket_uploads(struct sqlite_store *s, uint32_t bucket) MUST_CHECK;
enum err read_upload(struct sqlite_store *s, struct journal_upload_read *r) MUST_CHECK;
enum err scan_uploads(struct sqlite_store *s, struct journal_upload_scan *r) MUST_CHECK;

/* sqlite_manifest.c */
enum err put_manifest(struct sqlite_store *s, struct group *g,
                      const struct journal_upload_step *r) MUST_CHECK;
enum err drop_manifests(struct sqlite_store *s, struct group *g, const struct lazy *l) MUST_CHECK;
enum err read_manifest(struct sqlite_store *s, struct journal_manifest_read *r) MUST_CHECK;

/* sqlite_reader.c */
void *reader_main(void *store);
/* The key's rows, without `own` unless NULL, and its claim. */
enum err read_key(struct sqlite_store *s, struct database *d, const struct journal_key *key,
                  const struct stamp *own, struct key_view *out) MUST_CHECK;
/* The claim, if there is one that still holds; `held` says whether there is a row for it at all. */
enum err read_claim(struct sqlite_store *s, struct database *d, const struct journal_key *key,
                    struct key_view *out, bool *held) MUST_CHECK;

/* sqlite_writer.c */
void *writer_main(void *store);

/* sqlite_store.c */
uint64_t store_mono_ms(const struct sqlite_store *s);
uint64_t store_unix_ms(const struct sqlite_store *s);
uint64_t real_mono_ms(void);
/* With the worker's lock held: it looks at its queue again. */
void worker_wake_locked(struct worker *w);

/* sqlite.c */
/* The filter's part of a request: counted before it is queued, given back when it had no effect. */
void request_count(struct sqlite_store *s, const struct journal_request *r);
void request_uncount(struct sqlite_store *s, const struct journal_request *r);
const struct journal_key *request_key(const struct journal_request *r);
/* Hands finished requests to their loops: one message for each loop. */
void deliver_all(struct list *done);

#endif

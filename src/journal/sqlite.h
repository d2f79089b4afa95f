/* journal/sqlite.h - the embedded journal: one SQLite file, one gateway process (docs/protocol.md, "One node").
 *
 * One store per process, opened before the loops start and closed after they ended; one handle per loop,
 * used by that loop's thread only. Whoever holds the store's lock is the one gateway that may write: the lock
 * is the lease. */
#ifndef JOURNAL_SQLITE_H
#define JOURNAL_SQLITE_H

#include "io/loop.h"
#include "journal/journal.h"

struct sqlite_store;

struct sqlite_options {
    uint64_t ambiguity_ms; /* a claim holds for its lease and this much longer */
    uint32_t busy_ms;      /* how long to wait for a foreign SQLite client that has the file locked */
    const char *vfs;       /* SQLite's file layer by name; NULL: the system's */
    /* NULL: the system's clocks. Called from any thread. */
    uint64_t (*mono_ms)(void);
    uint64_t (*unix_ms)(void);
};

enum { JOURNAL_WHY_BYTES = 512 };

/* Opens or creates the database at `path`; its directory must exist. Checks the file's integrity, lifts an older
 * schema to this program's, and reads all rows once (about a second per million hints).
 * On failure nothing of the file has been changed, *out is NULL and `why` holds a sentence for a person:
 *   ERR_LOCKED   another gateway has it, or a foreign SQLite client
 *   ERR_CORRUPT  not a database, or a damaged one
 *   ERR_INVALID  a database of another program
 *   ERR_VERSION  written by a newer program
 *   ERR_DENIED, ERR_IO, ERR_FULL, ERR_NOMEM  from the system */
enum err sqlite_store_open(struct sqlite_store **out, const char *path, const struct sqlite_options *options,
                           char why[static JOURNAL_WHY_BYTES]) MUST_CHECK;
/* All handles must have been freed. Commits what was queued lazily, writes the log back into the database and
 * gives up the lock. NULL is harmless. */
void sqlite_store_close(struct sqlite_store *s);

/* Results besides those of journal.h, while it runs:
 *   ERR_FULL     the disk is full; nothing of the group happened, later calls are tried anew
 *   ERR_LOCKED   a foreign SQLite client held the file for longer than busy_ms; the same
 *   ERR_IO, ERR_CORRUPT  after a failed fsync or on a damaged page for good: what the disk holds is not known
 *                any more, so nothing is written and lease_valid is false until the next start
 *   ERR_NOT_FOUND from begin: no such bucket. ERR_EXISTS from begin: that stamp was begun before.
 * In journal_stats, rows_open counts open and outcome rows, hints the final and merged ones. */
enum err sqlite_journal_open(struct journal **out, struct sqlite_store *s, struct loop *loop) MUST_CHECK;
/* From the loop's thread or after it ended; no request may be under way. NULL is harmless. */
void sqlite_journal_free(struct journal *j);

#endif

/* sqlite_catalog.h - the buckets in memory, each with its counts of hints. Thread safe: read by all loops, changed
 * by the store's writer alone. */
#ifndef JOURNAL_SQLITE_CATALOG_H
#define JOURNAL_SQLITE_CATALOG_H

#include "journal/journal.h"

#include <pthread.h>

struct sqlite_catalog_entry {
    struct bucket bucket;
    uint64_t keys[REPLICAS_MAX];           /* with hints that lack this slot */
    uint64_t oldest_unix_ms[REPLICAS_MAX]; /* of these hints; UINT64_MAX: none. Never too young */
    uint64_t added_unix_ms[REPLICAS_MAX];  /* oldest added since the search of `oldest` began */
    bool stale;                            /* the oldest of some slot was removed: search anew */
};

struct sqlite_catalog {
    pthread_rwlock_t lock;
    struct sqlite_catalog_entry **by_id, **by_name; /* both sorted */
    size_t count, room;
};

void sqlite_catalog_init(struct sqlite_catalog *c);
void sqlite_catalog_fini(struct sqlite_catalog *c);

/* ERR_NOT_FOUND unless there. `out` may be NULL. */
enum err sqlite_catalog_by_id(struct sqlite_catalog *c, uint32_t id, struct bucket *out) MUST_CHECK;
enum err sqlite_catalog_by_name(struct sqlite_catalog *c, struct span name, struct bucket *out) MUST_CHECK;
/* The first whose name is greater. */
enum err sqlite_catalog_after(struct sqlite_catalog *c, struct span name, struct bucket *out) MUST_CHECK;

/* What `wanted` becomes on top of `had` (NULL: a new bucket): id, time of creation and slots kept, replicas that
 * are no longer wanted marked retired, new ones in new slots. ERR_INVALID: no name, no replica, too many of them,
 * an empty field or the same replica twice. ERR_TOO_LARGE: no slot is left for a new one. */
enum err sqlite_catalog_merge(const struct bucket *had, const struct bucket *wanted,
                              struct bucket *out) MUST_CHECK;
/* Adds, or replaces the one with the same id. */
enum err sqlite_catalog_put(struct sqlite_catalog *c, const struct bucket *b) MUST_CHECK;
void sqlite_catalog_remove(struct sqlite_catalog *c, uint32_t id);

/* A row has become a hint, or is one no longer: the slots it lacks, and those that other hints of its key lack. */
void sqlite_catalog_add_hint(struct sqlite_catalog *c, uint32_t bucket, uint32_t lacks, uint32_t others_lack,
                             uint64_t unix_ms);
void sqlite_catalog_drop_hint(struct sqlite_catalog *c, uint32_t bucket, uint32_t lacks, uint32_t others_lack,
                              uint64_t unix_ms);
/* True when the ages are only an upper bound and worth a search. */
bool sqlite_catalog_lag(struct sqlite_catalog *c, uint32_t bucket, uint64_t now_unix_ms,
                        struct replica_lag out[static REPLICAS_MAX]);

/* A search of the oldest hints: the next bucket after `bucket` that is stale, 0 when there is none; tells which
 * slots have hints. It begins before the database is read and ends with what was found there for each slot, or with
 * NULL when it failed. */
uint32_t sqlite_catalog_search_begin(struct sqlite_catalog *c, uint32_t bucket, uint32_t *slots);
void sqlite_catalog_search_end(struct sqlite_catalog *c, uint32_t bucket, const uint64_t *oldest_unix_ms);

#endif

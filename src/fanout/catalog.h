/* fanout/catalog.h - this loop's buckets: for each bucket of the journal's catalogue its replicas and ack policy.
 *
 * Entries are built on first use from the journal's catalogue and the configured backends, and rebuilt when the
 * catalogue has changed (another loop may have created or deleted a bucket). */
#ifndef FANOUT_CATALOG_H
#define FANOUT_CATALOG_H

#include "fanout/env.h"
#include "fanout/quorum.h"

struct catalog;

struct catalog_bucket {
    struct bucket record; /* as in the journal */
    struct replica_set set;
    struct ack_policy ack;
};

struct catalog_options {
    struct journal *journal;
    /* Make a replica object on this loop; NULL: no such backend is configured. Freed with `close`. */
    struct replica *(*open)(void *ctx, const char *backend, const char *remote);
    void (*close)(void *ctx, struct replica *r);
    /* The ack policy of a bucket with so many replicas. */
    struct ack_policy (*ack)(void *ctx, const char *bucket, uint32_t replicas);
    void *ctx;
};

enum err catalog_open(struct catalog **out, const struct catalog_options *options) MUST_CHECK;
void catalog_free(struct catalog *c);
/* NULL: no such bucket. Valid until the next look-up: copy what is needed longer. Replica objects live as long as the
 * catalog. */
const struct catalog_bucket *catalog_by_name(struct catalog *c, struct span name);
const struct catalog_bucket *catalog_by_id(struct catalog *c, uint32_t id);
/* The replica object for a bucket that is not in the catalogue yet. NULL: no such backend, or no memory. */
struct replica *catalog_replica(struct catalog *c, const char *backend, const char *remote);

#endif

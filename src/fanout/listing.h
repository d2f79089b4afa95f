/* fanout/listing.h - a bucket's listing, right while its replicas differ (docs/architecture.md).
 *
 * One replica's listing, in byte order, overlaid with the journal's rows: a key whose newest stored set holds that
 * replica stands as it is listed, or is not there; any other key with a row is asked of a replica of its stored set,
 * as a strict read is. Every write and delete that was acknowledged before listing_open is seen. When the replica
 * fails another one goes on behind the last entry. */
#ifndef FANOUT_LISTING_H
#define FANOUT_LISTING_H

#include "fanout/env.h"

struct listing; /* belongs to one loop */

struct listing_spec {
    uint32_t bucket;
    const struct replica_set *replicas; /* copied, as all that follows */
    struct span prefix, delimiter;      /* delimiter "": none */
    /* Entries that are greater. Within a group: behind the whole group, unless `split`: then the group is listed if it
     * has a key behind `after`. */
    struct span after;
    bool split;
    uint32_t most; /* entries that the owner wants; it may take more */
};

struct listing_events {
    void (*ready)(void *ctx); /* after ERR_AGAIN from listing_next */
};

/* ERR_BUSY: the body budget is spent. */
enum err listing_open(struct listing **out, struct env *env, const struct listing_spec *spec,
                      const struct listing_events *events, void *ctx) MUST_CHECK;
/* ERR_OK: *out is the next entry, its spans valid until the next call. ERR_AGAIN: `ready` will fire. ERR_EOF: that was
 * all. ERR_UNAVAILABLE: no replica that may be asked answers, or the journal does not. */
enum err listing_next(struct listing *l, struct replica_entry *out) MUST_CHECK;
/* Is it known, without asking anybody, that there is another entry? */
bool listing_has_more(const struct listing *l);
/* At any time; nothing fires any more. */
void listing_free(struct listing *l);

#endif

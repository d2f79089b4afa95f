/* fanout/env.h - what a loop lends to everything that works with replicas, and the terms they work by. */
#ifndef FANOUT_ENV_H
#define FANOUT_ENV_H

#include "base/chunk.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/stamp.h"
#include "fanout/keyhold.h"
#include "journal/journal.h"
#include "replica/health.h"
#include "replica/replica.h"

struct terms {
    uint64_t ambiguity_ms;    /* a request without an answer may take effect for so long */
    uint64_t stall_ms;        /* no progress: detach */
    uint64_t detach_ms;       /* holding the ring full while the others are ahead: detach */
    uint64_t write_ms;        /* no progress although the ack policy needs it: give up */
    uint64_t first_byte_ms;   /* of a read, before the next replica is asked */
    uint64_t lease_ms;        /* of a repair's claim */
    uint64_t lease_margin_ms; /* it stops acting so long before its end */
    uint64_t part_bytes_min;  /* of an upload in parts, all but the last: 5 MiB by S3 */
    uint64_t copy_bytes_max;  /* the most a replica copies by itself; to be over within ambiguity_ms */
    uint32_t ring_chunks;     /* a write runs ahead of its slowest replica by so many chunks */
};

/* base/count.h */
struct fanout_counters {
    uint64_t writes, hinted, detached, held, failed_writes, reads, read_failovers, read_resumes, etag_differs,
        copied_there, parted, parts_again;
};

/* Belongs to one loop. */
struct env {
    struct clock *clock;
    struct journal *journal;
    struct random *random;
    struct hlc *hlc;             /* shared by all loops */
    struct chunk_budget *budget; /* shared by all loops */
    struct keyhold_port *holds;  /* this loop's; NULL: no write is conditional here */
    struct terms terms;
    struct fanout_counters counters;
    uint32_t writes_open; /* base/count.h; not settled yet: a loop drains until it is 0 */
    void (*on_hint)(struct env *env, uint32_t bucket, struct span key); /* a row became a hint; may be NULL */
    void *owner;
};

/* A bucket's replicas on this loop, by slot; NULL where a slot is retired. */
struct replica_set {
    struct replica *by_slot[REPLICAS_MAX];
    uint32_t mask; /* slots in use */
};

#endif

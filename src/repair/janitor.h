/* repair/janitor.h - what multipart uploads leave behind, cleared away.
 *
 * Rounds, one thing at a time, on one loop:
 * - uploads that nobody finishes within expire_ms are aborted;
 * - what a replica still has of an upload that was aborted, or completed without it, is aborted there;
 * - uploads that were completed are forgotten some time later;
 * - uploads on a backend that the journal knows nothing of (a crash between their creation there and here) are aborted
 *   when they are older than expire_ms, where the backend lists them. */
#ifndef REPAIR_JANITOR_H
#define REPAIR_JANITOR_H

#include "fanout/upload.h"

struct janitor;

struct janitor_options {
    uint64_t expire_ms;   /* since its creation, by wall clock */
    uint64_t remember_ms; /* so long a Complete that comes again is answered */
    uint64_t interval_ms; /* between two rounds */
    uint64_t strays_ms;   /* the backends' own lists are looked at no more often than this */
    /* The bucket's replicas on this loop; false: the bucket is unknown here. */
    bool (*replicas)(void *ctx, uint32_t bucket, struct replica_set *out);
    void *ctx;
};

/* base/count.h */
struct janitor_counters {
    uint64_t expired, swept, strays;
};

/* The first round begins at once. */
enum err janitor_open(struct janitor **out, struct env *env,
                      const struct janitor_options *options) MUST_CHECK;
/* A backend is back: a round begins now, or another one behind that under way. */
void janitor_kick(struct janitor *j);
/* No more rounds; what is under way ends, then `done` fires (never from inside). */
void janitor_stop(struct janitor *j, void (*done)(void *ctx), void *ctx);
/* Only after `done`, or when nothing is under way. */
void janitor_free(struct janitor *j);
const struct janitor_counters *janitor_counters(const struct janitor *j);

#endif

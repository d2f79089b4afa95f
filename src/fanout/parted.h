/* fanout/parted.h - one large body, written as a multipart upload of the gateway's own.
 *
 * The same boundaries on every replica, and several parts under way at a time, each over connections of its own, so that
 * one client's stream can fill a long fat pipe. A part stays in memory until every replica has it, as far as the body budget
 * goes: part_bytes * (concurrency + 1) at most, and a replica that fails is sent it again. Where the budget has no room
 * the parts follow one another and stream, as a body in one piece does.
 *
 * To its owner it is like a write (fanout/write.h): it asks for room, fills it, and hears a verdict. Nothing is visible
 * before the Complete at the end, which is the write that is verified, or held and judged, by the owner. */
#ifndef FANOUT_PARTED_H
#define FANOUT_PARTED_H

#include "fanout/upload.h"

struct parted; /* belongs to one loop */

struct parted_spec {
    struct journal_key key;             /* copied */
    const struct replica_set *replicas; /* copied */
    struct ack_policy ack;
    uint64_t body_bytes;
    uint64_t
        part_bytes; /* of each part but the last, as parted_part_bytes has it; at most S3_PART_NUMBER_MAX of them */
    uint32_t
        concurrency; /* parts that wait for replicas while another one is filled; 1 to PARTED_CONCURRENCY_MAX */
    const struct http_header *headers; /* stored with the object; copied */
    size_t header_count;
    enum s3_checksum
        checksum; /* kept with the object: a CRC, which can be reckoned from those of the parts; or NONE */
};
enum { PARTED_CONCURRENCY_MAX = 32 };

struct parted_events {
    /* There may be room again after ERR_AGAIN from parted_room. */
    void (*drain)(void *ctx);
    /* After parted_end: the Complete is open. The owner calls write_verified, or write_hold and then that; or
     * parted_leave. */
    void (*opened)(void *ctx, struct write *w);
    void (*held)(void *ctx); /* write_events.held, of that write */
    /* Once, never from inside a call of the owner's, unless parted_leave comes first. It may come before the body's end.
     * The parted is no longer the owner's when this returns. */
    void (*verdict)(void *ctx, const struct write_verdict *v);
};

/* The size of parts for such a body: no less than `wanted`, than S3 and each of the replicas asks for, and large enough that
 * there are not more of them than each takes. Whole MiB. */
uint64_t parted_part_bytes(uint64_t body_bytes, uint64_t wanted, const struct replica_set *replicas);

/* ERR_BUSY: the body budget is spent; ERR_UNAVAILABLE, ERR_NOMEM: nothing was begun, nothing fires. ERR_OK: the upload is
 * being created. */
enum err parted_open(struct parted **out, struct env *env, const struct parted_spec *spec,
                     const struct parted_events *events, void *ctx) MUST_CHECK;
/* Room for body bytes; ERR_AGAIN: `drain` will fire. Not to be called when all body_bytes are there. */
enum err parted_room(struct parted *p, struct iovec *out) MUST_CHECK;
/* So many bytes were put there; they stay readable where they are until the next call. */
void parted_filled(struct parted *p, size_t bytes);
/* The body is complete and good. `checksum`: big-endian, of spec.checksum's kind: what the client said of the whole. */
void parted_end(struct parted *p, const uint8_t *checksum);
/* The owner goes: nothing fires any more. When it has not verified the Complete by then, nothing becomes visible and the upload
 * is aborted; else the write goes on by itself. */
void parted_leave(struct parted *p);

#endif

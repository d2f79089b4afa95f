/* fanout/fetch.h - one read: a replica that is current by the journal, with failover (docs/protocol.md, strict read).
 *
 * No row with a stored set: any replica. Otherwise: one of the newest row's stored set, whatever it shows. A replica
 * that fails before the first byte, or whose answer is none to what was asked (fetch_answer.h): the next. One that fails in mid-body: the rest comes from another of the same
 * set, with Range and If-Match of the same ETag; the reader sees one body. */
#ifndef FANOUT_FETCH_H
#define FANOUT_FETCH_H

#include "fanout/env.h"

struct fetch; /* belongs to one loop */

struct fetch_spec {
    struct journal_key key;             /* copied */
    const struct replica_set *replicas; /* copied */
    bool head_only;
    bool tags;            /* the object's tags and nothing else: `tags` or `failed` fires, never `head` */
    uint32_t part_number; /* not 0: that part of an object that was uploaded in parts; without a Range */
    bool checksum_mode;   /* the head is to show the object's checksum, if there is one */
    const struct http_header *headers; /* Range and If-* as the client sent them; stay until fetch_free */
    size_t header_count;
};

struct fetch_events {
    /* Once: the answer's status, 200, 206, 304, 404, 412 or 416, and the replica's head, valid during the call. For
     * 200 and 206 head->length is the body's; head->status may be 200 for a part: some backends say so. */
    void (*head)(void *ctx, unsigned status, const struct http_head *head,
                 const struct replica_object *object, const struct replica *from);
    /* Once, instead of `head`: in the form of x-amz-tagging, valid during the call. NULL where spec.tags is not set. */
    void (*tags)(void *ctx, struct span tags);
    /* After `head` when a body follows, and after ERR_AGAIN from fetch_read. */
    void (*body)(void *ctx);
    /* Instead of `head`, once: ERR_NOT_FOUND: spec.tags of an object that is not there. ERR_UNAVAILABLE: no replica that may be read answers. */
    void (*failed)(void *ctx, enum err error);
};

enum err fetch_open(struct fetch **out, struct env *env, const struct fetch_spec *spec,
                    const struct fetch_events *events, void *ctx) MUST_CHECK;
/* ERR_OK; ERR_AGAIN: `body` will fire; ERR_EOF: complete; others: the body cannot be completed. */
enum err fetch_read(struct fetch *f, void *at, size_t room, size_t *got) MUST_CHECK;
/* At any time; nothing fires any more. */
void fetch_free(struct fetch *f);

#endif

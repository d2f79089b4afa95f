/* replica/replica.h - one backend's bucket that backs a bucket: a vtable, one of the four seams.
 *
 * A replica object belongs to one loop. replica/s3_replica.h is the real one, over http/client; test/sim has
 * one in memory. Backends are taken to know only PUT, DELETE, GET and HEAD; last arrival wins.
 *
 * THE BARRIER. A write is cut in two: what may be sent at once, and what could make the backend commit. The
 * second part leaves only after replica_put_open. Which part of a request that is depends on the size of the
 * body and on the backend (s3_replica.c). For whoever writes, three results are possible:
 *   stored      2xx, and no error in the body; for a delete also 404
 *   missed      it never passed the barrier, or a 4xx
 *   unresolved  past the barrier, then a time-out, reset, 5xx or garbage: it may still take effect
 *
 * Async contract: a start that fails calls nothing back; after a start that succeeds exactly one `done`, never
 * from inside a call of the owner's (start, more, open, read); after replica_call_abandon none. Abandoning is allowed at any time, from inside the
 * call's own callbacks as well (but not from `done`, where it is over). */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "base/clock.h"
#include "base/err.h"
#include "base/span.h"
#include "base/stamp.h"
#include "http/message.h"
#include "replica/capability.h"
#include "replica/page.h"

#include <sys/uio.h>

struct replica;
struct replica_call; /* one request under way; the replica's, invalid when `done` returns */

enum replica_result { REPLICA_STORED, REPLICA_MISSED, REPLICA_UNRESOLVED };

enum { ETAG_CHARS_MAX = 80, CODE_CHARS_MAX = 48 };

struct replica_answer {
    enum replica_result result;
    enum err error;            /* ERR_OK when there was a well-formed answer, whatever its status */
    unsigned status;           /* 0 without an answer */
    char etag[ETAG_CHARS_MAX]; /* as answered, quotes included; "" without */
    char code[CODE_CHARS_MAX]; /* S3 error code of the answer's body, "" without */
};

/* Body bytes by absolute offset; what is before `offset` has been reported with `progress`. */
struct replica_body {
    /* iov[0..*count) = what is there from `offset` on; *count comes in as the room. ERR_AGAIN: nothing yet;
     * replica_put_more will be called. Never called at offset == body_bytes. */
    enum err (*peek)(void *ctx, uint64_t offset, struct iovec *iov, int *count);
};

/* An object with tags is written with these two: the tags themselves, and as metadata of ours how many they are, so
 * that no copy without them can pass for one with them. */
#define REPLICA_TAGGING_HEADER   "x-amz-tagging"
#define REPLICA_TAG_COUNT_HEADER "x-amz-meta-s3mirror-tags"
enum { REPLICA_TAGGING_HEADERS = 2 };

struct replica_put {
    struct span key; /* decoded */
    /* Stored with the object (s3_header_is_stored), and with tags REPLICA_TAGGING_HEADERS; copied. */
    const struct http_header *headers;
    size_t header_count;
    bool stamped;
    struct stamp stamp; /* written as x-amz-meta-s3mirror-stamp when `stamped` */
    uint64_t body_bytes;
    bool has_sha256; /* the declared hash of the body */
    uint8_t sha256[32];
    /* The checksum to keep with the object, big-endian; CRC32 where there is none or the backend does not take it.
     * `checksum_value` is the owner's, and read when the barrier opens; sooner when `checksum_known`. */
    enum s3_checksum checksum;
    const uint8_t *checksum_value;
    bool checksum_known;
    const struct replica_body *body;
    const char *if_match;  /* NULL, or the ETag the target must still show, where the backend can */
    struct span upload_id; /* not empty: a part of this upload; then nothing is stored with it */
    uint32_t part_number;
    const uint64_t
        *cuts; /* the owner's; NULL, or the sizes of the parts that the object is to be uploaded in, */
    uint32_t cut_count; /* so many, none of them empty: its ETag shows how it was cut */
};

struct replica_put_events {
    /* All body bytes before `offset` are with the kernel or not needed: they may be dropped. For bodies that are
     * sent from one chunk it may come once, at the end, or not at all before `done`. May be NULL. */
    void (*progress)(void *ctx, uint64_t offset);
    void (*done)(void *ctx, const struct replica_answer *answer);
};

/* What HEAD shows. */
struct replica_object {
    bool exists;
    bool stamped;
    struct stamp stamp;
    uint64_t body_bytes;
    char etag[ETAG_CHARS_MAX];
    char last_modified[40]; /* as received */
    uint32_t tag_count;     /* what was written with it; of others' objects what the replica says */
};

struct replica_head_events {
    /* ERR_OK: *object is valid (exists == false: 404 for the key). Else the replica did not say; status may be 0. */
    void (*done)(void *ctx, enum err error, unsigned status, const struct replica_object *object);
};

struct replica_tags_events {
    /* ERR_OK: *tags is in the form of x-amz-tagging, empty for none, valid during the call. ERR_NOT_FOUND: no such key.
     * Else the replica did not say. */
    void (*done)(void *ctx, enum err error, unsigned status, struct span tags);
};

struct replica_get {
    struct span key;
    bool head_only;                    /* HEAD for a client: head and done fire, no body */
    bool checksum_mode;                /* the answer is to show the object's checksum, if there is one */
    const struct http_header *headers; /* Range, If-*: sent as they are */
    size_t header_count;
    uint32_t part_number; /* not 0: that part of an object that was uploaded in parts */
};

struct replica_get_events {
    /* Once, whatever the status; object->exists only for 2xx, and then its size is known. An error answer's body is
     * read like any other: the document of a 404 tells NoSuchBucket from NoSuchKey (s3_body_is_error). */
    void (*head)(void *ctx, const struct http_head *head, const struct replica_object *object);
    void (*body)(void *ctx); /* after `head`, and after ERR_AGAIN from replica_get_read */
    void (*done)(void *ctx, enum err error);
};

/* Multipart uploads. A create leaves nothing that a client could see, so nothing waits for a barrier; a part is a put
 * whose barrier keeps a cut part out of the upload; a complete is past its barrier as a whole. */
struct replica_create {
    struct span key;
    const struct http_header *headers; /* as in struct replica_put */
    size_t header_count;
    bool stamped;
    struct stamp stamp;
    enum s3_checksum
        checksum; /* of the parts, where the backend takes that kind; then the Complete names them */
    bool full_object;
};
struct replica_create_events {
    /* REPLICA_STORED: the upload's id there, valid during the call. */
    void (*done)(void *ctx, const struct replica_answer *answer, struct span upload_id);
};

struct replica_complete {
    struct span key, upload_id;
    struct span document; /* CompleteMultipartUpload; stays until `done` or abandon */
    struct stamp
        stamp; /* the object's: where it is shown the upload is complete, whatever its request was answered */
};

/* A copy that the backend makes by itself, of an object in the bucket of a replica on the same backend, or of some bytes
 * of it as a part of an upload. No byte of it passes here; all of the request is past the barrier. */
struct replica_copy {
    struct span key;
    const struct replica *source; /* replica_shares_backend */
    struct span source_key;
    const char
        *source_etag; /* there: when the source shows another one, nothing is copied and this is missed */
    /* Stored with the copy, in place of all that the source has, its tags too; as in struct replica_put. */
    const struct http_header *headers;
    size_t header_count;
    bool stamped;
    struct stamp stamp;
    enum s3_checksum
        checksum;          /* that the source has, and the copy is to have where the backend takes its kind */
    struct span upload_id; /* not empty: a part of this upload; then nothing is stored with it */
    uint32_t part_number;
    bool ranged; /* these bytes of the source; else all of it */
    uint64_t first, last;
};

struct replica_upload {
    struct span key, id;
    uint64_t initiated_unix_ms; /* UINT64_MAX: not told */
};
struct replica_uploads_end {
    enum err error; /* ERR_OK, or the replica did not say */
    unsigned status;
    struct span next_key,
        next_id; /* where the next page begins, valid during the call; next_key empty: there is none */
};
struct replica_uploads_events {
    void (*entry)(void *ctx, const struct replica_upload *upload); /* valid during the call */
    void (*done)(void *ctx, const struct replica_uploads_end *end);
};

/* A page of the bucket's listing: entries whose text is greater than `after`, in byte order, at least one unless there
 * are none. */
struct replica_list {
    struct span prefix; /* of all keys listed */
    struct span after;  /* "": from the start */
    bool grouped;       /* keys with a '/' behind the prefix are one entry: the text up to and with it */
    uint32_t most;      /* entries, 1..1000 */
    struct replica_page *page; /* out; the caller's */
};
struct replica_list_events {
    void (*progress)(void *ctx); /* something came, but not all; may be NULL */
    /* ERR_OK: the page is whole. ERR_PROTOCOL: what it lists cannot be. */
    void (*done)(void *ctx, enum err error);
};

enum replica_bucket_op {
    REPLICA_BUCKET_CREATE,
    REPLICA_BUCKET_HEAD,
    REPLICA_BUCKET_DELETE,
    REPLICA_BUCKET_EMPTY
};
struct replica_bucket_events {
    /* ERR_OK: there was an answer; *answer tells. For REPLICA_BUCKET_EMPTY: 200 and result STORED: it has no objects;
     * 200 and result MISSED: it has some. */
    void (*done)(void *ctx, const struct replica_answer *answer);
};

struct replica_ops {
    enum err (*put)(struct replica *r, struct replica_call **out, const struct replica_put *put,
                    const struct replica_put_events *events, void *ctx);
    void (*put_more)(struct replica_call *c);
    void (*put_open)(struct replica_call *c, uint32_t crc32);
    enum err (*del)(struct replica *r, struct replica_call **out, struct span key,
                    const struct replica_put_events *events, void *ctx);
    enum err (*copy)(struct replica *r, struct replica_call **out, const struct replica_copy *copy,
                     const struct replica_put_events *events, void *ctx);
    enum err (*head)(struct replica *r, struct replica_call **out, struct span key,
                     const struct replica_head_events *events, void *ctx);
    enum err (*get)(struct replica *r, struct replica_call **out, const struct replica_get *get,
                    const struct replica_get_events *events, void *ctx);
    enum err (*get_read)(struct replica_call *c, void *at, size_t room, size_t *got);
    enum err (*tags)(struct replica *r, struct replica_call **out, struct span key,
                     const struct replica_tags_events *events, void *ctx);
    enum err (*list)(struct replica *r, struct replica_call **out, const struct replica_list *list,
                     const struct replica_list_events *events, void *ctx);
    enum err (*bucket)(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                       const struct replica_bucket_events *events, void *ctx);
    enum err (*create)(struct replica *r, struct replica_call **out, const struct replica_create *create,
                       const struct replica_create_events *events, void *ctx);
    enum err (*complete)(struct replica *r, struct replica_call **out,
                         const struct replica_complete *complete, const struct replica_put_events *events,
                         void *ctx);
    enum err (*abort)(struct replica *r, struct replica_call **out, struct span key, struct span upload_id,
                      const struct replica_put_events *events, void *ctx);
    enum err (*uploads)(struct replica *r, struct replica_call **out, struct span after_key,
                        struct span after_id, const struct replica_uploads_events *events, void *ctx);
    enum replica_result (*abandon)(struct replica_call *c);
};

struct health;

struct replica {
    const struct replica_ops *ops;
    const char *name;      /* of the backend in the configuration */
    struct health *health; /* the backend's on this loop, shared by its replicas; NULL: always usable */
    const struct capabilities *can; /* the backend's, complete; NULL: all that Amazon's can */
};

static inline bool replica_shares_backend(const struct replica *a, const struct replica *b)
{
    return strcmp(a->name, b->name) == 0;
}
static inline bool replica_etag_is_opaque(const struct replica *r)
{
    return r->can && r->can->etag_kind == S3_ETAG_OPAQUE;
}
/* Of whatever was put there in one piece, and of a large body too. */
static inline bool replica_etag_is_md5(const struct replica *r)
{
    return !r->can || (r->can->etag_kind == S3_ETAG_MD5 && r->can->barrier != S3_BARRIER_PARTS);
}

/* A write of an object. May send the part before the barrier at once, the head together with the first body bytes,
 * never before. */
static inline enum err replica_put_start(struct replica *r, struct replica_call **out,
                                         const struct replica_put *put,
                                         const struct replica_put_events *events, void *ctx)
{
    return r->ops->put(r, out, put, events, ctx);
}
/* More of the body is there. */
static inline void replica_put_more(struct replica *r, struct replica_call *c)
{
    r->ops->put_more(c);
}
/* The barrier opens: the body is complete and verified; its CRC32 is given. */
static inline void replica_put_open(struct replica *r, struct replica_call *c, uint32_t crc32)
{
    r->ops->put_open(c, crc32);
}
/* A delete: the whole request is past the barrier, so it is started only when that may open. */
static inline enum err replica_delete_start(struct replica *r, struct replica_call **out, struct span key,
                                            const struct replica_put_events *events, void *ctx)
{
    return r->ops->del(r, out, key, events, ctx);
}
/* Like a delete started only when the barrier may open. Its progress is not told. */
static inline enum err replica_copy_start(struct replica *r, struct replica_call **out,
                                          const struct replica_copy *copy,
                                          const struct replica_put_events *events, void *ctx)
{
    return r->ops->copy(r, out, copy, events, ctx);
}
static inline enum err replica_head_start(struct replica *r, struct replica_call **out, struct span key,
                                          const struct replica_head_events *events, void *ctx)
{
    return r->ops->head(r, out, key, events, ctx);
}
static inline enum err replica_get_start(struct replica *r, struct replica_call **out,
                                         const struct replica_get *get,
                                         const struct replica_get_events *events, void *ctx)
{
    return r->ops->get(r, out, get, events, ctx);
}
/* The tags of an object. */
static inline enum err replica_tags_start(struct replica *r, struct replica_call **out, struct span key,
                                          const struct replica_tags_events *events, void *ctx)
{
    return r->ops->tags(r, out, key, events, ctx);
}
/* As http_call_read: `done` follows the last byte of a body of known length, whether or not ERR_EOF was read. */
static inline enum err replica_get_read(struct replica *r, struct replica_call *c, void *at, size_t room,
                                        size_t *got)
{
    return r->ops->get_read(c, at, room, got);
}
static inline enum err replica_list_start(struct replica *r, struct replica_call **out,
                                          const struct replica_list *list,
                                          const struct replica_list_events *events, void *ctx)
{
    return r->ops->list(r, out, list, events, ctx);
}
static inline enum err replica_bucket_start(struct replica *r, struct replica_call **out,
                                            enum replica_bucket_op op,
                                            const struct replica_bucket_events *events, void *ctx)
{
    return r->ops->bucket(r, out, op, events, ctx);
}
static inline enum err replica_create_start(struct replica *r, struct replica_call **out,
                                            const struct replica_create *create,
                                            const struct replica_create_events *events, void *ctx)
{
    return r->ops->create(r, out, create, events, ctx);
}
/* Like a delete started only when the barrier may open. */
static inline enum err replica_complete_start(struct replica *r, struct replica_call **out,
                                              const struct replica_complete *complete,
                                              const struct replica_put_events *events, void *ctx)
{
    return r->ops->complete(r, out, complete, events, ctx);
}
/* REPLICA_STORED: the upload is gone, or never was. */
static inline enum err replica_abort_start(struct replica *r, struct replica_call **out, struct span key,
                                           struct span upload_id, const struct replica_put_events *events,
                                           void *ctx)
{
    return r->ops->abort(r, out, key, upload_id, events, ctx);
}
/* A page of the uploads under way in the bucket, from behind these two on. */
static inline enum err replica_uploads_start(struct replica *r, struct replica_call **out,
                                             struct span after_key, struct span after_id,
                                             const struct replica_uploads_events *events, void *ctx)
{
    return r->ops->uploads(r, out, after_key, after_id, events, ctx);
}
/* Give up: the connection is reset, nothing fires any more. For writes the result says whether the barrier was
 * passed: MISSED or UNRESOLVED. */
static inline enum replica_result replica_call_abandon(struct replica *r, struct replica_call *c)
{
    return r->ops->abandon(c);
}

#endif

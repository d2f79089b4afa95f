/* replica/s3_call.h - one request to an S3 backend and its answer: what puts, reads and bucket calls share.
 * Private to replica/s3_*.c.
 *
 * A call is one allocation with an arena for its head, the copied headers and the answer's body. It ends in one
 * of two ways: its http call is done and `finish` tells the owner, or it is abandoned. */
#ifndef REPLICA_S3_CALL_H
#define REPLICA_S3_CALL_H

#include "auth/sigv4.h"
#include "replica/s3_replica.h"
#include "s3/chunked.h"

struct s3_backend {
    struct clock *clock;
    struct http_origin *origin;
    struct sigv4_signer signer;
    struct health health;
    struct span host_field; /* of the Host header: with the port unless it is the scheme's own */
    struct capabilities can;
    struct list replicas;
};

struct s3_replica {
    struct replica base;
    struct s3_backend *backend;
    struct list node; /* in backend->replicas */
    uint32_t calls;   /* open */
    struct list left; /* calls that nobody waits for */
    struct span remote;
    char remote_text[];
};

/* A write of an object (s3_put.c). */
struct s3_put {
    struct replica_put_events events;
    struct replica_body body;
    enum { PUT_WHOLE, PUT_FRAMES, PUT_PLAIN } form;
    bool open, waiting;            /* the barrier is open; the http call waits for body bytes */
    bool text_ready;               /* PUT_FRAMES: `text` is what comes before the byte at `offset` */
    uint64_t body_bytes, offset;   /* of the body; those before `offset` are with the kernel */
    enum s3_checksum checksum;     /* that is sent; S3_CHECKSUM_NONE: the backend takes none */
    const uint8_t *checksum_value; /* the owner's, or `crc32` */
    uint8_t crc32[4];              /* once the barrier is open */
    struct span path, query, payload;
    struct sigv4_header *headers; /* with room for PUT_HEADERS_OWN more */
    size_t header_count;
    size_t text_len, text_sent;
    char text[S3_TRAILER_MAX]; /* PUT_FRAMES: a frame's head, or what is held back */
};

/* A write of an object as a multipart upload (s3_parts.c). */
struct s3_parts {
    struct replica_put_events events;
    struct replica_body body;
    struct replica_call *step; /* create, part or complete under way; NULL: none */
    bool open, completing;
    struct span key, upload_id; /* empty: no upload there, or no more */
    struct stamp stamp;
    uint64_t body_bytes, part_bytes;
    const uint64_t *cuts; /* the owner's: the sizes of the parts; NULL: part_bytes each */
    uint64_t from;        /* of the body: where the part under way begins */
    uint32_t number;      /* of that part */
    bool compares;
    struct md5 md5;  /* of that part */
    uint64_t hashed; /* of the body */
    char *document;  /* of the complete */
    size_t document_len, document_room;
};

/* A read of an object (s3_get.c). */
struct s3_get {
    struct replica_get_events events;
    struct replica_head_events head_events;
    struct replica_object object;
    bool sized; /* the answer says how large the object is, or is no success */
};

/* A call on the bucket itself (s3_bucket.c). */
struct s3_bucket_call {
    struct replica_bucket_events events;
    enum replica_bucket_op op;
    struct span body;
    size_t body_sent;
};

/* A page of the bucket's listing (s3_list.c). */
struct s3_list_work;
struct s3_list {
    struct replica_list_events events;
    struct s3_list_work *work;
};

/* A call on a multipart upload (s3_upload.c). */
struct s3_upload {
    struct replica_create_events create_events;
    struct replica_put_events events;
    struct replica_uploads_events list_events;
    struct http_call_events http_events;
    struct span key, document;
    size_t document_sent;
    struct stamp stamp;
    struct replica_call *look; /* a HEAD after a complete that the backend knows nothing of; NULL: none */
    bool found;                /* and what it has shown: the stamp */
};

struct replica_call {
    struct s3_replica *replica;
    void *ctx; /* the owner's */
    struct arena arena;

    struct http_call *http; /* NULL: not started yet, or over */
    struct span head;       /* of the request */
    uint64_t request_bytes; /* head and body on the wire */
    uint64_t barrier_bytes; /* so many of them may leave before a backend could commit */
    uint64_t sent_bytes;    /* once `http` is NULL */
    uint64_t asked_ms;      /* since when the answer is up to the backend */
    uint64_t took_ms;       /* until the answer's head */

    /* A further answer that means stored: this status with this code; code NULL: with any. */
    unsigned stored_status;
    const char *stored_code;

    struct replica_answer answer;
    bool error_body; /* the answer's body is an <Error> */
    bool in_parts;   /* a put that is led by s3_parts.c */
    char *body;      /* of the answer, as far as read */
    size_t body_bytes;

    void (*seen)(struct replica_call *c, const struct http_head *head); /* the answer's head; may be NULL */
    void (*finish)(struct replica_call *c); /* tells the owner; the call is freed when it returns */
    void (*drop)(struct replica_call *c);   /* lets go of what else it has under way; may be NULL */
    struct list left;                       /* in replica->left, or alone */
    struct timer failed;                    /* fires `finish` for a call that could not even be started */

    struct replica_tags_events tags_events;
    union {
        struct s3_put put;
        struct s3_parts parts;
        struct s3_get get;
        struct s3_bucket_call bucket;
        struct s3_list list;
        struct s3_upload upload;
    };
};

/* NULL: out of memory. */
struct replica_call *s3_call_open(struct replica *r, void *ctx, void (*finish)(struct replica_call *c));
/* Also with its http call under way, which is then aborted. */
void s3_call_free(struct replica_call *c);

struct s3_call_request {
    struct span method, path, query;
    const struct sigv4_header *headers;
    size_t header_count;
    struct span payload; /* as in struct sigv4_request */
    bool has_length;
    uint64_t length; /* of the body on the wire */
    const struct http_source *source;
    uint64_t held_bytes; /* the last so many bytes of the request are past the barrier; 0: all of them are */
    bool repeatable;
};

/* Signs and starts. */
enum err s3_call_send(struct replica_call *c, const struct s3_call_request *q,
                      const struct http_call_events *events) MUST_CHECK;
/* Events that collect the answer's body and then call `finish`. */
extern const struct http_call_events s3_collect;
/* Ends the http call from our side, for s3_call_over. */
void s3_call_break_off(struct replica_call *c);
/* It could not be started, but its owner has been promised an answer: `finish` comes from the loop. */
void s3_call_fail_later(struct replica_call *c, enum err error);
/* Notes the answer's status, ETag and the time it took. */
void s3_call_note_head(struct replica_call *c, const struct http_head *head);
/* Its http call is over with `result`: tells the backend's health, takes the answer apart and judges it. */
void s3_call_over(struct replica_call *c, enum err result);

/* "partNumber=<n>", and "&uploadId=<id>" unless that is empty. at == NULL: arena full. */
struct span s3_call_part_query(struct replica_call *c, uint32_t number, struct span upload_id) MUST_CHECK;
/* Path of a key, or of the bucket. at == NULL: arena full. */
struct span s3_call_path(struct replica_call *c, struct span key) MUST_CHECK;
struct span s3_call_bucket_path(struct replica_call *c) MUST_CHECK;
/* Copies with names in lower case, and room for `more` behind. NULL: arena full. */
struct sigv4_header *s3_call_headers(struct replica_call *c, const struct http_header *headers, size_t count,
                                     size_t more) MUST_CHECK;

#define S3_STAMP_HEADER "x-amz-meta-s3mirror-stamp"
#define S3_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The vtable's functions. */
enum err s3_put_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                      const struct replica_put_events *events, void *ctx) MUST_CHECK;
/* A part of an upload of the backend's own, which needs no barrier. */
enum err s3_part_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                       const struct replica_put_events *events, void *ctx) MUST_CHECK;
enum err s3_parts_start(struct replica *r, struct replica_call **out, const struct replica_put *put,
                        const struct replica_put_events *events, void *ctx) MUST_CHECK;
void s3_parts_more(struct replica_call *c);
void s3_parts_open(struct replica_call *c);
enum replica_result s3_parts_abandon(struct replica_call *c);
void s3_put_more(struct replica_call *c);
void s3_put_open(struct replica_call *c, uint32_t crc32);
enum err s3_delete_start(struct replica *r, struct replica_call **out, struct span key,
                         const struct replica_put_events *events, void *ctx) MUST_CHECK;
enum err s3_copy_start(struct replica *r, struct replica_call **out, const struct replica_copy *copy,
                       const struct replica_put_events *events, void *ctx) MUST_CHECK;
enum err s3_head_start(struct replica *r, struct replica_call **out, struct span key,
                       const struct replica_head_events *events, void *ctx) MUST_CHECK;
enum err s3_get_start(struct replica *r, struct replica_call **out, const struct replica_get *get,
                      const struct replica_get_events *events, void *ctx) MUST_CHECK;
enum err s3_get_read(struct replica_call *c, void *at, size_t room, size_t *got) MUST_CHECK;
enum err s3_tags_start(struct replica *r, struct replica_call **out, struct span key,
                       const struct replica_tags_events *events, void *ctx) MUST_CHECK;
enum err s3_list_start(struct replica *r, struct replica_call **out, const struct replica_list *list,
                       const struct replica_list_events *events, void *ctx) MUST_CHECK;
enum err s3_bucket_start(struct replica *r, struct replica_call **out, enum replica_bucket_op op,
                         const struct replica_bucket_events *events, void *ctx) MUST_CHECK;
enum err s3_create_start(struct replica *r, struct replica_call **out, const struct replica_create *create,
                         const struct replica_create_events *events, void *ctx) MUST_CHECK;
enum err s3_complete_start(struct replica *r, struct replica_call **out,
                           const struct replica_complete *complete, const struct replica_put_events *events,
                           void *ctx) MUST_CHECK;
enum err s3_abort_start(struct replica *r, struct replica_call **out, struct span key, struct span upload_id,
                        const struct replica_put_events *events, void *ctx) MUST_CHECK;
enum err s3_uploads_start(struct replica *r, struct replica_call **out, struct span after_key,
                          struct span after_id, const struct replica_uploads_events *events,
                          void *ctx) MUST_CHECK;
enum replica_result s3_call_abandon(struct replica_call *c);

#endif

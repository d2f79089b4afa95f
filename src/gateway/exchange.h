/* gateway/exchange.h - one S3 request, from its head to its answer; shared by the operations (op_*.c). */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "auth/sigv4.h"
#include "fanout/fetch.h"
#include "fanout/parted.h"
#include "fanout/write.h"
#include "gateway/body.h"
#include "gateway/gateway.h"
#include "gateway/guard.h"
#include "s3/manifest.h"

enum { REQUEST_ID_CHARS = 16, EXCHANGE_ARENA_BYTES = 256 * 1024 };

struct exchange;

/* One S3 operation. Each call may answer. */
struct operation {
    void (*start)(struct exchange *x);
    /* Body bytes may be there. NULL: the operation reads no body. */
    void (*body)(struct exchange *x);
    /* The exchange ends, answered or not: let go of whatever is under way. */
    void (*end)(struct exchange *x);
};
extern const struct operation operation_put, operation_post, operation_get, operation_head, operation_delete;
extern const struct operation operation_delete_many, operation_copy, operation_get_tagging,
    operation_put_tagging, operation_delete_tagging, operation_get_attributes;
extern const struct operation operation_create_upload, operation_upload_part, operation_upload_part_copy,
    operation_complete_upload, operation_abort_upload, operation_list_parts, operation_list_uploads;
extern const struct operation operation_list_buckets, operation_create_bucket, operation_head_bucket,
    operation_delete_bucket, operation_list_objects;
extern const struct operation operation_get_bucket_location, operation_get_bucket_versioning,
    operation_get_bucket_setting, operation_get_acl, operation_put_acl, operation_preflight;

/* Of the operations on multipart uploads: what each has under way. */
struct exchange_upload {
    struct upload_create *create; /* fanout/upload.h */
    struct upload_abort *abort;
    struct upload_complete *complete;
    struct multipart_reading *reading; /* op_multipart.c */
    struct multipart_look *look;       /* multipart.c */
    struct part_copy *copy;            /* op_part.c */
    struct parts_listing *parts;       /* op_uploads.c, these two */
    struct uploads_listing *uploads;
};

struct bucket_fan;  /* op_bucket.c */
struct list_answer; /* op_list.c */
struct delete_many; /* op_delete_many.c */
struct copy;        /* copy.c */
struct post;        /* op_post.c */

/* Of reads that ask for what only a manifest tells. */
struct exchange_manifest {
    struct manifest_look *look;   /* manifest.c */
    struct s3_manifest_part part; /* the one to be read; number 0: none */
};

struct exchange {
    struct list node;
    struct gateway *gateway;
    struct http_exchange *http;
    const struct http_head *head;
    const struct operation *operation;
    const struct catalog_bucket *bucket; /* the operation's, NULL where it has none */
    struct arena arena;
    struct sigv4_claim claim; /* with `secret`, once it is verified: signed chunks go on from it */
    struct span secret;
    struct s3_request request;
    bool parsed; /* request.op is known */
    bool answered;
    unsigned status;
    uint64_t started_ms, body_bytes_in, body_bytes_out;
    char request_id[REQUEST_ID_CHARS];

    struct write *write;
    struct parted *parted; /* in its place, for a body that is written in parts */
    struct guard guard;    /* the conditions of that write */
    struct exchange_upload upload;
    struct exchange_manifest manifest;
    struct body body;           /* of the operations that read one: body_init is theirs to call */
    struct fetch *look, *fetch; /* what there is; its bytes */
    struct chunk *chunk; /* of the body budget: a read's bytes on their way, a small document being read */
    size_t chunk_from, chunk_to;
    struct bucket_fan *fan;
    struct list_answer *list;
    struct delete_many *deletes;
    struct copy *copy;
    struct post *post;
};

/* Answers. `headers` is in the arena: "Name: value\r\n" lines, may be empty. */
void exchange_answer(struct exchange *x, unsigned status, struct span headers, struct span body);
void exchange_answer_source(struct exchange *x, unsigned status, struct span headers, uint64_t body_bytes,
                            const struct http_source *source);
/* message NULL: the table's. */
void exchange_error(struct exchange *x, enum s3_code code, const char *message);
void exchange_error_extra(struct exchange *x, enum s3_code code, const char *message, struct span extra);
/* The journal's or the fan-out's word for "not now" as S3 says it. */
void exchange_unavailable(struct exchange *x, enum err e);

#endif

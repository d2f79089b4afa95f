/* gateway/writing.h - what the operations that write an object share (op_put, op_copy, op_tagging). */
#ifndef GATEWAY_WRITING_H
#define GATEWAY_WRITING_H

#include "gateway/exchange.h"
#include "s3/metadata.h"
#include "s3/tagging.h"

enum { WRITING_HEADERS_MAX = S3_STORED_HEADERS_MAX + REPLICA_TAGGING_HEADERS };

/* Of the request's key, to be completed. */
struct write_spec writing_spec(struct exchange *x, enum row_kind kind);

/* Of these header fields those that are stored with an object. S3_OK, S3_INTERNAL_ERROR: the arena is full. */
enum s3_code writing_stored(struct arena *arena, const struct http_header *fields, size_t field_count,
                            struct http_header out[static S3_STORED_HEADERS_MAX], size_t *count) MUST_CHECK;
/* The request's own headers that are stored with the object: its metadata. S3_OK, S3_INTERNAL_ERROR: the arena is full. */
enum s3_code writing_metadata(struct exchange *x, struct http_header out[static S3_STORED_HEADERS_MAX],
                              size_t *count) MUST_CHECK;
/* An object's tags, REPLICA_TAGGING_HEADERS of them at most, behind out[*count]. */
enum s3_code writing_tags(struct arena *arena, const struct s3_tags *tags, struct http_header *out,
                          size_t *count) MUST_CHECK;
/* Both, for a request that brings both. */
enum s3_code writing_headers(struct exchange *x, struct http_header out[static WRITING_HEADERS_MAX],
                             size_t *count, const char **message) MUST_CHECK;

/* Of a copy: the bucket of its source, which stays as long as the exchange. NULL: there is none, and that has been
 * answered. */
const struct catalog_bucket *writing_source_bucket(struct exchange *x) MUST_CHECK;

/* Sets up x->guard with the request's conditions. False: they cannot be, and that has been answered. */
bool writing_guard(struct exchange *x) MUST_CHECK;
/* The client's body into x->write, as far as both go; at its end guard_verified. Or into x->parted; at its end parted_end. For
 * operation.body. */
void writing_pump(struct exchange *x);
/* For write_events.drain of an exchange. */
void writing_drain(void *ctx);
/* For write_events.held of an exchange; its guard says what is to be judged. */
void writing_held(void *ctx);

/* "ETag: ..." if asked for, and "x-s3mirror-replicas: a=stored, b=hinted" */
struct span writing_verdict_headers(struct exchange *x, const struct write_verdict *v, bool with_etag);
/* The same, and the checksum that the client gave of the object, if it gave one. */
struct span writing_put_headers(struct exchange *x, const struct write_verdict *v);
/* Fewer than `need` stored it. What all replicas refused for one reason is told by that reason. */
void writing_failed(struct exchange *x, const struct write_verdict *v);

#endif

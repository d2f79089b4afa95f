/* s3/metadata.h - what is stored with an object, in a form that every backend keeps. Pure.
 *
 * A field's value beyond ASCII is stored as the encoded words that S3 itself shows it as (s3_stored_value). Metadata
 * without a value is listed by name in a field of ours beside it, and put back from there where a backend dropped it. So
 * it does not depend on the replica what a client reads. */
#ifndef S3_METADATA_H
#define S3_METADATA_H

#include "s3/request.h"

#define S3_METADATA_PREFIX       "x-amz-meta-"
#define S3_EMPTY_METADATA_HEADER "x-amz-meta-s3mirror-empty" /* names without the prefix, a ',' between */

/* Fields of one object: those of a request, a Content-Type and S3_EMPTY_METADATA_HEADER. */
enum { S3_STORED_HEADERS_MAX = HTTP_HEADERS_MAX + 2 };

/* What a field of metadata counts against S3_METADATA_BYTES_MAX, with what is stored on its account. *has_empty, of all the
 * fields of an object: one of those before it, or itself, has no value. */
size_t s3_metadata_bytes(const struct http_header *h, bool *has_empty);

/* The names of the metadata without a value among these fields, for S3_EMPTY_METADATA_HEADER; empty when there is none. at ==
 * NULL: the arena is full. */
struct span s3_empty_metadata(struct arena *arena, const struct http_header *fields, size_t count) MUST_CHECK;

/* The next name in *list, a value of that field as a backend shows it, whose field the backend dropped from `head`. False:
 * there is none. Names that could not be a client's are passed over. */
bool s3_dropped_metadata(const struct http_head *head, struct span *list, struct span *name);

/* The fields of a backend's answer that are stored with the object, as they were given to it; in the arena. False: it is
 * full. */
bool s3_stored_headers(struct arena *arena, const struct http_head *head,
                       struct http_header out[static S3_STORED_HEADERS_MAX], size_t *count) MUST_CHECK;

#endif

/* s3/request_parts.h - the parts of s3_request_parse, for s3/ only. */
#ifndef S3_REQUEST_PARTS_H
#define S3_REQUEST_PARTS_H

#include "s3/request.h"

/* What every part needs: where the result goes, and where a message is written. */
struct s3_parse {
    struct s3_request *out;
    const struct http_head *head;
    struct arena *arena;
    const char **message;
};

/* Refuse with a message of arena_printf's form; what came from the client goes in as S3_SHOWN. When
 * the arena is full the message is NULL, which is the table's. */
#define s3_refuse(p, code, ...) (*(p)->message = arena_printf((p)->arena, __VA_ARGS__).at, (code))
/* For "%.*s": cut to a readable length. */
#define S3_SHOWN(s) SPAN_ARG(span_head((s), 80))

/* out->query -> overrides, prefix, max_buckets. */
enum s3_code s3_query_parse(const struct s3_parse *p) MUST_CHECK;
/* The header fields -> payload, digests, range. */
enum s3_code s3_headers_parse(const struct s3_parse *p) MUST_CHECK;

#endif

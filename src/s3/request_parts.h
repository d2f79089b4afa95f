/* s3/request_parts.h - the parts of s3_request_parse, for s3/ only. */
#ifndef S3_REQUEST_PARTS_H
#define S3_REQUEST_PARTS_H

#include "s3/request.h"

/* What every part needs: where the result goes, and where a message is written. */
struct s3_parse {
    struct s3_request *out;
    const struct http_head *head;
    enum s3_proof proof;
    struct arena *arena;
    const char **message;
};

/* Refuse with a message of arena_printf's form; what came from the client goes in as S3_SHOWN. When
 * the arena is full the message is NULL, which is the table's. */
#define s3_refuse(p, code, ...) (*(p)->message = arena_printf((p)->arena, __VA_ARGS__).at, (code))
/* For "%.*s": cut to a readable length. */
#define S3_SHOWN(s) SPAN_ARG(span_head((s), 80))

/* Sets of operations, for the tables of parameters and fields. */
#define S3_OP_BIT(op) (1ull << (op))
#define S3_ANY_OP     (S3_OP_BIT(S3_OP_COUNT) - 1)

/* out->query -> what the operation's parameters say. */
enum s3_code s3_query_parse(const struct s3_parse *p) MUST_CHECK;
/* The header fields -> payload, digests, conditions, copy source. */
enum s3_code s3_headers_parse(const struct s3_parse *p) MUST_CHECK;
/* setting.c: does the query name a bucket's setting? */
bool s3_setting_of_query(struct span query, enum s3_setting *out);
bool s3_is_setting(struct span name);

#endif

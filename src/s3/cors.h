/* s3/cors.h - what pages of other origins may ask of a bucket, and what their browser is told about it. Pure.
 * Source: S3 user guide, "Using cross-origin resource sharing (CORS)"; the Fetch standard, section 3.3. */
#ifndef S3_CORS_H
#define S3_CORS_H

#include "base/arena.h"

struct s3_cors_list {
    const struct span *at;
    size_t count;
};

/* The rules of a bucket are tried in order; the first that fits counts. */
struct s3_cors_rule {
    struct s3_cors_list origins; /* each with at most one '*', which stands for any characters */
    struct s3_cors_list methods; /* of GET, HEAD, PUT, POST, DELETE */
    struct s3_cors_list headers; /* that a request may have; as origins, in any case */
    struct s3_cors_list exposed; /* of an answer, that the page may read */
    uint32_t max_age_s;          /* a browser may remember the answer so long; 0: it is not told */
};

/* An origin, the method of a request and what it wants to send: "x-amz-date, content-type", empty for none. NULL: no
 * rule allows it. */
const struct s3_cors_rule *s3_cors_match(const struct s3_cors_rule *rules, size_t count, struct span origin,
                                         struct span method, struct span headers);
/* "Access-Control-...: ...\r\n" lines and Vary. `headers` as above; empty for an answer that is no preflight's.
 * at == NULL: arena full. */
struct span s3_cors_lines(struct arena *arena, const struct s3_cors_rule *rule, struct span origin,
                          struct span headers) MUST_CHECK;
/* <CORSConfiguration>. */
struct span s3_cors_document(struct arena *arena, const struct s3_cors_rule *rules, size_t count) MUST_CHECK;

#endif

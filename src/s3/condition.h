/* s3/condition.h - If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since against what there is. Pure.
 *
 * Backends differ in what they make of conditions, and some ignore them: the gateway judges by itself. */
#ifndef S3_CONDITION_H
#define S3_CONDITION_H

#include "http/message.h"
#include "s3/error.h"

/* The object as it is now. */
struct s3_current {
    bool exists;
    struct span etag;          /* quotes included; empty: unknown, which no ETag matches */
    struct span last_modified; /* as in the header; what is no date counts as not given */
};

/* A read: RFC 9110 section 13.2.2, in its order. S3_OK, S3_NOT_MODIFIED (304) or S3_PRECONDITION_FAILED. Of an object
 * that does not exist nothing is judged: S3_OK. A date that is none is ignored, as is If-Modified-Since beside
 * If-None-Match and If-Unmodified-Since beside If-Match. If-Match compares strongly, If-None-Match weakly. */
enum s3_code s3_condition_read(const struct http_header *conditions, size_t count,
                               const struct s3_current *current) MUST_CHECK;
/* The source of a copy (x-amz-copy-source-if-*, under their plain names): the same, but what would be 304 is 412. */
enum s3_code s3_condition_source(const struct http_header *conditions, size_t count,
                                 const struct s3_current *current) MUST_CHECK;

/* May a write be asked for under these conditions at all? If-None-Match ("*" or ETags) and If-Match exclude each other, and dates
 * are for reads: else S3_NOT_IMPLEMENTED and *message. To be asked before anything is done. */
enum s3_code s3_condition_check_write(const struct http_header *conditions, size_t count,
                                      const char **message) MUST_CHECK;
/* A write: S3_OK, S3_PRECONDITION_FAILED, or S3_NO_SUCH_KEY for If-Match of what is not there. */
enum s3_code s3_condition_write(const struct http_header *conditions, size_t count,
                                const struct s3_current *current) MUST_CHECK;

/* Is `etag` in `list`: "*", or ETags with commas between, each with quotes or, as some clients send them, without?
 * `weakly`: W/ makes no difference; else what has it matches nothing. */
bool s3_etag_listed(struct span list, struct span etag, bool weakly);

#endif

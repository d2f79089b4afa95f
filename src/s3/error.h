/* s3/error.h - S3's error codes: one table of name, HTTP status and default message.
 * Source: the S3 API reference, "List of error codes". */
#ifndef S3_ERROR_H
#define S3_ERROR_H

#include "base/span.h"

enum s3_code {
    S3_OK = 0,
    S3_ACCESS_DENIED,
    S3_AUTHORIZATION_HEADER_MALFORMED,
    S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR,
    S3_BAD_DIGEST,
    S3_BUCKET_ALREADY_EXISTS,
    S3_BUCKET_ALREADY_OWNED_BY_YOU,
    S3_BUCKET_NOT_EMPTY,
    S3_ENTITY_TOO_LARGE,
    S3_INCOMPLETE_BODY,
    S3_INTERNAL_ERROR,
    S3_INVALID_ACCESS_KEY_ID,
    S3_INVALID_ARGUMENT,
    S3_INVALID_BUCKET_NAME,
    S3_INVALID_DIGEST,
    S3_INVALID_RANGE,
    S3_INVALID_REQUEST,
    S3_INVALID_URI,
    S3_KEY_TOO_LONG,
    S3_MALFORMED_XML,
    S3_METADATA_TOO_LARGE,
    S3_METHOD_NOT_ALLOWED,
    S3_MISSING_CONTENT_LENGTH,
    S3_NOT_IMPLEMENTED,
    S3_NO_SUCH_BUCKET,
    S3_NO_SUCH_KEY,
    S3_OPERATION_ABORTED,
    S3_PRECONDITION_FAILED,
    S3_REQUEST_TIMEOUT,
    S3_REQUEST_TIME_TOO_SKEWED,
    S3_SERVICE_UNAVAILABLE,
    S3_SIGNATURE_DOES_NOT_MATCH,
    S3_SLOW_DOWN,
    S3_XAMZ_CONTENT_CHECKSUM_MISMATCH,
    S3_XAMZ_CONTENT_SHA256_MISMATCH,
    S3_CODE_COUNT
};

struct s3_error {
    const char *name;    /* "NoSuchKey" */
    unsigned status;     /* 404 */
    const char *message; /* a sentence for a person */
};

const struct s3_error *s3_error(enum s3_code code);
/* S3_CODE_COUNT when the name is none of ours. */
enum s3_code s3_code_by_name(struct span name);

#endif

#include "s3/error.h"

/* Names, statuses and wording are S3's own where S3 has one, so that what people find on the web fits. */
static const struct s3_error errors[] = {
    [S3_OK] = {"OK", 200, "Success."},
    [S3_ACCESS_DENIED] = {"AccessDenied", 403, "Access Denied."},
    [S3_ACCESS_FORBIDDEN] = {"AccessForbidden", 403, "CORSResponse: This CORS request is not allowed."},
    [S3_AUTHORIZATION_HEADER_MALFORMED] = {"AuthorizationHeaderMalformed", 400,
                                           "The authorization header that you provided is not valid."},
    [S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR] =
        {"AuthorizationQueryParametersError", 400,
         "The authorization query parameters that you provided are not "
         "valid."},
    [S3_BAD_DIGEST] = {"BadDigest", 400,
                       "The Content-MD5 or checksum value that you specified did not match what the server "
                       "received."},
    [S3_BAD_REQUEST] = {"BadRequest", 400, "The request is not valid."},
    [S3_BUCKET_ALREADY_EXISTS] = {"BucketAlreadyExists", 409, "The requested bucket name is not available."},
    [S3_BUCKET_ALREADY_OWNED_BY_YOU] =
        {"BucketAlreadyOwnedByYou", 409,
         "The bucket that you tried to create already exists, and you own it."},
    [S3_BUCKET_NOT_EMPTY] = {"BucketNotEmpty", 409, "The bucket that you tried to delete is not empty."},
    [S3_ENTITY_TOO_LARGE] = {"EntityTooLarge", 400,
                             "Your proposed upload exceeds the maximum allowed object size."},
    [S3_INCOMPLETE_BODY] =
        {"IncompleteBody", 400,
         "You did not provide the number of bytes specified by the Content-Length header."},
    [S3_INTERNAL_ERROR] = {"InternalError", 500, "An internal error occurred. Try again."},
    [S3_INVALID_ACCESS_KEY_ID] = {"InvalidAccessKeyId", 403,
                                  "The access key ID that you provided does not exist in our records."},
    [S3_INVALID_ARGUMENT] = {"InvalidArgument", 400, "An argument of the request is not valid."},
    [S3_INVALID_BUCKET_NAME] = {"InvalidBucketName", 400, "The specified bucket is not valid."},
    [S3_INVALID_DIGEST] = {"InvalidDigest", 400, "The Content-MD5 that you specified is not valid."},
    [S3_INVALID_POLICY_DOCUMENT] = {"InvalidPolicyDocument", 400,
                                    "The content of the form does not meet the conditions specified in the "
                                    "policy document."},
    [S3_INVALID_RANGE] = {"InvalidRange", 416, "The requested range is not satisfiable."},
    [S3_INVALID_REQUEST] = {"InvalidRequest", 400, "The request is not valid."},
    [S3_INVALID_URI] = {"InvalidURI", 400, "The specified URI couldn't be parsed."},
    [S3_KEY_TOO_LONG] = {"KeyTooLongError", 400, "Your key is too long."},
    [S3_MALFORMED_XML] = {"MalformedXML", 400,
                          "The XML that you provided was not well formed or did not validate against our "
                          "published schema."},
    [S3_METADATA_TOO_LARGE] = {"MetadataTooLarge", 400,
                               "Your metadata headers exceed the maximum allowed metadata size."},
    [S3_METHOD_NOT_ALLOWED] = {"MethodNotAllowed", 405,
                               "The specified method is not allowed against this resource."},
    [S3_MISSING_CONTENT_LENGTH] = {"MissingContentLength", 411,
                                   "You must provide the Content-Length HTTP header."},
    [S3_NOT_IMPLEMENTED] = {"NotImplemented", 501,
                            "A header or parameter that you provided implies functionality that is not "
                            "implemented."},
    [S3_NO_SUCH_BUCKET] = {"NoSuchBucket", 404, "The specified bucket does not exist."},
    [S3_NO_SUCH_KEY] = {"NoSuchKey", 404, "The specified key does not exist."},
    [S3_OPERATION_ABORTED] = {"OperationAborted", 409,
                              "A conflicting conditional operation is currently in progress against this "
                              "resource. Try again."},
    [S3_PRECONDITION_FAILED] = {"PreconditionFailed", 412,
                                "At least one of the preconditions that you specified did not hold."},
    [S3_REQUEST_TIMEOUT] = {"RequestTimeout", 400,
                            "Your socket connection to the server was not read from or written to within the "
                            "timeout period."},
    [S3_REQUEST_TIME_TOO_SKEWED] =
        {"RequestTimeTooSkewed", 403,
         "The difference between the request time and the server's time is too large."},
    [S3_SERVICE_UNAVAILABLE] = {"ServiceUnavailable", 503,
                                "Service is unable to handle the request. Try again."},
    [S3_SIGNATURE_DOES_NOT_MATCH] =
        {"SignatureDoesNotMatch", 403,
         "The request signature that we calculated does not match the signature that "
         "you provided. Check your secret access key and signing method."},
    [S3_SLOW_DOWN] = {"SlowDown", 503, "Please reduce your request rate."},
    [S3_XAMZ_CONTENT_CHECKSUM_MISMATCH] = {"XAmzContentChecksumMismatch", 400,
                                           "The provided 'x-amz-checksum' header does not match what was "
                                           "computed."},
    [S3_XAMZ_CONTENT_SHA256_MISMATCH] = {"XAmzContentSHA256Mismatch", 400,
                                         "The provided 'x-amz-content-sha256' header does not match what was "
                                         "computed."},
    [S3_CONDITIONAL_REQUEST_CONFLICT] =
        {"ConditionalRequestConflict", 409,
         "A conflicting operation occurred during the upload to this key. Try again."},
    [S3_ENTITY_TOO_SMALL] = {"EntityTooSmall", 400,
                             "Your proposed upload is smaller than the minimum allowed object size."},
    [S3_EXPIRED_TOKEN] = {"ExpiredToken", 400, "The provided token has expired."},
    [S3_INVALID_CHUNK_SIZE] = {"InvalidChunkSizeError", 400,
                               "Only the last chunk is allowed to have a size less than 8192 bytes."},
    [S3_INVALID_PART] = {"InvalidPart", 400,
                         "One or more of the specified parts could not be found. The part may not have been "
                         "uploaded, or the specified entity tag may not match the part's entity tag."},
    [S3_INVALID_PART_NUMBER] = {"InvalidPartNumber", 416, "The requested partnumber is not satisfiable."},
    [S3_INVALID_PART_ORDER] =
        {"InvalidPartOrder", 400,
         "The list of parts was not in ascending order. Parts must be ordered by part number."},
    [S3_INVALID_TAG] = {"InvalidTag", 400, "The tag provided was not a valid tag."},
    [S3_KEY_NOT_SUPPORTED] = {"KeyNotSupported", 400,
                              "A replica of this bucket cannot hold a key of this form."},
    [S3_MALFORMED_POST_REQUEST] = {"MalformedPOSTRequest", 400,
                                   "The body of your POST request is not well-formed multipart/form-data."},
    [S3_MALFORMED_TRAILER] = {"MalformedTrailerError", 400,
                              "The request contained trailing data that was not well-formed or did not "
                              "conform to our published schema."},
    [S3_NO_SUCH_BUCKET_POLICY] = {"NoSuchBucketPolicy", 404, "The bucket policy does not exist."},
    [S3_NO_SUCH_CORS_CONFIGURATION] = {"NoSuchCORSConfiguration", 404,
                                       "The CORS configuration does not exist."},
    [S3_NO_SUCH_ENCRYPTION_CONFIGURATION] = {"ServerSideEncryptionConfigurationNotFoundError", 404,
                                             "The server side encryption configuration was not found."},
    [S3_NO_SUCH_LIFECYCLE_CONFIGURATION] = {"NoSuchLifecycleConfiguration", 404,
                                            "The lifecycle configuration does not exist."},
    [S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION] = {"ObjectLockConfigurationNotFoundError", 404,
                                              "Object Lock configuration does not exist for this bucket."},
    [S3_NO_SUCH_OWNERSHIP_CONTROLS] = {"OwnershipControlsNotFoundError", 404,
                                       "The bucket ownership controls were not found."},
    [S3_NO_SUCH_PUBLIC_ACCESS_BLOCK] = {"NoSuchPublicAccessBlockConfiguration", 404,
                                        "The public access block configuration was not found."},
    [S3_NO_SUCH_REPLICATION_CONFIGURATION] = {"ReplicationConfigurationNotFoundError", 404,
                                              "The replication configuration was not found."},
    [S3_NO_SUCH_TAG_SET] = {"NoSuchTagSet", 404, "The TagSet does not exist."},
    [S3_NO_SUCH_UPLOAD] = {"NoSuchUpload", 404,
                           "The specified multipart upload does not exist. The upload ID might be invalid, "
                           "or the multipart upload might have been aborted or completed."},
    [S3_NO_SUCH_VERSION] = {"NoSuchVersion", 404,
                            "The version ID specified in the request does not match an existing version."},
    [S3_NO_SUCH_WEBSITE_CONFIGURATION] = {"NoSuchWebsiteConfiguration", 404,
                                          "The specified bucket does not have a website configuration."},
    [S3_NOT_MODIFIED] = {"NotModified", 304, "Not Modified"},
    [S3_POST_TOO_LARGE] = {"MaxPostPreDataLengthExceeded", 400,
                           "Your POST request fields preceding the upload file were too large."},
    [S3_UNEXPECTED_CONTENT] = {"UnexpectedContent", 400, "This request does not support content."},
};
_Static_assert(sizeof(errors) / sizeof(errors[0]) == S3_CODE_COUNT, "a row per code");

const struct s3_error *s3_error(enum s3_code code)
{
    return &errors[code];
}

enum s3_code s3_code_by_name(struct span name)
{
    for (int code = 0; code < S3_CODE_COUNT; code++)
        if (span_is(name, errors[code].name))
            return (enum s3_code)code;
    return S3_CODE_COUNT;
}

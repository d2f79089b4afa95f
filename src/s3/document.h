/* s3/document.h - the XML that S3 speaks: printing ours, reading the backends'. Pure.
 * Reading is expat with entities, DTDs and depth refused and the size bounded. */
#ifndef S3_DOCUMENT_H
#define S3_DOCUMENT_H

#include "base/arena.h"
#include "s3/error.h"

/* <Error>; message NULL: the table's. at == NULL: arena full. `extra` is further, already
 * formed XML elements or empty (StringToSign and the like). */
struct span s3_error_document(struct arena *arena, enum s3_code code, const char *message,
                              struct span resource, struct span request_id, struct span extra) MUST_CHECK;

struct s3_bucket_entry {
    struct span name;
    uint64_t created_unix_ms;
};
/* `prefix` and the continuation `token` of the next page are shown unless they are empty. */
struct span s3_buckets_document(struct arena *arena, const struct s3_bucket_entry *buckets, size_t count,
                                struct span owner, struct span prefix, struct span token) MUST_CHECK;

/* Text with <, >, &, ", ' and control characters as references. */
struct span s3_xml_escape(struct arena *arena, struct span text) MUST_CHECK;

/* CreateBucketConfiguration: ERR_OK (empty body as well), ERR_INVALID: not that document. */
enum err s3_create_bucket_parse(struct span body, struct arena *arena, struct span *location) MUST_CHECK;

/* A backend's answer body: true when its root element is <Error>; then *code and *message (in the arena, maybe
 * empty). A body that is no well-formed XML and starts with "<Error" counts as an error too. */
bool s3_body_is_error(struct span body, struct arena *arena, struct span *code, struct span *message);

/* ListBucketResult: how many <Contents> and <CommonPrefixes> it shows. ERR_INVALID: no such document. */
enum err s3_list_count(struct span body, struct arena *arena, size_t *entries) MUST_CHECK;

#endif

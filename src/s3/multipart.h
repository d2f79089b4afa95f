/* s3/multipart.h - the documents of multipart uploads, towards clients and of backends. Pure. */
#ifndef S3_MULTIPART_H
#define S3_MULTIPART_H

#include "base/arena.h"
#include "s3/request.h"
#include "s3/xml_read.h"

/* ---- a client's CompleteMultipartUpload, read in pieces ---- */

enum { S3_COMPLETE_BYTES_MAX = 4 * 1024 * 1024 };

struct s3_listed_part {
    uint32_t number;
    struct span etag; /* without quotes; during the call only */
    enum s3_checksum checksum;
    struct span checksum_text; /* in base64, as sent */
};

struct s3_complete_reader {
    /* A <Part> has ended. False: no more is wanted. */
    bool (*part)(void *ctx, const struct s3_listed_part *part);
    void *ctx;
    struct xml_walk walk; /* from here on the reader's own */
    struct s3_listed_part current;
    bool numbered, tagged;
    char etag[128], checksum[64];
};
/* As xml_walk_begin, _feed and _end. ERR_INVALID: not well-formed, another document, or a part without a number from
 * 1 to 10000 or without an ETag; also when `part` said false. */
enum err s3_complete_begin(struct s3_complete_reader *r) MUST_CHECK;
enum err s3_complete_feed(struct s3_complete_reader *r, struct span piece) MUST_CHECK;
enum err s3_complete_end(struct s3_complete_reader *r) MUST_CHECK;

/* ---- answers of backends ---- */

/* InitiateMultipartUploadResult: its UploadId, in the arena. */
enum err s3_upload_id_read(struct span body, struct arena *arena, struct span *id) MUST_CHECK;
/* CompleteMultipartUploadResult: its ETag, in the arena. */
enum err s3_complete_etag_read(struct span body, struct arena *arena, struct span *etag) MUST_CHECK;
/* CopyObjectResult, CopyPartResult: its ETag, in the arena; some servers' is without quotes. */
enum err s3_copy_etag_read(struct span body, struct arena *arena, struct span *etag) MUST_CHECK;

struct s3_upload_entry {
    struct span key, id;
    uint64_t initiated_unix_ms; /* UINT64_MAX: not to be read */
};
/* ListMultipartUploadsResult. */
struct s3_uploads_page {
    void (*entry)(void *ctx, const struct s3_upload_entry *entry);
    void *ctx;
    bool truncated;
    struct span next_key, next_id; /* in the arena */
};
enum err s3_uploads_read(struct span body, struct arena *arena, struct s3_uploads_page *page) MUST_CHECK;

/* ---- documents for clients; at == NULL: the arena is full ---- */

struct span s3_created_document(struct arena *arena, struct span bucket, struct span key,
                                struct span id) MUST_CHECK;
/* `result`: the elements ETag and Checksum*. */
struct span s3_completed_document(struct arena *arena, struct span location, struct span bucket,
                                  struct span key, struct span result) MUST_CHECK;

struct s3_part_entry {
    uint32_t number;
    uint64_t bytes, unix_ms;
    const char *etag;     /* with quotes */
    struct span checksum; /* its bytes; empty: none */
};
struct s3_parts_list {
    struct span bucket, key, id, owner;
    enum s3_checksum checksum; /* of the upload */
    bool full_object, truncated;
    uint32_t marker, most;
    const struct s3_part_entry *parts;
    size_t count;
};
struct span s3_parts_document(struct arena *arena, const struct s3_parts_list *l) MUST_CHECK;

struct s3_upload_shown {
    struct span key, id;
    uint64_t created_unix_ms;
    enum s3_checksum checksum;
    bool full_object;
};
struct s3_uploads_list {
    struct span bucket, prefix, delimiter, key_marker, id_marker, next_key, next_id;
    uint32_t most;
    bool url, truncated;
    const struct span *elements; /* of the next two */
    size_t count;
};
struct span s3_upload_element(struct arena *arena, const struct s3_upload_shown *u, struct span owner,
                              bool url) MUST_CHECK;
struct span s3_prefix_element(struct arena *arena, struct span prefix, bool url) MUST_CHECK;
struct span s3_uploads_document(struct arena *arena, const struct s3_uploads_list *l) MUST_CHECK;

/* ---- what backends are sent ---- */

/* Room that one part takes in the document, and the two ends of it. */
#define S3_COMPLETE_HEAD "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define S3_COMPLETE_TAIL "</CompleteMultipartUpload>"
enum { S3_COMPLETE_PART_BYTES_MAX = 1024 };
/* Prints a <Part>; returns what is behind it. */
char *s3_complete_put_part(char *at, uint32_t number, struct span etag, enum s3_checksum checksum,
                           struct span checksum_value);

#endif

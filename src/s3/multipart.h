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

/* ---- what backends are sent ---- */

/* Room that one part takes in the document, and the two ends of it. */
#define S3_COMPLETE_HEAD "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define S3_COMPLETE_TAIL "</CompleteMultipartUpload>"
enum { S3_COMPLETE_PART_BYTES_MAX = 1024 };
/* Prints a <Part>; returns what is behind it. */
char *s3_complete_put_part(char *at, uint32_t number, struct span etag, enum s3_checksum checksum,
                           struct span checksum_value);

#endif

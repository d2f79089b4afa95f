/* s3/list_read.h - a backend's answer to ListObjects or ListObjectsV2, read as its bytes arrive. Pure.
 *
 * The memory is this struct and what expat needs, whatever the size of the document. */
#ifndef S3_LIST_READ_H
#define S3_LIST_READ_H

#include "s3/xml_read.h"

enum { LIST_HELD_BYTES = 4 * 1024 };

struct s3_list_item {
    struct span
        key; /* or the common prefix; as it stands in the document: encoded when `encoded` comes out true */
    bool is_prefix;
    uint64_t body_bytes, modified_ms;
    struct span etag;
};

struct s3_list_reader {
    /* Each entry as it ends; spans are valid during the call. False: no more of it. */
    bool (*item)(void *ctx, const struct s3_list_item *item);
    void *ctx;
    /* out, once the end said ERR_OK */
    bool truncated;
    bool encoded; /* the answer says encoding-type=url: keys are to be decoded */

    struct xml_walk walk; /* from here on the reader's own */
    struct s3_list_item entry;
    uint64_t bytes;
    size_t quiet_bytes;
    bool has_key, has_size, has_truncated, begun, full;
    bool scans; /* entries are looked for before the parser sees them */
    size_t held_bytes;
    char held[LIST_HELD_BYTES]; /* the beginning of one, at the end of a piece */
    char text[XML_WIDE_TEXT_BYTES_MAX];
    char key[XML_WIDE_TEXT_BYTES_MAX], etag[128];
};

void s3_list_reader_init(struct s3_list_reader *r, bool (*item)(void *ctx, const struct s3_list_item *item),
                         void *ctx);
/* ERR_OK; ERR_INVALID: no such document; ERR_TOO_LARGE: without an end; ERR_CANCELLED: `item` wanted no more; ERR_NOMEM. */
enum err s3_list_reader_feed(struct s3_list_reader *r, struct span piece) MUST_CHECK;
/* The same; after ERR_OK the document was whole. Once; also to let go of a reader half way. */
enum err s3_list_reader_end(struct s3_list_reader *r) MUST_CHECK;

/* In place: %XX, and '+' is a space (what servers mean by it that encode keys at all). False: not of that form. */
bool s3_list_decode(char *text, size_t *len);

#endif

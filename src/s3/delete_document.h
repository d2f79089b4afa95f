/* s3/delete_document.h - DeleteObjects: what is to be deleted, and what became of it. Pure.
 * Source: S3 API reference, DeleteObjects. */
#ifndef S3_DELETE_DOCUMENT_H
#define S3_DELETE_DOCUMENT_H

#include "base/arena.h"
#include "s3/error.h"
#include "s3/xml_read.h"

enum { S3_DELETE_KEYS_MAX = 1000, S3_DELETE_BYTES_MAX = 2 * 1024 * 1024 };

struct s3_delete_entry {
    struct span key;     /* at most XML_TEXT_BYTES_MAX bytes; `too_long` when it was longer */
    struct span version; /* empty: none */
    struct span etag;    /* empty: no condition */
    bool too_long;
    bool other_condition; /* LastModifiedTime or Size: conditions of directory buckets, not known here */
};
struct s3_delete {
    struct s3_delete_entry *entries; /* in the arena */
    size_t count;
    bool quiet;
};

/* The document is read in pieces: open, any number of feeds, close. `out` and `arena` stay until then. */
struct s3_delete_reader {
    struct xml_walk walk;
    struct arena *arena;
    struct s3_delete *out;
    bool full, in_object;
};
/* S3_INTERNAL_ERROR: no memory; there is then nothing to close. */
enum s3_code s3_delete_open(struct s3_delete_reader *r, struct s3_delete *out,
                            struct arena *arena) MUST_CHECK;
void s3_delete_feed(struct s3_delete_reader *r, struct span piece);
/* S3_MALFORMED_XML: not a <Delete> of 1..1000 objects with a key each. S3_INTERNAL_ERROR: the arena is full. */
enum s3_code s3_delete_close(struct s3_delete_reader *r) MUST_CHECK;

/* The answer comes in pieces: s3_delete_head, a piece per entry in order, s3_delete_tail. */
extern const struct span s3_delete_head, s3_delete_tail;
/* code S3_OK: <Deleted>; else <Error>, message NULL: the table's. at == NULL: arena full. */
struct span s3_delete_result(struct arena *arena, const struct s3_delete_entry *entry, enum s3_code code,
                             const char *message) MUST_CHECK;

#endif
